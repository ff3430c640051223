"""A relay that stalls, and is replaced meanwhile, never leaves an older roll-up as the last on the compacted topic."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson
import pytest
from integration.aggregation.keeping import Aggregation, a_figure, a_submission
from integration.aggregation.serving import running
from integration.aggregation.topics import Kafka
from kafka import KafkaProducer
from sqlalchemy import Connection
from support.waiting import eventually

from fourones_aggregation.publishing import RollupStore
from fourones_shared.events.model import RollupChanged
from fourones_shared.kafka.outbox import OutboxMessage, Relay

NAME = "aggregation-rollups"
CITY_IN_MARCH = "cluster-scale|_T|_T|_T|2026-03"


class Stall:
    """Holds the first to come where it is, until it is let go: a process that was stopped for a while."""

    def __init__(self) -> None:
        self._came, self._gone = threading.Event(), threading.Event()

    def __call__(self) -> None:
        if not self._came.is_set():
            self._came.set()
            assert self._gone.wait(60)

    def holds(self) -> None:
        assert self._came.wait(30)

    def end(self) -> None:
        self._gone.set()


class _Messages(list[OutboxMessage]):
    """Taken; the relay goes through them once to send them, and is held before the first or after the last."""

    def __init__(self, messages: Sequence[OutboxMessage], *, before: Stall | None, after: Stall | None) -> None:
        super().__init__(messages)
        self._before, self._after = before, after

    def __iter__(self) -> Iterator[OutboxMessage]:
        if self._before is not None:
            self._before()
        yield from super().__iter__()
        if self._after is not None:
            self._after()


class _HeldStore:
    """The store of a relay that is held between taking roll-ups and Kafka's commit, once it has the newest."""

    def __init__(self, store: RollupStore, **held: Stall | None) -> None:
        self._store, self._held = store, held

    def take(self, connection: Connection, limit: int) -> Sequence[OutboxMessage]:
        messages = self._store.take(connection, limit)
        return _Messages(messages, **self._held) if messages else messages

    def sent(self, connection: Connection, messages: Sequence[OutboxMessage]) -> None:
        self._store.sent(connection, messages)

    def set_aside(self, connection: Connection, message: OutboxMessage, reason: str) -> None:
        self._store.set_aside(connection, message, reason)


class _HeldBeforeItBegins(Relay):
    """Held when it has the lock and nothing else yet; its producer will fence its successor's."""

    stall: Stall

    def _producer(self) -> KafkaProducer:
        self.stall()
        return super()._producer()


@pytest.fixture
def kafka(kafka_bootstrap: str, topic_prefix: str) -> Kafka:
    return Kafka(kafka_bootstrap, topic_prefix)


Make = Callable[[Aggregation, Kafka, Stall], Relay]


def a_relay(aggregation: Aggregation, kafka: Kafka, store: Any = None, kind: type[Relay] = Relay) -> Relay:
    return kind(
        name=NAME,
        engine=aggregation.engine,
        store=store or aggregation.store,
        bootstrap=kafka.bootstrap,
        topic_prefix=kafka.prefix,
    )


def held_before_it_sends(aggregation: Aggregation, kafka: Kafka, stall: Stall) -> Relay:
    return a_relay(aggregation, kafka, _HeldStore(aggregation.store, before=stall, after=None))


def held_before_it_commits(aggregation: Aggregation, kafka: Kafka, stall: Stall) -> Relay:
    return a_relay(aggregation, kafka, _HeldStore(aggregation.store, before=None, after=stall))


def held_before_it_begins(aggregation: Aggregation, kafka: Kafka, stall: Stall) -> Relay:
    relay = a_relay(aggregation, kafka, kind=_HeldBeforeItBegins)
    assert isinstance(relay, _HeldBeforeItBegins)
    relay.stall = stall
    return relay


@pytest.mark.parametrize("make", [held_before_it_begins, held_before_it_sends, held_before_it_commits])
def test_what_a_stalled_relay_had_taken_never_comes_after_what_is_newer(
    aggregation: Aggregation, kafka: Kafka, make: Make
) -> None:
    with running(a_relay(aggregation, kafka).run):
        eventually(lambda: nothing_waits(aggregation))
    stall = Stall()
    stalled, successor = make(aggregation, kafka, stall), a_relay(aggregation, kafka)
    aggregation.apply(a_submission(a_figure("1")))
    with running(stalled.run):
        stall.holds()
        end_connection_of_leader(aggregation)
        aggregation.apply(a_submission(a_figure("2")))
        with running(successor.run):
            eventually(lambda: nothing_waits(aggregation))
            newest = last_published(kafka)
            assert newest == in_database(aggregation)
            stall.end()
            # Whichever of the two it is in the end, one goes on: the other may have been fenced as it woke.
            aggregation.apply(a_submission(a_figure("3")))
            eventually(lambda: nothing_waits(aggregation))
            eventually(lambda: [stalled.leads, successor.leads].count(True) == 1)

    assert last_published(kafka) == in_database(aggregation)
    assert all(read == sorted(read) for read in published(kafka).values())
    # The city: opened, 1, 2 and 3. The successor read 2 at once, so 1 is missing, which the stalled relay had taken.
    versions = published(kafka)[CITY_IN_MARCH]
    assert sorted(set(versions)) == [1, 3, 4]


def test_what_is_read_before_the_stalled_relay_wakes_is_what_is_read_after_it(
    aggregation: Aggregation, kafka: Kafka
) -> None:
    stall = Stall()
    with running(held_before_it_commits(aggregation, kafka, stall).run):
        stall.holds()
        end_connection_of_leader(aggregation)
        with running(a_relay(aggregation, kafka).run):
            eventually(lambda: nothing_waits(aggregation))
        # Nobody works any more but the one that wakes: nothing of its transaction comes to light.
        before = published(kafka)
        stall.end()
    assert published(kafka) == before


def nothing_waits(aggregation: Aggregation) -> bool:
    return not aggregation.rows("SELECT FROM rollup_pending LIMIT 1")


def published(kafka: Kafka) -> dict[str, list[int]]:
    """The versions of each roll-up in the order in which a reader of committed records sees them."""
    versions: dict[str, list[int]] = {}
    for record in kafka.read(RollupChanged.TOPIC):
        versions.setdefault(record.key.decode(), []).append(int(orjson.loads(record.value)["version"]))
    return versions


def last_published(kafka: Kafka) -> dict[str, int]:
    """What compaction leaves of it."""
    return {key: versions[-1] for key, versions in published(kafka).items()}


def in_database(aggregation: Aggregation) -> dict[str, int]:
    rows = aggregation.rows(
        "SELECT concat_ws('|', i.code, o.code, c.code, t.code, p.code) AS key, r.version FROM rollup r"
        " JOIN indicator i USING (indicator_id) JOIN organisation o USING (org_id) JOIN cluster c USING (cluster_id)"
        " JOIN tier t USING (tier_id) JOIN period p USING (period_id)"
    )
    return {row.key: row.version for row in rows}


def end_connection_of_leader(aggregation: Aggregation) -> None:
    """As the server does when it takes the client for dead: the lock is free, and the client knows nothing of it."""
    [ended] = aggregation.rows(
        "SELECT count(pg_terminate_backend(pid)) AS leaders FROM pg_locks JOIN pg_database ON oid = database"
        " WHERE locktype = 'advisory' AND granted AND datname = current_database()"
    )
    assert ended.leaders == 1
