"""The problem list as Prometheus series, from the database; what is overdue moves with the clock."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable

import structlog
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from fourones_alerting.domain.problems import Problem
from fourones_alerting.metrics.series import head, label_values
from fourones_alerting.problems.store import read_open
from fourones_shared.database.engine import is_transient, one_state
from fourones_shared.domain.clock import Clock

log = structlog.get_logger(__name__)

OPEN, OVERDUE = "fourones_problems_open", "fourones_problems_overdue"
# Problems move in hours; a look reads the few hundred that are open.
LOOK_EVERY_S = 1.0


class ProblemWindow:
    """What `/metrics` shows of the problem list; while the database is away, what it has seen last."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._document = b""

    def text(self) -> bytes:
        """The series; none before the first look."""
        return self._document

    def look(self) -> None:
        """Take in what the database says now.

        Raises:
            DBAPIError: when the database is away.
        """
        with one_state(self._engine) as connection:
            problems = read_open(connection)
            holders = connection.execute(_HOLDERS).scalars().all()
        now = self._clock.now()
        overdue = Counter(dict.fromkeys(holders, 0))
        overdue.update(holder for p in problems if p.is_overdue(now) for holder in p.held_by)
        self._document = exposition(problems, overdue)

    def follow(self, stop: threading.Event) -> None:
        """Look until `stop` is set, through outages of the database."""
        while not stop.is_set():
            try:
                self.look()
            except DBAPIError as error:
                if not is_transient(error):
                    raise
                log.warning("problems show what was last seen", error=str(error).splitlines()[0])
            stop.wait(LOOK_EVERY_S)


def exposition(problems: Iterable[Problem], overdue: Counter[str]) -> bytes:
    """The series in Prometheus' text format.

    A problem counts once with each organisation that holds it; one that nobody but the coordinating office holds
    has an empty `department`.
    """
    counted: Counter[tuple[str, str, str, str, str]] = Counter()
    for problem in problems:
        about = problem.about
        for holder in problem.held_by or ("",):
            counted[holder, about.cluster or "", about.org or "", problem.level.value, problem.state.value] += 1
    lines = [*head(OPEN, "Problems that are not closed, with each organisation that holds them.")]
    for (department, cluster, org, level, state), number in sorted(counted.items()):
        labels = label_values(department=department, cluster=cluster, org=org, level=level, state=state)
        lines.append(f"{OPEN}{{{labels}}} {float(number)!r}")
    lines += head(OVERDUE, "Problems past their due date without a report, with each organisation that holds them.")
    for department, number in sorted(overdue.items()):
        lines.append(f"{OVERDUE}{{{label_values(department=department)}}} {float(number)!r}")
    return ("\n".join(lines) + "\n").encode()


# Whoever has to do with one keeps a series, also when it is closed: the last remedy shows as 0 instead of as nothing.
_HOLDERS = text(
    "SELECT org FROM problem WHERE org IS NOT NULL"
    " UNION SELECT jsonb_array_elements_text(responsible || held_by) FROM problem"
)
