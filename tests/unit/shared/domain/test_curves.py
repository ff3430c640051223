from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourones_shared.domain.curves import PlanCurve, Point, curve_faults, months_between, years_between
from fourones_shared.errors import CatalogueRefused

START, DUE = date(2024, 12, 31), date(2025, 12, 31)
MILESTONES = (Point(date(2025, 6, 30), Fraction(45, 100)), Point(date(2025, 9, 30), Fraction(70, 100)))
any_day = st.dates(date(2024, 1, 1), date(2027, 12, 31))


@st.composite
def curves(draw: st.DrawFn) -> PlanCurve:
    start = draw(st.dates(date(2020, 1, 1), date(2026, 1, 1)))
    length = draw(st.integers(1, 2000))
    offsets = sorted(draw(st.sets(st.integers(1, length), max_size=min(5, length))))
    shares = sorted(Fraction(draw(st.integers(0, 100)), 100) for _ in offsets)
    points = tuple(
        Point(start + timedelta(days=o), Fraction(1) if o == length else s)
        for o, s in zip(offsets, shares, strict=True)
    )
    return PlanCurve(start, start + timedelta(days=length), points)


def test_without_milestones_the_way_is_straight_by_days() -> None:
    curve = PlanCurve(START, DUE)
    assert curve.share_due(date(2025, 6, 30)) == Fraction(181, 365)


def test_nothing_is_due_before_the_start_and_all_after_the_due_date() -> None:
    curve = PlanCurve(START, DUE, MILESTONES)
    assert curve.share_due(START) == curve.share_due(date(2020, 1, 1)) == 0
    assert curve.share_due(DUE) == curve.share_due(date(2030, 1, 1)) == 1


def test_the_curve_goes_through_its_milestones_and_straight_between_them() -> None:
    curve = PlanCurve(START, DUE, MILESTONES)
    assert curve.share_due(date(2025, 6, 30)) == Fraction(45, 100)
    assert curve.share_due(date(2025, 9, 30)) == Fraction(70, 100)
    assert curve.share_due(date(2025, 8, 15)) == Fraction(45, 100) + Fraction(25, 100) * Fraction(46, 92)


def test_a_reached_share_is_worth_the_day_by_which_it_was_due() -> None:
    curve = PlanCurve(START, DUE, MILESTONES)
    assert curve.day_due_for(Fraction(45, 100)) == date(2025, 6, 30)
    assert curve.day_due_for(Fraction(1)) == curve.day_due_for(Fraction(3, 2)) == DUE
    assert curve.day_due_for(Fraction(-1, 2)) == START


def test_who_reached_in_september_what_was_due_in_june_is_three_months_behind() -> None:
    curve = PlanCurve(START, DUE, MILESTONES)
    assert curve.months_behind(date(2025, 9, 30), Fraction(45, 100)) == 3


def test_nobody_is_late_on_a_flat_stretch_while_what_was_due_before_it_is_reached() -> None:
    flat = PlanCurve(START, DUE, (Point(date(2025, 3, 31), Fraction(1, 2)), Point(date(2025, 9, 30), Fraction(1, 2))))
    assert flat.months_behind(date(2025, 8, 31), Fraction(1, 2)) == 0
    assert flat.months_behind(date(2025, 8, 31), Fraction(49, 100)) > 5


@given(curves(), any_day, any_day)
def test_what_is_due_never_shrinks(curve: PlanCurve, one: date, other: date) -> None:
    early, late = sorted((one, other))
    assert 0 <= curve.share_due(early) <= curve.share_due(late) <= 1


@given(curves(), st.fractions(0, 1, max_denominator=1000))
def test_the_day_for_a_share_is_the_last_by_which_no_more_was_due(curve: PlanCurve, share: Fraction) -> None:
    day = curve.day_due_for(share)
    assert curve.share_due(day) <= share
    if day < curve.due:
        assert curve.share_due(day + timedelta(days=1)) > share


@given(curves(), any_day)
def test_who_is_on_the_curve_is_not_late(curve: PlanCurve, day: date) -> None:
    assert curve.months_behind(day, curve.share_due(day)) == 0


@given(curves(), any_day, st.fractions(-1, 2, max_denominator=100), st.fractions(-1, 2, max_denominator=100))
def test_more_reached_is_never_later(curve: PlanCurve, day: date, one: Fraction, other: Fraction) -> None:
    less, more = sorted((one, other))
    assert curve.months_behind(day, less) >= curve.months_behind(day, more) >= 0


@pytest.mark.parametrize(
    ("points", "hint"),
    [
        ([Point(START, Fraction(0))], "outside the way"),
        ([Point(date(2026, 1, 1), Fraction(1))], "outside the way"),
        ([Point(date(2025, 6, 30), Fraction(45))], "such as 0.45"),
        ([Point(DUE, Fraction(9, 10))], "the whole"),
        ([Point(date(2025, 6, 30), Fraction(1, 2)), Point(date(2025, 6, 30), Fraction(1, 2))], "keep one"),
        ([Point(date(2025, 6, 30), Fraction(1, 2)), Point(date(2025, 9, 30), Fraction(1, 3))], "falls"),
    ],
)
def test_points_that_make_no_path_are_told_with_how_to_mend_them(points: list[Point], hint: str) -> None:
    assert any(hint in fault for fault in curve_faults(START, DUE, points))
    with pytest.raises(CatalogueRefused, match=hint):
        PlanCurve(START, DUE, tuple(points))


def test_a_way_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(CatalogueRefused, match="baseline earlier"):
        PlanCurve(DUE, START)


def test_a_month_is_one_however_long_it_is() -> None:
    assert months_between(date(2025, 1, 31), date(2025, 2, 28)) == 1
    assert months_between(date(2025, 2, 28), date(2025, 1, 31)) == -1
    assert months_between(date(2025, 2, 28), date(2025, 3, 15)) == Fraction(15, 31)
    assert years_between(date(2015, 12, 31), date(2023, 12, 31)) == 8
    assert years_between(date(2024, 12, 31), date(2025, 6, 30)) == Fraction(1, 2)
