"""报送质量: what was due, came, came late or not at all; what was refused and why; revisions; doubts."""

# ruff: noqa: S608 - every name in these questions is written here; choices are quoted by Grafana.
from __future__ import annotations

from collections.abc import Mapping

from grafana_foundation_sdk.models import dashboard

from fourones_grafana import codes, looks
from fourones_grafana.board import Board
from fourones_grafana.boards.common import QUALITY, TO_COUNTY
from fourones_grafana.panels import (
    Column,
    Panel,
    Row,
    columns_chart,
    merged,
    ordered,
    organised,
    stat,
    states,
    table,
    timeseries,
)
from fourones_grafana.queries import now, over_time, rows, series
from fourones_grafana.queries import table as sql
from fourones_grafana.sources import AGGREGATION, SUBMISSION


def board() -> Board:
    """The board."""
    return Board(
        uid=QUALITY,
        title="报送质量",
        description="应报、已报、迟报、缺报；退回原因；修订；疑点；逐笔查询。",
        since="now-1y",
        refresh="5m",
        variables=[
            dashboard.VariableModel(
                type_val=dashboard.VariableType.TEXTBOX,
                name="submission",
                label="报送编号（可只填开头）",
                hide=dashboard.VariableHide.DONT_HIDE,
                query="",
                current=dashboard.VariableOption(selected=True, text="", value=""),
            )
        ],
        rows=[
            Row(4, [(4, panel) for panel in _numbers()]),
            Row(13, [(10, _by_reporter()), (14, _over_periods())]),
            Row(9, [(8, _outcomes()), (8, _refusals()), (8, _doubts())]),
            Row(9, [(10, _revisions_by_day()), (14, _revisions())]),
            Row(11, [(24, _submissions())]),
        ],
    )


def _numbers() -> list[Panel]:
    counts = [
        stat(
            title,
            now(f"sum(reporter:fourones_reports_{name}:max) or vector(0)"),
            description=f"近十二个月到期的报送：{title}项数，全部报送单位合计。",
            decimals=0,
            thresholds=looks.steps(colour),
        )
        for title, name, colour in (
            ("应报", "due", "text"),
            ("按时", "on_time", "green"),
            ("迟报", "late", "orange"),
            ("缺报", "missing", "red"),
        )
    ]
    return [
        *counts,
        stat(
            "及时率",
            now("sum(reporter:fourones_reports_on_time:max) / sum(reporter:fourones_reports_due:max)"),
            description="近十二个月到期的报送中按时报送的比例，全部报送单位合计。",
            unit="percentunit",
            decimals=1,
            thresholds=looks.steps("red", *looks.SHARE_STEPS),
        ),
        stat(
            "尚未入库的报送",
            sql(SUBMISSION, "SELECT count(*) AS \"笔\" FROM boards.submission WHERE status <> 'applied'"),
            description="已受理而尚未入库（或搁置）的报送笔数；正常时很快归零。",
            decimals=0,
            thresholds=looks.steps("green", (1, "orange"), (100, "red")),
        ),
    ]


def _by_reporter() -> Panel:
    names = {"reporter_name": "单位", "Value #A": "按时", "Value #B": "迟报", "Value #C": "缺报"}
    return columns_chart(
        "各单位报送情况",
        *(
            rows(f"max by (reporter_name) (reporter:fourones_reports_{name}:max)", letter)
            for letter, name in (("A", "on_time"), ("B", "late"), ("C", "missing"))
        ),
        description="近十二个月到期的报送项数。",
        by="单位",
        transformations=[merged(), ordered("Value #C"), organised(names, without=("Time",))],
        columns=[Column("按时", colour="green"), Column("迟报", colour="orange"), Column("缺报", colour="red")],
    )


def _over_periods() -> Panel:
    cases = " ".join(f"WHEN '{state}' THEN {number}" for state, (number, _, _) in looks.REPORT_STATES.items())
    return states(
        "各单位各月最差报送情况",
        series(
            AGGREGATION,
            f"""
            SELECT date_trunc('month', time, 'Asia/Shanghai') AS time, reporter_name AS metric,
              max(CASE state {cases} END) AS state
            FROM boards.duty
            WHERE $__timeFilter(time) AND time <= now()
            GROUP BY 1, 2
            ORDER BY 1, 2
            """,
        ),
        description="期末落在该月的全部报送中最差的一项。",
        mappings=(looks.report_states(),),
    )


def _outcomes() -> Panel:
    return timeseries(
        "报送笔数",
        over_time("sum by (outcome) (increase(fourones_submissions_total[$__rate_interval]))", legend="{{outcome}}"),
        description="收到的报送笔数，按结果：受理、重复、试算、退回、无权。",
        decimals=0,
        stacked=True,
        minimum=0,
        columns=[
            Column(outcome, colour=colour, properties=(("displayName", word),))
            for outcome, word, colour in (
                ("accepted", "受理", "green"),
                ("repeated", "重复", "blue"),
                ("checked", "试算", "purple"),
                ("refused", "退回", "red"),
                ("forbidden", "无权", "orange"),
            )
        ],
    )


def _refusals() -> Panel:
    return table(
        "退回原因",
        rows(
            "sum by (code) (increase(fourones_submission_faults_total[$__range])) > 0"
            " or sum by (code) (fourones_submission_faults_total) > 0"
        ),
        description="所选时间范围内退回的报送里各类错误的数量；改法见接口文档的错误代码表。",
        transformations=[organised({"code": "原因", "Value": "处数"}, without=("Time",)), ordered("处数")],
        columns=[
            Column("原因", mappings=(_named(codes.REFUSALS),), width=160),
            Column("处数", unit="locale", decimals=0, thresholds=looks.steps("orange"), cell="bar"),
        ],
        may_be_empty="没有退回过报送。",
    )


def _named(names: Mapping[str, str]) -> dashboard.ValueMap:
    return looks.words({code: (name, looks.ORANGE) for code, name in names.items()})


def _doubts() -> Panel:
    return table(
        "疑点",
        sql(
            SUBMISSION,
            """
            SELECT code AS "规则", count(*) AS "次数", count(DISTINCT org) AS "单位数",
              (array_agg(detail ORDER BY received_at DESC))[1] AS "最近一例"
            FROM boards.warning
            WHERE $__timeFilter(received_at)
            GROUP BY code
            ORDER BY count(*) DESC
            """,
        ),
        description="已受理数据的疑点（只提醒，不退回），按规则统计。",
        columns=[
            Column(
                "规则", mappings=(looks.words({code: (word, looks.ORANGE) for code, word in codes.DOUBTS.items()}),)
            ),
            Column("次数", decimals=0, width=70),
            Column("最近一例", properties=(("custom.inspect", True),)),
        ],
    )


def _revisions_by_day() -> Panel:
    return timeseries(
        "修订次数",
        series(
            AGGREGATION,
            """
            SELECT date_trunc('day', revised_at, 'Asia/Shanghai') AS time, reporter_name AS metric, count(*) AS value
            FROM boards.revision
            WHERE $__timeFilter(revised_at)
            GROUP BY 1, 2
            ORDER BY 1, 2
            """,
        ),
        description="每天修订（含撤回）的数据项数，按报送单位。",
        decimals=0,
        stacked=True,
        as_bars=True,
        may_be_empty="没有修订过数据。",
    )


def _revisions() -> Panel:
    return table(
        "最近修订",
        sql(
            AGGREGATION,
            """
            SELECT (extract(epoch FROM revised_at) * 1000)::double precision AS "时间", reporter_name AS "报送单位",
              org_name AS "对象", indicator_name AS "指标", cluster_name AS "集群", period AS "报告期",
              value_before AS "原值", value AS "新值", unit AS "单位", justification AS "说明"
            FROM boards.revision
            WHERE $__timeFilter(revised_at)
            ORDER BY revised_at DESC
            LIMIT 100
            """,
        ),
        description="最近修订的数据：原值、新值和说明；新值为空表示撤回。",
        columns=[
            Column("时间", unit="dateTimeAsIso", width=170),
            Column("原值", decimals=2, mappings=(looks.nothing("—"),)),
            Column("新值", decimals=2, mappings=(looks.nothing("—"),)),
        ],
        may_be_empty="没有修订过数据。",
    )


def _submissions() -> Panel:
    return table(
        "逐笔查询",
        sql(
            SUBMISSION,
            """
            SELECT submission_id AS "报送编号",
              (extract(epoch FROM received_at) * 1000)::double precision AS "受理时间", reporter_name AS "报送单位",
              org_name AS "对象", figures AS "数据项", status AS "状态", applied AS "入库", superseded AS "已被更新",
              excluded AS "不计入", warnings AS "疑点", reason AS "原因", org
            FROM boards.submission
            WHERE $__timeFilter(received_at) AND starts_with(submission_id, lower(trim(${submission:sqlstring})))
            ORDER BY received_at DESC
            LIMIT 200
            """,
        ),
        description="最近的报送及其去向；在看板上方填入报送编号可找到一笔。",
        columns=[
            Column("报送编号", width=310),
            Column("受理时间", unit="dateTimeAsIso", width=170),
            Column("对象", links=(TO_COUNTY,)),
            Column("状态", mappings=(looks.words(looks.SUBMISSION_STATES),), cell="colour", width=80),
            Column("org", hidden=True),
        ],
    )
