"""Time moves verdicts too: what nobody's event would judge is judged here, by the clock.

Each replica judges everything once, as soon as it has read what was there at its start. From then on the leader looks
every second: a day that has turned in Shanghai lets everything be judged, a due date that has passed only what it is
about.
"""

from __future__ import annotations

import threading
from datetime import date, datetime, timedelta
from itertools import islice

import structlog
from prometheus_client import Gauge
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from fourones_alerting.judging.handlers import tell
from fourones_alerting.judging.judges import Judges
from fourones_alerting.judging.leadership import Leadership
from fourones_alerting.judging.start import Start
from fourones_alerting.rollups.store import fallen_due
from fourones_shared.database.engine import is_transient
from fourones_shared.domain.clock import Clock
from fourones_shared.domain.periods import shanghai_date
from fourones_shared.errors import Retry
from fourones_shared.tracing import names, span

log = structlog.get_logger(__name__)

LAST_PASS = Gauge("fourones_judging_everything_timestamp_seconds", "When this process last judged every target.")
TARGETS = Gauge("fourones_judging_everything_targets", "How many targets that were.")

TICK_S = 1.0
# Before it has started a verdict may be due at once, and after that nothing waits for the start any more.
STARTING_TICK_S = 0.2
# The clocks of replicas differ by less than this: whatever falls due is judged once more when it has passed, so
# that a batch of a replica whose clock is behind does not have the last word.
SKEW = timedelta(seconds=30)
# So many targets hold up the batches of events for a fraction of a second.
AT_ONCE = 200


class Timekeeper:
    """The worker's clock thread.

    Args:
        lock: name of the lock by which replicas agree on a leader.
    """

    def __init__(self, *, engine: Engine, judges: Judges, start: Start, clock: Clock, lock: str) -> None:
        self._engine = engine
        self._judges = judges
        self._start = start
        self._clock = clock
        self._leadership = Leadership(engine, lock)
        self._days: tuple[date, date] | None = None
        self._looked_at: datetime | None = None

    def run(self, stop: threading.Event) -> None:
        """Keep time until `stop` is set, through outages of broker and database."""
        try:
            while not stop.is_set():
                try:
                    self.tick()
                except (DBAPIError, Retry) as error:
                    if isinstance(error, DBAPIError) and not is_transient(error):
                        raise
                    log.warning("clock held up", error=str(error).splitlines()[0])
                stop.wait(TICK_S if self._start.is_reached else STARTING_TICK_S)
        finally:
            self._leadership.give_up()

    def tick(self) -> None:
        """Look once: at the start, at the day, at what has fallen due.

        Raises:
            Retry: when the broker is away and where its topics end is not known yet.
            DBAPIError: when the database is away.
        """
        if not self._has_started():
            return
        now = self._clock.now()
        days = (shanghai_date(now), shanghai_date(now - SKEW))
        if self._days is None:
            if not self._judge_everything():
                # An installation that has no catalogue yet: its first one ends the start.
                return
        elif not self._leadership.is_held():
            # Whoever leads has judged these days; who takes over from it begins with the day of its own last judging.
            return
        elif days != self._days:
            self._judge_everything()
        elif self._looked_at is not None:
            self._judge_fallen_due(self._looked_at, now)
        self._days, self._looked_at = days, now

    def _has_started(self) -> bool:
        if not self._start.is_reached:
            self._start.ask_where_topics_end()
            with self._engine.begin() as connection:
                self._start.look(connection)
        return self._start.is_reached

    def _judge_everything(self) -> bool:
        """False while no catalogue is in force."""
        with span(names.JUDGE, parent=None):
            judged = self._judge_all()
        if judged is None:
            return False
        LAST_PASS.set(self._clock.now().timestamp())
        TARGETS.set(judged)
        return True

    def _judge_all(self) -> int | None:
        """How many targets there are; None while no catalogue is in force."""
        with self._engine.begin() as connection:
            judge = self._judges.alone(connection)
            if judge is None:
                return None
            judge.remove_others(connection)
        targets = iter(judge.catalogue.targets)
        while some := list(islice(targets, AT_ONCE)):
            with self._engine.begin() as connection:
                newer = self._judges.alone(connection)
                if newer is not judge:
                    # A newer catalogue is in force, and putting it there has judged everything.
                    return None if newer is None else len(newer.catalogue.targets)
                changes = judge.judge(connection, some)
            tell(changes)
        return len(judge.catalogue.targets)

    def _judge_fallen_due(self, since: datetime, now: datetime) -> None:
        with self._engine.begin() as connection:
            due = fallen_due(connection, since, now) | fallen_due(connection, since - SKEW, now - SKEW)
        if not due:
            return
        with span(names.JUDGE, {names.ROLLUPS: len(due)}, parent=None):
            with self._engine.begin() as connection:
                judge = self._judges.alone(connection)
                changes = [] if judge is None else judge.judge_about(connection, sorted(due))
            tell(changes)
