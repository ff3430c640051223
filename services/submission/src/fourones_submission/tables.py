"""The submission service's tables: what was accepted, what exists, what is on its way, and the reference data."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Identity, Index, LargeBinary, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from fourones_shared.database.columns import (
    AccessKeyColumns,
    CatalogueInForceColumns,
    CatalogueVersionColumns,
    DeadLetterColumns,
    DeadLetterLimitColumns,
    DeadLetterStepColumns,
    OutboxColumns,
    PositionColumns,
    RequestRateColumns,
    dead_letter_indexes,
)


class Table(SQLModel, registry=registry()):
    """Base of this service's tables: a metadata of its own."""


class Outbox(OutboxColumns, Table, table=True):
    """Events on their way to Kafka; `reference` is the submission's id, where it is about one."""

    __tablename__ = "outbox"


class ConsumerPosition(PositionColumns, Table, table=True):
    """Where the consumer of `figures-applied` is."""

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
    """Every version of the catalogue: this service is where they are made."""

    __tablename__ = "catalogue_version"


class CatalogueInForce(CatalogueInForceColumns, Table, table=True):
    """The version in force; whoever makes a new one holds it alone."""

    __tablename__ = "catalogue_in_force"


class AccessKey(AccessKeyColumns, Table, table=True):
    """The records of the API keys: this service is where they are issued."""

    __tablename__ = "access_key"


class OrganisationLock(Table, table=True):
    """One row per organisation; whoever accepts a submission about it holds the row until the commit."""

    __tablename__ = "organisation_lock"

    org: str = Field(primary_key=True)


class Submission(Table, table=True):
    """An accepted submission as it was sent, and its receipt.

    The receipt's status follows from `published_at` and `outcome`: accepted, published, applied or dead_lettered.
    """

    __tablename__ = "submission"

    submission_id: UUID = Field(primary_key=True)
    sequence: int = Field(sa_type=BigInteger, unique=True)
    org: str
    reported_by: str
    key_id: str
    prepared_by: str | None = None
    approved_by: str | None = None
    received_at: datetime = Field(sa_type=DateTime(timezone=True))
    catalogue_version: int
    figures: int
    warnings: list[dict[str, Any]] = Field(sa_type=JSONB)
    media_type: str
    body: bytes = Field(sa_type=LargeBinary)
    published_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    outcome: str | None = None
    applied_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    applied: int | None = None
    superseded: int | None = None
    excluded: int | None = None
    reason: str | None = None

    __table_args__ = (
        Index("submission_by_org", "org", "sequence"),
        Index("submission_by_reporter", "reported_by", "sequence"),
        # Rows lie in the order of their arrival: a few pages tell where a stretch of time is.
        Index("submission_by_time", "received_at", postgresql_using="brin"),
        # Small at all times, so that asking for what is still on its way costs nothing beside ten million settled ones.
        Index("submission_unsettled", "sequence", postgresql_where=text("outcome IS NULL")),
        Index("submission_failed", "sequence", postgresql_where=text("outcome = 'dead_lettered'")),
    )


class RememberedKey(Table, table=True):
    """`Idempotency-Key`s of accepted submissions, per sending organisation."""

    __tablename__ = "idempotency"

    reported_by: str = Field(primary_key=True)
    idempotency_key: str = Field(primary_key=True)
    body_digest: bytes = Field(sa_type=LargeBinary)
    submission_id: UUID
    remembered_at: datetime = Field(sa_type=DateTime(timezone=True), index=True)


class FigureCurrent(Table, table=True):
    """The current figures, for withdrawals, plausibility, obligations and the template; totals are aggregation's.

    A row holds all clusters of one organisation, indicator and period: a tenth of the rows that one per figure would
    take. `figures` maps a cluster (`_T` without) to `[value or null, status, sequence]`; `since` maps it to the
    moment (milliseconds since 1970) at which a value first stood there, which tells late from on time.
    """

    __tablename__ = "figure_current"

    org: str = Field(primary_key=True)
    indicator: str = Field(primary_key=True)
    period: str = Field(primary_key=True)
    figures: dict[str, list[Any]] = Field(sa_type=JSONB)
    since: dict[str, int] = Field(sa_type=JSONB)


class PeriodLock(Table, table=True):
    """A coordinator's decisions to lock a period or to lift a lock; of several the last stands, none is changed."""

    __tablename__ = "period_lock"

    period_lock_id: int | None = Field(
        default=None, primary_key=True, sa_type=BigInteger, sa_column_args=[Identity(always=True)]
    )
    org: str
    indicator: str
    period: str
    locked: bool
    until: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    """After which the catalogue's own rule stands again; for ever when null."""
    reason: str
    decided_by: str
    """Key id."""
    decided_at: datetime = Field(sa_type=DateTime(timezone=True))

    __table_args__ = (Index("period_lock_of", "org", "indicator", "period", "period_lock_id"),)


class RequestRate(RequestRateColumns, Table, table=True):
    """How much of its rate each key has used; worth nothing after a crash, hence not logged."""

    __tablename__ = "request_rate"
    __table_args__ = ({"prefixes": ["UNLOGGED"]},)
