"""The trace of what a notice tells goes on until a channel has taken it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from integration.alerting.telling import Remembering, busy
from integration.alerting.test_sending import a_desk
from sqlalchemy import Engine
from unit.shared.tracing.recording import recording

from fourones_alerting import bootstrap
from fourones_shared.database.engine import worker_engine
from fourones_shared.database.migrate import migrate
from fourones_shared.tracing import names


def a_traceparent(number: int) -> str:
    return f"00-{number:032x}-{number:016x}-01"


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    migrate(bootstrap.PACKAGE, database_url)
    engine = worker_engine(database_url, name="test", pool_size=8)
    yield engine
    engine.dispose()


def test_every_attempt_is_part_of_the_trace_that_it_tells_of(engine: Engine) -> None:
    channel = Remembering("gxj/group", failures=[busy()])
    with recording() as recorded, a_desk(engine, channel) as desk:
        [number] = desk.enter(channel, "甲", traceparent=a_traceparent(7))
        desk.send()
        desk.clock.advance(timedelta(seconds=11))
        desk.send()
        assert channel.numbers == [number]

    first, second = recorded.all("send notice webhook")
    assert [(span.trace, span.parent, span.failed) for span in (first, second)] == [(7, 7, True), (7, 7, False)]
    assert second.attributes == {
        names.NOTICE_NUMBER: number,
        names.NOTICE_KIND: "off_track",
        names.CHANNEL_KIND: "webhook",
    }


def test_a_digest_is_linked_with_the_traces_of_its_parts(engine: Engine) -> None:
    channel = Remembering("gxj/group")
    with recording() as recorded, a_desk(engine, channel, digest_from=3) as desk:
        desk.enter(channel, "甲", traceparent=a_traceparent(7))
        desk.enter(channel, "乙", traceparent=a_traceparent(8))
        desk.enter(channel, "丙")
        desk.send()

    digest = recorded.one("send notice webhook")
    assert (digest.parent, digest.links) == (0, ((7, 7), (8, 8)))
    assert digest.attributes[names.NOTICE_KIND] == "digest"
