"""The alerting service's tables: what it has received, what it has judged, and its copies of the reference data."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Date, Identity, Index, Numeric, UniqueConstraint, text
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
    RequestRateColumns,
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


class RequestRate(RequestRateColumns, Table, table=True):
    """Up to when each key's requests are spoken for. After a crash it is empty, which costs nothing but a burst."""

    __tablename__ = "request_rate"
    __table_args__ = ({"prefixes": ["UNLOGGED"]},)


class Snapshot(Table, table=True):
    """The last transaction that changed what the API says; locked from taking its number to the commit."""

    __tablename__ = "snapshot"

    singleton: bool = Field(default=True, primary_key=True)
    number: int = Field(sa_type=BigInteger)
    taken_at: datetime = Field(sa_type=DateTime(timezone=True))
    version: int = Field(sa_type=BigInteger)
    """The version of what it told on `verdicts-changed`: Unix milliseconds that never stand still or go back. A
    database that was lost begins anew with numbers, but not with these."""


class SnapshotTaken(Table, table=True):
    """Every snapshot, when it was taken, and the catalogue version in force by then."""

    __tablename__ = "snapshot_taken"

    number: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    taken_at: datetime = Field(sa_type=DateTime(timezone=True), index=True)
    catalogue_version: int


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
    forecast_low: Decimal | None = Field(default=None, sa_type=Numeric)
    forecast_high: Decimal | None = Field(default=None, sa_type=Numeric)
    """In between it lies with a probability of 80 %."""
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
    contributions: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    """Which of its parts make the gap; null where there is nothing to divide."""
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
    snapshot: int = Field(sa_type=BigInteger)
    """The transaction that wrote it."""
    version: int = Field(sa_type=BigInteger)
    """Of the event that told what it says; 0 where none has, of a release before there were any."""


class AssessmentRow(AssessmentColumns, Table, table=True):
    """The current verdict of every target."""

    __tablename__ = "assessment"

    target: str = Field(primary_key=True)
    said: str
    """Digest of what it says; only when that changes is it told."""
    digest: str
    """Digest of what it says and of the versions it rests on: a judging that finds the same writes nothing."""
    terms: str
    """Digest of the target, its plan and its indicator, by which a moved goal is told from progress."""
    traceparent: str | None = None
    """Trace context of the request that moved it last; None where time or a catalogue did."""
    changed: int = Field(sa_type=BigInteger)
    """Rises with every write of any row, so that a copy in memory learns of it by one small query."""


class AssessmentRevision(AssessmentColumns, Table, table=True):
    """What the API said of a target before; appended, never changed."""

    __tablename__ = "assessment_revision"
    __table_args__ = (
        Index("assessment_revision_target", "target", "replaced_at"),
        Index("assessment_revision_snapshots", "target", "replaced_in", "snapshot"),
    )

    revision_id: int | None = Field(
        default=None, primary_key=True, sa_type=BigInteger, sa_column_args=[Identity(always=True)]
    )
    target: str
    replaced_at: datetime = Field(sa_type=DateTime(timezone=True))
    replaced_by: str
    """What replaced it: the next verdict's `changed_by`, or `catalogue` where the target was removed."""
    replaced_in: int = Field(sa_type=BigInteger)
    """The snapshot that replaced it."""
    said_again: bool
    """What replaced it says the same and only rests on other versions of the roll-ups."""


class EpisodeRow(Table, table=True):
    """A stretch of time during which a target was red; the last one of a target may go on."""

    __tablename__ = "episode"
    __table_args__ = (Index("episode_open", "target", unique=True, postgresql_where=text("ended_at IS NULL")),)

    target: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    """From 1, per target."""
    began_at: datetime = Field(sa_type=DateTime(timezone=True))
    began_in: str
    """The period whose judging turned it red."""
    ended_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    ended_by: str | None = None
    """What ended it: the `changed_by` of the verdict that did."""


class OccasionRow(Table, table=True):
    """A reason to look at what may have to be told: an alert that Alertmanager has called about."""

    __tablename__ = "occasion"

    occasion_key: str = Field(primary_key=True)
    """Two calls about the same are one occasion."""
    audience: str
    alert: str
    firing: bool
    target: str | None = None
    department: str | None = None
    starts_at: datetime = Field(sa_type=DateTime(timezone=True))
    title: str
    text: str
    received_at: datetime = Field(sa_type=DateTime(timezone=True))


class NoticeRow(Table, table=True):
    """One message to one channel: the ledger of what was told. Rows are never deleted."""

    __tablename__ = "notice"
    __table_args__ = (
        UniqueConstraint("channel", "fact", name="notice_once"),
        Index("notice_about", "target", "channel", "number"),
        Index(
            "notice_unsettled",
            "channel",
            "attempts",
            "number",
            postgresql_where=text("state IN ('waiting', 'sending', 'given_up')"),
        ),
    )

    number: int | None = Field(
        default=None, primary_key=True, sa_type=BigInteger, sa_column_args=[Identity(always=True)]
    )
    recipient: str
    """A department's id, `operators` or `coordinator`."""
    channel: str
    channel_kind: str
    kind: str
    fact: str
    """What is told, as a key: one channel is told a fact once."""
    target: str | None = None
    period: str | None = None
    episode: int | None = None
    level: str
    title: str
    text: str
    link: str | None = None
    facts: dict[str, Any] = Field(sa_type=JSONB)
    state: str
    """As in `notifying.notices.State`."""
    made_at: datetime = Field(sa_type=DateTime(timezone=True))
    next_attempt_at: datetime = Field(sa_type=DateTime(timezone=True))
    try_until: datetime = Field(sa_type=DateTime(timezone=True))
    """When it is given up."""
    attempts: int
    attempted_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    settled_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    """When it was sent, given up or dropped."""
    reason: str | None = None
    traceparent: str | None = None
    """Trace context of what it tells; None of a digest, which is linked with those of its parts."""
    part_of: int | None = Field(default=None, sa_type=BigInteger, foreign_key="notice.number", index=True)
    """The digest that tells it."""
    problem: int | None = Field(default=None, sa_type=BigInteger)
    """Whose step it tells."""


class ChannelStanding(Table, table=True):
    """How a channel has been doing; its row is the lock under which the next message for it is taken."""

    __tablename__ = "channel_standing"

    channel: str = Field(primary_key=True)
    failures: int
    """Since it last took a message."""
    held_until: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))


class ChannelAttempt(Table, table=True):
    """A moment at which a channel was sent to: what its pace is kept by, whoever has sent."""

    __tablename__ = "channel_attempt"
    __table_args__ = (Index("channel_attempt_recent", "channel", "attempted_at"),)

    channel_attempt_id: int | None = Field(
        default=None, primary_key=True, sa_type=BigInteger, sa_column_args=[Identity(always=True)]
    )
    channel: str
    attempted_at: datetime = Field(sa_type=DateTime(timezone=True))


class ProblemRow(Table, table=True):
    """A problem as its steps have made it: what lists and boards read; `problem_step` is what holds."""

    __tablename__ = "problem"
    __table_args__ = (
        # One problem of the lights' at a time: a second episode is entered in the first one's history.
        Index(
            "problem_of_light",
            "target",
            unique=True,
            postgresql_where=text("origin = 'light' AND state <> 'closed'"),
        ),
        Index("problem_target", "target", "episode"),
        Index("problem_open", "problem_id", postgresql_where=text("state <> 'closed'")),
    )

    problem_id: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    """From 1, without gaps."""
    version: int
    """How many steps it has."""
    title: str
    description: str
    kind: str
    origin: str
    subject: str
    org: str | None = None
    cluster: str | None = None
    target: str | None = None
    plan: str | None = None
    raised_by: str | None = None
    synthetic: bool
    state: str
    level: str
    due: date = Field(sa_type=Date)
    responsible: list[str] = Field(sa_type=JSONB)
    held_by: list[str] = Field(sa_type=JSONB)
    """Whose work it is at its level."""
    opened_at: datetime = Field(sa_type=DateTime(timezone=True))
    reached_at: datetime = Field(sa_type=DateTime(timezone=True))
    changed_at: datetime = Field(sa_type=DateTime(timezone=True))
    reported_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    reported_by: str | None = None
    closed_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    episode: int | None = None
    light_is_red: bool


class ProblemStepRow(Table, table=True):
    """Every step of every problem, in one chain of hashes; a trigger refuses every change but a further row."""

    __tablename__ = "problem_step"
    __table_args__ = (Index("problem_step_of", "problem_id", "step"),)

    step: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    """From 1 over all problems, without gaps."""
    problem_id: int = Field(sa_type=BigInteger, foreign_key="problem.problem_id")
    action: str
    state: str
    level: str
    due: date = Field(sa_type=Date)
    responsible: list[str] = Field(sa_type=JSONB)
    """State, level, due date and departments as they are after the step."""
    taken_at: datetime = Field(sa_type=DateTime(timezone=True), index=True)
    role: str
    """The key's, or `light`, `clock`, `notices`."""
    org: str | None = None
    key_id: str | None = None
    note: str | None = None
    details: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    hash: str
    """SHA-256 of the step before and of this one, hexadecimal."""


class ProblemChain(Table, table=True):
    """The end of the chain: one row, held by whoever adds a step, before anything else of a problem is touched."""

    __tablename__ = "problem_chain"

    singleton: bool = Field(default=True, primary_key=True)
    steps: int = Field(sa_type=BigInteger)
    problems: int = Field(sa_type=BigInteger)
    hash: str


class ProblemTold(Table, table=True):
    """How far the history of problems was read for what is to be told: one row, moved with the notices."""

    __tablename__ = "problem_told"

    singleton: bool = Field(default=True, primary_key=True)
    told_through: int = Field(sa_type=BigInteger)


class ProblemRequest(Table, table=True):
    """Requests that bore an Idempotency-Key, with the step that each has brought about."""

    __tablename__ = "problem_request"

    key_id: str = Field(primary_key=True)
    idempotency_key: str = Field(primary_key=True)
    digest: str
    """Of what was asked, so that the same key is not answered for something else."""
    problem_id: int = Field(sa_type=BigInteger)
    step: int = Field(sa_type=BigInteger)
    requested_at: datetime = Field(sa_type=DateTime(timezone=True))
