"""How much time a problem is given, and when the clock passes it up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from fourones_alerting.domain.problems import Level, Problem
from fourones_shared.domain.periods import end_of_day, shanghai_date
from fourones_shared.domain.working_days import working_days_after


@dataclass(frozen=True, slots=True)
class Terms:
    """Deadlines.

    Attributes:
        due_days: days from the opening to the due date, where none is given.
        acknowledge_days: working days at a level within which somebody there must acknowledge.
    """

    due_days: int = 30
    acknowledge_days: int = 3

    def due_from(self, now: datetime) -> date:
        """The due date of a problem that is opened now."""
        return shanghai_date(now) + timedelta(days=self.due_days)

    def passed_up_at(self, problem: Problem) -> datetime | None:
        """The moment at which the clock passes it one level up; None where it stays.

        Unacknowledged it goes when the days for that are over. Its due date passes it up too, but a level that it
        reached only after that has as many days as for an acknowledgement, so that it does not fall through two
        levels at once.
        """
        if problem.level is Level.CITY or not problem.state.is_in_hand:
            return None
        arrived = shanghai_date(problem.reached_at)
        patience_ends = end_of_day(working_days_after(arrived, self.acknowledge_days))
        falls_due = problem.due_at if problem.due_at > problem.reached_at else patience_ends
        return min(patience_ends, falls_due) if problem.state.awaits_acknowledgement else falls_due


DEFAULT_TERMS = Terms()
"""A month for the remedy, three working days to acknowledge."""
