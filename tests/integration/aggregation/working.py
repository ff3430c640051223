"""Workers of one consumer group over a log of submissions, without Kafka: positions, batches, and how they end.

A `Worker` is what a process has in memory; the log and the stored positions outlive it. Batches run through the real
loop's transaction (`fourones_shared.kafka.batches`), which skips what a partition's stored position has passed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from integration.aggregation.keeping import Aggregation, received
from kafka import TopicPartition
from sqlalchemy import Connection, event, text

from fourones_aggregation.submissions import SubmissionHandler
from fourones_shared.domain.clock import FixedClock
from fourones_shared.events.envelope import Envelope
from fourones_shared.events.model import FiguresSubmitted
from fourones_shared.kafka.batches import Batches, Taken
from fourones_shared.kafka.consumer import Received, Refused
from fourones_shared.kafka.positions import Identity, Positions

TOPIC = FiguresSubmitted.TOPIC
_IDENTITY = Identity("cluster", {TOPIC: "topic"})
# Long enough for any batch on a busy machine; the tests never wait for it to pass.
_WITHIN_S = 60.0


class Died(BaseException):
    """The end of a process in the middle of its work: nothing that serves errors may catch it."""


@dataclass
class Log:
    """The topic: submissions by partition; those of an organisation lie in one."""

    partitions: int
    _records: dict[int, list[Taken[FiguresSubmitted]]] = field(default_factory=dict)

    def append(self, submission: FiguresSubmitted) -> None:
        partition = int(submission.org[-1]) % self.partitions if submission.org[-1].isdigit() else 0
        records = self._records.setdefault(partition, [])
        record = SimpleNamespace(topic=TOPIC, partition=partition, offset=len(records))
        made = received(submission)
        event_ = Received(TOPIC, partition, len(records), made.envelope, submission)
        records.append(Taken(record, event_))

    def read(self, partition: int, offset: int, at_most: int) -> list[Taken[FiguresSubmitted]]:
        return self._records.get(partition, [])[offset : offset + at_most]

    def submissions(self) -> list[FiguresSubmitted]:
        return [one.event.data for records in self._records.values() for one in records if one.event is not None]


class Worker:
    """A process: its caches, the partitions that it believes to have, and how far it has read them."""

    def __init__(self, url: str, clock: FixedClock, log: Log) -> None:
        self.parts = Aggregation(url, clock)
        self.log = log
        self.next: dict[int, int] = {}
        self._stop = threading.Event()
        self._positions = Positions("aggregation")
        self._handler = _Pausing(self.parts.handler)
        self._batches = Batches(self._positions, self._handler, self.parts.engine, dead_letter_limit=1)

    def assign(self, partition: int) -> None:
        """Begin where the group has committed."""
        with self.parts.engine.begin() as connection:
            place = TopicPartition(TOPIC, partition)
            self.next[partition] = self._positions.stored(connection, [place], _IDENTITY)[place]

    def poll(self, at_most: int) -> list[Taken[FiguresSubmitted]]:
        """The next records of its partitions."""
        found: list[Taken[FiguresSubmitted]] = []
        for partition, offset in sorted(self.next.items()):
            records = self.log.read(partition, offset, at_most - len(found))
            self.next[partition] = offset + len(records)
            found += records
        return found

    def commit(self, batch: Sequence[Taken[FiguresSubmitted]]) -> None:
        """One transaction. The records count as applied once it returns."""
        if batch:
            outcome = self._batches.apply(batch, self._stop)
            assert outcome is not None
            refused = [one.refusal.detail for one in (*outcome.set_aside, *outcome.waiting.values())]
            assert refused == []

    @contextmanager
    def dying(self, after_statements: int) -> Iterator[None]:
        """The process, or its connection, ends after so many statements, at the latest right before the commit."""
        with self._interrupted(after_statements, _die), suppress(Died):
            yield

    @contextmanager
    def holding(self, batch: Sequence[Taken[FiguresSubmitted]], after_statements: int) -> Iterator[None]:
        """Applies the batch up to that statement, at most to its commit, before the block, and the rest after it."""
        arrived, go_on = threading.Event(), threading.Event()
        failures: list[BaseException] = []

        def wait() -> None:
            arrived.set()
            assert go_on.wait(_WITHIN_S)

        def work() -> None:
            try:
                self.commit(batch)
            except BaseException as error:
                failures.append(error)
            finally:
                arrived.set()

        thread = threading.Thread(target=work)
        with self._interrupted(after_statements, wait):
            thread.start()
            try:
                assert arrived.wait(_WITHIN_S)
                yield
            finally:
                go_on.set()
                thread.join(_WITHIN_S)
        if failures:
            raise failures[0]

    @contextmanager
    def _interrupted(self, after_statements: int, by: Callable[[], None]) -> Iterator[None]:
        """Once, before the statement that follows so many, or before the commit that comes earlier."""
        left = after_statements

        def interrupt() -> None:
            nonlocal left
            if left >= 0:
                left = -1
                by()

        def count(*_: Any) -> None:
            nonlocal left
            if left == 0:
                interrupt()
            elif left > 0:
                left -= 1

        event.listen(self.parts.engine, "before_cursor_execute", count)
        self._handler.before_commit = interrupt
        try:
            yield
        finally:
            self._handler.before_commit = _nothing
            event.remove(self.parts.engine, "before_cursor_execute", count)

    def close(self) -> None:
        self.parts.engine.dispose()


def meanwhile(watcher: Connection, work: Callable[[], None]) -> Callable[[], None]:
    """Let `work` run in a thread until it has ended or waits for a lock; the caller ends it with the result."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    def join() -> None:
        thread.join(_WITHIN_S)
        assert not thread.is_alive(), "it waits for ever"
        if failures:
            raise failures[0]

    thread = threading.Thread(target=run)
    thread.start()
    while thread.is_alive() and not watcher.execute(_WAITS_FOR_A_LOCK).scalar_one():
        thread.join(0.001)
    return join


class _Pausing:
    """The service's handler, with a step between its last statement and the commit."""

    def __init__(self, handler: SubmissionHandler) -> None:
        self.handler = handler
        self.before_commit: Callable[[], None] = _nothing

    def decode(self, envelope: Envelope) -> FiguresSubmitted:
        return self.handler.decode(envelope)

    def ready_for(self, data: FiguresSubmitted) -> bool:
        return self.handler.ready_for(data)

    def apply(self, connection: Connection, events: Sequence[Received[FiguresSubmitted]]) -> None:
        self.handler.apply(connection, events)
        self.before_commit()

    def set_aside(self, connection: Connection, refused: Refused) -> None:
        self.handler.set_aside(connection, refused)


def _die() -> None:
    raise Died


def _nothing() -> None:
    pass


_WAITS_FOR_A_LOCK = text(
    "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"
)
