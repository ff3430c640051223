from __future__ import annotations

import threading

from integration.shared.dead_letters.letters import refused, set_aside, the_letters
from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy import Engine
from support.waiting import eventually

from fourones_local.postgres import PostgresServer
from fourones_local.process import ServerProcess
from fourones_shared.dead_letters.gauge import WaitingGauge
from fourones_shared.errors import DeadLetter


class Seen:
    """A gauge of its own, and what it says."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.gauge = Gauge("waiting", "words", ["group", "topic", "reason"], registry=self._registry)

    def values(self) -> dict[str, float]:
        return {s.labels["reason"]: s.value for metric in self._registry.collect() for s in metric.samples}


def test_it_counts_what_waits_by_reason_and_forgets_what_is_resolved(engine: Engine) -> None:
    seen = Seen()
    gauge = WaitingGauge(engine, seen.gauge)
    gauge.count()
    assert seen.values() == {}

    noise = refused(9, refusal=DeadLetter("not_an_event", "bytes"))
    numbers = set_aside(engine, refused(1), refused(2), noise)
    gauge.count()
    assert seen.values() == {"bad_data": 2, "not_an_event": 1}

    the_letters(engine).replay(numbers[0], by="lin")
    the_letters(engine).discard(numbers[2], by="lin", why="noise")
    gauge.count()
    assert seen.values() == {"bad_data": 1}


def test_a_process_that_has_just_started_says_the_same(engine: Engine) -> None:
    set_aside(engine, refused(1))
    seen = Seen()
    WaitingGauge(engine, seen.gauge).count()
    assert seen.values() == {"bad_data": 1}


def test_it_counts_on_after_the_database_was_away(
    engine: Engine, postgres_server: ServerProcess[PostgresServer]
) -> None:
    set_aside(engine, refused(1))
    seen, stop = Seen(), threading.Event()
    postgres_server.stop()
    thread = threading.Thread(target=WaitingGauge(engine, seen.gauge).follow, args=(stop,))
    thread.start()
    postgres_server.start()
    eventually(lambda: seen.values() == {"bad_data": 1})
    stop.set()
    thread.join(20)
    assert not thread.is_alive()
