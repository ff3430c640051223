"""What waits to be told, counted in the database, so that a restart changes nothing about it."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import structlog
from prometheus_client import Gauge
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from fourones_alerting.notifying.channels import Directory, QuietHours
from fourones_shared.database.engine import is_transient
from fourones_shared.domain.clock import SHANGHAI, Clock

log = structlog.get_logger(__name__)

WAITING = Gauge(
    "fourones_notices_waiting", "Notices that a channel has not taken yet; every worker says the same.", ["channel"]
)
OLDEST = Gauge(
    "fourones_notices_oldest_waiting_seconds",
    "How long the oldest of them has been waiting, not counting quiet hours that it waits for.",
    ["channel"],
)
GIVEN_UP = Gauge(
    "fourones_notices_given_up",
    "Notices that were given up, and neither sent again nor discarded by an operator since.",
    ["channel"],
)

COUNT_EVERY_S = 5.0


class NoticeGauges:
    """Keeps the gauges; one thread of a worker."""

    def __init__(self, engine: Engine, directory: Directory, clock: Clock) -> None:
        self._engine = engine
        self._directory = directory
        self._clock = clock
        self._shown: set[str] = set()

    def follow(self, stop: threading.Event) -> None:
        """Count until `stop` is set, through outages of the database."""
        while not stop.is_set():
            try:
                self.count()
            except DBAPIError as error:
                if not is_transient(error):
                    raise
                log.warning("notices not counted", error=str(error).splitlines()[0])
            stop.wait(COUNT_EVERY_S)

    def count(self) -> None:
        """Count once."""
        now = self._clock.now()
        with self._engine.begin() as connection:
            rows = connection.execute(_COUNT).all()
        for row in rows:
            WAITING.labels(row.channel).set(row.waiting)
            GIVEN_UP.labels(row.channel).set(row.given_up)
            OLDEST.labels(row.channel).set(self._waited_s(row.channel, row.oldest, now))
        counted = {row.channel for row in rows}
        for gone in self._shown - counted:
            for gauge in (WAITING, GIVEN_UP, OLDEST):
                gauge.remove(gone)
        self._shown = counted

    def _waited_s(self, channel: str, oldest: datetime | None, now: datetime) -> float:
        if oldest is None:
            return 0.0
        recipient = self._directory.recipient_of(channel)
        quiet = recipient.quiet_hours if recipient else None
        since = oldest if quiet is None else max(oldest, last_over(quiet, now))
        return max(0.0, (now - since).total_seconds())


def last_over(quiet: QuietHours, now: datetime) -> datetime:
    """Since when nobody has asked for quiet; now, in quiet hours."""
    if quiet.over_at(now) is not None:
        return now
    local = now.astimezone(SHANGHAI)
    today = datetime.combine(local.date(), quiet.ends, SHANGHAI)
    return today if today <= local else today - timedelta(days=1)


# Notices of a digest wait in the digest.
_COUNT = text(
    """
    SELECT channel, count(*) FILTER (WHERE state IN ('waiting', 'sending')) AS waiting,
        count(*) FILTER (WHERE state = 'given_up' AND part_of IS NULL) AS given_up,
        min(made_at) FILTER (WHERE state IN ('waiting', 'sending')) AS oldest
    FROM notice WHERE state IN ('waiting', 'sending', 'given_up') GROUP BY channel
    """
)
