"""Rows of delimited text (RFC 4180), each cell findable again: line as an editor counts it, column by cells.

The standard library's reader does the same but for the places: it cannot tell where in a row a quote was opened that
is never closed, which is what a sender most needs to hear.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from fourones_submission.formats.errors import Unreadable

# A spreadsheet's cell holds no more; what is longer is a quote that was never closed.
LONGEST_CELL = 32_767
# The structure has a dozen columns; labels, keys and a spreadsheet's empty ones may stand beside them.
MOST_COLUMNS = 256

_BREAK = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of text.

    Attributes:
        line: the line it begins on, from 1.
        cells: without their quotes.
        ended: whether a line break follows; only the last row of a file may have none.
    """

    line: int
    cells: list[str]
    ended: bool


def rows(text: str, delimiter: str) -> Iterator[Row]:
    """The rows of a text, one after the other; lines that hold nothing but delimiters and spaces are passed over.

    Raises:
        Unreadable: at a quote that is not closed or not followed by a delimiter, a cell that is longer than
            `LONGEST_CELL`, or a row of more than `MOST_COLUMNS` cells.
    """
    scanner = _Quoted(text, delimiter)
    # Spreadsheets write them below the last row that was filled in; a body of millions is passed over at once, too.
    empty = r'(?:""(?!")|[ \t]*+)'
    blank = re.compile(rf"(?:{empty}(?:{re.escape(delimiter)}{empty})*+(?:\r\n|\r|\n))++")
    position, line = 0, 1
    while position < len(text):
        nothing = blank.match(text, position)
        if nothing is not None:
            position, line = nothing.end(), line + lines_before(nothing[0])
            continue
        found = _BREAK.search(text, position)
        end = found.start() if found else len(text)
        if text.find('"', position, end) < 0:
            cells = text[position:end].split(delimiter, MOST_COLUMNS)
            if end - position > LONGEST_CELL:
                _require_short(cells, line)
            following, lines = (found.end() if found else end), 1
        else:
            cells, end, following, lines = scanner.row(position, line)
        if len(cells) > MOST_COLUMNS:
            raise Unreadable(f"一行超过 {MOST_COLUMNS} 列:请删去多余的列", line, MOST_COLUMNS + 1)
        yield Row(line, cells, following > end)
        position, line = following, line + lines


def lines_before(text: str) -> int:
    """How many lines end in the text."""
    return text.count("\n") + text.count("\r") - text.count("\r\n")


def _require_short(cells: list[str], line: int) -> None:
    for column, cell in enumerate(cells[:MOST_COLUMNS], 1):
        if len(cell) > LONGEST_CELL:
            raise _too_long(line, column)


def _too_long(line: int, column: int) -> Unreadable:
    return Unreadable(f"一格最多 {LONGEST_CELL} 个字符:请核对分隔符和换行,或缩短内容", line, column)


class _Quoted:
    """Reads rows in which there is a quote."""

    def __init__(self, text: str, delimiter: str) -> None:
        self._text = text
        self._delimiter = delimiter
        self._plain = re.compile(rf"[^{re.escape(delimiter)}\r\n]*")

    def row(self, position: int, line: int) -> tuple[list[str], int, int, int]:
        """The cells, where the row ends, where the next one begins, and how many lines it takes."""
        text = self._text
        first = line
        cells: list[str] = []
        while True:
            if text.startswith('"', position):
                cell, position = self._quoted(position, line, len(cells) + 1)
                line += lines_before(cell)
            else:
                match = self._plain.match(text, position)
                cell, position = (match[0], match.end()) if match else ("", position)
                if len(cell) > LONGEST_CELL:
                    raise _too_long(line, len(cells) + 1)
            cells.append(cell)
            if text.startswith(self._delimiter, position) and len(cells) <= MOST_COLUMNS:
                position += 1
                continue
            following = _BREAK.match(text, position)
            return cells, position, following.end() if following else position, line - first + 1

    def _quoted(self, opened: int, line: int, column: int) -> tuple[str, int]:
        text = self._text
        position = opened + 1
        while True:
            closed = text.find('"', position, opened + LONGEST_CELL + 2)
            if closed < 0:
                detail = f"从这里开始的双引号没有结尾,或引号内超过 {LONGEST_CELL} 个字符:请补上结尾的双引号"
                raise Unreadable(detail, line, column)
            if not text.startswith('"', closed + 1):
                break
            position = closed + 2
        after = text[closed + 1 : closed + 2]
        if after not in {"", self._delimiter, "\r", "\n"}:
            detail = '结尾的双引号后面只能是分隔符或换行:内容里的双引号要写两个,如 "所谓""首台套"""'
            raise Unreadable(detail, line, column)
        return text[opened + 1 : closed].replace('""', '"'), closed + 1
