import threading
from typing import Any

from integration.shared.kafka.consuming import (
    TOPIC,
    Recorder,
    a_loop,
    an_event,
    effects,
    ids,
    publish,
)
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from support.waiting import eventually

from fourones_local.kafka import KafkaNode
from fourones_local.postgres import PostgresServer
from fourones_local.process import ServerProcess


def test_a_broker_that_is_away_at_the_start_is_waited_for(
    engine: Engine, broker: Any, running: Any, kafka_node: ServerProcess[KafkaNode]
) -> None:
    broker.make(TOPIC)
    publish(broker, *(an_event(n) for n in range(10)))
    kafka_node.stop()

    with running(a_loop(engine, broker).run):
        kafka_node.start()
        eventually(lambda: len(effects(engine)) >= 10)

    assert sorted(effects(engine)) == sorted(ids(range(10)))


def test_a_broker_killed_under_a_running_consumer_loses_and_doubles_nothing(
    engine: Engine, broker: Any, running: Any, kafka_node: ServerProcess[KafkaNode]
) -> None:
    broker.make(TOPIC)
    publish(broker, *(an_event(n) for n in range(50)))

    with running(a_loop(engine, broker).run):
        eventually(lambda: len(effects(engine)) >= 50)
        kafka_node.kill()
        kafka_node.start()
        publish(broker, *(an_event(n) for n in range(50, 60)))
        eventually(lambda: len(effects(engine)) >= 60)

    assert sorted(effects(engine)) == sorted(ids(range(60)))


def test_a_database_killed_under_a_running_consumer_loses_and_doubles_nothing(
    engine: Engine, broker: Any, running: Any, postgres_server: ServerProcess[PostgresServer]
) -> None:
    broker.make(TOPIC)
    handler = Recorder()

    with running(a_loop(engine, broker, handler, max_records=5).run):
        publish(broker, *(an_event(n) for n in range(10)))
        eventually(lambda: len(effects(engine)) >= 10)
        postgres_server.kill()
        publish(broker, *(an_event(n) for n in range(10, 40)))
        postgres_server.start()
        eventually(lambda: len(_effects_through_restarts(engine)) >= 40)

    assert sorted(effects(engine)) == sorted(ids(range(40)))


def test_two_workers_of_a_group_share_the_work_and_a_rebalance_doubles_nothing(
    engine: Engine, broker: Any, running: Any
) -> None:
    broker.make(TOPIC)
    first, second = a_loop(engine, broker, max_records=7), a_loop(engine, broker, max_records=7)
    everything = range(600)

    def write() -> None:
        for n in range(0, 600, 20):
            publish(broker, *map(an_event, range(n, n + 20)))

    writing = threading.Thread(target=write)

    with running(first.run):
        eventually(lambda: len(first._placed) == 12)
        writing.start()
        with running(second.run):
            eventually(lambda: len(first._placed) == 6 and len(second._placed) == 6)
            eventually(lambda: len(effects(engine)) > 100)
        writing.join(60)
        eventually(lambda: len(effects(engine)) >= len(everything))
        eventually(first.is_ready)

    assert sorted(effects(engine)) == sorted(ids(everything))


def _effects_through_restarts(engine: Engine) -> list[str]:
    try:
        return effects(engine)
    except OperationalError:
        return []
