"""牵头部门: what a department answers for, what it has been told, and how long its problems have been open."""

# ruff: noqa: S608 - every name in these questions is written here; choices are quoted by Grafana.
from __future__ import annotations

from fourones_grafana import looks, variables
from fourones_grafana.board import Board
from fourones_grafana.boards.common import (
    DEPARTMENT,
    DEPARTMENT_LIGHT,
    PROBLEM_LIST,
    light_counts,
    problem_columns,
    targets_table,
)
from fourones_grafana.panels import Column, Panel, Row, merged, ordered, organised, stat, table
from fourones_grafana.queries import now, rows
from fourones_grafana.queries import table as sql
from fourones_grafana.sources import ALERTING

_OF_DEPARTMENT = 'department="$department"'
_HELD = "${department:sqlstring} = ANY (departments)"
_ALERTS = {
    "TargetOffTrack": ("目标偏离序时进度", "red"),
    "TargetDeteriorating": ("目标倒退", "red"),
    "ReportsOverdue": ("缺报", "orange"),
    "ProblemsOverdue": ("问题逾期", "orange"),
}


def board(explanations: str) -> Board:
    """The board."""
    return Board(
        uid=DEPARTMENT,
        title="牵头部门",
        description="一个部门负责的目标、收到的预警、名下的问题和办理时长。",
        since="now-90d",
        variables=[variables.department(), variables.explanations(explanations)],
        rows=[
            Row(
                4,
                [
                    *((3, panel) for panel in light_counts(DEPARTMENT_LIGHT, _OF_DEPARTMENT)),
                    *((3, panel) for panel in _numbers()),
                ],
                heading="${department:text}",
            ),
            Row(12, [(24, _targets())]),
            Row(8, [(12, _alerts()), (12, _told())]),
            Row(9, [(17, _problems()), (7, _closing())]),
        ],
    )


def _numbers() -> list[Panel]:
    return [
        stat(
            "预警",
            now(f'count(ALERTS{{alertstate="firing",{_OF_DEPARTMENT}}}) or vector(0)'),
            description="正在触发的预警数。",
            decimals=0,
            thresholds=looks.steps("green", (1, "red")),
        ),
        stat(
            "未销号问题",
            sql(ALERTING, f"SELECT count(*) AS \"未销号\" FROM boards.problem WHERE {_HELD} AND state <> 'closed'"),
            description="本部门负责、尚未销号的问题数。",
            decimals=0,
            thresholds=looks.steps("green", (1, "orange")),
        ),
        stat(
            "逾期问题",
            now(f"max(fourones_problems_overdue{{{_OF_DEPARTMENT}}}) or vector(0)"),
            description="超过办理期限而未反馈的问题数。",
            decimals=0,
            thresholds=looks.steps("green", (1, "red")),
        ),
        stat(
            "最长未销号",
            sql(
                ALERTING,
                'SELECT coalesce(max(days_open), 0) AS "天数" FROM boards.problem'
                f" WHERE {_HELD} AND state <> 'closed'",
            ),
            description="未销号问题中立项最久的天数。",
            unit="d",
            decimals=1,
            thresholds=looks.steps("green", (15, "orange"), (30, "red")),
        ),
    ]


def _targets() -> Panel:
    return targets_table(
        "负责的目标",
        DEPARTMENT_LIGHT,
        _OF_DEPARTMENT,
        description="本部门牵头或共同负责的目标，落后月数多的在前。点击目标看研判依据。",
    )


def _alerts() -> Panel:
    told = f"max by (alertname, alertstate, target) (ALERTS{{{_OF_DEPARTMENT}}})"
    since = f"max by (alertname, target) (ALERTS_FOR_STATE{{{_OF_DEPARTMENT}}}) * 1000"
    named = "max by (target, target_name) (target:fourones_target_info:one)"
    return table(
        "预警",
        rows(f"{told} * on (target) group_left (target_name) {named} or {told} unless on (target) {named}"),
        rows(since, "B"),
        description="正在触发（或等待确认）的预警及开始时间。",
        transformations=[
            merged(),
            ordered("Value #B", descending=False),
            organised(
                {"alertname": "预警", "alertstate": "状态", "target_name": "目标", "Value #B": "开始", "target": ""},
                without=("Time", "Value #A"),
            ),
        ],
        columns=[
            Column("预警", mappings=(looks.words(_ALERTS),), cell="coloured-text"),
            Column("状态", mappings=(looks.words({"firing": ("触发", "red"), "pending": ("待确认", "yellow")}),)),
            Column("开始", unit="dateTimeAsIso"),
            Column("target", hidden=True),
        ],
        may_be_empty="没有预警的部门为空。",
    )


def _told() -> Panel:
    return table(
        "发出的通知",
        sql(
            ALERTING,
            """
            SELECT (extract(epoch FROM made_at) * 1000)::double precision AS "时间", state AS "状态", title AS "通知",
              channel_kind AS "渠道", text AS "内容", reason AS "原因"
            FROM boards.notice
            WHERE recipient = ${department:sqlstring} AND $__timeFilter(made_at)
            ORDER BY number DESC
            LIMIT 100
            """,
        ),
        description="发给本部门各渠道的通知，新的在前；未送达的注明原因。",
        columns=[
            Column("时间", unit="dateTimeAsIso", width=170),
            Column("状态", mappings=(looks.words(looks.NOTICE_STATES),), cell="colour", width=90),
            Column("内容", properties=(("custom.inspect", True),)),
        ],
        may_be_empty="没有配置通知渠道，或没有发出过通知。",
    )


def _problems() -> Panel:
    return table(
        "未销号问题",
        sql(ALERTING, f"{PROBLEM_LIST} WHERE {_HELD} AND state <> 'closed' ORDER BY days_open DESC LIMIT 100"),
        description="本部门负责、尚未销号的问题，立项久的在前。",
        columns=problem_columns(),
        may_be_empty="没有未销号问题的部门为空。",
    )


def _closing() -> Panel:
    return table(
        "销号情况",
        sql(
            ALERTING,
            f"""
            SELECT s.kind AS "项目", s.number AS "数量"
            FROM (
              SELECT count(*) FILTER (WHERE $__timeFilter(opened_at)) AS opened,
                count(*) FILTER (WHERE $__timeFilter(closed_at)) AS closed,
                count(*) FILTER (WHERE closed_on_time AND $__timeFilter(closed_at)) AS on_time,
                count(*) FILTER (WHERE overdue) AS overdue
              FROM boards.problem
              WHERE {_HELD}
            ) AS c
            CROSS JOIN LATERAL (
              VALUES ('新立项', c.opened), ('已销号', c.closed), ('按期销号', c.on_time), ('目前逾期', c.overdue)
            ) AS s (kind, number)
            """,
        ),
        description="所选时间范围内立项和销号的问题数；按期销号指在期限内反馈并已销号。",
        columns=[Column("数量", decimals=0)],
    )
