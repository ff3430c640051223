"""Columns of the tables that several services have, each in its own database under the same name.

A service makes them its own with `class Outbox(OutboxColumns, Table, table=True)`, so that its metadata and its
migrations stay its own.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Identity, Index, LargeBinary, text
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
    """`dead_letter`: records that could not be applied, kept whole with the reason; no row is ever deleted.

    `value` and `headers` stay as they came; what replaces them is in `dead_letter_step`.
    """

    dead_letter_id: int | None = Field(
        default=None, primary_key=True, sa_type=BigInteger, sa_column_args=[Identity(always=True)]
    )
    consumer_group: str = Field(default="", sa_column_kwargs={"server_default": ""})
    topic: str
    partition: int
    record_offset: int = Field(sa_type=BigInteger)
    key: bytes | None = Field(default=None, sa_type=LargeBinary)
    value: bytes | None = Field(default=None, sa_type=LargeBinary)
    headers: dict[str, Any] = Field(sa_type=JSONB)
    """By name: the text, `{"base64": …}` where it is no text, or null."""
    reason: str
    detail: str
    recorded_at: datetime = Field(sa_type=DateTime(timezone=True))
    state: str = Field(default="waiting", sa_column_kwargs={"server_default": "waiting"})
    """waiting, replayed or discarded."""
    resolved_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    note: str | None = None
    """What the last operator who touched it said."""


def dead_letter_indexes() -> tuple[Index, ...]:
    """The indexes of a table of `DeadLetterColumns`, for its `__table_args__`."""
    return (
        Index("dead_letter_place", "topic", "partition", "record_offset"),
        # Counted for the limit and for the gauge: what waits is little, whatever has been resolved over the years.
        Index("dead_letter_waiting", "consumer_group", "recorded_at", postgresql_where=text("state = 'waiting'")),
    )


class DeadLetterStepColumns(SQLModel):
    """`dead_letter_step`: what was done with a dead letter, by whom, when and why; rows are only added."""

    dead_letter_step_id: int | None = Field(
        default=None, primary_key=True, sa_type=BigInteger, sa_column_args=[Identity(always=True)]
    )
    dead_letter_id: int = Field(sa_type=BigInteger, foreign_key="dead_letter.dead_letter_id", index=True)
    action: str
    """repaired, replayed, refused, discarded, or read_again from the topic."""
    taken_at: datetime = Field(sa_type=DateTime(timezone=True))
    taken_by: str
    note: str | None = None
    value: bytes | None = Field(default=None, sa_type=LargeBinary)
    """What a repair puts in place of the record's value."""
    headers: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    """What a repair puts in place of the record's headers."""


class DeadLetterLimitColumns(SQLModel):
    """`dead_letter_limit`: how far each consumer group is from the number of dead letters at which it waits.

    The row is held by whoever adds a dead letter of the group, so that the limit is exact over several workers.
    """

    consumer_group: str = Field(primary_key=True)
    counted_from: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    """Dead letters before it do not count: an operator has allowed more."""
    reached_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    refused_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    """When a record was last left where it was because the limit was reached."""
    allowed_by: str | None = None
    note: str | None = None


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
