"""The parts of a workbook as SpreadsheetML writes them (ECMA-376 part 1, section 18; transitional and strict).

Elements are known by the prefix of the root, whatever it is. A document type is refused, so that no entity is ever
declared; nothing outside the package is followed. Each part is parsed in one go from memory: that is linear, where
expat before 2.6 takes quadratic time for a huge token that comes in pieces.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from xml.parsers import expat

from fourones_submission.formats.errors import Unreadable
from fourones_submission.formats.workbook_cells import Cell, Kind, Look
from fourones_submission.formats.workbook_package import Package, resolved

# Tags, attributes, references and escapes: each costs a microsecond or two. The template with the most figures that a
# submission may hold has some 700,000 of them.
MOST_STEPS = 1_500_000
_STEPS = (b"<", b"/>", b"=", b"&", b"_x")
# A single tag of a megabyte would keep the interpreter to itself while its attributes are gathered. Attribute values
# hold no "<", so that what lies between two of them is at least the tag.
_LONG_TAG = re.compile(rb"<[^<]{65536,}")
_MOST_ATTRIBUTES = 5_000
MOST_SHEETS = 100
# Excel's own bounds.
LAST_ROW, LAST_COLUMN = 1_048_576, 16_384
MOST_CELL_FORMATS = 65_536
LONGEST_FORMAT_CODE = 255

_REFERENCE = re.compile(r"^([A-Z]{1,3})([1-9]\d{0,6})\Z", re.ASCII)
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
# Format numbers that mean a date or time in one locale or another (section 18.8.30), and per cent.
_DATE_FORMATS = frozenset({*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)})
_PERCENT_FORMATS = frozenset({9, 10})
# What a format code only prints: quoted texts, escaped and padding characters, colours and locales ([h] is a time).
_LITERAL = re.compile(r'"[^"]*"|[\\_*].|\[(?!h+\]|m+\]|s+\])[^\[\]]*\]', re.IGNORECASE)
_KINDS = {
    "b": Kind.BOOLEAN,
    "d": Kind.DATE,
    "e": Kind.ERROR,
    "inlineStr": Kind.TEXT,
    "s": Kind.TEXT,
    "str": Kind.TEXT,
}

Cells = Mapping[int, Cell]
"""A row's cells that are not empty, by column (from 1)."""

TakeRow = Callable[[int, Cells], bool]
"""Takes a row, with its number from 1; says whether more rows are wanted."""

_Start = Callable[[str, dict[str, str]], None]
_End = Callable[[str], None]
_Text = Callable[[str], None]


class Sheet(NamedTuple):
    """A worksheet's name, and the path of its part."""

    name: str
    path: str


class Workbook:
    """An opened workbook.

    Raises:
        Unreadable: when the body is not one.
    """

    def __init__(self, body: bytes) -> None:
        self._package = Package(body)
        self._steps = MOST_STEPS
        path = self._main_part()
        book = _Book()
        self._walk(path, book.start, book.end, book.text)
        targets = self._relations(path)
        self.from_1904 = book.from_1904
        self.names: Mapping[str, str] = book.names
        """Defined names of the whole workbook with their formulas."""
        self.sheets: Sequence[Sheet] = [
            Sheet(name, targets[relation][1])
            for name, relation in book.sheets[:MOST_SHEETS]
            if relation in targets and targets[relation][0] == "worksheet" and self._package.has(targets[relation][1])
        ]
        self._strings = self._read_strings(targets)
        self._looks = self._read_looks(targets)

    def rows(self, sheet: Sheet, take: TakeRow) -> None:
        """Hand the rows of a sheet to `take`, in the order they are written in, until it wants no more.

        Raises:
            Unreadable: when the sheet is damaged or has more than may be.
        """
        reader = _Rows(self._strings, self._looks, take)
        try:
            self._walk(sheet.path, reader.start, reader.end, reader.text)
        except _EnoughRows:
            return

    def _main_part(self) -> str:
        if self._package.has("xl/workbook.bin"):
            raise Unreadable("这是二进制工作簿(.xlsb):请“另存为” Excel 工作簿(.xlsx)后再报")
        if self._package.has("mimetype") and self._package.has("content.xml"):
            raise Unreadable("这是 OpenDocument 文件(.ods 等):请“另存为” Excel 工作簿(.xlsx)后再报")
        if self._package.has("_rels/.rels"):
            for kind, target in self._relations("").values():
                if kind == "officeDocument" and target.lower().startswith("xl/"):
                    return target
        if not self._package.has("xl/workbook.xml"):
            raise Unreadable("压缩包里没有 Excel 工作簿:请上传填好的 .xlsx 文件本身")
        return "xl/workbook.xml"

    def _relations(self, path: str) -> dict[str, tuple[str, str]]:
        """Kind (the last word of its type) and path of the parts that a part names, by id."""
        folder, _, name = path.rpartition("/")
        relations_path = f"{folder}/_rels/{name}.rels".lstrip("/")
        found: dict[str, tuple[str, str]] = {}

        def start(tag: str, attributes: dict[str, str]) -> None:
            if tag == "Relationship" and attributes.get("TargetMode") != "External":
                kind = attributes.get("Type", "").rpartition("/")[2]
                found[attributes.get("Id", "")] = kind, resolved(path, attributes.get("Target", ""))

        self._walk(relations_path, start)
        return found

    def _read_strings(self, targets: Mapping[str, tuple[str, str]]) -> Sequence[str]:
        strings = _Strings()
        self._walk_related("sharedStrings", targets, strings.start, strings.end, strings.text)
        return strings.found

    def _read_looks(self, targets: Mapping[str, tuple[str, str]]) -> Sequence[Look]:
        styles = _Styles()
        self._walk_related("styles", targets, styles.start, styles.end)
        return styles.looks()

    def _walk_related(
        self,
        kind: str,
        targets: Mapping[str, tuple[str, str]],
        start: _Start,
        end: _End,
        text: _Text | None = None,
    ) -> None:
        path = next((path for named, path in targets.values() if named == kind), None)
        if path is not None and self._package.has(path):
            self._walk(path, start, end, text)

    def _walk(self, path: str, start: _Start, end: _End | None = None, text: _Text | None = None) -> None:
        content = self._package.part(path)
        self._steps -= sum(content.count(step) for step in _STEPS)
        if self._steps < 0 or any(tag[0].count(b"=") > _MOST_ATTRIBUTES for tag in _LONG_TAG.finditer(content)):
            raise Unreadable("工作簿的单元格过多:请删去多余的行、格式和工作表,或重新下载模板填报")
        # Writers use UTF-8; whatever else a part declares is not looked at.
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True

        def first(tag: str, attributes: dict[str, str]) -> None:
            # What bears another prefix than the root is an extension, and none of ours.
            prefix = tag[: tag.find(":") + 1]
            parser.StartElementHandler = _unprefixed(prefix, start) if prefix else start
            if end is not None:
                parser.EndElementHandler = _unprefixed(prefix, end) if prefix else end
            start(tag.removeprefix(prefix), attributes)

        parser.StartElementHandler = first
        parser.CharacterDataHandler = text
        parser.StartDoctypeDeclHandler = _no_document_type
        try:
            parser.Parse(content, True)
        except expat.ExpatError as error:
            raise Unreadable(f"工作簿内部的 XML 已损坏({path[:100]}):请重新下载模板填报") from error


def _unprefixed(prefix: str, handler: Callable[..., None]) -> Callable[..., None]:
    return lambda tag, *attributes: handler(tag.removeprefix(prefix), *attributes)


class _EnoughRows(Exception):
    """Ends the walk through a sheet."""


class _Book:
    """`workbook.xml`: the sheets, the defined names, the calendar."""

    def __init__(self) -> None:
        self.sheets: list[tuple[str, str]] = []
        self.names: dict[str, str] = {}
        self.from_1904 = False
        self._name: str | None = None
        self._formula: list[str] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "sheet":
            relation = next((v for k, v in attributes.items() if k.rpartition(":")[2] == "id" and ":" in k), "")
            self.sheets.append((attributes.get("name", ""), relation))
        elif tag == "definedName":
            self._name = None if "localSheetId" in attributes else attributes.get("name")
            self._formula = []
        elif tag == "workbookPr":
            self.from_1904 = attributes.get("date1904") in {"1", "true"}

    def text(self, characters: str) -> None:
        if self._name is not None:
            self._formula.append(characters)

    def end(self, tag: str) -> None:
        if tag == "definedName" and self._name is not None:
            self.names[self._name] = "".join(self._formula)
            self._name = None


class _Runs:
    """Collects the text of a string item, which may be in runs; phonetic guides are no part of it."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._in_text = False
        self._in_phonetic = False

    def start(self, tag: str) -> None:
        if tag == "t":
            self._in_text = not self._in_phonetic
        elif tag == "rPh":
            self._in_phonetic = True

    def text(self, characters: str) -> None:
        if self._in_text:
            self._parts.append(characters)

    def end(self, tag: str) -> None:
        if tag == "t":
            self._in_text = False
        elif tag == "rPh":
            self._in_phonetic = False

    def taken(self) -> str:
        """What was collected, once."""
        text = "".join(self._parts)
        self._parts.clear()
        return _unescaped(text)


class _Strings:
    """`sharedStrings.xml`."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._runs = _Runs()

    def start(self, tag: str, _: dict[str, str]) -> None:
        self._runs.start(tag)

    def text(self, characters: str) -> None:
        self._runs.text(characters)

    def end(self, tag: str) -> None:
        if tag == "si":
            self.found.append(self._runs.taken())
        else:
            self._runs.end(tag)


class _Styles:
    """`styles.xml`: as what the cell formats show a number."""

    def __init__(self) -> None:
        self._codes: dict[str, str] = {}
        self._formats: list[str] = []
        self._in_cell_formats = False

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "numFmt":
            self._codes[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")
        elif tag == "cellXfs":
            self._in_cell_formats = True
        elif tag == "xf" and self._in_cell_formats and len(self._formats) < MOST_CELL_FORMATS:
            self._formats.append(attributes.get("numFmtId", "0"))

    def end(self, tag: str) -> None:
        if tag == "cellXfs":
            self._in_cell_formats = False

    def looks(self) -> list[Look]:
        by_format = {number: self._look(number) for number in set(self._formats)}
        return [by_format[number] for number in self._formats]

    def _look(self, number: str) -> Look:
        code = self._codes.get(number)
        if code is not None:
            return _look_of(code)
        if number.isascii() and number.isdigit() and len(number) < 5:
            if int(number) in _DATE_FORMATS:
                return Look.DATE
            if int(number) in _PERCENT_FORMATS:
                return Look.PERCENT
        return Look.PLAIN


class _Rows:
    """A worksheet's rows. References may be left out: then a row or cell follows the one before it."""

    def __init__(self, strings: Sequence[str], looks: Sequence[Look], take: TakeRow) -> None:
        self._strings = strings
        self._looks = looks
        self._take = take
        self._row = 0
        self._column = 0
        self._cells: dict[int, Cell] | None = None
        self._attributes: dict[str, str] | None = None
        self._value: list[str] = []
        self._in_value = False
        self._is_formula = False
        self._runs = _Runs()

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if self._attributes is not None:
            self._inside_cell(tag)
        elif tag == "c" and self._cells is not None:
            self._attributes = attributes
            self._column = self._column_of(attributes.get("r"))
        elif tag == "row":
            self._cells = {}
            self._column = 0
            self._row = _bounded(attributes.get("r"), self._row + 1)

    def text(self, characters: str) -> None:
        if self._in_value:
            self._value.append(characters)
        elif self._attributes is not None:
            self._runs.text(characters)

    def end(self, tag: str) -> None:
        if self._attributes is not None:
            if tag == "c":
                self._cell_ends(self._attributes)
            elif tag == "v":
                self._in_value = False
            else:
                self._runs.end(tag)
        elif tag == "row" and self._cells is not None:
            cells, self._cells = self._cells, None
            if not self._take(self._row, cells):
                raise _EnoughRows

    def _inside_cell(self, tag: str) -> None:
        if tag == "v":
            self._in_value = True
        elif tag == "f":
            self._is_formula = True
        else:
            self._runs.start(tag)

    def _cell_ends(self, attributes: dict[str, str]) -> None:
        stored, self._value = "".join(self._value), []
        inline = self._runs.taken()
        cell = self._cell(attributes, stored, inline)
        self._attributes = None
        self._in_value = self._is_formula = False
        if cell is not None and self._cells is not None:
            self._cells[self._column] = cell

    def _cell(self, attributes: dict[str, str], stored: str, inline: str) -> Cell | None:
        kind = _KINDS.get(attributes.get("t", "n"), Kind.NUMBER)
        if self._is_formula:
            return Cell(Kind.FORMULA, stored)
        if kind is Kind.TEXT:
            text = self._text(attributes.get("t"), stored, inline)
            return Cell(kind, text) if text else None
        stored = stored.strip()
        if not stored:
            return None
        if kind is Kind.BOOLEAN:
            return Cell(kind, "TRUE" if stored in {"1", "true"} else "FALSE")
        return Cell(kind, stored, self._look(attributes.get("s")) if kind is Kind.NUMBER else Look.PLAIN)

    def _text(self, form: str | None, stored: str, inline: str) -> str:
        if form == "inlineStr":
            return inline
        if form == "str":
            return _unescaped(stored)
        index = stored.strip()
        if not index:
            return ""
        if not (index.isascii() and index.isdigit() and len(index) < 10) or int(index) >= len(self._strings):
            raise Unreadable("工作簿已损坏:单元格指向不存在的文字,请重新下载模板填报")
        return self._strings[int(index)]

    def _look(self, style: str | None) -> Look:
        if style is None or not (style.isascii() and style.isdigit() and len(style) < 10):
            return Look.PLAIN
        return self._looks[int(style)] if int(style) < len(self._looks) else Look.PLAIN

    def _column_of(self, reference: str | None) -> int:
        if reference is None:
            return min(self._column + 1, LAST_COLUMN)
        match = _REFERENCE.match(reference)
        if match is None:
            raise Unreadable(f"工作簿已损坏:单元格位置 {reference[:20]!r} 无效,请重新下载模板填报")
        return min(column_number(match[1]), LAST_COLUMN)


def column_number(letters: str) -> int:
    """The number, from 1, of a column's letters."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def column_letters(number: int) -> str:
    """The letters of a column's number, from 1."""
    letters = ""
    while number:
        number, letter = divmod(number - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return letters


def _bounded(row: str | None, following: int) -> int:
    number = following if row is None else int(row) if row.isascii() and row.isdigit() and len(row) < 10 else 0
    if not 1 <= number <= LAST_ROW:
        raise Unreadable("工作簿已损坏:行号无效,请重新下载模板填报")
    return number


def _look_of(code: str) -> Look:
    # Positive numbers' section; the others only differ for negative ones, zero and texts.
    shown = _LITERAL.sub("", code[:LONGEST_FORMAT_CODE]).partition(";")[0].lower()
    if "%" in shown:
        return Look.PERCENT
    if shown in {"general", "standard", "g/通用格式"}:
        return Look.PLAIN
    return Look.DATE if any(letter in shown for letter in "ymdhs") else Look.PLAIN


def _unescaped(text: str) -> str:
    # Characters that XML has no way to write stand as _x000D_ (ST_Xstring, section 22.9.2.19).
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text


def _no_document_type(*_: object) -> None:
    raise Unreadable("工作簿内部的 XML 带有文档类型声明(DOCTYPE),不予读取:请重新下载模板填报")
