from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from unit.alerting.domain.builders import a_plan, a_target, an_indicator

from fourones_shared.catalogue.model import Cadence, Comparator, Direction, Kind, Milestone
from fourones_shared.domain.curves import PlanCurve
from fourones_shared.domain.periods import Period
from fourones_shared.domain.ways import Way, due_day, sense_of, stretch_of, to_decimal, way_of
from fourones_shared.errors import CatalogueRefused

JUNE = Period.parse("2025-06")


def test_a_by_date_target_runs_from_its_baseline() -> None:
    way = way_of(a_target(), an_indicator(), a_plan(), JUNE)
    assert way is not None
    assert (way.base, way.curve.start, way.curve.due) == (0, date(2024, 12, 31), date(2025, 12, 31))
    assert way.due_value(JUNE.end) == Fraction(18100, 365)


def test_a_declared_curve_without_baseline_runs_from_nothing_at_the_plans_start() -> None:
    curve = (Milestone(period="2024", share=Decimal("0.45")),)
    way = way_of(a_target(baseline=None, curve=curve), an_indicator(), a_plan(), JUNE)
    assert way is not None
    assert (way.base, way.curve.start) == (0, date(2022, 12, 31))
    assert way.due_value(date(2024, 12, 31)) == 45


def test_a_target_with_neither_has_no_way() -> None:
    assert way_of(a_target(baseline=None), an_indicator(), a_plan(), JUNE) is None


def test_a_yearly_target_starts_again_from_nothing() -> None:
    for year in (2023, 2024):
        way = way_of(a_target(per=Cadence.YEAR), an_indicator(), a_plan(), Period.parse(f"{year}-01"))
        assert way is not None
        assert (way.base, way.curve.start, way.curve.due) == (0, date(year - 1, 12, 31), date(year, 12, 31))


def test_the_milestones_of_one_year_hold_for_the_next() -> None:
    curve = (Milestone(period="2023-02", share=Decimal("0.1")), Milestone(period="2023-Q2", share=Decimal("0.45")))
    target = a_target(per=Cadence.YEAR, curve=curve)
    way = way_of(target, an_indicator(), a_plan(), Period.parse("2024-03"))
    assert way is not None
    assert way.due_value(date(2024, 2, 29)) == 10
    assert way.due_value(date(2024, 6, 30)) == 45


def test_a_ratio_per_year_is_owed_all_the_time() -> None:
    way = way_of(a_target(per=Cadence.YEAR), an_indicator(kind=Kind.RATIO), a_plan(), Period.parse("2024-01"))
    assert way is not None
    assert way.due_value(date(2024, 1, 31)) == 100


def test_a_week_belongs_to_the_stretch_of_its_thursday() -> None:
    assert stretch_of(Cadence.YEAR, Period.parse("2026-W01")).key == "2026"
    assert stretch_of(Cadence.QUARTER, Period.parse("2025-W27")).key == "2025-Q3"
    assert due_day(a_target(per=Cadence.WEEK), Period.parse("2026-W01")) == date(2026, 1, 4)


def test_a_baseline_after_the_due_date_is_refused() -> None:
    with pytest.raises(CatalogueRefused, match="before it begins"):
        way_of(a_target(by="2024"), an_indicator(), a_plan(), Period.parse("2024-06"))


def test_the_comparator_says_which_way_is_better_and_about_leaves_it_to_the_indicator() -> None:
    falling = an_indicator(direction=Direction.DOWN)
    assert sense_of(a_target(comparator=Comparator.AT_LEAST), falling) == 1
    assert sense_of(a_target(comparator=Comparator.LESS_THAN), an_indicator()) == -1
    assert sense_of(a_target(comparator=Comparator.ABOUT), falling) == -1
    assert sense_of(a_target(comparator=Comparator.ABOUT), an_indicator(direction=Direction.NEITHER)) == 1


def test_a_ceiling_is_an_allowance_and_not_a_way() -> None:
    way = Way(Decimal(0), Decimal(100), PlanCurve(date(2024, 12, 31), date(2025, 12, 31)), -1)
    assert way.share_reached(Decimal(60)) is None
    assert way.share_behind(Decimal(60), JUNE.end) == Fraction(60, 100) - Fraction(181, 365)


def test_holding_a_value_is_measured_against_the_value_itself() -> None:
    way = Way(Decimal(50), Decimal(50), PlanCurve(date(2024, 12, 31), date(2025, 12, 31)), 1)
    assert way.share_behind(Decimal(45), JUNE.end) == Fraction(1, 10)


def test_long_numbers_are_shown_to_the_last_place() -> None:
    assert to_decimal(Fraction(10**18 * 3 + 1, 3), 6) == Decimal("1000000000000000000.333333")
