import dataclasses
import io
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from openpyxl.worksheet.worksheet import Worksheet
from unit.submission.builders import (
    BESIDE_THE_COUNTIES,
    CITY,
    COMPUTED,
    COUNTY,
    DEPARTMENT,
    NOW,
    OLD_COUNTY,
    a_catalogue,
    a_key,
    an_indicator,
)
from unit.submission.formats.workbooks import column, columns, filled_in, report_sheet, rows_of

from fourones_shared.domain.periods import Period
from fourones_shared.events.model import Role, Status
from fourones_submission.domain.checking import check
from fourones_submission.domain.draft import MOST_FIGURES
from fourones_submission.domain.known import KnownFigure, Series
from fourones_submission.domain.locking import Decision
from fourones_submission.domain.terms import Terms
from fourones_submission.formats.template import write
from fourones_submission.formats.template_content import Asked, Template, asked, template_of
from fourones_submission.formats.workbook import read
from fourones_submission.formats.workbook_words import (
    EXPLANATIONS,
    HEADERS,
    INPUTS,
    SHEET,
    STATUS_ENTRIES,
    WITHDRAW,
)

TERMS = Terms(7, a_catalogue())
Asking = tuple[str, str, str]


def wanted(
    period: str,
    *,
    terms: Terms = TERMS,
    now: datetime = NOW,
    org: str = COUNTY,
    reporter: str | None = None,
    only: str = "",
) -> tuple[Asked, ...]:
    return asked(
        terms.catalogue,
        Period.parse(period),
        now,
        org=org,
        reporter=reporter,
        admits=lambda indicator, _: only in indicator,
    )


def keys(found: tuple[Asked, ...]) -> list[Asking]:
    return [(one.duty.indicator, one.duty.cluster, one.duty.period.key) for one in found]


def a_template(
    period: str = "2026-02",
    *,
    terms: Terms = TERMS,
    now: datetime = NOW,
    org: str = COUNTY,
    known: Mapping[Series, Mapping[str, KnownFigure]] | None = None,
    decisions: Mapping[Series, Decision] | None = None,
    **asking: Any,
) -> Template:
    return template_of(
        terms,
        Period.parse(period),
        now,
        org=org,
        wanted=wanted(period, terms=terms, now=now, org=org, **asking),
        known=known or {},
        decisions=decisions or {},
    )


def opened(template: Template) -> openpyxl.Workbook:
    return openpyxl.load_workbook(io.BytesIO(write(template)))


def sheet_of(template: Template) -> Worksheet:
    return report_sheet(opened(template))


def known_figure(value: str | None, status: Status = Status.NORMAL) -> KnownFigure:
    return KnownFigure(None if value is None else Decimal(value), status, 1, NOW)


def filled(template: Template, fill: Mapping[int, Mapping[str, Any]], **own: str) -> bytes:
    return filled_in(write(template), fill, **own)


def test_a_month_asks_for_what_ends_in_it():
    assert keys(wanted("2026-02", only="cluster-scale")) == [
        ("cluster-scale", "construction-machinery", "2026-02"),
        ("cluster-scale", "digital-economy", "2026-02"),
    ]
    # January and February together, and a year-to-date value of both under February.
    assert keys(wanted("2026-02", only="projects")) == [("projects", "_T", "2026-01-01/P2M")]
    assert keys(wanted("2026-02", only="sales")) == [("sales", "_T", "2026-02")]
    assert keys(wanted("2026-01", only="projects")) == []


def test_a_month_at_whose_end_a_quarter_ends_asks_for_that_too():
    assert keys(wanted("2025-12", org=CITY, only="base-stations")) == [("base-stations", "_T", "2025-Q4")]
    assert keys(wanted("2025-11", org=CITY, only="base-stations")) == []


def test_weeks_are_asked_for_by_the_month_that_they_end_in():
    found = keys(wanted("2026-02", org=CITY, reporter=DEPARTMENT, only="weekly"))
    assert [period for _, _, period in found] == ["2026-W05", "2026-W06", "2026-W07", "2026-W08"]
    assert keys(wanted("2026-W06", org=CITY, reporter=DEPARTMENT, only="weekly")) == [
        ("weekly-meetings", "construction-machinery", "2026-W06")
    ]


def test_a_range_is_asked_for_when_it_ends():
    assert keys(wanted("2025-12", only="five-year")) == [("five-year-investment", "_T", "2021-01-01/P5Y")]


def test_what_has_not_begun_is_left_out_and_what_has_not_ended_is_not():
    assert {period for _, _, period in keys(wanted("2026", only="cluster-scale"))} == {"2026-01", "2026-02", "2026-03"}


def test_only_the_reporters_own_duties_are_asked_for():
    by_department = wanted("2026-02", org=CITY, reporter=DEPARTMENT)
    assert {one.duty.cluster for one in by_department} == {"construction-machinery"}
    assert {one.duty.reporter for one in wanted("2026-02", org=CITY)} == {DEPARTMENT, "kjj"}
    assert wanted("2026-02", org=COUNTY, reporter=DEPARTMENT) == ()


def test_an_organisation_is_asked_for_nothing_after_its_end():
    assert wanted("2025-06", org=OLD_COUNTY)
    assert not wanted("2025-07", org=OLD_COUNTY)


def test_the_period_before_is_the_one_that_was_reported_before():
    def beside(period: str, only: str) -> tuple[str | None, str | None]:
        one = wanted(period, only=only)[0]
        return tuple(None if p is None else p.key for p in (one.previous, one.year_before))  # type: ignore[return-value]

    assert beside("2026-02", "cluster-scale") == ("2026-01", "2025-02")
    assert beside("2026-02", "sales") == ("2025-12", "2025-02")
    assert beside("2026-02", "projects") == ("2025-12", "2025-01-01/P2M")
    assert beside("2024-01", "cluster-scale") == (None, None)
    assert beside("2025-12", "five-year") == (None, None)


def test_a_row_says_what_is_to_be_reported_and_what_is_known():
    series = Series(COUNTY, "cluster-scale", "2026-02")
    known = {
        series: {"construction-machinery": known_figure("123.4", Status.PROVISIONAL)},
        series._replace(period="2026-01"): {"construction-machinery": known_figure("60.25")},
        series._replace(period="2025-02"): {"construction-machinery": known_figure(None, Status.MISSING)},
    }
    sheet = sheet_of(a_template(known=known, only="cluster-scale"))
    shown = {header: column(sheet, header)[0] for header in columns(sheet)}
    assert shown == {
        "指标编码": "cluster-scale",
        "指标名称": "集群产业规模",
        "集群编码": "construction-machinery",
        "集群": "工程机械",
        "报告期": "2026-02",
        "单位": "亿元",
        "数值": None,
        "状态": None,
        "备注": None,
        "说明理由": None,
        "已报数": 123.4,
        "上期数": 60.25,
        "去年同期数": "缺报",
        "截止日": "2026-03-10",
        "填报说明": "【已报数为初步数】;年初至本期末累计数",
        "报送单位": "邳州市",
    }
    assert column(sheet, "已报数") == [123.4, None]


def test_the_heading_names_whom_when_and_by_which_catalogue():
    sheet = sheet_of(a_template())
    texts = [cell.value for row in sheet.iter_rows(max_row=5) for cell in row if cell.value]
    assert texts[0] == "徐州市指标报送表"
    assert {COUNTY, "邳州市", "2026-02", "第 7 版", "2026-03-10", "2026-03-10 12:00", "填报人", "审核人"} <= set(texts)


def test_programs_find_their_way_by_names():
    book = opened(a_template())
    found = {name: defined.attr_text for name, defined in book.defined_names.items() if name.startswith("fourones_")}
    assert found == {
        "fourones_format": "1",
        "fourones_catalogue": "7",
        "fourones_reporter": f'"{COUNTY}"',
        "fourones_org": f"'{SHEET}'!$B$2",
        "fourones_period": f"'{SHEET}'!$B$3",
        "fourones_prepared_by": f"'{SHEET}'!$B$5",
        "fourones_approved_by": f"'{SHEET}'!$E$5",
    }
    assert book[SHEET]["B2"].value == COUNTY


def test_only_inputs_of_open_periods_can_be_changed():
    series = Series(COUNTY, "cluster-scale", "2026-02")
    template = a_template("2026-02", decisions={series: Decision(locked=True, reason="年报已定")})
    sheet = sheet_of(template)
    assert sheet.protection.sheet
    assert sheet.protection.password is None
    open_cells = {
        (column(sheet, HEADERS["indicator"])[row - rows_of(sheet)[0]], header)
        for row in rows_of(sheet)
        for header, at in columns(sheet).items()
        if not sheet.cell(row, at).protection.locked
    }
    inputs = {HEADERS[field] for field in INPUTS}
    assert open_cells == {(i, h) for i in ("projects", "sales", "long-series") for h in inputs}
    assert "【已锁定(年报已定),不能填报" in column(sheet, "填报说明")[0]


def test_a_period_that_the_catalogue_has_locked_is_closed_too():
    terms = Terms(8, a_catalogue(an_indicator(reporting={"lock_days": 5})))
    assert not any(row.locked for row in a_template(terms=terms).rows)
    assert all(row.locked for row in a_template(terms=terms, now=NOW + timedelta(days=6)).rows)


def validations(template: Template) -> dict[tuple[str, str], tuple[str | None, ...]]:
    """Kind and bounds by indicator and header."""
    sheet = sheet_of(template)
    by_place = {
        (row, at): rule
        for rule in sheet.data_validations.dataValidation
        for cells in rule.sqref.ranges
        for row, at in cells.cells
    }
    return {
        (str(column(sheet, HEADERS["indicator"])[index]), header): (rule.type, rule.formula1, rule.formula2)
        for index, row in enumerate(rows_of(sheet))
        for header, at in columns(sheet).items()
        if (rule := by_place.get((row, at))) is not None
    }


def test_cells_take_just_what_the_catalogue_takes():
    rules = validations(a_template())
    assert rules["cluster-scale", "数值"] == ("decimal", "0", "10000")
    assert rules["projects", "数值"] == ("whole", "-999999999999999", "999999999999999")
    assert rules["cluster-scale", "备注"][:2] == ("textLength", "1000")
    states = rules["cluster-scale", "状态"][1]
    assert states == '"A 正常,P 初步数,E 估计数,F 预测数,O 缺报,撤回"'
    # Only who may say so is offered that it does not apply.
    assert "M 不适用" in (rules["projects", "状态"][1] or "")
    for choices in (states, rules["projects", "状态"][1]):
        assert set((choices or "").strip('"').split(",")) <= {*STATUS_ENTRIES, WITHDRAW}


def test_a_refused_cell_says_why_in_chinese():
    sheet = sheet_of(a_template(only="cluster-scale"))
    (rule,) = [rule for rule in sheet.data_validations.dataValidation if rule.type == "decimal"]
    assert rule.error == "应为数字,最多 4 位小数,不小于 0、不大于 10000(亿元)。请核对数值和单位,直接填数字。"
    assert rule.errorStyle in {None, "stop"}


def test_a_running_period_says_which_states_may_be_used():
    (row,) = a_template("2026-03", only="sales").rows
    assert "P 初步数、E 估计数、F 预测数" in row.remark


def test_texts_of_people_are_never_formulas():
    nasty = '=HYPERLINK("http://192.0.2.1","x")'
    terms = Terms(9, a_catalogue(an_indicator(name=nasty, note="@SUM(1+1)", unit="+亿元")))
    decisions = {Series(COUNTY, "cluster-scale", "2026-02"): Decision(locked=True, reason="-1+cmd|' /C calc'!A0")}
    book = opened(a_template(terms=terms, decisions=decisions))
    cells = [cell for sheet in book.worksheets for row in sheet.iter_rows() for cell in row if cell.value is not None]
    assert {cell.data_type for cell in cells} <= {"s", "n"}
    assert nasty in [cell.value for cell in cells]


def test_the_second_sheet_explains_every_indicator_and_status():
    terms = Terms(8, a_catalogue(an_indicator(january_february="together", note="按注册地统计", synthetic=True)))
    sheet = opened(a_template(terms=terms))[EXPLANATIONS]
    lines = {str(row[0].value): str(row[-1].value) for row in sheet.iter_rows() if row[0].value}
    assert lines["cluster-scale"].split(";") == [
        "年初至本期末累计数(1、2 月合并报送)",
        "最多 4 位小数",
        "0 至 10000",
        "越高越好",
        "期末后 10 天内报送",
        "模拟指标,非真实数据",
        "按注册地统计",
    ]
    assert {"A 正常", "P 初步数", "E 估计数", "F 预测数", "O 缺报", "M 不适用", WITHDRAW} <= set(lines)


@pytest.mark.parametrize(("stands", "said"), [("counties", "以各县(市、区)汇总数为准"), ("department", "以本数为准")])
def test_a_department_reads_whether_its_figure_about_the_city_stands(stands: str, said: str):
    city = {"by": "kjj", "stands": stands}
    terms = Terms(8, a_catalogue(an_indicator(over_organisations="sum", reporting={"city": city})))
    rows = a_template(terms=terms, org=CITY, reporter="kjj").rows
    assert len(rows) == 2
    assert all(said in row.remark for row in rows)
    assert all("全市数" not in row.remark for row in a_template(terms=terms).rows)


def test_a_template_does_not_ask_for_what_is_computed():
    terms = Terms(8, a_catalogue(BESIDE_THE_COUNTIES, COMPUTED))
    assert {row.indicator.id for row in a_template(terms=terms).rows} == {"exports"}


def test_an_untouched_template_reports_nothing():
    draft = read(write(a_template()))
    assert (draft.org, draft.prepared_by) == (COUNTY, None)
    assert [fault.code for fault in draft.faults] == ["figures_empty"]


def test_a_filled_template_is_accepted_as_it_is():
    body = filled(
        a_template(only="cluster-scale"),
        {0: {"value": 123.4, "note": "=1+1 是文字"}, 1: {"status": "O 缺报"}},
        prepared_by="张三",
        approved_by="李四",
    )
    # openpyxl takes a text that begins so for a formula; a clerk's spreadsheet does when it is typed like that.
    assert [fault.code for fault in read(body).faults] == ["cell_formula"]
    body = filled(
        a_template(only="cluster-scale"),
        {0: {"value": 123.4, "note": "新口径"}, 1: {"status": "O 缺报"}},
        prepared_by="张三",
        approved_by="李四",
    )
    draft = read(body)
    assert (draft.org, draft.prepared_by, draft.approved_by) == (COUNTY, "张三", "李四")
    outcome = check(draft, TERMS, a_key(), NOW)
    assert outcome.faults == ()
    assert [(f.indicator, f.cluster, f.period, f.value, f.status, f.note) for f in outcome.figures] == [
        ("cluster-scale", "construction-machinery", "2026-02", Decimal("123.4"), Status.NORMAL, "新口径"),
        ("cluster-scale", "digital-economy", "2026-02", None, Status.MISSING, None),
    ]


@pytest.mark.parametrize(
    ("reporter", "period"),
    [
        *((COUNTY, period) for period in ("2025-12", "2026-02", "2026", "2025-Q4")),
        *((DEPARTMENT, period) for period in ("2025-12", "2026-02", "2026-W06")),
    ],
)
def test_every_row_of_a_template_may_be_filled_in(reporter: str, period: str):
    org = COUNTY if reporter == COUNTY else CITY
    template = a_template(period, org=org, reporter=reporter)
    provisional = {"value": 1, "status": "P 初步数"}
    draft = read(filled(template, dict.fromkeys(range(len(template.rows)), provisional)))
    role = Role.REPORTER if reporter == COUNTY else Role.DEPARTMENT
    outcome = check(draft, TERMS, a_key(reporter, role), NOW)
    assert outcome.faults == ()
    assert len(outcome.figures) == len(template.rows)


def test_the_largest_template_is_written_and_read():
    template = a_template(only="cluster-scale")
    row = template.rows[0]
    many = [
        dataclasses.replace(row, cluster=f"cluster-{index}", due=date(2026, 3, 10), present=known_figure(f"{index}.25"))
        for index in range(MOST_FIGURES)
    ]
    template = dataclasses.replace(template, rows=many, made_at=datetime(2026, 3, 10, tzinfo=UTC))
    texts = {"value": 1.5, "status": "P 初步数", "note": "备注", "justification": "理由"}
    draft = read(filled(template, {index: texts | {"note": f"第 {index} 行"} for index in range(MOST_FIGURES)}))
    assert draft.faults == []
    assert draft.figures is not None
    assert len({(figure.cluster, figure.note) for figure in draft.figures}) == MOST_FIGURES
