"""Receipts: what became of each submission, said on `figures-applied` through the outbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from fourones_shared.events.envelope import Wire, wrap
from fourones_shared.events.model import FiguresApplied, FiguresSubmitted
from fourones_shared.kafka.outbox_table import enqueue

SOURCE = "/fourones/aggregation"


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
