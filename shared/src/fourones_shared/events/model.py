"""The data of the events. Values are decimal strings, moments RFC 3339, a dimension that is not fixed `_T`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from fourones_shared.catalogue.words import Method
from fourones_shared.domain.numbers import format_decimal

# The one canonical spelling: no exponent, no trailing zeros, no negative zero.
_DECIMAL = r"^(0|-?0\.[0-9]*[1-9]|-?[1-9][0-9]*(\.[0-9]*[1-9])?)$"
Exact = Annotated[
    Decimal,
    PlainSerializer(format_decimal, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": _DECIMAL}, mode="serialization"),
]

VerdictWord = Literal["achieved", "on_track", "lagging", "off_track", "deteriorating", "no_data", "not_assessable"]


class EventData(BaseModel, ABC):
    """Base of all event data. Unknown fields are ignored, so that a newer writer does not stop an older reader."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    TYPE: ClassVar[str]
    TOPIC: ClassVar[str]

    @abstractmethod
    def partition_key(self) -> str:
        """What decides the partition and, on a compacted topic, which record replaces which."""


class Part(BaseModel):
    """Base of the parts that event data is made of."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


class Status(StrEnum):
    """SDMX OBS_STATUS, as far as it is used here."""

    NORMAL = "A"
    PROVISIONAL = "P"
    ESTIMATED = "E"
    FORECAST = "F"
    MISSING = "O"
    NOT_APPLICABLE = "M"


class FigureSubmitted(Part):
    """One figure of a submission, as accepted: period in canonical spelling, unit that of the catalogue."""

    indicator: str
    """Id of the catalogue."""
    cluster: str
    """Id of the catalogue; `_T` for an indicator without clusters."""
    period: str
    """`2026`, `2026-Q1`, `2026-03`, `2026-W12`, or a range such as `2026-01-01/P2M`."""
    value: Exact | None
    """In the unit of the catalogue; null with status O or M and in a withdrawal."""
    status: Status = Status.NORMAL
    note: str | None = None
    """What a reader must know of the value, as its reporter wrote it."""
    justification: str | None = None
    """Why an unlikely value is right, as its reporter wrote it."""
    withdrawn: bool = False
    """The figure is taken back: it counts as not reported."""


class FiguresSubmitted(EventData):
    """A submission was accepted: up to 5,000 figures about one organisation, whole."""

    TYPE: ClassVar[str] = "fourones.figures.submitted.v1"
    TOPIC: ClassVar[str] = "figures-submitted"

    submission_id: str
    org: str
    """Whom the figures are about."""
    sequence: int
    """Rises with every accepted submission: of two values of a figure the one with the higher sequence is current."""
    catalogue_version: int
    """The version the figures were checked under; they are applied under it or a later one."""
    received_at: datetime
    reported_by: str
    """The organisation whose key it came with."""
    key_id: str
    prepared_by: str | None = None
    approved_by: str | None = None
    figures: tuple[FigureSubmitted, ...]

    def partition_key(self) -> str:
        """The organisation: its submissions stay in the order of acceptance."""
        return self.org


class FiguresApplied(EventData):
    """A submission's figures have been applied, or set aside with a reason."""

    TYPE: ClassVar[str] = "fourones.figures.applied.v1"
    TOPIC: ClassVar[str] = "figures-applied"

    submission_id: str
    org: str
    sequence: int
    applied_at: datetime
    outcome: Annotated[str, Field(pattern="^(applied|dead_lettered)$")] = "applied"
    """`applied`, or `dead_lettered`: set aside whole, with the reason."""
    applied: int
    """Figures that are current now."""
    superseded: int
    """Figures that were already revised by a later submission."""
    excluded: int
    """Figures that the catalogue in force does not admit any more; kept and shown as such."""
    reason: str | None = None
    """Why it was set aside."""

    def partition_key(self) -> str:
        """The organisation."""
        return self.org


class State(StrEnum):
    """The five states of an expected figure; never confused."""

    REPORTED = "reported"
    NOT_YET_DUE = "not_yet_due"
    OVERDUE = "overdue"
    DECLARED_MISSING = "declared_missing"
    NOT_APPLICABLE = "not_applicable"


class Member(Part):
    """One of the figures a roll-up is made of, or that it lacks."""

    org: str
    cluster: str
    state: State
    value: Exact | None = None
    status: Status | None = None
    note: str | None = None
    sequence: int | None = None
    """The sequence of the submission it came with."""


class Coverage(Part):
    """How many of how many have reported."""

    reported: int
    expected: int
    missing: tuple[str, ...] = ()
    """Up to 50 of the others, by organisation; by cluster where the roll-up is about one organisation."""


class Cause(StrEnum):
    """Why something changed."""

    NEW_DATA = "new_data"
    REVISION = "revision"
    TIME = "time"
    CATALOGUE = "catalogue"


class RollupChanged(EventData):
    """A total, or the one figure a target is about, has a new version."""

    TYPE: ClassVar[str] = "fourones.rollups.changed.v1"
    TOPIC: ClassVar[str] = "rollups-changed"

    indicator: str
    """Id of the catalogue."""
    org: str
    """Organisation, or `_T` for all."""
    cluster: str
    """Cluster, or `_T` for all."""
    tier: str
    """Tier, on roll-ups over the clusters of one; else `_T`."""
    period: str
    version: int
    """Rises with every change of this roll-up: drop what is not newer than what you have."""
    value: Exact | None
    """Null where nothing is reported."""
    unit: str
    status: Status
    coverage: Coverage
    carried_value: Exact | None = None
    """The value with the missing reporters' last values put in; null where none is missing or none of them known."""
    due_at: datetime
    """When the last of its figures is due."""
    members: tuple[Member, ...] = ()
    """Up to 50, the missing first."""
    members_total: int = 0
    """How many there are."""
    cause: Cause
    catalogue_version: int
    snapshot: int
    """The state of the database it was read from; rises."""
    recorded_at: datetime
    accepted_at: datetime | None = None
    """When the newest figure in it was accepted."""

    def partition_key(self) -> str:
        """The whole identity; the partition is chosen by the indicator alone."""
        return "|".join((self.indicator, self.org, self.cluster, self.tier, self.period))


class VerdictChanged(EventData):
    """What is said of a target has changed: its verdict, or what explains it; or the catalogue has it no more."""

    TYPE: ClassVar[str] = "fourones.verdicts.changed.v1"
    TOPIC: ClassVar[str] = "verdicts-changed"

    target: str
    """Id of the catalogue."""
    plan: str
    indicator: str
    org: str
    """Organisation, or `_T` for all."""
    cluster: str
    """Cluster, or `_T` for all."""
    tier: str
    """Tier, on targets over the clusters of one; else `_T`."""
    pillar: str | None = None
    """Which of the four ones it belongs to."""
    version: int
    """Rises with every change of this target, also over a removal: drop what is not newer than what you have."""
    removed: bool = False
    """The catalogue no longer has the target: no verdict stands, and the fields about one are null."""
    verdict: VerdictWord | None
    light: Literal["green", "yellow", "red", "grey"] | None
    before: VerdictWord | None
    """The verdict that this one replaces, which may be the same; null for the first."""
    period: str | None
    """The judged period; without data the silent or awaited one."""
    method: Method | None
    """The method that gives the verdict."""
    value: Exact | None
    """In the indicator's unit, like all values here."""
    due_value: Exact | None
    """Due on the plan curve at the period's end."""
    target_value: Exact | None
    attainment: Exact | None
    """Share of the way from the baseline to the target; without a baseline the value by the target."""
    gap: Exact | None
    """Missing to the due value; negative where it is surpassed."""
    months_behind: Exact | None
    final: bool
    """The due date has passed and its figure is complete."""
    provisional: bool
    """It rests on a provisional, estimated or forecast figure."""
    stale: bool
    """It rests on an earlier period than the latest that should be known."""
    incomplete: bool
    """Reporters are missing at the latest period that should be known."""
    departments: tuple[str, ...]
    """Who answers for the target: its lead, or several as equals."""
    changed_by: Cause
    judged_at: datetime
    """Since when this is said."""
    catalogue_version: int
    explanation: str | None
    """Chinese, whole sentences."""

    def partition_key(self) -> str:
        """The target: its verdicts stay in order."""
        return self.target


class ProblemStep(Part):
    """One entry of a problem's history, which only grows."""

    number: int
    """Over the steps of all problems, from 1, without gaps."""
    action: str
    """open, notify, acknowledge, start, report, verify, close, reopen, escalate, light_red, light_recovered, …"""
    taken_at: datetime
    role: str
    """The key's role; `light`, `clock` or `notices` where nobody's key took it."""
    org: str | None = None
    key_id: str | None = None
    note: str | None = None
    """What was done, or why; as it was written."""
    hash: str
    """SHA-256 of this step and all before it: noted elsewhere, it tells whether the history was altered."""


class ProblemChanged(EventData):
    """A problem on the list has another step behind it."""

    TYPE: ClassVar[str] = "fourones.problems.changed.v1"
    TOPIC: ClassVar[str] = "problems-changed"

    id: int
    version: int
    """Rises with every step of this problem: drop what is not newer than what you have."""
    title: str
    description: str
    kind: Literal["project", "enterprise", "target", "other"]
    origin: Literal["light", "raised"]
    """Opened by a red light, or raised by a county, a department or the coordinating office."""
    subject: str
    """Which project, enterprise or target, in words."""
    org: str | None = None
    """The county, zone or department concerned; null where it is the whole city."""
    cluster: str | None = None
    target: str | None = None
    plan: str | None = None
    raised_by: str | None = None
    """The organisation that raised it; null for a light, and for the coordinating office."""
    synthetic: bool = False
    """Of a demonstration."""
    state: str
    """opened, notified, acknowledged, in_progress, reported_done, verified, closed or escalated."""
    level: Literal["county", "department", "city"]
    due: date
    """To be reported done by the end of that day in Shanghai."""
    responsible: tuple[str, ...] = ()
    """The departments that answer for it."""
    held_by: tuple[str, ...] = ()
    """The organisations whose work it is at its level."""
    opened_at: datetime
    closed_at: datetime | None = None
    step: ProblemStep
    """The step that made it so."""

    def partition_key(self) -> str:
        """The problem: its steps stay in order."""
        return str(self.id)


class CataloguePublished(EventData):
    """A catalogue version is in force. `catalogue` is the whole document."""

    TYPE: ClassVar[str] = "fourones.catalogue.published.v1"
    TOPIC: ClassVar[str] = "catalogue-published"

    version: int
    digest: str
    """SHA-256 of the canonical document."""
    published_at: datetime
    published_by: str
    catalogue: dict[str, object]
    """The whole document: sources, organisations, tiers, clusters, pillars, plans, indicators, targets, peers."""

    def partition_key(self) -> str:
        """The version: every one of them is kept."""
        return str(self.version)


class Role(StrEnum):
    """What a key may do."""

    REPORTER = "reporter"
    DEPARTMENT = "department"
    COORDINATOR = "coordinator"
    VIEWER = "viewer"
    ADMIN = "admin"


class AccessGranted(EventData):
    """A key's record: its hash, never the key. A revocation is a record too. Empty scopes mean all."""

    TYPE: ClassVar[str] = "fourones.access.granted.v1"
    TOPIC: ClassVar[str] = "access-granted"

    key_id: str
    version: int
    """Rises with every change of this key: drop what is not newer than what you have."""
    key_hash: str
    """SHA-256 of the key, hexadecimal."""
    role: Role
    org: str | None = None
    """The one organisation a reporter or department may report for."""
    indicators: tuple[str, ...] = ()
    """The indicators it may report; empty means all."""
    clusters: tuple[str, ...] = ()
    """The clusters it may report on; empty means all."""
    issued_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    label: str | None = None
    """Whose it is, in words."""

    def partition_key(self) -> str:
        """The key's id."""
        return self.key_id


ALL: tuple[type[EventData], ...] = (
    FiguresSubmitted,
    FiguresApplied,
    RollupChanged,
    VerdictChanged,
    ProblemChanged,
    CataloguePublished,
    AccessGranted,
)
