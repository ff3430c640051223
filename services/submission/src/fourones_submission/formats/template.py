"""The template as a workbook, which `workbook` reads back as it is.

Whatever comes from people is written as text, never as a formula. The sheets are protected without a password: against
slips, not against anybody. Only input cells can be changed.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.utility import xl_rowcol_to_cell
from xlsxwriter.worksheet import Worksheet

from fourones_shared.catalogue.model import Indicator
from fourones_shared.domain.clock import SHANGHAI
from fourones_shared.domain.numbers import format_decimal
from fourones_shared.events.model import Status
from fourones_submission.domain.checking import LONGEST_NAME, LONGEST_NOTE
from fourones_submission.domain.known import KnownFigure
from fourones_submission.formats.template_content import Row, Template
from fourones_submission.formats.workbook_cells import SIGNIFICANT_DIGITS
from fourones_submission.formats.workbook_words import (
    EXPLANATIONS,
    FORMAT,
    HEADERS,
    INPUTS,
    LABELS,
    NAMES,
    SHEET,
    STATUS_WORDS,
    WITHDRAW,
    status_entry,
)

# Where there are no bounds: what Excel keeps every digit of.
_LARGEST = str(10**SIGNIFICANT_DIGITS - 1)
_FONT = "宋体"

_HOW_TO = (
    "只填浅黄色单元格。“{value}”只写数字,按所列单位;“{status}”不选即为正常数,确实没有数的选“缺报”。",
    "“{value}”“{status}”“{note}”“{justification}”都空着的行不报送;已报过的数再填即为修订,要取消则在“{status}”选“"
    + WITHDRAW
    + "”。",
    "请直接填数,不要用公式;系统提示数值异常而数值属实的,在“{justification}”写明原因。填好后原样上传本文件。",
)


class _Column(NamedTuple):
    """A column of the sheet: its field or a name of its own, header and width in characters."""

    name: str
    header: str
    width: int


# What a clerk reads and fills in comes first and fits on paper; the codes, which only programs read, come last.
_COLUMNS = (
    _Column("indicator_name", "指标名称", 30),
    _Column("cluster_name", "集群", 20),
    _Column("period", HEADERS["period"], 15),
    _Column("unit", HEADERS["unit"], 10),
    _Column("value", HEADERS["value"], 16),
    _Column("status", HEADERS["status"], 11),
    _Column("note", HEADERS["note"], 22),
    _Column("justification", HEADERS["justification"], 22),
    _Column("present", "已报数", 12),
    _Column("previous", "上期数", 12),
    _Column("year_before", "去年同期数", 12),
    _Column("due", "截止日", 12),
    _Column("remark", "填报说明", 46),
    _Column("reporter", "报送单位", 18),
    _Column("indicator", HEADERS["indicator"], 28),
    _Column("cluster", HEADERS["cluster"], 26),
)
_AT = {column.name: index for index, column in enumerate(_COLUMNS)}
_LAST = len(_COLUMNS) - 1
# In the heading: a label, and its value in the next column; three of them side by side.
_LABEL_COLUMNS = (_AT["indicator_name"], _AT["unit"], _AT["note"])
# From 0, as the writer counts.
_ROW_TITLE, _ROW_ORG, _ROW_PERIOD, _ROW_VERSION, _ROW_NAMES, _ROW_HOW_TO, _ROW_HEADERS = range(7)
_FIRST_ROW = _ROW_HEADERS + 1


def write(template: Template) -> bytes:
    """The template as an .xlsx workbook."""
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(
        stream, {"in_memory": True, "strings_to_formulas": False, "strings_to_numbers": False, "strings_to_urls": False}
    )
    made = template.made_at.astimezone(SHANGHAI).replace(tzinfo=None)
    book.set_properties({"title": f"{template.title} {template.org_name} {template.period}", "created": made})
    looks = _looks(book)
    sheet = book.add_worksheet(SHEET)
    _layout(sheet, template)
    _heading(sheet, template, looks)
    for index, row in enumerate(template.rows):
        _write_row(sheet, _FIRST_ROW + index, row, looks)
    _validate(sheet, template.rows)
    _explanations(book.add_worksheet(EXPLANATIONS), template, looks)
    for name, formula in _names(template).items():
        book.define_name(name, formula)
    book.close()
    return stream.getvalue()


@dataclass(frozen=True, slots=True)
class _Looks:
    """The styles of cells."""

    title: Format
    label: Format
    given: Format
    how_to: Format
    header: Format
    input_header: Format
    fixed: Format
    known: Format
    input: Format
    input_text: Format
    closed: Format


def _looks(book: xlsxwriter.Workbook) -> _Looks:
    def look(**properties: Any) -> Format:
        return book.add_format({"font_name": _FONT, "font_size": 11, "valign": "vcenter"} | properties)

    bordered = {"border": 1, "border_color": "#BFBFBF"}
    header = bordered | {"bold": True, "align": "center", "text_wrap": True, "font_color": "#FFFFFF"}
    written = bordered | {"bg_color": "#FFF8DC", "locked": False}
    return _Looks(
        title=look(bold=True, font_size=16),
        label=look(bold=True, align="right"),
        given=look(num_format="@", align="left"),
        how_to=look(text_wrap=True, font_color="#7F3F00"),
        header=look(**header, bg_color="#44546A"),
        input_header=look(**header, bg_color="#B8860B"),
        fixed=look(**bordered, num_format="@", text_wrap=True),
        known=look(**bordered, font_color="#595959", align="right"),
        input=look(**written, align="right"),
        input_text=look(**written, num_format="@", text_wrap=True),
        closed=look(**bordered, bg_color="#E7E6E6"),
    )


def _layout(sheet: Worksheet, template: Template) -> None:
    for index, column in enumerate(_COLUMNS):
        sheet.set_column(index, index, column.width)
    sheet.set_row(_ROW_TITLE, 30)
    sheet.set_row(_ROW_HOW_TO, 16 * len(_HOW_TO) + 4)
    sheet.set_row(_ROW_HEADERS, 24)
    sheet.freeze_panes(_FIRST_ROW, _AT["period"])
    sheet.set_landscape()
    sheet.set_paper(9)  # A4
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(_ROW_HEADERS)
    sheet.print_area(0, 0, _ROW_HEADERS + len(template.rows), _AT["due"])
    sheet.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
    sheet.set_footer(f"&L{template.org} {template.period}&R第 &P 页,共 &N 页")
    sheet.protect("", {"format_columns": True, "format_rows": True, "autofilter": True})
    sheet.autofilter(_ROW_HEADERS, 0, _ROW_HEADERS + len(template.rows), _LAST)
    sheet.set_selection(_FIRST_ROW, _AT["value"], _FIRST_ROW, _AT["value"])


def _heading(sheet: Worksheet, template: Template, looks: _Looks) -> None:
    due = sorted(row.due for row in template.rows)
    reporters = [name for _, name in template.reporters]
    days = " 至 ".join(day.isoformat() for day in dict.fromkeys((due[0], due[-1]))) if due else ""
    made = template.made_at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M")
    sheet.write_string(_ROW_TITLE, 0, template.title, looks.title)
    for row, pairs in (
        (_ROW_ORG, ((LABELS["org"], template.org), ("填报对象", template.org_name))),
        (_ROW_PERIOD, (("报告期(所含)", template.period), ("报送单位", "、".join(reporters)))),
        (_ROW_VERSION, (("数据字典", f"第 {template.catalogue_version} 版"), ("截止日", days), ("生成时间", made))),
    ):
        for column, (label, text) in zip(_LABEL_COLUMNS, pairs, strict=False):
            sheet.write_string(row, column, label, looks.label)
            sheet.write_string(row, column + 1, text, looks.given)
    for column, field in zip(_LABEL_COLUMNS, ("prepared_by", "approved_by"), strict=False):
        sheet.write_string(_ROW_NAMES, column, LABELS[field], looks.label)
        sheet.write_blank(_ROW_NAMES, column + 1, None, looks.input_text)
        sheet.data_validation(_ROW_NAMES, column + 1, _ROW_NAMES, column + 1, _at_most(LONGEST_NAME))
    sheet.merge_range(_ROW_HOW_TO, 0, _ROW_HOW_TO, _AT["justification"], "", looks.how_to)
    sheet.write_string(_ROW_HOW_TO, 0, "\n".join(_HOW_TO).format(**HEADERS), looks.how_to)
    for index, (name, header, _) in enumerate(_COLUMNS):
        sheet.write_string(_ROW_HEADERS, index, header, looks.input_header if name in INPUTS else looks.header)


def _write_row(sheet: Worksheet, at: int, row: Row, looks: _Looks) -> None:
    texts = {
        "indicator": row.indicator.id,
        "indicator_name": _name_of(row.indicator),
        "cluster": row.cluster or "",
        "cluster_name": row.cluster_name,
        "period": row.period.key,
        "unit": row.indicator.unit,
        "due": row.due.isoformat(),
        "remark": row.remark,
        "reporter": row.reporter_name,
    }
    for name, text in texts.items():
        sheet.write_string(at, _AT[name], text, looks.fixed)
    for name in INPUTS:
        open_look = looks.input if name in {"value", "status"} else looks.input_text
        sheet.write_blank(at, _AT[name], None, looks.closed if row.locked else open_look)
    for name, figure in (("present", row.present), ("previous", row.previous), ("year_before", row.year_before)):
        _write_known(sheet, at, _AT[name], figure, looks.known)


def _write_known(sheet: Worksheet, row: int, column: int, figure: KnownFigure | None, look: Format) -> None:
    if figure is None:
        sheet.write_blank(row, column, None, look)
    elif figure.value is None:
        sheet.write_string(row, column, STATUS_WORDS[figure.status], look)
    elif len(figure.value.normalize().as_tuple().digits) <= SIGNIFICANT_DIGITS:
        sheet.write_number(row, column, float(figure.value), look)
    else:
        # As a number it would lose digits.
        sheet.write_string(row, column, format_decimal(figure.value), look)


def _validate(sheet: Worksheet, rows: Sequence[Row]) -> None:
    # One rule for all the cells that it holds for: thousands of rules make a workbook slow to open.
    _apply(sheet, "value", rows, _value_bounds, _value_rule)
    _apply(sheet, "status", rows, lambda row: row.may_not_apply, _status_rule)
    for name in ("note", "justification"):
        _apply(sheet, name, rows, lambda _: LONGEST_NOTE, _at_most)


def _apply(
    sheet: Worksheet, name: str, rows: Sequence[Row], by: Callable[[Row], Any], rule: Callable[[Any], dict[str, Any]]
) -> None:
    places: dict[Any, list[int]] = {}
    for index, row in enumerate(rows):
        if not row.locked:
            places.setdefault(by(row), []).append(_FIRST_ROW + index)
    for what, listed in places.items():
        ranges = [[first, _AT[name], last, _AT[name]] for first, last in _stretches(listed)]
        first, column, last, _ = ranges[0]
        sheet.data_validation(first, column, last, column, rule(what) | {"other_cells": ranges})


def _stretches(rows: Sequence[int]) -> Iterable[tuple[int, int]]:
    """The first and last of each stretch of neighbours."""
    first = rows[0]
    for row, following in pairwise([*rows, -1]):
        if following != row + 1:
            yield first, row
            first = following


def _value_bounds(row: Row) -> tuple[Decimal | None, Decimal | None, int, str]:
    indicator = row.indicator
    return indicator.minimum, indicator.maximum, indicator.decimals, indicator.unit


def _value_rule(bounds: tuple[Decimal | None, Decimal | None, int, str]) -> dict[str, Any]:
    minimum, maximum, decimals, unit = bounds
    asked = "应为整数" if decimals == 0 else f"应为数字,最多 {decimals} 位小数"
    if minimum is not None or maximum is not None:
        low = "" if minimum is None else f"不小于 {format_decimal(minimum)}"
        high = "" if maximum is None else f"不大于 {format_decimal(maximum)}"
        asked += f",{'、'.join(part for part in (low, high) if part)}"
    return {
        "validate": "integer" if decimals == 0 else "decimal",
        "criteria": "between",
        "minimum": f"-{_LARGEST}" if minimum is None else format_decimal(minimum),
        "maximum": _LARGEST if maximum is None else format_decimal(maximum),
        "input_title": f"单位:{unit}"[:32],
        "input_message": f"{asked}({unit})"[:255],
        "error_title": "数值不符合要求",
        "error_message": f"{asked}({unit})。请核对数值和单位,直接填数字。"[:255],
    }


def _status_rule(may_not_apply: object) -> dict[str, Any]:
    entries = [status_entry(s) for s in Status if may_not_apply or s is not Status.NOT_APPLICABLE]
    return {
        "validate": "list",
        "source": [*entries, WITHDRAW],
        "error_title": "状态不在列表中",
        "error_message": "请从下拉列表中选择;正常数可不选。",
    }


def _at_most(longest: int) -> dict[str, Any]:
    return {
        "validate": "length",
        "criteria": "<=",
        "value": longest,
        "error_title": "文字过长",
        "error_message": f"最多 {longest} 个字,请缩短。",
    }


def _names(template: Template) -> Mapping[str, str]:
    """Defined names for programs that fill the sheet in."""
    first, second = (column + 1 for column in _LABEL_COLUMNS[:2])
    cells = {
        "org": (_ROW_ORG, first),
        "period": (_ROW_PERIOD, first),
        "prepared_by": (_ROW_NAMES, first),
        "approved_by": (_ROW_NAMES, second),
    }
    constants = {"format": f"={FORMAT}", "catalogue": f"={template.catalogue_version}"}
    if len(template.reporters) == 1:
        constants["reporter"] = f'="{template.reporters[0][0]}"'
    found = {name: f"='{SHEET}'!{xl_rowcol_to_cell(*cell, True, True)}" for name, cell in cells.items()}
    return {NAMES[name]: formula for name, formula in (found | constants).items()}


def _explanations(sheet: Worksheet, template: Template, looks: _Looks) -> None:
    sheet.protect("", {"format_columns": True, "format_rows": True})
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)
    for index, width in enumerate((30, 34, 10, 90)):
        sheet.set_column(index, index, width)
    lines: list[tuple[Sequence[str], Format]] = [
        (("填报说明",), looks.title),
        *(((line.format(**HEADERS),), looks.given) for line in _HOW_TO),
        ((f"本表列出期末落在 {template.period} 内的应报数:月报、季报、年报和在此期间结束的周报等。",), looks.given),
        (("“上期数”“去年同期数”为生成本表时已报的数;“已报数”为本期已报的数,仅供对照。",), looks.given),
        ((), looks.given),
        (("状态", "含义", "", "何时使用"), looks.header),
        *(((status_entry(s), STATUS_WORDS[s], "", _WHEN[s]), looks.fixed) for s in Status),
        ((WITHDRAW, "取消已报的数", "", "数值留空;以前报过的数从汇总中去掉,记录仍保留"), looks.fixed),
        ((), looks.given),
        (("指标编码", "指标名称", "单位", "口径和要求"), looks.header),
        *(((i.id, _name_of(i), i.unit, explanation), looks.fixed) for i, explanation in template.indicators),
    ]
    for row, (texts, look) in enumerate(lines):
        for column, text in enumerate(texts):
            sheet.write_string(row, column, text, look)


_WHEN = {
    Status.NORMAL: "最终的统计数;不选状态即为正常",
    Status.PROVISIONAL: "初步统计,以后还会修订;本期未结束时也用它",
    Status.ESTIMATED: "估计得出",
    Status.FORECAST: "对期末的预计",
    Status.MISSING: "应报而没有数:数值留空,请在备注写明原因",
    Status.NOT_APPLICABLE: "该指标对本单位不适用:数值留空;仅限数据字典允许的单位",
}


def _name_of(indicator: Indicator) -> str:
    return f"{indicator.name}〔模拟〕" if indicator.synthetic else indicator.name
