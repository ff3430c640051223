"""The worker's thread that counts how punctual each duty-holder is, for Prometheus.

Every worker counts for itself, out of the same catalogue and database, so that several agree; rules and boards take
`max without (instance, pod)`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from fourones_shared.catalogue.model import Catalogue
from fourones_shared.database.engine import is_transient
from fourones_shared.domain.clock import Clock
from fourones_shared.domain.periods import shanghai_date
from fourones_shared.domain.working_days import notice_is_known
from fourones_shared.reference import ReferenceCopy
from fourones_submission.domain.punctuality import Came, Punctuality, fell_due, punctuality
from fourones_submission.storage.punctuality import what_came

log = structlog.get_logger(__name__)

LOOK_FOR_CATALOGUE_EVERY_S = 1.0
COUNT_EVERY_S = 60.0
# A count of 3.6 million duties takes the database six seconds: then it is at it for a twentieth of the time at most.
REST = 19


class OnTimeRates:
    """Counts, and gives what it has counted as series; a duty-holder that the catalogue removes has none any more."""

    def __init__(self, engine: Engine, reference: ReferenceCopy, clock: Clock) -> None:
        self._engine = engine
        self._reference = reference
        self._clock = clock
        self._series = b""
        self._warned: tuple[int, int] | None = None

    def run(self, stop: threading.Event) -> None:
        """Count every minute and whenever another catalogue is in force, through outages of the database."""
        counted, again = 0, 0.0
        while not stop.is_set():
            try:
                self._reference.refresh()
                version, started = self._reference.version, time.monotonic()
                if version != counted or started >= again:
                    self.count()
                    ended = time.monotonic()
                    counted, again = version, ended + max(COUNT_EVERY_S, REST * (ended - started))
            except DBAPIError as error:
                if not is_transient(error):
                    raise
                log.warning("database is away, on-time rates stay as they are", error=str(error).splitlines()[0])
            stop.wait(LOOK_FOR_CATALOGUE_EVERY_S)

    def count(self) -> None:
        """Count anew, by the catalogue in force."""
        in_force = self._reference.in_force
        if in_force is None:
            return
        version, catalogue = in_force
        now = self._clock.now()
        self._warn_of_unknown_holidays(version, catalogue, shanghai_date(now).year)
        fallen = list(fell_due(catalogue, now))
        came: dict[str, Came] = {}
        for duties in fallen:
            # Each a snapshot of its own: none is held for longer than one indicator takes.
            with self._engine.begin() as connection:
                for holder, counted in what_came(connection, duties).items():
                    came[holder] = came.get(holder, Came()) + counted
        self._series = _exposition(punctuality(fallen, came), now.timestamp())

    def exposition(self) -> bytes:
        """The series in Prometheus' text format; none before the first count."""
        return self._series

    def _warn_of_unknown_holidays(self, version: int, catalogue: Catalogue, year: int) -> None:
        counts_working_days = any(i.reporting.due_working_days is not None for i in catalogue.indicators)
        if counts_working_days and not notice_is_known(year) and self._warned != (version, year):
            self._warned = version, year
            log.warning("due dates lack this year's holiday notice: update the `holidays` library", year=year)


_GAUGES: tuple[tuple[str, str, Callable[[Punctuality], float | None]], ...] = (
    ("due", "Figures that fell due in the last twelve months, without those that do not apply.", lambda p: p.due),
    ("on_time", "Of these, figures of which a value stood at the due moment.", lambda p: p.on_time),
    ("late", "Of these, figures whose value came after the due moment.", lambda p: p.late),
    ("missing", "Of these, figures without a value: overdue, or declared missing.", lambda p: p.missing),
    ("on_time_ratio", "Figures on time by figures due; none where nothing was due.", lambda p: p.on_time_ratio),
)


def _exposition(by_holder: Mapping[str, Punctuality], counted_at: float) -> bytes:
    lines = []
    for name, description, value_of in _GAUGES:
        lines += [f"# HELP fourones_reports_{name} {description}", f"# TYPE fourones_reports_{name} gauge"]
        for holder, punctual in by_holder.items():
            value = value_of(punctual)
            if value is not None:
                # An organisation's id holds nothing that the format would have escaped.
                lines.append(f'fourones_reports_{name}{{reporter="{holder}"}} {float(value)!r}')
    lines += [
        "# HELP fourones_reports_counted_timestamp_seconds When the figures due and on time were last counted.",
        "# TYPE fourones_reports_counted_timestamp_seconds gauge",
        f"fourones_reports_counted_timestamp_seconds {counted_at!r}",
    ]
    return ("\n".join(lines) + "\n").encode()
