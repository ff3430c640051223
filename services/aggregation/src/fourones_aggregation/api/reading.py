"""Reading the facts of any periods at a moment, stretches among them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncConnection

from fourones_aggregation.asof import Moment
from fourones_aggregation.domain.facts import Ask, Fact
from fourones_aggregation.domain.shapes import Shapes
from fourones_aggregation.domain.spans import fact_of, made_of
from fourones_aggregation.facts import fetch_facts


async def read(connection: AsyncConnection, moment: Moment, shapes: Shapes, asks: Iterable[Ask]) -> dict[Ask, Fact]:
    """What is known of each; one of which nothing has opened has no entry."""
    asked = list(dict.fromkeys(asks))
    if not asked:
        return {}
    # Years of weeks, by every organisation and cluster, take too long for the loop that serves all requests.
    needed = await asyncio.to_thread(_needed, shapes, asked)
    facts = await fetch_facts(connection, shapes, needed, moment.as_of)
    return await asyncio.to_thread(_made, shapes, asked, facts)


def _needed(shapes: Shapes, asked: Iterable[Ask]) -> list[Ask]:
    return list(dict.fromkeys(needed for ask in asked for needed in made_of(shapes, ask)))


def _made(shapes: Shapes, asked: Iterable[Ask], facts: dict[Ask, Fact]) -> dict[Ask, Fact]:
    made = ((ask, fact_of(shapes, ask, facts)) for ask in asked)
    return {ask: fact for ask, fact in made if fact is not None}
