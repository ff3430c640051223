import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pytest
from kafka import KafkaProducer
from kafka.errors import KafkaError
from sqlalchemy import Connection, Engine, text
from support.records import read_committed
from support.waiting import eventually

from fourones_local.kafka import KafkaNode
from fourones_local.postgres import PostgresServer
from fourones_local.process import ServerProcess
from fourones_shared.errors import Retry
from fourones_shared.events.envelope import Wire
from fourones_shared.kafka import outbox
from fourones_shared.kafka.outbox import OutboxMessage, Relay
from fourones_shared.kafka.outbox_table import OutboxTable, enqueue

TOPIC = "figures-submitted"
ORGANISATIONS = ("320302", "320303", "320305", "320311", "320312", "320321", "320322")


def an_event(number: int, *, topic: str = TOPIC, key: str | None = None, size: int = 10) -> Wire:
    org = key or ORGANISATIONS[number % len(ORGANISATIONS)]
    return Wire(topic, org.encode(), str(number).encode().ljust(size), [("ce_id", str(number).encode())])


def a_relay(engine: Engine, broker: Any, store: OutboxTable | None = None) -> Relay:
    table = store or OutboxTable()
    return Relay(
        name="outbox",
        engine=engine,
        store=table,
        bootstrap=broker.bootstrap,
        topic_prefix=broker.prefix,
        measure=table.backlog,
    )


def put(engine: Engine, numbers: Iterable[int], *, together: int = 10) -> None:
    waiting = list(numbers)
    for first in range(0, len(waiting), together):
        with engine.begin() as connection:
            enqueue(connection, [an_event(n) for n in waiting[first : first + together]])


def rows(engine: Engine) -> int:
    """Rows that still have to be sent."""
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM outbox WHERE set_aside IS NULL")).scalar_one())


def set_aside(engine: Engine) -> list[tuple[str | None, str]]:
    """Reference and reason of each row that lies aside."""
    with engine.connect() as connection:
        found = connection.execute(text("SELECT reference, set_aside FROM outbox WHERE set_aside IS NOT NULL"))
        return [(row.reference, row.set_aside) for row in found]


def is_empty(engine: Engine) -> bool:
    """Whether everything has been sent or set aside."""
    return rows(engine) == 0


def seen_once_in_order(broker: Any, numbers: Iterable[int]) -> None:
    """Every event is there, and a reader that drops repeated ids sees each organisation's in the order written."""
    records = read_committed(broker.bootstrap, broker.prefix, TOPIC).first_seen()
    seen: dict[bytes, list[int]] = {}
    for record in records:
        seen.setdefault(record.key, []).append(int(record.value))
    expected: dict[bytes, list[int]] = {}
    for number in numbers:
        expected.setdefault(an_event(number).key, []).append(number)
    assert seen == expected


def test_rows_are_published_in_order_and_then_gone(engine: Engine, broker: Any, running: Any) -> None:
    broker.make(TOPIC)
    put(engine, range(1200), together=100)

    with running(a_relay(engine, broker).run):
        eventually(lambda: is_empty(engine))

    assert len(read_committed(broker.bootstrap, broker.prefix, TOPIC).ids) == 1200
    seen_once_in_order(broker, range(1200))


def test_what_was_sent_is_forgotten_even_when_the_relay_is_told_to_stop(
    engine: Engine, broker: Any, running: Any
) -> None:
    broker.make(TOPIC)
    put(engine, range(5))
    committed = threading.Event()

    class Stopping(OutboxTable):
        def take(self, connection: Connection, limit: int) -> Sequence[OutboxMessage]:
            messages = super().take(connection, limit)
            if messages:
                stop.set()
                committed.set()
            return messages

    with running(a_relay(engine, broker, Stopping()).run) as stop:
        assert committed.wait(30)

    assert is_empty(engine)
    assert len(read_committed(broker.bootstrap, broker.prefix, TOPIC).ids) == 5


def test_a_broker_killed_while_the_relay_works_loses_and_doubles_nothing(
    engine: Engine, broker: Any, running: Any, kafka_node: ServerProcess[KafkaNode]
) -> None:
    broker.make(TOPIC)
    put(engine, range(3000), together=500)

    with running(a_relay(engine, broker).run):
        eventually(lambda: rows(engine) < 3000)
        kafka_node.kill()
        put(engine, range(3000, 3100))
        kafka_node.start()
        eventually(lambda: is_empty(engine))

    seen_once_in_order(broker, range(3100))


def test_a_producer_whose_thread_hangs_is_made_anew(
    engine: Engine, broker: Any, running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.make(TOPIC)
    put(engine, range(5))
    hangs, goes_on = threading.Event(), threading.Event()

    class Hanging(KafkaProducer):  # type: ignore[misc]
        def flush(self, timeout: float | None = None) -> None:
            super().flush(timeout)
            if not hangs.is_set():
                # Everything is acknowledged; the end of the transaction will not be sent.
                self._sender.run_once = goes_on.wait
                hangs.set()

    monkeypatch.setattr(outbox, "KafkaProducer", Hanging)
    monkeypatch.setattr(outbox, "MAX_BLOCK_MS", 3_000)
    try:
        with running(a_relay(engine, broker).run):
            eventually(lambda: is_empty(engine))
    finally:
        goes_on.set()

    assert hangs.is_set()
    assert len(read_committed(broker.bootstrap, broker.prefix, TOPIC).ids) == 5


def test_a_database_killed_while_the_relay_works_loses_and_doubles_nothing(
    engine: Engine, broker: Any, running: Any, postgres_server: ServerProcess[PostgresServer]
) -> None:
    broker.make(TOPIC)
    put(engine, range(3000), together=500)

    with running(a_relay(engine, broker).run):
        eventually(lambda: rows(engine) < 3000)
        postgres_server.kill()
        postgres_server.start()
        engine.dispose()
        put(engine, range(3000, 3100))
        eventually(lambda: is_empty(engine))

    seen_once_in_order(broker, range(3100))


def test_a_second_relay_takes_over_when_the_connection_of_the_first_dies(
    engine: Engine, broker: Any, running: Any
) -> None:
    broker.make(TOPIC)
    first, second = a_relay(engine, broker), a_relay(engine, broker)

    with running(first.run), running(second.run):
        leader, other = eventually(lambda: _leader_and_other(first, second))
        put(engine, range(50))
        eventually(lambda: is_empty(engine))
        assert leader.leads
        assert not other.leads

        _end_the_leaders_connection(engine)
        put(engine, range(50, 100))
        eventually(lambda: is_empty(engine))
        eventually(lambda: [first.leads, second.leads].count(True) == 1)

    seen_once_in_order(broker, range(100))


def test_nothing_is_sent_before_what_has_to_be_seen_to_each_time_a_relay_leads(
    engine: Engine, broker: Any, running: Any
) -> None:
    broker.make(TOPIC)
    seen: list[int] = []

    def prepare(leader: Connection, _: threading.Event) -> None:
        # With the lock, and free to use transactions.
        with leader.begin():
            seen.append(int(leader.execute(text("SELECT count(*) FROM outbox")).scalar_one()))
        if len(seen) == 1:
            raise Retry("not yet")

    put(engine, range(10))
    relay = Relay(
        name="outbox",
        engine=engine,
        store=OutboxTable(),
        bootstrap=broker.bootstrap,
        topic_prefix=broker.prefix,
        prepare=prepare,
    )
    with running(relay.run):
        eventually(lambda: is_empty(engine))
        _end_the_leaders_connection(engine)
        eventually(lambda: len(seen) == 3)

    assert seen == [10, 10, 0]
    seen_once_in_order(broker, range(10))


class _Sleepy(OutboxTable):
    """Takes rows and falls asleep before they are sent: a process that was stopped for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.asleep = threading.Event()
        self.wake = threading.Event()

    def take(self, connection: Connection, limit: int) -> Sequence[OutboxMessage]:
        messages = super().take(connection, limit)
        return _Slow(messages, self) if messages and not self.asleep.is_set() else messages


class _Slow(list[OutboxMessage]):
    def __init__(self, messages: Sequence[OutboxMessage], owner: _Sleepy) -> None:
        super().__init__(messages)
        self._owner = owner

    def __iter__(self) -> Iterator[OutboxMessage]:
        # In `_send`, with the transaction in Kafka begun.
        self._owner.asleep.set()
        assert self._owner.wake.wait(60)
        return super().__iter__()


def test_a_relay_that_lost_its_lock_without_noticing_is_fenced(engine: Engine, broker: Any, running: Any) -> None:
    broker.make(TOPIC)
    put(engine, range(20))
    store = _Sleepy()
    sleepy, successor = a_relay(engine, broker, store), a_relay(engine, broker)

    with running(sleepy.run):
        assert store.asleep.wait(30)
        _end_the_leaders_connection(engine)
        with running(successor.run):
            eventually(lambda: is_empty(engine))
            store.wake.set()
            eventually(lambda: not sleepy.leads)

    # Not even twice: what the sleeper tried to send belongs to a transaction that was never committed.
    assert len(read_committed(broker.bootstrap, broker.prefix, TOPIC).ids) == 20


@pytest.mark.parametrize(
    ("topic", "size"),
    [("figures-applied", 1_200_000), ("figures-applied", 5_000_000)],
    ids=["refused by the broker", "refused by the client"],
)
def test_a_row_larger_than_its_topic_takes_is_set_aside_and_blocks_nothing(
    engine: Engine, broker: Any, running: Any, topic: str, size: int
) -> None:
    broker.make(TOPIC, topic)
    with engine.begin() as connection:
        enqueue(connection, [an_event(0), an_event(1, topic=topic, size=size), an_event(2)], reference="S-1")

    with running(a_relay(engine, broker).run):
        eventually(lambda: is_empty(engine))

    [(reference, reason)] = set_aside(engine)
    assert reference == "S-1"
    assert "MessageSizeTooLarge" in reason or "larger than" in reason
    seen_once_in_order(broker, [0, 2])
    assert not read_committed(broker.bootstrap, broker.prefix, topic).records


def test_a_row_for_a_topic_that_nobody_knows_is_set_aside(engine: Engine, broker: Any, running: Any) -> None:
    broker.make(TOPIC)
    with engine.begin() as connection:
        enqueue(connection, [an_event(0, topic="figures-whispered"), an_event(1)])

    with running(a_relay(engine, broker).run):
        eventually(lambda: is_empty(engine))

    assert set_aside(engine) == [(None, "there is no topic figures-whispered")]
    seen_once_in_order(broker, [1])


def test_the_relay_waits_for_a_broker_that_is_away_when_it_starts(
    engine: Engine, broker: Any, running: Any, kafka_node: ServerProcess[KafkaNode]
) -> None:
    broker.make(TOPIC)
    put(engine, range(5))
    kafka_node.stop()

    with running(a_relay(engine, broker).run):
        kafka_node.start()
        eventually(lambda: is_empty(engine))

    seen_once_in_order(broker, range(5))


def test_an_answer_of_the_broker_means_that_the_record_is_safe(engine: Engine, broker: Any) -> None:
    producer = a_relay(engine, broker)._producer()
    try:
        assert producer.config["acks"] == -1
        assert producer.config["enable_idempotence"]
        assert producer.config["transactional_id"] == broker.prefix + "outbox"
        assert producer.config["max_in_flight_requests_per_connection"] <= 5
    finally:
        producer.close()


def test_all_rollups_of_an_indicator_share_a_partition(engine: Engine, broker: Any, running: Any) -> None:
    broker.make("rollups-changed")
    keys = [f"cluster-scale|3203{n:02}|_T|_T|2025-11" for n in range(30)]
    with engine.begin() as connection:
        enqueue(connection, [an_event(n, topic="rollups-changed", key=key) for n, key in enumerate(keys)])

    with running(a_relay(engine, broker).run):
        eventually(lambda: is_empty(engine))

    records = read_committed(broker.bootstrap, broker.prefix, "rollups-changed").records
    assert len(records) == 30
    assert len({record.partition for record in records}) == 1


def test_a_fenced_producer_cannot_commit(engine: Engine, broker: Any) -> None:
    broker.make(TOPIC)
    before = a_relay(engine, broker)._producer()
    after = a_relay(engine, broker)._producer()
    try:
        before.begin_transaction()
        with pytest.raises(KafkaError):
            before.send(broker.prefix + TOPIC, value=b"late", key=b"320302", partition=0).get(timeout=30)
    finally:
        before.close(timeout=1)
        after.close(timeout=1)


def test_the_backlog_counts_what_waits_and_what_lies_aside(engine: Engine) -> None:
    put(engine, range(7))
    with engine.begin() as connection:
        connection.execute(text("UPDATE outbox SET set_aside = 'too large' WHERE outbox_id = 1"))
        backlog = OutboxTable().backlog(connection)

    assert (backlog.rows, backlog.set_aside) == (6, 1)
    assert backlog.oldest_s > 0


def _leader_and_other(first: Relay, second: Relay) -> tuple[Relay, Relay] | None:
    if first.leads:
        return first, second
    return (second, first) if second.leads else None


def _end_the_leaders_connection(engine: Engine) -> None:
    with engine.begin() as connection:
        ended = connection.execute(
            text(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_locks JOIN pg_database ON oid = database"
                " WHERE locktype = 'advisory' AND granted AND datname = current_database()"
            )
        ).scalar_one()
    assert ended == 1
