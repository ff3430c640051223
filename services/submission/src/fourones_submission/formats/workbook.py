"""Submissions as a workbook: the filled template, or any sheet with its labels and headers.

Rows in which nothing is filled in are not reported. A date that the spreadsheet made of a month is understood;
formulas, errors and numbers that nobody saw in full are faults. Other sheets and columns are left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fourones_submission.domain.draft import MOST_FIGURES, Draft, Fault, FigureDraft, Place, too_many
from fourones_submission.domain.wording import quoted
from fourones_submission.formats.errors import Unusable
from fourones_submission.formats.workbook_cells import Cell, decimal_of, period_of, text_of
from fourones_submission.formats.workbook_parts import Cells, Sheet, Workbook, column_letters
from fourones_submission.formats.workbook_words import (
    FORMAT,
    HEADERS,
    INPUTS,
    LABELS,
    MEDIA_TYPE,
    NAMES,
    SHEET,
    STATUS_ENTRIES,
    WITHDRAW,
)

__all__ = ["MEDIA_TYPE", "read"]

# The template's headers stand in row 7; whoever puts a letterhead above them needs no hundred rows.
HEADERS_WITHIN_ROWS = 100
# Enough columns for helpers of one's own beside the template's.
COLUMNS_LOOKED_AT = 200
# Excel allows 31 characters in a sheet's name.
_LONGEST_SHEET_NAME = 100

_FIELD = {header: field for field, header in HEADERS.items()} | {field: field for field in HEADERS}
_OWN_FIELD = {label: field for field, label in LABELS.items()}
# How many headers make a row the headers' row, so that a missing one can be told.
_HEADERS_TO_KNOW_IT_BY = 3
_NO_CLUSTER = frozenset({"", "-", "—"})


def read(body: bytes) -> Draft:
    """Read a submission.

    Raises:
        Unreadable: when the body is no workbook, or does not fit into the limits.
    """
    workbook = Workbook(body)
    newer = _newer_format(workbook)
    if newer is not None:
        return Draft(None, None, faults=(newer,), locate=lambda *_: Place())
    for sheet in sorted(workbook.sheets, key=lambda sheet: sheet.name.strip() != SHEET):
        form = _Form(sheet, from_1904=workbook.from_1904)
        workbook.rows(sheet, form.take)
        if form.found:
            return form.draft()
    return _no_sheet(workbook)


class _Form:
    """One sheet, as its rows come: labels, then the headers, then figures."""

    def __init__(self, sheet: Sheet, *, from_1904: bool) -> None:
        self._name = sheet.name[:_LONGEST_SHEET_NAME]
        self._from_1904 = from_1904
        self._columns: dict[str, int] = {}
        self._own: dict[str, tuple[str, Cell | None]] = {}
        self._figures: list[FigureDraft] = []
        self._rows: list[int] = []
        self._count = 0
        self._faults: list[Fault] = []
        self._in_order = False

    @property
    def found(self) -> bool:
        """Whether the sheet has the headers of the template."""
        return bool(self._columns)

    def take(self, row: int, cells: Cells) -> bool:
        """Take a row; False when no more are wanted: this is not the sheet, or its headers are not in order."""
        if self._columns:
            self._figure(row, cells)
            return True
        if row > HEADERS_WITHIN_ROWS:
            return False
        if self._headers(row, cells):
            self._in_order = not self._faults
            return self._in_order
        self._labels(row, cells)
        return True

    def draft(self) -> Draft:
        """What was read."""
        texts = {field: self._text(field) for field in LABELS}
        figures: list[FigureDraft] | None = self._figures
        if not self._in_order:
            figures = None
        elif self._count > MOST_FIGURES:
            self._faults.append(too_many(self._count))
            figures = None
        elif not self._figures:
            detail = f"没有填写任何数:请在“{HEADERS['value']}”列填数,确实没有的在“{HEADERS['status']}”列选择"
            self._faults.append(Fault(None, "figures", "figures_empty", detail))
            figures = None
        return Draft(
            texts["org"],
            figures,
            texts["prepared_by"],
            texts["approved_by"],
            self._faults,
            _locate(self._name, self._columns, self._rows, {field: place for field, (place, _) in self._own.items()}),
        )

    def _headers(self, row: int, cells: Cells) -> bool:
        found: dict[str, int] = {}
        repeated = []
        for column, cell in cells.items():
            field = _FIELD.get(_word(cell)) if column <= COLUMNS_LOOKED_AT else None
            if field is not None and found.setdefault(field, column) != column:
                repeated.append((field, column))
        if len(found) < _HEADERS_TO_KNOW_IT_BY:
            return False
        self._columns = found
        for field, header in HEADERS.items():
            if field not in found:
                detail = f"第 {row} 行的表头缺少“{header}”列:请不要改动表头,或重新下载模板填报"
                self._faults.append(self._fault_at(None, row, "column_missing", detail))
        for field, column in repeated:
            detail = f"“{HEADERS[field]}”列出现了不止一次:请只保留一列"
            self._faults.append(self._fault_at(column, row, "column_repeated", detail))
        return True

    def _labels(self, row: int, cells: Cells) -> None:
        for column, cell in cells.items():
            field = _OWN_FIELD.get(_word(cell)) if column <= COLUMNS_LOOKED_AT else None
            if field is not None and field not in self._own:
                self._own[field] = f"{column_letters(column + 1)}{row}", cells.get(column + 1)

    def _text(self, field: str) -> str | None:
        place, cell = self._own.get(field, (None, None))
        if cell is not None and not cell.is_blank:
            try:
                return text_of(cell).strip()
            except Unusable as error:
                self._faults.append(Fault(None, field, error.code, error.detail))
        elif field == "org":
            where = "旁边的单元格" if place else "及其编码"
            detail = f"缺少“{LABELS['org']}”{where}:请写数据所属单位的编码,如 320382,或重新下载模板填报"
            self._faults.append(Fault(None, "org", "org_missing", detail))
        return None

    def _figure(self, row: int, cells: Cells) -> None:
        given = {
            field: cell
            for field, column in self._columns.items()
            if (cell := cells.get(column)) is not None and not cell.is_blank
        }
        if not any(field in given for field in INPUTS):
            return
        self._count += 1
        if self._count > MOST_FIGURES:
            return
        index = len(self._figures)
        read: dict[str, Any] = {}
        unreadable = []
        for field, cell in given.items():
            try:
                read[field] = self._read(field, cell)
            except Unusable as error:
                self._faults.append(Fault(index, field, error.code, error.detail))
                unreadable.append(field)
        if read.get("status") == WITHDRAW:
            del read["status"]
            read["withdraw"] = True
        self._figures.append(FigureDraft(**read, unreadable=frozenset(unreadable)))
        self._rows.append(row)

    def _read(self, field: str, cell: Cell) -> str | None:
        if field == "value":
            return decimal_of(cell)
        if field == "period":
            return period_of(cell, from_1904=self._from_1904)
        text = text_of(cell)
        if field in {"note", "justification"}:
            return text
        text = text.strip()
        if field == "cluster":
            return None if text in _NO_CLUSTER else text
        return STATUS_ENTRIES.get(text, text) if field == "status" else text

    def _fault_at(self, column: int | None, row: int, code: str, detail: str) -> Fault:
        # A column that is missing is looked for at the beginning of the headers' row.
        cell = f"{column_letters(column or 1)}{row}"
        return Fault(None, None, code, detail, Place(sheet=self._name, cell=cell))


def _word(cell: Cell) -> str:
    """A header or label as it is looked up: without the spaces, line breaks, marks and colon that people add."""
    if len(cell.text) > 40:
        return ""
    return "".join(cell.text.split()).strip("*").rstrip(":").rstrip(":")


def _locate(
    sheet: str, columns: Mapping[str, int], rows: list[int], own: Mapping[str, str]
) -> Callable[[int | None, str | None], Place]:
    def locate(figure: int | None, field: str | None) -> Place:
        if figure is None:
            return Place(sheet=sheet, cell=own.get(field or ""))
        # To withdraw is said in the status cell; a figure as a whole is found by its value, where the clerk looks.
        column = columns.get("status" if field == "withdraw" else field or "value") or columns["value"]
        return Place(sheet=sheet, cell=f"{column_letters(column)}{rows[figure]}")

    return locate


def _newer_format(workbook: Workbook) -> Fault | None:
    stated = workbook.names.get(NAMES["format"], "").strip().strip('"')
    if stated.isascii() and stated.isdigit() and len(stated) < 10 and int(stated) > FORMAT:
        detail = f"模板版式为第 {stated} 版,本服务只认识到第 {FORMAT} 版:请重新下载模板填报"
        return Fault(None, None, "template_newer", detail)
    return None


def _no_sheet(workbook: Workbook) -> Draft:
    names = "、".join(quoted(sheet.name) for sheet in workbook.sheets[:5]) or "无"
    headers = "、".join(HEADERS.values())
    detail = f"没有找到填报表(现有工作表:{names}):应有一行表头,含 {headers};请下载模板填报"
    return Draft(None, None, faults=(Fault(None, None, "sheet_not_found", detail),), locate=lambda *_: Place())
