"""The rows of roll-ups: locked in one order, changed by differences, each change numbered and queued for publication.

Order of locks in every transaction of this service: consumer positions, catalogue in force, organisations (advisory),
duties and new roll-up rows, roll-up rows by their number, the snapshot, pending publications by their number.

A row has at most one version per snapshot, which is kept in `rollup_version`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from fourones_aggregation.arrays import days, numbers, texts
from fourones_aggregation.domain.differences import Movement
from fourones_aggregation.temporal import STATE_COLUMNS
from fourones_shared.domain.clock import Clock
from fourones_shared.errors import Stop
from fourones_shared.events.model import Cause

RollupKey = tuple[int, int, int, int, int]
"""Indicator, period, organisation, cluster, tier, by number."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a change is marked with: its snapshot number, its time, and the catalogue version it was made under."""

    snapshot: int
    at: datetime
    catalogue_version: int


def stamp(connection: Connection, clock: Clock, catalogue_version: int) -> Stamp:
    """Take the next snapshot number and the time, in this order, and hold them until the transaction ends.

    Commits therefore become visible in the order of their numbers: a reader who sees a number sees all before it.
    """
    # A machine whose clock is behind must not put a later snapshot before an earlier one.
    taken = connection.execute(_NEXT_SNAPSHOT, {"now": clock.now(), "catalogue_version": catalogue_version}).one()
    return Stamp(taken.number, taken.taken_at, catalogue_version)


def lock_rollups(
    connection: Connection, moved: Collection[RollupKey], dependent: Collection[RollupKey] = ()
) -> dict[RollupKey, int]:
    """Lock the rows in the order of their numbers and tell the numbers.

    Args:
        connection: in the transaction that changes them.
        moved: rows that must be there.
        dependent: rows that are computed from what has moved; one whose period has not opened has no row yet.

    Raises:
        Stop: when a row is missing, which no repetition would mend.
    """
    keys = list({**dict.fromkeys(moved), **dict.fromkeys(dependent)})
    if not keys:
        return {}
    columns = list(zip(*keys, strict=True))
    found = connection.execute(_LOCK_ROLLUPS, {f"c{n}": numbers(column) for n, column in enumerate(columns)})
    ids = {keys[row.place - 1]: row.rollup_id for row in found}
    lost = [key for key in moved if key not in ids]
    if lost:
        raise Stop(f"{len(lost)} roll-up row(s) are missing, {lost[0]} for one: run `verify` before going on")
    return ids


def apply_movements(connection: Connection, movements: Mapping[int, Movement], mark: Stamp) -> None:
    """Add the differences to their rows, give each its next version and queue it; rows are locked already."""
    if not movements:
        return
    ids = sorted(movements)
    ordered = [movements[i] for i in ids]
    connection.execute(
        _MOVE,
        {
            "ids": numbers(ids),
            "totals": numbers(m.total for m in ordered),
            "reported": numbers(m.reported for m in ordered),
            "expected": numbers(m.expected for m in ordered),
            "provisional": numbers(m.provisional for m in ordered),
            "estimated": numbers(m.estimated for m in ordered),
            "forecast": numbers(m.forecast for m in ordered),
            "causes": texts((Cause.REVISION if m.only_revisions else Cause.NEW_DATA).value for m in ordered),
            "accepted": days(m.accepted_at for m in ordered),
            "traces": texts(m.traceparent for m in ordered),
            "catalogue_version": mark.catalogue_version,
            "snapshot": mark.snapshot,
            "at": mark.at,
        },
    )


def announce(connection: Connection, rollup_ids: Sequence[int], mark: Stamp, cause: Cause) -> None:
    """Give rows that are locked already, or new, a next version without a change of their numbers, and queue them."""
    if not rollup_ids:
        return
    connection.execute(
        _ANNOUNCE,
        {
            "ids": numbers(rollup_ids),
            "cause": cause.value,
            "catalogue_version": mark.catalogue_version,
            "snapshot": mark.snapshot,
            "at": mark.at,
        },
    )


_NEXT_SNAPSHOT = text(
    "WITH next AS (UPDATE snapshot SET number = number + 1, taken_at = greatest(taken_at, :now)"
    " RETURNING number, taken_at)"
    " INSERT INTO snapshot_taken (number, taken_at, catalogue_version)"
    " SELECT number, taken_at, :catalogue_version FROM next RETURNING number, taken_at"
)
_LOCK_ROLLUPS = text(
    "SELECT k.place, r.rollup_id FROM unnest(CAST(:c0 AS int[]), CAST(:c1 AS int[]), CAST(:c2 AS int[]),"
    " CAST(:c3 AS int[]), CAST(:c4 AS int[])) WITH ORDINALITY"
    " AS k (indicator_id, period_id, org_id, cluster_id, tier_id, place)"
    " JOIN rollup r USING (indicator_id, period_id, org_id, cluster_id, tier_id)"
    " WHERE r.live ORDER BY r.rollup_id FOR UPDATE OF r"
)
# To follow `changed`, the rows that have a new version: each is kept for as-of answers, and queued for publication.
_KEEP = (
    f", kept AS (INSERT INTO rollup_version (rollup_id, snapshot, {STATE_COLUMNS})"  # noqa: S608
    f" SELECT rollup_id, snapshot, {STATE_COLUMNS} FROM changed"
)
# The wait begins with the first version that Kafka does not have; by the database's clock, which all workers share.
_QUEUE = (
    ") INSERT INTO rollup_pending AS waiting (rollup_id, version, since, is_judged)"
    " SELECT rollup_id, version, clock_timestamp(), EXISTS (SELECT FROM judged_scope j"
    " WHERE j.indicator_id = changed.indicator_id AND j.org_id = changed.org_id"
    " AND j.cluster_id = changed.cluster_id AND j.tier_id = changed.tier_id) FROM changed ORDER BY rollup_id"
    " ON CONFLICT (rollup_id) DO UPDATE SET version = excluded.version, set_aside = NULL,"
    " is_judged = excluded.is_judged"
)
QUEUE = _KEEP + _QUEUE
# For rows that may have had their version of this snapshot before.
QUEUE_AGAIN = (
    _KEEP + " ON CONFLICT (rollup_id, snapshot) DO UPDATE SET computed = excluded.computed,"
    " computed_known = excluded.computed_known, computed_of = excluded.computed_of,"
    " computed_missing = excluded.computed_missing, computed_status = excluded.computed_status,"
    " accepted_at = excluded.accepted_at" + _QUEUE
)
_MOVE = text(
    "WITH changed AS (UPDATE rollup r SET total = r.total + d.total, reported = r.reported + d.reported,"  # noqa: S608
    " expected = r.expected + d.expected, provisional = r.provisional + d.provisional,"
    " estimated = r.estimated + d.estimated, forecast = r.forecast + d.forecast, version = r.version + 1,"
    " cause = d.cause, accepted_at = greatest(r.accepted_at, d.accepted_at), traceparent = d.traceparent,"
    " catalogue_version = :catalogue_version, snapshot = :snapshot, recorded_at = :at"
    " FROM unnest(CAST(:ids AS bigint[]), CAST(:totals AS numeric[]), CAST(:reported AS int[]),"
    " CAST(:expected AS int[]), CAST(:provisional AS int[]), CAST(:estimated AS int[]), CAST(:forecast AS int[]),"
    " CAST(:causes AS text[]), CAST(:accepted AS timestamptz[]), CAST(:traces AS text[]))"
    " AS d (rollup_id, total, reported, expected, provisional, estimated, forecast, cause, accepted_at, traceparent)"
    " WHERE r.rollup_id = d.rollup_id RETURNING r.*)" + QUEUE
)
_ANNOUNCE = text(
    "WITH changed AS (UPDATE rollup SET version = version + 1, cause = :cause, traceparent = NULL,"  # noqa: S608
    " catalogue_version = :catalogue_version, snapshot = :snapshot, recorded_at = :at"
    " WHERE rollup_id = ANY(CAST(:ids AS bigint[])) RETURNING *)" + QUEUE
)
