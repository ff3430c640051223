"""Silence makes no event, so a clock does: periods open, due dates pass, periods end.

Every moment that matters is a midnight in Shanghai, so a tick within the same day finds nothing to do. One worker
leads; what has been told is stored, and a clock that was away for days catches up in one tick.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date

import structlog
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from fourones_aggregation.catalogues import CatalogueVersions
from fourones_aggregation.computing import compute
from fourones_aggregation.dimensions import Dimensions
from fourones_aggregation.domain.differences import Movement
from fourones_aggregation.domain.shapes import Shapes
from fourones_aggregation.opening import Pair, date_duties, open_pairs
from fourones_aggregation.rollups import announce, stamp
from fourones_shared.catalogue.duties import expected_periods
from fourones_shared.database.engine import is_transient
from fourones_shared.domain.clock import Clock
from fourones_shared.domain.periods import shanghai_date
from fourones_shared.events.model import Cause

log = structlog.get_logger(__name__)

# A light may turn a second after midnight; looking costs one small query.
TICK_S = 1.0


class Ticker:
    """Takes the passing of time into account, as the leader among the workers."""

    def __init__(
        self,
        *,
        engine: Engine,
        dimensions: Dimensions,
        versions: CatalogueVersions,
        clock: Clock,
        after_tick: Callable[[], None] | None = None,
    ) -> None:
        self._engine = engine
        self._dimensions = dimensions
        self._versions = versions
        self._clock = clock
        self._after_tick = after_tick

    def run(self, stop: threading.Event) -> None:
        """Tick until `stop` is set, through outages of the database."""
        while not stop.is_set():
            try:
                self._lead(stop)
            except DBAPIError as error:
                if not is_transient(error):
                    raise
                log.warning("clock interrupted", error=str(error).splitlines()[0])
                stop.wait(TICK_S)

    def tick(self) -> int:
        """Open what has begun, and give incomplete roll-ups whose due date or end has passed a new version.

        Returns:
            How many roll-ups were announced.
        """
        now = self._clock.now()
        today = shanghai_date(now)
        with self._engine.begin() as connection:
            if not connection.execute(_IS_BEHIND, {"today": today}).scalar_one_or_none():
                return 0
            held = self._versions.hold(connection)
            position = connection.execute(_POSITION).one()
            if held is None or today <= shanghai_date(position.told_until):
                return 0
            version, shapes = held
            begun = _begun(shapes, position.opened_until, today)
            opened = open_pairs(connection, self._dimensions, shapes, begun, now)
            passed = connection.execute(
                _PASSED,
                {
                    "told_until": position.told_until,
                    "now": now,
                    "told_day": shanghai_date(position.told_until),
                    "today": today,
                },
            )
            announced = sorted(set(opened) | set(passed.scalars()))
            if announced or begun:
                mark = stamp(connection, self._clock, version)
                date_duties(connection, self._dimensions, begun, mark.snapshot)
                announce(connection, announced, mark, Cause.TIME)
                compute(connection, shapes, dict.fromkeys(opened, Movement()), mark, Cause.TIME)
            _move(connection, now, max(today, position.opened_until))
        log.info("a day has passed", today=today.isoformat(), opened=len(opened), announced=len(announced))
        if self._after_tick is not None:
            self._after_tick()
        return len(announced)

    def _lead(self, stop: threading.Event) -> None:
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as leader:
            while not leader.execute(_TRY_LOCK).scalar_one():
                if stop.wait(TICK_S):
                    return
            try:
                while not stop.is_set():
                    leader.execute(text("SELECT 1"))
                    self.tick()
                    stop.wait(TICK_S)
            finally:
                if not leader.invalidated:
                    leader.execute(_UNLOCK)


def _begun(shapes: Shapes, opened_until: date, today: date) -> list[Pair]:
    return [
        (indicator.id, period)
        for indicator in shapes.catalogue.indicators
        for period in expected_periods(indicator, today)
        if period.start > opened_until
    ]


def _move(connection: Connection, now: object, opened_until: date) -> None:
    connection.execute(_MOVE, {"now": now, "opened_until": opened_until})


_TRY_LOCK = text("SELECT pg_try_advisory_lock(hashtextextended('aggregation:clock', 0))")
_UNLOCK = text("SELECT pg_advisory_unlock(hashtextextended('aggregation:clock', 0))")
_IS_BEHIND = text("SELECT CAST(told_until AT TIME ZONE 'Asia/Shanghai' AS date) < :today FROM clock_position")
_POSITION = text("SELECT told_until, opened_until FROM clock_position FOR UPDATE")
_MOVE = text("UPDATE clock_position SET told_until = :now, opened_until = :opened_until")
_PASSED = text(
    "SELECT r.rollup_id FROM rollup r JOIN period p USING (period_id)"
    " WHERE r.live AND (r.reported < r.expected OR r.computed_known < r.computed_of)"
    " AND ((r.due_at > :told_until AND r.due_at <= :now) OR (p.end_day >= :told_day AND p.end_day < :today))"
    " ORDER BY r.rollup_id FOR UPDATE OF r"
)
