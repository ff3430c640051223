"""Steps of problems that somebody has to hear of, read from the history in its order.

The history is written under one lock, so that its numbers are committed in their order; how far it has been read moves
in the transaction that makes the notices. A light's problem is not told when it opens: the notice of the red light has
told it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from fourones_alerting.domain.problems import Action, Level, Origin, Problem, Step
from fourones_alerting.problems.chain import step_from
from fourones_alerting.problems.store import read_problem

COORDINATOR = "coordinator"
"""The recipient that is no organisation: the coordinating office."""

# More than a city takes in a day, and little enough for one transaction.
AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Taken:
    """A step that is told.

    Attributes:
        number: of the step, over all problems.
        problem: as it stands now; level, due date and departments may have changed since the step.
        recipients: ids of organisations, or `COORDINATOR`.
    """

    number: int
    step: Step
    problem: Problem
    recipients: tuple[str, ...]


def untold(connection: Connection) -> list[Taken]:
    """What has happened since the last time and is to be told; the next call goes on behind it.

    Of several steps of one problem the last is told: who is told to acknowledge what has been closed is misled.
    """
    # A statement of its own: whoever waits here for another leader's transaction must see its mark, not the one before.
    told_through = connection.execute(_TOLD_THROUGH).scalar_one()
    rows = connection.execute(_AFTER, {"told_through": told_through, "limit": AT_ONCE}).all()
    if not rows:
        return []
    connection.execute(_READ_THROUGH, {"step": rows[-1].step})
    last: dict[int, tuple[int, Step]] = {}
    for row in rows:
        if (step := step_from(row)).action in _TOLD:
            last[step.problem] = (row.step, step)
    return list(_taken(connection, sorted(last.values(), key=lambda numbered: numbered[0])))


def _taken(connection: Connection, steps: Sequence[tuple[int, Step]]) -> list[Taken]:
    found: list[Taken] = []
    for number, step in steps:
        problem = read_problem(connection, step.problem)
        if problem is not None and (recipients := recipients_of(step, problem)):
            found.append(Taken(number, step, problem, recipients))
    return found


def recipients_of(step: Step, problem: Problem) -> tuple[str, ...]:
    """Who hears of a step.

    Whoever holds the problem hears of what comes to it, comes back to it, or is closed; where nobody does, the office.
    The office hears of what was reported done, and of what was passed up to the city.
    """
    if step.action not in _TOLD or (step.action is Action.OPEN and problem.about.origin is Origin.LIGHT):
        return ()
    if step.action is Action.REPORT:
        return (COORDINATOR,)
    up_to_the_office = step.action is Action.ESCALATE and step.level is Level.CITY
    return (*problem.held_by, COORDINATOR) if up_to_the_office or not problem.held_by else problem.held_by


_TOLD = frozenset({Action.OPEN, Action.ESCALATE, Action.REOPEN, Action.REPORT, Action.CLOSE})

_TOLD_THROUGH = text("SELECT told_through FROM problem_told FOR UPDATE")
_AFTER = text("SELECT * FROM problem_step WHERE step > :told_through ORDER BY step LIMIT :limit")
_READ_THROUGH = text("UPDATE problem_told SET told_through = :step")
