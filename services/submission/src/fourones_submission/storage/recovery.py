"""Putting back what a restored database lacks and the topics still hold. Every function may run again and again.

The transactions lock as accepting does: organisations first, in one order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import orjson
import structlog
from sqlalchemy import Connection, text

from fourones_shared.domain.clock import Clock
from fourones_shared.events.envelope import wrap
from fourones_shared.events.model import AccessGranted, CataloguePublished, FiguresSubmitted
from fourones_shared.kafka.outbox_table import enqueue
from fourones_shared.reference import store_catalogue, store_key
from fourones_submission.domain.known import Series
from fourones_submission.domain.replaying import Standing, replay
from fourones_submission.storage.acceptance import SOURCE
from fourones_submission.storage.figures import milliseconds_of

log = structlog.get_logger(__name__)

Data = TypeVar("Data", AccessGranted, CataloguePublished)

# What a receipt that was put back has for its content: the event, since the submission as it was sent is lost.
MEDIA_TYPE = f"application/vnd.{FiguresSubmitted.TYPE}+json"


@dataclass(frozen=True, slots=True)
class Told:
    """An accepted submission as its event tells it; `published_at` None while it waits in the outbox."""

    data: FiguresSubmitted
    value: bytes
    published_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PutBack:
    """How many receipts were missing, and how many figures have changed."""

    receipts: int = 0
    figures: int = 0

    def __add__(self, other: PutBack) -> PutBack:
        return PutBack(self.receipts + other.receipts, self.figures + other.figures)


@dataclass(frozen=True, slots=True)
class ToldKey:
    """A key's record as its topic has it."""

    record: AccessGranted
    published_at: datetime


@dataclass(frozen=True, slots=True)
class _Unsent(Generic[Data]):
    """An event that waits in the outbox."""

    outbox_id: int
    data: Data
    created_at: datetime


def put_back_submissions(connection: Connection, told: Sequence[Told]) -> PutBack:
    """Put back the receipts that are missing, and what their figures change; in the order of their topic."""
    orgs = sorted({one.data.org for one in told})
    connection.execute(_NEW_ORGANISATIONS, {"orgs": orgs})
    connection.execute(_LOCK, {"orgs": orgs})
    ids = [UUID(one.data.submission_id) for one in told]
    known = set(connection.execute(_KNOWN, {"ids": ids}).scalars())
    missing = {one.data.submission_id: one for one in told if UUID(one.data.submission_id) not in known}
    if missing:
        connection.execute(_RECEIPT, [_receipt(one) for one in missing.values()])
    return PutBack(len(missing), _put_back_figures(connection, told, missing))


def _put_back_figures(connection: Connection, told: Sequence[Told], missing: Mapping[str, Told]) -> int:
    changed: dict[Series, Standing] = {}
    standing = _standing(connection, told)
    count = 0
    for one in told:
        by_series = defaultdict(list)
        for figure in one.data.figures:
            by_series[Series(one.data.org, figure.indicator, figure.period)].append(figure)
        for series, figures in by_series.items():
            since = dict(standing[series].since)
            moved = replay(
                standing[series],
                figures,
                sequence=one.data.sequence,
                received_ms=milliseconds_of(one.data.received_at),
                missing=one.data.submission_id in missing,
            )
            count += moved
            if moved or standing[series].since != since:
                changed[series] = standing[series]
    if changed:
        rows = [
            {"org": s.org, "indicator": s.indicator, "period": s.period, "figures": f.figures, "since": f.since}
            for s, f in changed.items()
        ]
        connection.execute(_PUT_FIGURES, {"rows": orjson.dumps(rows).decode()})
    return count


def _standing(connection: Connection, told: Sequence[Told]) -> dict[Series, Standing]:
    wanted = sorted({Series(one.data.org, f.indicator, f.period) for one in told for f in one.data.figures})
    found: dict[Series, Standing] = {series: Standing() for series in wanted}
    values = {
        "orgs": [series.org for series in wanted],
        "indicators": [series.indicator for series in wanted],
        "periods": [series.period for series in wanted],
    }
    for row in connection.execute(_STANDING, values):
        found[Series(row.org, row.indicator, row.period)] = Standing(row.figures, row.since)
    return found


def _receipt(one: Told) -> dict[str, Any]:
    data = one.data
    return {
        "id": UUID(data.submission_id),
        "sequence": data.sequence,
        "org": data.org,
        "reported_by": data.reported_by,
        "key_id": data.key_id,
        "prepared_by": data.prepared_by,
        "approved_by": data.approved_by,
        "received_at": data.received_at,
        "catalogue_version": data.catalogue_version,
        "figures": len(data.figures),
        "media_type": MEDIA_TYPE,
        "body": one.value,
        "published_at": one.published_at,
    }


# -- reference data ----------------------------------------------------------------------------------------------


def put_back_keys(connection: Connection, newest: Iterable[ToldKey], clock: Clock) -> int:
    """Put back key records that the topic has and the database does not.

    A decision about a key that was taken since the restore, in ignorance of what the topic has, was given a version
    that everybody else has seen already: it is told anew under the next one. A revocation stands on either side.

    Args:
        connection: in a transaction; nobody else sends from the outbox.
        newest: the last record of each key on the topic.
        clock: for the moment of what is told anew.
    """
    unsent: dict[str, list[_Unsent[AccessGranted]]] = defaultdict(list)
    for waiting in _unsent(connection, AccessGranted):
        unsent[waiting.data.key_id].append(waiting)
    return sum(_put_back_key(connection, told, unsent[told.record.key_id], clock) for told in newest)


def _put_back_key(
    connection: Connection, told: ToldKey, unsent: Sequence[_Unsent[AccessGranted]], clock: Clock
) -> bool:
    newest = told.record
    row = connection.execute(_LOCK_KEY, {"key_id": newest.key_id}).mappings().one_or_none()
    known = AccessGranted.model_validate(dict(row)) if row is not None else None
    if known is not None and _is_known(newest, known, [waiting.data for waiting in unsent]):
        return False
    # What waited already when the backup was made has been told long ago.
    since = [waiting for waiting in unsent if waiting.created_at > told.published_at]
    if known is None or not since:
        store_key(connection, newest)
        return True
    revoked = [moment for moment in (known.revoked_at, newest.revoked_at) if moment is not None]
    version = max(known.version, newest.version) + 1
    mended = known.model_copy(update={"version": version, "revoked_at": min(revoked, default=None)})
    store_key(connection, mended)
    connection.execute(_FORGET, {"ids": [waiting.outbox_id for waiting in since]})
    event_id = f"{mended.key_id}:{mended.version}"
    enqueue(connection, [wrap(mended, event_id=event_id, source=SOURCE, time=clock.now())])
    log.warning("key decided on since the restore is told anew", key_id=mended.key_id, version=version)
    return True


def _is_known(newest: AccessGranted, known: AccessGranted, unsent: Iterable[AccessGranted]) -> bool:
    """Whether the database has a topic's record, be it that a later one has come after it."""
    if known.version < newest.version:
        return False
    if known.version == newest.version:
        return known == newest
    return all(record == newest for record in unsent if record.version == newest.version)


def put_back_catalogues(connection: Connection, unknown: Sequence[CataloguePublished], clock: Clock) -> int:
    """Put back catalogue versions, in order, and see that the one in force is the newest of all.

    What was put in force since the restore, under a number that the topic has for another content, is told anew
    under the next one, and stays in force.

    Args:
        connection: in a transaction; nobody else sends from the outbox.
        unknown: the versions of the topic that the database does not have with that content.
        clock: for the moment of what is told anew.
    """
    if not unknown:
        return 0
    connection.execute(_FIRST_IN_FORCE)
    connection.execute(_HOLD_CATALOGUE)
    first, highest = unknown[0].version, max(published.version for published in unknown)
    own = [waiting for waiting in _unsent(connection, CataloguePublished) if waiting.data.version >= first]
    if own:
        connection.execute(_FORGET, {"ids": [waiting.outbox_id for waiting in own]})
        connection.execute(_FORGET_VERSIONS, {"first": first})
        connection.execute(_STEP_BACK, {"version": first - 1})
    for published in unknown:
        store_catalogue(connection, published)
    moved = {waiting.data.version: number for number, waiting in enumerate(own, start=highest + 1)}
    for published in (waiting.data for waiting in own):
        anew = published.model_copy(update={"version": moved[published.version]})
        store_catalogue(connection, anew)
        enqueue(connection, [wrap(anew, event_id=f"catalogue:{anew.version}", source=SOURCE, time=clock.now())])
        log.warning(
            "catalogue put in force since the restore is told anew", version=anew.version, was=published.version
        )
    if moved:
        _say_checked_under(connection, moved)
    return len(unknown)


def _say_checked_under(connection: Connection, moved: Mapping[int, int]) -> None:
    """Have what was accepted since the restore name the catalogue that it was checked under by its new number."""
    at = 0
    while rows := connection.execute(_WAITING_FIGURES, {"after": at, "limit": 200}).all():
        for row in rows:
            document = orjson.loads(bytes(row.value))
            version = moved.get(document["catalogue_version"])
            if version is not None:
                document["catalogue_version"] = version
                connection.execute(_REWRITE, {"id": row.outbox_id, "value": orjson.dumps(document)})
                connection.execute(_CHECKED_UNDER, {"id": row.reference, "version": version})
        at = rows[-1].outbox_id


def _unsent(connection: Connection, kind: type[Data]) -> list[_Unsent[Data]]:
    """The events of a kind that wait in the outbox, in order."""
    rows = connection.execute(_UNSENT, {"topic": kind.TOPIC})
    return [_Unsent(row.outbox_id, kind.model_validate_json(bytes(row.value)), row.created_at) for row in rows]


_NEW_ORGANISATIONS = text(
    "INSERT INTO organisation_lock (org) SELECT unnest(CAST(:orgs AS text[])) ON CONFLICT DO NOTHING"
)
_LOCK = text("SELECT FROM organisation_lock WHERE org = ANY (CAST(:orgs AS text[])) ORDER BY org FOR UPDATE")
_KNOWN = text("SELECT submission_id FROM submission WHERE submission_id = ANY (CAST(:ids AS uuid[]))")
_RECEIPT = text(
    "INSERT INTO submission (submission_id, sequence, org, reported_by, key_id, prepared_by, approved_by, received_at,"
    " catalogue_version, figures, warnings, media_type, body, published_at)"
    " VALUES (:id, :sequence, :org, :reported_by, :key_id, :prepared_by, :approved_by, :received_at,"
    " :catalogue_version, :figures, '[]', :media_type, :body, :published_at)"
)
_STANDING = text(
    "SELECT org, indicator, period, figures, since FROM figure_current JOIN unnest(CAST(:orgs AS text[]),"
    " CAST(:indicators AS text[]), CAST(:periods AS text[])) AS wanted (org, indicator, period)"
    " USING (org, indicator, period)"
)
_PUT_FIGURES = text(
    "INSERT INTO figure_current (org, indicator, period, figures, since)"
    " SELECT org, indicator, period, figures, since FROM jsonb_to_recordset(CAST(:rows AS jsonb))"
    " AS changed (org text, indicator text, period text, figures jsonb, since jsonb)"
    " ON CONFLICT (org, indicator, period) DO UPDATE SET figures = excluded.figures, since = excluded.since"
)
_LOCK_KEY = text(
    "SELECT key_id, version, key_hash, role, org, indicators, clusters, issued_at, expires_at, revoked_at, label"
    " FROM access_key WHERE key_id = :key_id FOR UPDATE"
)
_UNSENT = text(
    "SELECT outbox_id, value, created_at FROM outbox WHERE topic = :topic AND set_aside IS NULL ORDER BY outbox_id"
)
_FORGET = text("DELETE FROM outbox WHERE outbox_id = ANY (CAST(:ids AS bigint[]))")
_FIRST_IN_FORCE = text("INSERT INTO catalogue_in_force (singleton, version) VALUES (true, 0) ON CONFLICT DO NOTHING")
_HOLD_CATALOGUE = text("SELECT FROM catalogue_in_force FOR UPDATE")
_FORGET_VERSIONS = text("DELETE FROM catalogue_version WHERE version >= :first")
_STEP_BACK = text("UPDATE catalogue_in_force SET version = :version")
_WAITING_FIGURES = text(
    "SELECT outbox_id, reference, value FROM outbox WHERE topic = 'figures-submitted' AND reference IS NOT NULL"
    " AND outbox_id > :after ORDER BY outbox_id LIMIT :limit"
)
_REWRITE = text("UPDATE outbox SET value = :value WHERE outbox_id = :id")
_CHECKED_UNDER = text("UPDATE submission SET catalogue_version = :version WHERE submission_id = CAST(:id AS uuid)")
