from contextlib import closing
from typing import Any

import pytest
from integration.shared.kafka.consuming import TOPIC, a_loop, an_event, effects, ids, publish
from kafka import KafkaAdminClient, TopicPartition
from sqlalchemy import Engine, text
from support.waiting import eventually

from fourones_shared.errors import Stop
from fourones_shared.kafka.outbox import partition_for


def test_a_recreated_topic_stops_the_consumer_at_its_start(engine: Engine, broker: Any, running: Any) -> None:
    broker.make(TOPIC)
    publish(broker, *(an_event(n) for n in range(10)))
    with running(a_loop(engine, broker).run):
        eventually(lambda: len(effects(engine)) >= 10)
    _recreate(broker)

    with pytest.raises(Stop, match="is not the topic"), running(a_loop(engine, broker).run) as stop:
        assert stop.wait(30)


def test_a_topic_recreated_under_a_running_consumer_stops_it(engine: Engine, broker: Any, running: Any) -> None:
    broker.make(TOPIC)
    publish(broker, *(an_event(n) for n in range(10)))

    def recreate_under_it() -> None:
        with running(a_loop(engine, broker).run) as stop:
            eventually(lambda: len(effects(engine)) >= 10)
            _recreate(broker)
            # More than before, so that the old positions lie within the new topic.
            publish(broker, *(an_event(n) for n in range(100, 160)))
            assert stop.wait(60)

    with pytest.raises(Stop, match="is not the topic"):
        recreate_under_it()


def test_a_topic_that_has_lost_records_stops_the_consumer(engine: Engine, broker: Any, running: Any) -> None:
    broker.make(TOPIC)
    publish(broker, an_event(1))
    with running(a_loop(engine, broker).run):
        eventually(lambda: effects(engine) == ids([1]))
    with engine.begin() as connection:
        connection.execute(text("UPDATE consumer_position SET next_offset = 1000"))

    with pytest.raises(Stop, match="has lost records"), running(a_loop(engine, broker).run) as stop:
        assert stop.wait(30)


def test_records_deleted_before_they_were_read_stop_the_consumer(engine: Engine, broker: Any, running: Any) -> None:
    broker.make(TOPIC)
    publish(broker, *(an_event(n, org="320302") for n in range(5)))
    with running(a_loop(engine, broker).run):
        eventually(lambda: len(effects(engine)) == 5)
    publish(broker, *(an_event(n, org="320302") for n in range(5, 10)))
    with closing(KafkaAdminClient(bootstrap_servers=broker.bootstrap)) as admin:
        admin.delete_records({_partition(broker, "320302"): 8})

    with pytest.raises(Stop, match="deleted unread"), running(a_loop(engine, broker).run) as stop:
        assert stop.wait(30)


def _partition(broker: Any, org: str) -> Any:
    return TopicPartition(broker.prefix + TOPIC, partition_for(org.encode(), 12))


def _recreate(broker: Any) -> None:
    with closing(KafkaAdminClient(bootstrap_servers=broker.bootstrap)) as admin:
        admin.delete_topics([broker.prefix + TOPIC])
        eventually(lambda: broker.prefix + TOPIC not in admin.list_topics())
    broker.make(TOPIC)
