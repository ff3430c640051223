"""Reading facts: many values at once, each from its roll-up's row, or from the one figure that it repeats.

Two statements answer any number of asks, of the newest state or as of a snapshot; the names of the missing are a third.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from fourones_aggregation.arrays import numbers, texts
from fourones_aggregation.domain.answers import shown, shown_alone
from fourones_aggregation.domain.facts import Ask, Fact
from fourones_aggregation.domain.scopes import Place, Scope
from fourones_aggregation.domain.shapes import Shapes
from fourones_aggregation.members import missing_names
from fourones_aggregation.temporal import AS_OF, LIVE, Tables
from fourones_shared.catalogue.model import TOTAL
from fourones_shared.domain.periods import Period


def read_facts(connection: Connection, shapes: Shapes, asks: Iterable[Ask]) -> dict[Ask, Fact]:
    """What is known now; an ask whose period is not open, or that no roll-up and no figure answers, has no entry."""
    plan = _Plan.of(shapes, asks)
    found = _Found()
    if plan.rows:
        found.rows = connection.execute(_ROWS[LIVE], plan.row_arrays()).all()
    if plan.alone:
        found.alone = connection.execute(_ALONE[LIVE], plan.alone_arrays()).all()
    if incomplete := found.incomplete():
        found.missing = connection.execute(missing_names(LIVE), {"ids": numbers(incomplete)}).all()
    return _facts(plan, found)


async def fetch_facts(
    connection: AsyncConnection, shapes: Shapes, asks: Iterable[Ask], snapshot: int | None
) -> dict[Ask, Fact]:
    """The same for the API; `snapshot` is None for the newest state."""
    plan = _Plan.of(shapes, asks)
    found = _Found()
    tables = LIVE if snapshot is None else AS_OF
    when: dict[str, object] = {} if snapshot is None else {"snapshot": snapshot}
    if plan.rows:
        found.rows = (await connection.execute(_ROWS[tables], plan.row_arrays() | when)).all()
    if plan.alone:
        found.alone = (await connection.execute(_ALONE[tables], plan.alone_arrays() | when)).all()
    if incomplete := found.incomplete():
        found.missing = (await connection.execute(missing_names(tables), {"ids": numbers(incomplete)} | when)).all()
    return _facts(plan, found)


def place_of(shapes: Shapes, ask: Ask) -> Place | None:
    """The one place whose figure answers the ask; None where a roll-up does, or nothing."""
    shape = shapes.of(ask.indicator, Period.parse(ask.period))
    return None if shape is None else shape.repeated.get(ask.scope)


@dataclass(frozen=True, slots=True)
class _Plan:
    rows: list[Ask]
    alone: list[tuple[Ask, Place]]

    @staticmethod
    def of(shapes: Shapes, asks: Iterable[Ask]) -> _Plan:
        plan = _Plan([], [])
        for ask in dict.fromkeys(asks):
            shape = shapes.of(ask.indicator, Period.parse(ask.period))
            if shape is None:
                continue
            if ask.scope in shape.rules:
                plan.rows.append(ask)
            elif ask.scope in shape.repeated:
                plan.alone.append((ask, shape.repeated[ask.scope]))
        return plan

    def row_arrays(self) -> dict[str, object]:
        return {
            "indicators": texts(ask.indicator for ask in self.rows),
            "periods": texts(ask.period for ask in self.rows),
            "orgs": texts(ask.scope.org for ask in self.rows),
            "clusters": texts(ask.scope.cluster for ask in self.rows),
            "tiers": texts(ask.scope.tier for ask in self.rows),
        }

    def alone_arrays(self) -> dict[str, object]:
        return {
            "indicators": texts(ask.indicator for ask, _ in self.alone),
            "periods": texts(ask.period for ask, _ in self.alone),
            "orgs": texts(place.org for _, place in self.alone),
            "clusters": texts(place.cluster for _, place in self.alone),
        }


class _Found:
    def __init__(self) -> None:
        self.rows: Sequence[Any] = ()
        self.alone: Sequence[Any] = ()
        self.missing: Sequence[Any] = ()

    def incomplete(self) -> Collection[int]:
        return [row.rollup_id for row in self.rows if row.reported < row.expected]


def _facts(plan: _Plan, found: _Found) -> dict[Ask, Fact]:
    facts: dict[Ask, Fact] = {}
    missing: Mapping[int, Sequence[str]] = {row.rollup_id: row.missing or () for row in found.missing}
    for row in found.rows:
        fact = shown(row)
        if fact.reported < fact.expected and not fact.missing:
            fact = replace(fact, missing=tuple(missing.get(row.rollup_id, ())))
        facts[plan.rows[row.place - 1]] = fact
    for row in found.alone:
        ask, place = plan.alone[row.place - 1]
        facts[ask] = shown_alone(row, name_of(ask.scope, place))
    return facts


def name_of(scope: Scope, place: Place) -> str:
    """What a scope calls a place that is missing: its cluster where it is about one organisation, else that."""
    return place.cluster if TOTAL not in {scope.org, place.cluster} else place.org


def _rows(tables: Tables) -> TextClause:
    return text(
        # Numbers first: otherwise every roll-up of an indicator may be read and held against the codes.
        "WITH k AS MATERIALIZED (SELECT place, indicator_id, period_id, org_id, cluster_id, tier_id"  # noqa: S608
        " FROM unnest(CAST(:indicators AS text[]), CAST(:periods AS text[]),"
        " CAST(:orgs AS text[]), CAST(:clusters AS text[]), CAST(:tiers AS text[])) WITH ORDINALITY"
        " AS asked (indicator, period, org, cluster, tier, place)"
        " JOIN indicator i ON i.code = indicator JOIN period p ON p.code = period"
        " JOIN organisation o ON o.code = org JOIN cluster c ON c.code = cluster JOIN tier t ON t.code = tier)"
        f" SELECT k.place, r.* FROM k JOIN {tables.rollup} r"
        " ON r.indicator_id = k.indicator_id AND r.period_id = k.period_id"
        " AND r.org_id = k.org_id AND r.cluster_id = k.cluster_id AND r.tier_id = k.tier_id WHERE r.live"
    )


def _alone(tables: Tables) -> TextClause:
    return text(
        "WITH k AS MATERIALIZED (SELECT place, indicator_id, period_id, org_id, cluster_id"  # noqa: S608
        " FROM unnest(CAST(:indicators AS text[]), CAST(:periods AS text[]),"
        " CAST(:orgs AS text[]), CAST(:clusters AS text[])) WITH ORDINALITY"
        " AS asked (indicator, period, org, cluster, place)"
        " JOIN indicator i ON i.code = indicator JOIN period p ON p.code = period"
        " JOIN organisation o ON o.code = org JOIN cluster c ON c.code = cluster)"
        " SELECT k.place, d.due_at, d.opened_at, d.may_not_apply, f.value, f.status, f.sequence, f.applied_at"
        f" FROM k JOIN {tables.duty} d ON d.indicator_id = k.indicator_id AND d.period_id = k.period_id"
        f" AND d.org_id = k.org_id AND d.cluster_id = k.cluster_id{tables.figure('f', 'd')}"
    )


_ROWS = {tables: _rows(tables) for tables in (LIVE, AS_OF)}
_ALONE = {tables: _alone(tables) for tables in (LIVE, AS_OF)}
