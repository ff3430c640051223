"""Takes what keys ask for on the problem list, each in one transaction: a new problem, or the next step of one.

Refusals
├── NoSuchProblem       there is none with this number
├── Changed             it has another version than the one that the caller has seen
├── NewerProblem        a light's problem cannot be opened again while a later one of the same target is open
├── KeyReused           the Idempotency-Key stands for another request
├── OutOfOrder          (domain) the step does not follow
└── NotAllowed          (domain) the caller may not take it
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, text

from fourones_alerting.domain.problem_life import after, opening, step_of
from fourones_alerting.domain.problem_rights import require_right
from fourones_alerting.domain.problem_terms import Terms
from fourones_alerting.domain.problems import Action, Actor, Origin, Problem, State
from fourones_alerting.domain.raising import Raised
from fourones_alerting.problems.store import Entry, hold, read_history, read_problem
from fourones_shared.errors import Rejected


class NoSuchProblem(Rejected):
    """There is no problem with this number."""


class Changed(Rejected):
    """The problem has moved on since the caller has read it; `version` is the present one."""

    def __init__(self, version: int) -> None:
        super().__init__(f"version {version}")
        self.version = version


class NewerProblem(Rejected):
    """Another problem of the same target's light is open; `problem` is its number."""

    def __init__(self, problem: int) -> None:
        super().__init__(f"problem {problem}")
        self.problem = problem


class KeyReused(Rejected):
    """The Idempotency-Key stands for another request already."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it is remembered.

    Attributes:
        by: whose key it bears.
        idempotency_key: None where it is not to be remembered.
        digest: of everything that it asks for.
    """

    by: Actor
    idempotency_key: str | None = None
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The step that is asked for.

    Attributes:
        seen: the version that the caller has read, where it says so.
    """

    action: Action
    note: str | None = None
    due: date | None = None
    seen: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """A problem after a step, with its history."""

    problem: Problem
    history: Sequence[Entry]


def open_raised(connection: Connection, raised: Raised, request: Request, now: datetime) -> Done:
    """Put a problem on the list.

    Raises:
        KeyReused: when the request's key stands for another one.
    """
    history = hold(connection)
    if (again := _answered(connection, request)) is not None:
        return again
    step = opening(
        history.next_problem(),
        raised.about,
        level=raised.level,
        responsible=raised.responsible,
        due=raised.due,
        taken_at=now,
        by=request.by,
    )
    return _taken(connection, history.add(None, step), request, now)


def take_step(
    connection: Connection, number: int, wanted: Wanted, request: Request, *, now: datetime, terms: Terms
) -> Done:
    """Take the next step of a problem.

    Raises:
        NoSuchProblem, NotAllowed, Changed, OutOfOrder, NewerProblem, KeyReused: nothing was changed.
    """
    history = hold(connection)
    if (again := _answered(connection, request)) is not None:
        return again
    problem = read_problem(connection, number)
    if problem is None:
        raise NoSuchProblem(str(number))
    require_right(problem, wanted.action, request.by)
    if wanted.seen is not None and problem.version not in wanted.seen:
        raise Changed(problem.version)
    due = wanted.due
    if wanted.action is Action.REOPEN:
        # It is to be worked on again: a date that has passed would pass it up at once.
        due = due or (terms.due_from(now) if problem.due_at <= now else None)
    step = step_of(problem, wanted.action, request.by, now, note=wanted.note, due=due)
    if problem.state is State.CLOSED:
        _require_no_newer(connection, problem)
    return _taken(connection, history.add(problem, step), request, now)


def read_done(connection: Connection, number: int) -> Done | None:
    """A problem as it stands, with its history."""
    # The rows of both are read in one snapshot by whoever calls.
    problem = read_problem(connection, number)
    return None if problem is None else Done(problem, read_history(connection, number))


def _answered(connection: Connection, request: Request) -> Done | None:
    """What the same request was answered with, made of the steps up to the one that it took."""
    if request.idempotency_key is None:
        return None
    asked = {"key_id": request.by.key_id, "key": request.idempotency_key}
    row = connection.execute(_REQUEST, asked).one_or_none()
    if row is None:
        return None
    if row.digest != request.digest:
        raise KeyReused(request.idempotency_key)
    steps = [entry for entry in read_history(connection, row.problem_id) if entry.number <= row.step]
    problem: Problem | None = None
    for entry in steps:
        problem = after(problem, entry.step)
    return None if problem is None else Done(problem, steps)


def _taken(connection: Connection, added: tuple[Problem, int], request: Request, now: datetime) -> Done:
    problem, step = added
    if request.idempotency_key is not None:
        remembered = {
            "key_id": request.by.key_id,
            "key": request.idempotency_key,
            "digest": request.digest,
            "problem": problem.id,
            "step": step,
            "now": now,
        }
        connection.execute(_REMEMBER, remembered)
    return Done(problem, read_history(connection, problem.id))


def _require_no_newer(connection: Connection, problem: Problem) -> None:
    if problem.about.origin is not Origin.LIGHT:
        return
    newer = connection.execute(_NEWER, {"target": problem.about.target}).scalar_one_or_none()
    if newer is not None:
        raise NewerProblem(newer)


_REQUEST = text(
    "SELECT digest, problem_id, step FROM problem_request WHERE key_id = :key_id AND idempotency_key = :key"
)
_REMEMBER = text(
    "INSERT INTO problem_request (key_id, idempotency_key, digest, problem_id, step, requested_at)"
    " VALUES (:key_id, :key, :digest, :problem, :step, :now)"
)
_NEWER = text("SELECT problem_id FROM problem WHERE target = :target AND origin = 'light' AND state <> 'closed'")
