"""Receipts: what became of each submission, said on `figures-applied` through the outbox."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection

from fourones_shared.dead_letters.keeping import Refused
from fourones_shared.events.envelope import Wire, wrap
from fourones_shared.events.model import FiguresApplied, FiguresSubmitted
from fourones_shared.kafka.outbox_table import enqueue

SOURCE = "/fourones/aggregation"

# What the reporter reads; who can mend it is the operator, who sees the code and all of the detail.
_REASONS = {
    "not_an_event": "传输的消息不完整",
    "unknown_type": "传输的消息类型无法识别",
    "bad_data": "内容与事件格式不符",
    "bad_id": "编号中有无法保存的字符",
    "bad_sequence": "序号超出范围",
    "bad_catalogue_version": "数据字典版本号超出范围",
    "bad_time": "受理时间缺少时区",
    "bad_period": "报告期无法识别",
    "bad_value": "数值的位数超出可保存的范围",
    "refused_by_database": "数据库拒绝保存",
    "unexpected_error": "处理程序出错",
}
_REMEDY = "未计入汇总;运维人员已收到告警,修复后会补入,不必重新报送"


@dataclass(frozen=True, slots=True)
class Receipt:
    """How many figures of a submission were applied, came too late, or are not admitted."""

    submitted: FiguresSubmitted
    traceparent: str | None
    applied: int
    superseded: int
    excluded: int


def queue_receipts(connection: Connection, receipts: Sequence[Receipt], at: datetime) -> None:
    """Put the events into the outbox."""
    enqueue(connection, [_wire(receipt, at) for receipt in receipts])


def queue_refusal(connection: Connection, refused: Refused, at: datetime) -> None:
    """The receipt of a submission that is set aside; none when the record does not tell which one it is."""
    named = _named(refused)
    if named is None:
        return
    submission_id, org, sequence = named
    reason = refused.refusal.reason
    event = FiguresApplied(
        submission_id=submission_id,
        org=org,
        sequence=sequence,
        applied_at=at,
        outcome="dead_lettered",
        applied=0,
        superseded=0,
        excluded=0,
        reason=f"{reason}: {_REASONS.get(reason, '这份报送无法处理')},{_REMEDY}",
    )
    wire = wrap(
        event,
        # One that is refused again for another reason is another event.
        event_id=f"{submission_id}-dead-lettered-{reason}",
        source=SOURCE,
        time=at,
        traceparent=trace_context(refused.header("traceparent")),
    )
    enqueue(connection, [wire])


def trace_context(traceparent: str | None) -> str | None:
    """A trace context that is one; it goes into JSON headers and a text column, where nothing else has any business."""
    return traceparent if traceparent is not None and _TRACE.match(traceparent) else None


def _wire(receipt: Receipt, at: datetime) -> Wire:
    submitted = receipt.submitted
    applied = FiguresApplied(
        submission_id=submitted.submission_id,
        org=submitted.org,
        sequence=submitted.sequence,
        applied_at=at,
        applied=receipt.applied,
        superseded=receipt.superseded,
        excluded=receipt.excluded,
    )
    return wrap(
        applied,
        event_id=f"{submitted.submission_id}-applied",
        source=SOURCE,
        time=at,
        traceparent=receipt.traceparent,
    )


def _named(refused: Refused) -> tuple[str, str, int] | None:
    # Nothing about the record is sure. Its event has the submission's id, and its key is the organisation, so that
    # even a value that was cut short has its receipt.
    try:
        read = orjson.loads(refused.value or b"")
    except orjson.JSONDecodeError:
        read = None
    content: dict[str, Any] = read if isinstance(read, dict) else {}
    submission_id = _id(content.get("submission_id")) or _id(refused.header("ce_id"))
    if submission_id is None:
        return None
    org, sequence = content.get("org"), content.get("sequence")
    if not isinstance(org, str):
        org = (refused.key or b"").decode("utf-8", "replace")
    return submission_id, org, sequence if isinstance(sequence, int) else 0


def _id(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    try:
        UUID(value)
    except ValueError:
        return None
    return value


_TRACE = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\Z", re.ASCII)
