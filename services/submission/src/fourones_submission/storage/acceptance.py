"""Accepting a submission: one transaction that numbers it, stores it and puts its event into the outbox.

    1. one statement: with an Idempotency-Key take its turn, or tell that somebody has it, and look whether it was used
       before; lock the organisation's row and take the sequence under it: numbers rise in the order of the commits
    2. with withdrawals: see that what they withdraw is there
    3. one statement: receipt, remembered key, outbox row, current figures
    4. commit

Each step is a round trip, of which the API's time is made. None depends on how much history there is. Kafka has no part
in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import uuid_utils
from psycopg.errors import UniqueViolation
from sqlalchemy import Row, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from fourones_shared.database.engine import reading
from fourones_shared.domain.clock import Clock
from fourones_shared.domain.numbers import format_decimal
from fourones_shared.events.envelope import Wire, wrap
from fourones_shared.events.model import FiguresSubmitted, FigureSubmitted
from fourones_shared.topics import all_topics
from fourones_submission.domain.checking import Checked, CheckedFigure, FigureKey, nothing_to_withdraw
from fourones_submission.storage.arrays import array
from fourones_submission.storage.errors import EventTooLarge, KeyBusy, KeyReused, NothingToWithdraw
from fourones_submission.storage.figures import milliseconds_of

SOURCE = "/fourones/submission"
# Kafka measures a record with its batch around it: 61 bytes of batch header and some varints.
RECORD_OVERHEAD = 512


@dataclass(frozen=True, slots=True)
class Sent:
    """A submission as it was sent: its bytes, whose key it bears, and what was doubtful about it."""

    body: bytes
    media_type: str
    reported_by: str
    key_id: str
    prepared_by: str | None = None
    approved_by: str | None = None
    idempotency_key: str | None = None
    warnings: Sequence[dict[str, Any]] = ()

    @property
    def digest(self) -> bytes:
        """What tells another body from the same one."""
        return hashlib.sha256(self.body).digest()


@dataclass(frozen=True, slots=True)
class Accepted:
    """What was answered when a submission was accepted; the same again for a repetition."""

    submission_id: str
    org: str
    figures: int
    sequence: int
    received_at: datetime
    warnings: list[dict[str, Any]]
    repeated: bool = False


class Acceptance:
    """Takes submissions into the database."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._reading = reading(engine)
        self._clock = clock

    async def accept(self, sent: Sent, checked: Checked, catalogue_version: int, traceparent: str | None) -> Accepted:
        """Number and store a submission that has been checked.

        Raises:
            KeyBusy: another request with the same idempotency key is being worked on.
            KeyReused: the idempotency key stands for another body.
            NothingToWithdraw: a withdrawn figure does not exist.
            EventTooLarge: its event would not pass through Kafka.
        """
        try:
            return await self._accept(sent, checked, catalogue_version, traceparent)
        except (IntegrityError, NothingToWithdraw) as error:
            if isinstance(error, IntegrityError) and not _is_about_the_key(error):
                raise
            # Whoever had the key before may have ended between the look for it and the turn; what it was to withdraw
            # is withdrawn then.
            earlier = await self.answered_before(sent)
            if earlier is None:
                raise
            return earlier

    async def _accept(self, sent: Sent, checked: Checked, catalogue_version: int, traceparent: str | None) -> Accepted:
        async with self._engine.begin() as connection:
            sequence = await _begin(connection, sent, checked.org)
            if isinstance(sequence, Accepted):
                return sequence
            missing = nothing_to_withdraw(checked, await _existing(connection, checked))
            if missing:
                raise NothingToWithdraw(missing)
            accepted = Accepted(
                str(uuid_utils.uuid7()),
                checked.org,
                len(checked.figures),
                sequence,
                self._clock.now(),
                list(sent.warnings),
            )
            wire = _event(accepted, sent, checked, catalogue_version, traceparent)
            await _store(
                connection, accepted, sent=sent, checked=checked, catalogue_version=catalogue_version, wire=wire
            )
            return accepted

    async def dry_run(self, checked: Checked) -> None:
        """Check what only the database knows, and store nothing.

        Raises:
            NothingToWithdraw: a withdrawn figure does not exist.
        """
        if checked.withdrawals:
            async with self._reading.connect() as connection:
                missing = nothing_to_withdraw(checked, await _existing(connection, checked))
            if missing:
                raise NothingToWithdraw(missing)

    async def answered_before(self, sent: Sent) -> Accepted | None:
        """The first answer to this very request; what was accepted once stays so when the rules have changed since.

        Raises:
            KeyReused: the idempotency key stands for another body.
        """
        if sent.idempotency_key is None:
            return None
        async with self._reading.connect() as connection:
            return await _remembered(connection, sent)


def _is_about_the_key(error: IntegrityError) -> bool:
    return isinstance(error.orig, UniqueViolation) and error.orig.diag.table_name == "idempotency"


async def _begin(connection: AsyncConnection, sent: Sent, org: str) -> int | Accepted:
    """The number that the submission gets; or the first answer, when its key has had one."""
    if sent.idempotency_key is None:
        return await _lock_and_number(connection, org)
    name = f"idempotency:{sent.reported_by}:{sent.idempotency_key}"
    row = (await connection.execute(_BEGIN, {"name": name, "org": org} | _key_of(sent))).one()
    if row.submission_id is not None:
        return _first_answer(row, sent)
    if not row.mine:
        raise KeyBusy
    return await _lock_and_number(connection, org) if row.number is None else int(row.number)


async def _remembered(connection: AsyncConnection, sent: Sent) -> Accepted | None:
    row = (await connection.execute(_REMEMBERED, _key_of(sent))).one_or_none()
    return None if row is None else _first_answer(row, sent)


def _key_of(sent: Sent) -> dict[str, str | None]:
    return {"reported_by": sent.reported_by, "key": sent.idempotency_key}


def _first_answer(row: Row[Any], sent: Sent) -> Accepted:
    if bytes(row.body_digest) != sent.digest:
        raise KeyReused(str(row.submission_id))
    return Accepted(
        str(row.submission_id), row.org, row.figures, row.sequence, row.received_at, row.warnings, repeated=True
    )


async def _lock_and_number(connection: AsyncConnection, org: str) -> int:
    sequence = (await connection.execute(_LOCK_AND_NUMBER, {"org": org})).scalar_one_or_none()
    if sequence is None:
        # The organisation's first submission ever.
        await connection.execute(_NEW_ORGANISATION, {"org": org})
        sequence = (await connection.execute(_LOCK_AND_NUMBER, {"org": org})).scalar_one()
    return int(sequence)


async def _existing(connection: AsyncConnection, checked: Checked) -> Sequence[FigureKey]:
    withdrawals = checked.withdrawals
    if not withdrawals:
        return ()
    rows = await connection.execute(_EXISTING, {"org": checked.org} | _columns(withdrawals))
    return [(row.indicator, row.cluster, row.period) for row in rows]


def _event(accepted: Accepted, sent: Sent, checked: Checked, catalogue_version: int, traceparent: str | None) -> Wire:
    data = FiguresSubmitted(
        submission_id=accepted.submission_id,
        org=accepted.org,
        sequence=accepted.sequence,
        catalogue_version=catalogue_version,
        received_at=accepted.received_at,
        reported_by=sent.reported_by,
        key_id=sent.key_id,
        prepared_by=sent.prepared_by,
        approved_by=sent.approved_by,
        figures=tuple(_figure(figure) for figure in checked.figures),
    )
    wire = wrap(
        data, event_id=accepted.submission_id, source=SOURCE, time=accepted.received_at, traceparent=traceparent
    )
    require_size(wire)
    return wire


def require_size(wire: Wire) -> None:
    """See that Kafka will take a record.

    Raises:
        EventTooLarge: when it is larger than its topic admits.
    """
    headers = sum(len(name) + len(value) + 8 for name, value in wire.headers)
    size = len(wire.key) + len(wire.value) + headers + RECORD_OVERHEAD
    limit = all_topics()[wire.topic].max_message_bytes
    if size > limit:
        raise EventTooLarge(size, limit)


def _figure(figure: CheckedFigure) -> FigureSubmitted:
    return FigureSubmitted(
        indicator=figure.indicator,
        cluster=figure.cluster,
        period=figure.period,
        value=figure.value,
        status=figure.status,
        note=figure.note,
        justification=figure.justification,
        withdrawn=figure.withdrawn,
    )


async def _store(
    connection: AsyncConnection,
    accepted: Accepted,
    *,
    sent: Sent,
    checked: Checked,
    catalogue_version: int,
    wire: Wire,
) -> None:
    values: dict[str, Any] = {
        "id": UUID(accepted.submission_id),
        "sequence": accepted.sequence,
        "org": accepted.org,
        "reported_by": sent.reported_by,
        "key_id": sent.key_id,
        "prepared_by": sent.prepared_by,
        "approved_by": sent.approved_by,
        "received_at": accepted.received_at,
        "catalogue_version": catalogue_version,
        "figures": accepted.figures,
        "warnings": orjson.dumps(accepted.warnings).decode(),
        "media_type": sent.media_type,
        "body": sent.body,
        "idempotency_key": sent.idempotency_key,
        "digest": sent.digest,
        "current": current_figures(checked.figures, accepted.sequence, accepted.received_at),
        "topic": wire.topic,
        "record_key": wire.key,
        "record_value": wire.value,
        "headers": orjson.dumps({name: value.decode() for name, value in wire.headers}).decode(),
    }
    await connection.execute(_STORE, values)
    if checked.withdrawals:
        await connection.execute(_FORGET_FIGURES, {"org": accepted.org} | _columns(checked.withdrawals))


def _columns(keys: Iterable[FigureKey]) -> dict[str, str]:
    listed = list(keys)
    return {
        "indicators": array(key[0] for key in listed),
        "clusters": array(key[1] for key in listed),
        "periods": array(key[2] for key in listed),
    }


def current_figures(figures: Iterable[CheckedFigure], sequence: int, received_at: datetime) -> str:
    """The JSON document of figures that are to stand, one object per indicator and period."""
    moment = milliseconds_of(received_at)
    series: dict[tuple[str, str], tuple[dict[str, Any], dict[str, int]]] = {}
    for figure in figures:
        if figure.withdrawn:
            continue
        of_series = series.get((figure.indicator, figure.period))
        if of_series is None:
            of_series = series[figure.indicator, figure.period] = ({}, {})
        value = None if figure.value is None else format_decimal(figure.value)
        of_series[0][figure.cluster] = (value, figure.status.value, sequence)
        if value is not None:
            of_series[1][figure.cluster] = moment
    return orjson.dumps(
        [
            {"indicator": indicator, "period": period, "figures": standing, "since": since}
            for (indicator, period), (standing, since) in series.items()
        ]
    ).decode()


_FIRST_ANSWER = (
    "SELECT i.body_digest, s.submission_id, s.org, s.figures, s.sequence, s.received_at, s.warnings"
    " FROM idempotency i JOIN submission s USING (submission_id)"
    " WHERE i.reported_by = :reported_by AND i.idempotency_key = :key"
)
_REMEMBERED = text(_FIRST_ANSWER)
# The number is taken for the row that the lock has returned, hence after whoever held it before has committed.
_LOCK_AND_NUMBER = text(
    "WITH locked AS MATERIALIZED (SELECT org FROM organisation_lock WHERE org = :org FOR UPDATE)"
    " SELECT nextval('submission_sequence') FROM locked"
)
# The same, for whoever has the turn of a key that has no answer yet.
_BEGIN = text(
    "WITH turn AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0)) AS mine),"  # noqa: S608
    f" earlier AS MATERIALIZED ({_FIRST_ANSWER}),"
    " locked AS MATERIALIZED (SELECT org FROM organisation_lock WHERE org = :org AND (SELECT mine FROM turn)"
    " AND NOT EXISTS (SELECT FROM earlier) FOR UPDATE)"
    " SELECT turn.mine, (SELECT nextval('submission_sequence') FROM locked) AS number, earlier.*"
    " FROM turn LEFT JOIN earlier ON true"
)
_NEW_ORGANISATION = text("INSERT INTO organisation_lock (org) VALUES (:org) ON CONFLICT DO NOTHING")
_SENT_FIGURES = (
    "unnest(CAST(:indicators AS text[]), CAST(:periods AS text[]), CAST(:clusters AS text[]))"
    " AS sent (indicator, period, cluster)"
)
_EXISTING = text(
    f"SELECT sent.indicator, sent.cluster, sent.period FROM {_SENT_FIGURES}"  # noqa: S608 - a constant of ours
    " JOIN figure_current AS known ON known.org = :org AND known.indicator = sent.indicator"
    " AND known.period = sent.period AND jsonb_exists(known.figures, sent.cluster)"
)
# A new value replaces the old one, but not the moment since which there is one.
MAKE_CURRENT = (
    "INSERT INTO figure_current AS known (org, indicator, period, figures, since)"
    " SELECT :org, sent.indicator, sent.period, sent.figures, sent.since"
    " FROM jsonb_to_recordset(CAST(:current AS jsonb))"
    " AS sent (indicator text, period text, figures jsonb, since jsonb)"
    " ON CONFLICT (org, indicator, period) DO UPDATE"
    " SET figures = known.figures || excluded.figures, since = excluded.since || known.since"
)
_STORE = text(
    "WITH stored AS (INSERT INTO submission (submission_id, sequence, org, reported_by, key_id, prepared_by,"  # noqa: S608
    " approved_by, received_at, catalogue_version, figures, warnings, media_type, body)"
    " VALUES (:id, :sequence, :org, :reported_by, :key_id, :prepared_by, :approved_by, :received_at,"
    " :catalogue_version, :figures, CAST(:warnings AS jsonb), :media_type, :body)),"
    " remembered AS (INSERT INTO idempotency (reported_by, idempotency_key, body_digest, submission_id, remembered_at)"
    " SELECT :reported_by, CAST(:idempotency_key AS text), :digest, :id, :received_at"
    " WHERE CAST(:idempotency_key AS text) IS NOT NULL),"
    " told AS (INSERT INTO outbox (topic, key, value, headers, reference, created_at)"
    " VALUES (:topic, :record_key, :record_value, CAST(:headers AS jsonb), CAST(:id AS text), :received_at))"
    f" {MAKE_CURRENT}"
)
_FORGET_FIGURES = text(
    "UPDATE figure_current AS known"  # noqa: S608
    " SET figures = known.figures - gone.clusters, since = known.since - gone.clusters"
    " FROM (SELECT sent.indicator, sent.period, array_agg(sent.cluster) AS clusters"
    f" FROM {_SENT_FIGURES} GROUP BY sent.indicator, sent.period) AS gone"
    " WHERE known.org = :org AND known.indicator = gone.indicator AND known.period = gone.period"
)
