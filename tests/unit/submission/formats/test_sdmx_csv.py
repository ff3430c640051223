from pathlib import Path

import pytest
from unit.submission.builders import NOW, TERMS, a_key, codes
from unit.submission.formats.csv_files import (
    COLUMNS,
    STRUCTURE_ID,
    a_file,
    a_row,
    a_table,
    details,
    figures_of,
    read_rows,
    told,
    without,
)

from fourones_shared.catalogue.files import load
from fourones_submission.domain.checking import check
from fourones_submission.domain.draft import FigureDraft
from fourones_submission.domain.terms import Terms
from fourones_submission.formats.errors import Unreadable
from fourones_submission.formats.sdmx_csv import read


def test_a_row_is_a_figure_with_the_characters_it_was_written_with():
    draft = read_rows(
        a_row(OBS_VALUE="0.10", OBS_STATUS="P", UNIT_MEASURE="亿元", NOTE="初步数", JUSTIFICATION="新厂投产"),
        a_row(CLUSTER="digital-economy", PREPARED_BY="张三", APPROVED_BY="李四"),
    )
    assert draft.faults == []
    assert (draft.org, draft.prepared_by, draft.approved_by) == ("320382", "张三", "李四")
    assert figures_of(draft)[0] == FigureDraft(
        indicator="cluster-scale",
        cluster="construction-machinery",
        period="2026-02",
        value="0.10",
        unit="亿元",
        status="P",
        note="初步数",
        justification="新厂投产",
    )
    assert figures_of(draft)[1] == FigureDraft("cluster-scale", "digital-economy", "2026-02", "123.4")


@pytest.mark.parametrize("number", ["0.1000000000000000055", "9007199254740993", "-0", "1e5", "1,234.5", "123.4"])
def test_a_number_is_never_rounded(number: str):
    assert figures_of(read_rows(a_row(OBS_VALUE=number)))[0].value == number


@pytest.mark.parametrize("period", ["2026", "2026-S1", "2026-Q1", "2026-03", "2026-M03", "2026-W12", "2026-01-01/P2M"])
def test_a_period_is_taken_in_every_spelling(period: str):
    assert figures_of(read_rows(a_row(TIME_PERIOD=period)))[0].period == period


@pytest.mark.parametrize("action", ["I", "A", "R", "M", "", "I: Information"])
def test_every_action_but_delete_reports(action: str):
    (figure,) = figures_of(read_rows(a_row(ACTION=action)))
    assert (figure.withdraw, figure.value) == (False, "123.4")


def test_without_an_action_column_the_file_reports():
    draft = read_rows(a_row(), columns=without("ACTION"))
    assert draft.faults == []
    assert not figures_of(draft)[0].withdraw


@pytest.mark.parametrize("value", ["", "-", "123.4"])
def test_delete_withdraws_the_figure_however_it_is_marked(value: str):
    draft = read_rows(a_row(ACTION="D", OBS_VALUE=value, OBS_STATUS="-", UNIT_MEASURE="-", NOTE="重复统计"))
    assert draft.faults == []
    assert figures_of(draft) == [
        FigureDraft("cluster-scale", "construction-machinery", "2026-02", withdraw=True, note="重复统计")
    ]


def test_another_action_is_a_fault_at_its_cell():
    draft = read_rows(a_row(), a_row(ACTION="d"))
    assert told(draft) == [("action_unknown", 3, 3)]


def test_a_delete_without_a_period_does_not_withdraw_them_all():
    draft = read_rows(a_row(ACTION="D", TIME_PERIOD="", CLUSTER=""))
    assert codes(check(draft, TERMS, a_key(), NOW)) == [
        (0, "cluster", "cluster_missing"),
        (0, "period", "period_missing"),
    ]


@pytest.mark.parametrize("mark", ["", "NaN"])
@pytest.mark.parametrize("status", ["O", "M"])
def test_a_value_that_is_missing_on_purpose_stands_beside_its_status(mark: str, status: str):
    draft = read_rows(a_row(OBS_VALUE=mark, OBS_STATUS=status))
    assert draft.faults == []
    assert (figures_of(draft)[0].value, figures_of(draft)[0].status) == (None, status)


def test_a_missing_value_without_a_status_is_told_at_its_cell():
    draft = read_rows(a_row(OBS_VALUE="NaN"))
    (fault,) = check(draft, TERMS, a_key(), NOW).faults
    place = draft.place_of(fault)
    assert (fault.code, place.line, place.column) == ("value_missing", 2, 8)


def test_an_attribute_that_is_missing_on_purpose_is_absent():
    (figure,) = figures_of(read_rows(a_row(NOTE="#N/A", UNIT_MEASURE="#N/A", OBS_STATUS="#N/A")))
    assert (figure.note, figure.unit, figure.status) == (None, None, None)


@pytest.mark.parametrize("mark", ["-", "—", "/", "…", "无", "N/A", "#N/A", "null", "\uff0d", " - "])
def test_what_people_write_for_no_number_is_answered_with_the_right_way(mark: str):
    draft = read_rows(a_row(OBS_VALUE=mark, OBS_STATUS="O"))
    assert told(draft) == [("value_not_decimal", 2, 8)]
    assert "OBS_STATUS" in details(draft)
    # Once is enough.
    assert codes(check(draft, TERMS, a_key(), NOW)) == [(0, "value", "value_not_decimal")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends_are_recognised(delimiter: str, newline: str):
    rows = (a_row(NOTE="a,b;c\td"), a_row(CLUSTER="digital-economy", OBS_VALUE="x"))
    draft = read_rows(*rows, delimiter=delimiter, newline=newline)
    assert draft.faults == []
    assert [figure.note for figure in figures_of(draft)] == ["a,b;c\td", None]
    (fault,) = check(draft, TERMS, a_key(), NOW).faults
    assert (draft.place_of(fault).line, draft.place_of(fault).column) == (3, 8)


def test_another_delimiter_is_refused_with_the_remedy():
    with pytest.raises(Unreadable, match="分隔符") as refused:
        read(a_table(a_row(), delimiter="|").encode())
    assert (refused.value.line, refused.value.column) == (1, 1)


def test_columns_stand_in_any_order_and_faults_find_them():
    draft = read_rows(a_row(TIME_PERIOD=""), columns=tuple(reversed(COLUMNS)))
    (fault,) = check(draft, TERMS, a_key(), NOW).faults
    place = draft.place_of(fault)
    assert (fault.code, place.line, place.column) == ("period_missing", 2, COLUMNS[::-1].index("TIME_PERIOD") + 1)


def test_a_note_over_several_lines_moves_the_lines_below_it():
    rows = (a_row(NOTE="一\n二\r\n三\r四"), a_row(ACTION="X"))
    draft = read_rows(*rows)
    assert figures_of(draft)[0].note == "一\n二\r\n三\r四"
    assert told(draft) == [("action_unknown", 6, 3)]


def test_empty_lines_and_rows_of_delimiters_are_passed_over_and_counted():
    text = a_table(a_row()) + "\n\n,,,,,,,,,,,,,\n" + a_table(a_row(ACTION="X")).partition("\n")[2] + ",,\n\n"
    draft = read(text.encode())
    assert len(figures_of(draft)) == 2
    assert told(draft) == [("action_unknown", 6, 3)]


def test_labels_beside_the_ids_are_read_past():
    names = {
        "STRUCTURE": "结构",
        "INDICATOR": "指标",
        "TIME_PERIOD": "Period",
        "OBS_VALUE": "数值: 亿元",
        "NOTE": "备注",
    }
    row = a_row(
        STRUCTURE_ID=f"{STRUCTURE_ID}: 报送数",
        INDICATOR="cluster-scale: 集群产业规模",
        REF_AREA="320382: 邳州市",
        CLUSTER="construction-machinery: 工程机械: 集群",
        TIME_PERIOD="2026-02: 2026-02",
        OBS_STATUS="A: 正常",
        NOTE="口径: 全部",
    )
    draft = read_rows(row, headers={key: f"{key}: {name}" for key, name in names.items()})
    assert draft.faults == []
    assert draft.org == "320382"
    assert figures_of(draft)[0] == FigureDraft(
        "cluster-scale", "construction-machinery", "2026-02", "123.4", status="A", note="口径: 全部"
    )


def test_columns_of_names_are_read_past():
    text = (
        "STRUCTURE,STRUCTURE_ID,STRUCTURE_NAME,ACTION,INDICATOR,指标,REF_AREA,Organisation,CLUSTER,Cluster,TIME_PERIOD,"
        "Period,OBS_VALUE,Value\n"
        f"dataflow,{STRUCTURE_ID},报送数,I,cluster-scale,集群产业规模,320382,邳州市,digital-economy,数字经济,2026-02,"
        "2026-02,123.4,\n"
    )
    draft = read(text.encode())
    assert draft.faults == []
    assert figures_of(draft) == [FigureDraft("cluster-scale", "digital-economy", "2026-02", "123.4")]


def test_what_tools_add_is_read_past():
    columns = ("STRUCTURE[;]", "STRUCTURE_ID", "ACTION", "SERIES_KEY", "OBS_KEY", *COLUMNS[3:])
    row = a_row(SERIES_KEY="a.b.c", OBS_KEY="a.b.c.2026-02") | {"STRUCTURE[;]": "datastructure"}
    assert read_rows(row, columns=columns).faults == []


def test_a_misspelt_column_is_a_fault_that_names_the_right_one():
    headers = {"NOTE": "NOTES", "OBS_STATUS": "状态", "CLUSTER": "cluster"}
    draft = read_rows(a_row(), headers=headers)
    assert told(draft) == [("field_unknown", 1, 6), ("field_unknown", 1, 9), ("field_unknown", 1, 11)]
    for right in ("CLUSTER", "OBS_STATUS", "NOTE"):
        assert f"是否应为 {right}?" in details(draft)


def test_a_misspelt_column_is_not_told_as_missing_too():
    draft = read_rows(a_row(), headers={"INDICATOR": "INDICATR", "REF_AREA": "单位编码", "OBS_VALUE": "VALUE"})
    assert told(draft)[0] == ("field_unknown", 1, 4)
    outcome = check(draft, TERMS, a_key(), NOW)
    assert {code for _, _, code in codes(outcome)} == {"field_unknown", "column_missing"}
    assert "REF_AREA" in details(draft)


def test_missing_columns_are_told_once_however_many_rows_there_are():
    rows = [a_row(), a_row(), a_row()]
    draft = read_rows(*rows, columns=without("STRUCTURE", "STRUCTURE_ID", "INDICATOR", "REF_AREA", "TIME_PERIOD"))
    outcome = check(draft, TERMS, a_key(), NOW)
    assert {code for _, _, code in codes(outcome)} == {"column_missing"}
    assert len(outcome.faults) == 5


def test_a_file_without_values_is_told_once():
    rows = [a_row(), a_row(CLUSTER="digital-economy"), a_row(TIME_PERIOD="2026-01", OBS_STATUS="O")]
    draft = read_rows(*rows, columns=without("OBS_VALUE"))
    assert codes(check(draft, TERMS, a_key(), NOW)) == [(None, "value", "column_missing")]


def test_a_file_that_only_withdraws_or_declares_needs_no_values():
    rows = [a_row(ACTION="D"), a_row(TIME_PERIOD="2026-01", OBS_STATUS="O")]
    assert check(read_rows(*rows, columns=without("OBS_VALUE")), TERMS, a_key(), NOW).faults == ()


@pytest.mark.parametrize(("column", "word"), [("FREQ", "TIME_PERIOD"), ("DATAFLOW", "STRUCTURE_ID")])
def test_columns_of_other_structures_are_answered_with_what_to_do(column: str, word: str):
    draft = read_rows(a_row(), columns=(*COLUMNS, column))
    assert told(draft) == [("field_unknown", 1, 15)]
    assert word in details(draft)


def test_a_header_full_of_nonsense_is_not_answered_at_length():
    draft = read_rows(a_row(), columns=(*COLUMNS, *(f"X{i}" for i in range(200))))
    assert len(draft.faults) == 11


def test_a_column_that_stands_twice_is_a_fault():
    assert told(read_rows(a_row(), columns=(*COLUMNS, "NOTE"))) == [("column_repeated", 1, 15)]


def test_a_column_without_a_name_must_be_empty():
    assert read_rows(a_row(), columns=(*COLUMNS, "")).faults == []
    assert told(read_rows(a_row(**{"": "x"}), columns=(*COLUMNS, ""))) == [("field_unknown", 2, 15)]


@pytest.mark.parametrize("structure", ["dataflow", "datastructure", "DataFlow"])
def test_structure_and_dataflow_name_the_same(structure: str):
    assert read_rows(a_row(STRUCTURE=structure)).faults == []


def test_another_structure_is_told_once_not_on_every_row():
    wrong = {"STRUCTURE": "dataprovision", "STRUCTURE_ID": "FOURONES:FIGURES(2.0)"}
    draft = read_rows(a_row(), a_row(**wrong), a_row(**wrong), a_row(STRUCTURE_ID=""))
    assert told(draft) == [("structure_unknown", 3, 1), ("structure_unknown", 3, 2), ("structure_unknown", 5, 2)]
    assert STRUCTURE_ID in details(draft)


def test_two_organisations_in_one_file_are_told_with_their_lines():
    rows = [a_row(), a_row(REF_AREA="320381"), a_row(), a_row(REF_AREA="320381"), a_row(REF_AREA="")]
    draft = read_rows(*rows)
    assert draft.org == "320382"
    assert told(draft) == [("org_differs", 3, 5), ("org_missing", 6, 5)]
    assert "第 3、5 行" in draft.faults[0].detail


def test_an_empty_organisation_column_is_told_once():
    draft = read_rows(a_row(REF_AREA=""), a_row(REF_AREA="", CLUSTER="digital-economy"))
    assert codes(check(draft, TERMS, a_key(), NOW)) == [(None, "org", "org_missing")]
    assert told(draft) == [("org_missing", 1, 5)]


def test_names_differ_nowhere_or_it_is_a_fault():
    rows = [a_row(), a_row(PREPARED_BY="张三"), a_row(PREPARED_BY="李四"), a_row(PREPARED_BY="张三")]
    draft = read_rows(*rows)
    assert draft.prepared_by == "张三"
    assert told(draft) == [("attribute_differs", 4, 13)]
    assert "填报人" in details(draft)


def test_a_fault_of_a_name_is_found_on_its_row():
    draft = read_rows(a_row(), a_row(CLUSTER="digital-economy", PREPARED_BY="长" * 101))
    (fault,) = check(draft, TERMS, a_key(), NOW).faults
    place = draft.place_of(fault)
    assert (fault.code, place.line, place.column) == ("text_too_long", 3, 13)


def test_a_row_with_too_many_cells_is_a_fault_unless_they_are_empty():
    text = a_table(a_row()).rstrip("\n")
    assert read(f"{text},,,\n".encode()).faults == []
    draft = read(f"{text},x\n".encode())
    assert told(draft) == [("row_length", 2, 15)]
    assert codes(check(draft, TERMS, a_key(), NOW)) == [(0, None, "row_length")]


def test_trailing_attributes_may_be_cut_off_as_excel_does():
    text = a_table(a_row(OBS_STATUS="A")).rstrip(",\n")
    draft = read((text + "\n").encode())
    assert draft.faults == []
    assert figures_of(draft)[0].status == "A"


def test_a_row_that_ends_before_its_status_is_a_fault():
    text = a_table(a_row()).rstrip(",\n")
    assert told(read((text + "\n").encode())) == [("row_length", 2, 9)]


def test_a_file_that_breaks_off_in_its_last_row_is_a_fault():
    draft = read(a_table(a_row(OBS_STATUS="A")).rstrip(",\n").encode())
    assert told(draft) == [("row_length", 2, 10)]
    assert "中断" in details(draft)


def test_the_last_row_needs_no_line_break():
    assert read(a_table(a_row()).rstrip("\n").encode()).faults == []


def test_too_many_rows_are_told_with_the_line_at_which_they_begin():
    draft = read(a_file(*[a_row()] * 5001))
    assert draft.figures is None
    assert told(draft) == [("figures_too_many", 5002, None)]
    assert len(figures_of(read(a_file(*[a_row()] * 5000)))) == 5000


@pytest.mark.parametrize("body", [b"", b"\n\n", b",,,\n", b"\xef\xbb\xbf"])
def test_nothing_at_all_is_unreadable(body: bytes):
    with pytest.raises(Unreadable, match="内容为空"):
        read(body)


def test_a_header_alone_reports_nothing():
    draft = read(a_file())
    assert codes(check(draft, TERMS, a_key(), NOW)) == [
        (None, "org", "org_missing"),
        (None, "figures", "figures_empty"),
    ]


def test_control_characters_are_faults_at_their_cells():
    draft = read_rows(a_row(NOTE="a\x00b", INDICATOR="cluster\x00-scale", OBS_VALUE="1\x00"))
    outcome = check(draft, TERMS, a_key(), NOW)
    places = [(fault.code, draft.place_of(fault).column) for fault in outcome.faults]
    assert places == [("indicator_unknown", 4), ("value_not_decimal", 8), ("text_not_printable", 11)]


def test_what_json_is_told_of_a_figure_csv_is_told_too():
    wrong = a_row(INDICATOR="cluster-scal", TIME_PERIOD="2026-2", OBS_STATUS="X", UNIT_MEASURE="万元", CLUSTER="x")
    outcome = check(read_rows(wrong, a_row(), a_row()), TERMS, a_key(), NOW)
    assert {code for _, _, code in codes(outcome)} == {
        "indicator_unknown",
        "cluster_unknown",
        "period_invalid",
        "status_unknown",
        "figure_repeated",
    }


def test_the_example_of_the_guide_is_taken():
    root = Path(__file__).parents[4]
    delivered = Terms(1, load(root / "catalogue"))
    guide = (root / "docs" / "sdmx-csv.md").read_text("utf-8")
    draft = read(guide.partition("```csv\n")[2].partition("```")[0].encode())
    assert check(draft, delivered, a_key(), NOW).faults == ()
    assert [figure.withdraw for figure in figures_of(draft)] == [False, False, True]
    assert (figures_of(draft)[1].status, draft.prepared_by) == ("O", "张三")
