"""Workbooks as clerks, spreadsheets and attackers make them."""

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import openpyxl
from openpyxl.worksheet.worksheet import Worksheet

from fourones_submission.domain.draft import Draft, Place
from fourones_submission.formats.workbook import read
from fourones_submission.formats.workbook_words import HEADERS, LABELS, NAMES, SHEET

ORG = "320382"
FIELDS = tuple(HEADERS)
HEADINGS = 3
"""Rows above the first figure in `a_sheet`."""

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


def a_row(**fields: Any) -> dict[str, Any]:
    """A row that reports a figure."""
    return {
        "indicator": "cluster-scale",
        "cluster": "construction-machinery",
        "period": "2026-02",
        "unit": "亿元",
        "value": 123.4,
    } | fields


def a_workbook(*rows: Mapping[str, Any], change: Callable[[Worksheet], None] | None = None, **own: Any) -> bytes:
    """A workbook with the labels, headers and these rows, as openpyxl saves it."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    sheet.title = SHEET
    sheet.append([part for field, label in LABELS.items() for part in (label, ({"org": ORG} | own).get(field))])
    sheet.append([])
    sheet.append(list(HEADERS.values()))
    for row in rows:
        sheet.append([row.get(field) for field in FIELDS])
    if change is not None:
        change(sheet)
    return saved(book)


def saved(book: openpyxl.Workbook) -> bytes:
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def cell(field: str, row: int = 0) -> str:
    """The reference of a figure's field in `a_workbook`."""
    return f"{'ABCDEFGH'[FIELDS.index(field)]}{HEADINGS + 1 + row}"


def faults(draft: Draft) -> list[tuple[str, str | None, str | None]]:
    """Code, sheet and cell of what is wrong."""
    places = [(fault.code, draft.place_of(fault)) for fault in draft.faults]
    return [(code, place.sheet, place.cell) for code, place in places]


def only_value(stored: Any, change: Callable[[Worksheet], None] | None = None) -> Draft:
    """What is read of a workbook with one figure of this value."""
    return read(a_workbook(a_row(value=stored), change=change))


def place_of(draft: Draft, figure: int | None, field: str | None) -> Place:
    return draft.locate(figure, field)


def packed(parts: Mapping[str, str | bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these parts."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for path, content in parts.items():
            archive.writestr(path, content)
    return stream.getvalue()


def sheet_xml(rows: str, prefix: str = "", namespace: str = MAIN) -> str:
    colon = f"{prefix}:" if prefix else ""
    declared = f"xmlns:{prefix}" if prefix else "xmlns"
    return f'<{colon}worksheet {declared}="{namespace}"><{colon}sheetData>{rows}</{colon}sheetData></{colon}worksheet>'


def parts(sheet: str | bytes, /, **changes: str | bytes) -> dict[str, str | bytes]:
    """The least parts of a workbook with one sheet; `changes` replaces or adds, by the last word of the path."""
    paths = {
        "rels": "_rels/.rels",
        "workbook": "xl/workbook.xml",
        "relations": "xl/_rels/workbook.xml.rels",
        "strings": "xl/sharedStrings.xml",
        "styles": "xl/styles.xml",
        "sheet": "xl/worksheets/sheet1.xml",
    }
    related = [("rId1", "worksheet", "worksheets/sheet1.xml")]
    related += [("rId2", "sharedStrings", "sharedStrings.xml")] if "strings" in changes else []
    related += [("rId3", "styles", "styles.xml")] if "styles" in changes else []
    content = {
        "rels": relations(("rId1", "officeDocument", "xl/workbook.xml")),
        "workbook": f'<workbook xmlns="{MAIN}" xmlns:r="{_RELATIONS}"><sheets>'
        f'<sheet name={quoteattr(SHEET)} sheetId="1" r:id="rId1"/></sheets></workbook>',
        "relations": relations(*related),
        "sheet": sheet,
    } | changes
    return {paths[name]: part for name, part in content.items()}


def relations(*entries: tuple[str, str, str]) -> str:
    inner = "".join(
        f'<Relationship Id="{key}" Type="{_RELATIONS}/{kind}" Target="{target}"/>' for key, kind, target in entries
    )
    return f'<Relationships xmlns="{_PACKAGE}">{inner}</Relationships>'


def inline_row(texts: Sequence[str], more: str = "") -> str:
    """A row of inline strings without references, and whatever comes after them."""
    cells = "".join(f'<c t="inlineStr"><is><t xml:space="preserve">{escape(text)}</t></is></c>' for text in texts)
    return f"<row>{cells}{more}</row>"


def headings() -> str:
    """The label of the organisation and the headers, written in full."""
    return inline_row([LABELS["org"], ORG]) + inline_row(list(HEADERS.values()))


def a_raw_workbook(rows: str, /, **changes: str | bytes) -> bytes:
    """A workbook written by hand: the headings, then these rows as XML."""
    return packed(parts(sheet_xml(headings() + rows), **changes))


def report_sheet(book: openpyxl.Workbook) -> Worksheet:
    """The template's sheet."""
    sheet = book[SHEET]
    assert isinstance(sheet, Worksheet)
    return sheet


def columns(sheet: Worksheet) -> dict[str, int]:
    """Column numbers by header, from 1."""
    return {str(cell.value): int(cell.column or 0) for cell in sheet[_headers(sheet)]}


def rows_of(sheet: Worksheet) -> list[int]:
    indicator = columns(sheet)[HEADERS["indicator"]]
    return [row for row in range(_headers(sheet) + 1, sheet.max_row + 1) if sheet.cell(row, indicator).value]


def _headers(sheet: Worksheet) -> int:
    rows = sheet.iter_rows(max_row=min(20, sheet.max_row), values_only=True)
    return next(number for number, row in enumerate(rows, start=1) if HEADERS["value"] in row)


def column(sheet: Worksheet, header: str) -> list[Any]:
    return [sheet.cell(row, columns(sheet)[header]).value for row in rows_of(sheet)]


def filled_in(body: bytes, fill: Mapping[int, Mapping[str, Any]], **own: str) -> bytes:
    """A template with fields of its rows, by number from 0, filled in as a script does it: by headers and names."""
    book = openpyxl.load_workbook(io.BytesIO(body))
    sheet = report_sheet(book)
    rows, at = rows_of(sheet), columns(sheet)
    for index, fields in fill.items():
        for field, value in fields.items():
            sheet.cell(rows[index], at[HEADERS[field]]).value = value
    for field, text in own.items():
        _, _, reference = (book.defined_names[NAMES[field]].attr_text or "").rpartition("!")
        sheet[reference.replace("$", "")] = text
    return saved(book)
