"""A value beside the past of its own series, and what a doubt asks of the reporter."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from unit.submission.builders import COUNTY, TERMS, a_figure, an_indicator
from unit.submission.histories import (
    OTHER_CLUSTER,
    SCALE,
    Standing,
    a_series,
    checked_by,
    doubted,
    history,
    months,
    said,
    stored,
    terms_of,
    words,
)

from fourones_shared.access.keys import Principal
from fourones_shared.catalogue.files import load
from fourones_shared.catalogue.model import Doubt
from fourones_shared.catalogue.reported import load_reported
from fourones_shared.events.model import Role
from fourones_submission.domain.checking import check
from fourones_submission.domain.known import Series
from fourones_submission.domain.plausibility import Doubtful, compared_with, doubts, unanswered
from fourones_submission.domain.terms import Terms
from fourones_submission.formats.json_format import read

CATALOGUE = Path(__file__).parents[4] / "catalogue"

YEAR_TO_DATE = a_series()
SINGLE = a_series(covers="period")
STOCK = a_series(covers="period", kind="stock")
COUNT = a_series(covers="period", unit="家", measure="count", decimals=0)
SHARE = a_series(covers="period", kind="ratio", unit="%", minimum=None)

# Ten a month, year to date; and ten each.
RISING = history(months(2025, *(str(10 * month) for month in range(1, 13))))
LEVEL = history(months(2025, "10", "11", "9.5", "10.4", "10.1", "9", "10.8", "10.2", "11.1", "9.7", "10.6", "10.3"))
QUIET = history({"2026-01": "10.2"}) + LEVEL


def the_detail(found: tuple[Doubtful, ...]) -> str:
    (doubtful,) = found
    return doubtful.detail


# --- units ----------------------------------------------------------------------------------------------------------


def test_a_year_to_date_value_in_ten_thousands_is_told_with_what_was_meant() -> None:
    (doubtful,) = doubted(YEAR_TO_DATE, RISING, a_figure(period="2026-01", value="104000"))
    assert doubtful.doubt is Doubt.UNIT_SLIP
    assert "像是按万元填报" in doubtful.detail
    assert "是否应为 10.4 亿元?" in doubtful.detail
    assert "中位数" in doubtful.detail


@pytest.mark.parametrize(
    ("unit", "usual", "value", "how", "meant"),
    [
        ("亿元", "10", "105000", "像是按万元填报", "10.5 亿元"),
        ("亿元", "10", "1050000", "像是按千元填报", "10.5 亿元"),
        ("亿元", "10", "1050000000", "像是按元填报", "10.5 亿元"),
        ("亿元", "10", "0.001", "像是多除了一次 1 万", "10 亿元"),
        ("万元", "1000", "0.1", "像是按亿元填报", "1000 万元"),
        ("万元", "1000", "9000000", "像是按元填报", "900 万元"),
        ("人", "230000", "23", "像是按万人填报", "230000 人"),
        ("万平方米", "3", "28000", "像是按平方米填报", "2.8 万平方米"),
        ("千元", "5000", "5000000", "像是按元填报", "5000 千元"),
        ("%", "12", "0.12", "像是按小数填报", "12%"),
        ("%", "12", "1190", "像是多乘了一次 100", "11.9%"),
        ("‰", "6", "0.006", "像是按小数填报", "6‰"),
        ("比值", "0.3", "31", "像是按百分数填报", "0.31 比值"),
    ],
)
def test_a_slip_of_the_unit_names_the_likely_unit_and_value(
    unit: str, usual: str, value: str, how: str, meant: str
) -> None:
    terms = a_series(covers="period", kind="stock", unit=unit, minimum=None)
    found = doubted(terms, history(months(2025, *[usual] * 4)), a_figure(period="2025-05", value=value))
    assert words(found) == [(0, "unit_slip")]
    assert how in the_detail(found)
    assert f"是否应为 {meant}?" in the_detail(found)


@pytest.mark.parametrize("value", ["3000", "39000", "30", "0.003", "0.1"])
def test_what_is_off_by_no_known_factor_is_no_slip_of_the_unit(value: str) -> None:
    assert "unit_slip" not in said(SINGLE, QUIET, value)


def test_one_earlier_value_is_enough_for_ten_thousand_and_three_for_a_hundred() -> None:
    assert said(STOCK, history({"2026-01": "10"}), "100000") == ["unit_slip"]
    assert said(SHARE, history(months(2025, "12", "12", first=11)), "0.12") == []
    assert said(SHARE, history(months(2025, "12", "12", "12", first=10)), "0.12") == ["unit_slip"]


def test_a_growth_rate_that_comes_and_goes_has_no_hundredfold_to_slip_by() -> None:
    restless = history(months(2025, "0.2", "8", "3.1", "11", "0.4", "6", "2", "9.1"))
    assert said(SHARE, restless, "0.06", period="2025-09") == []


def test_the_year_before_tells_the_unit_when_nothing_else_has_been_reported_since() -> None:
    assert said(YEAR_TO_DATE, history({"2025-02": "20"}), "210000") == ["unit_slip"]


def test_a_year_to_date_value_is_compared_by_what_it_covers() -> None:
    # A December of 120 beside a January of 10 is no slip, and its ten thousandfold is one.
    december = history({"2025-12": "120"})
    assert said(YEAR_TO_DATE, december, "10", period="2026-01") == []
    assert said(YEAR_TO_DATE, december, "45000", period="2026-01") == ["unit_slip"]


def test_where_half_of_the_past_is_in_another_unit_nobody_can_tell_which() -> None:
    mixed = history({"2026-01": "100000", "2025-12": "10"})
    assert said(STOCK, mixed, "10.5") == []
    assert said(STOCK, mixed, "105000") == []


def test_a_slip_that_has_been_accepted_once_is_told_again() -> None:
    assert said(SINGLE, (*LEVEL, Standing("2026-01", "100000")), "105000") == ["unit_slip"]
    assert said(SINGLE, (*LEVEL, Standing("2026-01", "100000")), "10.5") == []


# --- jumps ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["45", "100", "2", "0"])
def test_a_value_unlike_the_past_is_a_jump(value: str) -> None:
    found = doubted(SINGLE, QUIET, a_figure(value=value))
    assert words(found) == [(0, "jump")]
    for told in (f"{value} 亿元", "此前 8 期", "9 亿元 至 11.1 亿元", "上年同期为 11 亿元"):
        assert told in the_detail(found)


@pytest.mark.parametrize("value", ["20", "18", "6", "5.2"])
def test_up_to_double_and_down_to_half_is_ordinary_for_a_flow(value: str) -> None:
    assert said(SINGLE, QUIET, value) == []


def test_a_stock_may_not_change_as_much_as_a_flow() -> None:
    assert said(STOCK, QUIET, "14") == []
    assert said(STOCK, QUIET, "19") == ["jump"]


def test_three_values_are_no_past_to_be_unlike() -> None:
    assert said(SINGLE, history(months(2025, "10", "10", "10", first=10)), "50", period="2026-01") == []
    assert said(SINGLE, history(months(2025, "10", "10", "10", "10", first=9)), "50", period="2026-01") == ["jump"]


def test_what_the_same_month_of_last_year_was_like_is_no_jump() -> None:
    december = history({"2024-12": "40", "2024-11": "10"})
    past = history(months(2025, *["10"] * 11))
    assert said(SINGLE, past, "42", period="2025-12") == ["jump"]
    assert said(SINGLE, past + december, "42", period="2025-12") == []
    sums = history({"2024-11": "110", "2024-12": "150"})
    so_far = history(months(2025, *(str(10 * month) for month in range(1, 12))))
    assert said(YEAR_TO_DATE, so_far, "152", period="2025-12") == ["jump"]
    assert said(YEAR_TO_DATE, so_far + sums, "152", period="2025-12") == []


def test_a_restless_past_lets_much_pass() -> None:
    restless = history(months(2025, "2", "30", "4", "60", "3", "25", "1", "40"))
    assert said(SINGLE, restless, "130", period="2025-09") == []


def test_a_stock_that_doubles_every_period_may_do_so_again_and_not_stop_at_nothing() -> None:
    doubling = history(months(2025, "1", "2", "4", "8", "16", "32"))
    assert said(STOCK, doubling, "64", period="2025-07") == []
    assert said(STOCK, doubling, "700", period="2025-07") == ["jump"]


def test_after_one_strange_value_the_usual_one_is_no_jump() -> None:
    assert said(SINGLE, (*LEVEL, Standing("2026-01", "95")), "10.5") == []


@pytest.mark.parametrize(("past", "value", "jumps"), [("2", "12", False), ("2", "16", True), ("0", "9", False)])
def test_small_counts_differ_by_chance(past: str, value: str, jumps: bool) -> None:
    assert said(COUNT, history(months(2025, *[past] * 8)), value, period="2025-09") == ["jump"] * jumps


def test_small_change_in_the_last_decimals_is_none() -> None:
    assert said(SINGLE, history(months(2025, *["0.0002"] * 8)), "0.0011", period="2025-09") == []


def test_a_share_may_move_by_five_points() -> None:
    steady = history(months(2025, *["93.1", "92.8", "93.3", "93"] * 2))
    assert said(SHARE, steady, "88.5", period="2025-09") == []
    assert said(SHARE, steady, "71", period="2025-09") == ["jump"]


def test_growth_that_turns_negative_is_compared_by_differences() -> None:
    around_nothing = history(months(2025, "-1.2", "0.4", "1.5", "-0.3", "0.8", "-2.1", "0", "1.1"))
    assert said(SHARE, around_nothing, "-3.5", period="2025-09") == []
    assert said(SHARE, around_nothing, "-38", period="2025-09") == ["jump"]


def test_what_was_added_since_the_last_report_is_compared_for_a_year_to_date_value() -> None:
    past = history(months(2025, *(str(10 * month) for month in range(1, 10))))
    found = doubted(YEAR_TO_DATE, past, a_figure(period="2025-10", value="190"))
    assert words(found) == [(0, "jump")]
    assert "自 2025-09 以来的增加数(折合每月) 100 亿元" in the_detail(found)
    assert said(YEAR_TO_DATE, past, "108", period="2025-10") == []


def test_a_month_that_nobody_reported_is_spread_over_the_gap() -> None:
    past = months(2025, *(str(10 * month) for month in range(1, 10)))
    del past["2025-08"], past["2025-09"]
    assert said(YEAR_TO_DATE, history(past), "101", period="2025-10") == []


def test_the_first_value_of_a_year_begins_at_nothing() -> None:
    assert said(YEAR_TO_DATE, RISING, "11", period="2026-01") == []
    assert said(YEAR_TO_DATE, RISING, "131", period="2026-01") == ["jump"]


def test_january_and_february_together_count_for_two() -> None:
    both = a_series(covers="period", january_february="together")
    past = history(months(2025, *["10"] * 10, first=3))
    assert said(both, past, "21", period="2026-01-01/P2M") == []
    assert said(both, past, "90", period="2026-01-01/P2M") == ["jump"]
    of_the_year = (Standing("2025-01-01/P2M", "20"), *history(months(2025, "10", "10", "10", first=3)))
    found = doubted(both, of_the_year, a_figure(period="2025-06", value="45"))
    assert "此前 4 期在 10 亿元 至 10 亿元 之间" in the_detail(found)


def test_a_year_to_date_that_begins_with_february_begins_at_nothing() -> None:
    both = a_series(january_february="together")
    past = history(months(2025, *(str(10 * month) for month in range(2, 13)), first=2))
    assert said(both, past, "21") == []
    assert said(both, past, "90") == ["jump"]
    assert said(both, (*past, Standing("2026-02", "25")), "24") == []


def test_a_jump_is_not_told_where_a_slip_or_a_fall_tells_more() -> None:
    assert said(SINGLE, QUIET, "100000") == ["unit_slip"]
    past = history(months(2025, *(str(10 * month) for month in range(1, 10))))
    assert said(YEAR_TO_DATE, past, "20", period="2025-10") == ["year_to_date_falls"]


def test_declared_missing_is_no_past_and_provisional_is() -> None:
    past = history(months(2025, None, None, "10", "10", "10"))
    assert said(SINGLE, past, "60", period="2025-06") == []
    assert said(SINGLE, (*past, Standing("2025-01", "10")), "60", period="2025-06", status="P") == ["jump"]


# --- the year to date -----------------------------------------------------------------------------------------------


def test_a_year_to_date_value_below_an_earlier_one_falls() -> None:
    found = doubted(YEAR_TO_DATE, history({"2026-01": "12"}), a_figure(value="11.9"))
    assert words(found) == [(0, "year_to_date_falls")]
    assert "2026-01 已报的 12 亿元" in the_detail(found)
    assert "误填了当期数" in the_detail(found)


def test_the_largest_of_the_earlier_ones_is_named() -> None:
    past = history(months(2025, "10", "50", "30"))
    assert "2025-02 已报的 50 亿元" in the_detail(doubted(YEAR_TO_DATE, past, a_figure(period="2025-04", value="40")))


def test_a_new_year_begins_again() -> None:
    assert said(YEAR_TO_DATE, history({"2025-12": "120"}), "10", period="2026-01") == []


def test_a_correction_above_a_later_value_is_doubted_unless_that_one_is_corrected_too() -> None:
    later = history(months(2025, "10", "20", "30"))
    found = doubted(YEAR_TO_DATE, later, a_figure(period="2025-02", value="31"))
    assert words(found) == [(0, "year_to_date_falls")]
    assert "2025-03 已报的 30 亿元" in the_detail(found)
    both = a_figure(period="2025-02", value="31"), a_figure(period="2025-03", value="41")
    assert words(doubted(YEAR_TO_DATE, later, *both)) == []
    still = a_figure(period="2025-02", value="31"), a_figure(period="2025-03", value="30.5")
    assert words(doubted(YEAR_TO_DATE, later, *still)) == [(1, "year_to_date_falls")]
    unchanged = a_figure(period="2025-02", value="31"), a_figure(period="2025-03", value="30")
    assert words(doubted(YEAR_TO_DATE, later, *unchanged)) == [(0, "year_to_date_falls")]


@pytest.mark.parametrize(("minimum", "falls"), [("0", True), (None, True), ("-100", False)])
def test_what_may_be_negative_may_fall(minimum: str | None, falls: bool) -> None:
    terms = a_series(minimum=minimum)
    assert said(terms, history({"2026-01": "12"}), "11") == ["year_to_date_falls"] * falls
    if minimum != "0":
        assert said(terms, history({"2026-01": "-5"}), "-7") == []


def test_a_level_may_fall() -> None:
    assert said(STOCK, history({"2026-01": "12"}), "11") == []


# --- what counts as known -------------------------------------------------------------------------------------------


def test_figures_of_the_same_submission_replace_those_that_stand() -> None:
    standing = history({"2026-01": "50"})
    both = a_figure(period="2026-01", value="10"), a_figure(period="2026-02", value="20")
    assert words(doubted(YEAR_TO_DATE, standing, *both)) == []
    assert words(doubted(YEAR_TO_DATE, standing, both[1])) == [(0, "year_to_date_falls")]
    withdrawn = a_figure(period="2026-01", value=None, withdraw=True), both[1]
    assert words(doubted(YEAR_TO_DATE, standing, *withdrawn)) == []
    missing = a_figure(period="2026-01", value=None, status="O"), both[1]
    assert words(doubted(YEAR_TO_DATE, standing, *missing)) == []


def test_a_figure_is_no_part_of_its_own_past() -> None:
    assert said(SINGLE, (*LEVEL, Standing("2026-01", "10"), Standing("2026-02", "50")), "51") == ["jump"]


def test_what_is_sent_again_unchanged_is_not_doubted_again() -> None:
    standing = (*QUIET, Standing("2026-02", "50"))
    assert said(SINGLE, standing, "50.0") == []
    assert said(SINGLE, standing, "50.1") == ["jump"]


def test_another_cluster_and_another_organisation_have_a_past_of_their_own() -> None:
    other = history({"2026-01": "5000"}, cluster=OTHER_CLUSTER) + history({"2026-01": "5000"}, org="320381")
    assert said(YEAR_TO_DATE, other, "20") == []
    figures = a_figure(period="2026-02", value="20"), a_figure(value="20", cluster=OTHER_CLUSTER)
    assert words(doubted(YEAR_TO_DATE, other, *figures)) == [(1, "year_to_date_falls")]


def test_doubts_come_in_the_order_of_the_figures() -> None:
    figures = [a_figure(period=f"2025-{month:02d}", value=str(100 - month)) for month in (5, 3, 4, 2, 1)]
    assert words(doubted(YEAR_TO_DATE, (), *figures)) == [(i, "year_to_date_falls") for i in (0, 1, 2, 3)]


@pytest.mark.parametrize("changes", [{"value": None, "status": "O"}, {"value": None, "withdraw": True}])
def test_nothing_is_asked_about_what_has_no_value(changes: dict[str, str]) -> None:
    checked = checked_by(YEAR_TO_DATE, a_figure(**changes))
    assert compared_with(checked, YEAR_TO_DATE) == frozenset()
    assert doubts(checked, YEAR_TO_DATE, stored(history({"2026-01": "10"}))) == ()


@pytest.mark.parametrize("terms", [YEAR_TO_DATE, SINGLE, STOCK, a_series(january_february="together")])
def test_few_series_are_asked_for(terms: Terms) -> None:
    figures = [a_figure(period=f"2025-{month:02d}", value="1") for month in range(3, 13)]
    assert len(compared_with(checked_by(terms, figures[-1]), terms)) <= 14
    # The periods of one submission share their neighbours.
    assert len(compared_with(checked_by(terms, *figures), terms)) <= 32


def test_only_the_indicators_and_the_organisations_own_past_is_asked_for() -> None:
    wanted = compared_with(checked_by(TERMS, a_figure()), TERMS)
    assert {(series.org, series.indicator) for series in wanted} == {(COUNTY, SCALE)}
    assert Series(COUNTY, SCALE, "2025-02") in wanted


def test_a_range_that_is_reported_once_stands_alone() -> None:
    figure = a_figure(indicator="five-year-investment", cluster=None, period="2021-01-01/P5Y", value="9")
    checked = checked_by(TERMS, figure)
    assert compared_with(checked, TERMS) == {Series(COUNTY, "five-year-investment", "2021-01-01/P5Y")}
    assert doubts(checked, TERMS, {}) == ()


def test_weeks_and_years_have_a_past_too() -> None:
    weekly = terms_of(an_indicator(covers="period", reporting={"frequency": "W"}))
    weeks = history({f"2025-W{week:02d}": "10" for week in range(40, 50)})
    assert said(weekly, weeks, "50", period="2025-W50") == ["jump"]
    yearly = terms_of(an_indicator(maximum=None, reporting={"frequency": "A", "first": "2010-01-01"}))
    years = history({str(year): "10" for year in range(2016, 2025)})
    assert said(yearly, years, "50", period="2025") == ["jump"]
    assert said(yearly, years, "11", period="2025") == []


# --- ignoring and answering -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ignored", "left"), [("unit_slip", ["jump"]), ("jump", ["unit_slip"]), ("year_to_date_falls", ["unit_slip"])]
)
def test_what_the_catalogue_ignores_is_not_raised(ignored: str, left: list[str]) -> None:
    assert said(a_series(covers="period", plausibility={"ignore": [ignored]}), QUIET, "100000") == left


def test_a_fall_that_is_ignored_may_still_be_a_jump() -> None:
    past = history(months(2025, *(str(10 * month) for month in range(1, 10))))
    terms = a_series(plausibility={"ignore": ["year_to_date_falls"]})
    assert said(terms, past, "20", period="2025-10") == ["jump"]


def asked(terms_changes: dict[str, list[str]], *figures: dict[str, str | None]) -> list[tuple[int | None, str, str]]:
    terms = a_series(covers="period", plausibility=terms_changes)
    checked = checked_by(terms, *(a_figure(**figure) for figure in figures))
    faults = unanswered(checked, terms, doubts(checked, terms, stored(QUIET)))
    return [(fault.figure, fault.code, fault.detail) for fault in faults]


def test_a_doubt_that_must_be_justified_is_a_fault_until_it_is() -> None:
    justify = {"justify": ["jump", "unit_slip"]}
    ((figure, code, detail),) = asked(justify, {"value": "11", "period": "2025-03"}, {"value": "60"})
    assert (figure, code) == (1, "justification_required")
    assert "60 亿元 与近期相差过大" in detail
    assert "justification" in detail
    assert asked(justify, {"value": "60", "justification": "新投产项目集中达产"}) == []
    assert [code for _, code, _ in asked(justify, {"value": "60", "justification": " \n"})] == [code]


def test_a_doubt_that_need_not_be_justified_stays_a_warning() -> None:
    assert asked({"justify": ["unit_slip"]}, {"value": "60"}) == []
    assert len(asked({"justify": ["unit_slip"]}, {"value": "100000"})) == 1


def test_several_doubts_of_a_figure_are_one_fault() -> None:
    terms = a_series(plausibility={"justify": ["year_to_date_falls", "unit_slip"]})
    checked = checked_by(terms, a_figure(value="0.002"))
    found = doubts(checked, terms, stored(history({"2026-01": "10", "2025-12": "110"})))
    assert words(found) == [(0, "year_to_date_falls"), (0, "unit_slip")]
    (fault,) = unanswered(checked, terms, found)
    assert (fault.figure, fault.field) == (0, "justification")
    assert all(doubtful.detail in fault.detail for doubtful in found)


def test_the_largest_values_are_compared_without_a_limit_of_digits() -> None:
    most = "9" * 18
    terms = a_series(covers="period", kind="stock", decimals=10)
    assert said(terms, history(months(2025, *["0.0000000001"] * 8)), most, period="2025-09") == ["jump"]
    found = doubted(terms, history({"2025-01": most}), a_figure(period="2025-02", value=f"{Decimal(most) / 10_000:f}"))
    assert words(found) == [(0, "unit_slip")]
    assert f"{Decimal(most).quantize(Decimal(1)):f} 亿元" in the_detail(found)


@pytest.mark.parametrize("file", sorted((CATALOGUE / "reported").glob("*.yaml")), ids=lambda file: file.stem)
def test_the_documents_own_figures_raise_no_doubt(file: Path) -> None:
    terms = Terms(1, load(CATALOGUE))
    standing: dict[Series, dict[str, Decimal]] = {}
    for submission in load_reported(file):
        role = Role.REPORTER if submission.reporter == submission.org else Role.DEPARTMENT
        draft = read(json.dumps(submission.body()).encode())
        checked = check(draft, terms, Principal("k", role, submission.reporter), datetime(2026, 6, 1, tzinfo=UTC))
        assert checked.faults == ()
        assert doubts(checked, terms, standing) == ()
        for figure in checked.figures:
            series = Series(checked.org, figure.indicator, figure.period)
            if figure.value is not None:
                standing.setdefault(series, {})[figure.cluster] = figure.value
