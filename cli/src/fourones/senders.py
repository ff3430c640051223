"""Whose submission a CSV file or a workbook is: enough to choose a key by, never a check.

The service reads these files; here only the organisations they name are looked for. What cannot be told is nobody,
and the command then asks for `--org` or `--key`.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from xml.etree import ElementTree as ET

# The header and some rows; the organisation is the same in all of them.
_LOOKED_AT_BYTES = 256 * 1024
# The parts of a workbook that say who it is from are some kilobytes; a bomb stays packed.
_LARGEST_PART_BYTES = 4 * 1024 * 1024

_UTF_16 = {b"\xff\xfe", b"\xfe\xff"}

_REPORTER_COLUMN, _ORG_COLUMN = "REPORTER", "REF_AREA"
_REPORTER_NAME, _ORG_NAME = "fourones_reporter", "fourones_org"
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_CELL = re.compile(r"^(?P<sheet>'(?:[^']|'')+'|[^'!]+)!\$?(?P<column>[A-Z]{1,3})\$?(?P<row>\d+)\Z")

Senders = tuple[str | None, ...]
"""Whose key is taken: the first that has one. The duty-holder, then the organisation that the figures are about."""

NOBODY: Senders = (None,)


def senders_of_csv(content: bytes) -> Senders:
    """By the columns `REPORTER` and `REF_AREA` of the first row that has them."""
    # Of GB18030 the codes are the same, and only they are looked at; Excel's "Unicode text" is UTF-16.
    encoding = "utf-16" if content[:2] in _UTF_16 else "utf-8-sig"
    text = content[:_LOOKED_AT_BYTES].decode(encoding, "replace").lstrip()
    first_line = text.partition("\n")[0]
    delimiter = max(",;\t", key=first_line.count)
    try:
        rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
        # With labels a header or a value is `code: name`.
        columns = {_code(name): name for name in rows.fieldnames or ()}
        for row in rows:
            found = [_code(row.get(columns.get(name, "")) or "") for name in (_REPORTER_COLUMN, _ORG_COLUMN)]
            if any(found):
                return tuple(code or None for code in found)
    except csv.Error:
        return NOBODY
    return NOBODY


def senders_of_workbook(content: bytes) -> Senders:
    """By the defined names `fourones_reporter` and `fourones_org`, each a text or a cell."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            workbook = _Workbook(archive)
            found = tuple(workbook.named(name) for name in (_REPORTER_NAME, _ORG_NAME))
    except _NO_WORKBOOK:
        # The service tells what is wrong with it.
        return NOBODY
    return found if any(found) else NOBODY


def _code(text: str) -> str:
    return text.partition(":")[0].strip()


class _Unexpected(Exception):
    """A workbook that is not put together as this reader knows it."""


# Damaged, encrypted, packed in a way that `zipfile` does not know (NotImplementedError), or no workbook at all.
_NO_WORKBOOK = (zipfile.BadZipFile, zlib.error, ET.ParseError, NotImplementedError, OSError, RuntimeError, _Unexpected)


class _Workbook:
    """Looks up defined names, reading no more parts than that takes."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._book = self._part("xl/workbook.xml")

    def named(self, name: str) -> str | None:
        """What a defined name stands for; None when there is no such name, or nothing in its cell."""
        for defined in self._book.iter(f"{_MAIN}definedName"):
            if defined.get("name") == name:
                formula = (defined.text or "").removeprefix("=").strip()
                if formula.startswith('"'):
                    return formula.strip('"').strip() or None
                cell = _CELL.match(formula)
                return self._cell(cell["sheet"], cell["column"] + cell["row"]) if cell else formula or None
        return None

    def _cell(self, sheet: str, reference: str) -> str | None:
        if sheet.startswith("'"):
            sheet = sheet[1:-1].replace("''", "'")
        for cell in self._part(self._path_of(sheet)).iter(f"{_MAIN}c"):
            if cell.get("r") == reference:
                return (self._text(cell) or "").strip() or None
        return None

    def _path_of(self, sheet: str) -> str:
        relation = next((s.get(_RELATION) for s in self._book.iter(f"{_MAIN}sheet") if s.get("name") == sheet), None)
        for entry in self._part("xl/_rels/workbook.xml.rels"):
            if entry.get("Id") == relation:
                target = entry.get("Target") or ""
                return target.removeprefix("/") if target.startswith("/") else f"xl/{target}"
        raise _Unexpected(sheet)

    def _text(self, cell: ET.Element) -> str | None:
        value = cell.findtext(f"{_MAIN}v")
        if cell.get("t") == "s" and value is not None:
            return _at(self._part("xl/sharedStrings.xml").iter(f"{_MAIN}si"), value)
        inline = cell.find(f"{_MAIN}is")
        return value if inline is None else _whole_text(inline)

    def _part(self, path: str) -> ET.Element:
        try:
            with self._archive.open(path) as part:
                content = part.read(_LARGEST_PART_BYTES + 1)
        except KeyError as error:
            raise _Unexpected(path) from error
        # A document type is no part of a workbook; entities are how XML explodes.
        if len(content) > _LARGEST_PART_BYTES or b"<!DOCTYPE" in content:
            raise _Unexpected(path)
        return ET.fromstring(content)  # noqa: S314 - without a document type


def _at(items: Iterator[ET.Element], place: str) -> str | None:
    listed: Sequence[ET.Element] = list(items)
    return _whole_text(listed[int(place)]) if place.isdecimal() and int(place) < len(listed) else None


def _whole_text(element: ET.Element) -> str:
    """The text of a string item, which may be written in runs; phonetic guides are no part of it."""
    return "".join(
        run.text or ""
        for part in element
        if part.tag != f"{_MAIN}rPh"
        for run in ([part] if part.tag == f"{_MAIN}t" else part.iter(f"{_MAIN}t"))
    )
