"""Columns of the tables that several services have, each in its own database under the same name.

A service makes them its own with `class Outbox(OutboxColumns, Table, table=True)`, so that its metadata and its
migrations stay its own.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Identity, LargeBinary
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import DateTime, Field, SQLModel


class OutboxColumns(SQLModel):
    """`outbox`: events that are decided but not yet acknowledged by Kafka; a row goes when it is."""

    outbox_id: int | None = Field(
        default=None, primary_key=True, sa_type=BigInteger, sa_column_args=[Identity(always=True)]
    )
    topic: str
    key: bytes = Field(sa_type=LargeBinary)
    value: bytes = Field(sa_type=LargeBinary)
    headers: dict[str, str] = Field(sa_type=JSONB)
    reference: str | None = None
    """What the row is about (a submission id), for the owner's own bookkeeping after publication."""
    set_aside: str | None = None
    """Why the row can never be sent; it no longer blocks the others, and an alarm shows it."""
    created_at: datetime = Field(sa_type=DateTime(timezone=True))


class PositionColumns(SQLModel):
    """`consumer_position`: the next offset to read, moved in the transaction of the effects."""

    consumer_group: str = Field(primary_key=True)
    topic: str = Field(primary_key=True)
    partition: int = Field(primary_key=True)
    next_offset: int = Field(sa_type=BigInteger)
    cluster_id: str
    topic_id: str


class DeadLetterColumns(SQLModel):
    """`dead_letter`: records that can never be applied, kept whole with the reason."""

    dead_letter_id: int | None = Field(
        default=None, primary_key=True, sa_type=BigInteger, sa_column_args=[Identity(always=True)]
    )
    topic: str
    partition: int
    record_offset: int = Field(sa_type=BigInteger)
    key: bytes | None = Field(default=None, sa_type=LargeBinary)
    value: bytes | None = Field(default=None, sa_type=LargeBinary)
    headers: dict[str, Any] = Field(sa_type=JSONB)
    reason: str
    detail: str
    recorded_at: datetime = Field(sa_type=DateTime(timezone=True))


class CatalogueVersionColumns(SQLModel):
    """`catalogue_version`: every version of the catalogue, whole."""

    version: int = Field(primary_key=True)
    digest: str
    document: dict[str, Any] = Field(sa_type=JSONB)
    published_at: datetime = Field(sa_type=DateTime(timezone=True))
    published_by: str


class CatalogueInForceColumns(SQLModel):
    """`catalogue_in_force`: one row; batches hold it shared, a switch of version holds it alone."""

    singleton: bool = Field(default=True, primary_key=True)
    version: int


class RequestRateColumns(SQLModel):
    """`request_rate`: per key, up to which moment its requests are spoken for; shared by all instances of an API."""

    key_id: str = Field(primary_key=True)
    spoken_for_until: datetime = Field(sa_type=DateTime(timezone=True))


class AccessKeyColumns(SQLModel):
    """`access_key`: the record of every API key; the hash, never the key."""

    key_id: str = Field(primary_key=True)
    version: int
    key_hash: str
    role: str
    org: str | None = None
    indicators: list[str] = Field(default_factory=list, sa_type=JSONB)
    clusters: list[str] = Field(default_factory=list, sa_type=JSONB)
    label: str | None = None
    issued_at: datetime = Field(sa_type=DateTime(timezone=True))
    expires_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    revoked_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    changed: int = Field(sa_type=BigInteger, index=True)
    """Rises with every change of any key, so that a copy in memory learns of it by one small query."""
