import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourones_shared.dead_letters.showing import (
    LONGEST_SHOWN,
    changes,
    document_in_full,
    in_full,
    line_of,
    plain,
    readable,
)
from fourones_shared.dead_letters.stored import Listed, State, Step, Stored

NOON = datetime(2026, 4, 15, 4, tzinfo=UTC)


def a_letter(value: bytes | None = b"{}", **changed: object) -> Stored:
    listed = {
        "dead_letter_id": 7,
        "group": "aggregation",
        "topic": "figures-submitted",
        "partition": 3,
        "offset": 41,
        "key": b"320382",
        "size": len(value or b""),
        "reason": "bad_period",
        "detail": "/figures/0/period",
        "recorded_at": NOON,
        "state": State.WAITING,
        "resolved_at": None,
        "note": None,
        "repaired": False,
    } | changed
    return Stored(
        listed=Listed(**listed),  # type: ignore[arg-type]
        original=value,
        value=value,
        original_headers=[],
        headers=[("ce_id", b"1"), ("odd", b"\xff\x1b[2J"), ("none", None)],
    )


def test_json_is_indented_and_readable_in_chinese() -> None:
    assert readable('{"note":"首次填报"}'.encode()) == '{\n  "note": "首次填报"\n}'


def test_a_number_of_any_length_is_shown_exactly() -> None:
    assert str(10**40) in readable(json.dumps({"version": 10**40}).encode())


@pytest.mark.parametrize("value", [b"[" * 100_000, b"{", b"9" * 5_000], ids=["deep", "cut short", "long"])
def test_text_that_is_no_json_is_shown_as_it_is(value: bytes) -> None:
    assert readable(value).startswith(value.decode()[:1_000])


def test_bytes_are_shown_in_hexadecimal() -> None:
    assert readable(b"\xff\x00ab") == f"  00000000  {'ff 00 61 62':<48} ..ab"


def test_what_is_too_long_is_cut_and_says_so() -> None:
    shown = readable(b'"' + b"x" * 10 * LONGEST_SHOWN + b'"')
    assert len(shown) < LONGEST_SHOWN + 100
    assert shown.endswith("`--value` gives all of it")


@given(st.binary() | st.text().map(str.encode) | st.none())
def test_no_record_reaches_the_terminals_own_commands(value: bytes | None) -> None:
    letter = a_letter(value, key=value, detail=(value or b"").decode("utf-8", "replace"))
    for line in (*in_full(letter, []), *line_of(letter.listed)):
        assert all(c.isprintable() or c == "\n" for c in line)


def test_a_letter_is_told_with_everything_that_was_done() -> None:
    step = Step("repaired", NOON, "lin", "typing error", 12)
    words = "\n".join(in_full(a_letter(state=State.REPLAYED, resolved_at=NOON), [step]))
    for part in (
        "replayed at 2026-04-15T12:00:00+08:00",
        "offset 41",
        "320382",
        "bad_period",
        "repaired (12 bytes) by lin",
    ):
        assert part in words
    document = document_in_full(a_letter(), [step])
    assert document["headers"]["odd"] == {"base64": "/xtbMko="}
    assert document["steps"] == [
        {"action": "repaired", "at": NOON.isoformat(), "by": "lin", "note": "typing error", "size": 12}
    ]


def test_a_repair_is_told_by_what_it_changes() -> None:
    before = b'{"org": "320382", "figures": [{"period": "nonsense", "value": "1"}, {"value": "2"}], "gone": true}'
    after = b'{"org": "320382", "figures": [{"period": "2026-03", "value": "1"}], "new": null}'
    assert list(changes(before, after)) == [
        '/figures/0/period: "nonsense" becomes "2026-03"',
        '/figures/1: {"value": "2"} becomes nothing',
        "/gone: true becomes nothing",
        "/new: nothing becomes null",
    ]


def test_a_repair_of_what_was_no_json_is_told_in_bytes() -> None:
    assert list(changes(b"\xff", b"{}")) == ["the value: 1 bytes become 2"]
    assert list(changes(None, b"{}")) == ["the value: 0 bytes become 2"]


def test_a_repair_that_changes_nothing_says_so_and_one_and_true_are_not_the_same() -> None:
    assert list(changes(b'{"a": 1}', b'{"a":1}')) == ["nothing but the spelling"]
    assert list(changes(b'{"a": 1}', b'{"a": true}')) == ["/a: 1 becomes true"]


def test_a_long_list_of_changes_ends_somewhere() -> None:
    told = list(changes(json.dumps([0] * 1_000).encode(), json.dumps([1] * 1_000).encode()))
    assert (len(told), told[-1]) == (51, "… and more")


def test_letters_of_every_script_stay() -> None:
    assert plain("汉字 é\n") == "汉字 é\n"
