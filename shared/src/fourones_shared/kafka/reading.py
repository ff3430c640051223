"""Reading stretches of a topic outside of any consumer group: what is committed, between two offsets.

Offsets are no count of records: marks of transactions have offsets of their own, aborted records are passed over, and
compaction leaves gaps. A stretch ends when the client has read over its last offset, whatever lay there.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from fourones_shared.errors import Retry
from fourones_shared.kafka.connection import Kafka, client_options

BOOTSTRAP_TIMEOUT_MS = 5_000
# A broker that holds no more of the stretch answers at once; one that answers nothing at all is away.
POLL_TIMEOUT_MS = 500
STALLED_S = 30.0
# The largest record of any topic fits twice.
PARTITION_FETCH_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Reach:
    """A partition's offsets: its first, and the one after its last committed record or mark."""

    begin: int
    end: int


class TopicReader:
    """Reads stretches; made by `topic_reader`."""

    def __init__(self, consumer: KafkaConsumer, prefix: str) -> None:
        self._consumer = consumer
        self._prefix = prefix

    def reaches(self, topic: str) -> Mapping[int, Reach]:
        """How far each partition of a topic reaches now.

        Raises:
            Retry: when the broker does not know the topic (yet).
            KafkaError: when it is away.
        """
        name = self._prefix + topic
        partitions = [TopicPartition(name, number) for number in sorted(self._consumer.partitions_for_topic(name))]
        if not partitions:
            raise Retry(f"topic {name} is not there yet")
        begins, ends = self._consumer.beginning_offsets(partitions), self._consumer.end_offsets(partitions)
        return {tp.partition: Reach(begins[tp], ends[tp]) for tp in partitions}

    def stretch(self, topic: str, partition: int, begin: int, end: int) -> Iterator[list[Any]]:
        """The records from `begin` up to and without `end`, in order, a poll's at a time.

        Raises:
            Retry: when nothing has come for a while.
            KafkaError: when the broker is away.
        """
        tp = TopicPartition(self._prefix + topic, partition)
        self._consumer.assign([tp])
        self._consumer.seek(tp, begin)
        at, moved = begin, time.monotonic()
        while at < end:
            records = [r for r in self._consumer.poll(timeout_ms=POLL_TIMEOUT_MS).get(tp, ()) if r.offset < end]
            if records:
                yield records
            before, at = at, self._consumer.position(tp, timeout_ms=POLL_TIMEOUT_MS) or at
            now = time.monotonic()
            if at > before:
                moved = now
            elif now - moved > STALLED_S:
                raise Retry(f"nothing of {tp.topic}/{partition} has come for {STALLED_S:.0f} s, from {at} on")


@contextmanager
def topic_reader(bootstrap: Kafka, prefix: str = "") -> Iterator[TopicReader]:
    """A reader of committed records.

    Args:
        bootstrap: how to reach the broker.
        prefix: put before every topic's name.

    Raises:
        KafkaError: when the broker is away.
    """
    with closing(
        KafkaConsumer(
            **client_options(bootstrap),
            bootstrap_timeout_ms=BOOTSTRAP_TIMEOUT_MS,
            client_id=f"{prefix}reader",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            allow_auto_create_topics=False,
            max_partition_fetch_bytes=PARTITION_FETCH_BYTES,
            reconnect_backoff_max_ms=1_000,
        )
    ) as consumer:
        yield TopicReader(consumer, prefix)
