"""The words of the reporting workbook: the template writes them, and the reader finds its way by them.

The sheet describes itself. Its upper rows are labels with a value in the next cell to the right, then comes a row of
headers, then one row per figure. Only these visible words count; the defined names are for programs.
"""

from __future__ import annotations

from types import MappingProxyType

from fourones_shared.events.model import Status

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

FORMAT = 1
"""Version of the layout, as the name `fourones_format` carries it. A reader refuses a newer one than its own."""

SHEET = "填报表"
EXPLANATIONS = "说明"

NAMES = MappingProxyType(
    {
        "format": "fourones_format",
        "catalogue": "fourones_catalogue",
        "org": "fourones_org",
        "reporter": "fourones_reporter",
        "period": "fourones_period",
        "prepared_by": "fourones_prepared_by",
        "approved_by": "fourones_approved_by",
    }
)
"""Defined names: constants (`format`, `catalogue`) or the cell of the value."""

LABELS = MappingProxyType({"org": "对象编码", "prepared_by": "填报人", "approved_by": "审核人"})
"""The submission's own fields, by their label."""

HEADERS = MappingProxyType(
    {
        "indicator": "指标编码",
        "cluster": "集群编码",
        "period": "报告期",
        "unit": "单位",
        "value": "数值",
        "status": "状态",
        "note": "备注",
        "justification": "说明理由",
    }
)
"""The figure's fields, by their column's header. All must be there, so that a misspelt one is never overlooked."""

INPUTS = ("value", "status", "note", "justification")
"""What a clerk fills in; a row without any of them is not reported."""

WITHDRAW = "撤回"
STATUS_WORDS = MappingProxyType(
    {
        Status.NORMAL: "正常",
        Status.PROVISIONAL: "初步数",
        Status.ESTIMATED: "估计数",
        Status.FORECAST: "预测数",
        Status.MISSING: "缺报",
        Status.NOT_APPLICABLE: "不适用",
    }
)


def status_entry(status: Status) -> str:
    """A status as the drop-down list offers it, such as `P 初步数`."""
    return f"{status.value} {STATUS_WORDS[status]}"


STATUS_ENTRIES = MappingProxyType(
    {entry: status.value for status in Status for entry in (status_entry(status), STATUS_WORDS[status], status.value)}
)
"""What may stand in a status cell, beside `WITHDRAW`, and its code."""
