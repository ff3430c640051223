"""Tells other systems what is said of a target: `verdicts-changed`, through the outbox, in the judging transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from fourones_alerting.judging.assessments import Row
from fourones_shared.events.envelope import Wire, wrap
from fourones_shared.events.model import Cause, VerdictChanged
from fourones_shared.kafka.outbox_table import enqueue

SOURCE = "/fourones/alerting"

_TOLD = VerdictChanged.model_fields.keys()
_NOTHING: dict[str, Any] = {
    "removed": True,
    **dict.fromkeys(
        ("verdict", "light", "period", "method", "value", "due_value", "target_value", "attainment", "gap")
    ),
    **dict.fromkeys(("months_behind", "explanation")),
    **dict.fromkeys(("final", "provisional", "stale", "incomplete"), False),
    "departments": (),
    "changed_by": Cause.CATALOGUE,
}


def announce(
    connection: Connection, rows: Iterable[tuple[Row, str | None]], now: datetime, traces: Mapping[str, str]
) -> None:
    """Tell what these assessments say.

    Args:
        connection: the transaction that writes them, which holds its snapshot: so they are told in order.
        rows: each with the verdict that it replaces.
        now: the moment of judging.
        traces: `traceparent` of the request that brought it, by target.
    """
    events = [(VerdictChanged.model_validate(_told(row) | {"before": before}), row["target"]) for row, before in rows]
    enqueue(connection, [_wire(event, now, traces.get(target)) for event, target in events])


def announce_removed(
    connection: Connection, removed: Iterable[Row], version: int, catalogue_version: int, now: datetime
) -> None:
    """Tell that the catalogue no longer has these targets.

    Args:
        connection: the transaction that takes them away.
        removed: identity and last verdict of each.
        version: of the snapshot that takes them away.
        catalogue_version: the one that no longer has them.
        now: the moment of judging.
    """
    changed = {"version": version, "catalogue_version": catalogue_version, "judged_at": now}
    events = [
        VerdictChanged.model_validate(_told(row) | {"before": row["verdict"]} | _NOTHING | changed) for row in removed
    ]
    enqueue(connection, [_wire(event, now, None) for event in events])


def _told(row: Row) -> Row:
    return {name: value for name, value in row.items() if name in _TOLD}


def _wire(event: VerdictChanged, now: datetime, traceparent: str | None) -> Wire:
    event_id = f"{event.target}-{event.version}"
    return wrap(event, event_id=event_id, source=SOURCE, time=now, traceparent=traceparent)
