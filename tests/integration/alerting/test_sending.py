"""What the ledger holds goes out: once, in order, at the channel's pace, and again until it is taken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from integration.alerting.telling import Remembering, busy
from sqlalchemy import Connection, Engine, text
from support.waiting import eventually
from typer.testing import CliRunner

from fourones_alerting.__main__ import app
from fourones_alerting.notifying import notices
from fourones_alerting.notifying.channels import Allowance, Directory, QuietHours, Recipient, Undelivered
from fourones_alerting.notifying.notices import Draft, Kind
from fourones_alerting.notifying.sending import LAST_CALLS_S, Sender, pause_s
from fourones_shared.database.engine import worker_engine
from fourones_shared.domain.clock import FixedClock
from fourones_shared.process import THREADS_END_S

# In the afternoon in Shanghai.
NOON = datetime(2026, 5, 20, 7, tzinfo=UTC)


class Desk:
    """A ledger, and whoever sends from it."""

    def __init__(self, engine: Engine, directory: Directory) -> None:
        self.engine = engine
        self.directory = directory
        self.clock = FixedClock(NOON)
        self.known: list[tuple[str, int]] = []
        self._senders = ExitStack()
        self.sender = self.new_sender()

    def new_sender(self) -> Sender:
        """Another process's, which has just become the leader."""
        sender = Sender(
            engine=self.engine,
            directory=self.directory,
            clock=self.clock,
            told=self._told,
            told_of_problem=lambda *_: None,
            pause=lambda _: 10.0,
        )
        self._senders.callback(sender.end)
        sender.begin()
        return sender

    def enter(self, channel: Remembering, *titles: str, kind: Kind = Kind.OFF_TRACK, **changes: Any) -> list[int]:
        numbers = []
        with self.engine.begin() as connection:
            for title in titles:
                fields: dict[str, Any] = {"target": title, "period": "2026-04", "episode": 1, "level": "red"} | changes
                draft = Draft(kind=kind, fact=f"{kind}:{title}", title=title, text="第一句\n第二句", **fields)
                recipient = channel.id.partition("/")[0]
                number = notices.add(connection, recipient, channel, draft, now=self.clock.now())
                assert number is not None
                numbers.append(number)
        return numbers

    def send(self, sender: Sender | None = None) -> None:
        """Let everything that may go out now go out."""
        sender = sender or self.sender
        sender.dispatch()
        eventually(lambda: all(call.done() for call in sender._calls.values()))

    def states(self) -> list[str]:
        return [row.state for row in self.rows("SELECT state FROM notice ORDER BY number")]

    def rows(self, query: str) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(text(query)))

    def end(self) -> None:
        self._senders.close()

    def _told(self, _: Connection, target: str, episode: int, __: datetime) -> None:
        self.known.append((target, episode))


@pytest.fixture
def engine(migrated_url: str) -> Iterator[Engine]:
    engine = worker_engine(migrated_url, name="test", pool_size=8)
    yield engine
    engine.dispose()


@contextmanager
def a_desk(engine: Engine, *channels: Remembering, **department: Any) -> Iterator[Desk]:
    departments = {
        channel.id.partition("/")[0]: Recipient((channel,), **department)
        for channel in channels
        if not channel.id.startswith("operators")
    }
    operators = Recipient(tuple(channel for channel in channels if channel.id.startswith("operators")))
    desk = Desk(engine, Directory(departments=departments, operators=operators))
    try:
        yield desk
    finally:
        for channel in channels:
            channel.open.set()
        desk.end()


def test_a_notice_goes_out_once_and_the_department_is_known_to_know(engine: Engine) -> None:
    channel = Remembering("gxj/group")
    with a_desk(engine, channel) as desk:
        numbers = desk.enter(channel, "甲", "乙")
        desk.send()
        desk.send()
        assert channel.numbers == numbers
        assert desk.states() == ["sent", "sent"]
        assert desk.known == [("甲", 1), ("乙", 1)]
        assert channel.sent[0].facts["recipient"] == "gxj"


def test_one_fact_is_entered_for_a_channel_once(engine: Engine) -> None:
    channel = Remembering("gxj/group")
    with a_desk(engine, channel) as desk:
        desk.enter(channel, "甲")
        draft = Draft(kind=Kind.OFF_TRACK, fact="off_track:甲", level="red", title="甲")
        with engine.begin() as connection:
            assert notices.add(connection, "gxj", channel, draft, now=NOON) is None


def test_what_a_channel_does_not_take_is_sent_again_later_with_the_same_number(engine: Engine) -> None:
    channel = Remembering("gxj/group", failures=[busy(), ConnectionError("boom")])
    with a_desk(engine, channel) as desk:
        [number] = desk.enter(channel, "甲")
        desk.send()
        assert desk.states() == ["waiting"]
        desk.send()
        assert channel.failures, "not before its pause is over"
        desk.clock.advance(timedelta(seconds=11))
        desk.send()
        desk.clock.advance(timedelta(seconds=11))
        desk.send()
        assert channel.numbers == [number]
        [row] = desk.rows("SELECT state, attempts, reason FROM notice")
        assert tuple(row) == ("sent", 3, None)


def test_a_channel_that_asks_to_be_left_alone_is_left_alone_with_everything(engine: Engine) -> None:
    channel = Remembering("gxj/group", failures=[busy(after_s=300)])
    with a_desk(engine, channel) as desk:
        desk.enter(channel, "甲")
        desk.send()
        desk.enter(channel, "乙")
        desk.clock.advance(timedelta(seconds=299))
        desk.send()
        assert channel.sent == []
        desk.clock.advance(timedelta(seconds=2))
        desk.send()
        assert sorted(channel.titles) == ["乙", "甲"]


def test_a_message_that_the_channel_stumbles_over_does_not_stand_in_the_way_of_the_others(engine: Engine) -> None:
    channel = Remembering("gxj/group", failures=[Undelivered("content refused", retry=False)])
    with a_desk(engine, channel) as desk:
        desk.enter(channel, "甲", "乙")
        desk.send()
        assert channel.titles == ["乙"]
        assert desk.states() == ["given_up", "sent"]
        [row] = desk.rows("SELECT reason FROM notice WHERE state = 'given_up'")
        assert row.reason == "content refused"


def test_what_is_overtaken_is_not_sent_behind_what_came_later(engine: Engine) -> None:
    channel = Remembering("320382/hook", failures=[busy()])
    with a_desk(engine, channel) as desk:
        desk.enter(channel, "问题7待签收", kind=Kind.PROBLEM, problem=7, target=None, episode=None)
        desk.send()
        assert desk.states() == ["waiting"]
        with engine.begin() as connection:
            notices.drop_about_problem(connection, 7, NOON, "问题已有新进展")
        desk.enter(channel, "问题7已销号", kind=Kind.PROBLEM, problem=7, target=None, episode=None)
        desk.clock.advance(timedelta(minutes=1))
        desk.send()
        assert (desk.states(), channel.titles) == (["dropped", "sent"], ["问题7已销号"])


def test_an_orderly_end_leaves_a_process_time_to_end() -> None:
    assert LAST_CALLS_S < THREADS_END_S


def test_after_three_days_it_is_given_up(engine: Engine) -> None:
    channel = Remembering("gxj/group", failures=[busy(), busy()])
    with a_desk(engine, channel) as desk:
        desk.enter(channel, "甲")
        desk.send()
        assert desk.states() == ["waiting"]
        desk.clock.advance(timedelta(days=3, seconds=1))
        desk.send()
        assert desk.states() == ["given_up"]


def test_a_channel_that_hangs_does_not_hold_up_another(engine: Engine) -> None:
    hanging, other = Remembering("gxj/group"), Remembering("kjj/group")
    hanging.open.clear()
    with a_desk(engine, hanging, other) as desk:
        desk.enter(hanging, "甲", "丙")
        desk.enter(other, "乙")
        desk.sender.dispatch()
        eventually(lambda: other.titles == ["乙"])
        assert hanging.called.wait(60)
        desk.sender.dispatch()
        assert hanging.sent == []
        hanging.open.set()
        desk.send()
        assert hanging.titles == ["甲", "丙"]


def test_the_pace_holds_over_messages_and_over_whoever_sends(engine: Engine) -> None:
    channel = Remembering("gxj/group", pace=(Allowance(messages=2, seconds=60),))
    with a_desk(engine, channel) as desk:
        desk.enter(channel, "甲", "乙", "丙")
        desk.send()
        assert channel.titles == ["甲", "乙"]
        after_a_restart = desk.new_sender()
        desk.send(after_a_restart)
        assert len(channel.sent) == 2
        desk.clock.advance(timedelta(seconds=61))
        desk.send(after_a_restart)
        assert channel.titles == ["甲", "乙", "丙"]


def test_departments_are_left_alone_in_quiet_hours_and_operators_are_not(engine: Engine) -> None:
    department, operators = Remembering("gxj/group"), Remembering("operators/duty")
    quiet = QuietHours(time(22), time(7, 30))
    with a_desk(engine, department, operators, quiet_hours=quiet) as desk:
        # Eleven at night in Shanghai.
        desk.clock.move_to(datetime(2026, 5, 20, 15, tzinfo=UTC))
        desk.enter(department, "甲")
        desk.enter(operators, "乙", kind=Kind.HEALTH)
        desk.send()
        assert (department.sent, operators.titles) == ([], ["乙"])
        desk.clock.move_to(datetime(2026, 5, 20, 23, 30, tzinfo=UTC))
        desk.send()
        assert department.titles == ["甲"]


def test_many_that_wait_for_one_channel_become_one_message_with_one_number(engine: Engine) -> None:
    channel = Remembering("gxj/group")
    with a_desk(engine, channel, digest_from=3) as desk:
        numbers = desk.enter(channel, "甲", "乙", "丙")
        desk.send()
        [message] = channel.sent
        assert message.number not in numbers
        assert message.title == "3条提醒，其中红灯3条"
        assert [line for line in message.text.split("\n") if "【" in line] == [
            f"【{number}】{title}。第一句" for number, title in zip(numbers, "甲乙丙", strict=True)
        ]
        assert [part["title"] for part in message.facts["parts"]] == ["甲", "乙", "丙"]
        assert desk.states() == ["sent"] * 4
        assert sorted(desk.known) == sorted([("甲", 1), ("乙", 1), ("丙", 1)])
        desk.enter(channel, "丁", "戊")
        desk.send()
        assert channel.titles[1:] == ["丁", "戊"], "two are no digest here"


def test_a_digest_that_is_not_taken_comes_again_as_it_was(engine: Engine) -> None:
    channel = Remembering("gxj/group", failures=[busy()])
    with a_desk(engine, channel, digest_from=2) as desk:
        desk.enter(channel, "甲", "乙")
        desk.send()
        assert desk.states() == ["bundled", "bundled", "waiting"]
        desk.clock.advance(timedelta(seconds=11))
        desk.send()
        assert channel.titles == ["2条提醒，其中红灯2条"]
        assert desk.states() == ["sent"] * 3


def test_a_digest_holds_no_more_than_the_smallest_channel_takes(engine: Engine) -> None:
    channel = Remembering("gxj/group")
    with a_desk(engine, channel, digest_from=2) as desk:
        desk.enter(channel, *(f"{number}号{'长' * 200}" for number in range(9)))
        desk.send()
        assert all(len(message.text.encode()) <= 3_300 for message in channel.sent)
        told = "\n".join(f"{message.title}\n{message.text}" for message in channel.sent)
        assert all(f"{number}号" in told for number in range(9))
        assert set(desk.states()) == {"sent"}


def test_who_takes_over_sends_once_more_what_was_being_sent_and_nothing_else(engine: Engine) -> None:
    channel = Remembering("gxj/group")
    channel.open.clear()
    with a_desk(engine, channel) as desk:
        sent, being_sent, waiting = desk.enter(channel, "甲", "乙", "丙")
        channel.open.set()
        with engine.begin() as connection:
            connection.execute(text("UPDATE notice SET next_attempt_at = 'infinity' WHERE number > :n"), {"n": sent})
        desk.send()
        channel.open.clear()
        channel.called.clear()
        with engine.begin() as connection:
            connection.execute(text("UPDATE notice SET next_attempt_at = made_at WHERE state = 'waiting'"))
        desk.sender.dispatch()
        assert channel.called.wait(60)
        # The first sender hangs in its call, as good as dead; another process leads now, with channels of its own.
        mine = Remembering("gxj/group")
        successor = Sender(
            engine=engine,
            directory=Directory(departments={"gxj": Recipient((mine,))}),
            clock=desk.clock,
            told=desk._told,
            told_of_problem=lambda *_: None,
        )
        successor.begin()
        desk.send(successor)
        successor.end()
        assert sorted(mine.numbers) == sorted([being_sent, waiting])
        # What the dead one learns of its own call changes nothing any more.
        desk.sender.pause()
        channel.open.set()
        eventually(lambda: all(call.done() for call in desk.sender._calls.values()))
        assert desk.states() == ["sent"] * 3
        assert channel.numbers == [sent, being_sent]


def test_a_sender_that_leads_again_does_not_repeat_what_it_is_sending_itself(engine: Engine) -> None:
    channel = Remembering("gxj/group")
    channel.open.clear()
    with a_desk(engine, channel) as desk:
        desk.enter(channel, "甲")
        desk.sender.dispatch()
        assert channel.called.wait(60)
        desk.sender.pause()
        desk.sender.begin()
        assert desk.states() == ["sending"]
        channel.open.set()
        desk.send()
        assert channel.titles == ["甲"]


def test_what_is_for_a_channel_that_is_gone_waits_three_days(engine: Engine) -> None:
    channel, gone = Remembering("gxj/group"), Remembering("gxj/gone")
    with a_desk(engine, channel) as desk:
        desk.enter(gone, "甲")
        desk.send()
        for days, state in ((2, "waiting"), (2, "given_up")):
            desk.clock.advance(timedelta(days=days))
            with engine.begin() as connection:
                desk.sender.give_up_unknown(connection, desk.clock.now())
            assert desk.states() == [state]


def test_pauses_grow_from_a_second_to_a_quarter_of_an_hour_and_are_spread() -> None:
    assert 0.5 <= pause_s(1) <= 1
    assert 4 <= pause_s(4) <= 8
    assert 450 <= pause_s(50) <= 900
    assert len({pause_s(5) for _ in range(20)}) > 1


def test_operators_send_again_or_discard_what_was_given_up(
    engine: Engine, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOURONES_DATABASE_URL", migrated_url)
    refused = Undelivered("the robot is gone", retry=False)
    channel = Remembering("gxj/group", failures=[refused, refused])
    with a_desk(engine, channel) as desk:
        first, second = desk.enter(channel, "甲", "乙")
        desk.send()
        listed = CliRunner().invoke(app, ["notices", "list", "--state", "given_up"])
        assert [line.split()[0] for line in listed.stdout.splitlines()] == [str(second), str(first)]
        assert "the robot is gone" in listed.stdout
        assert CliRunner().invoke(app, ["notices", "retry", str(first)]).exit_code == 0
        assert CliRunner().invoke(app, ["notices", "discard", str(second), "--reason", "told by phone"]).exit_code == 0
        # What nobody has given up is not sent once more by a slip of the hand.
        assert CliRunner().invoke(app, ["notices", "retry", str(second)]).exit_code == 1
        desk.clock.move_to(datetime.now(UTC))
        desk.send()
        assert channel.numbers == [first]
        assert desk.states() == ["sent", "dropped"]


def test_a_digest_that_was_given_up_is_sent_again_with_its_parts(engine: Engine) -> None:
    channel = Remembering("gxj/group", failures=[Undelivered("refused", retry=False)])
    with a_desk(engine, channel, digest_from=2) as desk:
        desk.enter(channel, "甲", "乙")
        desk.send()
        assert desk.states() == ["given_up"] * 3
        with engine.begin() as connection:
            assert not notices.again(connection, 1, desk.clock.now()), "a part goes with its digest"
            assert notices.again(connection, 3, desk.clock.now())
        desk.send()
        assert channel.numbers == [3]
        assert desk.states() == ["sent"] * 3
