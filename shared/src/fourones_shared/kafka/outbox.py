"""The relay: carries what an outbox holds to Kafka, in order, and takes a row away once Kafka has it.

One relay at a time works on an outbox: it holds a PostgreSQL advisory lock, and its producer has a fixed
`transactional.id`, so that one that lost the lock without noticing is fenced by its successor. A crash between
Kafka's commit and the row's deletion sends the row again; receivers drop what they have.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError
from kafka.partitioner import murmur2
from prometheus_client import Counter, Gauge
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from fourones_shared.database.engine import is_transient
from fourones_shared.topics import all_topics

log = structlog.get_logger(__name__)

PUBLISHED = Counter("fourones_outbox_published_total", "Events acknowledged by Kafka.", ["topic"])
SET_ASIDE = Counter("fourones_outbox_set_aside_total", "Outbox rows that can never be sent.", ["topic"])
DEPTH = Gauge("fourones_outbox_depth", "Rows waiting to be sent to Kafka.")
OLDEST = Gauge("fourones_outbox_oldest_seconds", "Age of the oldest row waiting to be sent.")

# Small enough that a row waits little for its turn, large enough that a transaction's commit is shared.
TAKE_AT_MOST = 500
# With work about, the next look is soon; without, it costs a thousandth of a core.
POLL_BUSY_S = 0.005
POLL_IDLE_S = 0.05
# Kafka coordinates a transaction's end in well under a second; a minute covers a broker's restart.
TRANSACTION_TIMEOUT_MS = 60_000
MAX_BLOCK_MS = 15_000


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


class OutboxStore(Protocol):
    """Where events wait. All three run in a transaction of the relay's."""

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
    """Runs until told to stop, through outages of broker and database."""

    def __init__(
        self,
        *,
        name: str,
        engine: Engine,
        store: OutboxStore,
        bootstrap: str,
        topic_prefix: str = "",
        wake: threading.Event | None = None,
        on_fatal: Callable[[BaseException], None] | None = None,
    ) -> None:
        self._name = topic_prefix + name
        self._engine = engine
        self._store = store
        self._bootstrap = bootstrap
        self._prefix = topic_prefix
        self._wake = wake or threading.Event()
        self._on_fatal = on_fatal
        self._partitions = {topic.physical(topic_prefix): topic.partitions for topic in all_topics().values()}

    def run(self, stop: threading.Event) -> None:
        """Carry events until `stop` is set."""
        failures = 0
        while not stop.is_set():
            try:
                self._lead(stop)
                failures = 0
            except (KafkaError, DBAPIError) as error:
                if isinstance(error, DBAPIError) and not is_transient(error):
                    raise
                failures += 1
                pause = min(5.0, 0.1 * 2 ** min(failures, 6)) * random.uniform(0.5, 1.0)  # noqa: S311
                log.warning("relay interrupted", relay=self._name, error=str(error), retry_in_s=round(pause, 2))
                stop.wait(pause)

    def _lead(self, stop: threading.Event) -> None:
        # A connection of its own holds the lock for as long as this relay leads: the lock goes with the connection.
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as leader:
            while not stop.is_set():
                if leader.execute(_TRY_LOCK, {"name": f"relay:{self._name}"}).scalar_one():
                    break
                stop.wait(0.5)
            else:
                return
            producer = self._producer()
            try:
                while not stop.is_set():
                    leader.execute(text("SELECT 1"))
                    if not self._carry(producer):
                        self._wake.wait(POLL_IDLE_S)
                        self._wake.clear()
                    else:
                        stop.wait(POLL_BUSY_S)
            finally:
                producer.close(timeout=5)
                leader.execute(_UNLOCK, {"name": f"relay:{self._name}"})

    def _producer(self) -> KafkaProducer:
        producer = KafkaProducer(
            bootstrap_servers=self._bootstrap,
            client_id=self._name,
            transactional_id=self._name,
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
            enable_idempotence=True,
            acks="all",
            linger_ms=0,
            max_block_ms=MAX_BLOCK_MS,
            max_request_size=max(topic.max_message_bytes for topic in all_topics().values()),
        )
        producer.init_transactions()
        return producer

    def _carry(self, producer: KafkaProducer) -> bool:
        with self._engine.begin() as connection:
            messages = self._store.take(connection, TAKE_AT_MOST)
        if not messages:
            return False
        refused = self._send(producer, messages)
        with self._engine.begin() as connection:
            if refused is None:
                self._store.sent(connection, messages)
            else:
                message, reason = refused
                log.error("event set aside", topic=message.topic, reference=message.reference, reason=reason)
                SET_ASIDE.labels(message.topic).inc()
                self._store.set_aside(connection, message, reason)
        if refused is None:
            for message in messages:
                PUBLISHED.labels(message.topic).inc()
        return True

    def _send(self, producer: KafkaProducer, messages: Sequence[OutboxMessage]) -> tuple[OutboxMessage, str] | None:
        # On any other error the caller closes this producer; its successor's init_transactions aborts what it left.
        producer.begin_transaction()
        futures = [(message, self._produce(producer, message)) for message in messages]
        producer.flush(timeout=MAX_BLOCK_MS / 1000)
        for message, future in futures:
            try:
                future.get(timeout=MAX_BLOCK_MS / 1000)
            except MessageSizeTooLargeError as error:
                producer.abort_transaction()
                return message, str(error)
        producer.commit_transaction()
        return None

    def _produce(self, producer: KafkaProducer, message: OutboxMessage):  # type: ignore[no-untyped-def]
        topic = self._prefix + message.topic
        by = message.partition_by if message.partition_by is not None else message.key
        return producer.send(
            topic,
            value=message.value,
            key=message.key,
            headers=message.headers,
            partition=partition_for(by, self._partitions[topic]),
        )


def partition_for(key: bytes, partitions: int) -> int:
    """The partition that Kafka's default partitioner gives the key (murmur2, as in the Java client)."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


_TRY_LOCK = text("SELECT pg_try_advisory_lock(hashtextextended(:name, 0))")
_UNLOCK = text("SELECT pg_advisory_unlock(hashtextextended(:name, 0))")
