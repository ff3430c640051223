"""A stray record is set aside; what would sweep a topic aside makes its partitions wait for a person."""

from __future__ import annotations

import threading
from collections.abc import Sequence
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
from prometheus_client import REGISTRY
from sqlalchemy import Connection, Engine, text
from support.waiting import eventually

from fourones_shared.dead_letters.keeping import Refused
from fourones_shared.dead_letters.resolving import DeadLetters, Reader
from fourones_shared.dead_letters.stored import Selection, State
from fourones_shared.events.envelope import Wire
from fourones_shared.events.model import FiguresApplied

LIMIT = 5
# These two lie in different partitions.
HERE, THERE = ORGANISATIONS[:2]


def poison(org: str = HERE) -> Wire:
    return Wire(TOPIC, org.encode(), b"?", [])


def letters_of(engine: Engine, broker: Any, handler: Recorder | None = None) -> DeadLetters:
    return DeadLetters(
        engine=engine,
        readers=[Reader("receipts", [TOPIC], handler or Recorder())],
        topic_prefix=broker.prefix,
        limit=LIMIT,
    )


def waiting_partitions(broker: Any) -> float | None:
    return REGISTRY.get_sample_value(
        "fourones_dead_letter_limit_waiting_partitions", {"group": broker.prefix + "receipts"}
    )


def reaches_the_limit(engine: Engine) -> None:
    """Returns once a record waits, and as many as allowed are set aside."""
    eventually(lambda: _refused_at(engine) is not None)
    assert len(dead_letters(engine)) == LIMIT


def tries_again(engine: Engine) -> None:
    before = _refused_at(engine)
    eventually(lambda: _refused_at(engine) != before)


def _refused_at(engine: Engine) -> Any:
    with engine.connect() as connection:
        return connection.execute(text("SELECT max(refused_at) FROM dead_letter_limit")).scalar_one()


def let_pass(engine: Engine, interval: str, *columns: str) -> None:
    """As if that much time had passed since."""
    tables = {"recorded_at": "dead_letter", "refused_at": "dead_letter_limit", "reached_at": "dead_letter_limit"}
    with engine.begin() as connection:
        for column in columns:
            connection.execute(
                text(f"UPDATE {tables[column]} SET {column} = {column} - CAST(:interval AS interval)"),  # noqa: S608
                {"interval": interval},
            )


def test_at_the_limit_the_partition_waits_and_the_others_go_on(engine: Engine, broker: Any, running: Any) -> None:
    broker.make(TOPIC)
    loop = a_loop(engine, broker, dead_letter_limit=LIMIT)
    publish(broker, an_event(0, org=HERE), *(poison() for _ in range(LIMIT + 3)), an_event(1, org=HERE))

    with running(loop.run):
        reaches_the_limit(engine)
        assert effects(engine) == ids([0])
        publish(broker, *(an_event(n, org=THERE) for n in range(10, 13)))
        eventually(lambda: effects(engine) == ids([0, 10, 11, 12]))
        tries_again(engine)
        assert not loop.is_ready()
        assert waiting_partitions(broker) == 1
        assert len(dead_letters(engine)) == len(told(engine)) == LIMIT

    with engine.connect() as connection:
        positions = connection.execute(text("SELECT next_offset FROM consumer_position WHERE next_offset > 0"))
        assert sorted(positions.scalars()) == [3, 1 + LIMIT]
    assert waiting_partitions(broker) == 0


def test_an_operator_who_allows_more_lets_it_go_on_until_the_next_limit(
    engine: Engine, broker: Any, running: Any
) -> None:
    broker.make(TOPIC)
    loop = a_loop(engine, broker, dead_letter_limit=LIMIT)
    publish(broker, *(poison() for _ in range(LIMIT + 3)), an_event(1, org=HERE))

    with running(loop.run):
        reaches_the_limit(engine)
        assert letters_of(engine, broker).allow(by="lin", why="a test record of the integrator") == [
            broker.prefix + "receipts"
        ]
        eventually(lambda: effects(engine) == ids([1]))
        eventually(loop.is_ready)
        assert len(dead_letters(engine)) == LIMIT + 3
        assert waiting_partitions(broker) == 0
        publish(broker, *(poison() for _ in range(LIMIT)), an_event(2, org=HERE))
        tries_again(engine)
        assert len(dead_letters(engine)) == 2 * LIMIT
        assert effects(engine) == ids([1])


def test_resolving_some_makes_room_for_as_many(engine: Engine, broker: Any, running: Any) -> None:
    broker.make(TOPIC)
    publish(broker, *(poison() for _ in range(LIMIT + 2)), an_event(1, org=HERE))

    with running(a_loop(engine, broker, dead_letter_limit=LIMIT).run):
        reaches_the_limit(engine)
        letters = letters_of(engine, broker)
        for number in letters.numbers(Selection(state=State.WAITING))[:2]:
            letters.discard(number, by="lin", why="noise")
        eventually(lambda: effects(engine) == ids([1]))

    assert len(dead_letters(engine)) == LIMIT + 2


def test_a_release_that_can_apply_the_record_goes_on_without_anybody(engine: Engine, broker: Any, running: Any) -> None:
    broker.make(TOPIC)
    publish(broker, *(an_event(n, org=HERE) for n in range(LIMIT + 3)))
    broken, mended = Recorder(), Recorder()

    def stumble(_: FiguresApplied) -> None:
        raise KeyError("a column that was renamed")

    broken.broken = stumble
    with running(a_loop(engine, broker, broken, dead_letter_limit=LIMIT).run):
        reaches_the_limit(engine)
    with running(a_loop(engine, broker, mended, dead_letter_limit=LIMIT).run):
        eventually(lambda: effects(engine) == ids(range(LIMIT, LIMIT + 3)))

    letters = letters_of(engine, broker, mended)
    for number in letters.numbers(Selection(state=State.WAITING)):
        letters.replay(number, by="lin")
    assert sorted(effects(engine)) == sorted(ids(range(LIMIT + 3)))


def test_it_goes_on_within_the_same_process_once_the_cause_is_gone(engine: Engine, broker: Any, running: Any) -> None:
    broker.make(TOPIC)
    publish(broker, *(an_event(n, org=HERE) for n in range(LIMIT + 3)))
    handler = Recorder()

    def stumble(_: FiguresApplied) -> None:
        raise ValueError("not now")

    handler.broken = stumble
    loop = a_loop(engine, broker, handler, dead_letter_limit=LIMIT)
    with running(loop.run):
        reaches_the_limit(engine)
        handler.broken = lambda _: None
        eventually(lambda: effects(engine) == ids(range(LIMIT, LIMIT + 3)))
        eventually(loop.is_ready)


def test_a_restart_does_not_begin_to_count_anew(engine: Engine, broker: Any, running: Any) -> None:
    broker.make(TOPIC)
    publish(broker, *(poison() for _ in range(LIMIT + 3)))

    for _ in range(2):
        with running(a_loop(engine, broker, dead_letter_limit=LIMIT).run):
            reaches_the_limit(engine)
            tries_again(engine)

    assert len(dead_letters(engine)) == LIMIT


def test_two_workers_share_one_limit(engine: Engine, broker: Any, running: Any) -> None:
    broker.make(TOPIC)
    first, second = (a_loop(engine, broker, dead_letter_limit=LIMIT) for _ in range(2))
    with running(first.run), running(second.run):
        eventually(lambda: first.is_ready() and second.is_ready() and first._placed and second._placed)
        publish(broker, *(poison(org) for org in ORGANISATIONS for _ in range(3)))
        eventually(lambda: not first.is_ready() and not second.is_ready())
        tries_again(engine)

    assert len(dead_letters(engine)) == LIMIT


def test_while_a_record_is_refused_at_the_limit_the_hour_does_not_pass(
    engine: Engine, broker: Any, running: Any
) -> None:
    broker.make(TOPIC)
    publish(broker, *(poison() for _ in range(LIMIT + 3)))

    with running(a_loop(engine, broker, dead_letter_limit=LIMIT).run):
        reaches_the_limit(engine)
        let_pass(engine, "59 minutes", "recorded_at", "refused_at", "reached_at")
        tries_again(engine)
        let_pass(engine, "59 minutes", "recorded_at", "refused_at", "reached_at")
        tries_again(engine)
        tries_again(engine)

    assert len(dead_letters(engine)) == LIMIT


def test_an_hour_later_stray_records_are_set_aside_again(engine: Engine, broker: Any, running: Any) -> None:
    broker.make(TOPIC)
    publish(broker, *(poison() for _ in range(LIMIT)))

    with running(a_loop(engine, broker, dead_letter_limit=LIMIT).run):
        eventually(lambda: len(dead_letters(engine)) == LIMIT)
        let_pass(engine, "61 minutes", "recorded_at")
        publish(broker, poison(), an_event(1, org=HERE))
        eventually(lambda: effects(engine) == ids([1]))

    assert len(dead_letters(engine)) == LIMIT + 1


def test_a_limit_of_none_sets_nothing_aside(engine: Engine, broker: Any, running: Any) -> None:
    broker.make(TOPIC)
    publish(broker, poison(), an_event(1, org=HERE))

    with running(a_loop(engine, broker, dead_letter_limit=0).run):
        eventually(lambda: _refused_at(engine) is not None)
        tries_again(engine)

    assert dead_letters(engine) == effects(engine) == []


def test_a_worker_that_dies_before_the_commit_sets_aside_once(engine: Engine, broker: Any, running: Any) -> None:
    broker.make(TOPIC)
    publish(broker, an_event(0, org=HERE), poison(), an_event(1, org=HERE))
    handler = Recorder()

    def die(_: Sequence[object]) -> None:
        raise MemoryError

    handler.before_commit = die
    with pytest.raises(MemoryError), running(a_loop(engine, broker, handler).run) as stop:
        assert stop.wait(30)
    assert dead_letters(engine) == told(engine) == []

    with running(a_loop(engine, broker).run):
        eventually(lambda: effects(engine) == ids([0, 1]))
    assert [reason for reason, _ in dead_letters(engine)] == told(engine) == ["not_an_event"]


def test_what_cannot_even_be_told_is_set_aside_all_the_same(engine: Engine, broker: Any, running: Any) -> None:
    broker.make(TOPIC)
    publish(broker, poison(), an_event(1, org=HERE))
    handler = Recorder()

    def refuse(connection: Connection, _: Refused) -> None:
        connection.execute(text("SELECT 1 / 0"))

    handler.telling = refuse
    with running(a_loop(engine, broker, handler).run):
        eventually(lambda: effects(engine) == ids([1]))

    assert [reason for reason, _ in dead_letters(engine)] == ["not_an_event"]
    assert told(engine) == []


def test_a_record_of_any_headers_is_kept_as_it_came(engine: Engine, broker: Any, running: Any) -> None:
    broker.make(TOPIC)
    strange = [("ce_id", b"\xff\xfe"), ("nul\0", b"a\0b"), ("empty", b"")]
    publish(broker, Wire(TOPIC, HERE.encode(), b"{}", strange), an_event(1, org=HERE))

    with running(a_loop(engine, broker).run):
        eventually(lambda: effects(engine) == ids([1]))

    letters = letters_of(engine, broker)
    (number,) = letters.numbers(Selection())
    letter, _ = letters.read(number)
    assert dict(letter.headers) == {"ce_id": b"\xff\xfe", "nul\ufffd": b"a\0b", "empty": b""}
    assert (letter.value, letter.listed.key) == (b"{}", HERE.encode())


def test_a_topic_that_is_read_again_doubles_no_dead_letter(engine: Engine, broker: Any, running: Any) -> None:
    broker.make(TOPIC)
    publish(broker, *(poison() for _ in range(3)), an_event(1, org=HERE))
    with running(a_loop(engine, broker).run):
        eventually(lambda: effects(engine) == ids([1]))
    letters = letters_of(engine, broker)
    replayed, discarded, waiting = letters.numbers(Selection())
    letters.discard(discarded, by="lin", why="noise")
    with engine.begin() as connection:
        # As after a replay; what it had done may be lost with the tables that somebody has emptied.
        connection.execute(
            text("UPDATE dead_letter SET state = 'replayed', resolved_at = now() WHERE dead_letter_id = :id"),
            {"id": replayed},
        )
        connection.execute(text("DELETE FROM consumer_position"))

    # A limit that they would break, if they were counted anew.
    with running(a_loop(engine, broker, dead_letter_limit=2).run):
        eventually(lambda: effects(engine) == ids([1, 1]))

    assert letters.numbers(Selection(state=State.WAITING)) == [replayed, waiting]
    assert letters.numbers(Selection(state=State.DISCARDED)) == [discarded]
    _, steps = letters.read(replayed)
    assert [step.action for step in steps] == ["read_again"]


def test_the_wait_ends_with_the_process(engine: Engine, broker: Any) -> None:
    broker.make(TOPIC)
    publish(broker, *(poison() for _ in range(LIMIT + 1)))
    stop = threading.Event()
    thread = threading.Thread(target=a_loop(engine, broker, dead_letter_limit=LIMIT).run, args=(stop,))
    thread.start()
    reaches_the_limit(engine)
    stop.set()
    thread.join(20)
    assert not thread.is_alive()
