"""SDMX-CSV files with defaults, written by the standard library: a test names only what it is about."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from fourones_submission.domain.draft import Draft, FigureDraft
from fourones_submission.formats.sdmx_csv import read

STRUCTURE_ID = "FOURONES:FIGURES(1.0)"
COLUMNS = (
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
    "JUSTIFICATION",
    "PREPARED_BY",
    "APPROVED_BY",
)
PLACE_OF = {
    "indicator": "INDICATOR",
    "cluster": "CLUSTER",
    "period": "TIME_PERIOD",
    "value": "OBS_VALUE",
    "status": "OBS_STATUS",
    "unit": "UNIT_MEASURE",
    "note": "NOTE",
    "justification": "JUSTIFICATION",
}


def a_row(**changes: str) -> dict[str, str]:
    """A figure of the builders' default catalogue."""
    return {
        "STRUCTURE": "dataflow",
        "STRUCTURE_ID": STRUCTURE_ID,
        "ACTION": "I",
        "INDICATOR": "cluster-scale",
        "REF_AREA": "320382",
        "CLUSTER": "construction-machinery",
        "TIME_PERIOD": "2026-02",
        "OBS_VALUE": "123.4",
    } | changes


def a_table(
    *rows: Mapping[str, str],
    columns: Sequence[str] = COLUMNS,
    headers: Mapping[str, str] | None = None,
    delimiter: str = ",",
    newline: str = "\n",
) -> str:
    """The text of a file; `headers` says otherwise how columns are headed."""
    text = io.StringIO(newline="")
    # The standard library quotes only those line breaks that it writes itself.
    broken = any(re.search("[\r\n]", cell) for row in rows for cell in row.values())
    writer = csv.writer(
        text,
        delimiter=delimiter,
        lineterminator=newline,
        quoting=csv.QUOTE_ALL if broken else csv.QUOTE_MINIMAL,
    )
    writer.writerow([(headers or {}).get(column, column) for column in columns])
    writer.writerows([row.get(column, "") for column in columns] for row in rows)
    return text.getvalue()


def a_file(*rows: Mapping[str, str], **how: Any) -> bytes:
    """The same in UTF-8."""
    return a_table(*rows, **how).encode()


def read_rows(*rows: Mapping[str, str], **how: Any) -> Draft:
    """What the reader makes of it."""
    return read(a_file(*rows, **how))


def row_of(figure: FigureDraft, org: str, **names: str) -> dict[str, str]:
    """A figure as it would be written by who holds it as JSON."""
    given = {column: getattr(figure, field) or "" for field, column in PLACE_OF.items()}
    return a_row(**given, REF_AREA=org, ACTION="D" if figure.withdraw else "I", **names)


def figures_of(draft: Draft) -> Sequence[FigureDraft]:
    """Its figures, which are there."""
    assert draft.figures is not None
    return draft.figures


def told(draft: Draft) -> list[tuple[str, int | None, int | None]]:
    """Code, line and column of every fault."""
    places = [(fault.code, draft.place_of(fault)) for fault in draft.faults]
    return [(code, place.line, place.column) for code, place in places]


def details(draft: Draft) -> str:
    """Everything that is said."""
    return "\n".join(fault.detail for fault in draft.faults)


def without(*left_out: str) -> Sequence[str]:
    """The columns but those."""
    return tuple(column for column in COLUMNS if column not in left_out)
