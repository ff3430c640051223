"""The edges of judging, one by one, each a worked case."""

from decimal import Decimal

import pytest
from unit.alerting.domain.builders import (
    a_target,
    a_year_to_date_indicator,
    an_indicator,
    judged,
    partly_seen,
    seen,
)

from fourones_alerting.domain.comparators import meets
from fourones_alerting.domain.holidays import is_week_of_holidays
from fourones_alerting.domain.verdicts import Light, Verdict
from fourones_shared.catalogue.model import (
    Baseline,
    Cadence,
    Comparator,
    Direction,
    Kind,
    Method,
    Milestone,
    Tolerance,
)
from fourones_shared.domain.periods import Period
from fourones_shared.events.model import Status

# --- about, on one side and on two

TWO_SIDED = a_target(comparator=Comparator.ABOUT, band=Tolerance(below=Decimal("0.1"), above=Decimal("0.05")))


@pytest.mark.parametrize(("value", "met"), [("89.9", False), ("90", True), ("105", True), ("105.1", False)])
def test_a_band_is_kept_between_its_two_sides(value: str, met: bool) -> None:
    assert meets(Decimal(value), Comparator.ABOUT, Decimal(100), band=TWO_SIDED.band) is met


def test_without_a_band_more_than_about_is_never_too_much() -> None:
    assert meets(Decimal(1000), Comparator.ABOUT, Decimal(100))


def test_a_value_past_its_band_is_late_by_what_it_is_past() -> None:
    # 112 of 100: seven points past the upper side, within the yellow band; 120 is fifteen points past it.
    yellow = judged(seen("2025-10", 112), now="2025-11-20", target=TWO_SIDED)
    assert (yellow.verdict, yellow.disagreement) == (Verdict.LAGGING, False)
    assert "越过允许范围7家" in yellow.explanation
    assert "100家左右（允许低10%、高5%以内）" in yellow.explanation
    assert judged(seen("2025-10", 120), now="2025-11-20", target=TWO_SIDED).verdict is Verdict.OFF_TRACK
    final = judged(seen("2025-12", 112), now="2026-01-20", target=TWO_SIDED)
    assert (final.verdict, final.final) == (Verdict.OFF_TRACK, True)


def test_the_same_value_is_achieved_where_no_band_is_declared() -> None:
    found = judged(seen("2025-10", 112), now="2025-11-20", target=a_target(comparator=Comparator.ABOUT))
    assert found.verdict is Verdict.ACHIEVED


def test_part_of_a_year_inside_a_band_may_still_leave_it() -> None:
    target = TWO_SIDED.model_copy(update={"per": Cadence.YEAR, "by": None, "baseline": None, "unit": "亿元"})
    found = judged(seen("2025-11", 95), now="2025-12-20", target=target, indicator=a_year_to_date_indicator())
    assert found.verdict is Verdict.ON_TRACK
    whole = judged(seen("2025-12", 104), now="2026-01-20", target=target, indicator=a_year_to_date_indicator())
    assert (whole.verdict, whole.final) == (Verdict.ACHIEVED, True)


def test_where_lower_is_better_the_far_side_is_the_lower_one() -> None:
    target = TWO_SIDED.model_copy(update={"baseline": Baseline(period="2024", value=Decimal(200))})
    indicator = an_indicator(direction=Direction.DOWN)
    far = judged(seen("2025-12", 80), now="2026-01-20", target=target, indicator=indicator)
    assert far.verdict is Verdict.OFF_TRACK
    assert judged(seen("2025-12", 91), now="2026-01-20", target=target, indicator=indicator).light is Light.GREEN


# --- milestones


@pytest.mark.parametrize(
    ("period", "value", "due", "verdict"),
    [
        ("2025-06", 45, 45, "on_track"),
        ("2025-06", 35, 45, "lagging"),
        ("2025-06", 34, 45, "off_track"),
        ("2025-09", 70, 70, "on_track"),
        ("2025-12", 99, 100, "off_track"),
    ],
)
def test_a_declared_curve_goes_through_its_milestones(period: str, value: int, due: int, verdict: str) -> None:
    curve = (Milestone(period="2025-Q2", share=Decimal("0.45")), Milestone(period="2025-Q3", share=Decimal("0.7")))
    found = judged(seen(period, value), now="2026-02-01", target=a_target(curve=curve))
    assert (found.due_value, found.verdict) == (due, verdict)


def test_a_curve_without_a_baseline_starts_from_nothing_at_the_plans_start() -> None:
    curve = (Milestone(period="2024", share=Decimal("0.5")),)
    found = judged(seen("2024-12", 45), now="2025-01-20", target=a_target(baseline=None, curve=curve))
    assert (found.due_value, found.verdict, found.months_behind) == (50, "lagging", Decimal("2.4"))


def test_milestones_of_one_year_hold_for_every_year_of_a_yearly_target() -> None:
    target = a_target(per=Cadence.YEAR, curve=(Milestone(period="2023-06", share=Decimal("0.3")),), unit="亿元")
    for year in (2023, 2024, 2025):
        found = judged(seen(f"{year}-06", 30), now=f"{year}-07-20", target=target, indicator=a_year_to_date_indicator())
        assert (found.due_value, found.verdict) == (30, "on_track")


# --- levels and relations


def test_a_ratio_owes_its_whole_value_all_the_time() -> None:
    target = a_target(per=Cadence.MONTH, value=Decimal(100), unit="%")
    indicator = an_indicator(kind=Kind.RATIO, unit="%")
    found = judged(seen("2025-06", 95), now="2025-07-01", target=target, indicator=indicator)
    assert (found.due_value, found.gap, found.months_behind) == (100, 5, None)
    assert found.verdict is Verdict.OFF_TRACK


def test_growth_from_zero_starts_from_a_thousandth() -> None:
    target = a_target(method=Method.REQUIRED_GROWTH)
    indicator = an_indicator("A")
    early = judged(seen("2025", 0), now="2025-12-20", target=target, indicator=indicator)
    assert early.by_method[Method.REQUIRED_GROWTH].verdict is Verdict.DETERIORATING
    assert early.inputs["base_value"] == "0"


def test_growth_across_signs_cannot_be_assessed_and_the_curve_still_can() -> None:
    target = a_target(method=Method.REQUIRED_GROWTH, baseline=Baseline(period="2024", value=Decimal(-50)))
    found = judged(seen("2025-06", 20), now="2025-07-20", target=target)
    assert found.verdict is Verdict.NOT_ASSESSABLE
    assert found.by_method[Method.PLAN_CURVE].verdict is Verdict.LAGGING
    assert found.by_method[Method.PROJECTION].verdict is not Verdict.NOT_ASSESSABLE


def test_a_derived_value_is_judged_like_any_other() -> None:
    # Whoever computes it tells how much of what it needs is known: eight of ten clusters.
    target = a_target(value=Decimal(10), unit="个", baseline=None)
    whole = judged(seen("2025", 9, reported=10, expected=10), now="2026-02-01", target=target)
    assert (whole.verdict, whole.final) == (Verdict.OFF_TRACK, True)
    part = judged(seen("2025", 9, complete=False, reported=8, expected=10), now="2026-02-01", target=target)
    assert (part.verdict, part.incomplete) == (Verdict.NO_DATA, True)


def test_a_target_of_one_cluster_names_it_and_not_the_others() -> None:
    target = a_target(cluster="xz-hidz", name="产业规模")
    assert "产业规模（徐州高新区）" in judged(seen("2025-06", 5), now="2025-07-20", target=target).explanation


# --- final, provisional, stale


def test_an_unmet_target_is_off_track_by_every_method_once_it_is_over() -> None:
    target = a_target(value=Decimal(100), baseline=Baseline(period="2024", value=Decimal(50)))
    found = judged(seen("2025-12", "99.9"), now="2026-01-20", target=target)
    assert {result.verdict for result in found.by_method.values()} == {Verdict.OFF_TRACK}
    assert found.final


def test_a_final_verdict_on_a_provisional_figure_says_both() -> None:
    found = judged(seen("2025-12", 100, status=Status.PROVISIONAL), now="2026-01-20")
    assert (found.final, found.provisional, found.verdict) == (True, True, Verdict.ACHIEVED)


def test_a_sum_is_as_soft_as_its_softest_month() -> None:
    target = a_target(value=Decimal(12), per=Cadence.YEAR)
    history = [seen("2024-01", 1, status=Status.ESTIMATED), seen("2024-02", 1)]
    found = judged(*history, now="2024-03-05", target=target, indicator=an_indicator(kind=Kind.FLOW))
    assert found.provisional


def test_achieved_stays_so_over_silence_and_unsure_months_but_not_over_a_figure() -> None:
    history = [seen("2025-05", 101), partly_seen("2025-06", 60, 98), seen("2025-07")]
    stale = judged(*history, now="2025-08-20")
    assert (stale.verdict, stale.period, stale.stale, stale.final) == ("achieved", "2025-05", True, False)
    said = judged(*history[:2], seen("2025-07", 99), now="2025-08-20")
    assert (said.verdict, said.stale) == ("on_track", False)


# --- meetings in weeks of public holidays

MEETINGS = a_target(name="工作调度会", value=Decimal(1), unit="次", per=Cadence.WEEK)
HELD = an_indicator("W", kind=Kind.FLOW, unit="次")


@pytest.mark.parametrize(
    ("week", "off"),
    [
        ("2025-W05", True),
        ("2025-W40", True),
        ("2025-W41", True),
        ("2025-W18", False),
        ("2025-W20", False),
        ("2025-10", False),
    ],
    ids=["Spring Festival", "National Day", "and the days after it", "Labour Day", "an ordinary one", "a month"],
)
def test_a_week_of_holidays_is_one_with_three_of_its_five_days_off(week: str, off: bool) -> None:
    assert is_week_of_holidays(Period.parse(week)) is off


def test_nobody_is_off_track_for_a_meeting_in_a_week_of_holidays() -> None:
    before = [seen("2025-W38", 1), seen("2025-W39", 1)]
    for unheld in (seen("2025-W40"), seen("2025-W40", 0)):
        found = judged(*before, unheld, now="2025-11-01", target=MEETINGS, indicator=HELD)
        assert (found.verdict, found.period, found.stale) == ("achieved", "2025-W39", False)
        assert "当年应评2周，达标2周，最长连续0周未达标" in found.explanation
    ordinary = judged(*before, seen("2025-W40"), seen("2025-W42", 0), now="2025-11-01", target=MEETINGS, indicator=HELD)
    assert (ordinary.verdict, ordinary.period) == ("off_track", "2025-W42")
    assert "当年应评3周，达标2周，最长连续1周未达标" in ordinary.explanation


def test_a_meeting_that_was_held_in_a_week_of_holidays_counts() -> None:
    found = judged(seen("2025-W39", 0), seen("2025-W40", 1), now="2025-11-01", target=MEETINGS, indicator=HELD)
    assert (found.verdict, found.period) == ("achieved", "2025-W40")
    assert "达标1周" in found.explanation


def test_a_silent_week_of_holidays_leaves_no_hole_in_a_months_count() -> None:
    target = a_target(value=Decimal(3), unit="次", per=Cadence.MONTH)
    weeks = [seen("2025-W40"), seen("2025-W41"), *(seen(f"2025-W{w}", 1) for w in (42, 43, 44))]
    found = judged(*weeks, now="2025-11-20", target=target, indicator=HELD)
    assert (found.verdict, found.value) == ("achieved", 3)
