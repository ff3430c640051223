"""What is no workbook, a damaged one, or one that is meant to hurt."""

import io
import struct
import tracemalloc
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.submission.formats.workbooks import (
    MAIN,
    a_raw_workbook,
    a_row,
    a_workbook,
    headings,
    packed,
    parts,
    relations,
    sheet_xml,
)

from fourones_submission.domain.draft import Draft
from fourones_submission.formats import workbook_package
from fourones_submission.formats.errors import Unreadable
from fourones_submission.formats.workbook import read
from fourones_submission.formats.workbook_package import MOST_INFLATED_BYTES, MOST_PARTS, MOST_RATIO

GOOD = a_workbook(a_row(), a_row(period="2026-01"))
ROW = '<row><c r="A3" t="str"><v>i</v></c><c r="E3"><v>1</v></c></row>'


def refusal(body: bytes) -> str:
    with pytest.raises(Unreadable) as refused:
        read(body)
    return refused.value.detail


def test_an_old_xls_is_told_to_be_saved_anew():
    assert "另存为" in refusal(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504) + "Workbook".encode("utf-16-le"))


def test_a_workbook_with_a_password_is_told_to_be_opened():
    ole2 = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504) + "EncryptedPackage".encode("utf-16-le")
    assert "密码" in refusal(ole2)


def test_an_encrypted_part_is_told_to_be_opened():
    body = bytearray(packed(parts(sheet_xml(headings() + ROW))))
    # The flag that stands for encryption, in every entry of the directory.
    at = -1
    while (at := body.find(b"PK\x01\x02", at + 1)) >= 0:
        body[at + 8] |= 1
    assert "密码" in refusal(bytes(body))


@pytest.mark.parametrize("body", ["指标编码,数值\ncluster-scale,1\n".encode(), b"{}", b"<html/>", b"\x00" * 64])
def test_what_only_bears_the_name_is_told_so(body: bytes):
    assert "扩展名" in refusal(body)


def test_nothing_is_told_to_be_attached():
    assert "为空" in refusal(b"")


def test_other_packages_are_told_apart():
    assert "OpenDocument" in refusal(packed({"mimetype": "x", "content.xml": "<x/>"}))
    assert "xlsb" in refusal(packed({"xl/workbook.bin": b""}))
    assert ".xlsx" in refusal(packed({"word/document.xml": "<x/>", "_rels/.rels": relations()}))


# Counted from its end where negative: how long it is depends on the moment at which it was made.
@pytest.mark.parametrize("length", [4, 30, 200, -2000, -30, -1])
def test_half_a_workbook_is_told_to_be_sent_again(length: int):
    assert "损坏" in refusal(GOOD[:length])


def test_a_wrong_checksum_is_damage():
    body = bytearray(GOOD)
    with zipfile.ZipFile(io.BytesIO(GOOD)) as archive:
        entry = archive.getinfo("xl/worksheets/sheet1.xml")
        start = entry.header_offset + 30 + len(entry.filename)
    body[start + entry.compress_size // 2] ^= 0xFF
    assert "损坏" in refusal(bytes(body))


def test_parts_that_are_named_and_not_there_are_damage():
    without_workbook = parts(sheet_xml(headings()))
    del without_workbook["xl/_rels/workbook.xml.rels"]
    assert "缺少" in refusal(packed(without_workbook))


def test_a_sheet_that_is_elsewhere_is_not_gone_to():
    elsewhere = relations(("rId1", "worksheet", "http://192.0.2.1/sheet1.xml")).replace(
        "/>", ' TargetMode="External"/>'
    )
    draft = read(packed(parts(sheet_xml(headings() + ROW), relations=elsewhere)))
    assert [fault.code for fault in draft.faults] == ["sheet_not_found"]


@pytest.mark.parametrize("path", ["../../../../etc/passwd", "/etc/passwd", "..\\..\\secret"])
def test_paths_lead_nowhere_outside(path: str):
    draft = read(packed(parts(sheet_xml(headings() + ROW), relations=relations(("rId1", "worksheet", path)))))
    assert [fault.code for fault in draft.faults] == ["sheet_not_found"]


def test_a_part_that_inflates_too_far_is_refused_by_what_it_says():
    bomb = a_raw_workbook(ROW + " " * (MOST_INFLATED_BYTES + 1))
    assert len(bomb) < 64 * 1024
    assert "解压后过大" in refusal(bomb)


def test_many_parts_share_one_limit(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(workbook_package, "MOST_INFLATED_BYTES", 20_000)
    filler = "".join(chr(33 + (7 * i * i) % 900) for i in range(5_000))
    strings = f'<sst xmlns="{MAIN}"><si><t><![CDATA[{filler}]]></t></si></sst>'
    assert isinstance(read(a_raw_workbook(ROW, strings=strings)), Draft)
    styles = f'<styleSheet xmlns="{MAIN}"><!--{filler}--></styleSheet>'
    assert "解压后过大" in refusal(a_raw_workbook(ROW, strings=strings, styles=styles))


def test_a_directory_that_lies_about_sizes_gains_nothing():
    body = bytearray(a_raw_workbook(ROW + " " * (MOST_INFLATED_BYTES + 1)))
    with zipfile.ZipFile(io.BytesIO(bytes(body))) as archive:
        size = archive.getinfo("xl/worksheets/sheet1.xml").file_size
    # Local header and directory both say that it is small.
    lied = bytes(body).replace(struct.pack("<L", size), struct.pack("<L", 1_000))
    tracemalloc.start()
    try:
        assert "损坏" in refusal(lied)
        assert tracemalloc.get_traced_memory()[1] < 4 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_what_shrinks_like_nothing_honest_is_refused_before_it_is_inflated():
    content = sheet_xml(headings() + ROW + " " * (8 * 1024 * 1024))
    body = packed(parts(content))
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        entry = archive.getinfo("xl/worksheets/sheet1.xml")
    assert entry.file_size > MOST_RATIO * entry.compress_size
    assert "解压后过大" in refusal(body)


def test_a_directory_of_very_many_parts_is_not_read():
    body = packed({f"junk/{i}": b"" for i in range(MOST_PARTS + 1)}, zipfile.ZIP_STORED)
    assert str(MOST_PARTS) in refusal(body)


@pytest.mark.parametrize(
    "row",
    [
        "<row>" + "<c/>" * 1_000_000 + "</row>",
        "<row>" + "<c><v>1</v></c>" * 400_000 + "</row>",
        "<row><c " + " ".join(f'a{i}=""' for i in range(100_000)) + "/></row>",
        '<row><c t="str"><v>' + "_x0041_" * 2_000_000 + "</v></c></row>",
    ],
)
def test_what_would_take_seconds_to_walk_is_refused(row: str):
    assert "过多" in refusal(packed(parts(sheet_xml(headings() + row)), zipfile.ZIP_STORED))


def test_a_string_that_a_thousand_cells_share_is_one_string():
    long = "长" * 300_000
    strings = f'<sst xmlns="{MAIN}"><si><t>{long}</t></si></sst>'
    cell = '<c r="{}{}" t="s"><v>0</v></c>'
    rows = "".join(
        f'<row r="{r}">' + "".join(cell.format(c, r) for c in "ABCDEFGH") + "</row>" for r in range(3, 1_003)
    )
    body = packed(parts(sheet_xml(headings() + rows), strings=strings))
    tracemalloc.start()
    try:
        draft = read(body)
        assert draft.figures is not None
        assert len(draft.figures) == 1_000
        assert tracemalloc.get_traced_memory()[1] < 16 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_rows_and_columns_far_away_cost_nothing():
    far = '<dimension ref="A1:XFD1048576"/>'
    cells = (("A", "i"), ("E", "1"), ("XFD", "9"))
    row = "".join(f'<c r="{column}1048576" t="str"><v>{text}</v></c>' for column, text in cells)
    content = sheet_xml(headings() + f'<row r="1048576">{row}</row>').replace("<sheetData>", far + "<sheetData>")
    tracemalloc.start()
    try:
        draft = read(packed(parts(content)))
        assert draft.figures is not None
        assert draft.locate(0, "value").cell == "E1048576"
        assert tracemalloc.get_traced_memory()[1] < 4 * 1024 * 1024
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "cells",
    [
        '<row r="1048577"/>',
        '<row r="0"/>',
        '<row r="x"/>',
        '<row><c r="1A"><v>1</v></c></row>',
        '<row><c r="ＡA1"><v>1</v></c></row>',
        '<row><c t="s"><v>99</v></c></row>',
        '<row><c t="s"><v>-1</v></c></row>',
    ],
)
def test_what_points_nowhere_is_damage(cells: str):
    assert "损坏" in refusal(a_raw_workbook(cells))


@pytest.mark.parametrize(
    "declared",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>',
        '<!DOCTYPE x SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE x [<!ENTITY % remote SYSTEM "http://192.0.2.1/x.dtd"> %remote;]>',
    ],
)
def test_a_document_type_is_refused(declared: str):
    content = parts(sheet_xml(headings() + ROW), strings=f'<sst xmlns="{MAIN}"/>', styles=f'<x xmlns="{MAIN}"/>')
    assert isinstance(read(packed(content)), Draft)
    for path, part in content.items():
        assert "DOCTYPE" in refusal(packed(content | {path: declared + str(part)})), path


_ENDING = {
    "sheet": "sheet1.xml",
    "workbook": "workbook.xml",
    "strings": "sharedStrings.xml",
    "styles": "styles.xml",
    "relations": "workbook.xml.rels",
    "rels": "_rels/.rels",
}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "<worksheet",
        "<a><b></a></b>",
        '<?xml version="1.0" encoding="gb18030"?><worksheet>徐州</worksheet>'.encode("gb18030"),
        b"\xff\xfe<\x00",
        "<worksheet>\x00</worksheet>",
        "<worksheet>&undeclared;</worksheet>",
    ],
)
def test_xml_that_is_none_is_damage(content: str | bytes):
    assert "损坏" in refusal(packed(parts("") | {"xl/worksheets/sheet1.xml": content}))


def test_xml_as_deep_as_the_limits_allow_is_walked():
    deep = "<x>" * 200_000 + "</x>" * 200_000
    content = sheet_xml(headings() + ROW + f"<row><c>{deep}</c></row>")
    assert isinstance(read(packed(parts(content), zipfile.ZIP_STORED)), Draft)


def test_a_huge_token_is_read_in_one_go():
    # Expat before 2.6 scans such a token anew with every piece that it is given.
    rows = f'<row><c r="A3" t="str"><v>i</v></c><c r="E3" junk="{"ab" * 4_000_000}"><v>1</v></c></row>'
    body = packed(parts(sheet_xml(headings() + rows)), zipfile.ZIP_STORED)
    assert isinstance(read(body), Draft)


@given(
    st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=20),
    st.integers(0, len(GOOD)) | st.just(len(GOOD)),
)
def test_a_workbook_with_wrong_bytes_is_read_or_refused(changes: list[tuple[int, int]], length: int):
    body = bytearray(GOOD)
    for at, byte in changes:
        body[at] = byte
    _read_or_refused(bytes(body[:length]))


@given(
    st.sampled_from(sorted(_ENDING)),
    st.lists(st.tuples(st.integers(0, 2_000), st.binary(max_size=8)), min_size=1, max_size=10),
)
def test_a_part_with_wrong_bytes_is_read_or_refused(part: str, changes: list[tuple[int, bytes]]):
    content = parts(
        sheet_xml(headings() + ROW),
        strings=f'<sst xmlns="{MAIN}"><si><t>x</t></si></sst>',
        styles=f'<styleSheet xmlns="{MAIN}"><cellXfs><xf numFmtId="14"/></cellXfs></styleSheet>',
    )
    path = next(p for p in content if p.endswith(_ENDING[part]))
    changed = bytearray(str(content[path]).encode())
    for at, inserted in changes:
        changed[at % len(changed) : at % len(changed) + len(inserted) // 2] = inserted
    _read_or_refused(packed(content | {path: bytes(changed)}))


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(body: bytes):
    _read_or_refused(body)
    _read_or_refused(b"PK\x03\x04" + body)


def _read_or_refused(body: bytes) -> None:
    try:
        draft = read(body)
    except Unreadable:
        return
    for fault in draft.faults:
        draft.place_of(fault)
