"""The consumer loop that loses and repeats nothing.

The database says where the consumer is: one row per (group, topic, partition) holds the next offset and moves in
the transaction of the effects. Kafka's own committed offsets are a hint for lag tools and nothing rests on them.

    1. poll; when the group's generation changed, forget which partitions are placed.
    2. on first sight of a partition, seek to its stored offset and leave this poll's records of it alone.
    3. decode outside the transaction; what cannot be decoded becomes a dead-letter row.
    4. one transaction for the poll: lock the position rows in order, drop records below them, write the dead
       letters, apply the effects, move the positions, commit.
    5. an event that the database or the handler refuses for good is found by applying the poll's events one by
       one, and becomes a dead-letter row too.
    6. at the limit of dead letters the record stays where it is: its partition waits before it and tries it again
       every few seconds, alone; the others go on.
    7. on a transient failure wait with jitter and repeat the same transaction; past the limit end the process.
    8. commit to Kafka asynchronously.

A broker that is away is waited for; a consumer that the client gave up is made anew, which costs nothing but time.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Generic

import structlog
from kafka import KafkaAdminClient, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError
from kafka.structs import MemberState
from prometheus_client import Gauge
from sqlalchemy import Engine

from fourones_shared.dead_letters.keeping import Refused
from fourones_shared.dead_letters.refusing import first_line
from fourones_shared.errors import Retry, Stop
from fourones_shared.kafka.batches import Batches, Decoded, Handler, Received, Taken, retried
from fourones_shared.kafka.connection import Kafka, client_options
from fourones_shared.kafka.pace import rest_s
from fourones_shared.kafka.positions import Identity, Positions
from fourones_shared.kafka.topics import topic_identities

__all__ = ["ConsumerLoop", "Handler", "Received", "Refused"]

log = structlog.get_logger(__name__)

LAG = Gauge("fourones_consumer_lag_records", "Records not yet applied.", ["group", "topic", "partition"])
AT_LIMIT = Gauge(
    "fourones_dead_letter_limit_waiting_partitions",
    "Partitions of this process that wait before a record, since the limit of dead letters is reached.",
    ["group"],
)

# The broker answers as soon as there is anything; this bounds how long it may hold an empty fetch, and how long a
# partition that was held back waits for its turn.
FETCH_MAX_WAIT_MS = 300
# Ends at once when there are records; a stop is heard after this.
POLL_TIMEOUT_MS = 500
# What comes within this time of the last poll is applied together, at the least (see `pace`).
PACE_S = 0.03
# With a partition held back it is looked at again this often; a catalogue version travels in milliseconds.
HOLD_MS = 100
# At the limit of dead letters a person is waited for, who wants to see within seconds that the command has helped.
LIMIT_HOLD_MS = 2_000
# The largest record of any topic fits twice.
PARTITION_FETCH_BYTES = 8 * 1024 * 1024
# A worker that was killed is out of its group after this, and the others go on; heartbeats are the client's own
# thread, so that a long transaction does not count as dead.
SESSION_TIMEOUT_MS = 10_000
BOOTSTRAP_TIMEOUT_MS = 5_000
# kafka-python 3.0 can miss that its own joining has ended (the partitions changed while a poll ran out), and then is
# in no group for ever. A rebalance takes a second; a member that is unsettled for so long is made anew.
UNSETTLED_S = 15.0
STALE_POLL_S = 30.0
# Above the longest time between two polls that is no fault: a batch decoded and applied with all its trials. The
# client's poll has been seen to wait for ever on an idle I/O thread; nothing inside that thread can notice it.
STUCK_S = 240.0
REPORT_EVERY_S = 1.0


@dataclass(slots=True)
class _Place:
    """Where a partition is: everything below `next_offset` is applied."""

    next_offset: int
    caught_up_at: int
    held_until: float | None = None
    at_limit: bool = False


class ConsumerLoop(Generic[Decoded]):
    """Applies topics to a database until told to stop.

    Args:
        group: consumer group, without the topic prefix.
        topics: logical topic names.
        handler: what to do with the events.
        dead_letter_limit: how many records the group sets aside within an hour; at the limit partitions wait.
        after_commit: called after each commit that applied something, to wake who waits for it.
        pace_s: the least time from one poll that brought something to the next.
        stuck_after_s: so long without a poll means that the loop hangs, seconds.
    """

    def __init__(
        self,
        *,
        group: str,
        topics: Sequence[str],
        handler: Handler[Decoded],
        engine: Engine,
        bootstrap: Kafka,
        topic_prefix: str = "",
        max_records: int = 200,
        dead_letter_limit: int = 100,
        after_commit: Callable[[], None] | None = None,
        pace_s: float = PACE_S,
        stuck_after_s: float = STUCK_S,
    ) -> None:
        self._group = topic_prefix + group
        self._topics = [topic_prefix + topic for topic in topics]
        self._handler = handler
        self._engine = engine
        self._bootstrap = bootstrap
        self._max_records = max_records
        self._after_commit = after_commit
        self._pace_s = pace_s
        self._positions = Positions(self._group)
        self._batches = Batches(self._positions, handler, engine, dead_letter_limit=dead_letter_limit)
        AT_LIMIT.labels(self._group).set(0)
        self._stuck_after_s = stuck_after_s
        # Until it runs there is nothing to hear.
        self._heard_at = float("inf")
        self._last_poll = float("-inf")
        self._reported_at = float("-inf")
        self._placed: dict[TopicPartition, _Place] = {}
        self._joined = False
        self._identity = Identity("", {})

    def is_ready(self) -> bool:
        """Whether it has read up to where its partitions ended when it got them, polled recently, and none waits.

        Waiting for a catalogue does not count, which is soon over; waiting at the limit of dead letters does.
        """
        return (
            self._joined
            and time.monotonic() - self._last_poll < STALE_POLL_S
            and all(p.next_offset >= p.caught_up_at and not p.at_limit for p in list(self._placed.values()))
        )

    def run(self, stop: threading.Event) -> None:
        """Consume until `stop` is set.

        Raises:
            Stop: when going on would lose or double something.
            Retry: when the database stayed away longer than the limit.
        """
        failures = 0
        while not stop.is_set():
            began = self._heard_at = time.monotonic()
            try:
                self._consume(stop)
            except (KafkaError, _BrokerAway) as error:
                failures = 1 if time.monotonic() - began > 60 else failures + 1
                pause = min(5.0, 0.2 * 2 ** min(failures, 5)) * random.uniform(0.5, 1.0)  # noqa: S311
                log.warning("broker is away", group=self._group, error=first_line(error), retry_in_s=round(pause, 2))
                stop.wait(pause)
            finally:
                self._forget_places()

    def watch(self, stop: threading.Event) -> None:
        """Look from another thread whether `run` still goes round, until `stop` is set.

        Raises:
            Stop: when it hangs; only a new process helps.
        """
        while not stop.wait(min(5.0, self._stuck_after_s / 4)):
            silent_s = time.monotonic() - self._heard_at
            if silent_s > self._stuck_after_s:
                raise Stop(f"{self._group} has not polled for {silent_s:.0f} s")

    def _consume(self, stop: threading.Event) -> None:
        self._identity = self._look_up_identity()
        with self._subscribed() as consumer:
            generation = None
            settled_at = time.monotonic()
            while not stop.is_set():
                timeout_ms = HOLD_MS if consumer.paused() else POLL_TIMEOUT_MS
                records = consumer.poll(timeout_ms=timeout_ms, max_records=self._max_records)
                self._heard_at = self._last_poll = time.monotonic()
                group = consumer.group_metadata()
                if group.generation_id != generation:
                    generation = group.generation_id
                    self._forget_places()
                settled = group.state == MemberState.STABLE
                if settled:
                    settled_at = time.monotonic()
                elif time.monotonic() - settled_at > UNSETTLED_S:
                    raise _BrokerAway(f"no member of its group for {UNSETTLED_S:.0f} s")
                new = self._place_new(consumer, stop)
                # A member of a large group may be left without partitions, and is ready all the same.
                self._joined = settled and consumer.assignment() <= self._placed.keys()
                known = {tp: records[tp] for tp in sorted(records) if tp in self._placed and tp not in new}
                trials = {tp: taken[:1] for tp, taken in known.items() if self._placed[tp].at_limit}
                self._apply(consumer, self._decode(consumer, known, stop, without=trials), stop)
                for tp, first in trials.items():
                    self._try_again(consumer, tp, self._decode(consumer, {tp: first}, stop), stop)
                self._release(consumer)
                self._report(consumer)
                if known:
                    worked_s = time.monotonic() - self._last_poll
                    stop.wait(rest_s(worked_s=worked_s, records=sum(map(len, known.values())), least_s=self._pace_s))

    # -- beginning ---------------------------------------------------------------------------------------------

    def _look_up_identity(self) -> Identity:
        try:
            with closing(
                KafkaAdminClient(**client_options(self._bootstrap), bootstrap_timeout_ms=BOOTSTRAP_TIMEOUT_MS)
            ) as admin:
                return Identity(*topic_identities(admin, self._topics))
        except Retry as error:
            raise _BrokerAway(str(error)) from error

    @contextmanager
    def _subscribed(self) -> Iterator[KafkaConsumer]:
        consumer = KafkaConsumer(
            **client_options(self._bootstrap),
            bootstrap_timeout_ms=BOOTSTRAP_TIMEOUT_MS,
            client_id=self._group,
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            allow_auto_create_topics=False,
            fetch_max_wait_ms=FETCH_MAX_WAIT_MS,
            max_partition_fetch_bytes=PARTITION_FETCH_BYTES,
            session_timeout_ms=SESSION_TIMEOUT_MS,
            reconnect_backoff_max_ms=1_000,
        )
        try:
            for topic in self._topics:
                # A member that leads its group before it knows the partitions would give out none of them.
                consumer.partitions_for_topic(topic)
            consumer.subscribe(self._topics)
            yield consumer
        finally:
            consumer.close(autocommit=False, timeout_ms=2_000)

    def _place_new(self, consumer: KafkaConsumer, stop: threading.Event) -> set[TopicPartition]:
        assigned = consumer.assignment()
        new = {tp for tp in assigned if tp not in self._placed}
        if new:
            # A topic that was recreated brings its members together anew, and the stored positions are not its own.
            self._check_identity(consumer)
            stored = retried(lambda: self._stored(new), stop, self._group)
            if stored is None:
                return new
            begins, ends = consumer.beginning_offsets(list(new)), consumer.end_offsets(list(new))
            for tp, offset in stored.items():
                self._check_reach(tp, offset, begins[tp], ends[tp])
                consumer.seek(tp, offset)
                self._placed[tp] = _Place(offset, ends[tp])
                LAG.labels(self._group, tp.topic, str(tp.partition)).set(ends[tp] - offset)
        return new

    def _stored(self, partitions: set[TopicPartition]) -> dict[TopicPartition, int]:
        with self._engine.begin() as connection:
            return self._positions.stored(connection, partitions, self._identity)

    def _check_reach(self, tp: TopicPartition, offset: int, begin: int, end: int) -> None:
        if offset > end:
            raise Stop(
                f"{tp.topic}/{tp.partition} ends at {end}, but {self._group} has read up to {offset}: the topic has "
                "lost records. Restore it; or delete its rows in consumer_position to read it from its beginning"
            )
        if 0 < offset < begin:
            raise Stop(
                f"{tp.topic}/{tp.partition} begins at {begin}, but {self._group} has read only up to {offset}: what "
                "lay between was deleted unread. Rebuild from another source, then set the position by hand"
            )

    def _forget_places(self) -> None:
        for tp in self._placed:
            LAG.remove(self._group, tp.topic, str(tp.partition))
        self._placed = {}
        self._joined = False
        AT_LIMIT.labels(self._group).set(0)

    # -- one batch ---------------------------------------------------------------------------------------------

    def _decode(
        self,
        consumer: KafkaConsumer,
        records: Mapping[TopicPartition, list[Any]],
        stop: threading.Event,
        *,
        without: Container[TopicPartition] = (),
    ) -> list[Taken[Decoded]]:
        batch: list[Taken[Decoded]] = []
        for tp, taken in records.items():
            if tp in without:
                continue
            if taken[0].offset < self._placed[tp].next_offset:
                # The client began the partition anew on its own: look at the topic's identity again.
                raise _BrokerAway(f"{tp.topic}/{tp.partition} went back to {taken[0].offset}")
            for record in taken:
                one = self._batches.decode(record)
                if one.event is not None and not self._ready_for(one.event.data, stop):
                    self._hold(consumer, tp, record.offset, HOLD_MS)
                    break
                batch.append(one)
        return batch

    def _ready_for(self, data: Decoded, stop: threading.Event) -> bool | None:
        # The answer may lie in the database, which may be away.
        return retried(lambda: self._handler.ready_for(data), stop, self._group)

    def _hold(self, consumer: KafkaConsumer, tp: TopicPartition, offset: int, for_ms: int) -> None:
        consumer.pause(tp)
        consumer.seek(tp, offset)
        self._placed[tp].held_until = time.monotonic() + for_ms / 1000

    def _release(self, consumer: KafkaConsumer) -> None:
        now = time.monotonic()
        for tp in consumer.paused():
            place = self._placed.get(tp)
            if place is None or place.held_until is None or place.held_until <= now:
                consumer.resume(tp)
                if place is not None:
                    place.held_until = None

    def _apply(self, consumer: KafkaConsumer, batch: list[Taken[Decoded]], stop: threading.Event) -> None:
        outcome = self._batches.apply(batch, stop) if batch else None
        if outcome is None:
            return
        for tp, offset in outcome.reach.items():
            self._placed[tp].next_offset = offset
        for tp, refused in outcome.waiting.items():
            self._wait_at_limit(consumer, tp, refused)
        if outcome.reach:
            reach = {tp: OffsetAndMetadata(offset, "", -1) for tp, offset in outcome.reach.items()}
            consumer.commit_async(reach, callback=_ignore)
        if (outcome.applied or outcome.set_aside) and self._after_commit is not None:
            self._after_commit()

    def _wait_at_limit(self, consumer: KafkaConsumer, tp: TopicPartition, refused: Refused) -> None:
        self._hold(consumer, tp, refused.offset, LIMIT_HOLD_MS)
        if not self._placed[tp].at_limit:
            self._placed[tp].at_limit = True
            log.error(
                "limit of dead letters reached: the partition waits; look at `deadletters list`, then replay, discard"
                " or allow",
                group=self._group,
                place=f"{tp.topic}/{tp.partition}@{refused.offset}",
                reason=refused.refusal.reason,
                detail=refused.refusal.detail,
            )
        self._count_waiting()

    def _try_again(
        self, consumer: KafkaConsumer, tp: TopicPartition, first: list[Taken[Decoded]], stop: threading.Event
    ) -> None:
        # Alone, so that the records of other partitions are not applied one by one because of it every few seconds.
        place = self._placed[tp]
        before = place.next_offset
        self._apply(consumer, first, stop)
        if not first or place.next_offset > before:
            place.at_limit = False
            self._count_waiting()
            log.info("the partition goes on", group=self._group, place=f"{tp.topic}/{tp.partition}@{place.next_offset}")
        if first and place.next_offset > before:
            # The poll took records behind it too, which were left alone.
            consumer.seek(tp, place.next_offset)

    def _count_waiting(self) -> None:
        AT_LIMIT.labels(self._group).set(sum(place.at_limit for place in self._placed.values()))

    def _report(self, consumer: KafkaConsumer) -> None:
        behind = any(place.next_offset < place.caught_up_at for place in self._placed.values())
        due = time.monotonic() - self._reported_at >= REPORT_EVERY_S
        if not behind and not due:
            return
        for tp, place in self._placed.items():
            # Past the last record lie the marks of transactions; the client has read over them.
            place.next_offset = max(place.next_offset, consumer.position(tp, timeout_ms=0) or 0)
        if due:
            self._reported_at = time.monotonic()
            for tp, place in self._placed.items():
                end = consumer.highwater(tp) or place.caught_up_at
                LAG.labels(self._group, tp.topic, str(tp.partition)).set(max(0, end - place.next_offset))
            self._check_identity(consumer)

    def _check_identity(self, consumer: KafkaConsumer) -> None:
        for topic, known in self._identity.topics.items():
            seen = consumer._client.cluster.topic_id(topic)  # noqa: SLF001 - no public way short of an admin client
            if seen is not None and str(seen) != known:
                raise _BrokerAway(f"{topic} has another id than at the start")


class _BrokerAway(Exception):
    """The consumer must be made anew."""


def _ignore(*_: object) -> None:
    """Kafka's copy of the position is only a hint."""
