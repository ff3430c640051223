"""The tables. Rows on the hot path are keyed by small integers; their codes stand in the dimension tables.

The hot tables have no foreign keys: a check per figure would cost more than it finds, since codes are never removed
and `verify` compares every row with the figures and the catalogue.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Identity, Index, Numeric, SmallInteger, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
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
    RequestRateColumns,
    dead_letter_indexes,
)

_MOMENT: Any = DateTime(timezone=True)
_BIG: Any = BigInteger
_SMALL: Any = SmallInteger
_EXACT: Any = Numeric
_TEXTS: Any = ARRAY(Text)

# Room in each page for the new versions of rows that change again and again, so that they need no index entries.
_ROOM = {"postgresql_with": {"fillfactor": "50"}}


class Table(SQLModel, registry=registry()):
    """Base of this service's tables."""


class Outbox(OutboxColumns, Table, table=True):
    """Events of `figures-applied` that wait for Kafka."""

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
    """The version in force."""

    __tablename__ = "catalogue_in_force"


class AccessKey(AccessKeyColumns, Table, table=True):
    """The records of the API keys."""

    __tablename__ = "access_key"


class RequestRate(RequestRateColumns, Table, table=True):
    """Up to when each key's requests are spoken for. After a crash it is empty, which costs nothing but a burst."""

    __tablename__ = "request_rate"
    __table_args__ = ({"prefixes": ["UNLOGGED"]},)


class IndicatorCode(Table, table=True):
    """An indicator's number and its unit under the catalogue in force."""

    __tablename__ = "indicator"
    indicator_id: int | None = Field(default=None, primary_key=True, sa_column_args=[Identity()])
    code: str = Field(unique=True)
    unit: str | None = None


class OrganisationCode(Table, table=True):
    """An organisation's number; 0 is `_T`."""

    __tablename__ = "organisation"
    org_id: int | None = Field(default=None, primary_key=True, sa_column_args=[Identity()])
    code: str = Field(unique=True)


class ClusterCode(Table, table=True):
    """A cluster's number; 0 is `_T`."""

    __tablename__ = "cluster"
    cluster_id: int | None = Field(default=None, primary_key=True, sa_column_args=[Identity()])
    code: str = Field(unique=True)


class TierCode(Table, table=True):
    """A tier's number; 0 is `_T`."""

    __tablename__ = "tier"
    tier_id: int | None = Field(default=None, primary_key=True, sa_column_args=[Identity()])
    code: str = Field(unique=True)


class PeriodCode(Table, table=True):
    """A period's number, its days and its form."""

    __tablename__ = "period"
    period_id: int | None = Field(default=None, primary_key=True, sa_column_args=[Identity()])
    code: str = Field(unique=True)
    start_day: date
    end_day: date
    frequency: str


class FigureColumns(SQLModel):
    """A revision of a figure, without its key."""

    value: Decimal | None = Field(default=None, sa_type=_EXACT)
    status: str
    withdrawn: bool
    note: str | None = None
    justification: str | None = None
    submission_id: str
    reported_by: str
    accepted_at: datetime = Field(sa_type=_MOMENT)
    applied_at: datetime = Field(sa_type=_MOMENT)
    snapshot: int = Field(sa_type=_BIG)


class Figure(FigureColumns, Table, table=True):
    """The current revision of every figure. `excluded`: the catalogue in force does not admit it."""

    __tablename__ = "figure"
    indicator_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    org_id: int = Field(primary_key=True)
    cluster_id: int = Field(primary_key=True)
    period_id: int = Field(primary_key=True)
    sequence: int = Field(sa_type=_BIG)
    excluded: bool


class FigureRevision(FigureColumns, Table, table=True):
    """Every other revision: superseded ones, and late ones that never were the newest.

    `snapshot` and `applied_at` are those at which it was written down as a figure, or, for a late one, as superseded.
    """

    __tablename__ = "figure_revision"
    indicator_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    org_id: int = Field(primary_key=True)
    cluster_id: int = Field(primary_key=True)
    period_id: int = Field(primary_key=True)
    sequence: int = Field(primary_key=True, sa_type=_BIG)


class Duty(Table, table=True):
    """A figure that must come. A figure counts exactly when its duty is here.

    `repeats` says which scopes without a row of their own repeat the figure, and whether a zone's figure counts through
    its districts (bits of `fourones_aggregation.opening`).
    """

    __tablename__ = "duty"
    __table_args__ = (
        Index("duty_by_period", "period_id", "indicator_id", "org_id", "cluster_id"),
        # Few duties answer for more than themselves; without this, looking for them would read all.
        Index(
            "duty_repeated",
            "indicator_id",
            "period_id",
            "org_id",
            "cluster_id",
            postgresql_where=text("repeats > 1"),
        ),
    )
    indicator_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    period_id: int = Field(primary_key=True)
    org_id: int = Field(primary_key=True)
    cluster_id: int = Field(primary_key=True)
    tier_id: int
    reporter_id: int
    due_at: datetime = Field(sa_type=_MOMENT)
    may_not_apply: bool
    repeats: int = Field(sa_type=_SMALL)
    opened_at: datetime = Field(sa_type=_MOMENT)
    since: int = Field(sa_type=_BIG)


class DutyPast(Table, table=True):
    """A duty as it was from snapshot `since` up to, and not including, snapshot `until`."""

    __tablename__ = "duty_past"
    __table_args__ = (Index("duty_past_by_period", "period_id", "indicator_id", "org_id", "cluster_id"),)
    indicator_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    period_id: int = Field(primary_key=True)
    org_id: int = Field(primary_key=True)
    cluster_id: int = Field(primary_key=True)
    tier_id: int
    reporter_id: int
    due_at: datetime = Field(sa_type=_MOMENT)
    may_not_apply: bool
    repeats: int = Field(sa_type=_SMALL)
    opened_at: datetime = Field(sa_type=_MOMENT)
    since: int = Field(primary_key=True, sa_type=_BIG)
    until: int = Field(sa_type=_BIG)


class RollupState(SQLModel):
    """What a version of a roll-up says.

    Attributes:
        rule: how its members make one value (`domain.scopes.Rule`).
        total, reported, expected, provisional, estimated, forecast: kept by differences, of its members' figures.
        computed: the value where differences do not keep it: a maximum, a weighted mean, a derived value.
        computed_known, computed_of, computed_missing: a derived value's own coverage, of its inputs.
        computed_status: the weakest status among the inputs.
    """

    live: bool
    rule: str
    unit: str
    due_at: datetime = Field(sa_type=_MOMENT)
    total: Decimal = Field(sa_type=_EXACT)
    reported: int
    expected: int
    provisional: int
    estimated: int
    forecast: int
    computed: Decimal | None = Field(default=None, sa_type=_EXACT)
    computed_known: int | None = None
    computed_of: int | None = None
    computed_missing: list[str] | None = Field(default=None, sa_type=_TEXTS)
    computed_status: str | None = None
    version: int = Field(sa_type=_BIG)
    cause: str
    catalogue_version: int
    recorded_at: datetime = Field(sa_type=_MOMENT)
    accepted_at: datetime | None = Field(default=None, sa_type=_MOMENT)


class Rollup(RollupState, Table, table=True):
    """The total of a scope in a period with its coverage.

    A row is never deleted: one that the catalogue no longer has is not `live`, and its version goes on from there
    when it returns, so that receivers never see the version of an identity fall.
    """

    __tablename__ = "rollup"
    __table_args__ = (
        UniqueConstraint("indicator_id", "period_id", "org_id", "cluster_id", "tier_id", name="rollup_identity"),
        Index("rollup_by_period", "period_id", "indicator_id", "org_id", "cluster_id", "tier_id"),
        _ROOM,
    )
    rollup_id: int | None = Field(default=None, primary_key=True, sa_type=_BIG, sa_column_args=[Identity()])
    indicator_id: int
    period_id: int
    org_id: int
    cluster_id: int
    tier_id: int
    snapshot: int = Field(sa_type=_BIG)
    traceparent: str | None = None


class RollupVersion(RollupState, Table, table=True):
    """Every version that a roll-up has had, by the snapshot that made it; what an as-of answer is read from."""

    __tablename__ = "rollup_version"
    rollup_id: int = Field(primary_key=True, sa_type=_BIG, sa_column_kwargs={"autoincrement": False})
    snapshot: int = Field(primary_key=True, sa_type=_BIG)


class RollupPending(Table, table=True):
    """Roll-ups whose newest version Kafka does not have yet: one row each, however many versions there were."""

    __tablename__ = "rollup_pending"
    __table_args__ = (Index("rollup_pending_next", "is_judged", "since", "rollup_id"),)
    rollup_id: int = Field(primary_key=True, sa_type=_BIG, sa_column_kwargs={"autoincrement": False})
    version: int = Field(sa_type=_BIG)
    since: datetime = Field(sa_type=_MOMENT)
    """By the database's clock."""
    is_judged: bool = False
    """Whether a target names it: then it is published at once, the others when they have settled."""
    set_aside: str | None = None


class JudgedScope(Table, table=True):
    """What the targets of the catalogue in force name."""

    __tablename__ = "judged_scope"
    indicator_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    org_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    cluster_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    tier_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})


class Snapshot(Table, table=True):
    """The number of the last batch that changed anything, and its time; locked from taking it to the commit."""

    __tablename__ = "snapshot"
    singleton: bool = Field(default=True, primary_key=True)
    number: int = Field(sa_type=_BIG)
    taken_at: datetime = Field(sa_type=_MOMENT)


class SnapshotTaken(Table, table=True):
    """Every snapshot, when it was taken, and the catalogue version in force by then."""

    __tablename__ = "snapshot_taken"
    number: int = Field(primary_key=True, sa_type=_BIG, sa_column_kwargs={"autoincrement": False})
    taken_at: datetime = Field(sa_type=_MOMENT, index=True)
    catalogue_version: int


class Verification(Table, table=True):
    """What `verify` has found. `scope`: `figures` held against roll-ups, or the `log` against figures."""

    __tablename__ = "verification"
    verification_id: int | None = Field(default=None, primary_key=True, sa_type=_BIG, sa_column_args=[Identity()])
    scope: str
    verified_at: datetime = Field(sa_type=_MOMENT)
    snapshot: int = Field(sa_type=_BIG)
    differences: int
    seconds: float


class ClockPosition(Table, table=True):
    """Up to when the passing of time has been taken into account."""

    __tablename__ = "clock_position"
    singleton: bool = Field(default=True, primary_key=True)
    told_until: datetime = Field(sa_type=_MOMENT)
    opened_until: date
