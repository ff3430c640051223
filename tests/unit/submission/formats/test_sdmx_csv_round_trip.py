"""What is reported as CSV is what would have been reported as JSON."""

import json
from dataclasses import asdict
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from unit.submission.builders import COUNTY, NOW, TERMS, a_key
from unit.submission.domain.test_checking_properties import MUTATIONS, submissions
from unit.submission.formats.csv_files import COLUMNS, a_table, row_of

from fourones_submission.domain.checking import Checked, check
from fourones_submission.domain.draft import Draft, FigureDraft
from fourones_submission.formats import json_format, sdmx_csv

# SDMX's own mark of a text that is left out on purpose cannot be a note.
notes = st.text(st.characters(codec="utf-8") | st.sampled_from('",;\t\r\n"…😀集群'), max_size=60).filter(
    lambda t: t != "#N/A"
)
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(lambda t: t != "#N/A")


def as_json(figures: list[FigureDraft], **named: str) -> Draft:
    listed = [{name: part for name, part in asdict(f).items() if name != "unreadable"} for f in figures]
    return json_format.read(json.dumps({"org": COUNTY, "figures": listed} | named).encode())


def outcome(draft: Draft) -> Checked:
    return check(draft, TERMS, a_key(), NOW)


@st.composite
def ways_to_write(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "delimiter": draw(st.sampled_from(",;\t")),
        "newline": draw(st.sampled_from(["\n", "\r\n"])),
        "columns": draw(st.permutations(COLUMNS)),
    }


@given(
    submissions,
    st.lists(notes, min_size=24, max_size=24),
    names,
    ways_to_write(),
    st.sampled_from(["utf-8", "utf-8-sig", "gb18030"]),
)
def test_a_submission_is_the_same_in_both_formats(
    figures: list[FigureDraft], texts: list[str], name: str, how: dict[str, Any], encoding: str
) -> None:
    written = iter(texts)
    sent = [FigureDraft(**asdict(f) | {"note": next(written), "justification": next(written)}) for f in figures]
    rows = [row_of(figure, COUNTY, PREPARED_BY=name) for figure in sent]
    table = a_table(*rows, **how)
    charset = encoding if encoding == "gb18030" else None
    csv = sdmx_csv.read(table.encode(encoding), charset)
    other = as_json(sent, prepared_by=name)
    assert (csv.org, csv.prepared_by, csv.faults) == (other.org, other.prepared_by, [])
    assert outcome(csv).figures == outcome(other).figures
    assert codes(outcome(csv)) == codes(outcome(other))


@given(submissions, st.data())
def test_a_wrong_submission_is_told_the_same_in_both_formats(figures: list[FigureDraft], data: st.DataObject) -> None:
    # A value beside action D is how SDMX marks what is deleted.
    slips = {place: slip for place, slip in MUTATIONS.items() if place[1] != "withdraw_with_value"}
    index = data.draw(st.integers(0, len(figures) - 1))
    _, slip = data.draw(st.sampled_from(sorted(slips.items(), key=str)))
    sent = [slip(figure) if i == index else figure for i, figure in enumerate(figures)]
    csv = sdmx_csv.read(a_table(*(row_of(figure, COUNTY) for figure in sent)).encode())
    assert codes(outcome(csv)) == codes(outcome(as_json(sent)))
    for fault in outcome(csv).faults:
        place = csv.place_of(fault)
        assert place.line is not None
        assert place.line >= 2
        assert place.column is None or COLUMNS[place.column - 1]


def codes(checked: Checked) -> list[tuple[Any, ...]]:
    return sorted(((fault.figure, fault.field, fault.code, fault.detail) for fault in checked.faults), key=str)
