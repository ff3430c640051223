"""What schemathesis cannot know of the formats that are no JSON: tables and workbooks with anything in their cells."""

import csv
import io

import schemathesis
from hypothesis import strategies as st
from openpyxl import Workbook

COLUMNS = (
    *("STRUCTURE", "STRUCTURE_ID", "ACTION", "INDICATOR", "REF_AREA", "CLUSTER", "TIME_PERIOD"),
    *("OBS_VALUE", "OBS_STATUS", "UNIT_MEASURE", "NOTE", "JUSTIFICATION"),
)
# Printable, so that a workbook can hold it; other characters are the fuzz tests' concern.
_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), max_size=20)
_CELLS = {
    "STRUCTURE": st.just("dataflow"),
    "STRUCTURE_ID": st.just("FOURONES:FIGURES(1.0)"),
    "ACTION": st.sampled_from(["I", "D", "A", "?"]),
    "INDICATOR": st.sampled_from(["cluster-scale", "projects", "no-such"]),
    "REF_AREA": st.sampled_from(["320382", "320381"]),
    "CLUSTER": st.sampled_from(["construction-machinery", "_T", ""]),
    "TIME_PERIOD": st.sampled_from(["2025-11", "2026-02", "2026-Q1", "2099-01", "soon"]),
    "OBS_VALUE": st.one_of(st.decimals(allow_nan=False, allow_infinity=False).map(str), _TEXT),
}


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    rows = draw(st.lists(st.tuples(*(_CELLS.get(column, _TEXT) for column in COLUMNS)), max_size=5))
    written = io.StringIO()
    csv.writer(written).writerows([COLUMNS, *rows])
    return written.getvalue().encode()


@st.composite
def workbooks(draw: st.DrawFn) -> bytes:
    book = Workbook()
    sheet = book.create_sheet("报送", 0)
    for row in draw(st.lists(st.lists(_TEXT, max_size=12), max_size=5)):
        sheet.append(row)
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


schemathesis.openapi.media_type("application/vnd.sdmx.data+csv", tables(), aliases=["text/csv"])
schemathesis.openapi.media_type("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", workbooks())


@schemathesis.serializer("application/vnd.sdmx.data+csv")
def _as_it_is(context: schemathesis.SerializationContext, value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


for other in ("text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"):
    schemathesis.serializer.alias(other, "application/vnd.sdmx.data+csv")
