"""Submissions as SDMX-CSV 2.0: one row is one figure, of the structure in `sdmx_components`.

Columns stand in any order, separated by comma, semicolon or tab; ids may carry labels (`labels=both`, `labels=name`).
Action D withdraws a figure, every other one reports its value. All rows are about one organisation.

Where the standard leaves room, or this structure needs less of it:
    Columns that the structure does not have are faults, since a misspelt one would silently lose what it holds.
    D always withdraws the whole figure, whatever else its row holds; NOTE says why. No dimension may be left out to
    withdraw many at once.
    PREPARED_BY and APPROVED_BY are the whole file's: the same on every row, or blank.

Source: SDMX-CSV data message 2.0.0, field guide of the SDMX technical working group.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from fourones_submission.domain.draft import MOST_FIGURES, Draft, Fault, FigureDraft, Place
from fourones_submission.domain.wording import quoted
from fourones_submission.formats.delimited import Row, rows
from fourones_submission.formats.encodings import decoded
from fourones_submission.formats.errors import Unreadable
from fourones_submission.formats.sdmx_columns import (
    ACTION,
    STRUCTURE,
    STRUCTURE_ID_COLUMN,
    Columns,
    columns_of,
    missing_column,
)
from fourones_submission.formats.sdmx_components import (
    APPROVED_BY,
    CLUSTER,
    COMPONENTS,
    INDICATOR,
    JUSTIFICATION,
    NOTE,
    NUMERIC_MISSING,
    OBS_STATUS,
    OBS_VALUE,
    OTHER_MISSING,
    PREPARED_BY,
    REF_AREA,
    STRUCTURE_ID,
    TIME_PERIOD,
    UNIT_MEASURE,
    Component,
)

MEDIA_TYPE = "application/vnd.sdmx.data+csv"
PLAIN_MEDIA_TYPE = "text/csv"
VERSIONS = frozenset({"2.0.0", "2.0"})
"""Of the media type's parameter `version`, where it is given."""

_DESCRIBED_BY = frozenset({"dataflow", "datastructure"})
_WITHDRAW = "D"
# Information, append, replace; merge came with 2.1, and its writers send it under the older version, too.
_REPORT = frozenset({"", "I", "A", "R", "M"})
_DELETED = "-"

_FIELDS = {component.id: component.field for component in COMPONENTS}
_COLUMNS = {component.field: component.id for component in COMPONENTS} | {"withdraw": ACTION}
_WITHOUT_VALUE = frozenset({"O", "M"})

_DELIMITERS = ",;\t"
_FIRST_TERM = re.compile(r'\s*"?STRUCTURE(?:\[[^\]\r\n]*\])?"?(?P<next>[^\w\s"\[:\uff1a]|\t)')
_LINES_TOLD = 10

# What people write where there is no number. SDMX leaves the cell empty, or says so by its own mark.
_NO_NUMBER = re.compile(
    r"[-\u2010-\u2015\u2212\uff0d/\\.\u2026*\u00d7]+|无|空|缺|缺失|未报|不适用|#?n/?a|nan|null|none", re.IGNORECASE
)


def read(body: bytes, charset: str | None = None) -> Draft:
    """Read a submission.

    Args:
        body: a file as it was saved.
        charset: the one that Content-Type names, lower case; None when it names none.

    Raises:
        Unreadable: when it is no table of text.
    """
    text = decoded(body, charset)
    table = rows(text, _delimiter(text))
    header = next((row for row in table if any(row.cells)), None)
    if header is None:
        raise Unreadable("内容为空:第一行应为列名", 1, 1)
    return _Reading(columns_of(header)).draft(table)


def _delimiter(text: str) -> str:
    # By the standard it is what follows the first column's fixed name.
    first = _FIRST_TERM.match(text)
    if first is None:
        line = text.lstrip()[:4096].partition("\n")[0]
        return max(_DELIMITERS, key=line.count)
    if first["next"] not in _DELIMITERS:
        detail = f"分隔符应为逗号、分号或制表符,不是 {quoted(first['next'])}:请另存为“CSV UTF-8(逗号分隔)”后再报"
        raise Unreadable(detail, 1, 1)
    return first["next"]


@dataclass(slots=True)
class _Told:
    """What a column says of the whole file: the first row's word, and where others differ.

    Attributes:
        value: None while every row was blank.
        line: of the row that said it.
        others: lines by differing value.
        blank: figures whose row says nothing.
    """

    value: str | None = None
    line: int = 0
    others: dict[str, list[int]] = field(default_factory=dict)
    first_other: dict[str, int] = field(default_factory=dict)
    blank: list[int] = field(default_factory=list)

    def hear(self, value: str | None, line: int, figure: int) -> None:
        """Take in a row's cell."""
        if value is None:
            self.blank.append(figure)
        elif self.value is None:
            self.value, self.line = value, line
        elif value != self.value:
            self.others.setdefault(value, []).append(line)
            self.first_other.setdefault(value, figure)


class _Reading:
    """Reads the rows of one file."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._faults = list(columns.faults)
        self._figures: list[FigureDraft] = []
        self._lines: list[int] = []
        self._whole = {component.id: _Told() for component in (REF_AREA, PREPARED_BY, APPROVED_BY)}
        self._structures: set[tuple[str, str]] = set()
        self._values_missed = False
        # Of rows that are too long or too short: who reports is known even if nothing else can be read.
        self._org_of_broken_rows: str | None = None
        # What a column would have said is in doubt on every row; it is told once, of the column.
        self._unread = frozenset(_FIELDS[name] for name in columns.absent if name in _FIELDS)

    def draft(self, table: Iterator[Row]) -> Draft:
        """The submission that the rows make."""
        for row in table:
            if not any(cell.strip() for cell in row.cells):
                continue
            if len(self._figures) == MOST_FIGURES:
                return self._too_many(row)
            self._lines.append(row.line)
            self._figures.append(self._figure(len(self._figures), row))
        self._values_column()
        org = self._organisation()
        prepared_by, approved_by = self._name(PREPARED_BY), self._name(APPROVED_BY)
        return Draft(org, self._figures, prepared_by, approved_by, self._faults, self._locate)

    def _too_many(self, row: Row) -> Draft:
        detail = f"一次最多报 {MOST_FIGURES} 个数,从这一行起超出:请分几次报送"
        fault = Fault(None, "figures", "figures_too_many", detail, Place(line=row.line))
        return Draft(self._organisation(), None, faults=(*self._columns.faults, fault), locate=self._locate)

    def _figure(self, index: int, row: Row) -> FigureDraft:
        cells = self._columns.cells(row)
        if cells is None:
            self._row_length(index, row)
            if self._columns.at.get(REF_AREA.id, len(row.cells)) < len(row.cells):
                self._org_of_broken_rows = self._org_of_broken_rows or self._id(row.cells, REF_AREA)
            return FigureDraft(unreadable=frozenset(_COLUMNS))
        self._unnamed(index, cells)
        self._structure(index, cells)
        for name, told in self._whole.items():
            text = self._id(cells, REF_AREA) if name == REF_AREA.id else self._text(cells, name)
            told.hear(text, row.line, index)
        if self._withdraws(index, cells):
            return self._withdrawal(cells)
        status = self._id(cells, OBS_STATUS)
        value, unread = self._value(index, cells, status)
        return FigureDraft(
            indicator=self._id(cells, INDICATOR),
            cluster=self._id(cells, CLUSTER),
            period=self._id(cells, TIME_PERIOD),
            value=value,
            unit=self._text(cells, UNIT_MEASURE.id),
            status=status,
            note=self._text(cells, NOTE.id),
            justification=self._text(cells, JUSTIFICATION.id),
            unreadable=unread,
        )

    def _withdrawal(self, cells: Sequence[str]) -> FigureDraft:
        # By the standard a deleted measure is marked by any text, a deleted attribute by a dash.
        status, unit, note, justification = (
            None if text == _DELETED else text
            for text in (
                self._id(cells, OBS_STATUS),
                *(self._text(cells, component.id) for component in (UNIT_MEASURE, NOTE, JUSTIFICATION)),
            )
        )
        return FigureDraft(
            indicator=self._id(cells, INDICATOR),
            cluster=self._id(cells, CLUSTER),
            period=self._id(cells, TIME_PERIOD),
            unit=unit,
            status=status,
            note=note,
            justification=justification,
            withdraw=True,
            unreadable=self._unread,
        )

    def _cell(self, cells: Sequence[str], name: str) -> str:
        position = self._columns.at.get(name)
        return "" if position is None else cells[position]

    def _text(self, cells: Sequence[str], name: str) -> str | None:
        cell = self._cell(cells, name)
        return None if cell in {"", OTHER_MISSING} else cell

    def _id(self, cells: Sequence[str], component: Component) -> str | None:
        cell = self._text(cells, component.id)
        return cell if cell is None else _without_label(cell)

    def _withdraws(self, index: int, cells: Sequence[str]) -> bool:
        action = _without_label(self._cell(cells, ACTION))
        if action not in _REPORT and action != _WITHDRAW:
            detail = f"没有动作 {quoted(action)}:报送用 I、A、R 或 M,撤回用 D"
            self._faults.append(Fault(index, "withdraw", "action_unknown", detail))
        return action == _WITHDRAW

    def _value(self, index: int, cells: Sequence[str], status: str | None) -> tuple[str | None, frozenset[str]]:
        """The value, and the fields whose fault is told already."""
        cell = self._cell(cells, OBS_VALUE.id)
        if cell in {"", NUMERIC_MISSING}:
            if OBS_VALUE.id in self._columns.at or status in _WITHOUT_VALUE:
                return None, self._unread
            self._values_missed = True
        elif _NO_NUMBER.fullmatch(cell.strip()):
            detail = f"{quoted(cell)} 不是数:没有数值请留空或写 NaN,并在 OBS_STATUS 写 O(缺报)或 M(不适用)"
            self._faults.append(Fault(index, "value", "value_not_decimal", detail))
        else:
            return cell, self._unread
        return None, self._unread | {"value"}

    def _values_column(self) -> None:
        if self._values_missed and OBS_VALUE.id not in self._columns.misnamed:
            self._faults.append(missing_column(OBS_VALUE.id, self._columns.line))

    def _row_length(self, index: int, row: Row) -> None:
        count, width = len(row.cells), self._columns.width
        if count > width:
            remedy = "内容里有分隔符时要用双引号括起"
        elif row.ended:
            remedy = "空格子也要保留分隔符,内容里有换行时要用双引号括起"
        else:
            remedy = "文件可能在此处中断,请重新导出"
        detail = f"这一行有 {count} 格,表头有 {width} 列:{remedy}"
        place = Place(line=row.line, column=min(count, width) + 1)
        self._faults.append(Fault(index, None, "row_length", detail, place))

    def _unnamed(self, index: int, cells: Sequence[str]) -> None:
        filled = next((position for position in self._columns.unnamed if cells[position].strip()), None)
        if filled is not None:
            place = Place(line=self._lines[index], column=filled + 1)
            detail = "这一列没有列名,却有内容:请在表头写上列名,或清空这一列"
            self._faults.append(Fault(index, None, "field_unknown", detail, place))

    def _structure(self, index: int, cells: Sequence[str]) -> None:
        """See that the row is of this structure; the same slip on every row is told once."""
        described_by = self._cell(cells, STRUCTURE)
        if described_by.lower() not in _DESCRIBED_BY:
            self._wrong_structure(index, STRUCTURE, described_by, "dataflow")
        identity = self._cell(cells, STRUCTURE_ID_COLUMN)
        if _without_label(identity) != STRUCTURE_ID:
            self._wrong_structure(index, STRUCTURE_ID_COLUMN, identity, STRUCTURE_ID)

    def _wrong_structure(self, index: int, column: str, given: str, right: str) -> None:
        if column not in self._columns.at or (column, given) in self._structures:
            return
        self._structures.add((column, given))
        found = f"不是 {quoted(given)}" if given else "不能空着"
        detail = f"{column} 应为 {right},{found};以下各行若相同,请一并改正(结构见 GET /v1/structure)"
        self._faults.append(Fault(index, column, "structure_unknown", detail))

    def _organisation(self) -> str | None:
        told = self._whole[REF_AREA.id]
        if told.value is None:
            if REF_AREA.id in self._columns.at and told.blank:
                detail = "REF_AREA 列是空的:请写数据所属单位的编码,如 320382"
                self._faults.append(Fault(None, REF_AREA.field, "org_missing", detail))
            return self._org_of_broken_rows
        self._differing(told, REF_AREA, "org_differs", "一份报送只能是一个单位的数", "请按单位分成几份")
        for figure in told.blank if REF_AREA.id in self._columns.at else ():
            detail = f"REF_AREA 不能空着:请写 {quoted(told.value)}"
            self._faults.append(Fault(figure, REF_AREA.field, "org_missing", detail))
        return told.value

    def _name(self, component: Component) -> str | None:
        told = self._whole[component.id]
        what = f"一份报送只有一个{component.name}"
        self._differing(told, component, "attribute_differs", what, "请写同一个名字或留空")
        return told.value

    def _differing(self, told: _Told, component: Component, code: str, what: str, remedy: str) -> None:
        for value, lines in told.others.items():
            detail = f"{what}:第 {told.line} 行是 {quoted(told.value or '')},{_shown(lines)}是 {quoted(value)},{remedy}"
            self._faults.append(Fault(told.first_other[value], component.field, code, detail))

    def _locate(self, figure: int | None, name: str | None) -> Place:
        column = _COLUMNS.get(name or "", name or "")
        told = self._whole.get(column)
        if figure is not None:
            line = self._lines[figure]
        elif told is not None and told.line:
            line = told.line
        else:
            line = self._columns.line
        return Place(line=line, column=self._columns.column(column))


def _without_label(cell: str) -> str:
    """An id as `labels=both` writes it, without its name; no id holds a colon and a space."""
    return cell.partition(": ")[0]


def _shown(lines: Sequence[int]) -> str:
    shown = "、".join(map(str, lines[:_LINES_TOLD]))
    return f"第 {shown} 行" if len(lines) <= _LINES_TOLD else f"第 {shown} 等 {len(lines)} 行"
