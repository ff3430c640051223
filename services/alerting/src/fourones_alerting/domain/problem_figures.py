"""Figures about the problem list: opened, closed, closed on time, open and overdue, per department or county."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from fourones_alerting.domain.problems import Problem, State


@dataclass(slots=True)
class Tally:
    """One organisation's figures: `opened` and `closed` in the stretch of time, `open` and `overdue` at its end."""

    org: str
    opened: int = 0
    closed: int = 0
    closed_on_time: int = 0
    open: int = 0
    overdue: int = 0

    @property
    def share_closed_on_time(self) -> Decimal | None:
        """As a fraction with four places; None where nothing was closed."""
        return round(Decimal(self.closed_on_time) / self.closed, 4) if self.closed else None


def tally(
    problems: Iterable[Problem], whose: Callable[[Problem], Sequence[str]], since: datetime | None, until: datetime
) -> list[Tally]:
    """Count problems, by organisation.

    Closed on time is what was reported done by its due date and closed since: the office's own time for verifying
    is not held against the department.

    Args:
        problems: as they stood at `until`.
        whose: under which organisations a problem counts; under each of several whole.
        since: the beginning of the stretch; None for everything up to `until`.
        until: its end, the moment after it.
    """
    found: dict[str, Tally] = {}
    for problem in problems:
        for org in whose(problem):
            _count(found.setdefault(org, Tally(org)), problem, since, until)
    return [found[org] for org in sorted(found)]


def _count(counted: Tally, problem: Problem, since: datetime | None, until: datetime) -> None:
    counted.opened += since is None or since <= problem.opened_at
    if problem.state is not State.CLOSED:
        counted.open += 1
        # Due dates end with their day, and so does `until`: what was due on the last day is late after it.
        counted.overdue += problem.is_overdue(until)
        return
    closed_at, reported_at = problem.closed_at, problem.reported_at
    if closed_at is not None and (since is None or since <= closed_at):
        counted.closed += 1
        counted.closed_on_time += reported_at is not None and reported_at < problem.due_at
