import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError
from support.records import write
from support.waiting import eventually

from fourones_local.kafka import KafkaNode
from fourones_local.postgres import PostgresServer
from fourones_local.process import ServerProcess
from fourones_shared.errors import DeadLetter, Stop
from fourones_shared.events.envelope import Envelope, Wire, data_of, wrap
from fourones_shared.events.model import FiguresApplied
from fourones_shared.kafka.consumer import ConsumerLoop, Received
from fourones_shared.kafka.outbox import partition_for

TOPIC = "figures-applied"
ORGANISATIONS = ("320302", "320303", "320305", "320311", "320312", "320321", "320322")
NOON = datetime(2025, 12, 8, 4, 0, tzinfo=UTC)


def an_event(number: int, *, org: str | None = None, reason: str | None = None) -> Wire:
    data = FiguresApplied(
        submission_id=f"S-{number}",
        org=org or ORGANISATIONS[number % len(ORGANISATIONS)],
        sequence=number,
        applied_at=NOON,
        applied=1,
        superseded=0,
        excluded=0,
        reason=reason,
    )
    return wrap(data, event_id=f"S-{number}/applied", source="/fourones/aggregation", time=NOON)


class Recorder:
    """Writes a row for every event, repetitions too, so that a doubled effect shows."""

    def __init__(self) -> None:
        self.held: set[str] = set()
        self.before_commit: Callable[[Sequence[Received[FiguresApplied]]], None] = lambda _: None

    def decode(self, envelope: Envelope) -> FiguresApplied:
        return data_of(envelope, FiguresApplied)

    def ready_for(self, data: FiguresApplied) -> bool:
        return data.submission_id not in self.held

    def apply(self, connection: Connection, events: Sequence[Received[FiguresApplied]]) -> None:
        for event in events:
            if event.data.reason == "refused by the handler":
                raise DeadLetter("no_such_submission", event.data.submission_id)
            connection.execute(
                text("INSERT INTO effect (event_id, topic, partition, place) VALUES (:id, :t, :p, :o)"),
                {"id": event.data.reason or event.data.submission_id, "t": event.topic, "p": event.partition}
                | {"o": event.offset},
            )
        self.before_commit(events)


def a_loop(
    engine: Engine, broker: Any, handler: Recorder | None = None, **changes: Any
) -> ConsumerLoop[FiguresApplied]:
    return ConsumerLoop(
        group="receipts",
        topics=[TOPIC],
        handler=handler or Recorder(),
        engine=engine,
        bootstrap=broker.bootstrap,
        topic_prefix=broker.prefix,
        **changes,
    )


def effects(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT event_id FROM effect ORDER BY number")).scalars())


def dead_letters(engine: Engine) -> list[tuple[str, str]]:
    with engine.connect() as connection:
        found = connection.execute(text("SELECT reason, detail FROM dead_letter ORDER BY dead_letter_id"))
        return [(row.reason, row.detail) for row in found]


def ids(numbers: Iterable[int]) -> list[str]:
    return [f"S-{number}" for number in numbers]


def publish(broker: Any, *wires: Wire) -> None:
    write(broker.bootstrap, broker.prefix, wires)


def test_every_record_is_applied_once_in_the_order_of_its_partition(engine: Engine, broker: Any, running: Any) -> None:
    broker.make(TOPIC)
    publish(broker, *(an_event(n) for n in range(500)))
    loop = a_loop(engine, broker)

    with running(loop.run):
        eventually(lambda: len(effects(engine)) >= 500)
        eventually(loop.is_ready)
        publish(broker, an_event(500))
        eventually(lambda: len(effects(engine)) >= 501)

    seen = effects(engine)
    assert sorted(seen) == sorted(ids(range(501)))
    for own in range(len(ORGANISATIONS)):
        of_one = [number for number in map(_number, seen) if number % len(ORGANISATIONS) == own]
        assert of_one == sorted(of_one)
    assert not loop.is_ready()


def test_a_restart_goes_on_where_the_database_says(engine: Engine, broker: Any, running: Any) -> None:
    broker.make(TOPIC)
    publish(broker, *(an_event(n) for n in range(20)))
    with running(a_loop(engine, broker).run):
        eventually(lambda: len(effects(engine)) >= 20)
    publish(broker, *(an_event(n) for n in range(20, 30)))

    with running(a_loop(engine, broker).run):
        eventually(lambda: len(effects(engine)) >= 30)

    assert sorted(effects(engine)) == sorted(ids(range(30)))


def test_a_crash_before_the_commit_repeats_the_batch_and_doubles_nothing(
    engine: Engine, broker: Any, running: Any
) -> None:
    broker.make(TOPIC)
    publish(broker, *(an_event(n) for n in range(20)))
    handler = Recorder()

    def crash(_: object) -> None:
        raise ZeroDivisionError

    handler.before_commit = crash
    with pytest.raises(ZeroDivisionError), running(a_loop(engine, broker, handler).run) as stop:
        assert stop.wait(30)
    assert effects(engine) == []

    with running(a_loop(engine, broker).run):
        eventually(lambda: len(effects(engine)) >= 20)
    assert sorted(effects(engine)) == sorted(ids(range(20)))


def test_records_below_the_position_are_dropped(engine: Engine, broker: Any, running: Any) -> None:
    broker.make(TOPIC)
    publish(broker, *(an_event(n, org="320302") for n in range(10)))
    # As another worker of the group would have it that was quicker in the moment of a rebalance.
    handler = Recorder()
    other = engine.connect()
    with running(a_loop(engine, broker, handler).run):
        eventually(lambda: len(effects(engine)) == 10)
        other.execute(
            text("SELECT next_offset FROM consumer_position WHERE partition = :p FOR UPDATE"),
            {"p": partition_for(b"320302", 12)},
        )
        publish(broker, *(an_event(n, org="320302") for n in range(10, 15)))
        eventually(lambda: _waiting_for_a_lock(engine))
        other.execute(text("UPDATE consumer_position SET next_offset = next_offset + 3 WHERE next_offset > 0"))
        other.commit()
        eventually(lambda: "S-14" in effects(engine))
    other.close()

    assert effects(engine)[10:] == ids([13, 14])


def test_what_cannot_be_read_becomes_a_dead_letter_and_the_rest_goes_on(
    engine: Engine, broker: Any, running: Any
) -> None:
    broker.make(TOPIC)
    good = an_event(2, org="320302")
    publish(
        broker,
        an_event(1, org="320302"),
        Wire(TOPIC, b"320302", b"\xff\x00", []),
        Wire(TOPIC, b"320302", b'{"submission_id": 7}', good.headers),
        good,
    )

    with running(a_loop(engine, broker).run):
        eventually(lambda: len(effects(engine)) >= 2)

    assert effects(engine) == ids([1, 2])
    assert [reason for reason, _ in dead_letters(engine)] == ["not_an_event", "bad_data"]
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT value, record_offset FROM dead_letter")).first()
    assert kept is not None
    assert (bytes(kept.value), kept.record_offset) == (b"\xff\x00", 1)


@pytest.mark.parametrize(
    ("poison", "reason"),
    [("refused by the handler", "no_such_submission"), ("NUL\0", "refused_by_database")],
    ids=["the handler", "the database"],
)
def test_an_event_refused_on_applying_becomes_a_dead_letter_and_its_neighbours_are_applied(
    engine: Engine, broker: Any, running: Any, poison: str, reason: str
) -> None:
    broker.make(TOPIC)
    publish(
        broker,
        *(an_event(n, org="320302") for n in range(3)),
        an_event(3, org="320302", reason=poison),
        *(an_event(n, org="320302") for n in range(4, 6)),
    )

    with running(a_loop(engine, broker).run):
        eventually(lambda: len(effects(engine)) >= 5)

    assert effects(engine) == ids([0, 1, 2, 4, 5])
    assert [found for found, _ in dead_letters(engine)] == [reason]


def test_too_many_dead_letters_end_the_process(engine: Engine, broker: Any, running: Any) -> None:
    broker.make(TOPIC)
    publish(broker, *(Wire(TOPIC, b"320302", b"?", []) for _ in range(6)))

    loop = a_loop(engine, broker, dead_letter_limit=5)
    with pytest.raises(Stop, match="more than 5 dead letters"), running(loop.run) as stop:
        assert stop.wait(30)

    assert len(dead_letters(engine)) == 6


def test_a_partition_waits_for_what_it_needs_while_the_others_go_on(engine: Engine, broker: Any, running: Any) -> None:
    broker.make(TOPIC)
    handler = Recorder()
    handler.held = {"S-1"}
    loop = a_loop(engine, broker, handler)
    publish(broker, *(an_event(n, org="320302") for n in range(3)))

    with running(loop.run):
        eventually(lambda: effects(engine) == ids([0]))
        publish(broker, *(an_event(n, org="320303") for n in range(10, 13)))
        eventually(lambda: effects(engine) == ids([0, 10, 11, 12]))
        assert not loop.is_ready()

        handler.held = set()
        eventually(lambda: effects(engine) == ids([0, 10, 11, 12, 1, 2]))
        eventually(loop.is_ready)


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


def test_the_marks_of_transactions_do_not_count_as_unread(engine: Engine, broker: Any, running: Any) -> None:
    broker.make(TOPIC)
    with closing(
        KafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id=broker.prefix + "writer")
    ) as producer:
        producer.init_transactions()
        for number, commit in enumerate([True, False, True, False]):
            wire = an_event(number, org="320302")
            producer.begin_transaction()
            producer.send(broker.prefix + TOPIC, value=wire.value, key=wire.key, headers=wire.headers)
            producer.flush()
            if commit:
                producer.commit_transaction()
            else:
                producer.abort_transaction()
    loop = a_loop(engine, broker)

    with running(loop.run):
        eventually(loop.is_ready)
        assert effects(engine) == ids([0, 2])


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


def test_after_a_commit_whoever_waits_is_woken(engine: Engine, broker: Any, running: Any) -> None:
    broker.make(TOPIC)
    woken = threading.Event()
    publish(broker, an_event(1))

    with running(a_loop(engine, broker, after_commit=woken.set).run):
        assert woken.wait(30)

    assert effects(engine) == ids([1])


def _number(submission: str) -> int:
    return int(submission.removeprefix("S-"))


def _partition(broker: Any, org: str) -> Any:
    return TopicPartition(broker.prefix + TOPIC, partition_for(org.encode(), 12))


def _recreate(broker: Any) -> None:
    with closing(KafkaAdminClient(bootstrap_servers=broker.bootstrap)) as admin:
        admin.delete_topics([broker.prefix + TOPIC])
        eventually(lambda: broker.prefix + TOPIC not in admin.list_topics())
    broker.make(TOPIC)


def _waiting_for_a_lock(engine: Engine) -> bool:
    with engine.connect() as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        return bool(connection.execute(text(query)).scalar_one())


def _effects_through_restarts(engine: Engine) -> list[str]:
    try:
        return effects(engine)
    except OperationalError:
        return []
