"""What the relay sees to before it sends anything: that the database is not older than the topics.

A database restored from an older backup does not know what was published after it was made. Wherever the topics hold
what it has never heard of, what it decides from now on must come after that:

    1. keys and catalogue versions of the topics are put back; what was decided in ignorance of them is told anew
       under higher versions.
    2. the sequence of submissions is raised above the highest that the database has never accepted, and what waits in
       the outbox with a lower number is given a new one.

The relay's records are in the order of its rounds, and what a round has sent is marked as published in one transaction.
So everything that lies before a known record of a partition is known, too, and looking from the end back to the first
known one is enough: at an ordinary start that is the last record, after a crash a round, after a restore whatever came
since the backup.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import structlog
from pydantic import BaseModel, ValidationError
from sqlalchemy import Connection, text

from fourones_shared.domain.clock import Clock
from fourones_shared.errors import DeadLetter
from fourones_shared.events.envelope import data_of, unwrap
from fourones_shared.events.model import AccessGranted, CataloguePublished, FiguresSubmitted
from fourones_shared.kafka.connection import Kafka
from fourones_shared.kafka.reading import Reach, TopicReader, topic_reader
from fourones_submission.metrics import RENUMBERED, SEQUENCE_RAISED, UNKNOWN_SUBMISSIONS
from fourones_submission.storage import numbering
from fourones_submission.storage.outbox import SubmissionOutbox
from fourones_submission.storage.recovery import ToldKey, put_back_catalogues, put_back_keys

log = structlog.get_logger(__name__)

# Offsets to look at from the end of a partition, twice as many each time; marks of transactions count.
FIRST_LOOK = 64
LONGEST_LOOK = 16_384

Read = TypeVar("Read")


class _Numbered(BaseModel):
    """Of a submission's event, what its place in the order takes."""

    submission_id: UUID
    sequence: int


@dataclass(slots=True)
class _Tail:
    """What the ends of the topic hold that the database does not know as published.

    Attributes:
        accepted: submissions that it has accepted.
        unknown: how many it has never accepted.
        highest: the highest number of those.
    """

    accepted: set[str] = field(default_factory=set)
    unknown: int = 0
    highest: int = 0


class AfterRestore:
    """Looks, and puts right; does nothing on a database that lacks nothing. Harmless to repeat.

    Args:
        relay: the relay's name, under which whoever has looked tells so.
    """

    def __init__(
        self, *, bootstrap: Kafka, topic_prefix: str, relay: str, outbox: SubmissionOutbox, clock: Clock
    ) -> None:
        self._bootstrap = bootstrap
        self._prefix = topic_prefix
        self._lock = f"relay:{topic_prefix}{relay}"
        self._outbox = outbox
        self._clock = clock

    def look(self, connection: Connection, stop: threading.Event) -> None:
        """Look on behalf of the relay that holds its lock with this connection; it goes on being known as looked.

        Raises:
            Retry, KafkaError: when the broker is away.
            DBAPIError: when the database is.
        """
        with topic_reader(self._bootstrap, self._prefix) as reader:
            self._reference_data(connection, reader, stop)
            tail = self._tail(connection, reader, stop)
        if stop.is_set():
            return
        self._put_right(connection, tail)
        with connection.begin():
            connection.execute(_LOOKED, {"name": f"{self._lock}:looked"})

    def look_unless_the_relay_has(self, connection: Connection, stop: threading.Event) -> bool:
        """For whoever needs to know that it has been looked, beside a relay that may run.

        Returns:
            False when a relay leads that has not looked yet: ask again.
        """
        with connection.begin():
            leads = connection.execute(_LEAD, {"name": self._lock}).scalar_one()
        if leads:
            try:
                self.look(connection, stop)
            finally:
                with connection.begin():
                    connection.execute(_RELEASE)
            return not stop.is_set()
        with connection.begin():
            not_looked = connection.execute(_NOT_LOOKED, {"name": f"{self._lock}:looked"}).scalar_one()
        return not not_looked

    # -- reference data ------------------------------------------------------------------------------------------

    def _reference_data(self, connection: Connection, reader: TopicReader, stop: threading.Event) -> None:
        newest = self._newest_keys(reader)
        catalogues = self._unknown_catalogues(connection, reader, stop)
        if stop.is_set():
            return
        with connection.begin():
            keys = put_back_keys(connection, newest, self._clock)
            versions = put_back_catalogues(connection, catalogues, self._clock)
        if keys or versions:
            log.warning("put back from the topics what the database lacked", keys=keys, catalogue_versions=versions)

    def _newest_keys(self, reader: TopicReader) -> list[ToldKey]:
        # Compaction leaves no order to rely on, but a topic that is as small as the number of keys.
        newest: dict[str, ToldKey] = {}
        for partition, reach in reader.reaches(AccessGranted.TOPIC).items():
            for records in reader.stretch(AccessGranted.TOPIC, partition, reach.begin, reach.end):
                for told in _readable(records, _key):
                    known = newest.get(told.record.key_id)
                    if known is None or known.record.version < told.record.version:
                        newest[told.record.key_id] = told
        return list(newest.values())

    def _unknown_catalogues(
        self, connection: Connection, reader: TopicReader, stop: threading.Event
    ) -> list[CataloguePublished]:
        unknown: dict[int, CataloguePublished] = {}
        for partition, reach in reader.reaches(CataloguePublished.TOPIC).items():
            for chunk in _backwards(reader, CataloguePublished.TOPIC, partition, reach, read=_catalogue, stop=stop):
                with connection.begin():
                    known = {(row.version, row.digest) for row in connection.execute(_VERSIONS)}
                lacking = [one for one in chunk if (one.version, one.digest) not in known]
                unknown.update((one.version, one) for one in reversed(lacking))
                if len(lacking) < len(chunk):
                    break
        return [unknown[version] for version in sorted(unknown)]

    # -- submissions ---------------------------------------------------------------------------------------------

    def _tail(self, connection: Connection, reader: TopicReader, stop: threading.Event) -> _Tail:
        tail = _Tail()
        for partition, reach in reader.reaches(FiguresSubmitted.TOPIC).items():
            for chunk in _backwards(reader, FiguresSubmitted.TOPIC, partition, reach, read=_numbered, stop=stop):
                with connection.begin():
                    published = numbering.published(connection, [str(one.submission_id) for one in chunk])
                last_known = max(
                    (n for n, one in enumerate(chunk) if published.get(str(one.submission_id))), default=-1
                )
                for one in chunk[last_known + 1 :]:
                    if str(one.submission_id) in published:
                        tail.accepted.add(str(one.submission_id))
                    else:
                        tail.unknown += 1
                        tail.highest = max(tail.highest, one.sequence)
                if last_known >= 0:
                    break
        return tail

    def _put_right(self, connection: Connection, tail: _Tail) -> None:
        UNKNOWN_SUBMISSIONS.set(tail.unknown)
        if tail.accepted:
            with connection.begin():
                self._outbox.found_in_kafka(connection, tail.accepted)
        if not tail.unknown:
            return
        with connection.begin():
            raised = numbering.raise_above(connection, tail.highest)
        if raised.to is not None:
            SEQUENCE_RAISED.inc()
        RENUMBERED.inc(raised.renumbered)
        log.warning(
            "the topic holds submissions that this database has never accepted: it is older than the topic;"
            " `fourones-submission recover` puts them back",
            unknown=tail.unknown,
            highest_sequence=tail.highest,
            raised_to=raised.to,
            renumbered=raised.renumbered,
        )


def _backwards(
    reader: TopicReader,
    topic: str,
    partition: int,
    reach: Reach,
    *,
    read: Callable[[Any], Read],
    stop: threading.Event,
) -> Iterator[list[Read]]:
    """A partition's readable records from its end on back to its beginning, a growing stretch at a time."""
    end, look = reach.end, FIRST_LOOK
    while end > reach.begin and not stop.is_set():
        begin = max(reach.begin, end - look)
        yield [one for records in reader.stretch(topic, partition, begin, end) for one in _readable(records, read)]
        end, look = begin, min(2 * look, LONGEST_LOOK)


def _readable(records: list[Any], read: Callable[[Any], Read]) -> Iterator[Read]:
    for record in records:
        try:
            yield read(record)
        except (DeadLetter, ValidationError) as error:
            # Nobody else can apply it either; their dead letters tell.
            log.warning("a record that is no event of ours", topic=record.topic, offset=record.offset, error=str(error))


def _numbered(record: Any) -> _Numbered:
    return _Numbered.model_validate_json(record.value or b"")


def _catalogue(record: Any) -> CataloguePublished:
    return data_of(unwrap(record.value, record.headers), CataloguePublished)


def _key(record: Any) -> ToldKey:
    granted = data_of(unwrap(record.value, record.headers), AccessGranted)
    return ToldKey(granted, datetime.fromtimestamp(record.timestamp / 1000, UTC))


_VERSIONS = text("SELECT version, digest FROM catalogue_version")
# Both last as long as the connection: whoever loses the one has lost the other, too.
_LOOKED = text("SELECT pg_advisory_lock(hashtextextended(:name, 0))")
_NOT_LOOKED = text(
    "SELECT CASE WHEN pg_try_advisory_lock_shared(lock) THEN pg_advisory_unlock_shared(lock) ELSE false END"
    " FROM hashtextextended(:name, 0) AS lock"
)
_LEAD = text("SELECT pg_try_advisory_lock(hashtextextended(:name, 0))")
_RELEASE = text("SELECT pg_advisory_unlock_all()")
