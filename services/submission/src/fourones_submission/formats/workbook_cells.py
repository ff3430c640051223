"""What a cell holds, and what it says: nothing is guessed, and no digit is made up or dropped.

A spreadsheet keeps numbers as binary doubles and prints at most 15 significant digits of them. Every decimal of up to
15 digits comes back from its double unchanged, as the shortest decimal that reads as the same double; a number with
more is not what anybody saw, and is told.
"""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, auto
from typing import NamedTuple

from fourones_submission.domain.wording import quoted
from fourones_submission.formats.errors import Unusable

# What Excel shows and keeps of a number that is typed in.
SIGNIFICANT_DIGITS = 15

# Day 0 of the two calendars. In the one from 1900 Excel counts a 29 February 1900, so that it is right from March on.
_DAY_ZERO_1900, _DAY_ZERO_1904 = date(1899, 12, 30), date(1904, 1, 1)
_FIRST_RIGHT_DAY_1900 = 61
_LAST_DAY = (date(9999, 12, 31) - _DAY_ZERO_1904).days


class Kind(Enum):
    """What a cell holds."""

    TEXT = auto()
    NUMBER = auto()
    BOOLEAN = auto()
    ERROR = auto()
    FORMULA = auto()
    DATE = auto()


class Look(Enum):
    """As what a cell's style shows a number."""

    PLAIN = auto()
    DATE = auto()
    PERCENT = auto()


class Cell(NamedTuple):
    """A cell that is not empty; `text` is a text's characters, a number as it is stored, an error's name."""

    kind: Kind
    text: str
    look: Look = Look.PLAIN

    @property
    def is_blank(self) -> bool:
        """Whether it looks empty."""
        return self.kind is Kind.TEXT and not self.text.strip()


def text_of(cell: Cell) -> str:
    """The characters of a text, or of a number as a spreadsheet shows it.

    Raises:
        Unusable: for a formula, an error or a date.
    """
    _no_formula(cell)
    if cell.kind is Kind.NUMBER and cell.look is not Look.DATE:
        return _shortest(cell)
    if cell.kind in {Kind.DATE, Kind.NUMBER}:
        raise Unusable("cell_date", "单元格是日期:请把单元格设为“文本”格式后重新填写")
    return cell.text


def decimal_of(cell: Cell) -> str:
    """The decimal in a cell: a text's own characters, or a number's.

    Raises:
        Unusable: when it holds anything else, or a number that no spreadsheet shows in full.
    """
    _no_formula(cell)
    if cell.kind is Kind.TEXT:
        return cell.text.strip()
    if cell.kind is Kind.BOOLEAN:
        raise Unusable("type_wrong", f"应为数字,而不是 {cell.text}:请填写数值")
    if cell.kind is Kind.DATE or cell.look is Look.DATE:
        raise Unusable("cell_date", "单元格是日期,不是数:请把格式改为“常规”后重新填写数值")
    text = _shortest(cell)
    if cell.look is Look.PERCENT:
        detail = f"单元格是百分比格式,实际存的是 {text}:请把格式改为“常规”,再按表中单位填写数值"
        raise Unusable("cell_percent", detail)
    digits = len(Decimal(text).normalize().as_tuple().digits)
    if digits > SIGNIFICANT_DIGITS:
        shown = format(Decimal(f"{float(text):.{SIGNIFICANT_DIGITS}g}").normalize(), "f")
        detail = (
            f"实际存的是 {text},超过 {SIGNIFICANT_DIGITS} 位有效数字(多为公式算出后粘贴):"
            f"请四舍五入后重新填写,如 {shown};确需更多位数请改用 CSV 或 JSON 报送"
        )
        raise Unusable("value_imprecise", detail)
    return text


def period_of(cell: Cell, *, from_1904: bool) -> str:
    """The spelling of a period; a date that a spreadsheet made of a month is that month again.

    Raises:
        Unusable: for a formula, an error, or a date that is not the first of a month.
    """
    if cell.kind is Kind.NUMBER and cell.look is Look.DATE:
        return _month(_day(cell.text, from_1904=from_1904))
    if cell.kind is Kind.DATE:
        return _month(_iso_day(cell.text))
    return text_of(cell).strip()


def _no_formula(cell: Cell) -> None:
    if cell.kind is Kind.FORMULA:
        detail = "单元格是公式,结果会随别处变化:请复制后“选择性粘贴”为数值,再报"
        raise Unusable("cell_formula", detail)
    if cell.kind is Kind.ERROR:
        raise Unusable("cell_error", f"单元格是错误值 {quoted(cell.text)}:请改正后再报")


def _shortest(cell: Cell) -> str:
    """The shortest decimal that is stored as the same double, without exponent."""
    try:
        number = float(cell.text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise Unusable("type_wrong", f"{quoted(cell.text)} 不是可用的数:请重新填写")
    text = format(Decimal(repr(number)), "f")
    return text.removesuffix(".0")


def _month(day: date | None) -> str:
    if day is None or day.day != 1:
        shown = "日期" if day is None else f"日期 {day.isoformat()}"
        raise Unusable("cell_date", f"报告期被表格软件变成了{shown}:请把单元格设为“文本”格式后填写,如 2026-03")
    return f"{day.year:04d}-{day.month:02d}"


def _day(stored: str, *, from_1904: bool) -> date | None:
    try:
        serial = float(stored)
    except ValueError:
        return None
    if not serial.is_integer() or not (0 if from_1904 else _FIRST_RIGHT_DAY_1900) <= serial <= _LAST_DAY:
        return None
    return (_DAY_ZERO_1904 if from_1904 else _DAY_ZERO_1900) + timedelta(days=int(serial))


def _iso_day(text: str) -> date | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    midnight = (moment.hour, moment.minute, moment.second, moment.microsecond) == (0, 0, 0, 0)
    return moment.date() if midnight else None
