"""When new verdicts may begin: once everything is read that the topics held when this process started.

Until then the stored verdicts are served as they are, and an empty database serves none: a verdict out of half a
history would be an alarm about nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing

import structlog
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from sqlalchemy import Connection, text

from fourones_shared.errors import Retry
from fourones_shared.kafka.connection import Kafka, client_options
from fourones_shared.topics import all_topics

log = structlog.get_logger(__name__)

# The broker is asked once and may be away: the answer is not waited for longer than this, then asked again.
ASK_TIMEOUT_MS = 5_000

# One transaction's mark lies behind its last record, seldom more.
FIRST_LOOK_BACK = 10

Ends = Mapping[tuple[str, str, int], int]
"""(group, topic, partition) → the offset at which the topic ended, names with their prefix."""


class Start:
    """Opens once for the life of the process; safe to ask from any thread.

    The positions are those of the whole group in the database, so that it does not matter which replica reads what.

    Args:
        read_by: topic (logical name) → the consumer group that reads it.
    """

    def __init__(self, *, read_by: Mapping[str, str], bootstrap: Kafka, topic_prefix: str = "") -> None:
        self._read_by = read_by
        self._bootstrap = bootstrap
        self._prefix = topic_prefix
        self._ends: Ends | None = None
        self._reached = threading.Event()

    @property
    def is_reached(self) -> bool:
        """Whether new verdicts may be given."""
        return self._reached.is_set()

    def ask_where_topics_end(self) -> None:
        """Ask the broker where the topics end now; does nothing when that is known.

        Raises:
            Retry: when the broker does not answer, or does not know a topic yet.
        """
        if self._ends is None:
            self._ends = self._read_ends()
            log.info("waiting to have read what is there", records=sum(self._ends.values()))

    def look(self, connection: Connection) -> bool:
        """Compare the groups' positions with where the topics ended; whether it is reached."""
        if not self._reached.is_set() and self._ends is not None:
            stored = {(r.consumer_group, r.topic, r.partition): r.next_offset for r in connection.execute(_POSITIONS)}
            if all(stored.get(place, 0) >= end for place, end in self._ends.items()):
                self._reached.set()
                log.info("caught up with what was there at the start")
        return self._reached.is_set()

    def _read_ends(self) -> Ends:
        try:
            with closing(
                KafkaConsumer(
                    **client_options(self._bootstrap),
                    enable_auto_commit=False,
                    isolation_level="read_committed",
                    allow_auto_create_topics=False,
                    bootstrap_timeout_ms=ASK_TIMEOUT_MS,
                )
            ) as consumer:
                ends = _after_last_records(consumer, self._partitions())
        except KafkaError as error:
            raise Retry(f"the broker at {self._bootstrap} does not tell where the topics end: {error}") from error
        groups = {self._prefix + topic: self._prefix + group for topic, group in self._read_by.items()}
        return {(groups[tp.topic], tp.topic, tp.partition): end for tp, end in ends.items()}

    def _partitions(self) -> Sequence[TopicPartition]:
        described = all_topics()
        return [
            TopicPartition(described[topic].physical(self._prefix), partition)
            for topic in self._read_by
            for partition in range(described[topic].partitions)
        ]


def _after_last_records(consumer: KafkaConsumer, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    """The offset after the last record of each partition; 0 where there is none.

    A topic's own end lies past it, by the marks of transactions and by what was aborted or compacted away; no stored
    position ever gets there.
    """
    begins = consumer.beginning_offsets(partitions, timeout_ms=ASK_TIMEOUT_MS)
    ends = consumer.end_offsets(partitions, timeout_ms=ASK_TIMEOUT_MS)
    after = dict.fromkeys(partitions, 0)
    unknown = [tp for tp in partitions if ends[tp] > begins[tp]]
    look_back = FIRST_LOOK_BACK
    while unknown:
        starts = {tp: max(begins[tp], ends[tp] - look_back) for tp in unknown}
        after |= _read_through(consumer, starts, ends)
        unknown = [tp for tp in unknown if after[tp] == 0 and starts[tp] > begins[tp]]
        look_back *= 10
    return after


def _read_through(
    consumer: KafkaConsumer, starts: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    consumer.assign(list(starts))
    for tp, offset in starts.items():
        consumer.seek(tp, offset)
    after: dict[TopicPartition, int] = {}
    deadline = time.monotonic() + ASK_TIMEOUT_MS / 1000
    while any((consumer.position(tp, timeout_ms=ASK_TIMEOUT_MS) or 0) < ends[tp] for tp in starts):
        if time.monotonic() > deadline:
            raise Retry("the broker took too long to show the last records")
        for tp, records in consumer.poll(timeout_ms=100).items():
            after[tp] = records[-1].offset + 1
    return after


_POSITIONS = text("SELECT consumer_group, topic, partition, next_offset FROM consumer_position")
