"""Stores roll-up versions as they arrive, a whole batch in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from fourones_shared.events.model import RollupChanged
from fourones_shared.kafka.consumer import Received


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """What a target names and a history is about: a roll-up's identity without the period."""

    indicator: str
    org: str
    cluster: str
    tier: str


def store_rollups(connection: Connection, events: Sequence[Received[RollupChanged]], now: datetime) -> set[Subject]:
    """Keep every version that is not here yet, and move each roll-up on to its newest.

    An older version that arrives late (a replayed history) is kept too, but moves nothing.

    Args:
        connection: the open transaction of the batch.
        events: in any order, repetitions welcome.
        now: the moment of reception.

    Returns:
        What has a newer version than before.
    """
    # Written anew from the checked data: what a lenient reader took for a number or a moment is one for PostgreSQL too.
    documents = "[" + ",".join(event.data.model_dump_json() for event in events) + "]"
    moved = connection.execute(_STORE, {"documents": documents, "now": now})
    return {Subject(row.indicator, row.org, row.cluster, row.tier) for row in moved}


def fallen_due(connection: Connection, since: datetime, until: datetime) -> set[Subject]:
    """What has a roll-up whose due date lies after `since` and not after `until`."""
    rows = connection.execute(_FALLEN_DUE, {"since": since, "until": until})
    return {Subject(row.indicator, row.org, row.cluster, row.tier) for row in rows}


# One statement, since the documents with all their members are read once for each.
_STORE = text(
    """
    WITH event AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(CAST(:documents AS jsonb)) AS event(indicator text, org text, cluster text,
            tier text, period text, version bigint, value numeric, carried_value numeric, unit text, status text,
            coverage jsonb, members jsonb, members_total int, due_at timestamptz, cause text, catalogue_version int,
            snapshot bigint, recorded_at timestamptz, accepted_at timestamptz)
    ), kept AS (
        INSERT INTO rollup_version (indicator, org, cluster, tier, period, version, value, carried_value, unit, status,
            coverage, members, members_total, due_at, cause, catalogue_version, snapshot, recorded_at, accepted_at,
            received_at)
        SELECT indicator, org, cluster, tier, period, version, value, carried_value, unit, status,
            coverage, coalesce(members, '[]'), coalesce(members_total, 0), due_at, cause, catalogue_version, snapshot,
            recorded_at, accepted_at, :now
        FROM event
        ON CONFLICT DO NOTHING
    )
    INSERT INTO rollup_latest AS latest (indicator, org, cluster, tier, period, version, due_at)
    SELECT DISTINCT ON (indicator, org, cluster, tier, period) indicator, org, cluster, tier, period, version, due_at
    FROM event
    ORDER BY indicator, org, cluster, tier, period, version DESC
    ON CONFLICT (indicator, org, cluster, tier, period) DO UPDATE
        SET version = excluded.version, due_at = excluded.due_at
    WHERE latest.version < excluded.version
    RETURNING indicator, org, cluster, tier
    """
)
_FALLEN_DUE = text(
    "SELECT DISTINCT indicator, org, cluster, tier FROM rollup_latest WHERE due_at > :since AND due_at <= :until"
)
