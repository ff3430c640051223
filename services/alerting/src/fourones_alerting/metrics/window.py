"""The window on the verdicts: the database's current assessments in memory, never older than a moment."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from decimal import Decimal

import structlog
from prometheus_client import Histogram
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from fourones_alerting.domain.verdicts import Verdict
from fourones_alerting.metrics.series import Shown, exposition
from fourones_shared.database.engine import is_transient, one_state
from fourones_shared.domain.clock import Clock
from fourones_shared.tracing import names, one_each, trace_id_of

log = structlog.get_logger(__name__)

FRESHNESS = Histogram(
    "fourones_figure_freshness_seconds",
    "From the acceptance of a figure to the metric that shows it.",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600),
)

# A figure must be in the metrics within a second of its acceptance; a look that finds nothing is one small query.
LOOK_EVERY_S = 0.2


class Window:
    """What `/metrics` shows of the verdicts.

    While the database is away it goes on showing what it has seen: a verdict does not change because nobody can
    look it up, and series that vanish would resolve alerts. For the same reason the first scrape of a process waits
    for its first look: a replica that has just started shows the whole set or, without a database, none.
    """

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._assessments: tuple[Shown, ...] = ()
        self._state: tuple[int, Decimal] | None = None
        self._written: tuple[tuple[Shown, ...], bytes] = ((), b"")
        self._looking = threading.Lock()

    def text(self) -> bytes:
        """The series, written anew only when an assessment has changed."""
        if self._state is None:
            with suppress(OperationalError):
                self.look()
        assessments = self._assessments
        written, document = self._written
        if written is not assessments:
            document = exposition(assessments)
            self._written = (assessments, document)
        return document

    def look(self) -> None:
        """Take in what the database says now.

        Raises:
            DBAPIError: when the database is away.
        """
        with self._looking:
            self._look()

    def follow(self, stop: threading.Event) -> None:
        """Look until `stop` is set, through outages of the database."""
        while not stop.is_set():
            try:
                self.look()
            except DBAPIError as error:
                if not is_transient(error):
                    raise
                log.warning("metrics show what was last seen", error=str(error).splitlines()[0])
            stop.wait(LOOK_EVERY_S)

    def _look(self) -> None:
        # One snapshot, or a write between the two statements would be counted as seen without having been.
        with one_state(self._engine) as connection:
            rows, changes = connection.execute(_STATE).one()
            if (rows, changes) == self._state:
                return
            assessments = tuple(
                Shown(**{**row, "verdict": Verdict(row["verdict"]), "departments": tuple(row["departments"])})
                for row in connection.execute(_READ).mappings()
            )
        newer = [] if self._state is None else self._newer(assessments)
        traces = Counter(shown.traceparent for shown in newer if shown.traceparent)
        with one_each(names.SHOW, {trace: {names.TARGETS: number} for trace, number in traces.items()}):
            self._assessments, self._state = assessments, (rows, changes)
        self._observe_freshness(newer)

    def _newer(self, assessments: tuple[Shown, ...]) -> list[Shown]:
        """Those with figures that were accepted after all that was shown of them before."""
        before = {shown.target: shown.accepted_at for shown in self._assessments}
        return [
            shown
            for shown in assessments
            if shown.accepted_at is not None
            and ((last := before.get(shown.target)) is None or last < shown.accepted_at)
        ]

    def _observe_freshness(self, newer: Iterable[Shown]) -> None:
        now = self._clock.now()
        for shown in newer:
            if shown.accepted_at is not None:
                trace_id = trace_id_of(shown.traceparent)
                age_s = max(0.0, (now - shown.accepted_at).total_seconds())
                FRESHNESS.observe(age_s, None if trace_id is None else {"trace_id": trace_id})


# The sum rises with every write, also with one whose number becomes visible after a higher one.
_STATE = text("SELECT count(*), coalesce(sum(changed), 0) FROM assessment")
_READ = text(
    "SELECT target, plan, indicator, cluster, pillar, org, period_type, verdict, value, target_value, due_value,"
    " attainment, months_behind, reported, expected, overdue, departments, accepted_at,"
    " traceparent FROM assessment ORDER BY target"
)
