"""The reads behind a roll-up's history: the versions of its row, and the figure that it repeated while it had none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fourones_aggregation.asof import Moment
from fourones_aggregation.opening import OVER_CITY, OVER_CLUSTERS, OVER_ORGANISATIONS, OVER_TIER, OWN
from fourones_aggregation.temporal import STATE_COLUMNS


@dataclass(frozen=True, slots=True)
class Past:
    """Where a roll-up's versions are kept.

    Attributes:
        number: of its row, if it ever had one.
        place: the place whose figure it repeated, by number (`_PLACE`), the last there was.
    """

    number: int | None
    place: Any | None

    @property
    def may_not_apply(self) -> bool:
        """Whether the catalogue lets the one reporter say that it does not apply."""
        return self.place is not None and bool(self.place.may_not_apply)


async def past_of(connection: AsyncConnection, moment: Moment, rollup: Mapping[str, str]) -> Past | None:
    """Where the versions are of a roll-up, given by its codes; None when nothing of it has been kept by then."""
    parameters = dict(rollup) | {"snapshot": moment.snapshot}
    number = (await connection.execute(_NUMBER, parameters)).scalar_one_or_none()
    place = (await connection.execute(_REPEATED, parameters)).one_or_none()
    return None if number is None and place is None else Past(number, place)


async def versions(connection: AsyncConnection, moment: Moment, past: Past, after: int, limit: int) -> list[Any]:
    """Up to `limit` versions of snapshots above `after`, oldest first.

    Those of the row, and while it was not live those of the figure, which have a `sequence`.
    """
    parameters = {"rollup_id": past.number, "snapshot": moment.snapshot, "after": after, "limit": limit}
    for name in _KEY:
        parameters[name] = None if past.place is None else getattr(past.place, name)
    return list((await connection.execute(_VERSIONS, parameters)).all())


_KEY = ("indicator_id", "period_id", "org_id", "cluster_id")
_PLACE = ", ".join(f"x.{name}" for name in (*_KEY, "may_not_apply"))
_INDICATOR_AND_PERIOD = (
    "x.indicator_id = (SELECT indicator_id FROM indicator WHERE code = :indicator)"
    " AND x.period_id = (SELECT period_id FROM period WHERE code = :period)"
)
_NUMBER = text(
    f"SELECT rollup_id FROM rollup x WHERE {_INDICATOR_AND_PERIOD}"  # noqa: S608
    " AND x.org_id = (SELECT org_id FROM organisation WHERE code = :org)"
    " AND x.cluster_id = (SELECT cluster_id FROM cluster WHERE code = :cluster)"
    " AND x.tier_id = (SELECT tier_id FROM tier WHERE code = :tier)"
    " AND EXISTS (SELECT FROM rollup_version v WHERE v.rollup_id = x.rollup_id AND v.snapshot <= :snapshot)"
)
# The scopes that each bit of a duty answers for; number 0 is `_T`.
_ANSWERS = (
    f"(x.repeats & {OWN} <> 0 AND a.org_id = x.org_id AND a.cluster_id = x.cluster_id AND a.tier_id = 0)"
    f" OR (x.repeats & {OVER_ORGANISATIONS} <> 0 AND a.org_id = 0 AND a.cluster_id = x.cluster_id AND a.tier_id = 0)"
    f" OR (x.repeats & {OVER_CLUSTERS} <> 0 AND a.org_id = x.org_id AND a.cluster_id = 0 AND a.tier_id = 0)"
    f" OR (x.repeats & {OVER_TIER} <> 0 AND a.org_id = 0 AND a.cluster_id = 0 AND a.tier_id = x.tier_id)"
    f" OR (x.repeats & {OVER_CITY} <> 0 AND a.org_id = 0 AND a.cluster_id = 0 AND a.tier_id = 0)"
)
_REPEATED = text(
    f"SELECT {_PLACE}"  # noqa: S608
    " FROM (SELECT (SELECT org_id FROM organisation WHERE code = :org) AS org_id,"
    " (SELECT cluster_id FROM cluster WHERE code = :cluster) AS cluster_id,"
    " (SELECT tier_id FROM tier WHERE code = :tier) AS tier_id) a"
    f" JOIN (SELECT {_PLACE}, tier_id, repeats, since FROM duty x UNION ALL"
    f" SELECT {_PLACE}, tier_id, repeats, since FROM duty_past x) x ON {_INDICATOR_AND_PERIOD}"
    f" AND x.since <= :snapshot AND ({_ANSWERS}) ORDER BY x.since DESC LIMIT 1"
)
_REVISION = "snapshot, sequence, value, status, withdrawn, applied_at"
_OF_PLACE = " AND ".join(f"x.{name} = CAST(:{name} AS int)" for name in _KEY)
_STATE = STATE_COLUMNS.split(", ")
_VERSIONS = text(
    "WITH revision AS ("  # noqa: S608
    f"SELECT {_REVISION} FROM figure x WHERE {_OF_PLACE} AND snapshot <= :snapshot"
    f" UNION ALL SELECT {_REVISION} FROM figure_revision x WHERE {_OF_PLACE} AND snapshot <= :snapshot),"
    # A late revision never was the newest, and of several in one batch only the last was ever shown.
    " newest AS (SELECT DISTINCT ON (snapshot) * FROM (SELECT *, max(sequence) OVER (ORDER BY snapshot, sequence)"
    " AS highest FROM revision) r WHERE sequence = highest ORDER BY snapshot, sequence DESC),"
    " told AS (SELECT *, coalesce(lag(value) OVER (ORDER BY snapshot) IS NOT NULL, false) AS revises FROM newest),"
    " figures AS (SELECT r.snapshot, r.sequence, r.value, r.status, r.withdrawn, r.applied_at, r.revises,"
    f" {', '.join(f'n.{name}' for name in _STATE)} FROM told r LEFT JOIN rollup_version n ON false"
    # What was the newest while the scope had a row is in the row's versions.
    " WHERE r.snapshot > :after AND NOT coalesce((SELECT v.live FROM rollup_version v"
    " WHERE v.rollup_id = CAST(:rollup_id AS bigint) AND v.snapshot <= r.snapshot"
    " ORDER BY v.snapshot DESC LIMIT 1), false)),"
    " row_versions AS (SELECT v.snapshot, CAST(NULL AS bigint), CAST(NULL AS numeric), CAST(NULL AS text),"
    f" CAST(NULL AS boolean), CAST(NULL AS timestamptz), CAST(NULL AS boolean), {', '.join(f'v.{n}' for n in _STATE)}"
    " FROM rollup_version v WHERE v.rollup_id = CAST(:rollup_id AS bigint)"
    " AND v.snapshot <= :snapshot AND v.snapshot > :after ORDER BY v.snapshot LIMIT :limit)"
    " SELECT h.*, t.taken_at FROM (SELECT * FROM figures UNION ALL SELECT * FROM row_versions) h"
    " LEFT JOIN snapshot_taken t ON t.number = h.snapshot ORDER BY h.snapshot, h.sequence NULLS FIRST LIMIT :limit"
)
