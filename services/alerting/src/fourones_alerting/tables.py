"""The alerting service's tables: what it has received, what it has judged, and its copies of the reference data."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Identity, Index, Numeric
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import registry
from sqlmodel import DateTime, Field, SQLModel

from fourones_shared.database.columns import (
    AccessKeyColumns,
    CatalogueInForceColumns,
    CatalogueVersionColumns,
    DeadLetterColumns,
    DeadLetterLimitColumns,
    DeadLetterStepColumns,
    OutboxColumns,
    PositionColumns,
    dead_letter_indexes,
)


class Table(SQLModel, registry=registry()):
    """Base of this service's tables: a metadata of its own."""


class Outbox(OutboxColumns, Table, table=True):
    """Events on their way to Kafka."""

    __tablename__ = "outbox"


class ConsumerPosition(PositionColumns, Table, table=True):
    """Where the consumers are."""

    __tablename__ = "consumer_position"


class DeadLetterRow(DeadLetterColumns, Table, table=True):
    """Records that could not be applied."""

    __tablename__ = "dead_letter"
    __table_args__ = dead_letter_indexes()


class DeadLetterStep(DeadLetterStepColumns, Table, table=True):
    """What operators did with them."""

    __tablename__ = "dead_letter_step"


class DeadLetterLimit(DeadLetterLimitColumns, Table, table=True):
    """How far each consumer is from the number at which it waits."""

    __tablename__ = "dead_letter_limit"


class CatalogueVersion(CatalogueVersionColumns, Table, table=True):
    """Every version of the catalogue."""

    __tablename__ = "catalogue_version"


class CatalogueInForce(CatalogueInForceColumns, Table, table=True):
    """The version in force; whoever judges by events holds it shared, whoever judges everything holds it alone."""

    __tablename__ = "catalogue_in_force"


class AccessKey(AccessKeyColumns, Table, table=True):
    """The records of the API keys."""

    __tablename__ = "access_key"


class RollupIdentity(SQLModel):
    """What a roll-up is about: five dimensions, `_T` where one is not fixed."""

    indicator: str = Field(primary_key=True)
    org: str = Field(primary_key=True)
    cluster: str = Field(primary_key=True)
    tier: str = Field(primary_key=True)
    period: str = Field(primary_key=True)


class RollupVersion(RollupIdentity, Table, table=True):
    """Every version of every roll-up that has arrived, in whatever order; rows are never changed."""

    __tablename__ = "rollup_version"

    version: int = Field(primary_key=True, sa_type=BigInteger)
    value: Decimal | None = Field(default=None, sa_type=Numeric)
    carried_value: Decimal | None = Field(default=None, sa_type=Numeric)
    unit: str
    status: str
    coverage: dict[str, Any] = Field(sa_type=JSONB)
    members: list[dict[str, Any]] = Field(sa_type=JSONB)
    members_total: int
    due_at: datetime = Field(sa_type=DateTime(timezone=True))
    cause: str
    catalogue_version: int
    snapshot: int = Field(sa_type=BigInteger)
    recorded_at: datetime = Field(sa_type=DateTime(timezone=True))
    accepted_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    received_at: datetime = Field(sa_type=DateTime(timezone=True))


class RollupLatest(RollupIdentity, Table, table=True):
    """The newest version of every roll-up: what is judged."""

    __tablename__ = "rollup_latest"

    version: int = Field(sa_type=BigInteger)
    due_at: datetime = Field(sa_type=DateTime(timezone=True), index=True)
    """As in that version; here for the clock, which asks whose due date has just passed."""


class AssessmentColumns(SQLModel):
    """A target's verdict with everything it was judged from, so that it can be explained and repeated."""

    plan: str
    indicator: str
    org: str
    cluster: str
    tier: str
    pillar: str | None = None
    period_type: str
    """How often the indicator is reported: a word that stays while single periods may be of another form."""
    period: str
    """The judged period; without data the silent or awaited one."""
    verdict: str
    light: str
    method: str
    value: Decimal | None = Field(default=None, sa_type=Numeric)
    due_value: Decimal | None = Field(default=None, sa_type=Numeric)
    target_value: Decimal = Field(sa_type=Numeric)
    attainment: Decimal | None = Field(default=None, sa_type=Numeric)
    gap: Decimal | None = Field(default=None, sa_type=Numeric)
    months_behind: Decimal | None = Field(default=None, sa_type=Numeric)
    forecast: Decimal | None = Field(default=None, sa_type=Numeric)
    final: bool
    provisional: bool
    stale: bool
    incomplete: bool
    disagreement: bool
    by_method: dict[str, Any] = Field(sa_type=JSONB)
    departments: list[str] = Field(sa_type=JSONB)
    inputs: dict[str, Any] = Field(sa_type=JSONB)
    """What the numbers were computed from."""
    rests_on: list[dict[str, Any]] = Field(sa_type=JSONB)
    """The versions of the roll-ups that it follows from, with their values."""
    explanation: str
    reported: int
    expected: int
    missing: list[str] = Field(sa_type=JSONB)
    overdue: int
    """Figures of the latest due period that have not come."""
    judged_at: datetime = Field(sa_type=DateTime(timezone=True))
    """Since when it says this: later judgings that said the same have left it."""
    changed_by: str
    catalogue_version: int
    accepted_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    """When the newest figure in the judged value was accepted."""


class AssessmentRow(AssessmentColumns, Table, table=True):
    """The current verdict of every target."""

    __tablename__ = "assessment"

    target: str = Field(primary_key=True)
    said: str
    """Digest of what it says; only when that changes is the state before it kept as a revision."""
    digest: str
    """Digest of what it says and of the versions it rests on: a judging that finds the same writes nothing."""
    terms: str
    """Digest of the target, its plan and its indicator, by which a moved goal is told from progress."""
    changed: int = Field(sa_type=BigInteger)
    """Rises with every write of any row, so that a copy in memory learns of it by one small query."""


class AssessmentRevision(AssessmentColumns, Table, table=True):
    """What a target's verdict was before; appended, never changed."""

    __tablename__ = "assessment_revision"
    __table_args__ = (Index("assessment_revision_target", "target", "replaced_at"),)

    revision_id: int | None = Field(
        default=None, primary_key=True, sa_type=BigInteger, sa_column_args=[Identity(always=True)]
    )
    target: str
    replaced_at: datetime = Field(sa_type=DateTime(timezone=True))
    replaced_by: str
    """What replaced it: the next verdict's `changed_by`, or `catalogue` where the target was removed."""
