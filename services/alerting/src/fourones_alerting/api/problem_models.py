"""What the problem list takes and answers with."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from fourones_shared.events.model import Exact

LONGEST_TITLE = 200
LONGEST_TEXT = 4_000
MOST_RESPONSIBLE = 20

_Code = Annotated[str, Field(min_length=1, max_length=80)]
_Note = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)]
_TAKEN = ConfigDict(extra="forbid", str_strip_whitespace=True)

KindWord = Literal["project", "enterprise", "target", "other"]
OriginWord = Literal["light", "raised"]
LevelWord = Literal["county", "department", "city"]
StateWord = Literal[
    "opened", "notified", "acknowledged", "in_progress", "reported_done", "verified", "closed", "escalated"
]
ActionWord = Literal["acknowledge", "start", "report", "verify", "close", "reopen", "escalate"]


class ProblemRaised(BaseModel):
    """A problem about a project, an enterprise, a target or something else."""

    model_config = ConfigDict(
        **_TAKEN,
        json_schema_extra={
            "examples": [
                {
                    "title": "工程机械智能工厂用地未落实",
                    "description": "二期 120 亩用地指标未批，影响三季度投产",
                    "kind": "project",
                    "subject": "智能工厂二期",
                    "org": "320382",
                    "cluster": "construction-machinery",
                    "due": "2026-12-31",
                }
            ]
        },
    )

    title: str = Field(min_length=1, max_length=LONGEST_TITLE)
    description: str = Field(min_length=1, max_length=LONGEST_TEXT)
    kind: KindWord
    subject: str | None = Field(
        None, min_length=1, max_length=LONGEST_TITLE, description="which one, in words; a target's name by default"
    )
    org: _Code | None = Field(None, description="the county, zone or department concerned; a reporter's own by default")
    cluster: _Code | None = None
    target: _Code | None = Field(None, description="needed when `kind` is `target`")
    due: date | None = Field(None, description="by default 30 days from now")
    responsible: list[_Code] | None = Field(
        None, min_length=1, max_length=MOST_RESPONSIBLE, description="who answers; the coordinating office's to name"
    )
    level: Literal["county", "department"] | None = Field(
        None, description="county: the county tries first, and may pass it up to the department"
    )


class StepTaken(BaseModel):
    """A step that explains itself."""

    model_config = _TAKEN

    note: _Note | None = None


class StepExplained(BaseModel):
    """A step that must say what was done, or why."""

    model_config = _TAKEN

    note: _Note


class Reopened(StepExplained):
    """A problem that is sent back."""

    due: date | None = Field(None, description="a new due date; when the old one is past, by default 30 days from now")


class ProblemAnswer(BaseModel):
    """A problem as it stands."""

    id: int
    version: int = Field(description="how many steps it has; the ETag, for If-Match")
    title: str
    description: str
    kind: KindWord
    origin: OriginWord
    subject: str
    org: str | None = Field(description="null where it is the whole city")
    cluster: str | None
    target: str | None
    plan: str | None
    raised_by: str | None = Field(description="null for a light, and for the coordinating office")
    synthetic: bool
    state: StateWord
    level: LevelWord
    due: date
    overdue: bool = Field(description="the due date has passed without a report")
    responsible: list[str] = Field(description="the departments that answer for it")
    held_by: list[str] = Field(description="whose work it is at its level")
    opened_at: datetime
    reached_at: datetime = Field(description="since when it is in hand at its level")
    changed_at: datetime
    reported_at: datetime | None
    closed_at: datetime | None
    escalates_at: datetime | None = Field(description="when the clock passes it up, unless it moves on before")
    light_is_red: bool | None = Field(description="of the target that opened it; null for one that was raised")
    possible: list[ActionWord] = Field(description="the steps that this key can take now")


class HistoryItem(BaseModel):
    """One step; state, level and due date are those after it."""

    number: int = Field(description="over the steps of all problems, without gaps")
    action: str
    state: StateWord
    level: LevelWord
    due: date
    taken_at: datetime
    role: str = Field(description="the key's; `light`, `clock` or `notices` where nobody's key took it")
    org: str | None
    key_id: str | None
    note: str | None
    hash: str = Field(description="SHA-256 of this step and of all before it")


class ProblemDetail(ProblemAnswer):
    """A problem with its history, the first step first."""

    history: list[HistoryItem]


class ProblemFigures(BaseModel):
    """One department's, or one county's."""

    org: str
    name: str
    opened: int
    closed: int
    closed_on_time: int = Field(description="reported done by the due date, and closed since")
    share_closed_on_time: Exact | None = Field(description="a fraction; null where nothing was closed")
    open: int = Field(description="at the end of the stretch")
    overdue: int = Field(description="at the end of the stretch")


class FiguresAnswer(BaseModel):
    """Figures about the problems of a stretch of time."""

    model_config = ConfigDict(populate_by_name=True)

    items: list[ProblemFigures]
    next: None = None
    by: Literal["department", "org"]
    since: date | None = Field(serialization_alias="from")
    until: datetime = Field(serialization_alias="to", description="the moment up to which they are counted")
