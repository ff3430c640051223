"""A poll's records and their one transaction: effects, dead letters and positions together, or nothing."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import structlog
from kafka import TopicPartition
from prometheus_client import Counter, Histogram
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DataError, DBAPIError

from fourones_shared.database.engine import is_transient
from fourones_shared.errors import DeadLetter, Retry, Stop
from fourones_shared.events.envelope import Envelope, unwrap
from fourones_shared.kafka.positions import Positions, write_dead_letter

log = structlog.get_logger(__name__)

CONSUMED = Counter("fourones_consumer_records_total", "Records applied.", ["group", "topic"])
SKIPPED = Counter("fourones_consumer_duplicates_total", "Records dropped as already applied.", ["group", "topic"])
DEAD = Counter("fourones_dead_letters_total", "Records set aside.", ["group", "topic", "reason"])
BATCH = Histogram(
    "fourones_consumer_batch_seconds",
    "Time of one transaction.",
    ["group"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)

# Trials end well before the group would evict the member (max_poll_interval_ms, 300 s).
RETRY_FOR_S = 60.0

Decoded = TypeVar("Decoded")
Result = TypeVar("Result")


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
        """Write the effects of the events, in order, into the open transaction.

        Raises:
            DeadLetter: when one of them can never be applied; they are then applied one by one to find it.
            Retry: when the same may succeed later.
        """
        ...


@dataclass(frozen=True, slots=True)
class Taken(Generic[Decoded]):
    """One record: its event, or why it is none."""

    record: Any
    event: Received[Decoded] | None
    refusal: DeadLetter | None = None

    @property
    def partition(self) -> TopicPartition:
        """Where it lay."""
        return TopicPartition(self.record.topic, self.record.partition)


@dataclass(slots=True)
class Outcome:
    """What became of records: the topics of those applied and of those dropped, and the dead letters."""

    applied: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    dead: list[tuple[str, DeadLetter]] = field(default_factory=list)

    def add(self, other: Outcome) -> None:
        """Take in the outcome of further records."""
        self.applied += other.applied
        self.duplicates += other.duplicates
        self.dead += other.dead


class Batches(Generic[Decoded]):
    """Decodes and applies the records of one group.

    Args:
        dead_letter_limit: so many dead letters in one run end the process: that is no stray message but a breach.
    """

    def __init__(
        self, positions: Positions, handler: Handler[Decoded], engine: Engine, *, dead_letter_limit: int
    ) -> None:
        self._positions = positions
        self._group = positions.group
        self._handler = handler
        self._engine = engine
        self._dead_letter_limit = dead_letter_limit
        self._dead_letters = 0

    def decode(self, record: Any) -> Taken[Decoded]:
        """Read one record."""
        try:
            envelope = unwrap(record.value, record.headers)
            data = self._handler.decode(envelope)
        except DeadLetter as refusal:
            return Taken(record, None, refusal)
        return Taken(record, Received(record.topic, record.partition, record.offset, envelope, data))

    def apply(self, batch: Sequence[Taken[Decoded]], stop: threading.Event) -> Outcome | None:
        """Apply records, through outages of the database.

        Returns:
            What became of them; None when told to stop before it could be done, and then nothing is committed.

        Raises:
            Retry: when the database stayed away longer than the limit.
            Stop: past the limit of dead letters; those so far are committed.
        """
        try:
            outcome = retried(lambda: self._commit(batch), stop, self._group)
        except (DeadLetter, DataError):
            outcome = self._apply_one_by_one(batch, stop)
        if outcome is not None:
            self._count(outcome)
        return outcome

    def _commit(self, batch: Sequence[Taken[Decoded]]) -> Outcome:
        started = time.perf_counter()
        outcome = Outcome()
        reach = reach_of(batch)
        with self._engine.begin() as connection:
            positions = self._positions.locked(connection, reach)
            fresh = [one for one in batch if one.record.offset >= positions[one.partition]]
            outcome.duplicates += [one.record.topic for one in batch if one.record.offset < positions[one.partition]]
            events = [one.event for one in fresh if one.event is not None]
            if events:
                self._handler.apply(connection, events)
                outcome.applied += [event.topic for event in events]
            for one in fresh:
                if one.refusal is not None:
                    write_dead_letter(connection, one.record, one.refusal)
                    outcome.dead.append((one.record.topic, one.refusal))
            self._positions.move(connection, {tp: o for tp, o in reach.items() if o > positions[tp]})
        BATCH.labels(self._group).observe(time.perf_counter() - started)
        return outcome

    def _apply_one_by_one(self, batch: Sequence[Taken[Decoded]], stop: threading.Event) -> Outcome | None:
        whole = Outcome()
        for one in batch:
            outcome = self._apply_alone(one, stop)
            if outcome is None:
                return None
            whole.add(outcome)
        return whole

    def _apply_alone(self, one: Taken[Decoded], stop: threading.Event) -> Outcome | None:
        try:
            return retried(lambda: self._commit([one]), stop, self._group)
        except DeadLetter as error:
            refusal = error
        except DataError as error:
            refusal = DeadLetter("refused_by_database", first_line(error))
        refused: Taken[Decoded] = Taken(one.record, None, refusal)
        return retried(lambda: self._commit([refused]), stop, self._group)

    def _count(self, outcome: Outcome) -> None:
        for topic in outcome.applied:
            CONSUMED.labels(self._group, topic).inc()
        for topic in outcome.duplicates:
            SKIPPED.labels(self._group, topic).inc()
        for topic, refusal in outcome.dead:
            DEAD.labels(self._group, topic, refusal.reason).inc()
            log.error("dead letter", topic=topic, reason=refusal.reason, detail=refusal.detail)
        self._dead_letters += len(outcome.dead)
        if self._dead_letters > self._dead_letter_limit:
            raise Stop(f"more than {self._dead_letter_limit} dead letters in {self._group}: look before going on")


def reach_of(batch: Sequence[Taken[Any]]) -> dict[TopicPartition, int]:
    """The next offset of each partition once the records are applied."""
    return {one.partition: one.record.offset + 1 for one in batch}


def retried(work: Callable[[], Result], stop: threading.Event, what: str) -> Result | None:
    """The result of `work`, repeated while the database is away; None when told to stop meanwhile.

    Raises:
        Retry: when it is away longer than the limit.
    """
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
                raise Retry(f"{what} gave up after {RETRY_FOR_S:.0f} s: {first_line(error)}") from error
            log.warning("batch repeated", group=what, error=first_line(error), attempt=attempt)
            if stop.wait(pause):
                return None


def first_line(error: BaseException) -> str:
    """What an error says, in one line."""
    return (str(error).splitlines() or [""])[0] or type(error).__name__
