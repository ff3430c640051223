from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.catalogue import an_indicator
from support.facts import a_fact

from fourones_aggregation.domain.facts import Fact
from fourones_aggregation.domain.series import Measure, Point, Reason, comparable, growth, measures, needs, point
from fourones_aggregation.domain.stretches import combine, parts
from fourones_shared.catalogue.duties import expected_periods
from fourones_shared.catalogue.model import Indicator
from fourones_shared.domain.periods import Period
from fourones_shared.events.model import Status


def indicator(*, reporting: dict[str, Any] | None = None, **changes: Any) -> Indicator:
    return Indicator.model_validate(an_indicator(reporting={"first": "2025-01-01"} | (reporting or {}), **changes))


YEAR_TO_DATE = indicator()
TOGETHER = indicator(january_february="together")
MONTHLY_FLOW = indicator(covers="period")
FLOW_TOGETHER = indicator(covers="period", january_february="together")
STOCK = indicator(kind="stock", covers="period")


def show(of: Indicator, measure: Measure, period: str, **facts: Fact | int | str) -> Point:
    """Facts by their period, `_` for `-` and a letter before it."""
    known = {key[1:].replace("_", "-"): fact if isinstance(fact, Fact) else a_fact(fact) for key, fact in facts.items()}
    return point(of, measure, Period.parse(period), known)


def single(of: Indicator, period: str, **facts: Fact | int | str) -> Point:
    return show(of, Measure.SINGLE_PERIOD, period, **facts)


def needed(of: Indicator, measure: Measure, *periods: str) -> list[str]:
    return [p.key for p in needs(of, measure, [Period.parse(period) for period in periods])]


def test_a_month_of_a_year_to_date_series_is_the_difference_from_the_month_before() -> None:
    march = single(YEAR_TO_DATE, "2026-03", p2026_02="20.5", p2026_03="33.25")
    assert (march.value, march.covers.key, march.reason) == (Decimal("12.75"), "2026-03", None)


def test_the_first_month_of_the_year_is_its_own() -> None:
    january = single(YEAR_TO_DATE, "2026-01", p2026_01=10, p2025_12=120)
    assert (january.value, january.covers.key) == (10, "2026-01")


def test_january_and_february_together_are_the_first_and_the_point_says_that_it_covers_both() -> None:
    february = single(TOGETHER, "2026-02", p2026_02=20, p2025_12=120)
    assert (february.period.key, february.covers.key, february.value) == ("2026-02", "2026-01-01/P2M", 20)
    march = single(TOGETHER, "2026-03", p2026_02=20, p2026_03=33)
    assert (march.value, march.covers.key) == (13, "2026-03")


def test_a_flow_per_period_is_its_own_single_period() -> None:
    assert single(MONTHLY_FLOW, "2026-03", p2026_02=20, p2026_03=33).value == 33
    together = single(FLOW_TOGETHER, "2026-01-01/P2M", **{"p2026_01_01/P2M": 41})
    assert (together.value, together.covers.key) == (41, "2026-01-01/P2M")


def test_a_month_whose_month_before_is_not_known_has_no_value_of_its_own() -> None:
    for facts in ({}, {"p2026_02": a_fact(None, expected=1)}):
        march = single(YEAR_TO_DATE, "2026-03", p2026_03=33, **facts)
        assert (march.value, march.status, march.reason) == (None, None, Reason.NO_EARLIER_VALUE)


def test_the_first_month_of_a_duty_that_begins_within_the_year_is_not_taken_for_a_month() -> None:
    began = indicator(reporting={"first": "2026-07-01"})
    assert single(began, "2026-07", p2026_07=70).reason is Reason.NO_EARLIER_VALUE
    assert single(began, "2026-08", p2026_07=70, p2026_08=80).value == 10


def test_totals_of_different_reporters_have_no_difference() -> None:
    all_three = a_fact(20, expected=3)
    two = a_fact(33, expected=3, reported=2, missing=("pei",))
    march = single(YEAR_TO_DATE, "2026-03", p2026_02=all_three, p2026_03=two)
    assert (march.value, march.reason) == (None, Reason.DIFFERENT_REPORTERS)
    assert (march.reported, march.expected, march.missing) == (2, 3, ("pei",))
    before = single(YEAR_TO_DATE, "2026-03", p2026_02=two, p2026_03=all_three)
    assert (before.reason, before.reported, before.missing) == (Reason.DIFFERENT_REPORTERS, 2, ("pei",))
    others = a_fact(20, expected=3, reported=2, missing=("xinyi",))
    assert single(YEAR_TO_DATE, "2026-03", p2026_02=others, p2026_03=two).reason is Reason.DIFFERENT_REPORTERS


def test_totals_that_lack_the_same_reporters_have_a_difference_with_that_coverage() -> None:
    march = single(
        YEAR_TO_DATE,
        "2026-03",
        p2026_02=a_fact(20, expected=3, reported=2, missing=("pei",)),
        p2026_03=a_fact(33, expected=3, reported=2, missing=("pei",)),
    )
    assert (march.value, march.reported, march.expected, march.missing) == (13, 2, 3, ("pei",))


def test_complete_totals_have_a_difference_though_two_counties_have_merged_between_them() -> None:
    april = single(YEAR_TO_DATE, "2026-04", p2026_03=a_fact(30, expected=3), p2026_04=a_fact(42, expected=2))
    assert april.value == 12


def test_names_that_do_not_tell_every_missing_figure_do_not_show_the_same_members() -> None:
    # One organisation that lacks two of its clusters is named once.
    lacking_two = a_fact(20, expected=9, reported=7, missing=("pei",))
    assert not comparable(lacking_two, lacking_two)
    lacking_one = a_fact(20, expected=9, reported=8, missing=("pei",))
    assert comparable(lacking_one, lacking_one)


def test_a_single_period_carries_the_weaker_status_and_all_that_has_moved_it() -> None:
    late = datetime(2026, 5, 1, tzinfo=UTC)
    march = single(
        YEAR_TO_DATE,
        "2026-03",
        p2026_02=a_fact(20, status=Status.PROVISIONAL, version=3, recorded_at=late),
        p2026_03=a_fact(33, version=4, recorded_at=datetime(2026, 4, 10, tzinfo=UTC)),
    )
    assert (march.status, march.version, march.recorded_at) == (Status.PROVISIONAL, 7, late)


def test_a_revision_can_make_a_single_month_negative() -> None:
    assert single(YEAR_TO_DATE, "2026-03", p2026_02=20, p2026_03=18).value == -2


def test_growth_on_the_previous_period_is_a_fraction_with_six_places() -> None:
    point_ = show(MONTHLY_FLOW, Measure.MOM, "2026-03", p2026_02=3, p2026_03=4)
    assert (point_.value, point_.covers.key) == (Decimal("0.333333"), "2026-03")
    assert show(STOCK, Measure.MOM, "2026-01", p2025_12=8, p2026_01=6).value == Decimal("-0.25")


def test_growths_are_rounded_half_to_even() -> None:
    base = 2_000_000
    assert show(STOCK, Measure.MOM, "2026-03", p2026_02=base, p2026_03=base + 1).value == 0
    assert show(STOCK, Measure.MOM, "2026-03", p2026_02=base, p2026_03=base + 3).value == Decimal("0.000002")


def test_growth_on_the_previous_period_of_a_year_to_date_series_is_that_of_single_months() -> None:
    march = show(YEAR_TO_DATE, Measure.MOM, "2026-03", p2026_01=10, p2026_02=20, p2026_03=35)
    assert march.value == Decimal("0.5")
    january = show(YEAR_TO_DATE, Measure.MOM, "2026-01", p2025_11=100, p2025_12=120, p2026_01=15)
    assert january.value == Decimal("-0.25")


def test_two_months_together_are_not_compared_with_one() -> None:
    for period in ("2026-02", "2026-03"):
        grown = show(TOGETHER, Measure.MOM, period, p2025_11=1, p2025_12=2, p2026_02=20, p2026_03=33)
        assert (grown.value, grown.reason) == (None, Reason.UNLIKE_PERIODS)
        assert (grown.reported, grown.expected) == (1, 1)
    range_ = show(FLOW_TOGETHER, Measure.MOM, "2026-01-01/P2M", **{"p2026_01_01/P2M": 41, "p2025_12": 20})
    assert range_.reason is Reason.UNLIKE_PERIODS
    april = show(TOGETHER, Measure.MOM, "2026-04", p2026_02=20, p2026_03=30, p2026_04=50)
    assert april.value == 1


def test_growth_on_a_year_before_holds_year_to_date_against_year_to_date() -> None:
    assert show(YEAR_TO_DATE, Measure.YOY, "2026-03", p2025_03=100, p2026_03=108).value == Decimal("0.08")
    assert show(TOGETHER, Measure.YOY, "2026-02", p2025_02=100, p2026_02=90).value == Decimal("-0.1")
    both = {"p2025_01_01/P2M": 40, "p2026_01_01/P2M": 41}
    assert show(FLOW_TOGETHER, Measure.YOY, "2026-01-01/P2M", **both).value == Decimal("0.025")


@pytest.mark.parametrize("base", [0, "-5"])
def test_a_base_that_is_not_positive_has_no_growth(base: int | str) -> None:
    for measure, before in ((Measure.YOY, "p2025_03"), (Measure.MOM, "p2026_02")):
        grown = show(STOCK, measure, "2026-03", **{before: base}, p2026_03=10)
        assert (grown.value, grown.status, grown.reason) == (None, None, Reason.BASE_NOT_POSITIVE)


def test_growth_carries_the_weaker_status_and_the_worse_coverage() -> None:
    lacking = {"expected": 3, "reported": 2, "missing": ("pei",)}
    grown = show(
        STOCK,
        Measure.YOY,
        "2026-03",
        p2025_03=a_fact(10, expected=3, reported=2, missing=("pei",), status=Status.ESTIMATED),
        p2026_03=a_fact(11, expected=3, reported=2, missing=("pei",), status=Status.PROVISIONAL),
    )
    assert (grown.value, grown.status) == (Decimal("0.1"), Status.ESTIMATED)
    assert (grown.reported, grown.expected, grown.missing) == tuple(
        lacking[k] for k in ("reported", "expected", "missing")
    )


def test_growth_of_different_reporters_is_refused() -> None:
    grown = show(
        STOCK, Measure.YOY, "2026-03", p2025_03=a_fact(10, expected=3), p2026_03=a_fact(7, expected=3, reported=2)
    )
    assert (grown.value, grown.reason, grown.reported) == (None, Reason.DIFFERENT_REPORTERS, 2)
    # The base is a single month that is itself no month's value.
    grown = show(
        YEAR_TO_DATE,
        Measure.MOM,
        "2026-03",
        p2026_01=a_fact(10, expected=2, reported=1),
        p2026_02=a_fact(20, expected=2),
        p2026_03=a_fact(30, expected=2),
    )
    assert grown.reason is Reason.DIFFERENT_REPORTERS


def test_a_period_that_is_not_open_and_one_without_a_value_say_so() -> None:
    assert show(STOCK, Measure.VALUE, "2026-03").reason is Reason.NOT_OPEN
    nothing = show(STOCK, Measure.VALUE, "2026-03", p2026_03=a_fact(None, expected=4))
    assert (nothing.reason, nothing.reported, nothing.expected) == (Reason.NOT_REPORTED, 0, 4)
    assert show(STOCK, Measure.YOY, "2026-03", p2025_03=1).reason is Reason.NOT_OPEN
    assert show(STOCK, Measure.YOY, "2026-03", p2026_03=1).reason is Reason.NO_EARLIER_VALUE


def test_a_value_is_shown_as_it_is_known() -> None:
    shown = show(YEAR_TO_DATE, Measure.VALUE, "2026-Q1", p2026_Q1=a_fact(20, through="2026-02", expected=3, reported=0))
    assert (shown.value, shown.through, shown.reason, shown.reported) == (20, "2026-02", None, 0)


def test_what_a_series_can_show_follows_the_indicator() -> None:
    every = set(Measure)
    assert measures(YEAR_TO_DATE) == measures(MONTHLY_FLOW) == every
    assert measures(STOCK) == every - {Measure.SINGLE_PERIOD}
    assert measures(indicator(kind="ratio", covers="period")) == {Measure.VALUE}
    # The difference of two maxima is nobody's month.
    assert measures(indicator(over_organisations="maximum")) == {Measure.VALUE, Measure.YOY}
    only_once = indicator(reporting={"frequency": "R", "period": "2021-01-01/P5Y"})
    assert measures(only_once) == {Measure.VALUE, Measure.SINGLE_PERIOD}


def test_a_measure_that_the_indicator_does_not_have_is_refused_with_the_coverage() -> None:
    ratio = indicator(kind="ratio", covers="period")
    shown = show(ratio, Measure.YOY, "2026-03", p2025_03=40, p2026_03=a_fact(50, expected=3))
    assert (shown.value, shown.status, shown.reason) == (None, None, Reason.NO_SUCH_MEASURE)
    assert (shown.reported, shown.expected) == (3, 3)


def test_what_is_needed_can_be_fetched_at_once() -> None:
    assert needed(STOCK, Measure.VALUE, "2026-03", "2026-02") == ["2026-02", "2026-03"]
    assert needed(YEAR_TO_DATE, Measure.SINGLE_PERIOD, "2026-01", "2026-02") == ["2026-01", "2026-02"]
    assert needed(YEAR_TO_DATE, Measure.SINGLE_PERIOD, "2026-03") == ["2026-02", "2026-03"]
    assert needed(TOGETHER, Measure.SINGLE_PERIOD, "2026-02") == ["2026-02"]
    assert needed(YEAR_TO_DATE, Measure.MOM, "2026-01") == ["2025-11", "2025-12", "2026-01"]
    assert needed(TOGETHER, Measure.MOM, "2026-03") == ["2026-03"]
    assert needed(YEAR_TO_DATE, Measure.YOY, "2026-03") == ["2025-03", "2026-03"]
    assert needed(STOCK, Measure.MOM, "2026-01", "2026-02") == ["2025-12", "2026-01", "2026-02"]
    assert needed(YEAR_TO_DATE, Measure.SINGLE_PERIOD, "2026-Q2") == ["2026-Q1", "2026-Q2"]


def stretches(of: Indicator, keys: list[str], facts: dict[str, Fact]) -> dict[str, Fact]:
    found = {}
    for stretch in map(Period.parse, keys):
        fact = combine(of, parts(of, stretch), facts, lambda _: 1)
        if fact is not None:
            found[stretch.key] = fact
    return found


def test_quarters_of_a_year_to_date_series_are_single_by_difference_of_their_last_months() -> None:
    facts = {f"2026-{month:02d}": a_fact(10 * month) for month in range(1, 7)}
    quarters = stretches(YEAR_TO_DATE, ["2026-Q1", "2026-Q2"], facts)
    second = point(YEAR_TO_DATE, Measure.SINGLE_PERIOD, Period.parse("2026-Q2"), quarters)
    assert (second.value, second.reported, second.expected) == (30, 1, 1)
    grown = point(
        YEAR_TO_DATE, Measure.MOM, Period.parse("2026-Q2"), quarters | stretches(YEAR_TO_DATE, ["2025-Q4"], facts)
    )
    assert grown.value == 0


def test_a_quarter_that_does_not_reach_its_end_is_neither_subtracted_nor_compared() -> None:
    facts = {f"2026-{month:02d}": a_fact(10 * month) for month in (1, 2, 4, 5)} | {
        f"2025-{month:02d}": a_fact(month) for month in range(1, 13)
    }
    keys = ["2025-Q1", "2025-Q2", "2026-Q1", "2026-Q2"]
    for of in (YEAR_TO_DATE, MONTHLY_FLOW, STOCK):
        quarters = stretches(of, keys, facts)
        assert point(of, Measure.YOY, Period.parse("2026-Q1"), quarters).reason is Reason.NOT_THROUGH
    quarters = stretches(YEAR_TO_DATE, keys, facts | {"2026-06": a_fact(60)})
    second = point(YEAR_TO_DATE, Measure.SINGLE_PERIOD, Period.parse("2026-Q2"), quarters)
    assert second.reason is Reason.NO_EARLIER_VALUE


def test_a_year_in_which_the_duty_began_is_no_base_for_the_next() -> None:
    began = indicator(covers="period", reporting={"first": "2025-07-01"})
    facts = {p.key: a_fact(10) for p in expected_periods(began, datetime(2026, 12, 31, tzinfo=UTC).date())}
    years = stretches(began, ["2025", "2026"], facts)
    grown = point(began, Measure.YOY, Period.parse("2026"), years)
    assert (grown.value, grown.reason) == (None, Reason.NO_EARLIER_VALUE)
    assert point(began, Measure.VALUE, Period.parse("2025"), years).value == 60


values = st.decimals(-(10**15), 10**15, places=10)


@given(st.lists(values, min_size=12, max_size=12), st.booleans())
def test_the_single_periods_of_a_year_add_up_to_the_year_to_date(found: list[Decimal], together: bool) -> None:
    of = TOGETHER if together else YEAR_TO_DATE
    periods = list(expected_periods(of, datetime(2025, 12, 31, tzinfo=UTC).date()))
    facts = {p.key: a_fact(found[p.start.month - 1]) for p in periods}
    points = [point(of, Measure.SINGLE_PERIOD, p, facts) for p in periods]
    total = sum((Fraction(p.value) for p in points if p.value is not None), Fraction(0))
    assert all(p.reason is None for p in points)
    assert total == Fraction(found[11])
    covered = [p.covers for p in points]
    assert covered[0].start == periods[0].start.replace(month=1)
    assert all(a.end < b.start and (b.start - a.end).days == 1 for a, b in pairwise(covered))


@given(st.sampled_from(list(Measure)), st.sampled_from([YEAR_TO_DATE, TOGETHER, MONTHLY_FLOW, STOCK]), st.data())
def test_a_point_is_made_of_nothing_but_what_is_needed(measure: Measure, of: Indicator, data: st.DataObject) -> None:
    keys = [f"{year}-{month:02d}" for year in (2025, 2026) for month in range(1, 13)]
    facts = {
        key: a_fact(data.draw(st.none() | values), expected=2, reported=data.draw(st.integers(0, 2)))
        for key in data.draw(st.sets(st.sampled_from(keys)))
    }
    period = Period.parse(data.draw(st.sampled_from(keys[12:])))
    wanted = {p.key for p in needs(of, measure, [period])}
    shown = point(of, measure, period, facts)
    assert point(of, measure, period, {k: f for k, f in facts.items() if k in wanted}) == shown
    assert (shown.value is None) == (shown.reason is not None)


def test_an_exact_growth_is_kept_for_what_is_derived_from_it() -> None:
    facts = {"2025-03": a_fact(3), "2026-03": a_fact(4)}
    assert growth(STOCK, Measure.YOY, Period.parse("2026-03"), facts).factor == Fraction(4, 3)
