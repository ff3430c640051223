import orjson
from hypothesis import given
from hypothesis import strategies as st

from fourones_shared.dead_letters.keeping import headers_document, headers_of, kept_text
from fourones_shared.dead_letters.refusing import LONGEST_DETAIL

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@given(st.dictionaries(NAMES, st.none() | st.binary(max_size=12) | st.text(max_size=8).map(str.encode)))
def test_headers_come_back_as_they_were(headers: dict[str, bytes | None]) -> None:
    document = headers_document(list(headers.items()))
    assert "\\u0000" not in document
    assert dict(headers_of(orjson.loads(document))) == headers


@given(st.text())
def test_any_text_can_be_kept(words: str) -> None:
    kept = kept_text(words)
    assert "\0" not in kept
    kept.encode()


def test_a_text_that_nobody_would_read_to_its_end_is_cut() -> None:
    assert len(kept_text("x" * 1_000_000)) == LONGEST_DETAIL
