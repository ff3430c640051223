"""A poll's records and their one transaction: effects, dead letters and positions together, or nothing."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar

import structlog
from kafka import TopicPartition
from prometheus_client import Counter, Histogram
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from fourones_shared.database.engine import is_transient
from fourones_shared.dead_letters.keeping import Keeper, Kept, Refused
from fourones_shared.dead_letters.refusing import first_line, refusal_of
from fourones_shared.errors import DeadLetter, Retry
from fourones_shared.events.envelope import Envelope, unwrap
from fourones_shared.kafka.positions import Positions
from fourones_shared.kafka.traced import Message, header, processing
from fourones_shared.tracing import Spans, is_context

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

    def set_aside(self, connection: Connection, refused: Refused) -> None:
        """Tell whoever waits for the event that it is set aside, in the transaction that keeps it.

        It may be anything at all: only its bytes are sure. Told again when a replay fails once more.
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
    """What became of records.

    The topics of those applied and of those dropped; those set aside; and the next offset of each partition, which
    does not pass a record that waits because the limit of dead letters is reached.
    """

    applied: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    set_aside: list[Refused] = field(default_factory=list)
    reach: dict[TopicPartition, int] = field(default_factory=dict)
    waiting: dict[TopicPartition, Refused] = field(default_factory=dict)

    def add(self, other: Outcome) -> None:
        """Take in the outcome of further records."""
        self.applied += other.applied
        self.duplicates += other.duplicates
        self.set_aside += other.set_aside
        self.reach |= other.reach
        self.waiting |= other.waiting


class Batches(Generic[Decoded]):
    """Decodes and applies the records of one group.

    Args:
        dead_letter_limit: how many records may be set aside within an hour; then the next one waits where it is.
    """

    def __init__(
        self, positions: Positions, handler: Handler[Decoded], engine: Engine, *, dead_letter_limit: int
    ) -> None:
        self._positions = positions
        self._group = positions.group
        self._handler = handler
        self._engine = engine
        self._keeper = Keeper(positions.group, dead_letter_limit)

    def decode(self, record: Any) -> Taken[Decoded]:
        """Read one record."""
        try:
            envelope = unwrap(record.value, record.headers)
            data = self._handler.decode(envelope)
        except Exception as error:
            refusal = refusal_of(error)
            if refusal is None:
                raise
            return Taken(record, None, refusal)
        return Taken(record, Received(record.topic, record.partition, record.offset, envelope, data))

    def apply(self, batch: Sequence[Taken[Decoded]], stop: threading.Event) -> Outcome | None:
        """Apply records, through outages of the database.

        Returns:
            What became of them; None when told to stop before it could be done, and then nothing is committed.

        Raises:
            Retry: when the database stayed away longer than the limit.
        """
        messages = [_message_of(one) for one in batch]
        with processing(self._group, messages) as spans:
            onward = [_onward(one, message, spans) for one, message in zip(batch, messages, strict=True)]
            outcome = self._apply_all(onward, stop)
            if outcome is None:
                spans.fail("stopped")
                return None
            self._count(outcome)
            for refused in outcome.set_aside:
                spans.fail_one(refused.header("traceparent"), refused.refusal.reason)
        return outcome

    def _apply_all(self, batch: Sequence[Taken[Decoded]], stop: threading.Event) -> Outcome | None:
        try:
            return retried(lambda: self._commit(batch), stop, self._group)
        except Exception as error:
            if refusal_of(error) is None:
                raise
        return self._apply_one_by_one(batch, stop)

    def _commit(self, batch: Sequence[Taken[Decoded]]) -> Outcome:
        started = time.perf_counter()
        outcome = Outcome()
        with self._engine.begin() as connection:
            positions = self._positions.locked(connection, reach_of(batch))
            fresh = [one for one in batch if one.record.offset >= positions[one.partition]]
            # First, so that every transaction takes the locks of the dead letters before those of the effects.
            kept = self._set_aside(connection, fresh)
            outcome.set_aside = kept.set_aside
            outcome.waiting = {TopicPartition(*place): refused for place, refused in kept.waiting.items()}
            within = [one for one in batch if not _waits_behind(one, outcome.waiting)]
            outcome.duplicates = [one.record.topic for one in within if one.record.offset < positions[one.partition]]
            events = [
                one.event for one in within if one.event is not None and one.record.offset >= positions[one.partition]
            ]
            if events:
                self._handler.apply(connection, events)
                outcome.applied = [event.topic for event in events]
            outcome.reach = reach_of(within)
            self._positions.move(connection, {tp: o for tp, o in outcome.reach.items() if o > positions[tp]})
        BATCH.labels(self._group).observe(time.perf_counter() - started)
        return outcome

    def _set_aside(self, connection: Connection, fresh: Sequence[Taken[Decoded]]) -> Kept:
        kept = self._keeper.keep(connection, [refused_of(one) for one in fresh if one.refusal is not None])
        for refused in kept.set_aside:
            tell(self._handler, connection, refused)
        return kept

    def _apply_one_by_one(self, batch: Sequence[Taken[Decoded]], stop: threading.Event) -> Outcome | None:
        whole = Outcome()
        for one in batch:
            if one.partition in whole.waiting:
                continue
            outcome = self._apply_alone(one, stop)
            if outcome is None:
                return None
            whole.add(outcome)
        return whole

    def _apply_alone(self, one: Taken[Decoded], stop: threading.Event) -> Outcome | None:
        try:
            return retried(lambda: self._commit([one]), stop, self._group)
        except Exception as error:
            refusal = refusal_of(error)
            if refusal is None:
                raise
        refused: Taken[Decoded] = Taken(one.record, None, refusal)
        return retried(lambda: self._commit([refused]), stop, self._group)

    def _count(self, outcome: Outcome) -> None:
        for topic in outcome.applied:
            CONSUMED.labels(self._group, topic).inc()
        for topic in outcome.duplicates:
            SKIPPED.labels(self._group, topic).inc()
        for refused in outcome.set_aside:
            reason, place = refused.refusal.reason, f"{refused.topic}/{refused.partition}@{refused.offset}"
            DEAD.labels(self._group, refused.topic, reason).inc()
            log.error("dead letter", group=self._group, place=place, reason=reason, detail=refused.refusal.detail)


def _message_of(one: Taken[Any]) -> Message:
    record, event = one.record, one.event
    traceparent = header(record.headers, "traceparent") if event is None else event.envelope.traceparent
    return Message(
        record.topic,
        record.partition,
        record.offset,
        None if event is None else event.envelope.id,
        traceparent if is_context(traceparent) else None,
    )


def _onward(one: Taken[Decoded], message: Message, spans: Spans) -> Taken[Decoded]:
    """The same, with effects that belong to the span in which its trace goes on."""
    traceparent = spans.onward(message.traceparent)
    if one.event is None or traceparent == message.traceparent:
        return one
    return replace(one, event=replace(one.event, envelope=replace(one.event.envelope, traceparent=traceparent)))


def refused_of(one: Taken[Any]) -> Refused:
    """A record that cannot be applied, without Kafka's own types."""
    record = one.record
    if one.refusal is None:
        raise ValueError(f"{record.topic}/{record.partition}@{record.offset} was not refused")
    return Refused(
        record.topic, record.partition, record.offset, record.key, record.value, tuple(record.headers), one.refusal
    )


def tell(handler: Handler[Any], connection: Connection, refused: Refused) -> None:
    """Let the handler say that a record is set aside.

    What cannot be applied may not be tellable either; it is then kept all the same, and only not told.
    """
    try:
        with connection.begin_nested():
            handler.set_aside(connection, refused)
    except Exception as error:
        if refusal_of(error) is None:
            raise
        place = f"{refused.topic}/{refused.partition}@{refused.offset}"
        log.error("dead letter was not told", place=place, error=first_line(error))  # noqa: TRY400


def _waits_behind(one: Taken[Any], waiting: Mapping[TopicPartition, Refused]) -> bool:
    first = waiting.get(one.partition)
    return first is not None and one.record.offset >= first.offset


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
