"""The thread that tells: one leader among the workers keeps the ledger and sends what it holds."""

from __future__ import annotations

import threading
import time

import structlog
from prometheus_client import Counter
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from fourones_alerting.judging.leadership import Leadership
from fourones_alerting.judging.start import Start
from fourones_alerting.notifying.ledger import Ledger
from fourones_alerting.notifying.sending import Sender
from fourones_shared.database.engine import is_transient
from fourones_shared.domain.clock import Clock

log = structlog.get_logger(__name__)

SWEEPS = Counter("fourones_notice_sweeps_total", "How often this process has looked for what nobody had called about.")

TICK_S = 0.5


class Teller:
    """Makes notices and sends them, while this process leads.

    Args:
        start: nothing new is told before it is reached: what is stored until then may be about to change.
        lock: name of the lock by which replicas agree on a leader.
        sweep_every_s: how often to look unasked.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        ledger: Ledger,
        sender: Sender,
        start: Start,
        clock: Clock,
        lock: str,
        sweep_every_s: float,
    ) -> None:
        self._engine = engine
        self._ledger = ledger
        self._sender = sender
        self._start = start
        self._clock = clock
        self._leadership = Leadership(engine, lock)
        self._sweep_every_s = sweep_every_s
        self._swept_at: float | None = None
        self._leads = False

    def run(self, stop: threading.Event) -> None:
        """Tell until `stop` is set, through outages of the database."""
        try:
            while not stop.is_set():
                try:
                    self.tick()
                except DBAPIError as error:
                    if not is_transient(error):
                        raise
                    log.warning("telling held up", error=str(error).splitlines()[0])
                stop.wait(TICK_S)
        finally:
            self._sender.end()
            self._leadership.give_up()

    def tick(self) -> None:
        """Look once at what was called about, sometimes at everything, and send what is due.

        Raises:
            DBAPIError: when the database is away.
        """
        if not self._is_leader():
            return
        if self._start.is_reached:
            now = self._clock.now()
            with self._engine.begin() as connection:
                self._ledger.take(connection, now)
            with self._engine.begin() as connection:
                self._ledger.follow_problems(connection, now)
            if self._swept_at is None or time.monotonic() - self._swept_at >= self._sweep_every_s:
                with self._engine.begin() as connection:
                    self._ledger.sweep(connection, now)
                    self._sender.give_up_unknown(connection, now)
                self._swept_at = time.monotonic()
                SWEEPS.inc()
        self._sender.dispatch()

    def _is_leader(self) -> bool:
        led, self._leads = self._leads, False
        try:
            held = self._leadership.is_held()
        except BaseException:
            self._sender.pause()
            raise
        if not held:
            self._sender.pause()
        elif not led:
            self._sender.begin()
        self._leads = held
        return held
