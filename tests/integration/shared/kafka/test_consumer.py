import threading
from contextlib import closing
from typing import Any

import pytest
from integration.shared.kafka.consuming import (
    ORGANISATIONS,
    TOPIC,
    Recorder,
    a_loop,
    an_event,
    dead_letters,
    effects,
    ids,
    publish,
    told,
)
from kafka import KafkaProducer, TopicPartition
from sqlalchemy import Engine, text
from support.waiting import eventually

from fourones_shared.events.envelope import Wire
from fourones_shared.events.model import FiguresApplied
from fourones_shared.kafka.outbox import partition_for


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
        raise MemoryError

    handler.before_commit = crash
    with pytest.raises(MemoryError), running(a_loop(engine, broker, handler).run) as stop:
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
    assert told(engine) == ["not_an_event", "bad_data"]
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT value, record_offset FROM dead_letter")).first()
    assert kept is not None
    assert (bytes(kept.value), kept.record_offset) == (b"\xff\x00", 1)


@pytest.mark.parametrize(
    ("poison", "reason"),
    [
        ("refused by the handler", "no_such_submission"),
        ("NUL\0", "refused_by_database"),
        ("a slip of the code", "unexpected_error"),
    ],
    ids=["the handler", "the database", "nobody, but the code stumbles over it"],
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

    handler = Recorder()

    def stumble(data: FiguresApplied) -> None:
        if data.reason == "a slip of the code":
            raise KeyError(data.submission_id)

    handler.broken = stumble
    with running(a_loop(engine, broker, handler).run):
        eventually(lambda: len(effects(engine)) >= 5)

    assert effects(engine) == ids([0, 1, 2, 4, 5])
    assert [found for found, _ in dead_letters(engine)] == told(engine) == [reason]


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


def _waiting_for_a_lock(engine: Engine) -> bool:
    with engine.connect() as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        return bool(connection.execute(text(query)).scalar_one())
