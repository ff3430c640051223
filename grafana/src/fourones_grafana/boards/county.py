"""县区: who is ahead and who is punctual (晾晒), and one county's or zone's own page."""

# ruff: noqa: S608 - every name in these questions is written here; choices are quoted by Grafana.
from __future__ import annotations

from fourones_grafana import looks, variables
from fourones_grafana.board import Board
from fourones_grafana.boards.common import COUNTY, PROBLEM_LIST, TO_COUNTY, problem_columns
from fourones_grafana.panels import Column, Panel, Row, merged, ordered, organised, stat, states, table, timeseries
from fourones_grafana.queries import now, rows, series
from fourones_grafana.queries import table as sql
from fourones_grafana.sources import AGGREGATION, ALERTING, SUBMISSION

_COUNTIES = 'kind=~"county|zone"'
_THIS = 'reporter="$county"'


def board() -> Board:
    """The board."""
    return Board(
        uid=COUNTY,
        title="县区",
        description="县区晾晒：完成率、及时率、上报率；一个县区自己的页面。",
        since="now-2y",
        refresh="5m",
        variables=[
            variables.county(),
            variables.chosen(
                "figure",
                "指标",
                AGGREGATION,
                "SELECT DISTINCT indicator_name AS __text, indicator AS __value FROM boards.figure"
                " WHERE org = ${county:sqlstring} AND value IS NOT NULL AND NOT excluded AND $__timeFilter(time)"
                " ORDER BY 1",
            ),
        ],
        rows=[
            Row(12, [(12, _by_attainment()), (12, _by_punctuality())], heading="晾晒"),
            Row(4, [(4, panel) for panel in _numbers()], heading="${county:text}"),
            Row(11, [(12, _latest()), (12, _timeliness())]),
            Row(9, [(14, _history()), (10, _owed())]),
            Row(7, [(24, _problems())]),
        ],
    )


def _reported(name: str, chosen: str) -> str:
    return f"max by (reporter, reporter_name) (reporter:fourones_reports_{name}:max{{{chosen}}})"


def _by_attainment() -> Panel:
    due, missing = "reporter:fourones_reports_due:max", "reporter:fourones_reports_missing:max"
    covered = f"({due} - {missing}) / {due}"
    return table(
        "完成率榜",
        sql(
            ALERTING,
            """
            WITH a AS (
              SELECT org, attainment, synthetic, bool_and(synthetic) OVER () AS all_synthetic
              FROM boards.attainment WHERE attainment IS NOT NULL
            )
            SELECT o.org, o.org_name,
              avg(CASE WHEN a.attainment > 1.2 THEN 1.2 ELSE a.attainment END)::double precision AS attainment,
              count(a.attainment) AS targets, CASE WHEN bool_or(a.synthetic) THEN '【演示】' END AS note
            FROM boards.organisation o
            LEFT JOIN a ON a.org = o.org AND a.synthetic = a.all_synthetic
            WHERE o.kind IN ('county', 'zone') AND NOT o.synthetic
            GROUP BY o.org, o.org_name
            """,
        ),
        rows(
            f'max by (org) (label_replace({covered}, "org", "$1", "reporter", "(.*)") and on (reporter) '
            f"reporter:fourones_reports_due:max{{{_COUNTIES}}})",
            "B",
        ),
        description=(
            "完成率＝完成值 ÷ 应达值，应达值按上年同期占比分解到县区，各集群目标取平均，单项最高计 120%；"
            "到期未报的单项计 0。逐期相加的目标不计入，没有可分解目标的不排名；没有真实目标时按【演示】目标计算。"
            "上报率＝近十二个月已报 ÷ 应报。"
        ),
        transformations=[
            merged(),
            ordered("attainment"),
            organised(
                {
                    "org_name": "单位",
                    "attainment": "完成率",
                    "targets": "计入目标数",
                    "note": "备注",
                    "Value": "上报率",
                    "org": "",
                },
                without=("Time",),
            ),
        ],
        columns=[
            Column("单位", links=(TO_COUNTY,)),
            Column(
                "完成率",
                unit="percentunit",
                decimals=1,
                mappings=(looks.nothing("—"),),
                thresholds=looks.steps("red", (0.9, "yellow"), (1, "green")),
                cell="colour",
            ),
            Column("计入目标数", decimals=0),
            Column(
                "上报率",
                unit="percentunit",
                decimals=0,
                thresholds=looks.steps("red", *looks.SHARE_STEPS),
                cell="coloured-text",
            ),
            Column("org", hidden=True),
        ],
    )


def _by_punctuality() -> Panel:
    return table(
        "及时率榜",
        rows(_as_org(_reported("on_time_ratio", _COUNTIES))),
        rows(_as_org(_reported("due", _COUNTIES)), "B"),
        rows(_as_org(_reported("on_time", _COUNTIES)), "C"),
        rows(_as_org(_reported("late", _COUNTIES)), "D"),
        rows(_as_org(_reported("missing", _COUNTIES)), "E"),
        description="近十二个月到期的报送：及时率＝按时 ÷ 应报。",
        transformations=[
            merged(),
            ordered("Value #A"),
            organised(
                {
                    "reporter_name": "单位",
                    "Value #A": "及时率",
                    "Value #B": "应报",
                    "Value #C": "按时",
                    "Value #D": "迟报",
                    "Value #E": "缺报",
                    "org": "",
                },
                without=("Time", "reporter"),
            ),
        ],
        decimals=0,
        columns=[
            Column("单位", links=(TO_COUNTY,)),
            Column(
                "及时率",
                unit="percentunit",
                decimals=0,
                thresholds=looks.steps("red", *looks.SHARE_STEPS),
                cell="colour",
            ),
            Column("缺报", thresholds=looks.steps("text", (1, "red")), cell="coloured-text"),
            Column("org", hidden=True),
        ],
    )


def _as_org(expr: str) -> str:
    return f'label_replace({expr}, "org", "$1", "reporter", "(.*)")'


def _numbers() -> list[Panel]:
    counts = [
        stat(
            title,
            now(f"max(reporter:fourones_reports_{name}:max{{{_THIS}}}) or vector(0)"),
            description=f"近十二个月到期的报送：{title}项数。",
            decimals=0,
            thresholds=looks.steps("green", (1, colour)) if colour else None,
        )
        for title, name, colour in (("应报", "due", None), ("迟报", "late", "orange"), ("缺报", "missing", "red"))
    ]
    return [
        stat(
            "及时率",
            now(f"max(reporter:fourones_reports_on_time_ratio:max{{{_THIS}}})"),
            description="近十二个月到期的报送中按时报送的比例。",
            unit="percentunit",
            decimals=0,
            thresholds=looks.steps("red", *looks.SHARE_STEPS),
        ),
        *counts,
        stat(
            "最近一次报送",
            sql(
                SUBMISSION,
                'SELECT extract(epoch FROM max(received_at)) * 1000 AS "最近一次报送" FROM boards.submission'
                " WHERE reporter = ${county:sqlstring}",
            ),
            description="最近一次报送距今多久。",
            unit="dateTimeFromNow",
        ),
        stat(
            "未销号问题",
            sql(
                ALERTING,
                'SELECT count(*) AS "未销号" FROM boards.problem'
                " WHERE (org = ${county:sqlstring} OR ${county:sqlstring} = ANY (departments)) AND state <> 'closed'",
            ),
            description="与本县区有关、尚未销号的问题数。",
            decimals=0,
            thresholds=looks.steps("green", (1, "orange")),
        ),
    ]


def _latest() -> Panel:
    return table(
        "最新数据",
        sql(
            AGGREGATION,
            """
            SELECT n.indicator_name AS "指标", n.cluster_name AS "集群", n.period AS "报告期", n.value AS "数值",
              n.unit AS "单位", ((n.value - e.value) / nullif(abs(e.value), 0))::double precision AS "同比",
              (extract(epoch FROM n.accepted_at) * 1000)::double precision AS "报送时间"
            FROM (
              SELECT DISTINCT ON (f.indicator, f.cluster) f.*
              FROM boards.figure f
              WHERE f.org = ${county:sqlstring} AND f.value IS NOT NULL AND NOT f.excluded AND $__timeFilter(f.time)
              ORDER BY f.indicator, f.cluster, f.time DESC
            ) AS n
            LEFT JOIN boards.figure e ON e.org = n.org AND e.indicator = n.indicator AND e.cluster = n.cluster
              AND e.period = boards.year_before(n.period)
            ORDER BY n.indicator_name, n.cluster_name
            LIMIT 200
            """,
        ),
        description="每个指标和集群最近一个有数据的报告期，及与上年同期相比（按报送的数值计算，累计数与累计数比）。",
        columns=[
            Column("数值", decimals=2),
            Column(
                "同比",
                unit="percentunit",
                decimals=1,
                mappings=(looks.nothing("—"),),
                thresholds=looks.steps("red", (0, "green")),
                cell="coloured-text",
            ),
            Column("报送时间", unit="dateTimeAsIso"),
        ],
    )


def _timeliness() -> Panel:
    return states(
        "各指标报送情况",
        series(
            AGGREGATION,
            f"""
            SELECT time, indicator_name AS metric, max({_state_number()}) AS state
            FROM boards.duty
            WHERE reporter = ${{county:sqlstring}} AND $__timeFilter(time)
            GROUP BY time, indicator_name
            ORDER BY time, indicator_name
            """,
        ),
        description="每个报告期（从期末起）各指标的报送情况；一期有几项时取最差的一项。",
        mappings=(looks.report_states(),),
    )


def _state_number() -> str:
    cases = " ".join(f"WHEN '{state}' THEN {number}" for state, (number, _, _) in looks.REPORT_STATES.items())
    return f"CASE state {cases} END"


def _history() -> Panel:
    return timeseries(
        "${figure:text}",
        series(
            AGGREGATION,
            """
            SELECT time, cluster_name AS metric, value
            FROM boards.figure
            WHERE org = ${county:sqlstring} AND indicator = ${figure:sqlstring} AND NOT excluded AND value IS NOT NULL
              AND $__timeFilter(time)
            ORDER BY time, cluster
            """,
        ),
        description="所选指标的数值，按报告期（期末），每个集群一条线。",
        points=True,
    )


def _owed() -> Panel:
    return table(
        "缺报清单",
        sql(
            AGGREGATION,
            """
            SELECT period AS "报告期", indicator_name AS "指标", cluster_name AS "集群",
              (extract(epoch FROM due_at) * 1000)::double precision AS "应报时间"
            FROM boards.duty
            WHERE reporter = ${county:sqlstring} AND state IN ('overdue', 'declared_missing') AND $__timeFilter(time)
            ORDER BY due_at DESC, indicator, cluster
            LIMIT 200
            """,
        ),
        description="已到期而没有数据的报送，近的在前。",
        columns=[Column("应报时间", unit="dateTimeAsIso")],
        may_be_empty="全部按期报齐的县区为空。",
    )


def _problems() -> Panel:
    where = (
        " WHERE (org = ${county:sqlstring} OR ${county:sqlstring} = ANY (departments)) AND state <> 'closed'"
        " ORDER BY days_open DESC LIMIT 50"
    )
    return table(
        "未销号问题",
        sql(ALERTING, PROBLEM_LIST + where),
        description="与本县区有关、尚未销号的问题，立项久的在前。",
        columns=problem_columns(),
        may_be_empty="没有未销号问题的县区为空。",
    )
