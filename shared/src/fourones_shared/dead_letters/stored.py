"""Dead letters as operators read them: found page by page, and one in full with everything that was done with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, text

from fourones_shared.dead_letters.keeping import COUNTED, WINDOW, headers_of
from fourones_shared.errors import Rejected
from fourones_shared.events.envelope import Headers


class UnknownDeadLetter(Rejected):
    """There is no dead letter of this number."""


class State(StrEnum):
    """Where a dead letter stands."""

    WAITING = "waiting"
    REPLAYED = "replayed"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which dead letters are meant; what is None does not matter.

    Args:
        topic: its name with the prefix.
        reason: the code.
        since: set aside at that moment or later.
        containing: bytes of the record's value, such as a submission's id.
    """

    state: State | None = None
    topic: str | None = None
    reason: str | None = None
    since: datetime | None = None
    containing: bytes | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A dead letter without its contents; `size` is that of its value in bytes."""

    dead_letter_id: int
    group: str
    topic: str
    partition: int
    offset: int
    key: bytes | None
    size: int
    reason: str
    detail: str
    recorded_at: datetime
    state: State
    resolved_at: datetime | None
    note: str | None
    repaired: bool


@dataclass(frozen=True, slots=True)
class Step:
    """Something that was done with a dead letter; `size` is that of the value that a repair put in, in bytes."""

    action: str
    taken_at: datetime
    taken_by: str
    note: str | None
    size: int | None


@dataclass(frozen=True, slots=True)
class Stored:
    """A dead letter in full: as it came, and as it would be replayed, which differs once it is repaired."""

    listed: Listed
    original: bytes | None
    value: bytes | None
    original_headers: Headers
    headers: Headers


@dataclass(frozen=True, slots=True)
class Count:
    """How many dead letters of a group count against its limit, and since when records wait because of it."""

    group: str
    counted: int
    waiting_since: datetime | None


def find(connection: Connection, selection: Selection, *, limit: int, before: int | None = None) -> list[Listed]:
    """The newest dead letters first, those with lower numbers than `before`."""
    rows = connection.execute(_FIND, _parameters(selection) | {"limit": limit, "before": before})
    return [_listed(row) for row in rows]


def numbers(connection: Connection, selection: Selection) -> Sequence[int]:
    """The numbers of all that are meant, the oldest first."""
    return connection.execute(_NUMBERS, _parameters(selection)).scalars().all()


def read(connection: Connection, dead_letter_id: int, *, hold: bool = False) -> Stored:
    """One of them.

    Args:
        connection: an open transaction.
        dead_letter_id: its number.
        hold: keep everybody else from working on it until the transaction ends.

    Raises:
        UnknownDeadLetter: when there is none.
    """
    if hold:
        connection.execute(_HOLD, {"id": dead_letter_id})
    row = connection.execute(_READ, {"id": dead_letter_id}).one_or_none()
    if row is None:
        raise UnknownDeadLetter(f"there is no dead letter {dead_letter_id}")
    return Stored(
        listed=_listed(row),
        original=_bytes(row.value),
        value=_bytes(row.value if row.new_value is None else row.new_value),
        original_headers=headers_of(row.headers),
        headers=headers_of(row.headers if row.new_headers is None else row.new_headers),
    )


def steps(connection: Connection, dead_letter_id: int) -> list[Step]:
    """What was done with it, the first step first."""
    rows = connection.execute(_STEPS, {"id": dead_letter_id})
    return [Step(row.action, row.taken_at, row.taken_by, row.note, row.size) for row in rows]


def counts(connection: Connection, groups: Sequence[str]) -> list[Count]:
    """How far these groups are from their limit; one that has never set anything aside is missing."""
    rows = connection.execute(_COUNTS, {"groups": list(groups)})
    return [Count(row.consumer_group, row.counted, row.waiting_since) for row in rows]


def _parameters(selection: Selection) -> dict[str, Any]:
    return {
        "state": selection.state,
        "topic": selection.topic,
        "reason": selection.reason,
        "since": selection.since,
        "containing": selection.containing,
    }


def _listed(row: Row[Any]) -> Listed:
    return Listed(
        dead_letter_id=row.dead_letter_id,
        group=row.consumer_group,
        topic=row.topic,
        partition=row.partition,
        offset=row.record_offset,
        key=_bytes(row.key),
        size=row.size,
        reason=row.reason,
        detail=row.detail,
        recorded_at=row.recorded_at,
        state=State(row.state),
        resolved_at=row.resolved_at,
        note=row.note,
        repaired=row.repaired,
    )


def _bytes(value: bytes | memoryview | None) -> bytes | None:
    return None if value is None else bytes(value)


_REPAIRED = "FROM dead_letter_step s WHERE s.dead_letter_id = letter.dead_letter_id AND s.action = 'repaired'"
_COLUMNS = (
    "dead_letter_id, consumer_group, topic, partition, record_offset, key, coalesce(octet_length(value), 0) AS size,"
    f" reason, detail, recorded_at, state, resolved_at, note, EXISTS (SELECT {_REPAIRED}) AS repaired"
)
_MEANT = (
    " FROM dead_letter AS letter WHERE (CAST(:state AS text) IS NULL OR state = :state)"
    " AND (CAST(:topic AS text) IS NULL OR topic = :topic)"
    " AND (CAST(:reason AS text) IS NULL OR reason = :reason)"
    " AND (CAST(:since AS timestamptz) IS NULL OR recorded_at >= :since)"
    " AND (CAST(:containing AS bytea) IS NULL OR position(CAST(:containing AS bytea) IN value) > 0)"
)
_FIND = text(
    f"SELECT {_COLUMNS} {_MEANT} AND (CAST(:before AS bigint) IS NULL OR dead_letter_id < :before)"
    " ORDER BY dead_letter_id DESC LIMIT :limit"
)
_NUMBERS = text(f"SELECT dead_letter_id {_MEANT} ORDER BY dead_letter_id")
_HOLD = text("SELECT FROM dead_letter WHERE dead_letter_id = :id FOR UPDATE")
# A repair gives a value, headers, or both; each that it gives stands until the next one that gives it.
_READ = text(
    f"SELECT {_COLUMNS}, value, headers,"  # noqa: S608
    f" (SELECT s.value {_REPAIRED} AND s.value IS NOT NULL ORDER BY dead_letter_step_id DESC LIMIT 1) AS new_value,"
    f" (SELECT s.headers {_REPAIRED} AND s.headers IS NOT NULL ORDER BY dead_letter_step_id DESC LIMIT 1)"
    " AS new_headers FROM dead_letter AS letter WHERE dead_letter_id = :id"
)
_STEPS = text(
    "SELECT action, taken_at, taken_by, note, octet_length(value) AS size FROM dead_letter_step"
    " WHERE dead_letter_id = :id ORDER BY dead_letter_step_id"
)
_COUNTS = text(
    "SELECT held.consumer_group, count(letter.dead_letter_id) AS counted,"  # noqa: S608
    f" CASE WHEN held.refused_at > clock_timestamp() - {WINDOW} THEN held.reached_at END AS waiting_since"
    f" FROM {COUNTED} WHERE held.consumer_group = ANY(CAST(:groups AS text[]))"
    " GROUP BY held.consumer_group, held.refused_at, held.reached_at ORDER BY held.consumer_group"
)
