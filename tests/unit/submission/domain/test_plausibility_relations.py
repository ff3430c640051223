"""Figures that must fit one another, whichever of them comes last."""

from typing import Any

import pytest
from unit.submission.builders import COUNTY, OTHER_COUNTY, a_catalogue, a_figure, an_indicator
from unit.submission.histories import SCALE, Standing, a_series, checked_by, doubted, history, months, terms_of, words

from fourones_shared.catalogue.model import Catalogue
from fourones_submission.domain.known import Series
from fourones_submission.domain.plausibility import Doubtful, compared_with, unanswered
from fourones_submission.domain.terms import Terms

MONTHS, GROWTH = "scale-of-the-month", "scale-growth"
ZONE = "xz-hidz"


def with_months(*, total: dict[str, Any] | None = None, **changes: Any) -> Terms:
    fields = {"id": MONTHS, "name": "当月规模", "covers": "period"} | changes
    return terms_of(an_indicator(**{"plausibility": {"months": MONTHS}} | (total or {})), an_indicator(**fields))


def with_growth(over: str = "year-before", unit: str = "%", **changes: Any) -> Terms:
    growth = {
        "id": GROWTH,
        "name": "规模增速",
        "kind": "ratio",
        "covers": "period",
        "unit": unit,
        "minimum": None,
        "plausibility": {"growth_of": SCALE, "growth_over": over},
    }
    return terms_of(an_indicator(**changes), an_indicator(**growth))


def a_month(period: str, value: str) -> Any:
    return a_figure(indicator=MONTHS, period=period, value=value)


def a_growth(value: str, period: str = "2026-02") -> Any:
    return a_figure(indicator=GROWTH, period=period, value=value)


def only(found: tuple[Doubtful, ...], doubt: str) -> list[tuple[int, str]]:
    return [(d.figure, d.detail) for d in found if d.doubt.value == doubt]


def contradictions(terms: Terms, standing: tuple[Standing, ...], *figures: Any) -> list[tuple[int, str]]:
    return only(doubted(terms, standing, *figures), "year_to_date_contradicts")


def mismatches(terms: Terms, standing: tuple[Standing, ...], *figures: Any) -> list[tuple[int, str]]:
    return only(doubted(terms, standing, *figures), "growth_mismatch")


# --- a total and its months -----------------------------------------------------------------------------------------


def test_a_total_that_is_not_the_sum_of_its_months_is_doubted() -> None:
    standing = history(months(2025, "10.1", "9.9", "10.5"), indicator=MONTHS)
    assert contradictions(with_months(), standing, a_figure(period="2025-03", value="30.5")) == []
    ((figure, detail),) = contradictions(with_months(), standing, a_figure(period="2025-03", value="35"))
    assert figure == 0
    for told in ("35 亿元", "30.5 亿元", "4.5 亿元", "2025-01", "2025-03", "当月规模", MONTHS):
        assert told in detail


def test_a_total_is_doubted_only_where_every_month_is_there() -> None:
    for lacking in (0, 1, 2):
        values: list[str | None] = ["10", "10", "10"]
        values[lacking] = None
        standing = history(months(2025, *values), indicator=MONTHS)
        assert contradictions(with_months(), standing, a_figure(period="2025-03", value="50")) == []


@pytest.mark.parametrize(("total", "doubted_"), [("30.4", False), ("30.6", True), ("30", False)])
def test_rounding_is_no_contradiction(total: str, doubted_: bool) -> None:
    # Three months to one decimal may each be off by 0.05, and the total by half a unit of its own.
    standing = history(months(2025, "10.1", "9.9", "10.2"), indicator=MONTHS)
    assert bool(contradictions(with_months(), standing, a_figure(period="2025-03", value=total))) is doubted_


def test_counts_are_exact() -> None:
    terms = with_months(total={"decimals": 0}, decimals=0)
    standing = history(months(2025, "3", "4"), indicator=MONTHS)
    assert contradictions(terms, standing, a_figure(period="2025-02", value="7")) == []
    assert len(contradictions(terms, standing, a_figure(period="2025-02", value="8"))) == 1


def test_the_month_is_doubted_where_the_total_is_there_already() -> None:
    standing = (*history(months(2025, "10", "10"), indicator=MONTHS), Standing("2025-03", "30"))
    assert contradictions(with_months(), standing, a_month("2025-03", "10")) == []
    ((figure, detail),) = contradictions(with_months(), standing, a_month("2025-03", "30"))
    assert (figure, "30 亿元" in detail) == (0, True)


def test_of_a_month_and_a_total_in_one_submission_the_total_is_doubted() -> None:
    standing = history(months(2025, "10", "10"), indicator=MONTHS)
    figures = a_month("2025-03", "30"), a_figure(period="2025-03", value="30")
    assert [index for index, _ in contradictions(with_months(), standing, *figures)] == [1]
    assert [index for index, _ in contradictions(with_months(), standing, *reversed(figures))] == [0]
    unchanged = (*standing, Standing("2025-03", "30"))
    assert [index for index, _ in contradictions(with_months(), unchanged, *figures)] == [0]


def test_january_and_february_together_are_one_of_the_months() -> None:
    terms = with_months(total={"january_february": "together"}, january_february="together")
    standing = (Standing("2026-01-01/P2M", "20", MONTHS),)
    assert contradictions(terms, standing, a_figure(value="20")) == []
    assert len(contradictions(terms, standing, a_figure(value="25"))) == 1
    total = (Standing("2026-02", "20"),)
    assert len(contradictions(terms, total, a_figure(indicator=MONTHS, period="2026-01-01/P2M", value="25"))) == 1
    march = (*history({"2025-01-01/P2M": "20", "2025-03": "10"}, indicator=MONTHS),)
    assert contradictions(terms, march, a_figure(period="2025-03", value="30")) == []
    assert len(contradictions(terms, march, a_figure(period="2025-03", value="40"))) == 1


def test_a_january_that_only_the_total_knows_has_no_months() -> None:
    terms = with_months(january_february="together")
    assert contradictions(terms, (), a_figure(period="2026-01", value="10")) == []


def test_a_quarters_total_is_held_against_its_months() -> None:
    terms = with_months(total={"reporting": {"frequency": "Q"}})
    standing = history(months(2025, "10", "10", "10", "10", "10"), indicator=MONTHS)
    assert len(contradictions(terms, standing, a_figure(period="2025-Q1", value="50"))) == 1
    half = (*standing, Standing("2025-Q2", "90"))
    assert len(contradictions(terms, half, a_month("2025-06", "10"))) == 1
    assert contradictions(terms, half, a_month("2025-05", "11")) == []


# --- a growth and its end points ------------------------------------------------------------------------------------

LEVELS = (Standing("2025-02", "100"), Standing("2026-02", "108.3"))


@pytest.mark.parametrize("value", ["8.3", "8.4", "8.21", "8"])
def test_a_growth_that_fits_its_end_points_is_not_doubted(value: str) -> None:
    assert mismatches(with_growth(), LEVELS, a_growth(value)) == []


@pytest.mark.parametrize("value", ["9.2", "7.5", "-8.3", "83", "0.083"])
def test_a_growth_that_does_not_fit_is_told_with_what_the_levels_make(value: str) -> None:
    ((figure, detail),) = mismatches(with_growth(), LEVELS, a_growth(value))
    assert figure == 0
    for told in (f"同比增长 {value}%", "8.3%", "108.3 亿元", "100 亿元", "2025-02", "集群产业规模"):
        assert told in detail


def test_growth_may_be_a_fraction() -> None:
    assert mismatches(with_growth(unit="1"), LEVELS, a_growth("0.083")) == []
    ((_, detail),) = mismatches(with_growth(unit="1"), LEVELS, a_growth("0.0950"))
    assert "0.083" in detail
    assert len(mismatches(with_growth(unit="‰"), LEVELS, a_growth("8.3"))) == 1
    assert mismatches(with_growth(unit="‰"), LEVELS, a_growth("83")) == []


def test_growth_on_the_period_before() -> None:
    terms = with_growth("previous", covers="period", kind="stock")
    standing = (Standing("2026-01", "100"), Standing("2026-02", "102"))
    assert mismatches(terms, standing, a_growth("2")) == []
    ((_, detail),) = mismatches(terms, standing, a_growth("8"))
    assert "环比" in detail
    assert "2026-01 为 100 亿元" in detail


@pytest.mark.parametrize("base", ["0", "-5", None])
def test_growth_from_nothing_or_from_a_loss_is_not_computed(base: str | None) -> None:
    standing = (Standing("2025-02", base), Standing("2026-02", "10.1"))
    assert mismatches(with_growth(minimum=None), standing, a_growth("5")) == []


def test_growth_into_a_loss_is_not_computed() -> None:
    standing = (Standing("2025-02", "10.2"), Standing("2026-02", "-3.1"))
    assert mismatches(with_growth(minimum=None), standing, a_growth("5")) == []


def test_a_level_that_no_longer_fits_the_growth_beside_it_is_doubted() -> None:
    standing = (*LEVELS, Standing("2026-02", "8.3", GROWTH))
    assert mismatches(with_growth(), standing, a_figure(value="108.4")) == []
    ((figure, _),) = mismatches(with_growth(), standing, a_figure(value="130.5"))
    assert figure == 0
    both = a_figure(value="130.5"), a_growth("30.5")
    assert mismatches(with_growth(), standing, *both) == []


def test_the_growth_of_january_and_february_is_named_by_both() -> None:
    level = an_indicator(january_february="together")
    growth = an_indicator(
        id=GROWTH,
        kind="ratio",
        covers="period",
        unit="%",
        minimum=None,
        january_february="together",
        plausibility={"growth_of": SCALE},
    )
    figure = a_figure(indicator=GROWTH, period="2026-01-01/P2M", value="20")
    assert len(mismatches(terms_of(level, growth), LEVELS, figure)) == 1
    standing = (LEVELS[0], Standing("2026-01-01/P2M", "20", GROWTH))
    assert len(mismatches(terms_of(level, growth), standing, a_figure(value="108.3"))) == 1


# --- a zone and its districts ---------------------------------------------------------------------------------------


def with_zone(*within: str, **changes: Any) -> Terms:
    document = a_catalogue(an_indicator(**{"zones": "inside", "maximum": None} | changes)).model_dump(mode="json")
    zone = {"id": ZONE, "name": "徐州高新区", "kind": "zone", "within": list(within), "source": "004"}
    document["organisations"].append(zone)
    return Terms(1, Catalogue.model_validate(document))


def beyond(
    terms: Terms, standing: tuple[Standing, ...], value: str, org: str = ZONE, period: str = "2026-02"
) -> list[tuple[int, str]]:
    found = doubted(terms, standing, a_figure(value=value, period=period), org=org)
    return only(found, "zone_beyond_district")


def test_a_zone_beyond_its_district_is_doubted() -> None:
    terms, standing = with_zone(COUNTY), (Standing("2026-02", "20"),)
    assert beyond(terms, standing, "20") == []
    ((_, detail),) = beyond(terms, standing, "21")
    for told in ("徐州高新区", "21 亿元", "邳州市", "20 亿元"):
        assert told in detail


def test_a_district_revised_below_its_zone_is_doubted() -> None:
    terms, standing = with_zone(COUNTY), (Standing("2026-02", "20", org=ZONE), Standing("2026-02", "30"))
    assert beyond(terms, standing, "25", org=COUNTY) == []
    assert len(beyond(terms, standing, "15", org=COUNTY)) == 1


def test_a_zone_in_several_districts_is_held_against_all_of_them_together() -> None:
    terms = with_zone(COUNTY, OTHER_COUNTY)
    both = (Standing("2026-02", "20"), Standing("2026-02", "10", org=OTHER_COUNTY))
    assert beyond(terms, both, "28") == []
    assert len(beyond(terms, both, "31")) == 1
    assert beyond(terms, both[:1], "31") == []


def test_a_zone_beside_its_district_may_be_larger() -> None:
    assert beyond(with_zone(COUNTY, zones="beside"), (Standing("2026-02", "20"),), "50") == []


def test_a_share_is_no_part_of_a_share() -> None:
    terms = with_zone(COUNTY, kind="ratio", covers="period", unit="%")
    assert beyond(terms, (Standing("2026-02", "20"),), "50") == []


def test_a_district_that_is_no_more_holds_no_zone() -> None:
    terms = with_zone("320399", COUNTY)
    assert len(beyond(terms, (Standing("2026-02", "20"),), "50")) == 1
    before_its_end = (Standing("2025-06", "20"),)
    assert beyond(terms, before_its_end, "50", period="2025-06") == []


def test_other_districts_series_are_asked_for_only_where_zones_lie_inside() -> None:
    figure = a_figure(value="5")
    inside = compared_with(checked_by(with_zone(COUNTY), figure, org=ZONE), with_zone(COUNTY))
    assert Series(COUNTY, SCALE, "2026-02") in inside
    terms = with_zone(COUNTY, zones="beside")
    assert {series.org for series in compared_with(checked_by(terms, figure, org=ZONE), terms)} == {ZONE}


# --- all of them ----------------------------------------------------------------------------------------------------


def test_a_relation_that_the_judged_indicator_ignores_is_told_on_neither_side() -> None:
    terms = with_months(total={"plausibility": {"months": MONTHS, "ignore": ["year_to_date_contradicts"]}})
    standing = (*history(months(2025, "10", "10"), indicator=MONTHS), Standing("2025-02", "90"))
    assert contradictions(terms, standing, a_figure(period="2025-02", value="80")) == []
    assert contradictions(terms, standing, a_month("2025-02", "11")) == []
    months_ignore = with_months(plausibility={"ignore": ["year_to_date_contradicts"]})
    assert contradictions(months_ignore, standing, a_month("2025-02", "11")) == []
    assert len(contradictions(months_ignore, standing, a_figure(period="2025-02", value="80"))) == 1


def test_a_contradiction_may_have_to_be_justified() -> None:
    terms = with_months(
        total={"plausibility": {"months": MONTHS, "justify": ["year_to_date_contradicts"]}, "maximum": None}
    )
    standing = history(months(2025, "10", "10"), indicator=MONTHS)
    checked = checked_by(terms, a_figure(period="2025-02", value="80"))
    found = doubted(terms, standing, a_figure(period="2025-02", value="80"))
    assert words(found) == [(0, "year_to_date_contradicts")]
    assert [fault.code for fault in unanswered(checked, terms, found)] == ["justification_required"]


def test_without_relations_nothing_but_the_own_past_is_asked_for() -> None:
    terms = a_series()
    assert {s.indicator for s in compared_with(checked_by(terms, a_figure()), terms)} == {SCALE}
