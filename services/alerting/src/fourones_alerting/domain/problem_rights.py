"""Who may take which step of a problem's life.

The organisation that holds the problem acknowledges, works and reports; the coordinating office verifies, closes and
sends back; either passes it up, as may who has raised it. Viewers and administrators act on nothing.
"""

from __future__ import annotations

from fourones_alerting.domain.problem_life import following
from fourones_alerting.domain.problems import CALLED, Action, Actor, Level, Problem
from fourones_shared.errors import Rejected
from fourones_shared.events.model import Role


class NotAllowed(Rejected):
    """The caller may not take this step."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def require_right(problem: Problem, action: Action, by: Actor) -> None:
    """Let through who may take this step.

    Raises:
        NotAllowed: with what the step needs.
    """
    if by.role not in _ACTING:
        raise NotAllowed("role_may_not_act", f"{by.role} 密钥只能查看问题：请用责任单位或协调办公室的密钥")
    office, holds = by.role == Role.COORDINATOR, by.org is not None and by.org in problem.held_by
    match action:
        case Action.VERIFY | Action.CLOSE | Action.REOPEN:
            if not office:
                raise NotAllowed("office_only", f"{CALLED[action]}由协调办公室进行：请等待，或与协调办公室联系")
            if action is Action.VERIFY and by.key_id is not None and by.key_id == problem.reported_by:
                detail = "反馈和复核不能用同一个密钥：请由责任单位反馈，或换一位同事复核"
                raise NotAllowed("own_report", detail)
        case Action.ESCALATE:
            if not (office or holds or (by.org is not None and by.org == problem.about.raised_by)):
                raise _not_yours(problem, action)
        case Action.ACKNOWLEDGE if problem.level is Level.CITY:
            if not office:
                raise NotAllowed("office_only", "问题已上报到市级，由协调办公室签收：请等待签收后继续办理")
        case _:
            if not (holds or (office and problem.level is Level.CITY)):
                raise _not_yours(problem, action)


def possible(problem: Problem, by: Actor) -> tuple[Action, ...]:
    """What this caller can do with the problem as it stands."""
    return tuple(action for action in following(problem) if _may(problem, action, by))


_ACTING = frozenset({Role.REPORTER, Role.DEPARTMENT, Role.COORDINATOR})


def _may(problem: Problem, action: Action, by: Actor) -> bool:
    try:
        require_right(problem, action, by)
    except NotAllowed:
        return False
    return True


def _not_yours(problem: Problem, action: Action) -> NotAllowed:
    holders_told = "、".join(problem.held_by) or "协调办公室"
    return NotAllowed("not_responsible", f"本单位不能对这个问题进行{CALLED[action]}：现由 {holders_told} 负责")
