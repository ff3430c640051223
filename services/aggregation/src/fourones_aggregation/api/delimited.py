"""Roll-ups as text: a table for people and their spreadsheets, and SDMX-CSV 2.0 for programs.

A cell that begins like a formula is one to a spreadsheet, wherever the text came from. In the table for people such
text is marked as text; in SDMX-CSV, whose cells are codes and numbers that nobody may alter, it is refused.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from decimal import Decimal
from enum import StrEnum

from fourones_aggregation.api.selecting import Selected
from fourones_aggregation.domain.beside import Beside, Source
from fourones_shared.catalogue.model import TOTAL, Catalogue
from fourones_shared.domain.clock import SHANGHAI
from fourones_shared.domain.numbers import format_decimal

STRUCTURE_ID = "FOURONES:ROLLUPS(1.0)"
"""The structure of totals: figures have another (`FIGURES`), so that totals are never taken for figures."""

# OWASP's list (CSV injection), with the full-width forms that spreadsheets take for the same.
_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
# Excel takes a file for UTF-8 only if it says so.
_BYTE_ORDER_MARK = "\ufeff"
_STATUSES = {"A": "正常", "P": "初步", "E": "估计", "F": "预测", "O": "缺报", "M": "不适用"}
_ALL = "合计"
_TITLES = (
    *("指标编码", "指标", "单位编码", "单位", "集群编码", "集群", "梯队编码", "梯队", "报告期"),
    *("数值", "计量单位", "状态", "已报", "应报", "缺报", "截至", "另一口径", "另一口径数值", "差额"),
    *("版本", "记录时间", "说明"),
)
_COLUMNS = (
    *("STRUCTURE", "STRUCTURE_ID", "ACTION", "INDICATOR", "REF_AREA", "CLUSTER", "TIER", "TIME_PERIOD"),
    *("OBS_VALUE", "OBS_STATUS", "UNIT_MEASURE", "REPORTED", "EXPECTED"),
)


class Form(StrEnum):
    """What a file can be."""

    CSV = "csv"
    SDMX_CSV = "sdmx-csv"

    @property
    def media_type(self) -> str:
        """As HTTP names it."""
        kind = "text/csv" if self is Form.CSV else "application/vnd.sdmx.data+csv; version=2.0.0"
        return f"{kind}; charset=utf-8"


class UnsafeCode(Exception):
    """A code or unit begins like a formula, and may not be altered."""


class Writer:
    """Writes a file page by page."""

    def __init__(self, form: Form, catalogue: Catalogue) -> None:
        self._form = form
        self._names = _Names(catalogue)

    def head(self) -> str:
        """The first line."""
        if self._form is Form.CSV:
            return _BYTE_ORDER_MARK + _lines([_TITLES])
        return _lines([_COLUMNS])

    def page(self, items: Iterable[Selected]) -> str:
        """A line for each.

        Raises:
            UnsafeCode: of SDMX-CSV, where a unit begins like a formula.
        """
        if self._form is Form.CSV:
            return _lines(self._names.row(item) for item in items)
        return _lines(_coded(item) for item in items)


def starts_a_formula(text: str) -> bool:
    """Whether a spreadsheet would take the text for more than text."""
    return text.startswith(_STARTS_A_FORMULA)


class _Names:
    """Rows for people, with the names of the catalogue beside its codes."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._indicators = catalogue.indicator
        self._orgs = {o.id: o.name for o in catalogue.organisations} | {TOTAL: _ALL}
        self._clusters = {c.id: c.name for c in catalogue.clusters} | {TOTAL: _ALL}
        self._tiers = {t.id: t.name for t in catalogue.tiers} | {TOTAL: ""}

    def row(self, item: Selected) -> list[str]:
        ask, fact, beside = item.ask, item.fact, item.beside
        indicator = self._indicators.get(ask.indicator)
        return [
            _as_text(ask.indicator),
            _as_text("" if indicator is None else indicator.name),
            _as_text(ask.scope.org),
            _as_text(self._orgs.get(ask.scope.org, "")),
            _as_text(ask.scope.cluster),
            _as_text(self._clusters.get(ask.scope.cluster, "")),
            _as_text(ask.scope.tier),
            _as_text(self._tiers.get(ask.scope.tier, "")),
            _as_text(ask.period),
            _number(fact.value),
            _as_text(item.unit),
            "" if fact.status is None else _STATUSES[fact.status],
            str(fact.reported),
            str(fact.expected),
            _as_text("、".join(self._name(code) for code in fact.missing)),
            _as_text(fact.through or ""),
            _as_text("" if beside is None else self._side(beside)),
            _number(None if beside is None else beside.value),
            _number(None if beside is None else beside.difference),
            str(fact.version),
            "" if fact.recorded_at is None else f"{fact.recorded_at.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}",
            "模拟数据" if indicator is not None and indicator.synthetic else "",
        ]

    def _name(self, code: str) -> str:
        return self._orgs.get(code) or self._clusters.get(code) or code

    def _side(self, beside: Beside) -> str:
        if beside.source is Source.COMPUTED:
            return "计算数"
        return "报送数合计" if beside.org == TOTAL else f"{self._name(beside.org)}报送数"


def _coded(item: Selected) -> list[str]:
    ask, fact = item.ask, item.fact
    codes = [ask.indicator, ask.scope.org, ask.scope.cluster, ask.scope.tier, ask.period]
    unsafe = next((text for text in (*codes, item.unit) if starts_a_formula(text)), None)
    if unsafe is not None:
        raise UnsafeCode(unsafe)
    status = "" if fact.status is None else fact.status.value
    counts = [str(fact.reported), str(fact.expected)]
    return ["dataflow", STRUCTURE_ID, "I", *codes, _number(fact.value), status, item.unit, *counts]


def _number(value: Decimal | None) -> str:
    """Digits, a point and perhaps a minus, which every spreadsheet takes for the number it is."""
    return "" if value is None else format_decimal(value)


def _as_text(text: str) -> str:
    """The text behind an apostrophe where it would be taken for a formula."""
    return f"'{text}" if starts_a_formula(text) else text


def _lines(rows: Iterable[Sequence[str]]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerows(rows)
    return written.getvalue()
