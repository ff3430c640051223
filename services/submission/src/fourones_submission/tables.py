"""The submission service's tables: what was accepted, what exists, what is on its way, and the reference data."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, DateTime, Index, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from fourones_shared.database.columns import (
    AccessKeyColumns,
    CatalogueInForceColumns,
    CatalogueVersionColumns,
    DeadLetterColumns,
    OutboxColumns,
    PositionColumns,
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
    """Records that can never be applied."""

    __tablename__ = "dead_letter"


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
    warnings: list[dict[str, str]] = Field(sa_type=JSONB)
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


class FigureKnown(Table, table=True):
    """Which figures exist, so that only what is there can be withdrawn.

    A row holds the clusters of one indicator and period: a tenth of the rows that one per figure would take.
    """

    __tablename__ = "figure_known"

    org: str = Field(primary_key=True)
    indicator: str = Field(primary_key=True)
    period: str = Field(primary_key=True)
    clusters: list[str] = Field(sa_type=ARRAY(Text))
