"""What things look like everywhere: colours, words for codes, thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from grafana_foundation_sdk.models import dashboard

# Grafana's own names, so that they suit the light and the dark theme.
RED, YELLOW, GREEN, GREY, BLUE = "red", "yellow", "green", "#8e8e8e", "blue"
ORANGE = "orange"

LIGHT_COLOURS: Final = {"red": RED, "yellow": YELLOW, "green": GREEN, "grey": GREY}
LIGHT_WORDS: Final = {"red": "红", "yellow": "黄", "green": "绿", "grey": "灰"}

VERDICTS: Final = {
    "achieved": ("已达成", GREEN),
    "on_track": ("按序时", GREEN),
    "lagging": ("滞后", YELLOW),
    "off_track": ("偏离", RED),
    "deteriorating": ("倒退", RED),
    "no_data": ("无数据", GREY),
    "not_assessable": ("暂不研判", GREY),
}
PROBLEM_STATES: Final = {
    "opened": ("已立项", RED),
    "notified": ("已通知", ORANGE),
    "acknowledged": ("已签收", YELLOW),
    "in_progress": ("办理中", YELLOW),
    "escalated": ("已上报", RED),
    "reported_done": ("已反馈", BLUE),
    "verified": ("已复核", GREEN),
    "closed": ("已销号", GREEN),
}
LEVELS: Final = {"county": ("县区", GREY), "department": ("部门", GREY), "city": ("市级", GREY)}
# The order is that of how much there is to worry about: a line of several figures shows the worst.
REPORT_STATES: Final = {
    "not_applicable": (0, "不适用", GREY),
    "not_yet_due": (1, "未到期", GREY),
    "on_time": (2, "按时", GREEN),
    "late": (3, "迟报", YELLOW),
    "declared_missing": (4, "申报缺失", ORANGE),
    "overdue": (5, "缺报", RED),
}
SUBMISSION_STATES: Final = {
    "accepted": ("已受理", YELLOW),
    "published": ("已发布", BLUE),
    "applied": ("已入库", GREEN),
    "dead_lettered": ("搁置", RED),
}
NOTICE_STATES: Final = {
    "waiting": ("待发送", YELLOW),
    "sending": ("发送中", YELLOW),
    "bundled": ("已并入摘要", BLUE),
    "sent": ("已送达", GREEN),
    "given_up": ("未送达", RED),
    "dropped": ("已撤回", GREY),
    "carried": ("沿用", GREY),
}


def words(mapping: Mapping[str, tuple[str, str]]) -> dashboard.ValueMap:
    """Codes shown as a word in a colour."""
    return dashboard.ValueMap(
        options={
            code: dashboard.ValueMappingResult(text=text, color=colour, index=index)
            for index, (code, (text, colour)) in enumerate(mapping.items())
        }
    )


def lights() -> dashboard.ValueMap:
    """Lights shown as a word in their colour."""
    return words({light: (LIGHT_WORDS[light], colour) for light, colour in LIGHT_COLOURS.items()})


def report_states() -> dashboard.ValueMap:
    """The numbers of `REPORT_STATES` shown as words."""
    return words({str(number): (word, colour) for number, word, colour in REPORT_STATES.values()})


def nothing(text: str, colour: str = GREY) -> dashboard.SpecialValueMap:
    """What a cell without a value says."""
    return dashboard.SpecialValueMap(
        options=dashboard.DashboardSpecialValueMapOptions(
            match=dashboard.SpecialValueMatch.NULL_AND_NAN,
            result=dashboard.ValueMappingResult(text=text, color=colour, index=99),
        )
    )


def steps(first: str, *rest: tuple[float, str]) -> dashboard.ThresholdsConfig:
    """Colours by value: the first from below on, each other from its value on."""
    return dashboard.ThresholdsConfig(
        mode=dashboard.ThresholdsMode.ABSOLUTE,
        steps=[dashboard.Threshold(value=None, color=first), *(dashboard.Threshold(v, c) for v, c in rest)],
    )


# Bad below, good above: shares of what should be.
SHARE_STEPS = ((0.6, YELLOW), (0.9, GREEN))
