"""The consumer loop that loses and repeats nothing.

The database says where the consumer is: one row per (group, topic, partition) holds the next offset and moves in
the transaction of the effects. Kafka's own committed offsets are a hint for lag tools and nothing rests on them.

    1. poll; when the group's generation changed, forget which partitions are placed.
    2. on first sight of a partition, seek to its stored offset and leave this poll's records of it alone.
    3. decode outside the transaction; what cannot be decoded becomes a dead-letter row.
    4. one transaction for the poll: lock the position rows in order, drop records below them, apply the effects,
       write the dead letters, move the positions, commit.
    5. on a transient failure seek back, wait with jitter, repeat; past the limit end the process.
    6. commit to Kafka asynchronously.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Generic, Protocol, TypeVar

import orjson
import structlog
from kafka import KafkaAdminClient, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError
from prometheus_client import Counter, Gauge, Histogram
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from fourones_shared.database.engine import is_transient
from fourones_shared.errors import DeadLetter, Retry, Stop
from fourones_shared.events.envelope import Envelope, unwrap
from fourones_shared.kafka.topics import topic_identities

log = structlog.get_logger(__name__)

CONSUMED = Counter("fourones_consumer_records_total", "Records applied.", ["group", "topic"])
SKIPPED = Counter("fourones_consumer_duplicates_total", "Records dropped as already applied.", ["group", "topic"])
DEAD = Counter("fourones_dead_letters_total", "Records set aside.", ["group", "topic", "reason"])
LAG = Gauge("fourones_consumer_lag_records", "Records not yet applied.", ["group", "topic", "partition"])
BATCH = Histogram(
    "fourones_consumer_batch_seconds",
    "Time of one transaction.",
    ["group"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)

# The broker answers as soon as there is anything; this bounds how long it may hold an empty fetch.
FETCH_MAX_WAIT_MS = 100
POLL_TIMEOUT_MS = 100
# Trials end well before the group would evict the member (max_poll_interval_ms, 300 s).
RETRY_FOR_S = 60.0
# A held-back partition is looked at again this often; a catalogue version travels in milliseconds.
HOLD_S = 0.1
STALE_POLL_S = 30.0

Decoded = TypeVar("Decoded")


@dataclass(frozen=True, slots=True)
class Received(Generic[Decoded]):
    """An event taken from a topic: where it lay, its envelope, and its decoded data."""

    topic: str
    partition: int
    offset: int
    envelope: Envelope
    data: Decoded


class Handler(Protocol[Decoded]):
    """What a service does with events. Kafka does not enter it."""

    def decode(self, envelope: Envelope) -> Decoded:
        """Read an event's data.

        Raises:
            DeadLetter: when it can never be applied.
        """
        ...

    def ready_for(self, data: Decoded) -> bool:
        """Whether it can be applied now; if not, its partition waits (a catalogue version on its way)."""
        ...

    def apply(self, connection: Connection, events: Sequence[Received[Decoded]]) -> None:
        """Write the effects of the events, in order, into the open transaction."""
        ...


@dataclass(slots=True)
class _Place:
    next_offset: int
    caught_up_at: int
    held_until: float = 0.0


@dataclass(slots=True)
class _Batch(Generic[Decoded]):
    events: list[Received[Decoded]] = field(default_factory=list)
    dead: list[tuple[str, int, object, DeadLetter]] = field(default_factory=list)
    reach: dict[TopicPartition, int] = field(default_factory=dict)
    first: dict[TopicPartition, int] = field(default_factory=dict)


class ConsumerLoop(Generic[Decoded]):
    """Applies topics to a database until told to stop.

    Args:
        group: consumer group, without the topic prefix.
        topics: logical topic names.
        handler: what to do with the events.
        dead_letter_limit: so many dead letters in one run end the process: that is no stray message but a breach.
        after_commit: called after each commit that applied something, to wake who waits for it.
    """

    def __init__(
        self,
        *,
        group: str,
        topics: Sequence[str],
        handler: Handler[Decoded],
        engine: Engine,
        bootstrap: str,
        topic_prefix: str = "",
        max_records: int = 200,
        dead_letter_limit: int = 1000,
        after_commit: Callable[[], None] | None = None,
    ) -> None:
        self._group = topic_prefix + group
        self._topics = [topic_prefix + topic for topic in topics]
        self._prefix = topic_prefix
        self._handler = handler
        self._engine = engine
        self._bootstrap = bootstrap
        self._max_records = max_records
        self._dead_letter_limit = dead_letter_limit
        self._after_commit = after_commit
        self._dead_letters = 0
        self._last_poll = 0.0
        self._placed: dict[TopicPartition, _Place] = {}
        self._joined = False
        self._identity: tuple[str, dict[str, str]] = ("", {})

    def is_ready(self) -> bool:
        """Whether it has read up to where its partitions ended when it got them, and polled recently."""
        return (
            self._joined
            and time.monotonic() - self._last_poll < STALE_POLL_S
            and all(place.next_offset >= place.caught_up_at for place in list(self._placed.values()))
        )

    def run(self, stop: threading.Event) -> None:
        """Consume until `stop` is set.

        Raises:
            Stop: when going on would lose or double something.
            Retry: when the database or the broker stayed away longer than the limit.
        """
        consumer = self._connect(stop)
        if consumer is None:
            return
        try:
            generation = None
            while not stop.is_set():
                records = consumer.poll(timeout_ms=POLL_TIMEOUT_MS, max_records=self._max_records)
                self._last_poll = time.monotonic()
                now = consumer.group_metadata().generation_id
                if now != generation:
                    generation = now
                    self._placed.clear()
                    self._joined = False
                fresh = self._place_new(consumer, stop)
                batch = self._decode(consumer, {tp: r for tp, r in records.items() if tp not in fresh})
                if batch.reach:
                    self._apply_with_retries(consumer, batch, stop)
                self._release(consumer)
                self._report_lag(consumer)
        finally:
            consumer.close(autocommit=False, timeout_ms=5_000)

    # -- beginning ---------------------------------------------------------------------------------------------

    def _connect(self, stop: threading.Event) -> KafkaConsumer | None:
        failures = 0
        while not stop.is_set():
            try:
                with closing(KafkaAdminClient(bootstrap_servers=self._bootstrap)) as admin:
                    self._identity = topic_identities(admin, self._topics)
                consumer = KafkaConsumer(
                    bootstrap_servers=self._bootstrap,
                    client_id=self._group,
                    group_id=self._group,
                    enable_auto_commit=False,
                    auto_offset_reset="earliest",
                    isolation_level="read_committed",
                    allow_auto_create_topics=False,
                    fetch_max_wait_ms=FETCH_MAX_WAIT_MS,
                    max_partition_fetch_bytes=8 * 1024 * 1024,
                    reconnect_backoff_max_ms=1_000,
                )
                consumer.subscribe(self._topics)
            except (KafkaError, Retry) as error:
                failures += 1
                pause = min(5.0, 0.2 * 2 ** min(failures, 5))
                log.warning("broker is away", group=self._group, error=str(error), retry_in_s=pause)
                stop.wait(pause)
            else:
                return consumer
        return None

    def _place_new(self, consumer: KafkaConsumer, stop: threading.Event) -> set[TopicPartition]:
        assigned = consumer.assignment()
        new = {tp for tp in assigned if tp not in self._placed}
        if new:
            stored = self._retried(lambda: self._stored_positions(sorted(new)), stop)
            if stored is None:
                return new
            ends = consumer.end_offsets(list(new))
            for tp, offset in stored.items():
                consumer.seek(tp, offset)
                self._placed[tp] = _Place(offset, ends[tp])
                LAG.labels(self._group, tp.topic, str(tp.partition)).set(max(0, ends[tp] - offset))
        if assigned or consumer.group_metadata().generation_id > 0:
            self._joined = True
        return new

    def _stored_positions(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        cluster, topics = self._identity
        positions: dict[TopicPartition, int] = {}
        with self._engine.begin() as connection:
            for tp in partitions:
                key = {"g": self._group, "t": tp.topic, "p": tp.partition}
                row = connection.execute(_READ_POSITION, key).one_or_none()
                if row is None:
                    connection.execute(_NEW_POSITION, key | {"c": cluster, "i": topics[tp.topic]})
                    positions[tp] = 0
                    continue
                if (row.cluster_id, row.topic_id) != (cluster, topics[tp.topic]):
                    raise Stop(
                        f"{tp.topic} is not the topic that {self._group} has read before (it was recreated, or the "
                        "broker is another one): its stored position would skip records. Restore the topic, or "
                        "delete its rows in consumer_position to read the new one from its beginning"
                    )
                positions[tp] = row.next_offset
        return positions

    # -- one batch ---------------------------------------------------------------------------------------------

    def _decode(self, consumer: KafkaConsumer, records: dict[TopicPartition, list[object]]) -> _Batch[Decoded]:
        batch: _Batch[Decoded] = _Batch()
        for tp in sorted(records):
            batch.first[tp] = records[tp][0].offset  # type: ignore[attr-defined]
            for record in records[tp]:
                offset: int = record.offset  # type: ignore[attr-defined]
                try:
                    envelope = unwrap(record.value, record.headers)  # type: ignore[attr-defined]
                    data = self._handler.decode(envelope)
                except DeadLetter as refusal:
                    batch.dead.append((tp.topic, tp.partition, record, refusal))
                else:
                    if not self._handler.ready_for(data):
                        self._hold(consumer, tp, offset)
                        break
                    batch.events.append(Received(tp.topic, tp.partition, offset, envelope, data))
                batch.reach[tp] = offset + 1
        return batch

    def _hold(self, consumer: KafkaConsumer, tp: TopicPartition, offset: int) -> None:
        consumer.pause(tp)
        consumer.seek(tp, offset)
        self._placed[tp].held_until = time.monotonic() + HOLD_S

    def _release(self, consumer: KafkaConsumer) -> None:
        now = time.monotonic()
        for tp in consumer.paused():
            place = self._placed.get(tp)
            if place is None or place.held_until <= now:
                consumer.resume(tp)

    def _apply_with_retries(self, consumer: KafkaConsumer, batch: _Batch[Decoded], stop: threading.Event) -> None:
        def apply() -> bool:
            self._apply(batch)
            return True

        if self._retried(apply, stop) is None:
            # Stopped while the database was away: nothing was committed, the next run begins here again.
            return
        hints = {}
        for tp, offset in batch.reach.items():
            self._placed[tp].next_offset = offset
            hints[tp] = OffsetAndMetadata(offset, "", -1)
        consumer.commit_async(hints, callback=_ignore)
        if batch.events and self._after_commit is not None:
            self._after_commit()

    def _apply(self, batch: _Batch[Decoded]) -> None:
        started = time.perf_counter()
        with self._engine.begin() as connection:
            positions = self._lock_positions(connection, batch)
            events = [e for e in batch.events if e.offset >= positions[e.topic, e.partition]]
            dead = [d for d in batch.dead if d[2].offset >= positions[d[0], d[1]]]  # type: ignore[attr-defined]
            if events:
                self._handler.apply(connection, events)
            for topic, partition, record, refusal in dead:
                _write_dead_letter(connection, topic, partition, record, refusal)
            for tp, reach in batch.reach.items():
                if reach > positions[tp.topic, tp.partition]:
                    connection.execute(_MOVE_POSITION, {"g": self._group, "t": tp.topic, "p": tp.partition, "o": reach})
        self._count(batch, events, dead)
        BATCH.labels(self._group).observe(time.perf_counter() - started)

    def _lock_positions(self, connection: Connection, batch: _Batch[Decoded]) -> dict[tuple[str, int], int]:
        # Always in the same order, so that two workers in the moment of a rebalance wait instead of deadlocking.
        positions = {}
        for tp in sorted(batch.reach):
            row = connection.execute(_LOCK_POSITION, {"g": self._group, "t": tp.topic, "p": tp.partition}).one()
            positions[tp.topic, tp.partition] = row.next_offset
        return positions

    def _count(self, batch: _Batch[Decoded], events: Sequence[Received[Decoded]], dead: Sequence[object]) -> None:
        for event in events:
            CONSUMED.labels(self._group, event.topic).inc()
        for dropped in set(map(id, batch.events)) - set(map(id, events)):
            topic = next(e.topic for e in batch.events if id(e) == dropped)
            SKIPPED.labels(self._group, topic).inc()
        for topic, _, _, refusal in batch.dead if dead else ():
            DEAD.labels(self._group, topic, refusal.reason).inc()
            log.error("dead letter", topic=topic, reason=refusal.reason, detail=refusal.detail)
        self._dead_letters += len(dead)
        if self._dead_letters > self._dead_letter_limit:
            raise Stop(f"more than {self._dead_letter_limit} dead letters in {self._group}: look before going on")

    def _report_lag(self, consumer: KafkaConsumer) -> None:
        for tp, place in self._placed.items():
            end = consumer.highwater(tp)
            if end is not None:
                LAG.labels(self._group, tp.topic, str(tp.partition)).set(max(0, end - place.next_offset))

    def _retried(self, work: Callable[[], Result], stop: threading.Event) -> Result | None:
        deadline = time.monotonic() + RETRY_FOR_S
        attempt = 0
        while True:
            try:
                return work()
            except (DBAPIError, Retry) as error:
                if isinstance(error, DBAPIError) and not is_transient(error):
                    raise
                attempt += 1
                pause = min(2.0, 0.05 * 2 ** min(attempt, 6)) * random.uniform(0.5, 1.0)  # noqa: S311
                if time.monotonic() + pause > deadline:
                    raise Retry(f"{self._group} gave up after {RETRY_FOR_S:.0f} s: {error}") from error
                log.warning("batch repeated", group=self._group, error=str(error).splitlines()[0], attempt=attempt)
                self._last_poll = time.monotonic()
                if stop.wait(pause):
                    return None


Result = TypeVar("Result")


def _ignore(*_: object) -> None:
    """Kafka's copy of the position is only a hint."""


def _write_dead_letter(connection: Connection, topic: str, partition: int, record: object, refusal: DeadLetter) -> None:
    headers = {k: v.decode("utf-8", "replace") for k, v in record.headers}  # type: ignore[attr-defined]
    connection.execute(
        _DEAD_LETTER,
        {
            "t": topic,
            "p": partition,
            "o": record.offset,  # type: ignore[attr-defined]
            "k": record.key,  # type: ignore[attr-defined]
            "v": record.value,  # type: ignore[attr-defined]
            "h": orjson.dumps(headers).decode(),
            "r": refusal.reason,
            "d": refusal.detail,
            "n": datetime.now(UTC),
        },
    )


_READ_POSITION = text(
    "SELECT next_offset, cluster_id, topic_id FROM consumer_position"
    " WHERE consumer_group = :g AND topic = :t AND partition = :p"
)
_NEW_POSITION = text(
    "INSERT INTO consumer_position (consumer_group, topic, partition, next_offset, cluster_id, topic_id)"
    " VALUES (:g, :t, :p, 0, :c, :i) ON CONFLICT DO NOTHING"
)
_LOCK_POSITION = text(
    "SELECT next_offset FROM consumer_position WHERE consumer_group = :g AND topic = :t AND partition = :p FOR UPDATE"
)
_MOVE_POSITION = text(
    "UPDATE consumer_position SET next_offset = :o WHERE consumer_group = :g AND topic = :t AND partition = :p"
)
_DEAD_LETTER = text(
    "INSERT INTO dead_letter (topic, partition, record_offset, key, value, headers, reason, detail, recorded_at)"
    " VALUES (:t, :p, :o, :k, :v, CAST(:h AS jsonb), :r, :d, :n)"
)
