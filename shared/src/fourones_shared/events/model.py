"""The data of the events. Values are decimal strings, moments RFC 3339, a dimension that is not fixed `_T`."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from fourones_shared.domain.numbers import format_decimal

Exact = Annotated[Decimal, PlainSerializer(format_decimal, return_type=str, when_used="json")]


class EventData(BaseModel):
    """Base of all event data. Unknown fields are ignored, so that a newer writer does not stop an older reader."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    TYPE: ClassVar[str]
    TOPIC: ClassVar[str]

    def partition_key(self) -> str:
        """What decides the partition and, on a compacted topic, which record replaces which."""
        raise NotImplementedError


class Part(BaseModel):
    """Base of the parts that event data is made of."""

    model_config = ConfigDict(frozen=True, extra="ignore")


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
    cluster: str
    period: str
    value: Exact | None
    status: Status = Status.NORMAL
    note: str | None = None
    justification: str | None = None
    withdrawn: bool = False


class FiguresSubmitted(EventData):
    """A submission was accepted: up to 5,000 figures about one organisation, whole."""

    TYPE: ClassVar[str] = "fourones.figures.submitted.v1"
    TOPIC: ClassVar[str] = "figures-submitted"

    submission_id: str
    org: str
    sequence: int
    catalogue_version: int
    received_at: datetime
    reported_by: str
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
    applied: int
    superseded: int
    excluded: int
    reason: str | None = None

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


class Coverage(Part):
    """How many of how many have reported; `missing` names up to 50 of the others by organisation, or by cluster
    where the roll-up is about one organisation.
    """

    reported: int
    expected: int
    missing: tuple[str, ...] = ()


class Cause(StrEnum):
    """Why something changed."""

    NEW_DATA = "new_data"
    REVISION = "revision"
    TIME = "time"
    CATALOGUE = "catalogue"


class RollupChanged(EventData):
    """A total, or the one figure a target is about, has a new version.

    `carried_value` is the value with the missing reporters' last values put in; null where none is missing or
    nothing is known of them. `accepted_at` is when the newest figure in it was accepted, for freshness.
    """

    TYPE: ClassVar[str] = "fourones.rollups.changed.v1"
    TOPIC: ClassVar[str] = "rollups-changed"

    indicator: str
    org: str
    cluster: str
    tier: str
    period: str
    version: int
    value: Exact | None
    unit: str
    status: Status
    coverage: Coverage
    carried_value: Exact | None = None
    due_at: datetime
    members: tuple[Member, ...] = ()
    members_total: int = 0
    cause: Cause
    catalogue_version: int
    snapshot: int
    recorded_at: datetime
    accepted_at: datetime | None = None

    def partition_key(self) -> str:
        """The whole identity; the partition is chosen by the indicator alone."""
        return "|".join((self.indicator, self.org, self.cluster, self.tier, self.period))


class CataloguePublished(EventData):
    """A catalogue version is in force. `catalogue` is the whole document."""

    TYPE: ClassVar[str] = "fourones.catalogue.published.v1"
    TOPIC: ClassVar[str] = "catalogue-published"

    version: int
    digest: str
    published_at: datetime
    published_by: str
    catalogue: dict[str, object]

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
    key_hash: str
    role: Role
    org: str | None = None
    indicators: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()
    issued_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    label: str | None = None

    def partition_key(self) -> str:
        """The key's id."""
        return self.key_id


ALL: tuple[type[EventData], ...] = (
    FiguresSubmitted,
    FiguresApplied,
    RollupChanged,
    CataloguePublished,
    AccessGranted,
)
