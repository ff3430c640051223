import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourones_submission.domain.draft import Draft
from fourones_submission.formats.errors import Unreadable
from fourones_submission.formats.json_format import read


def figure(**fields: object) -> dict[str, object]:
    return {"indicator": "cluster-scale", "period": "2026-02", "value": "1"} | fields


def draft(*figures: object, **fields: object) -> Draft:
    return read(json.dumps({"org": "320382", "figures": list(figures)} | fields).encode())


def places(result: Draft) -> list[tuple[int | None, str | None, str]]:
    return [(fault.figure, fault.field, fault.code) for fault in result.faults]


@pytest.mark.parametrize("written", ["0.1", "123.4500", "100000000000000000000.1", "-0", "1e5", "1E-7", "NaN"])
def test_a_number_keeps_the_characters_it_was_written_with(written: str):
    before, after = '{"org": "320382", "figures": [{"indicator": "i", "value": ', "}]}"
    result = read(f"{before}{written}{after}".encode())
    assert result.figures is not None
    assert result.figures[0].value == written


def test_a_value_may_be_a_string_too():
    result = draft(figure(value="0.10"))
    assert result.figures is not None
    assert result.figures[0].value == "0.10"


def test_null_is_the_same_as_absent():
    result = draft(figure(value=None, cluster=None, unit=None, withdraw=None), prepared_by=None)
    assert result.faults == []
    assert result.figures == draft({"indicator": "cluster-scale", "period": "2026-02"}).figures


def test_a_byte_order_mark_is_no_fault():
    assert read(b"\xef\xbb\xbf" + json.dumps({"org": "320382", "figures": []}).encode()).org == "320382"


def test_fields_of_a_wrong_type_are_told_once_and_not_taken_for_missing():
    result = draft(figure(indicator=5, period=2026, value=[1], withdraw="yes", cluster={}), "text", org=320382)
    assert places(result) == [
        (None, "org", "type_wrong"),
        (0, "indicator", "type_wrong"),
        (0, "period", "type_wrong"),
        (0, "value", "type_wrong"),
        (0, "withdraw", "type_wrong"),
        (0, "cluster", "type_wrong"),
        (1, None, "type_wrong"),
    ]
    assert result.figures is not None
    assert result.figures[0].unreadable == {"indicator", "period", "value", "withdraw", "cluster"}


def test_a_bare_period_is_answered_with_the_way_to_write_it():
    assert '"2026"' in draft(figure(period=2026)).faults[0].detail


def test_a_misspelt_field_is_a_fault_that_names_the_right_one():
    result = draft(figure(cluser="digital-economy"), prepared="张三")
    assert places(result) == [(None, "prepared", "field_unknown"), (0, "cluser", "field_unknown")]
    assert "cluster" in result.faults[1].detail


def test_an_object_full_of_nonsense_is_not_answered_at_length():
    assert len(draft(figure(**{f"x{i}": 1 for i in range(5000)})).faults) == 11


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ([], (None, None, "body_not_object")),
        ("text", (None, None, "body_not_object")),
        (None, (None, None, "body_not_object")),
        ({"org": "320382"}, (None, "figures", "figures_missing")),
        ({"org": "320382", "figures": {}}, (None, "figures", "type_wrong")),
        ({"org": "320382", "figures": [1] * 5001}, (None, "figures", "figures_too_many")),
    ],
)
def test_a_body_without_readable_figures_says_why(document: object, fault: tuple[int | None, str | None, str]):
    result = read(json.dumps(document).encode())
    assert places(result) == [fault]
    assert result.figures is None


@pytest.mark.parametrize(
    ("body", "line", "column"),
    [
        (b"", 1, 1),
        (b'{"org": "320382",\n "figures": [}', 2, 14),
        (b'{"org": "a"} x', 1, 14),
        ('{"org":\n "中'.encode() + b'\xff"}', 2, 6),
        (b'{"org": "a", "org": "b"}', 1, 1),
        (b'{"org": "a\x00b"}', 1, 11),
        (b"[" * 200_000, 1, 1),
    ],
)
def test_what_is_no_json_is_told_with_its_line_and_column(body: bytes, line: int, column: int):
    with pytest.raises(Unreadable) as refused:
        read(body)
    assert (refused.value.line, refused.value.column) == (line, column)


def test_chinese_in_another_encoding_is_answered_with_the_remedy():
    with pytest.raises(Unreadable, match="UTF-8"):
        read('{"org": "320382", "prepared_by": "张三"}'.encode("gb18030"))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)


@given(json_values | st.fixed_dictionaries({"org": json_values, "figures": st.lists(json_values, max_size=4)}))
def test_any_json_is_read_or_told_what_is_wrong(document: object) -> None:
    result = read(json.dumps(document).encode())
    assert result.faults or result.figures is not None


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        read(body)
    except Unreadable as refusal:
        place = (refusal.line, refusal.column)
    else:
        place = (1, 1)
    assert all(number is not None and number >= 1 for number in place)
