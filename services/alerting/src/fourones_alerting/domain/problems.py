"""The problem list (问题清单): what a problem is, and what one entry of its history is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from fourones_shared.domain.periods import end_of_day


class Kind(StrEnum):
    """What sort of thing a problem is about."""

    PROJECT = "project"
    ENTERPRISE = "enterprise"
    TARGET = "target"
    OTHER = "other"


class Origin(StrEnum):
    """How a problem came on the list."""

    LIGHT = "light"
    RAISED = "raised"


class Level(StrEnum):
    """Who has to see to it: a county, a department, or the coordinating office."""

    COUNTY = "county"
    DEPARTMENT = "department"
    CITY = "city"


class State(StrEnum):
    """How far it has come."""

    OPENED = "opened"
    NOTIFIED = "notified"
    ACKNOWLEDGED = "acknowledged"
    IN_PROGRESS = "in_progress"
    REPORTED_DONE = "reported_done"
    VERIFIED = "verified"
    CLOSED = "closed"
    ESCALATED = "escalated"
    """Passed up, and not acknowledged there yet."""

    @property
    def awaits_acknowledgement(self) -> bool:
        """Whether nobody at its level has acknowledged it."""
        return self in UNACKNOWLEDGED

    @property
    def is_in_hand(self) -> bool:
        """Whether a remedy is still to be reported, so that its due date counts."""
        return self in IN_HAND


class Action(StrEnum):
    """What can be done with a problem, and what its history notes of its target's light."""

    OPEN = "open"
    NOTIFY = "notify"
    ACKNOWLEDGE = "acknowledge"
    START = "start"
    REPORT = "report"
    VERIFY = "verify"
    CLOSE = "close"
    REOPEN = "reopen"
    ESCALATE = "escalate"
    LIGHT_RED = "light_red"
    LIGHT_RECOVERED = "light_recovered"
    TARGET_REMOVED = "target_removed"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who takes a step: a key, with its role and organisation; or one of the service's own hands, without."""

    role: str
    org: str | None = None
    key_id: str | None = None


LIGHT, CLOCK, NOTICES = Actor("light"), Actor("clock"), Actor("notices")
"""The service's own hands: judging, the leader's clock, the ledger of notices."""


@dataclass(frozen=True, slots=True)
class About:
    """What a problem is about; stays as it was when it was opened.

    Attributes:
        subject: which project, enterprise or target, as a reader calls it.
        org: the county, zone or department concerned; None where it is the whole city.
        raised_by: the organisation whose key raised it; None for a light's, and for the coordinating office's.
    """

    title: str
    description: str
    kind: Kind
    origin: Origin
    subject: str
    org: str | None = None
    cluster: str | None = None
    target: str | None = None
    plan: str | None = None
    raised_by: str | None = None
    synthetic: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of a problem's history. State, level, due date and departments are those after it.

    Attributes:
        problem: the problem's number.
        responsible: the departments that answer; where there is none, the problem is its county's.
        details: what the action brings beside: all of `About` on opening, the episode of a light.
    """

    problem: int
    action: Action
    state: State
    level: Level
    due: date
    responsible: tuple[str, ...]
    taken_at: datetime
    by: Actor
    note: str | None = None
    details: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem as its steps have made it.

    Attributes:
        version: how many steps it has.
        reached_at: since when it is in hand at its level.
        reported_by: the key that reported it done.
        episode: the last episode of its target that it has to do with; None for one that was raised.
        light_is_red: whether that episode goes on.
    """

    id: int
    version: int
    about: About
    state: State
    level: Level
    due: date
    responsible: tuple[str, ...]
    opened_at: datetime
    reached_at: datetime
    changed_at: datetime
    reported_at: datetime | None = None
    reported_by: str | None = None
    closed_at: datetime | None = None
    episode: int | None = None
    light_is_red: bool = False

    @property
    def held_by(self) -> tuple[str, ...]:
        """The organisations whose work it is at present; at city level beside the coordinating office."""
        return holders(self.level, self.responsible, self.about.org)

    @property
    def due_at(self) -> datetime:
        """The moment at which its due date has passed."""
        return end_of_day(self.due)

    def is_overdue(self, now: datetime) -> bool:
        """Whether the due date has passed without a report; what waits for the office to verify it is not late."""
        return self.state.is_in_hand and self.due_at <= now


def holders(level: Level, responsible: tuple[str, ...], org: str | None) -> tuple[str, ...]:
    """The organisations whose work a problem is: at county level the county's, above it the departments'."""
    if org is not None and (level is Level.COUNTY or not responsible):
        return (org,)
    return responsible


CALLED: Mapping[Action, str] = {
    Action.OPEN: "立项",
    Action.NOTIFY: "通知",
    Action.ACKNOWLEDGE: "签收",
    Action.START: "办理",
    Action.REPORT: "反馈",
    Action.VERIFY: "复核",
    Action.CLOSE: "销号",
    Action.REOPEN: "退回",
    Action.ESCALATE: "上报",
    Action.LIGHT_RED: "再次亮红灯",
    Action.LIGHT_RECOVERED: "灯已恢复",
    Action.TARGET_REMOVED: "目标已从目录中删除",
}
"""The actions' Chinese names."""

STATES: Mapping[State, str] = {
    State.OPENED: "待通知",
    State.NOTIFIED: "待签收",
    State.ACKNOWLEDGED: "已签收",
    State.IN_PROGRESS: "办理中",
    State.REPORTED_DONE: "已反馈，待复核",
    State.VERIFIED: "已复核，待销号",
    State.CLOSED: "已销号",
    State.ESCALATED: "已上报，待签收",
}
"""The states' Chinese names."""

UNACKNOWLEDGED = frozenset({State.OPENED, State.NOTIFIED, State.ESCALATED})
"""Nobody at the problem's level has acknowledged it."""

IN_HAND = UNACKNOWLEDGED | {State.ACKNOWLEDGED, State.IN_PROGRESS}
"""A remedy is still to be reported."""
