"""Who must report what, and by when."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.shared.catalogue.documents import a_catalogue, a_city_indicator, a_cluster, an_indicator, an_organisation

from fourones_shared.catalogue.duties import (
    due_at,
    duties,
    expected_periods,
    is_expected,
    locks_at,
    reporter_of,
    subjects,
)
from fourones_shared.catalogue.model import Indicator
from fourones_shared.catalogue.zones import stands_apart
from fourones_shared.domain.periods import Frequency, Period, period_of


def an(frequency="M", covers="period", together=False, first="2025-01-01", **reporting):
    made = an_indicator(
        covers=covers,
        january_february="together" if together else "separate",
        reporting={"frequency": frequency, "first": first} | reporting,
    )
    return Indicator.model_validate(made)


def keys(indicator, until):
    return [period.key for period in expected_periods(indicator, date.fromisoformat(until))]


def test_periods_are_expected_from_the_first_until_they_open():
    assert keys(an(), "2025-04-01") == ["2025-01", "2025-02", "2025-03", "2025-04"]
    assert keys(an("Q"), "2025-06-30") == ["2025-Q1", "2025-Q2"]
    assert keys(an("W", first="2025-01-01"), "2025-01-13") == ["2025-W02", "2025-W03"]


def test_nothing_is_expected_after_the_catalogue_ends_the_duty():
    assert keys(an(last="2025-02-10"), "2025-12-31") == ["2025-01", "2025-02"]
    assert not is_expected(an(last="2025-02-10"), Period.parse("2025-03"))


def test_a_range_is_expected_once_and_only_that_range():
    five_years = an("R", period="2021-01-01/P5Y", first="2021-01-01")
    assert keys(five_years, "2020-12-31") == []
    assert keys(five_years, "2021-01-01") == ["2021-01-01/P5Y"]
    assert is_expected(five_years, Period.parse("2021-01-01/P60M"))
    assert not is_expected(five_years, Period.parse("2021"))


def test_january_and_february_together_are_a_range_in_place_of_the_two_months():
    months = an(together=True)
    assert keys(months, "2026-03-31") == [
        "2025-01-01/P2M",
        *(f"2025-{month:02d}" for month in range(3, 13)),
        "2026-01-01/P2M",
        "2026-03",
    ]
    assert is_expected(months, Period.parse("2026-01-01/P2M"))
    for other in ("2026-01", "2026-02", "2026-01-01/P3M", "2026-Q1"):
        assert not is_expected(months, Period.parse(other)), other


def test_january_and_february_together_are_februarys_year_to_date():
    to_date = an(covers="year-to-date", together=True)
    assert keys(to_date, "2025-03-31") == ["2025-02", "2025-03"]
    assert is_expected(to_date, Period.parse("2026-02"))
    for other in ("2026-01", "2026-01-01/P2M"):
        assert not is_expected(to_date, Period.parse(other)), other


def test_a_year_that_begins_in_february_has_no_two_months_together():
    assert keys(an(together=True, first="2025-02-01"), "2025-04-30") == ["2025-03", "2025-04"]
    assert not is_expected(an(together=True, first="2025-02-01"), Period.parse("2025-01-01/P2M"))


indicators = st.builds(
    an,
    frequency=st.sampled_from("ASQMW"),
    covers=st.sampled_from(["period", "year-to-date"]),
    together=st.booleans(),
    first=st.dates(date(2022, 1, 1), date(2024, 12, 31)).map(str),
    last=st.none() | st.dates(date(2025, 1, 1), date(2026, 12, 31)).map(str),
)


@given(indicators, st.dates(date(2022, 1, 1), date(2027, 12, 31)))
def test_a_period_is_listed_exactly_when_it_is_expected_and_has_opened(indicator, until):
    listed = list(expected_periods(indicator, until))
    assert listed == sorted(set(listed))
    candidates = {
        period_of(frequency, date(2022, 1, 1) + timedelta(days=day))
        for frequency in Frequency
        if frequency is not Frequency.RANGE
        for day in range(0, 2200, 7 if frequency is Frequency.WEEK else 28)
    } | {Period.parse(f"{year}-01-01/P2M") for year in range(2022, 2028)}
    assert set(listed) == {p for p in candidates | set(listed) if is_expected(indicator, p) and p.start <= until}


@given(indicators, st.dates(date(2024, 1, 1), date(2027, 12, 31)))
def test_expected_periods_never_overlap(indicator, until):
    listed = list(expected_periods(indicator, until))
    assert all(one.end < other.start for one, other in pairwise(listed))


def test_a_figure_is_due_at_the_end_of_a_day_in_shanghai():
    assert due_at(an(due_days=15), Period.parse("2025-11")) == datetime(2025, 12, 15, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    ("working_days", "period", "due_day"),
    [
        # 2026: 4 to 6 April off.
        (5, "2026-03", "2026-04-08"),
        # 2025: 1 to 8 October off, the Saturday of the 11th worked.
        (3, "2025-09", "2025-10-11"),
        (1, "2025-W52", "2025-12-29"),
        # 2026: 1 to 3 January off, the Sunday of the 4th worked.
        (1, "2025", "2026-01-04"),
        (10, "2026-01-01/P2M", "2026-03-13"),
    ],
)
def test_a_figure_may_be_due_in_working_days_of_the_chinese_calendar(working_days, period, due_day):
    indicator = an("M", due_days=None, due_working_days=working_days)
    end_of_day = datetime.fromisoformat(f"{due_day}T16:00:00+00:00")
    assert due_at(indicator, Period.parse(period)) == end_of_day


@given(
    st.integers(0, 400) | st.none(),
    st.integers(1, 60),
    st.sampled_from(["2024-02", "2025-Q4", "2026", "2026-W08", "2026-01-01/P2M"]),
)
def test_a_figure_is_never_due_before_its_period_has_ended(days, working_days, period):
    counted = {"due_working_days": working_days if days is None else None, "due_days": days}
    assert due_at(an(**counted), Period.parse(period)) >= Period.parse(period).ends_at


def test_a_period_is_locked_so_many_days_after_its_due_date_or_never():
    november = Period.parse("2025-11")
    assert locks_at(an(due_days=15), november) is None
    assert locks_at(an(due_days=15, lock_days=30), november) == datetime(2026, 1, 14, 16, tzinfo=UTC)
    in_working_days = an(due_days=None, due_working_days=10, lock_days=30)
    assert locks_at(in_working_days, november) == due_at(in_working_days, november) + timedelta(days=30)


def test_an_organisation_owes_nothing_for_periods_in_which_it_does_not_exist():
    catalogue = a_catalogue(
        organisations=[
            an_organisation("320300", kind="city"),
            an_organisation("gxj", kind="department"),
            an_organisation("old", valid_until="2024-06-30"),
            an_organisation("new", valid_from="2024-07-01"),
        ]
    )
    scale = catalogue.indicator["scale"]
    for month, who in (("2024-06", "old"), ("2024-07", "new")):
        assert [o.id for o in subjects(catalogue, scale, Period.parse(month))] == [who]


@pytest.mark.parametrize(("by", "reporter"), [("self", "320382"), ("gxj", "gxj"), ("cluster-lead", "fgw")])
def test_every_figure_has_one_duty_holder(by, reporter):
    catalogue = a_catalogue(
        indicators=[an_indicator(reporting={"by": by}), a_city_indicator()],
        clusters=[a_cluster("steel", lead="fgw"), a_cluster("textiles", tier="light")],
    )
    assert reporter_of(catalogue, catalogue.indicator["scale"], "320382", "steel") == reporter


def test_duties_are_spelt_out_by_organisation_and_cluster():
    catalogue = a_catalogue()
    month = Period.parse("2025-11")
    owed = [(d.org, d.cluster, d.reporter) for d in duties(catalogue, catalogue.indicator["scale"], month)]
    assert owed == [(org, cluster, org) for org in ("320382", "320381") for cluster in ("steel", "textiles")]
    quarter = Period.parse("2025-Q4")
    (only,) = duties(catalogue, catalogue.indicator["projects"], quarter)
    assert (only.org, only.cluster, only.reporter) == ("320300", "_T", "gxj")


def test_a_department_owes_its_figure_about_the_city_beside_the_counties():
    city = {"by": "fgw", "stands": "department"}
    catalogue = a_catalogue(indicators=[an_indicator(reporting={"city": city}), a_city_indicator()])
    indicator, month = catalogue.indicator["scale"], Period.parse("2025-11")
    owed = list(duties(catalogue, indicator, month))
    holders = {(d.org, d.reporter) for d in owed}
    assert holders == {("320382", "320382"), ("320381", "320381"), ("320300", "fgw")}
    of_the_city = [d for d in owed if d.org == "320300"]
    assert [d.cluster for d in of_the_city] == ["steel", "textiles"]
    assert {(d.period, d.due_at) for d in owed} == {(month, due_at(indicator, month))}


def test_what_is_computed_is_about_its_organisations_and_owed_by_nobody():
    growth = an_indicator(
        "growth",
        kind="ratio",
        unit="%",
        covers="period",
        over_organisations="none",
        over_clusters="none",
        derived={"kind": "growth", "of": "scale", "over": "year-before"},
        reporting={"by": "computed", "first": "2024-01-01"},
    )
    catalogue = a_catalogue(indicators=[an_indicator(), a_city_indicator(), growth])
    month = Period.parse("2025-11")
    assert list(duties(catalogue, catalogue.indicator["growth"], month)) == []
    assert [o.id for o in subjects(catalogue, catalogue.indicator["growth"], month)] == ["320382", "320381"]


@pytest.mark.parametrize(("stands", "apart"), [("counties", {"320300"}), ("department", {"320382", "320381"})])
def test_of_two_values_of_the_city_the_one_that_does_not_stand_is_apart(stands, apart):
    city = {"by": "fgw", "stands": stands}
    catalogue = a_catalogue(indicators=[an_indicator(reporting={"city": city}), a_city_indicator()])
    indicator = catalogue.indicator["scale"]
    bodies = subjects(catalogue, indicator, Period.parse("2025-11"))
    present = {o.id for o in bodies}
    assert {o.id for o in bodies if stands_apart(indicator, o, present)} == apart


def test_a_zone_inside_its_district_is_apart_whoever_reports_on_the_city():
    organisations = [
        an_organisation("320300", kind="city"),
        an_organisation("gxj", kind="department"),
        an_organisation("320382"),
        an_organisation("zone", kind="zone", within=["320382"]),
    ]
    inside = an_indicator(zones="inside", reporting={"city": {"by": "gxj", "stands": "counties"}})
    catalogue = a_catalogue(
        organisations=organisations,
        clusters=[a_cluster("steel"), a_cluster("textiles", tier="light")],
        indicators=[inside, a_city_indicator()],
    )
    indicator = catalogue.indicator["scale"]
    bodies = subjects(catalogue, indicator, Period.parse("2025-11"))
    assert [o.id for o in bodies if stands_apart(indicator, o, {o.id for o in bodies})] == ["zone", "320300"]
