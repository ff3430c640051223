"""What a question about roll-ups selects: kept roll-ups, single figures, stretches; in one order, a page at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from fourones_aggregation.api import queries
from fourones_aggregation.api.queries import Filters
from fourones_aggregation.api.reading import read
from fourones_aggregation.asof import Moment
from fourones_aggregation.domain.answers import shown, shown_alone
from fourones_aggregation.domain.beside import Beside, asks_beside, of_city, of_derived
from fourones_aggregation.domain.facts import Ask, Fact
from fourones_aggregation.domain.scopes import Place, Scope
from fourones_aggregation.domain.shapes import Shapes
from fourones_aggregation.domain.spans import scopes_of, spanned
from fourones_aggregation.facts import fetch_facts, name_of
from fourones_shared.domain.periods import Period

Key = tuple[int, ...]
"""The numbers of indicator, period, organisation, cluster and tier: what lists are ordered by."""


@dataclass(frozen=True, slots=True)
class Selected:
    """One item.

    Attributes:
        key: its place in the order.
        ask: what it is about.
        fact: what is known.
        unit: of its value.
        beside: the value that does not stand, where there are two.
    """

    key: Key
    ask: Ask
    fact: Fact
    unit: str
    beside: Beside | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """A question at a moment, asked of one connection whose reads all show the same state."""

    connection: AsyncConnection
    moment: Moment
    shapes: Shapes
    filters: Filters

    async def page(self, after: Sequence[int] | None, limit: int) -> list[Selected]:
        """Up to `limit` items after a key."""
        items = await self._kept(after, limit)
        # What is not kept is worked out only for those that ask for a period.
        if self.filters.period is not None:
            items = sorted([*items, *await self._stretches(after, limit)], key=lambda item: item.key)[:limit]
        return await self._with_cities(items)

    async def _kept(self, after: Sequence[int] | None, limit: int) -> list[Selected]:
        rows = await queries.rollups(self.connection, self.moment, self.filters, after, limit)
        facts = [_fact(row) for row in rows]
        incomplete = [row.kept_id for row, fact in zip(rows, facts, strict=True) if _lacks_names(fact)]
        missing = await queries.missing_names(self.connection, self.moment, incomplete)
        return [self._item(row, fact, missing.get(row.kept_id, ())) for row, fact in zip(rows, facts, strict=True)]

    def _item(self, row: Any, fact: Fact, missing: Sequence[str]) -> Selected:
        ask, catalogue = _ask(row), self.shapes.catalogue
        named = replace(fact, missing=tuple(missing)) if _lacks_names(fact) else fact
        unit = row.unit or catalogue.indicator[row.indicator].unit
        beside = of_derived(row, row.org, catalogue.city.id) if row.kept_id else None
        return Selected(tuple(getattr(row, name) for name in queries.KEY), ask, named, unit, beside)

    async def _stretches(self, after: Sequence[int] | None, limit: int) -> list[Selected]:
        asks = await asyncio.to_thread(self._stretches_wanted)
        if not asks:
            return []
        keys = await queries.numbered(self.connection, asks)
        ordered = sorted((key, ask) for ask, key in keys.items() if after is None or key > tuple(after))
        items: list[Selected] = []
        # Most scopes have facts, so that one round does; where few have, the rounds go on until the page is full.
        for start in range(0, len(ordered), limit):
            batch = ordered[start : start + limit]
            facts = await read(self.connection, self.moment, self.shapes, (ask for _, ask in batch))
            units = self.shapes.catalogue.indicator
            items += [Selected(key, a, facts[a], units[a.indicator].unit) for key, a in batch if a in facts]
            if len(items) >= limit:
                break
        return items[:limit]

    def _stretches_wanted(self) -> list[Ask]:
        """The scopes of every indicator that is reported more finely than the period."""
        wanted, period = self.filters, Period.parse(self.filters.period or "")
        return [
            Ask(indicator.id, period.key, scope)
            for indicator in self.shapes.catalogue.indicators
            if wanted.indicator in {None, indicator.id}
            if (own := spanned(indicator, period)) and own != (period,)
            for scope in scopes_of(self.shapes, indicator, period)
            if wanted.org in {None, scope.org}
            and wanted.cluster in {None, scope.cluster}
            and wanted.tier in {None, scope.tier}
        ]

    async def _with_cities(self, items: Sequence[Selected]) -> list[Selected]:
        # A city's value over years has ten thousand figures beside it.
        needed = await asyncio.to_thread(
            lambda: [ask for item in items for ask in asks_beside(self.shapes, item.ask)],
        )
        if not needed:
            return list(items)
        facts = await fetch_facts(self.connection, self.shapes, needed, self.moment.as_of)
        return await asyncio.to_thread(
            lambda: [replace(i, beside=i.beside or of_city(self.shapes, i.ask, i.fact, facts)) for i in items]
        )


def _lacks_names(fact: Fact) -> bool:
    return fact.reported < fact.expected and not fact.missing


def _ask(row: Any) -> Ask:
    return Ask(row.indicator, row.period, Scope(row.org, row.cluster, row.tier))


def _fact(row: Any) -> Fact:
    if row.kept_id:
        return shown(row)
    return shown_alone(row, name_of(_ask(row).scope, Place(row.member_org, row.member_cluster, row.tier)))
