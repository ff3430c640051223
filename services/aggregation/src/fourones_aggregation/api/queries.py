"""The reads behind the API: each answers from one snapshot of the database, through an index, a page at a time.

Lists are ordered by the numbers of indicator, period, organisation, cluster and tier: the order of the indexes, and
stable while rows come and go.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from fourones_aggregation.arrays import numbers
from fourones_aggregation.members import MISSING_NAMES
from fourones_aggregation.opening import OVER_CITY, OVER_CLUSTERS, OVER_ORGANISATIONS, OVER_TIER, OWN
from fourones_shared.catalogue.model import TOTAL

KEY = ("indicator_id", "period_id", "org_id", "cluster_id", "tier_id")


@dataclass(frozen=True, slots=True)
class Filters:
    """What a request asks for; None is everything."""

    indicator: str | None = None
    org: str | None = None
    cluster: str | None = None
    tier: str | None = None
    period: str | None = None


@asynccontextmanager
async def one_snapshot(engine: AsyncEngine) -> AsyncIterator[tuple[AsyncConnection, int]]:
    """A connection whose reads all show the same moment, and that moment's snapshot number."""
    async with engine.connect() as plain:
        connection = await plain.execution_options(isolation_level="REPEATABLE READ")
        number: int = (await connection.execute(_SNAPSHOT)).scalar_one()
        yield connection, number


async def known_codes(engine: AsyncEngine, dimension: str, code: str) -> bool:
    """Whether a code has ever been used here: one that the catalogue has dropped still has its past."""
    async with engine.connect() as connection:
        return bool((await connection.execute(_KNOWN[dimension], {"code": code})).scalar_one())


async def rollups(connection: AsyncConnection, filters: Filters, after: Sequence[int] | None, limit: int) -> list[Any]:
    """Up to `limit` rows: kept roll-ups and single figures, merged in the order of their keys."""
    parts: list[str] = []
    parameters: dict[str, object] = {"limit": limit}
    for source in _SOURCES:
        conditions = _conditions(source, filters)
        if conditions is not None:
            parts.append(_part(source, conditions, after))
    if not parts:
        return []
    parameters |= {name: value for name, value in _filter_values(filters).items() if value is not None}
    if after is not None:
        parameters |= {f"after_{n}": value for n, value in enumerate(after)}
    found = await connection.execute(text(_PAGE.format(parts=" UNION ALL ".join(parts))), parameters)
    return list(found.all())


async def missing_names(connection: AsyncConnection, rollup_ids: Sequence[int]) -> dict[int, list[str]]:
    """Up to 50 of those who are missing from each incomplete roll-up."""
    if not rollup_ids:
        return {}
    found = await connection.execute(MISSING_NAMES, {"ids": numbers(rollup_ids)})
    return {row.rollup_id: list(row.missing or ()) for row in found}


async def history(connection: AsyncConnection, figure: Mapping[str, str], after: int, limit: int) -> list[Any]:
    """Up to `limit` revisions of a figure with a sequence above `after`, oldest first; `excluded` with the current."""
    found = await connection.execute(_HISTORY, dict(figure) | {"after": after, "limit": limit})
    return list(found.all())


async def is_excluded(connection: AsyncConnection, figure: Mapping[str, str]) -> bool:
    """Whether the catalogue in force does not admit the figure; false for one that does not exist."""
    return bool((await connection.execute(_EXCLUDED, dict(figure))).scalar_one_or_none())


@dataclass(frozen=True, slots=True)
class _Source:
    """A kind of row: a kept roll-up (`bit` 0), or duties whose figure answers a scope without a row."""

    bit: int
    org: str
    cluster: str
    tier: str

    @property
    def columns(self) -> tuple[str, ...]:
        return ("s.indicator_id", "s.period_id", self.org, self.cluster, self.tier)


_SOURCES = (
    _Source(0, "s.org_id", "s.cluster_id", "s.tier_id"),
    _Source(OWN, "s.org_id", "s.cluster_id", "0"),
    _Source(OVER_ORGANISATIONS, "0", "s.cluster_id", "0"),
    _Source(OVER_CLUSTERS, "s.org_id", "0", "0"),
    _Source(OVER_TIER, "0", "0", "s.tier_id"),
    _Source(OVER_CITY, "0", "0", "0"),
)
_LOOK_UP = {
    "indicator": "(SELECT indicator_id FROM indicator WHERE code = :indicator)",
    "period": "(SELECT period_id FROM period WHERE code = :period)",
    "org": "(SELECT org_id FROM organisation WHERE code = :org)",
    "cluster": "(SELECT cluster_id FROM cluster WHERE code = :cluster)",
    "tier": "(SELECT tier_id FROM tier WHERE code = :tier)",
}


def _filter_values(filters: Filters) -> dict[str, str | None]:
    return {
        "indicator": filters.indicator,
        "period": filters.period,
        "org": filters.org,
        "cluster": filters.cluster,
        "tier": filters.tier,
    }


def _conditions(source: _Source, filters: Filters) -> list[str] | None:
    """The conditions on a source; None when it can hold nothing of what is asked for."""
    if source.bit == 0:
        conditions = ["s.live"]
    elif source.bit == OWN:
        conditions = [f"s.repeats & {OWN} <> 0"]
    else:
        # The condition of the index that holds these few.
        conditions = ["s.repeats > 1", f"s.repeats & {source.bit} <> 0"]
    for (name, value), column in zip(_filter_values(filters).items(), source.columns, strict=True):
        if value is None:
            continue
        if column == "0":
            if value != TOTAL:
                return None
            continue
        conditions.append(f"{column} = {_LOOK_UP[name]}")
    return conditions


def _part(source: _Source, conditions: Sequence[str], after: Sequence[int] | None) -> str:
    columns = source.columns
    if after is not None:
        places = ", ".join(f":after_{n}" for n in range(len(columns)))
        conditions = [*conditions, f"({', '.join(columns)}) > ({places})"]
    shown = ", ".join(f"{column} AS {name}" for column, name in zip(columns, KEY, strict=True))
    own = "s.rollup_id, 0 AS of_org, 0 AS of_cluster" if source.bit == 0 else "0, s.org_id, s.cluster_id"
    # Columns that a scope does not fix are constants and order nothing.
    order = ", ".join(column for column in columns if column != "0")
    table = "rollup" if source.bit == 0 else "duty"
    return f"(SELECT {shown}, {own} FROM {table} s WHERE {' AND '.join(conditions)} ORDER BY {order} LIMIT :limit)"  # noqa: S608


_SNAPSHOT = text("SELECT number FROM snapshot")
_KNOWN = {
    "indicator": text("SELECT EXISTS (SELECT FROM indicator WHERE code = :code)"),
    "org": text("SELECT EXISTS (SELECT FROM organisation WHERE code = :code)"),
    "cluster": text("SELECT EXISTS (SELECT FROM cluster WHERE code = :code)"),
    "tier": text("SELECT EXISTS (SELECT FROM tier WHERE code = :code)"),
}
_PAGE = (
    "WITH page AS MATERIALIZED (SELECT * FROM ({parts}) q"
    " ORDER BY indicator_id, period_id, org_id, cluster_id, tier_id LIMIT :limit)"
    " SELECT q.indicator_id, q.period_id, q.org_id, q.cluster_id, q.tier_id, q.rollup_id,"
    # Codes by subselects: as joins, the planner would weigh their orders for longer than the query runs.
    " (SELECT code FROM indicator i WHERE i.indicator_id = q.indicator_id) AS indicator,"
    " (SELECT code FROM organisation o WHERE o.org_id = q.org_id) AS org,"
    " (SELECT code FROM cluster k WHERE k.cluster_id = q.cluster_id) AS cluster,"
    " (SELECT code FROM tier t WHERE t.tier_id = q.tier_id) AS tier,"
    " (SELECT code FROM period p WHERE p.period_id = q.period_id) AS period,"
    " (SELECT code FROM organisation o WHERE o.org_id = q.of_org) AS member_org,"
    " (SELECT code FROM cluster k WHERE k.cluster_id = q.of_cluster) AS member_cluster,"
    " coalesce(r.unit, (SELECT unit FROM indicator i WHERE i.indicator_id = q.indicator_id)) AS unit,"
    " r.rule, r.total, r.reported, r.expected, r.provisional, r.estimated, r.forecast, r.version, r.recorded_at,"
    " f.value, f.status, f.sequence, f.applied_at, d.may_not_apply, d.opened_at"
    " FROM page q LEFT JOIN rollup r ON r.rollup_id = q.rollup_id"
    " LEFT JOIN duty d ON q.rollup_id = 0 AND d.indicator_id = q.indicator_id AND d.period_id = q.period_id"
    " AND d.org_id = q.of_org AND d.cluster_id = q.of_cluster"
    " LEFT JOIN figure f ON q.rollup_id = 0 AND f.indicator_id = q.indicator_id AND f.org_id = q.of_org"
    " AND f.cluster_id = q.of_cluster AND f.period_id = q.period_id AND NOT f.withdrawn"
    " ORDER BY q.indicator_id, q.period_id, q.org_id, q.cluster_id, q.tier_id"
)
_FIGURE_KEY = (
    " x.indicator_id = (SELECT indicator_id FROM indicator WHERE code = :indicator)"
    " AND x.org_id = (SELECT org_id FROM organisation WHERE code = :org)"
    " AND x.cluster_id = (SELECT cluster_id FROM cluster WHERE code = :cluster)"
    " AND x.period_id = (SELECT period_id FROM period WHERE code = :period)"
)
_REVISION = "sequence, value, status, note, submission_id, reported_by, accepted_at, applied_at, withdrawn"
_HISTORY = text(
    f"SELECT * FROM ((SELECT {_REVISION} FROM figure_revision x WHERE {_FIGURE_KEY} AND sequence > :after"  # noqa: S608
    f" ORDER BY sequence LIMIT :limit) UNION ALL (SELECT {_REVISION} FROM figure x WHERE {_FIGURE_KEY}"
    " AND sequence > :after)) h ORDER BY sequence LIMIT :limit"
)
_EXCLUDED = text(f"SELECT excluded FROM figure x WHERE {_FIGURE_KEY}")  # noqa: S608
