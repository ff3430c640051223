"""总览: the wall. Which lights are on, what is worst, how the four ones stand, and how old the data are."""

from __future__ import annotations

from fourones_grafana import looks, variables
from fourones_grafana.board import Board
from fourones_grafana.boards.common import (
    LIGHT,
    OVERVIEW,
    TO_CLUSTER,
    TO_COUNTY,
    counted_by,
    light_columns,
    light_counts,
    targets_table,
)
from fourones_grafana.panels import (
    Column,
    Panel,
    Row,
    bars,
    columns_chart,
    merged,
    ordered,
    organised,
    stat,
    table,
    timeseries,
    words,
)
from fourones_grafana.queries import now, over_time, rows
from fourones_grafana.queries import table as sql
from fourones_grafana.sources import ALERTING, SUBMISSION

_OF_PLAN = 'plan=~"$plan"'
PILLARS = {
    "task-force": "工作专班",
    "alliance": "产业联盟",
    "innovation-system": "创新体系",
    "factor-support": "要素支撑",
}


def board(explanations: str) -> Board:
    """The board."""
    return Board(
        uid=OVERVIEW,
        title="总览",
        description="各方案、集群、部门的红黄绿灯，最差目标，四个一，数据覆盖率与新旧。",
        since="now-24h",
        variables=[variables.plan(), variables.period_type(), variables.explanations(explanations)],
        rows=[
            Row(4, [*((3, panel) for panel in light_counts(LIGHT, _OF_PLAN)), *((3, panel) for panel in _numbers())]),
            Row(
                10,
                [
                    (8, _lights_by("plan_name", "方案", "各方案红黄绿灯", _OF_PLAN)),
                    (8, _lights_of_clusters()),
                    (8, _lights_of_departments()),
                ],
            ),
            Row(11, [(24, _worst())]),
            Row(12, [(12, _four_ones()), (5, _coverage()), (7, _age())]),
            Row(8, [(16, _lights_over_time()), (8, _reading())]),
        ],
    )


def _numbers() -> list[Panel]:
    return [
        stat(
            "覆盖率",
            now(
                "avg(max by (target) (target:fourones_rollup_coverage_ratio:max)"
                f" and on (target) {LIGHT}{{{_OF_PLAN}}})"
            ),
            description="所选方案各目标最近应报期的上报率（已报 ÷ 应报）的平均值。",
            unit="percentunit",
            decimals=0,
            thresholds=looks.steps("red", *looks.SHARE_STEPS),
        ),
        stat(
            "近一年缺报",
            now("sum(reporter:fourones_reports_missing:max) or vector(0)"),
            description="近十二个月到期而没有数据的报送项数（缺报和申报缺失）。",
            decimals=0,
            thresholds=looks.steps("green", (1, "orange")),
        ),
        stat(
            "未销号问题",
            sql(ALERTING, "SELECT count(*) AS \"未销号\" FROM boards.problem WHERE state <> 'closed'"),
            description="问题清单中尚未销号的问题数。",
            decimals=0,
            thresholds=looks.steps("green", (1, "orange")),
        ),
        stat(
            "最近一次报送",
            sql(
                SUBMISSION,
                'SELECT extract(epoch FROM max(received_at)) * 1000 AS "最近一次报送" FROM boards.submission',
            ),
            description="系统最近一次受理报送距今多久。",
            unit="dateTimeFromNow",
        ),
    ]


def _lights_of_clusters() -> Panel:
    return _lights_by(
        "cluster_name",
        "集群",
        "各集群红黄绿灯",
        f'{_OF_PLAN},cluster!="_T"',
        may_be_empty="没有分集群目标的方案为空。",
    )


def _lights_by(label: str, called: str, title: str, labels: str, *, may_be_empty: str | None = None) -> Panel:
    return columns_chart(
        title,
        *(rows(expr, "ABCD"[n]) for n, expr in enumerate(counted_by(label, LIGHT, labels))),
        description=f"按{called}统计的目标数，当前状态。",
        by=called,
        transformations=[merged(), organised(_light_names(label, called), without=("Time",))],
        columns=light_columns(),
        may_be_empty=may_be_empty,
    )


def _lights_of_departments() -> Panel:
    exprs = counted_by("department_name", "department_target:fourones_target_light:worst", _OF_PLAN)
    return columns_chart(
        "各牵头部门红黄绿灯",
        *(rows(expr, "ABCD"[n]) for n, expr in enumerate(exprs)),
        description="按责任部门统计的目标数，当前状态；几个部门共同负责的目标在每个部门各计一次。",
        by="部门",
        transformations=[merged(), organised(_light_names("department_name", "部门"), without=("Time",))],
        columns=light_columns(),
    )


def _light_names(label: str, called: str) -> dict[str, str]:
    return {label: called, "Value #A": "红", "Value #B": "黄", "Value #C": "绿", "Value #D": "灰"}


def _worst() -> Panel:
    return targets_table(
        "最差目标",
        LIGHT,
        f'light=~"red|yellow",{_OF_PLAN}',
        description="红灯和黄灯目标，落后月数多的在前；差距为正表示未达序时进度。点击目标看研判依据，点击集群看集群看板。",
        most=15,
        may_be_empty="没有红灯和黄灯的方案为空。",
    )


def _four_ones() -> Panel:
    names = {"cluster_name": "集群"}
    queries = []
    for letter, (pillar, word) in zip("ABCD", PILLARS.items(), strict=True):
        scored = f'cluster_pillar:fourones_pillar_score_ratio:max{{pillar="{pillar}",period_type="$period_type"}}'
        by = "max by (cluster, cluster_name, position)"
        # Clusters without targets of that pillar are there all the same, without a score.
        queries.append(rows(f"{by} ({scored}) or on (cluster) {by} (cluster:fourones_cluster_info:one) * NaN", letter))
        names[f"Value #{letter}"] = word
    return table(
        "十个集群 × 四个一",
        *queries,
        description="各支柱目标完成情况的加权平均，按所选周期最近一个到期期次；没有目标的支柱注明“无目标”。",
        unit="percentunit",
        decimals=0,
        mappings=(looks.nothing("无目标"),),
        thresholds=looks.steps("red", *looks.SHARE_STEPS),
        transformations=[
            merged(),
            ordered("position", descending=False),
            organised(names | {"cluster": ""}, without=("Time", "position")),
        ],
        columns=[
            Column("集群", links=(TO_CLUSTER,), width=160),
            *(Column(word, cell="colour") for word in PILLARS.values()),
            Column("cluster", hidden=True),
        ],
    )


def _coverage() -> Panel:
    covered = "max by (target) (target:fourones_rollup_coverage_ratio:max)"
    return bars(
        "各方案覆盖率",
        now(
            f"avg by (plan_name) ({covered} * on (target) group_left (plan_name) {LIGHT}{{{_OF_PLAN}}})",
            legend="{{plan_name}}",
        ),
        description="最近应报期的上报率（已报 ÷ 应报），按方案平均。",
        unit="percentunit",
        decimals=0,
        maximum=1,
        thresholds=looks.steps("red", *looks.SHARE_STEPS),
    )


def _age() -> Panel:
    return table(
        "各县区最近报送",
        sql(
            SUBMISSION,
            """
            SELECT o.org, o.org_name AS "单位",
              (extract(epoch FROM max(s.received_at)) * 1000)::double precision AS "最近报送",
              count(s.submission_id) AS "报送次数"
            FROM boards.organisation o
            LEFT JOIN boards.submission s ON s.reporter = o.org
            WHERE o.kind IN ('county', 'zone') AND NOT o.synthetic
            GROUP BY o.org, o.org_name
            ORDER BY max(s.received_at) NULLS FIRST
            """,
        ),
        description="各县区最近一次报送是多久以前；从未报送的排在最前。",
        columns=[
            Column("单位", links=(TO_COUNTY,)),
            Column("最近报送", unit="dateTimeFromNow", mappings=(looks.nothing("从未报送", "red"),)),
            Column("报送次数", decimals=0, width=90),
            Column("org", hidden=True),
        ],
    )


def _lights_over_time() -> Panel:
    return timeseries(
        "红黄绿灯变化",
        over_time(f"sum by (light) ({LIGHT}{{{_OF_PLAN}}})", legend="{{light}}"),
        description="各灯目标数随时间的变化：当时看板显示的状态。",
        decimals=0,
        stacked=True,
        minimum=0,
        columns=[
            Column(light, colour=colour, properties=(("displayName", looks.LIGHT_WORDS[light]),))
            for light, colour in looks.LIGHT_COLOURS.items()
        ],
    )


def _reading() -> Panel:
    return words(
        "怎么读",
        "- **灯**：绿＝已达成或按序时；黄＝滞后；红＝偏离或倒退；灰＝无数据或暂不研判。\n"
        "- **缺报不加分**：没有数据不会让灯变好，覆盖率说明有多少单位已报。\n"
        "- **为什么**：点目标看研判依据；点集群看各县区贡献；点单位看该县区的报送情况。\n"
        "- 标有【演示】的方案和数据是模拟的。",
    )
