import csv
import io
import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from fourones_submission.formats.delimited import LONGEST_CELL, MOST_COLUMNS, rows
from fourones_submission.formats.errors import Unreadable

# Whatever decides how a row is cut, often; anything else, sometimes.
cells = st.text(st.sampled_from('"";,\t\r\n \u2028\x0b\x85中a') | st.characters(), max_size=6)
tables = st.lists(st.lists(cells, min_size=1, max_size=4), max_size=6)


def holds_something(row: list[str]) -> bool:
    return any(cell.strip(" \t,;") for cell in row)


def place(text: str) -> tuple[int | None, int | None]:
    with pytest.raises(Unreadable) as refused:
        list(rows(text, ","))
    return refused.value.line, refused.value.column


@given(tables, st.sampled_from(",;\t"), st.sampled_from(["\n", "\r\n", "\r"]), st.booleans())
def test_what_the_standard_library_writes_is_read_back(
    table: list[list[str]], delimiter: str, newline: str, sparingly: bool
) -> None:
    # It quotes only those line breaks that it writes itself, unless it quotes everything.
    sparingly = sparingly and newline == "\r\n"
    text = io.StringIO(newline="")
    csv.writer(
        text,
        delimiter=delimiter,
        lineterminator=newline,
        quoting=csv.QUOTE_MINIMAL if sparingly else csv.QUOTE_ALL,
    ).writerows(table)
    read = [row.cells for row in rows(text.getvalue(), delimiter)]
    assert [row for row in read if holds_something(row)] == [row for row in table if holds_something(row)]


@given(st.text(st.sampled_from('"",\r\nab '), max_size=40))
@example(' ""\r')
@example('"" \n')
def test_what_both_can_read_the_standard_library_reads_the_same(text: str) -> None:
    try:
        theirs = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        assume(False)
    ours = [row.cells for row in rows(text, ",")]
    assert [row for row in ours if holds_something(row)] == [row for row in theirs if holds_something(row)]


@given(tables)
def test_a_row_begins_on_the_line_that_an_editor_shows(table: list[list[str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["#", *row] for row in table])
    lines = re.split(r"\r\n|\r|\n", text.getvalue())
    found = list(rows(text.getvalue(), ","))
    assert len(found) == len(table)
    assert all(lines[row.line - 1].startswith("#") for row in found)
    assert [row.line for row in found] == sorted({row.line for row in found})


def test_a_row_knows_whether_it_was_ended():
    assert [row.ended for row in rows("a\nb", ",")] == [True, False]
    assert [row.ended for row in rows('a\n"b"', ",")] == [True, False]
    assert [row.ended for row in rows('a\n"b"\n', ",")] == [True, True]


def test_a_quote_that_is_never_closed_is_told_where_it_was_opened():
    assert place('a,b\n"c\nd",e,"f\ng,h\n') == (3, 3)


def test_a_quote_inside_a_quoted_cell_must_be_doubled():
    assert place('a\n1,"所谓"首台套"",2\n') == (2, 2)
    assert [row.cells for row in rows('1,"所谓""首台套""",2', ",")] == [["1", '所谓"首台套"', "2"]]


def test_a_quote_inside_a_plain_cell_is_itself():
    assert [row.cells for row in rows('5" 管,"x"\n', ",")] == [['5" 管', "x"]]


@pytest.mark.parametrize(
    "cell", ["x" * (LONGEST_CELL + 1), '"' + "x" * (LONGEST_CELL + 1) + '"', '"' + '""' * LONGEST_CELL + '"']
)
def test_a_cell_beyond_all_measure_is_refused(cell: str):
    assert place(f"a,b\n1,{cell}\n") == (2, 2)
    assert place(f'a,b\n"1",{cell}\n') == (2, 2)


def test_a_cell_of_the_greatest_length_is_read():
    (row,) = rows("x" * LONGEST_CELL + ',"' + "y" * LONGEST_CELL + '"', ",")
    assert [len(cell) for cell in row.cells] == [LONGEST_CELL, LONGEST_CELL]


@pytest.mark.parametrize("cell", ["", '""', "x"])
def test_a_row_beyond_all_measure_is_refused(cell: str):
    assert place("y," + f"{cell}," * 100_000) == (1, MOST_COLUMNS + 1)
    (row,) = rows("y" + f",{cell}" * (MOST_COLUMNS - 1), ",")
    assert len(row.cells) == MOST_COLUMNS


def test_lines_that_hold_nothing_are_passed_over_and_counted():
    text = '\n,,\n \t\r\n"",""\r\r\na,"b\nc"\n\n"""",1\n'
    assert [(row.line, row.cells) for row in rows(text, ",")] == [(6, ["a", "b\nc"]), (9, ['"', "1"])]
