"""Two workers that judge the same target at the same moment, each by what its own partition brought."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from integration.alerting.test_explaining import REACHED, REACHED_TARGET, of_counties, of_reached, with_history
from sqlalchemy import Connection, Engine, text
from support.waiting import eventually
from unit.alerting.builders import NOW, SCALE

from fourones_alerting.judging.judge import Judge
from fourones_alerting.rollups.store import store_rollups
from fourones_shared.database.engine import worker_engine
from fourones_shared.domain.clock import FixedClock
from fourones_shared.events.envelope import Envelope
from fourones_shared.events.model import RollupChanged
from fourones_shared.kafka.batches import Received


@pytest.fixture
def engine(migrated_url: str) -> Iterator[Engine]:
    engine = worker_engine(migrated_url, name="test", pool_size=4)
    yield engine
    engine.dispose()


def test_a_derived_target_is_judged_by_what_the_other_worker_brings_at_the_same_moment(engine: Engine) -> None:
    judge = Judge(with_history(), 1, FixedClock(NOW))
    with engine.begin() as connection:
        judge.judge_everything(connection)
        _bring(connection, judge, of_reached("0"))
    assert _verdict(engine) == "off_track"

    waiting = threading.Event()

    def bring_the_input() -> None:
        with engine.begin() as connection:
            waiting.set()
            _bring(connection, judge, of_counties("2026-04", "60", "60"))

    other = threading.Thread(target=bring_the_input)
    with engine.begin() as connection:
        # One worker brings the count, the other, before that is committed, an input of it.
        _bring(connection, judge, of_reached("1", version=2))
        other.start()
        assert waiting.wait(30)
        eventually(lambda: _waits_for_a_lock(engine))
    other.join(60)

    assert _verdict(engine) == "achieved"
    with engine.connect() as connection:
        episodes = connection.execute(
            text("SELECT count(*), count(ended_at) FROM episode WHERE target = :target"), {"target": REACHED_TARGET}
        ).one()
        assert tuple(episodes) == (1, 1)


def _bring(connection: Connection, judge: Judge, rollup: RollupChanged) -> None:
    assert rollup.indicator in {REACHED, SCALE}
    envelope = Envelope("1", rollup.TYPE, "/t", NOW, None, b"{}")
    judge.judge_about(connection, store_rollups(connection, [Received("rollups-changed", 0, 0, envelope, rollup)], NOW))


def _verdict(engine: Engine) -> str:
    with engine.connect() as connection:
        query = text("SELECT verdict FROM assessment WHERE target = :target")
        return str(connection.execute(query, {"target": REACHED_TARGET}).scalar_one())


def _waits_for_a_lock(engine: Engine) -> bool:
    with engine.connect() as connection:
        query = text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(connection.execute(query).scalar_one() == 1)
