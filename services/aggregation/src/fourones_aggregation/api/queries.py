"""The reads behind the API: each answers from one snapshot of the database, through an index, a page at a time.

Lists are ordered by the numbers of indicator, period, organisation, cluster and tier: the order of the indexes, and
stable while rows come and go.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from fourones_aggregation import members
from fourones_aggregation.arrays import numbers, texts
from fourones_aggregation.asof import Asked, Moment, NotAMoment, read_as_of, whole_milliseconds
from fourones_aggregation.domain.facts import Ask
from fourones_aggregation.opening import OVER_CITY, OVER_CLUSTERS, OVER_ORGANISATIONS, OVER_TIER, OWN
from fourones_aggregation.temporal import AS_OF, LIVE, STATE_COLUMNS, Tables
from fourones_shared.catalogue.model import TOTAL
from fourones_shared.database.engine import async_one_state, reading
from fourones_shared.domain.clock import Clock
from fourones_shared.http.problems import Fault, Problem

# A client whose clock is a little ahead asks for "now", not for the future.
CLOCKS_DIFFER_AT_MOST = timedelta(minutes=1)
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
async def at_moment(
    engine: AsyncEngine, as_of: str | None, clock: Clock
) -> AsyncIterator[tuple[AsyncConnection, Moment]]:
    """A connection whose reads all show the same state of the database, and the moment that the answer is of.

    Args:
        engine: the API's.
        as_of: a token or a time, as the client gave it; None for now.
        clock: tells now.

    Raises:
        Problem: 422 when `as_of` names no moment that is known here.
    """
    try:
        asked = None if as_of is None else read_as_of(as_of)
    except NotAMoment as error:
        raise _no_moment(str(error)) from error
    async with async_one_state(engine) as connection:
        newest = (await connection.execute(_NEWEST)).one()
        now = whole_milliseconds(clock.now())
        if asked is None:
            # An API whose clock is behind the worker's shows nothing from before it was known.
            at = max(now, whole_milliseconds(newest.taken_at))
            yield connection, Moment(newest.number, newest.taken_at, at, newest.version, is_past=False)
        else:
            yield connection, await _moment(connection, asked, newest.number, now)


async def _moment(connection: AsyncConnection, asked: Asked, newest: int, now: datetime) -> Moment:
    if asked.at is not None and asked.at > now + CLOCKS_DIFFER_AT_MOST:
        raise _no_moment("as_of 是将来的时间:请写不晚于当前的时间")
    if asked.snapshot is not None and asked.snapshot > newest:
        raise _no_moment(f"没有编号为 {asked.snapshot} 的快照:本服务目前到 {newest}")
    statement = _BY_TIME if asked.snapshot is None else _BY_NUMBER
    taken = (await connection.execute(statement, {"number": asked.snapshot, "at": asked.at})).one_or_none()
    if taken is None:
        first = (await connection.execute(_FIRST)).one_or_none()
        since = "还没有历史" if first is None else f"最早可查 {first.taken_at.isoformat()}(快照 {first.number})"
        raise _no_moment(f"该时点早于本服务保存的历史:{since}")
    at = whole_milliseconds(asked.at or taken.taken_at)
    if at < whole_milliseconds(taken.taken_at):
        raise _no_moment(f"编号为 {taken.number} 的快照当时还没有:数据库可能已从备份恢复,编号重新用过。请改用时间查询")
    # The newest state is quicker to read than the past: pages of one moment mostly are of it.
    return Moment(taken.number, taken.taken_at, at, taken.catalogue_version, is_past=taken.number < newest)


def _no_moment(detail: str) -> Problem:
    fault = Fault(pointer="query:as_of", code="unknown_moment", detail=detail)
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "查询参数有误,请按 errors 逐条修改", errors=[fault])


async def known_codes(engine: AsyncEngine, dimension: str, code: str) -> bool:
    """Whether a code has ever been used here: one that the catalogue has dropped still has its past."""
    async with reading(engine).connect() as connection:
        return bool((await connection.execute(_KNOWN[dimension], {"code": code})).scalar_one())


async def rollups(
    connection: AsyncConnection, moment: Moment, filters: Filters, after: Sequence[int] | None, limit: int
) -> list[Any]:
    """Up to `limit` rows: kept roll-ups and single figures, merged in the order of their keys."""
    tables = _tables(moment)
    parts: list[str] = []
    parameters: dict[str, object] = {"limit": limit} | _when(moment)
    for source in _SOURCES:
        conditions = _conditions(source, filters)
        if conditions is not None:
            parts.append(_part(source, tables, conditions, after))
    if not parts:
        return []
    parameters |= {name: value for name, value in _filter_values(filters).items() if value is not None}
    if after is not None:
        parameters |= {f"after_{n}": value for n, value in enumerate(after)}
    found = await connection.execute(text(_page(tables, " UNION ALL ".join(parts))), parameters)
    return list(found.all())


async def numbered(connection: AsyncConnection, asks: Iterable[Ask]) -> dict[Ask, tuple[int, ...]]:
    """The keys by which lists order these values; one of a code that has never been used has none.

    A period that nothing is reported for has no number, and needs none: it is the only one in its list.
    """
    asked = list(asks)
    columns = {
        "indicators": {ask.indicator for ask in asked},
        "periods": {ask.period for ask in asked},
        "orgs": {ask.scope.org for ask in asked},
        "clusters": {ask.scope.cluster for ask in asked},
        "tiers": {ask.scope.tier for ask in asked},
    }
    found = await connection.execute(_NUMBERS, {name: texts(sorted(codes)) for name, codes in columns.items()})
    ids: dict[tuple[str, str], int] = {(row.kind, row.code): row.id for row in found}
    keys = {}
    for ask in asked:
        codes = (("i", ask.indicator), ("o", ask.scope.org), ("c", ask.scope.cluster), ("t", ask.scope.tier))
        if all(code in ids for code in codes):
            indicator, *scope = (ids[code] for code in codes)
            keys[ask] = (indicator, ids.get(("p", ask.period), 0), *scope)
    return keys


async def missing_names(connection: AsyncConnection, moment: Moment, rollup_ids: Sequence[int]) -> dict[int, list[str]]:
    """Up to 50 of those who are missing from each incomplete roll-up."""
    if not rollup_ids:
        return {}
    statement = members.missing_names(_tables(moment))
    found = await connection.execute(statement, {"ids": numbers(rollup_ids)} | _when(moment))
    return {row.rollup_id: list(row.missing or ()) for row in found}


async def history(
    connection: AsyncConnection, moment: Moment, figure: Mapping[str, str], after: int, limit: int
) -> list[Any]:
    """Up to `limit` revisions of a figure with a sequence above `after`, oldest first, as known at the moment."""
    parameters = dict(figure) | {"after": after, "limit": limit, "snapshot": moment.snapshot}
    return list((await connection.execute(_HISTORY, parameters)).all())


async def is_excluded(connection: AsyncConnection, moment: Moment, figure: Mapping[str, str]) -> bool:
    """Whether the figure is known and the catalogue of the moment does not admit it."""
    parameters = dict(figure) | {"snapshot": moment.snapshot}
    return bool((await connection.execute(_EXCLUDED[_tables(moment)], parameters)).scalar_one())


def _tables(moment: Moment) -> Tables:
    return AS_OF if moment.is_past else LIVE


def _when(moment: Moment) -> dict[str, object]:
    return {"snapshot": moment.snapshot} if moment.is_past else {}


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


def _part(source: _Source, tables: Tables, conditions: Sequence[str], after: Sequence[int] | None) -> str:
    columns = source.columns
    if after is not None:
        places = ", ".join(f":after_{n}" for n in range(len(columns)))
        conditions = [*conditions, f"({', '.join(columns)}) > ({places})"]
    shown = ", ".join(f"{column} AS {name}" for column, name in zip(columns, KEY, strict=True))
    own = "s.rollup_id, 0 AS of_org, 0 AS of_cluster" if source.bit == 0 else "0, s.org_id, s.cluster_id"
    # Columns that a scope does not fix are constants and order nothing.
    order = ", ".join(column for column in columns if column != "0")
    table = tables.rollup if source.bit == 0 else tables.duty
    return f"(SELECT {shown}, {own} FROM {table} s WHERE {' AND '.join(conditions)} ORDER BY {order} LIMIT :limit)"  # noqa: S608


_NEWEST = text(
    "SELECT number, taken_at, coalesce((SELECT version FROM catalogue_in_force), 0) AS version FROM snapshot"
)
_BY_NUMBER = text("SELECT number, taken_at, catalogue_version FROM snapshot_taken WHERE number = :number")
# Snapshot 0 is of a database into which nothing has come, at no time.
_BY_TIME = text(
    "SELECT number, taken_at, catalogue_version FROM snapshot_taken WHERE taken_at <= :at AND number > 0"
    " ORDER BY taken_at DESC, number DESC LIMIT 1"
)
_FIRST = text("SELECT number, taken_at FROM snapshot_taken WHERE number > 0 ORDER BY number LIMIT 1")
_KNOWN = {
    "indicator": text("SELECT EXISTS (SELECT FROM indicator WHERE code = :code)"),
    "org": text("SELECT EXISTS (SELECT FROM organisation WHERE code = :code)"),
    "cluster": text("SELECT EXISTS (SELECT FROM cluster WHERE code = :code)"),
    "tier": text("SELECT EXISTS (SELECT FROM tier WHERE code = :code)"),
}


def _page(tables: Tables, parts: str) -> str:
    return (
        f"WITH page AS MATERIALIZED (SELECT * FROM ({parts}) q"  # noqa: S608
        " ORDER BY indicator_id, period_id, org_id, cluster_id, tier_id LIMIT :limit)"
        " SELECT q.indicator_id, q.period_id, q.org_id, q.cluster_id, q.tier_id, q.rollup_id AS kept_id,"
        # Codes by subselects: as joins, the planner would weigh their orders for longer than the query runs.
        " (SELECT code FROM indicator i WHERE i.indicator_id = q.indicator_id) AS indicator,"
        " (SELECT code FROM organisation o WHERE o.org_id = q.org_id) AS org,"
        " (SELECT code FROM cluster k WHERE k.cluster_id = q.cluster_id) AS cluster,"
        " (SELECT code FROM tier t WHERE t.tier_id = q.tier_id) AS tier,"
        " (SELECT code FROM period p WHERE p.period_id = q.period_id) AS period,"
        " (SELECT code FROM organisation o WHERE o.org_id = q.of_org) AS member_org,"
        " (SELECT code FROM cluster k WHERE k.cluster_id = q.of_cluster) AS member_cluster,"
        f" {', '.join(f'r.{name}' for name in STATE_COLUMNS.split(', ') if name != 'due_at')},"
        " coalesce(r.due_at, d.due_at) AS due_at,"
        " f.value, f.status, f.sequence, f.applied_at, d.may_not_apply, d.opened_at"
        f" FROM page q LEFT JOIN {tables.rollup} r ON r.rollup_id = q.rollup_id"
        f" LEFT JOIN {tables.duty} d ON q.rollup_id = 0 AND d.indicator_id = q.indicator_id"
        " AND d.period_id = q.period_id AND d.org_id = q.of_org AND d.cluster_id = q.of_cluster"
        f"{tables.figure('f', 'd')}"
        " ORDER BY q.indicator_id, q.period_id, q.org_id, q.cluster_id, q.tier_id"
    )


_NUMBERS = text(
    "SELECT 'i' AS kind, code, indicator_id AS id FROM indicator WHERE code = ANY(CAST(:indicators AS text[]))"
    " UNION ALL SELECT 'p', code, period_id FROM period WHERE code = ANY(CAST(:periods AS text[]))"
    " UNION ALL SELECT 'o', code, org_id FROM organisation WHERE code = ANY(CAST(:orgs AS text[]))"
    " UNION ALL SELECT 'c', code, cluster_id FROM cluster WHERE code = ANY(CAST(:clusters AS text[]))"
    " UNION ALL SELECT 't', code, tier_id FROM tier WHERE code = ANY(CAST(:tiers AS text[]))"
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
    f" AND snapshot <= :snapshot ORDER BY sequence LIMIT :limit) UNION ALL (SELECT {_REVISION} FROM figure x"
    f" WHERE {_FIGURE_KEY} AND sequence > :after AND snapshot <= :snapshot)) h ORDER BY sequence LIMIT :limit"
)
_EXCLUDED = {
    tables: text(
        f"SELECT EXISTS (SELECT FROM figure x WHERE {_FIGURE_KEY} AND snapshot <= :snapshot UNION ALL"  # noqa: S608
        f" SELECT FROM figure_revision x WHERE {_FIGURE_KEY} AND snapshot <= :snapshot)"
        f" AND NOT EXISTS (SELECT FROM {tables.duty} x WHERE {_FIGURE_KEY})"
    )
    for tables in (LIVE, AS_OF)
}
