"""Locked periods: a coordinator's decisions, of which the last one stands; none is ever changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from fourones_shared.database.engine import reading
from fourones_shared.domain.clock import Clock
from fourones_submission.domain.known import Series
from fourones_submission.domain.locking import Decision
from fourones_submission.storage.arrays import array


@dataclass(frozen=True, slots=True)
class Seen:
    """Which decisions a party is shown: those about itself, and those on the indicators that it reports."""

    org: str
    indicators: Collection[str]


@dataclass(frozen=True, slots=True)
class About:
    """The period that decisions are asked for about: its key, and another one for some indicators."""

    period: str
    other: Mapping[str, str]


class Locks:
    """Reads and takes decisions."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._reading = reading(engine)
        self._clock = clock

    async def decisions(self, wanted: Iterable[Series]) -> Mapping[Series, Decision]:
        """The decisions that stand for these series; those without any are absent."""
        listed = list(wanted)
        if not listed:
            return {}
        values = {
            "orgs": array(series.org for series in listed),
            "indicators": array(series.indicator for series in listed),
            "periods": array(series.period for series in listed),
            "now": self._clock.now(),
        }
        async with self._reading.connect() as connection:
            rows = (await connection.execute(_STANDING, values)).all()
        return {Series(row.org, row.indicator, row.period): Decision(row.locked, row.reason) for row in rows}

    async def decide(
        self, about: Series, *, locked: bool, until: datetime | None, reason: str, decided_by: str
    ) -> Row[Any]:
        """Keep a decision; whoever posts a figure after this has it. Returns it as `page` does."""
        values = about._asdict() | {"locked": locked, "until": until, "reason": reason, "decided_by": decided_by}
        async with self._engine.begin() as connection:
            made = await connection.execute(_DECIDE, values | {"now": self._clock.now()})
            wanted = {"id": made.scalar_one(), "now": self._clock.now()}
            return (await connection.execute(_ONE, wanted)).one()

    async def page(
        self,
        *,
        org: str | None,
        indicator: str | None,
        about: About | None,
        seen: Seen | None,
        before: int | None,
        limit: int,
    ) -> Sequence[Row[Any]]:
        """Decisions, the newest first, of numbers below `before`.

        Args:
            org: whom the figures are about.
            indicator: an id.
            about: the period.
            seen: what the asking party is shown; None shows all.
            before: the number of the last decision of the page before.
            limit: most rows.
        """
        conditions = (
            (" AND made.org = :org" if org is not None else "")
            + (" AND made.indicator = :indicator" if indicator is not None else "")
            + (f" AND {_ABOUT}" if about is not None else "")
            + (" AND (made.org = :own OR made.indicator = ANY(CAST(:own_indicators AS text[])))" if seen else "")
            + (" AND made.period_lock_id < :before" if before is not None else "")
        )
        query = text(f"{_SHOWN} WHERE true{conditions} ORDER BY made.period_lock_id DESC LIMIT :limit")
        values = {
            "org": org,
            "indicator": indicator,
            "period": about.period if about is not None else None,
            "other_indicators": array(about.other if about is not None else ()),
            "other_periods": array(about.other.values() if about is not None else ()),
            "own": seen.org if seen else None,
            "own_indicators": array(seen.indicators if seen else ()),
            "before": before,
            "limit": limit,
            "now": self._clock.now(),
        }
        async with self._reading.connect() as connection:
            return (await connection.execute(query, values)).all()


_STANDING = text(
    "SELECT org, indicator, period, decided.locked, decided.reason FROM unnest(CAST(:orgs AS text[]),"
    " CAST(:indicators AS text[]), CAST(:periods AS text[])) AS wanted (org, indicator, period)"
    " CROSS JOIN LATERAL (SELECT locked, reason, until FROM period_lock"
    " WHERE period_lock.org = wanted.org AND period_lock.indicator = wanted.indicator"
    " AND period_lock.period = wanted.period ORDER BY period_lock_id DESC LIMIT 1) AS decided"
    " WHERE decided.until IS NULL OR decided.until > :now"
)
_DECIDE = text(
    "INSERT INTO period_lock (org, indicator, period, locked, until, reason, decided_by, decided_at)"
    " VALUES (:org, :indicator, :period, :locked, :until, :reason, :decided_by, :now) RETURNING period_lock_id"
)
# Of several decisions on a period only the last can stand, as `_STANDING` has it.
_SHOWN = (
    "SELECT made.period_lock_id, made.org, made.indicator, made.period, made.locked, made.until, made.reason,"
    " made.decided_by, access_key.label AS decided_by_label, made.decided_at,"
    " (made.until IS NULL OR made.until > :now) AND NOT EXISTS (SELECT 1 FROM period_lock AS later"
    " WHERE later.org = made.org AND later.indicator = made.indicator AND later.period = made.period"
    " AND later.period_lock_id > made.period_lock_id) AS stands"
    " FROM period_lock AS made LEFT JOIN access_key ON access_key.key_id = made.decided_by"
)
_ABOUT = (
    "(made.period = :period OR (made.indicator, made.period) IN (SELECT indicator, period FROM"
    " unnest(CAST(:other_indicators AS text[]), CAST(:other_periods AS text[])) AS other (indicator, period)))"
)
_ONE = text(f"{_SHOWN} WHERE made.period_lock_id = :id")
