"""How many dead letters wait for a person, counted in the database, so that a restart changes nothing about it."""

from __future__ import annotations

import threading

import structlog
from prometheus_client import Gauge
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from fourones_shared.database.engine import is_transient

log = structlog.get_logger(__name__)

# Not `fourones_dead_letters`: that is what the client library calls the counter fourones_dead_letters_total by.
WAITING = Gauge(
    "fourones_dead_letters_waiting",
    "Records that are set aside and neither replayed nor discarded; every worker of a service says the same.",
    ["group", "topic", "reason"],
)

# A person is told, who takes minutes; the count reads an index of what waits.
COUNT_EVERY_S = 5.0

Labels = tuple[str, str, str]


class WaitingGauge:
    """Keeps the gauge; one thread of a worker."""

    def __init__(self, engine: Engine, gauge: Gauge = WAITING) -> None:
        self._engine = engine
        self._gauge = gauge
        self._shown: set[Labels] = set()

    def follow(self, stop: threading.Event) -> None:
        """Count until `stop` is set, through outages of the database."""
        while not stop.is_set():
            try:
                self.count()
            except DBAPIError as error:
                if not is_transient(error):
                    raise
                log.warning("dead letters not counted", error=str(error).splitlines()[0])
            stop.wait(COUNT_EVERY_S)

    def count(self) -> None:
        """Count once."""
        with self._engine.begin() as connection:
            counted: dict[Labels, int] = {
                (r.consumer_group, r.topic, r.reason): r.n for r in connection.execute(_COUNT)
            }
        for labels, number in counted.items():
            self._gauge.labels(*labels).set(number)
        for gone in self._shown - counted.keys():
            self._gauge.remove(*gone)
        self._shown = set(counted)


_COUNT = text(
    "SELECT consumer_group, topic, reason, count(*) AS n FROM dead_letter WHERE state = 'waiting' GROUP BY 1, 2, 3"
)
