from typing import Any

import pytest
from unit.submission.builders import an_indicator

from fourones_shared.catalogue.duties import as_expected, is_expected
from fourones_shared.catalogue.model import Indicator
from fourones_shared.domain.periods import Period
from fourones_submission.domain.neighbours import EARLIER, LATER, before, months_until, neighbours_of


def indicator(**changes: Any) -> Indicator:
    return Indicator.model_validate(an_indicator(**changes))


SINGLE = indicator(covers="period")
YEAR_TO_DATE = indicator()
TOGETHER = indicator(covers="period", january_february="together")
SUM_TOGETHER = indicator(january_february="together")


def keys(stretches: Any) -> list[str]:
    return [stretch.key for stretch in stretches]


def test_a_month_has_the_months_before_it_and_that_of_the_year_before() -> None:
    found = neighbours_of(SINGLE, "2026-02")
    assert keys(found.earlier) == [
        "2026-01", "2025-12", "2025-11", "2025-10", "2025-09", "2025-08", "2025-07", "2025-06",
    ]  # fmt: skip
    assert keys(found.year_before) == ["2025-02"]
    assert found.later == ()
    assert {stretch.parts for stretch in (found.this, *found.earlier)} == {1}


def test_a_year_to_date_value_covers_what_has_passed_and_has_a_rest_of_its_year() -> None:
    found = neighbours_of(YEAR_TO_DATE, "2026-03")
    assert [(s.key, s.year, s.parts) for s in (found.this, *found.earlier[:3])] == [
        ("2026-03", 2026, 3),
        ("2026-02", 2026, 2),
        ("2026-01", 2026, 1),
        ("2025-12", 2025, 12),
    ]
    assert keys(found.year_before) == ["2025-03", "2025-02"]
    assert keys(found.later) == ["2026-04", "2026-05", "2026-06"]
    assert keys(neighbours_of(YEAR_TO_DATE, "2026-11").later) == ["2026-12"]
    assert keys(neighbours_of(YEAR_TO_DATE, "2026-01").year_before) == ["2025-01"]


def test_january_and_february_together_are_one_period_of_two_parts() -> None:
    found = neighbours_of(TOGETHER, "2026-04")
    assert keys(found.earlier[:3]) == ["2026-03", "2026-01-01/P2M", "2025-12"]
    assert [stretch.parts for stretch in found.earlier[:3]] == [1, 2, 1]
    both = neighbours_of(TOGETHER, "2026-01-01/P2M")
    assert (both.this.parts, keys(both.earlier[:1]), keys(both.year_before)) == (2, ["2025-12"], ["2025-01-01/P2M"])


def test_their_year_to_date_is_february() -> None:
    found = neighbours_of(SUM_TOGETHER, "2026-03")
    assert [(s.key, s.parts) for s in found.earlier[:2]] == [("2026-02", 2), ("2025-12", 12)]
    assert keys(neighbours_of(SUM_TOGETHER, "2026-02").year_before) == ["2025-02"]
    assert keys(neighbours_of(SUM_TOGETHER, "2026-03").year_before) == ["2025-03", "2025-02"]


def test_a_stock_of_two_months_is_not_halved() -> None:
    stock = indicator(covers="period", kind="stock", january_february="together")
    assert neighbours_of(stock, "2026-01-01/P2M").this.parts == 1


@pytest.mark.parametrize(
    ("frequency", "period", "earlier", "parts"),
    [("Q", "2026-Q2", "2026-Q1", 2), ("S", "2026-S2", "2026-S1", 2), ("A", "2026", "2025", 1)],
)
def test_other_frequencies_count_in_their_own_periods(frequency: str, period: str, earlier: str, parts: int) -> None:
    found = neighbours_of(indicator(reporting={"frequency": frequency}), period)
    assert (found.earlier[0].key, found.this.parts) == (earlier, parts)


def test_weeks_run_on_over_the_year() -> None:
    weekly = indicator(covers="period", reporting={"frequency": "W"})
    assert keys(neighbours_of(weekly, "2026-W02").earlier[:2]) == ["2026-W01", "2025-W52"]


def test_a_range_that_is_reported_once_has_no_neighbours() -> None:
    once = indicator(covers="period", reporting={"frequency": "R", "period": "2021-01-01/P5Y"})
    assert neighbours_of(once, "2021-01-01/P5Y").keys == ("2021-01-01/P5Y",)


@pytest.mark.parametrize("known", [SINGLE, YEAR_TO_DATE, TOGETHER, SUM_TOGETHER])
def test_every_neighbour_is_a_period_that_the_indicator_is_reported_for(known: Indicator) -> None:
    for month in range(1, 13):
        period = as_expected(known, Period.parse(f"2026-{month:02d}"))
        if not is_expected(known, period):
            continue
        found = neighbours_of(known, period.key)
        assert (len(found.earlier), len(found.later)) <= (EARLIER, LATER)
        assert len(set(keys(found.earlier))) == EARLIER
        assert [key for key in found.keys if not is_expected(known, Period.parse(key))] == []
        ends = [Period.parse(key).end for key in keys(found.earlier)]
        assert ends == sorted(ends, reverse=True)
        assert before(known, period) == Period.parse(found.earlier[0].key)


def test_there_is_nothing_before_the_calendar_begins() -> None:
    early = indicator(covers="period", january_february="together", reporting={"first": "1900-01-01"})
    assert keys(neighbours_of(early, "1900-03").earlier) == ["1900-01-01/P2M"]
    assert before(early, Period.parse("1900-01-01/P2M")) is None


def test_each_indicator_has_its_own_name_for_the_first_two_months() -> None:
    both = Period.parse("2026-01-01/P2M")
    assert as_expected(SUM_TOGETHER, both).key == "2026-02"
    assert as_expected(TOGETHER, Period.parse("2026-02")) == both
    assert as_expected(TOGETHER, Period.parse("2026-03")).key == "2026-03"
    assert as_expected(SINGLE, Period.parse("2026-02")).key == "2026-02"


def test_the_months_of_a_year_up_to_a_period() -> None:
    assert months_until(SINGLE, Period.parse("2026-Q1")) == ("2026-01", "2026-02", "2026-03")
    assert months_until(TOGETHER, Period.parse("2026-04")) == ("2026-01-01/P2M", "2026-03", "2026-04")
    assert months_until(TOGETHER, Period.parse("2026-01")) == ()
    assert len(months_until(SINGLE, Period.parse("2026"))) == 12
