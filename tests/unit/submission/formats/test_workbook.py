import datetime as dt
import io
import json
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.utils.datetime import CALENDAR_MAC_1904
from openpyxl.workbook.defined_name import DefinedName
from openpyxl.worksheet.worksheet import Worksheet
from unit.submission.builders import NOW, TERMS, a_key
from unit.submission.formats.workbooks import (
    FIELDS,
    MAIN,
    ORG,
    a_raw_workbook,
    a_row,
    a_workbook,
    cell,
    faults,
    inline_row,
    only_value,
    packed,
    parts,
    place_of,
    saved,
    sheet_xml,
)

from fourones_shared.events.model import Status
from fourones_submission.domain.checking import check
from fourones_submission.domain.draft import MOST_FIGURES, Draft, FigureDraft, Place
from fourones_submission.formats import json_format
from fourones_submission.formats.workbook import read
from fourones_submission.formats.workbook_words import HEADERS, LABELS, SHEET, WITHDRAW, status_entry


def figures(draft: Draft) -> list[FigureDraft]:
    assert draft.figures is not None, draft.faults
    return list(draft.figures)


def only(draft: Draft) -> FigureDraft:
    (figure,) = figures(draft)
    return figure


def named(name: str, **fields: Any) -> bytes:
    """A workbook whose sheet was given another name."""
    return a_workbook(a_row(**fields), change=lambda sheet: setattr(sheet, "title", name))


def test_a_filled_sheet_is_read_whole():
    row = a_row(status=status_entry(Status.PROVISIONAL), note=" 初步\n数 ", justification="新厂投产")
    draft = read(a_workbook(row, prepared_by="张三", approved_by="李四"))
    assert draft.faults == []
    assert (draft.org, draft.prepared_by, draft.approved_by) == (ORG, "张三", "李四")
    assert only(draft) == FigureDraft(
        indicator="cluster-scale",
        cluster="construction-machinery",
        period="2026-02",
        value="123.4",
        unit="亿元",
        status="P",
        note=" 初步\n数 ",
        justification="新厂投产",
    )


@pytest.mark.parametrize(
    ("stored", "value"),
    [
        ("0.1", "0.1"),
        ("0.10000000000000001", "0.1"),
        ("123.40000000000001", "123.4"),
        ("123.4500", "123.45"),
        ("5", "5"),
        ("-3.0", "-3"),
        ("1E+17", "100000000000000000"),
        ("1.5e-7", "0.00000015"),
        ("999999999999999", "999999999999999"),
    ],
)
def test_a_number_is_the_shortest_decimal_of_its_double(stored: str, value: str):
    row = f'<row><c r="A3" t="str"><v>i</v></c><c r="E3"><v>{stored}</v></c></row>'
    assert only(read(a_raw_workbook(row))).value == value


@given(st.decimals(min_value=Decimal(-(10**9)), max_value=Decimal(10**9), places=4))
def test_every_decimal_of_fifteen_digits_comes_back(value: Decimal):
    written = only(only_value(float(value))).value
    assert written is not None
    assert Decimal(written) == value


def test_digits_that_nobody_saw_are_told_with_what_was_seen():
    draft = read(a_raw_workbook('<row><c r="A3" t="str"><v>i</v></c><c r="E3"><v>123.45600000000002</v></c></row>'))
    assert faults(draft) == [("value_imprecise", SHEET, "E3")]
    assert "如 123.456" in draft.faults[0].detail
    assert only(draft).unreadable == {"value"}


@pytest.mark.parametrize("written", ["123.40", "１２３", "1,234.5", "12345678901234567.8901", "-"])
def test_a_text_keeps_its_characters_for_the_common_rules(written: str):
    assert only(only_value(f" {written} ")).value == written


@pytest.mark.parametrize(
    ("stored", "code"),
    [
        ("=1+1", "cell_formula"),
        ("#DIV/0!", "cell_error"),
        (True, "type_wrong"),
        (dt.date(2026, 3, 1), "cell_date"),
        (dt.datetime(2026, 3, 1, 12, 30), "cell_date"),  # noqa: DTZ001 - as a spreadsheet has it
        (dt.time(12, 30), "cell_date"),
    ],
)
def test_what_is_no_plain_number_is_told_by_its_cell(stored: object, code: str):
    draft = only_value(stored)
    assert faults(draft) == [(code, SHEET, cell("value"))]
    assert only(draft).unreadable == {"value"}


def test_a_formula_is_refused_though_its_result_is_stored():
    row = '<row><c r="A3" t="str"><v>i</v></c><c r="E3"><f>SUM(X1:X9)</f><v>12.5</v></c></row>'
    assert faults(read(a_raw_workbook(row))) == [("cell_formula", SHEET, "E3")]


def test_a_shared_formula_is_one_too():
    row = '<row><c r="A3" t="str"><v>i</v></c><c r="E3"><f t="shared" si="0"/><v>12.5</v></c></row>'
    assert faults(read(a_raw_workbook(row))) == [("cell_formula", SHEET, "E3")]


@pytest.mark.parametrize("number_format", ["0%", "0.00%", '"约"0.0%'])
def test_a_percentage_is_told_since_it_is_not_the_number_it_shows(number_format: str):
    draft = only_value(0.12, change=lambda sheet: setattr(sheet[cell("value")], "number_format", number_format))
    assert faults(draft) == [("cell_percent", SHEET, cell("value"))]


@pytest.mark.parametrize(
    "number_format",
    ["General", "#,##0.00", '0.0"md"', "[Red]0.00", "0.00E+00", "@", "¥#,##0", '0.0_ "吨"', "0;[Red]-0"],
)
def test_other_number_formats_change_nothing(number_format: str):
    draft = only_value(1234.5, change=lambda sheet: setattr(sheet[cell("value")], "number_format", number_format))
    assert (draft.faults, only(draft).value) == ([], "1234.5")


@pytest.mark.parametrize("number_format", ["yyyy-mm", 'yyyy"年"m"月"', "[$-804]mmm-yy", "d/m/yyyy", "[h]:mm"])
def test_a_month_that_became_a_date_is_that_month(number_format: str):
    def shown(sheet: Worksheet) -> None:
        sheet[cell("period")].number_format = number_format

    draft = read(a_workbook(a_row(period=dt.date(2026, 3, 1)), change=shown))
    assert (draft.faults, only(draft).period) == ([], "2026-03")


def test_another_day_is_no_period():
    draft = read(a_workbook(a_row(period=dt.date(2026, 3, 10))))
    assert faults(draft) == [("cell_date", SHEET, cell("period"))]
    assert "2026-03-10" in draft.faults[0].detail


def test_days_are_counted_as_the_workbook_counts_them():
    book = openpyxl.load_workbook(io.BytesIO(a_workbook(a_row(period=dt.date(2026, 3, 1)))))
    book.epoch = CALENDAR_MAC_1904
    assert only(read(saved(book))).period == "2026-03"


def test_a_year_that_is_a_number_is_the_year():
    assert only(read(a_workbook(a_row(period=2026)))).period == "2026"


def test_rows_that_nothing_is_filled_into_are_not_reported():
    draft = read(a_workbook(a_row(value=None), a_row(value="  ", note=""), a_row(cluster="digital-economy")))
    assert only(draft).cluster == "digital-economy"
    assert place_of(draft, 0, "value") == Place(sheet=SHEET, cell=cell("value", 2))


def test_a_row_with_a_note_only_is_not_dropped_in_silence():
    draft = read(a_workbook(a_row(value=None, note="下月补报")))
    checked = check(draft, TERMS, a_key(), NOW)
    assert [(fault.code, draft.place_of(fault).cell) for fault in checked.faults] == [("value_missing", cell("value"))]


def test_nothing_filled_in_at_all_is_told():
    assert [code for code, *_ in faults(read(a_workbook(a_row(value=None))))] == ["figures_empty"]


@pytest.mark.parametrize("written", ["O", "O 缺报", "缺报", " O 缺报 "])
def test_a_status_is_known_by_its_code_its_word_or_both(written: str):
    assert only(read(a_workbook(a_row(value=None, status=written)))).status == "O"


def test_a_status_that_is_none_is_left_to_the_common_rules():
    assert only(read(a_workbook(a_row(status="Z")))).status == "Z"


def test_a_withdrawal_is_chosen_as_a_status():
    figure = only(read(a_workbook(a_row(value=None, status=WITHDRAW))))
    assert (figure.withdraw, figure.status, figure.value) == (True, None, None)


@pytest.mark.parametrize("written", [None, "", "—", "-"])
def test_no_cluster_is_no_cluster(written: str | None):
    assert only(read(a_workbook(a_row(cluster=written)))).cluster is None


def test_places_are_cells():
    draft = read(a_workbook(a_row(), a_row(period="2026-01")))
    found = {(i, f): place_of(draft, i, f).cell for i, f in ((1, "unit"), (0, "withdraw"), (1, None), (None, "org"))}
    assert found == {
        (1, "unit"): cell("unit", 1),
        (0, "withdraw"): cell("status"),
        (1, None): cell("value", 1),
        (None, "org"): "B1",
    }
    assert place_of(draft, None, "figures") == Place(sheet=SHEET)


def test_a_figure_that_is_there_twice_names_the_row_of_the_other():
    draft = read(a_workbook(a_row(value=None), a_row(), a_row(value=5)))
    (fault,) = check(draft, TERMS, a_key(), NOW).faults
    assert (fault.code, draft.place_of(fault).cell) == ("figure_repeated", cell("value", 2))
    assert f"单元格 {cell('value', 1)} 所在行" in fault.detail


def test_an_organisation_that_became_a_number_is_read_and_one_that_is_missing_told():
    assert read(a_workbook(a_row(), org=320382)).org == ORG
    missing = read(a_workbook(a_row(), org=None))
    assert faults(missing) == [("org_missing", SHEET, "B1")]
    assert faults(read(a_workbook(a_row(), org="=A2"))) == [("cell_formula", SHEET, "B1")]


def test_headers_stand_in_any_order_below_any_letterhead_in_either_language():
    def rearranged(sheet: Worksheet) -> None:
        sheet.insert_rows(1, 5)
        sheet["A2"] = "关于报送三月份数据的表"
        for column, field in enumerate(reversed(FIELDS), start=3):
            sheet.cell(8, column, field)
            sheet.cell(9, column, a_row(note="注").get(field))
        sheet["A8"], sheet["B8"] = "序号", "备 注 二"

    draft = read(a_workbook(a_row(), change=rearranged))
    assert (draft.faults, only(draft).note, only(draft).indicator) == ([], "注", "cluster-scale")


def test_a_misspelt_header_is_a_missing_one():
    draft = read(a_workbook(a_row(), change=lambda sheet: sheet.__setitem__(f"{cell('status')[0]}3", "状太")))
    assert faults(draft) == [("column_missing", SHEET, "A3")]
    assert draft.figures is None


def test_a_column_that_is_there_twice_is_told():
    draft = read(a_workbook(a_row(), change=lambda sheet: sheet.__setitem__("K3", HEADERS["value"])))
    assert faults(draft) == [("column_repeated", SHEET, "K3")]


def test_other_sheets_merged_cells_and_columns_of_ones_own_are_left_alone():
    def cluttered(sheet: Worksheet) -> None:
        assert sheet.parent is not None
        sheet.parent.create_sheet("草稿", 0).append(["=1/0", "#REF!", 12])
        sheet["M3"], sheet["M4"] = "合计", "=SUM(E4:E9)"
        sheet.merge_cells("F4:H4")

    draft = read(a_workbook(a_row(), change=cluttered))
    assert (draft.faults, only(draft).value) == ([], "123.4")


def test_the_templates_sheet_comes_before_a_copy_of_it():
    def copied(sheet: Worksheet) -> None:
        assert sheet.parent is not None
        copy = sheet.parent.copy_worksheet(sheet)
        copy.title = "备份"
        copy[cell("value")] = 1
        sheet.parent.move_sheet(copy, -1)

    assert only(read(a_workbook(a_row(), change=copied))).value == "123.4"


def test_a_sheet_with_another_name_is_found_by_its_headers():
    draft = read(named("3月"))
    assert (only(draft).value, place_of(draft, 0, "value").sheet) == ("123.4", "3月")


def test_a_workbook_without_the_sheet_says_what_is_looked_for():
    book = openpyxl.Workbook()
    draft = read(saved(book))
    assert faults(draft) == [("sheet_not_found", None, None)]
    assert "Sheet" in draft.faults[0].detail
    assert [fault.code for fault in check(draft, TERMS, a_key(), NOW).faults] == ["sheet_not_found"]


def test_more_figures_than_may_be_are_counted_and_told():
    draft = read(a_workbook(*[a_row()] * (MOST_FIGURES + 2)))
    assert draft.figures is None
    assert [fault.code for fault in draft.faults] == ["figures_too_many"]
    assert str(MOST_FIGURES + 2) in draft.faults[0].detail


def test_a_template_from_the_future_is_refused():
    book = openpyxl.load_workbook(io.BytesIO(a_workbook(a_row())))
    book.defined_names["fourones_format"] = DefinedName("fourones_format", attr_text="2")
    assert [code for code, *_ in faults(read(saved(book)))] == ["template_newer"]


def test_strings_are_shared_or_in_runs_and_phonetic_guides_are_no_part_of_them():
    strings = (
        f'<sst xmlns="{MAIN}"><si><r><t>项</t></r><r><t xml:space="preserve"> 目</t></r>'
        "<rPh><t>ㄒㄧㄤ</t></rPh></si><si><t>a_x000A_b_x005F_x0041_</t></si></sst>"
    )
    row = '<row r="3"><c r="A3" t="s"><v>0</v></c><c r="E3"><v>1</v></c><c r="G3" t="s"><v> 1 </v></c></row>'
    figure = only(read(a_raw_workbook(row, strings=strings)))
    assert (figure.indicator, figure.note) == ("项 目", "a\nb_x0041_")


@pytest.mark.parametrize("namespace", [MAIN, "http://purl.oclc.org/ooxml/spreadsheetml/main"])
def test_prefixes_and_the_strict_namespace_make_no_difference(namespace: str):
    rows = inline_row([LABELS["org"], ORG]) + inline_row(list(HEADERS.values())) + inline_row(["i", "c", "p"], "<c/>")
    rows += "<row><c r='E9'><v>7</v></c></row>"
    prefixed = rows.replace("</", "\0").replace("<", "<x:").replace("\0", "</x:")
    draft = read(packed(parts(sheet_xml(prefixed, "x", namespace))))
    assert (draft.org, only(draft).value) == (ORG, "7")


def test_elements_of_extensions_are_passed_over():
    row = '<row><c r="A3" t="str"><v>i</v></c><c r="E3"><v>1</v><xm:f xmlns:xm="urn:x">SUM(A1)</xm:f></c></row>'
    assert only(read(a_raw_workbook(row))).value == "1"


def test_cells_without_references_follow_one_another():
    draft = read(a_raw_workbook(inline_row(["i", "c", "2026-02", "亿元"], "<c><v>3</v></c>")))
    assert (only(draft).value, place_of(draft, 0, "value").cell) == ("3", "E3")


# What JSON may say and a cell can hold: XML has no other control characters, and a spreadsheet no half surrogates.
_CHARACTERS = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), include_characters="\n\t")
_NOTES = st.none() | st.text(_CHARACTERS, min_size=1, max_size=60).filter(str.strip) | st.just("=cmd|'/c calc'!A1")
_STATUSES = st.sampled_from([None, *(s.value for s in Status)])
_FIGURES: st.SearchStrategy[dict[str, str | None]] = st.builds(
    dict,
    indicator=st.sampled_from(["cluster-scale", "projects", "no-such"]),
    cluster=st.sampled_from([None, "construction-machinery", "digital-economy"]),
    period=st.sampled_from(["2026-02", "2026-M02", "2026-01-01/P2M", "2025-Q4", "2026-W05", "nonsense"]),
    unit=st.sampled_from([None, "亿元", "万元"]),
    value=st.decimals(min_value=-(10**8), max_value=10**8, places=6).map(lambda d: format(d, "f"))
    | st.sampled_from(["1,234", "0.12345678901234567890", "１２"]),
    status=_STATUSES,
    note=_NOTES,
    justification=_NOTES,
) | st.fixed_dictionaries(
    {"indicator": st.just("projects"), "period": st.just("2026-02"), "status": st.just("O"), "note": _NOTES}
)


def test_the_fields_of_json_are_the_columns_of_the_sheet():
    assert set(FIELDS) | {"withdraw"} == json_format._FIGURE_FIELDS


@given(st.lists(_FIGURES, min_size=1, max_size=8))
def test_a_workbook_says_what_the_same_json_says(listed: list[dict[str, str | None]]):
    by_json = json_format.read(json.dumps({"org": ORG, "figures": listed}).encode())
    by_workbook = read(_by_xlsxwriter(listed))
    checked = [check(draft, TERMS, a_key(), NOW) for draft in (by_json, by_workbook)]
    assert checked[0].figures == checked[1].figures
    told = [[(fault.figure, fault.field, fault.code) for fault in one.faults] for one in checked]
    assert told[0] == told[1]
    assert all(by_workbook.place_of(fault).cell for fault in checked[1].faults)


def _by_xlsxwriter(listed: list[dict[str, str | None]]) -> bytes:
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream, {"in_memory": True})
    sheet = book.add_worksheet(SHEET)
    sheet.write_row(0, 0, (LABELS["org"], ORG))
    for column, header in enumerate(HEADERS.values()):
        sheet.write_string(1, column, header)
    for row, figure in enumerate(listed, start=2):
        for column, field in enumerate(FIELDS):
            text = figure.get(field)
            if field == "value" and text is not None and _is_plain(text):
                # As a clerk types it: a number.
                sheet.write_number(row, column, float(text))
            elif text is not None:
                sheet.write_string(row, column, text)
    book.close()
    return stream.getvalue()


def _is_plain(text: str) -> bool:
    # Decimals as the strategy writes them: 14 digits at most.
    return text.isascii() and "," not in text and len(text) <= 16
