"""集群: one cluster. A target's value against its plan curve by reporting period, who contributes, and what is open."""

from __future__ import annotations

from fourones_grafana import looks, variables
from fourones_grafana.board import Board
from fourones_grafana.boards.common import (
    CLUSTER,
    LIGHT,
    PROBLEM_LIST,
    light_counts,
    problem_columns,
    targets_table,
)
from fourones_grafana.panels import Column, Panel, Row, columns_chart, gauge, stat, table, timeseries
from fourones_grafana.queries import now, series
from fourones_grafana.queries import table as sql
from fourones_grafana.sources import AGGREGATION, ALERTING

_OF_CLUSTER = 'cluster="$cluster"'


def board(explanations: str) -> Board:
    """The board."""
    return Board(
        uid=CLUSTER,
        title="集群",
        description="一个集群：目标完成值与序时进度（按报告期）、各县区贡献、四个一、未销号问题。",
        since="now-2y",
        # The rest of the way is of interest, too.
        until="now+6M",
        refresh="5m",
        variables=[
            variables.cluster(),
            variables.chosen(
                "target",
                "目标",
                ALERTING,
                "SELECT t.target_name AS __text, t.target AS __value FROM boards.target t"
                " JOIN boards.assessment a ON a.target = t.target WHERE t.cluster = ${cluster:sqlstring}"
                " ORDER BY a.value IS NULL, t.pillar IS NOT NULL, t.position",
            ),
            variables.chosen(
                "indicator",
                "指标",
                ALERTING,
                "SELECT indicator_name AS __text, indicator AS __value FROM boards.target"
                " WHERE target = ${target:sqlstring}",
                hidden=True,
            ),
            variables.chosen(
                "unit",
                "单位",
                ALERTING,
                "SELECT unit AS __text, unit AS __value FROM boards.target WHERE target = ${target:sqlstring}",
                hidden=True,
            ),
            variables.period_type(),
            variables.explanations(explanations),
        ],
        rows=[
            Row(
                4, [*((3, panel) for panel in light_counts(LIGHT, _OF_CLUSTER)), *((4, panel) for panel in _numbers())]
            ),
            Row(11, [(16, _against_the_curve()), (8, _why())], heading="${cluster:text}：${target:text}"),
            Row(11, [(16, _contributions()), (8, _gap())]),
            Row(10, [(7, _pillars()), (17, _targets())], heading="${cluster:text}：四个一与全部目标"),
            Row(8, [(24, _problems())]),
        ],
    )


def _numbers() -> list[Panel]:
    return [
        stat(
            "覆盖率",
            now(
                "avg(max by (target) (target:fourones_rollup_coverage_ratio:max)"
                f" and on (target) {LIGHT}{{{_OF_CLUSTER}}})"
            ),
            description="本集群各目标最近应报期的上报率（已报 ÷ 应报）的平均值。",
            unit="percentunit",
            decimals=0,
            thresholds=looks.steps("red", *looks.SHARE_STEPS),
        ),
        stat(
            "未销号问题",
            sql(
                ALERTING,
                'SELECT count(*) AS "未销号" FROM boards.problem'
                " WHERE cluster = ${cluster:sqlstring} AND state <> 'closed'",
            ),
            description="问题清单中本集群尚未销号的问题数。",
            decimals=0,
            thresholds=looks.steps("green", (1, "orange")),
        ),
        stat(
            "牵头部门",
            sql(ALERTING, 'SELECT lead_name AS "牵头部门" FROM boards.cluster WHERE cluster = ${cluster:sqlstring}'),
            description="本集群的牵头部门。",
            unit="string",
        ),
    ]


def _against_the_curve() -> Panel:
    return timeseries(
        "完成值与序时进度（${unit:text}）",
        series(
            ALERTING,
            """
            SELECT time, value AS "完成值"
            FROM boards.target_history
            WHERE target = ${target:sqlstring} AND $__timeFilter(time)
            ORDER BY time
            """,
        ),
        series(
            ALERTING,
            """
            SELECT time, due_value AS "序时进度"
            FROM boards.plan_curve
            WHERE target = ${target:sqlstring} AND $__timeFilter(time)
            ORDER BY time
            """,
            "B",
        ),
        series(
            ALERTING,
            """
            SELECT e.time, t.target_value AS "目标值"
            FROM boards.target t
            CROSS JOIN (VALUES ($__timeFrom()::timestamptz), ($__timeTo()::timestamptz)) AS e (time)
            WHERE t.target = ${target:sqlstring}
            ORDER BY e.time
            """,
            "C",
        ),
        description="按报告期（期末）画出所选目标的完成值；序时进度是方案曲线，延伸到今后；没有基期的目标没有曲线。",
        points=True,
        columns=[
            Column("完成值", colour="blue", properties=(("custom.lineWidth", 3),)),
            Column(
                "序时进度",
                colour="orange",
                properties=(
                    ("custom.lineStyle", {"fill": "dash", "dash": [10, 10]}),
                    ("custom.showPoints", "never"),
                ),
            ),
            Column("目标值", colour="green", properties=(("custom.showPoints", "never"), ("custom.lineWidth", 1))),
        ],
    )


def _why() -> Panel:
    return table(
        "研判说明",
        sql(
            ALERTING,
            """
            SELECT light AS "灯", period AS "报告期", explanation AS "说明", missing_names AS "缺报单位"
            FROM boards.assessment
            WHERE target = ${target:sqlstring}
            """,
        ),
        description="所选目标当前的结论和理由。",
        columns=[
            Column("灯", mappings=(looks.lights(),), cell="colour", width=50),
            Column("报告期", width=90),
            Column(
                "说明",
                properties=(("custom.cellOptions", {"type": "auto", "wrapText": True}), ("custom.inspect", True)),
            ),
            Column("缺报单位", width=120, properties=(("custom.inspect", True),)),
        ],
    )


def _contributions() -> Panel:
    return timeseries(
        "各县区贡献：${indicator:text}（${unit:text}）",
        series(
            AGGREGATION,
            """
            SELECT time, org_name AS metric, value
            FROM boards.figure
            WHERE indicator = ${indicator:sqlstring} AND cluster = ${cluster:sqlstring}
              AND org_kind IN ('county', 'zone') AND NOT excluded AND value IS NOT NULL AND $__timeFilter(time)
            ORDER BY time, org
            """,
        ),
        description="所选目标的指标，各县区和开发区报送的数值，按报告期（期末）堆叠。",
        stacked=True,
        as_bars=True,
        may_be_empty="由部门报送的指标没有县区数据，未报送的指标没有数据。",
    )


def _gap() -> Panel:
    return columns_chart(
        "差距来自哪里（${unit:text}）",
        sql(
            ALERTING,
            """
            SELECT part_name AS "组成", gap AS "差距"
            FROM boards.gap_part
            WHERE target = ${target:sqlstring} AND gap IS NOT NULL
            ORDER BY position
            """,
        ),
        description="按上年同期占比分解到各县区的差距，大的在前；为负表示超前。",
        by="组成",
        columns=[Column("差距", decimals=2, colour="red")],
        may_be_empty="没有差距的目标、不能分解的目标没有分解结果。",
    )


def _pillars() -> Panel:
    return gauge(
        "四个一",
        now(
            'max by (pillar_name) (cluster_pillar:fourones_pillar_score_ratio:max{cluster="$cluster",'
            'period_type="$period_type"})',
            legend="{{pillar_name}}",
        ),
        description="各支柱目标完成情况的加权平均，按所选周期最近一个到期期次；没有目标的支柱不显示。",
        unit="percentunit",
        thresholds=looks.steps("red", *looks.SHARE_STEPS),
        maximum=1,
    )


def _targets() -> Panel:
    return targets_table(
        "全部目标", LIGHT, _OF_CLUSTER, description="本集群的全部目标，落后月数多的在前。点击目标看研判依据。"
    )


def _problems() -> Panel:
    where = " WHERE cluster = ${cluster:sqlstring} AND state <> 'closed' ORDER BY days_open DESC LIMIT 50"
    return table(
        "未销号问题",
        sql(ALERTING, PROBLEM_LIST + where),
        description="本集群尚未销号的问题，立项久的在前。",
        columns=problem_columns(),
        may_be_empty="没有未销号问题的集群为空。",
    )
