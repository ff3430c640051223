"""Whatever is sent, a reader makes a draft of it or says why it cannot; it neither breaks nor swells.

`FOURONES_FUZZ_SECONDS=300 pytest tests/fuzz --timeout=0` goes on that long for each reader and kind of input, from a
new seed every time; what it finds is printed as an example to paste and kept in `.hypothesis`.
"""

import json
import os
import random
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import hypothesis
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.submission.builders import COUNTY, NOW, TERMS, a_key
from unit.submission.formats import workbooks
from unit.submission.formats.csv_files import a_file, a_row

from fourones_submission.domain.checking import check
from fourones_submission.domain.draft import Draft
from fourones_submission.formats import json_format, reader_of, sdmx_csv, workbook
from fourones_submission.formats.errors import Unreadable

SECONDS = float(os.environ.get("FOURONES_FUZZ_SECONDS", "0"))
# A list of empty objects, the worst that JSON can hold, takes some thirty times its text.
MOST_BYTES_A_BYTE = 100
MOST_BYTES_AT_ALL = 8 * 1024 * 1024


@dataclass(frozen=True)
class Target:
    """A reader with what to begin from.

    Attributes:
        seeds: bodies that it takes.
        tokens: what means something to it.
    """

    read: Callable[[bytes], Draft]
    seeds: Sequence[bytes]
    tokens: Sequence[bytes]


FIGURE = {
    "indicator": "cluster-scale",
    "cluster": "construction-machinery",
    "period": "2026-02",
    "value": "123.4",
    "unit": "亿元",
    "status": "A",
    "note": "口径\\n\u00e9😀",
    "withdraw": None,
}
CSV_SEEDS = (
    a_file(a_row(NOTE='所谓"首台套",\n第二行', PREPARED_BY="张三"), a_row(ACTION="D", OBS_VALUE="-")),
    a_file(a_row(OBS_VALUE="NaN", OBS_STATUS="O"), delimiter=";", newline="\r\n"),
    a_file(a_row(NOTE="含徐州经济技术开发区"), delimiter="\t").decode().encode("gb18030"),
    b"\xef\xbb\xbf" + a_file(a_row(), headers={"INDICATOR": "INDICATOR: 指标", "NOTE": "备注"}),
)
CSV_TOKENS = (
    *(
        b",",
        b";",
        b"\t",
        b"\n",
        b"\r\n",
        b"\r",
        b'"',
        b'""',
        b'"\n',
        b"\x00",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xa1",
        b": ",
    ),
    *(b"STRUCTURE", b"STRUCTURE[;]", b"STRUCTURE_NAME", b"NaN", b"#N/A", b"-", b"\xe4\xb8", b"PK\x03\x04", b"_T", b"~"),
)
JSON_TOKENS = (
    *(b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\u0000", b"\\ud800", b"null", b"true", b"NaN", b"Infinity"),
    *(b"-0", b"1e999999", b"\x00", b"\xef\xbb\xbf", b'{"figures":', b"[[[[[[[[", b'"org":"x",', b"9" * 400),
)
WORKBOOK_ROW = '<row r="9"><c r="A9" t="str"><v>i</v></c><c r="C9" s="1"><v>46082</v></c><c r="E9"><v>1</v></c></row>'
SHEET = workbooks.sheet_xml(workbooks.headings() + WORKBOOK_ROW)
STRINGS = f'<sst xmlns="{workbooks.MAIN}"><si><t>x</t></si><si><r><t>y</t></r><rPh><t>z</t></rPh></si></sst>'
STYLES = (
    f'<styleSheet xmlns="{workbooks.MAIN}"><numFmts><numFmt numFmtId="200" formatCode="yyyy-mm"/></numFmts>'
    '<cellXfs><xf numFmtId="0"/><xf numFmtId="200"/><xf numFmtId="10"/></cellXfs></styleSheet>'
)
WORKBOOK_TOKENS = (
    *(b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"\x00\x00", b"\xff\xff\xff\xff", b"\x08\x00"),
    *(b"<row>", b"</row>", b'<row r="1048576">', b"<c>", b"</c>", b"<c/>", b'<c t="s">', b'<c t="e">', b'<c t="b">'),
    *(b'<c r="XFD1" s="1">', b"<v>", b"</v>", b"<f>", b"<f/>", b"</f>", b"<is>", b"<t>", b"</t>", b"</is>", b"<rPh>"),
    *(b"1e999", b"-1", b"60", b"NaN", b"_x0000_", b"_xD800_", b"<!DOCTYPE x>", b"<!ENTITY", b"&lt;", b"&#0;", b"]]>"),
    *(
        b"<![CDATA[",
        b"<?x?>",
        b"<!--",
        b"x:",
        b'"',
        b"'",
        b"=",
        b"General",
        b'formatCode="[h]"',
        b"%",
        b"\x00",
        b"\xff",
    ),
)


def within(part: str) -> Callable[[bytes], Draft]:
    """Reads a workbook one of whose parts is the body."""

    def read(body: bytes) -> Draft:
        changes: dict[str, str | bytes] = {"strings": STRINGS, "styles": STYLES, part: body}
        return workbook.read(workbooks.packed(workbooks.parts(SHEET, **changes)))

    return read


TARGETS = {
    "json": Target(
        json_format.read,
        (
            json.dumps(
                {"org": COUNTY, "prepared_by": "张三", "figures": [FIGURE, FIGURE]}, ensure_ascii=False
            ).encode(),
            json.dumps({"org": COUNTY, "figures": [{**FIGURE, "value": None, "withdraw": True}]}).encode(),
        ),
        JSON_TOKENS,
    ),
    "csv": Target(sdmx_csv.read, CSV_SEEDS, CSV_TOKENS),
    "csv in gb18030": Target(reader_of(sdmx_csv.MEDIA_TYPE, "gb18030"), CSV_SEEDS, CSV_TOKENS),
    "csv in utf-8": Target(reader_of(sdmx_csv.MEDIA_TYPE, "utf-8"), CSV_SEEDS, CSV_TOKENS),
    "workbook": Target(
        workbook.read,
        (workbooks.a_workbook(workbooks.a_row()), workbooks.a_raw_workbook(WORKBOOK_ROW)),
        WORKBOOK_TOKENS,
    ),
    "sheet of a workbook": Target(within("sheet"), (SHEET.encode(),), WORKBOOK_TOKENS),
    "strings of a workbook": Target(within("strings"), (STRINGS.encode(),), WORKBOOK_TOKENS),
    "styles of a workbook": Target(within("styles"), (STYLES.encode(),), WORKBOOK_TOKENS),
}

each_reader = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


@st.composite
def mutated(draw: st.DrawFn, target: Target) -> bytes:
    """A body that the reader takes, with some damage."""
    body = bytearray(draw(st.sampled_from(target.seeds)))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(body)))
        end = draw(st.integers(start, min(len(body), start + 40)))
        match draw(st.sampled_from(["put", "put", "cut", "repeat", "flip", "move"])):
            case "put":
                body[start:start] = draw(st.sampled_from(target.tokens))
            case "cut":
                del body[start:end]
            case "repeat":
                body[end:end] = body[start:end] * draw(st.integers(1, 50))
            case "flip" if start < len(body):
                body[start] ^= draw(st.integers(1, 255))
            case _:
                piece = body[start:end]
                del body[start:end]
                at = draw(st.integers(0, len(body)))
                body[at:at] = piece
    return bytes(body)


def assembled(target: Target) -> st.SearchStrategy[bytes]:
    """What means something, in no order."""
    return st.lists(st.sampled_from(target.tokens) | st.binary(max_size=4), max_size=60).map(b"".join)


@st.composite
def swollen(draw: st.DrawFn, target: Target) -> bytes:
    """A little of something, again and again."""
    beginning = draw(st.sampled_from([b"", *target.seeds]))
    piece = draw(st.lists(st.sampled_from(target.tokens), min_size=1, max_size=3).map(b"".join))
    return beginning + piece * (draw(st.sampled_from([10_000, 200_000])) // len(piece))


@each_reader
@pytest.mark.parametrize(
    "kind", [mutated, assembled, lambda _: st.binary(max_size=300)], ids=["mutated", "assembled", "any"]
)
def test_any_bytes_become_a_draft_or_are_refused(
    target: Target, kind: Callable[[Target], st.SearchStrategy[bytes]]
) -> None:
    goes_on_for(kind(target), lambda body: read_soundly(target, body), examples=300)


@each_reader
def test_no_body_swells_in_memory(target: Target) -> None:
    def read_within_bounds(body: bytes) -> None:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        read_soundly(target, body)
        taken = tracemalloc.get_traced_memory()[1] - before
        assert taken < MOST_BYTES_AT_ALL + MOST_BYTES_A_BYTE * len(body)

    tracemalloc.start()
    try:
        goes_on_for(swollen(target), read_within_bounds, examples=50)
    finally:
        tracemalloc.stop()


def read_soundly(target: Target, body: bytes) -> None:
    """Read a body, check what comes of it, and find the place of every fault."""
    draft, refusal = attempt(target, body)
    if draft is None:
        assert refusal is not None
        assert refusal.detail
        assert refusal.line is None or refusal.line >= 1
        return
    assert draft.faults or draft.figures is not None
    outcome = check(draft, TERMS, a_key(), NOW)
    for fault in outcome.faults:
        place = draft.place_of(fault)
        assert place.line is None or 1 <= place.line <= body.count(b"\n") + body.count(b"\r") + 1
        # It must go into an answer.
        json.dumps([fault.detail, place.pointer]).encode()


def attempt(target: Target, body: bytes) -> tuple[Draft | None, Unreadable | None]:
    try:
        return target.read(body), None
    except Unreadable as refusal:
        return None, refusal


def goes_on_for(bodies: st.SearchStrategy[bytes], use: Callable[[bytes], None], *, examples: int) -> None:
    """Use many bodies; with `SECONDS`, again and again from other seeds until they are over."""

    @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
    @given(bodies)
    def each(body: bytes) -> None:
        use(body)

    each()
    over = time.monotonic() + SECONDS
    while time.monotonic() < over:
        hypothesis.seed(random.getrandbits(64))(each)()
