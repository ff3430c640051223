"""Locked periods: a coordinator's decisions, of which the last one stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from fourones_shared.domain.clock import Clock
from fourones_submission.domain.known import Series
from fourones_submission.domain.locking import Decision
from fourones_submission.storage.arrays import array


class Locks:
    """Reads and takes decisions."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
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
        async with self._engine.connect() as connection:
            rows = (await connection.execute(_STANDING, values)).all()
        return {Series(row.org, row.indicator, row.period): Decision(row.locked, row.reason) for row in rows}


_STANDING = text(
    "SELECT org, indicator, period, decided.locked, decided.reason FROM unnest(CAST(:orgs AS text[]),"
    " CAST(:indicators AS text[]), CAST(:periods AS text[])) AS wanted (org, indicator, period)"
    " CROSS JOIN LATERAL (SELECT locked, reason, until FROM period_lock"
    " WHERE period_lock.org = wanted.org AND period_lock.indicator = wanted.indicator"
    " AND period_lock.period = wanted.period ORDER BY period_lock_id DESC LIMIT 1) AS decided"
    " WHERE decided.until IS NULL OR decided.until > :now"
)
