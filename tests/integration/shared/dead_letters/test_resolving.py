from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from integration.shared.dead_letters.letters import PREFIX, refused, set_aside, the_letters
from integration.shared.kafka.consuming import ORGANISATIONS, TOPIC, Recorder, an_event, effects, ids, told
from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError
from support.waiting import eventually

from fourones_shared.dead_letters.resolving import AlreadyReplayed, Fate, StillWrong
from fourones_shared.dead_letters.stored import Selection, State, UnknownDeadLetter
from fourones_shared.errors import DeadLetter, Rejected, Retry
from fourones_shared.events.model import FiguresApplied


def test_a_replay_applies_the_record_once_and_for_all(engine: Engine) -> None:
    (number,) = set_aside(engine, refused(1))
    letters = the_letters(engine)

    assert letters.replay(number, by="lin").fate is Fate.REPLAYED
    assert letters.replay(number, by="lin").fate is Fate.BEFORE

    assert effects(engine) == ids([1])
    letter, steps = letters.read(number)
    assert letter.listed.state is State.REPLAYED
    assert letter.listed.resolved_at is not None
    assert [(step.action, step.taken_by) for step in steps] == [("replayed", "lin")]


def test_a_record_that_is_refused_again_stays_with_the_new_reason_and_is_told_again(engine: Engine) -> None:
    (number,) = set_aside(engine, refused(1, says="refused by the handler"))
    letters = the_letters(engine)

    replay = letters.replay(number, by="lin")

    assert replay.fate is Fate.REFUSED
    assert replay.refusal is not None
    assert replay.refusal.reason == "no_such_submission"
    letter, steps = letters.read(number)
    assert (letter.listed.state, letter.listed.reason) == (State.WAITING, "no_such_submission")
    assert [step.action for step in steps] == ["refused"]
    assert told(engine) == ["no_such_submission"]
    assert effects(engine) == []


def test_what_the_database_refuses_in_a_replay_leaves_no_trace_but_the_reason(engine: Engine) -> None:
    handler = Recorder()
    (number,) = set_aside(engine, refused(1))

    def overflow(_: object) -> None:
        raise OverflowError("after the effects were written")

    handler.before_commit = overflow
    assert the_letters(engine, handler).replay(number, by="lin").fate is Fate.REFUSED
    assert effects(engine) == []
    assert told(engine) == ["unexpected_error"]


def test_what_is_nobodys_fault_ends_the_replay_and_changes_nothing(engine: Engine) -> None:
    handler = Recorder()
    (number,) = set_aside(engine, refused(1))

    def missing(_: object) -> None:
        raise ProgrammingError("SELECT", None, Exception("no such table"))

    handler.before_commit = missing
    with pytest.raises(ProgrammingError):
        the_letters(engine, handler).replay(number, by="lin")
    letter, steps = the_letters(engine).read(number)
    assert (letter.listed.state, letter.listed.reason, steps) == (State.WAITING, "bad_data", [])
    assert effects(engine) == []


def test_a_record_that_must_wait_is_left_alone(engine: Engine) -> None:
    handler = Recorder()
    handler.held = {"S-1"}
    (number,) = set_aside(engine, refused(1))

    assert the_letters(engine, handler).replay(number, by="lin").fate is Fate.NOT_YET
    handler.held = set()
    assert the_letters(engine, handler).replay(number, by="lin").fate is Fate.REPLAYED
    assert effects(engine) == ids([1])


def test_before_the_first_replay_the_service_may_object(engine: Engine) -> None:
    calls: list[int] = []

    def object_once() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise Retry("not caught up")

    numbers = set_aside(engine, refused(1), refused(2))
    letters = the_letters(engine, before_replay=object_once)
    with pytest.raises(Retry):
        letters.replay(numbers[0], by="lin")
    for number in numbers:
        assert letters.replay(number, by="lin").fate is Fate.REPLAYED
    assert len(calls) == 2


def test_two_replays_at_once_apply_once(engine: Engine) -> None:
    (number,) = set_aside(engine, refused(1))
    handler = Recorder()
    entered, leave = threading.Event(), threading.Event()

    def linger(_: object) -> None:
        entered.set()
        assert leave.wait(30)

    handler.before_commit = linger
    fates: list[Fate] = []
    first = threading.Thread(target=lambda: fates.append(the_letters(engine, handler).replay(number, by="a").fate))
    second = threading.Thread(target=lambda: fates.append(the_letters(engine).replay(number, by="b").fate))
    first.start()
    assert entered.wait(30)
    second.start()
    eventually(lambda: _waits_for_a_lock(engine))
    leave.set()
    first.join(30)
    second.join(30)

    assert sorted(fate.name for fate in fates) == ["BEFORE", "REPLAYED"]
    assert effects(engine) == ids([1])


def test_a_repair_keeps_the_original_and_is_what_is_replayed(engine: Engine) -> None:
    good = an_event(1)
    (number,) = set_aside(engine, refused(1, value=b'{"submission_id": 7}'))
    letters = the_letters(engine)

    letters.repair(number, value=good.value, by="lin", why="the field was a number")

    letter, _ = letters.read(number)
    assert (letter.original, letter.value, letter.listed.repaired) == (b'{"submission_id": 7}', good.value, True)
    assert letter.listed.note == "the field was a number"
    assert letters.replay(number, by="lin").fate is Fate.REPLAYED
    assert effects(engine) == ids([1])
    letter, steps = letters.read(number)
    assert letter.original == b'{"submission_id": 7}'
    assert [(s.action, s.taken_by, s.note, s.size) for s in steps] == [
        ("repaired", "lin", "the field was a number", len(good.value)),
        ("replayed", "lin", None, None),
    ]


def test_a_second_repair_replaces_the_first_and_both_are_kept(engine: Engine) -> None:
    (number,) = set_aside(engine, refused(1, value=b"?"))
    letters = the_letters(engine)
    for reason in ("first", "second"):
        letters.repair(number, value=an_event(1, reason=reason).value, by="lin", why=reason)
    letters.replay(number, by="lin")

    assert effects(engine) == ["second"]
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT value FROM dead_letter_step WHERE action = 'repaired' ORDER BY 1"))
        assert [orjson.loads(bytes(row.value))["reason"] for row in kept] == ["first", "second"]


def test_headers_can_be_repaired_too_and_the_others_stay(engine: Engine) -> None:
    good = an_event(1)
    headers = [(name, value) for name, value in good.headers if name != "ce_type"]
    (number,) = set_aside(engine, refused(1, headers=headers))
    letters = the_letters(engine)

    with pytest.raises(StillWrong, match="unknown_type"):
        letters.repair(number, headers={"ce_type": "fourones.figures.submitted.v1"}, by="lin", why="guessing")
    letters.repair(number, headers={"ce_type": FiguresApplied.TYPE}, by="lin", why="the header was lost")
    letter, steps = letters.read(number)
    assert dict(letter.headers) == dict(good.headers)
    assert len(steps) == 1
    assert letters.replay(number, by="lin").fate is Fate.REPLAYED


@pytest.mark.parametrize("value", [b"", b"?", b'{"submission_id": 7}'])
def test_a_repair_that_leaves_the_record_unreadable_is_refused_and_not_kept(engine: Engine, value: bytes) -> None:
    (number,) = set_aside(engine, refused(1, value=b"!"))
    letters = the_letters(engine)

    with pytest.raises(StillWrong, match="bad_data"):
        letters.repair(number, value=value, by="lin", why="guessing")
    letter, steps = letters.read(number)
    assert (letter.value, steps) == (b"!", [])


def test_a_repair_cannot_make_it_somebody_elses(engine: Engine) -> None:
    (number,) = set_aside(engine, refused(1))
    with pytest.raises(StillWrong, match="the record's key is"):
        the_letters(engine).repair(number, value=an_event(1, org=ORGANISATIONS[5]).value, by="lin", why="typing error")


def test_what_is_discarded_stays_readable_and_may_still_be_replayed(engine: Engine) -> None:
    (number,) = set_aside(engine, refused(1))
    letters = the_letters(engine)

    letters.discard(number, by="lin", why="sent twice")

    letter, steps = letters.read(number)
    assert (letter.listed.state, letter.listed.note) == (State.DISCARDED, "sent twice")
    assert letter.listed.resolved_at is not None
    assert [step.action for step in steps] == ["discarded"]
    assert letter.value == an_event(1).value
    assert effects(engine) == []
    assert letters.replay(number, by="lin").fate is Fate.REPLAYED
    assert effects(engine) == ids([1])


def test_what_was_replayed_is_neither_repaired_nor_discarded(engine: Engine) -> None:
    (number,) = set_aside(engine, refused(1))
    letters = the_letters(engine)
    letters.replay(number, by="lin")

    with pytest.raises(AlreadyReplayed):
        letters.discard(number, by="lin", why="late")
    with pytest.raises(AlreadyReplayed):
        letters.repair(number, value=an_event(1).value, by="lin", why="late")


def test_a_number_that_nobody_has_is_told(engine: Engine) -> None:
    letters = the_letters(engine)
    for work in (
        lambda: letters.read(7),
        lambda: letters.replay(7, by="lin"),
        lambda: letters.discard(7, by="lin", why="x"),
        lambda: letters.repair(7, value=b"", by="lin", why="x"),
    ):
        with pytest.raises(UnknownDeadLetter, match="no dead letter 7"):
            work()


def test_a_topic_or_a_group_of_another_service_is_told(engine: Engine) -> None:
    letters = the_letters(engine)
    assert letters.topic(TOPIC) == letters.topic(PREFIX + TOPIC) == PREFIX + TOPIC
    with pytest.raises(Rejected, match=f"only {TOPIC}"):
        letters.topic("figures-submitted")
    with pytest.raises(Rejected, match="only receipts"):
        letters.allow(["alerting"], by="lin", why="x")


def test_letters_are_found_page_by_page_and_by_what_they_are(engine: Engine) -> None:
    numbers = set_aside(
        engine,
        *(refused(n) for n in range(4)),
        refused(9, value=b"\xff\x00", refusal=DeadLetter("not_an_event", "bytes")),
    )
    letters = the_letters(engine)
    letters.discard(numbers[0], by="lin", why="noise")

    def found(limit: int = 100, before: int | None = None, **chosen: object) -> list[int]:
        selection = Selection(**chosen)  # type: ignore[arg-type]
        return [letter.dead_letter_id for letter in letters.find(selection, limit=limit, before=before)]

    assert found() == numbers[::-1]
    assert found(limit=2) == numbers[:-3:-1]
    assert found(limit=2, before=numbers[-2]) == [numbers[2], numbers[1]]
    assert found(state=State.DISCARDED) == [numbers[0]]
    assert found(reason="not_an_event") == [numbers[-1]]
    assert found(containing=b'"S-2"') == [numbers[2]]
    assert found(topic=PREFIX + "another") == []
    assert found(since=datetime.now(UTC) + timedelta(hours=1)) == []
    assert found(since=datetime.now(UTC) - timedelta(hours=1)) == numbers[::-1]
    assert letters.numbers(Selection(state=State.WAITING)) == numbers[1:]


def test_the_limit_is_told_with_how_far_it_is_and_since_when_records_wait(engine: Engine) -> None:
    assert the_letters(engine).counts() == []
    set_aside(engine, *(refused(n) for n in range(4)), limit=5)
    (count,) = the_letters(engine).counts()
    assert (count.group, count.counted, count.waiting_since) == (PREFIX + "receipts", 4, None)

    set_aside(engine, *(refused(n) for n in range(4, 8)), limit=5)
    (count,) = the_letters(engine).counts()
    assert count.counted == 5
    assert count.waiting_since is not None

    the_letters(engine).allow(by="lin", why="looked")
    (count,) = the_letters(engine).counts()
    assert (count.counted, count.waiting_since) == (0, None)


def _waits_for_a_lock(engine: Engine) -> bool:
    with engine.connect() as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        return bool(connection.execute(text(query)).scalar_one())
