from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from kafka.errors import UnknownTopicOrPartitionError

from fourones_local.errors import LocalStackError
from fourones_local.kafka import MAX_MESSAGE_BYTES, KafkaNode, fetch_jars
from fourones_local.layout import Repository
from fourones_local.process import ServerProcess


@pytest.fixture
def topic(kafka_bootstrap: str, topic_prefix: str) -> Iterator[str]:
    name = f"{topic_prefix}figures"
    with _admin(kafka_bootstrap) as admin:
        admin.create_topics([NewTopic(name, num_partitions=1, replication_factor=1)])
    yield name
    # Another client: one that has met a broker's death does not forget it at once.
    with _admin(kafka_bootstrap) as admin:
        admin.delete_topics([name])


def test_an_acknowledged_record_survives_the_death_of_the_broker(
    kafka_node: ServerProcess[KafkaNode], topic: str
) -> None:
    _send(kafka_node.server.bootstrap, topic, b"before")

    kafka_node.kill()
    assert not kafka_node.running
    kafka_node.start()

    assert _values(kafka_node.server.bootstrap, topic) == [b"before"]


def test_a_record_survives_a_clean_stop(kafka_node: ServerProcess[KafkaNode], topic: str) -> None:
    _send(kafka_node.server.bootstrap, topic, b"kept")

    kafka_node.stop()
    with pytest.raises(LocalStackError, match="kafka is not running"):
        _ = kafka_node.pid
    kafka_node.start()

    assert _values(kafka_node.server.bootstrap, topic) == [b"kept"]


def test_a_message_as_large_as_the_limit_allows_is_taken(kafka_bootstrap: str, topic: str) -> None:
    # The batch around the value has headers of its own.
    value = bytes(MAX_MESSAGE_BYTES - 1_000)

    _send(kafka_bootstrap, topic, value)

    assert [len(read) for read in _values(kafka_bootstrap, topic)] == [len(value)]


def test_an_unknown_topic_is_not_created_by_asking_for_it(kafka_bootstrap: str, topic_prefix: str) -> None:
    with _admin(kafka_bootstrap) as admin:
        with pytest.raises(UnknownTopicOrPartitionError):
            admin.delete_topics([f"{topic_prefix}misspelt"])
        assert f"{topic_prefix}misspelt" not in admin.list_topics()


def test_jars_that_are_there_are_not_fetched_again(kafka_node: ServerProcess[KafkaNode]) -> None:
    repository = Repository.here()

    assert fetch_jars(repository.pom, repository.kafka_home) is False


@contextmanager
def _admin(bootstrap: str) -> Iterator[KafkaAdminClient]:
    client = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        yield client
    finally:
        client.close()


def _send(bootstrap: str, topic: str, value: bytes) -> None:
    producer = KafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, max_request_size=MAX_MESSAGE_BYTES
    )
    producer.send(topic, value).get(timeout=30)
    producer.close()


def _values(bootstrap: str, topic: str) -> list[bytes]:
    partition = TopicPartition(topic, 0)
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest", max_partition_fetch_bytes=MAX_MESSAGE_BYTES
    )
    try:
        consumer.assign([partition])
        end = consumer.end_offsets([partition])[partition]
        consumer.seek_to_beginning(partition)
        values: list[bytes] = []
        while consumer.position(partition) < end:
            for records in consumer.poll(timeout_ms=1_000).values():
                values.extend(record.value for record in records)
        return values
    finally:
        consumer.close()
