"""The life of a problem: which step follows on which, and what it makes of the problem.

    opened ──▶ notified ──▶ acknowledged ──▶ in_progress ──▶ reported_done ──▶ verified ──▶ closed
      │           │          签收             办理              反馈               复核          销号
      └───────────┴──────────────┴──────────────┴──▶ escalated (上报: county → department → city) ──▶ acknowledged …
    reported_done, verified, closed ──▶ in_progress (reopened, 退回)

A problem is what its steps make of it: `step_of` decides on the next one, `after` puts it behind the others. Nothing
else changes a problem, so that its history tells everything.

Rejected
├── OutOfOrder      the step does not follow on the present state; `possible` are those that do
└── NotAllowed      the caller may not take it (`problem_rights`)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import date, datetime
from typing import Any

from fourones_alerting.domain.problems import (
    CALLED,
    IN_HAND,
    STATES,
    UNACKNOWLEDGED,
    About,
    Action,
    Actor,
    Kind,
    Level,
    Origin,
    Problem,
    State,
    Step,
)
from fourones_shared.errors import Rejected


class OutOfOrder(Rejected):
    """The step does not follow on the problem's state."""

    def __init__(self, code: str, detail: str, possible: tuple[Action, ...]) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.possible = possible


def opening(problem: int, about: About, *, level: Level, responsible: tuple[str, ...], **step: Any) -> Step:
    """The first step; `step` has `due`, `taken_at` and `by`, and `episode` where a light opens it."""
    details = asdict(about)
    if (episode := step.pop("episode", None)) is not None:
        details["episode"] = episode
    return Step(
        problem, Action.OPEN, State.OPENED, level, responsible=responsible, details=_without_none(details), **step
    )


def step_of(
    problem: Problem,
    action: Action,
    by: Actor,
    now: datetime,
    *,
    note: str | None = None,
    due: date | None = None,
    details: Mapping[str, Any] | None = None,
) -> Step:
    """The step that this action is.

    Args:
        problem: as it stands.
        action: any but `open`.
        by: who takes it; whether they may is the question of `problem_rights`.
        now: when.
        note: why, or what was done.
        due: a new due date.
        details: of a light.

    Raises:
        OutOfOrder: when it does not follow on the problem's state.
    """
    allowed, state = _LIFE[action]
    if problem.state not in allowed:
        raise _out_of_order(problem, action)
    level = problem.level
    if action is Action.ESCALATE:
        level = _above(problem)
    return Step(
        problem.id,
        action,
        state or problem.state,
        level,
        due or problem.due,
        problem.responsible,
        now,
        by,
        note,
        details,
    )


def after(problem: Problem | None, step: Step) -> Problem:
    """The problem with this step behind it; None before the first.

    Raises:
        OutOfOrder: when the step does not follow; a stored history has none such.
    """
    if problem is None:
        return _opened(step)
    if step.action is Action.OPEN:
        raise _out_of_order(problem, step.action)
    # Deciding on it again is what tells whether it follows.
    decided = step_of(problem, step.action, step.by, step.taken_at, due=step.due)
    if (decided.state, decided.level) != (step.state, step.level):
        raise _out_of_order(problem, step.action)
    changed = replace(
        problem,
        version=problem.version + 1,
        state=step.state,
        level=step.level,
        due=step.due,
        responsible=step.responsible,
        changed_at=step.taken_at,
    )
    return replace(changed, **_brought(step))


def following(problem: Problem) -> tuple[Action, ...]:
    """The steps by which somebody could go on from here; who may is another question."""
    return tuple(
        action
        for action in _BY_KEYS
        if problem.state in _LIFE[action][0] and not (action is Action.ESCALATE and problem.level is Level.CITY)
    )


NEEDS_NOTE = frozenset({Action.REPORT, Action.REOPEN, Action.ESCALATE})
"""The steps that must say why, or what was done."""

_ANSWERED = frozenset({State.REPORTED_DONE, State.VERIFIED, State.CLOSED})
_OPEN = frozenset(State) - {State.CLOSED}

# After which states an action may come, and which it leads to; None leaves the state as it is.
_LIFE: Mapping[Action, tuple[frozenset[State], State | None]] = {
    Action.NOTIFY: (frozenset({State.OPENED}), State.NOTIFIED),
    Action.ACKNOWLEDGE: (UNACKNOWLEDGED, State.ACKNOWLEDGED),
    Action.START: (frozenset({State.ACKNOWLEDGED}), State.IN_PROGRESS),
    Action.REPORT: (frozenset({State.IN_PROGRESS}), State.REPORTED_DONE),
    Action.VERIFY: (frozenset({State.REPORTED_DONE}), State.VERIFIED),
    Action.CLOSE: (frozenset({State.VERIFIED}), State.CLOSED),
    Action.REOPEN: (_ANSWERED, State.IN_PROGRESS),
    Action.ESCALATE: (IN_HAND, State.ESCALATED),
    Action.LIGHT_RED: (_OPEN, None),
    Action.LIGHT_RECOVERED: (_OPEN, None),
    Action.TARGET_REMOVED: (_OPEN, None),
}
_BY_KEYS = (
    Action.ACKNOWLEDGE,
    Action.START,
    Action.REPORT,
    Action.VERIFY,
    Action.CLOSE,
    Action.REOPEN,
    Action.ESCALATE,
)


def _opened(step: Step) -> Problem:
    details = dict(step.details or {})
    episode = details.pop("episode", None)
    about = About(**details | {"kind": Kind(details["kind"]), "origin": Origin(details["origin"])})
    if step.action is not Action.OPEN:
        raise OutOfOrder("step_out_of_order", f"问题 {step.problem} 尚未立项", (Action.OPEN,))
    return Problem(
        id=step.problem,
        version=1,
        about=about,
        state=step.state,
        level=step.level,
        due=step.due,
        responsible=step.responsible,
        opened_at=step.taken_at,
        reached_at=step.taken_at,
        changed_at=step.taken_at,
        episode=episode,
        light_is_red=episode is not None,
    )


def _brought(step: Step) -> dict[str, Any]:
    match step.action:
        case Action.ESCALATE:
            return {"reached_at": step.taken_at}
        case Action.REOPEN:
            return {"reached_at": step.taken_at, "reported_at": None, "reported_by": None, "closed_at": None}
        case Action.REPORT:
            return {"reported_at": step.taken_at, "reported_by": step.by.key_id}
        case Action.CLOSE:
            return {"closed_at": step.taken_at}
        case Action.LIGHT_RED | Action.LIGHT_RECOVERED | Action.TARGET_REMOVED:
            return {"episode": (step.details or {})["episode"], "light_is_red": step.action is Action.LIGHT_RED}
        case _:
            return {}


def _above(problem: Problem) -> Level:
    if problem.level is Level.CITY:
        detail = "问题已在市级，不能再上报：请由协调办公室签收并督办"
        raise OutOfOrder("highest_level", detail, following(problem))
    # A county's own problem that no department answers for has the office above it.
    return Level.DEPARTMENT if problem.level is Level.COUNTY and problem.responsible else Level.CITY


def _out_of_order(problem: Problem, action: Action) -> OutOfOrder:
    possible = following(problem)
    told = "、".join(f"{CALLED[a]}（{a.value}）" for a in possible)
    detail = f"问题{STATES[problem.state]}，现在不能{CALLED[action]}：可以进行{told}"
    return OutOfOrder("step_out_of_order", detail, possible)


def _without_none(details: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in details.items() if value is not None}
