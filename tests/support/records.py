"""Writing to and reading from the real broker, independently of the code under test."""

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from fourones_shared.events.envelope import Wire
from fourones_shared.kafka.outbox import partition_for
from fourones_shared.topics import all_topics


@dataclass(frozen=True)
class Read:
    """What a reader of committed records has seen in a topic, partition by partition in order."""

    records: list[Any]

    @property
    def ids(self) -> list[str]:
        """Event ids, repetitions too."""
        return [dict(record.headers)["ce_id"].decode() for record in self.records]

    def first_seen(self) -> list[Any]:
        """The records without those whose event id came before."""
        seen: dict[str, Any] = {}
        for record, event_id in zip(self.records, self.ids, strict=True):
            seen.setdefault(event_id, record)
        return list(seen.values())


def read_committed(bootstrap: str, prefix: str, topic: str) -> Read:
    """Everything that is committed in a topic now."""
    with closing(
        KafkaConsumer(
            bootstrap_servers=bootstrap,
            isolation_level="read_committed",
            enable_auto_commit=False,
            max_partition_fetch_bytes=8 * 1024 * 1024,
        )
    ) as consumer:
        partitions = [TopicPartition(prefix + topic, n) for n in range(all_topics()[topic].partitions)]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        records: list[Any] = []
        while any(consumer.position(tp) < ends[tp] for tp in partitions):
            for batch in consumer.poll(timeout_ms=200).values():
                records += batch
    return Read(sorted(records, key=lambda record: (record.partition, record.offset)))


def write(bootstrap: str, prefix: str, wires: Iterable[Wire]) -> None:
    """Put records on their topics, without an outbox."""
    with closing(KafkaProducer(bootstrap_servers=bootstrap)) as producer:
        sent = [
            producer.send(
                prefix + wire.topic,
                value=wire.value,
                key=wire.key,
                headers=wire.headers,
                partition=partition_for(wire.key, all_topics()[wire.topic].partitions),
            )
            for wire in wires
        ]
        for future in sent:
            future.get(timeout=30)
