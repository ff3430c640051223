import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.submission.formats.csv_files import a_file, a_row, a_table, figures_of

from fourones_submission.formats.encodings import GB18030, decoded
from fourones_submission.formats.errors import Unreadable
from fourones_submission.formats.sdmx_csv import read

NOTE = "含徐州经济技术开发区,口径与上年一致"
TABLE = a_table(a_row(NOTE=NOTE), a_row(CLUSTER="digital-economy", PREPARED_BY="张三"))


def note(body: bytes, charset: str | None = None) -> str | None:
    return figures_of(read(body, charset))[0].note


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk", "gb2312"])
def test_the_encodings_of_chinese_desktops_are_recognised(encoding: str):
    assert note(TABLE.encode(encoding)) == NOTE


@pytest.mark.parametrize("charset", sorted(GB18030))
def test_a_named_charset_is_believed(charset: str):
    # Both bytes of this character are valid UTF-8 together: only the charset tells what was meant.
    body = a_table(a_row(NOTE="泰")).encode("gb18030")
    assert note(body, charset) == "泰"
    assert note(body) != "泰"


def test_a_byte_order_mark_is_believed_more_than_a_named_charset():
    assert note(TABLE.encode("utf-8-sig"), "gb18030") == NOTE


@pytest.mark.parametrize("symbol", ["km²", "±5", "25 °C", "·"])
def test_what_is_valid_utf_8_is_never_taken_for_another_encoding(symbol: str):
    assert note(a_file(a_row(NOTE=symbol))) == symbol


def test_a_file_in_another_encoding_than_named_is_refused_at_its_place():
    with pytest.raises(Unreadable, match="gb18030") as refused:
        read(TABLE.encode("gb18030"), "utf-8")
    assert (refused.value.line, refused.value.column) == (2, 11)
    with pytest.raises(Unreadable, match="charset=gbk") as refused:
        read(a_table(a_row(NOTE="a"), a_row(NOTE="中文字")).encode(), "gbk")
    assert (refused.value.line, refused.value.column) == (3, 11)


def test_broken_utf_8_is_not_guessed_to_be_something_else():
    whole = a_file(a_row(NOTE="徐州经济技术开发区"))
    first = whole.index("徐".encode())
    damaged = [whole[:at] + whole[at + 1 :] for at in range(first, first + 27)]
    # Some of them are GB18030 without an error: characters that nobody wrote.
    plausible = [body for body in damaged if body.decode("gb18030", "replace").count("\ufffd") == 0]
    assert plausible
    for body in damaged:
        with pytest.raises(Unreadable, match="残缺") as refused:
            read(body)
        assert refused.value.line == 2


def test_what_is_neither_is_refused_at_its_place():
    with pytest.raises(Unreadable, match="既不是 UTF-8 也不是 GB18030") as refused:
        read(b"STRUCTURE,STRUCTURE_ID\r\ndataflow,\xff\xff\r\n")
    assert (refused.value.line, refused.value.column) == (2, 2)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"])
def test_wide_encodings_are_refused_with_the_way_to_save_it_anew(encoding: str):
    with pytest.raises(Unreadable, match="CSV UTF-8"):
        read(TABLE.encode(encoding))


@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
def test_a_mark_alone_tells_it_too(mark: bytes):
    with pytest.raises(Unreadable, match="UTF-16"):
        read(mark)


@pytest.mark.parametrize("beginning", [b"PK\x03\x04\x14\x00", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00"])
def test_a_workbook_is_told_to_be_one(beginning: bytes):
    with pytest.raises(Unreadable, match="工作簿"):
        read(beginning + b"...")


chinese = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=4, max_size=200)


@given(chinese)
def test_chinese_is_read_the_same_in_both_encodings(text: str) -> None:
    assert decoded(text.encode(), None) == text
    assert decoded(text.encode("gb18030"), "gb18030") == text


@given(chinese, st.data())
def test_a_damaged_byte_of_utf_8_is_refused(text: str, data: st.DataObject) -> None:
    body = bytearray(text.encode())
    # A lead byte gone is always damage, whatever stands beside it.
    place = 3 * data.draw(st.integers(0, len(text) - 1))
    del body[place]
    with pytest.raises(Unreadable):
        decoded(bytes(body), None)


@given(st.binary(max_size=200), st.sampled_from([None, "utf-8", "gb18030"]))
def test_any_bytes_are_text_or_refused(body: bytes, charset: str | None) -> None:
    places = []
    try:
        decoded(body, charset)
    except Unreadable as refusal:
        places = [refusal.line, refusal.column]
    assert all(place is not None and place >= 1 for place in places)
