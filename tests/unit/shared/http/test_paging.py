from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourones_shared.http.paging import cut, decode_cursor, encode_cursor
from fourones_shared.http.problems import Problem

KEYS = st.lists(st.one_of(st.text(), st.integers(-(2**63), 2**63 - 1)), min_size=1, max_size=6)


@given(KEYS)
def test_a_cursor_holds_its_key(key: list[str | int]) -> None:
    assert decode_cursor(encode_cursor(key), len(key)) == key


@given(KEYS)
def test_a_cursor_needs_no_escaping_in_an_address(key: list[str | int]) -> None:
    cursor = encode_cursor(key)
    assert cursor.isascii()
    assert set(cursor).isdisjoint("+/=& ?#")


@given(st.lists(st.integers(-(2**63), 2**63 - 1), unique=True, max_size=60), st.integers(1, 20))
def test_the_pages_together_are_the_list(numbers: list[int], limit: int) -> None:
    everything = sorted(numbers)
    cursor: str | None = None
    seen: list[int] = []
    while True:
        after = decode_cursor(cursor, 1)
        rows = [n for n in everything if after is None or n > int(after[0])][: limit + 1]
        page, cursor = cut(rows, limit, lambda n: [n])
        assert len(page) <= limit
        seen += page
        if cursor is None:
            break
    assert seen == everything


def test_the_first_page_has_no_key() -> None:
    assert decode_cursor(None, 2) is None


@pytest.mark.parametrize("cursor", ["x", "!!!", "中", encode_cursor(["a"]), "bnVsbA", "eyJhIjoxfQ", "WzEuNSwgdHJ1ZV0"])
def test_a_cursor_that_is_none_of_ours_is_refused(cursor: str) -> None:
    with pytest.raises(Problem) as refusal:
        decode_cursor(cursor, 2)

    assert refusal.value.status == 422


@given(st.text(max_size=40))
def test_no_cursor_does_anything_but_decode_or_be_refused(cursor: str) -> None:
    result: Any
    try:
        result = decode_cursor(cursor, 1)
    except Problem:
        return
    assert len(result) == 1
