"""The relay: carries what an outbox holds to Kafka, in order, and takes a row away once Kafka has it.

One relay at a time works on an outbox. It holds a PostgreSQL advisory lock on the very connection that it works
with, so that losing the lock and losing the work are the same thing; and its producer has a fixed
`transactional.id`, so that one that has lost the lock without noticing is fenced by its successor. A crash between
Kafka's commit and the row's deletion sends the row again, with the same event id; receivers drop what they have.

    1. a database transaction: forget what the last round sent.
    2. another one: take the oldest rows.
    3. a Kafka transaction: send them, wait for every acknowledgement, commit.
    4. a row that Kafka will never take aborts the round and is set aside; the others go in the next round.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError
from kafka.partitioner import murmur2
from prometheus_client import Counter, Gauge
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from fourones_shared.database.engine import is_transient
from fourones_shared.errors import Retry
from fourones_shared.kafka.connection import Kafka, client_options
from fourones_shared.kafka.pace import rest_s
from fourones_shared.kafka.traced import Sending, sending
from fourones_shared.topics import all_topics

log = structlog.get_logger(__name__)

PUBLISHED = Counter("fourones_outbox_published_total", "Events acknowledged by Kafka.", ["topic"])
SET_ASIDE = Counter("fourones_outbox_set_aside_total", "Outbox rows that can never be sent.", ["topic"])
DEPTH = Gauge("fourones_outbox_depth", "Rows waiting to be sent to Kafka; counted up to 10,000.")
OLDEST = Gauge("fourones_outbox_oldest_seconds", "Age of the oldest row waiting to be sent.")
ASIDE = Gauge("fourones_outbox_set_aside_rows", "Rows that lie set aside and need a person.")

# Small enough that a row waits little for its turn, large enough that a transaction's commit is shared.
TAKE_AT_MOST = 500
# With work about, the next round begins this much after the last, or later (see `pace`). Without, a look costs a
# thousandth of a core.
PACE_S = 0.03
POLL_IDLE_S = 0.05
# How often a relay that does not lead asks whether it may.
STANDBY_S = 0.5
MEASURE_EVERY_S = 1.0
# A transaction of a relay that died blocks readers of committed records until its successor begins, or this ends it.
TRANSACTION_TIMEOUT_MS = 60_000
# A stop is heard after this at the latest, when the broker is away at the start.
BOOTSTRAP_TIMEOUT_MS = 5_000
MAX_BLOCK_MS = 15_000
# The coordinator answers "concurrent transactions" while it still writes the last one's markers, a few milliseconds;
# the default of 100 would be the slowest step of a figure's way.
RETRY_BACKOFF_MS = 5
# One submission of 5,000 figures must fit; many small ones share a request.
BATCH_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """One event to be sent. `outbox_id` and `reference` are the store's own; the relay hands them back."""

    outbox_id: int
    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]
    reference: str | None = None
    partition_by: bytes | None = None


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in an outbox: rows (counted up to a bound), age of the oldest in seconds, rows set aside."""

    rows: int
    oldest_s: float
    set_aside: int


class OutboxStore(Protocol):
    """Where events wait. Each runs in a transaction of the relay's."""

    def take(self, connection: Connection, limit: int) -> Sequence[OutboxMessage]:
        """The oldest messages that may be sent, in the order in which they must be."""
        ...

    def sent(self, connection: Connection, messages: Sequence[OutboxMessage]) -> None:
        """Kafka has them: forget them."""
        ...

    def set_aside(self, connection: Connection, message: OutboxMessage, reason: str) -> None:
        """This one can never be sent: keep it apart, with the reason."""
        ...


class Relay:
    """Runs until told to stop, through outages of broker and database.

    Args:
        name: the outbox's name; with the prefix it is the lock's name and the `transactional.id`.
        wake: set by whoever has just written a row, for one who shares the process and will not wait.
        on_fatal: told of an error that ends the relay, before it is raised.
        measure: counts what waits, about once a second, for the outbox's gauges.
        pace_s: the least time from one round to the next.
        idle_s: how often it looks while nothing waits and nobody wakes it.
        prepare: called each time the relay becomes the one, before it takes anything, with the connection that holds
            its lock; whatever a predecessor has sent is committed or gone by then.
    """

    def __init__(
        self,
        *,
        name: str,
        engine: Engine,
        store: OutboxStore,
        bootstrap: Kafka,
        topic_prefix: str = "",
        wake: threading.Event | None = None,
        on_fatal: Callable[[BaseException], None] | None = None,
        measure: Callable[[Connection], Backlog] | None = None,
        pace_s: float = PACE_S,
        idle_s: float = POLL_IDLE_S,
        prepare: Callable[[Connection, threading.Event], None] | None = None,
    ) -> None:
        self._name = topic_prefix + name
        self._engine = engine
        self._store = store
        self._bootstrap = bootstrap
        self._prefix = topic_prefix
        self._wake = wake or threading.Event()
        self._on_fatal = on_fatal
        self._measure = measure
        self._pace_s = pace_s
        self._idle_s = idle_s
        self._prepare = prepare
        self._partitions = {topic.name: topic.partitions for topic in all_topics().values()}
        self._leads = False
        self._measured_at = 0.0

    @property
    def leads(self) -> bool:
        """Whether it is the one that carries events at present."""
        return self._leads

    def run(self, stop: threading.Event) -> None:
        """Carry events until `stop` is set.

        Raises:
            DBAPIError: when the database refuses the store's statements for good.
        """
        failures = 0
        while not stop.is_set():
            began = time.monotonic()
            try:
                self._lead(stop)
            except (KafkaError, DBAPIError, Retry) as error:
                if isinstance(error, DBAPIError) and not is_transient(error):
                    if self._on_fatal is not None:
                        self._on_fatal(error)
                    raise
                # A minute without trouble makes the next trouble a first one.
                failures = 1 if time.monotonic() - began > 60 else failures + 1
                pause = min(5.0, 0.1 * 2 ** min(failures, 6)) * random.uniform(0.5, 1.0)  # noqa: S311
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                log.warning("relay interrupted", relay=self._name, error=reason, retry_in_s=round(pause, 2))
                stop.wait(pause)

    def _lead(self, stop: threading.Event) -> None:
        with self._engine.connect() as leader:
            # Out of the pool: closing it really closes it, and the lock goes with it whatever has happened.
            leader.detach()
            if not self._wait_for_lock(leader, stop):
                return
            producer = self._producer()
            self._leads = True
            try:
                if self._prepare is not None:
                    self._prepare(leader, stop)
                self._carry_on(leader, producer, stop)
            finally:
                self._leads = False
                _close(producer)

    def _wait_for_lock(self, leader: Connection, stop: threading.Event) -> bool:
        while not stop.is_set():
            with leader.begin():
                if leader.execute(_TRY_LOCK, {"name": f"relay:{self._name}"}).scalar_one():
                    return True
            stop.wait(STANDBY_S)
        return False

    def _producer(self) -> KafkaProducer:
        producer = KafkaProducer(
            **client_options(self._bootstrap),
            client_id=self._name,
            transactional_id=self._name,
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
            enable_idempotence=True,
            acks="all",
            linger_ms=0,
            retry_backoff_ms=RETRY_BACKOFF_MS,
            batch_size=BATCH_BYTES,
            bootstrap_timeout_ms=BOOTSTRAP_TIMEOUT_MS,
            max_block_ms=MAX_BLOCK_MS,
            reconnect_backoff_max_ms=1_000,
            # One rule for all topics; the broker holds each topic to its own limit.
            max_request_size=max(topic.max_message_bytes for topic in all_topics().values()),
        )
        try:
            producer.init_transactions()
        except BaseException:
            _close(producer)
            raise
        return producer

    def _carry_on(self, leader: Connection, producer: KafkaProducer, stop: threading.Event) -> None:
        sent: Sequence[OutboxMessage] = ()
        while not (stop.is_set() and not sent):
            began = time.monotonic()
            if sent:
                # By itself: whoever adds to what is forgotten here would wait until the next are taken.
                with leader.begin():
                    self._store.sent(leader, sent)
            with leader.begin():
                # When told to stop it still forgets what it has sent, and takes nothing more.
                messages = () if stop.is_set() else self._store.take(leader, TAKE_AT_MOST)
                self._report(leader)
            sent = ()
            if messages:
                refused = self._send(producer, messages)
                if refused is None:
                    sent = messages
                else:
                    with leader.begin():
                        self._set_aside(leader, *refused)
                worked_s = time.monotonic() - began
                stop.wait(rest_s(worked_s=worked_s, records=len(messages), least_s=self._pace_s))
            elif not stop.is_set():
                self._wake.wait(self._idle_s)
                self._wake.clear()

    def _send(self, producer: KafkaProducer, messages: Sequence[OutboxMessage]) -> tuple[OutboxMessage, str] | None:
        with sending(messages, self._prefix) as spans:
            refused = self._send_in(spans, producer, messages)
            if refused is not None:
                spans.fail("aborted")
            return refused

    def _send_in(
        self, spans: Sending, producer: KafkaProducer, messages: Sequence[OutboxMessage]
    ) -> tuple[OutboxMessage, str] | None:
        # On any other error the caller closes this producer; its successor's init_transactions aborts what it left.
        producer.begin_transaction()
        futures = []
        for message in messages:
            if message.topic not in self._partitions:
                _end(producer, commit=False)
                return message, f"there is no topic {message.topic}"
            try:
                futures.append((message, self._produce(producer, message, spans.headers(message))))
            except MessageSizeTooLargeError as error:
                _end(producer, commit=False)
                return message, str(error)
        producer.flush(timeout=MAX_BLOCK_MS / 1000)
        for message, future in futures:
            try:
                future.get(timeout=MAX_BLOCK_MS / 1000)
            except MessageSizeTooLargeError as error:
                _end(producer, commit=False)
                return message, str(error)
        _end(producer, commit=True)
        for message in messages:
            PUBLISHED.labels(message.topic).inc()
        return None

    def _produce(  # type: ignore[no-untyped-def]
        self, producer: KafkaProducer, message: OutboxMessage, headers: list[tuple[str, bytes]]
    ):
        by = message.partition_by if message.partition_by is not None else message.key
        return producer.send(
            self._prefix + message.topic,
            value=message.value,
            key=message.key,
            headers=headers,
            partition=partition_for(by, self._partitions[message.topic]),
        )

    def _set_aside(self, leader: Connection, message: OutboxMessage, reason: str) -> None:
        log.error("event set aside", topic=message.topic, reference=message.reference, reason=reason)
        SET_ASIDE.labels(message.topic).inc()
        self._store.set_aside(leader, message, reason)

    def _report(self, leader: Connection) -> None:
        if self._measure is None or time.monotonic() - self._measured_at < MEASURE_EVERY_S:
            return
        self._measured_at = time.monotonic()
        backlog = self._measure(leader)
        DEPTH.set(backlog.rows)
        OLDEST.set(backlog.oldest_s)
        ASIDE.set(backlog.set_aside)


def partition_for(key: bytes, partitions: int) -> int:
    """The partition that Kafka's default partitioner gives the key (murmur2, as in the Java client)."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


def _end(producer: KafkaProducer, *, commit: bool) -> None:
    # The producer's own methods wait for ever: if its I/O thread hung, nothing would be sent until somebody looked.
    # Whether it was committed is not known then; the rows go again, and receivers drop what they have.
    transaction = producer._transaction_manager  # noqa: SLF001
    result = transaction.begin_commit() if commit else transaction.begin_abort()
    producer._sender.wakeup()  # noqa: SLF001
    if not result.wait(timeout_ms=MAX_BLOCK_MS):
        raise KafkaTimeoutError(f"no end of the transaction within {MAX_BLOCK_MS} ms")


def _close(producer: KafkaProducer) -> None:
    # With the broker away closing runs into its timeout; the I/O thread must end all the same.
    try:
        producer.close(timeout=1)
    except KafkaError:
        producer._sender.force_close()  # noqa: SLF001


_TRY_LOCK = text("SELECT pg_try_advisory_lock(hashtextextended(:name, 0))")
