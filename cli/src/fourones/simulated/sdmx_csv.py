"""A simulated report as SDMX-CSV 2.0, with the columns of the service's structure definition."""

from __future__ import annotations

import csv
import io

from fourones.simulated.reports import Report
from fourones_shared.catalogue.model import TOTAL
from fourones_shared.catalogue.reported import ReportedFigure
from fourones_shared.domain.numbers import format_decimal

_STRUCTURE = ("dataflow", "FOURONES:FIGURES(1.0)", "M")
_HEADER = (
    "STRUCTURE",
    "STRUCTURE_ID",
    "ACTION",
    "INDICATOR",
    "REF_AREA",
    "CLUSTER",
    "TIME_PERIOD",
    "OBS_VALUE",
    "OBS_STATUS",
    "UNIT_MEASURE",
    "NOTE",
    "PREPARED_BY",
)
# SDMX's word for a number that is left out on purpose.
_MISSING = "NaN"


def csv_of(report: Report) -> bytes:
    """The body, in UTF-8."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\r\n")
    rows.writerow(_HEADER)
    submission = report.submission
    for figure in submission.figures:
        rows.writerow((*_STRUCTURE, *_dimensions(figure, submission.org), *_values(figure), submission.prepared_by))
    return text.getvalue().encode()


def _dimensions(figure: ReportedFigure, org: str) -> tuple[str, ...]:
    return figure.indicator, org, figure.cluster or TOTAL, figure.period


def _values(figure: ReportedFigure) -> tuple[str, ...]:
    value = _MISSING if figure.value is None else format_decimal(figure.value)
    return value, figure.status, figure.unit or "", figure.note or ""
