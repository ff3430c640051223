from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.catalogue import an_indicator
from support.facts import a_fact, months

from fourones_aggregation.domain.facts import Fact
from fourones_aggregation.domain.stretches import MISSING_AT_MOST, OverTime, combine, over_time, parts, reaches_through
from fourones_shared.catalogue.model import Indicator
from fourones_shared.domain.periods import Period, end_of_day
from fourones_shared.events.model import Status

Q1, Q2, S1, YEAR = (Period.parse(key) for key in ("2026-Q1", "2026-Q2", "2026-S1", "2026"))


def indicator(*, reporting: dict[str, Any] | None = None, **changes: Any) -> Indicator:
    return Indicator.model_validate(an_indicator(reporting=reporting, **changes))


MONTHLY_FLOW = indicator(covers="period")
YEAR_TO_DATE = indicator()
MONTHLY_STOCK = indicator(kind="stock", covers="period")


def keys(periods: tuple[Period, ...]) -> list[str]:
    return [period.key for period in periods]


def known(of: Indicator, stretch: Period, facts: Mapping[str, Fact], *, expected: int = 1) -> Fact | None:
    return combine(of, parts(of, stretch), facts, lambda _: expected)


@pytest.mark.parametrize(
    ("changes", "way"),
    [
        ({"covers": "period"}, OverTime.SUM),
        ({"covers": "year-to-date"}, OverTime.LAST),
        ({"kind": "stock", "covers": "period"}, OverTime.LAST),
        ({"kind": "ratio", "covers": "period"}, OverTime.NONE),
        ({"kind": "ratio", "covers": "year-to-date"}, OverTime.NONE),
        ({"covers": "period", "over_organisations": "mean"}, OverTime.SUM),
        ({"covers": "period", "over_organisations": "maximum"}, OverTime.NONE),
        ({"covers": "period", "over_clusters": "weighted-mean"}, OverTime.NONE),
        ({"kind": "stock", "covers": "period", "over_organisations": "maximum"}, OverTime.LAST),
        (
            {"kind": "stock", "derived": {"kind": "count-at-or-above", "of": ["a"], "threshold": 1}},
            OverTime.NONE,
        ),
    ],
)
def test_kind_and_what_a_value_covers_say_how_periods_add_up(changes: dict[str, Any], way: OverTime) -> None:
    assert over_time(indicator(**changes)) is way


def test_months_make_quarters_halves_and_years_and_quarters_make_halves_and_years() -> None:
    assert keys(parts(MONTHLY_FLOW, Q1)) == ["2026-01", "2026-02", "2026-03"]
    assert len(parts(MONTHLY_FLOW, S1)) == 6
    assert len(parts(MONTHLY_FLOW, YEAR)) == 12
    quarterly = indicator(covers="period", reporting={"frequency": "Q"})
    assert keys(parts(quarterly, S1)) == ["2026-Q1", "2026-Q2"]
    assert len(parts(quarterly, YEAR)) == 4
    half_yearly = indicator(covers="period", reporting={"frequency": "S"})
    assert keys(parts(half_yearly, YEAR)) == ["2026-S1", "2026-S2"]


@pytest.mark.parametrize("stretch", ["2026-03", "2026-W12", "2026-01-01/P2M", "2026-01-01/P3Y"])
def test_no_stretch_is_made_of_the_same_form_nor_makes_weeks_or_ranges(stretch: str) -> None:
    assert parts(MONTHLY_FLOW, Period.parse(stretch)) == ()


@pytest.mark.parametrize(
    "reporting",
    [
        {"frequency": "A"},
        {"frequency": "W"},
        {"frequency": "R", "period": "2026-01-01/P2M"},
        {"frequency": "Q"},
    ],
)
def test_a_quarter_is_not_made_of_years_weeks_ranges_or_itself(reporting: dict[str, Any]) -> None:
    assert parts(indicator(covers="period", reporting=reporting), Q1) == ()


def test_a_ratio_has_no_stretch() -> None:
    assert parts(indicator(kind="ratio", covers="period"), Q1) == ()


def test_january_and_february_together_are_one_part_of_whatever_holds_them() -> None:
    flow = indicator(covers="period", january_february="together")
    to_date = indicator(january_february="together")
    assert keys(parts(flow, Q1)) == ["2026-01-01/P2M", "2026-03"]
    assert keys(parts(to_date, Q1)) == ["2026-02", "2026-03"]
    assert len(parts(flow, YEAR)) == len(parts(to_date, YEAR)) == 11


def test_a_year_in_which_the_duty_begins_or_ends_has_the_parts_that_are_expected() -> None:
    began = indicator(covers="period", reporting={"first": date(2026, 7, 1)})
    ended = indicator(covers="period", reporting={"last": date(2026, 2, 28)})
    within_both = indicator(covers="period", january_february="together", reporting={"first": date(2026, 2, 1)})
    assert keys(parts(began, YEAR))[0] == "2026-07"
    assert keys(parts(within_both, Q1)) == ["2026-03"]
    assert parts(began, S1) == ()
    assert keys(parts(ended, Q1)) == ["2026-01", "2026-02"]


def test_a_sum_counts_what_is_reported_out_of_all_that_is_expected_opened_or_not() -> None:
    fact = known(
        MONTHLY_FLOW,
        Q1,
        {
            "2026-01": a_fact("1.5", expected=3, version=4),
            "2026-02": a_fact("2.25", expected=3, reported=2, missing=("pei",), version=7, status=Status.ESTIMATED),
        },
        expected=3,
    )
    assert fact is not None
    assert (fact.value, fact.reported, fact.expected) == (Decimal("3.75"), 5, 9)
    assert (fact.missing, fact.status, fact.version, fact.through) == (("pei",), Status.ESTIMATED, 11, "2026-02")


def test_the_last_is_the_last_value_with_the_coverage_of_the_last_part() -> None:
    facts = {
        "2026-01": a_fact(10, expected=3, status=Status.FORECAST),
        "2026-02": a_fact(20, expected=3),
        "2026-03": a_fact(None, expected=3, missing=("a", "b", "c")),
    }
    for of in (YEAR_TO_DATE, MONTHLY_STOCK):
        fact = known(of, Q1, facts, expected=3)
        assert fact is not None
        assert (fact.value, fact.reported, fact.expected, fact.through) == (20, 0, 3, "2026-02")
        assert (fact.missing, fact.status, fact.version) == (("a", "b", "c"), Status.NORMAL, 3)


def test_a_last_part_that_has_not_opened_is_expected_and_not_reported() -> None:
    fact = known(YEAR_TO_DATE, Q1, {"2026-01": a_fact(10, expected=3)}, expected=5)
    assert fact is not None
    assert (fact.value, fact.reported, fact.expected, fact.through) == (10, 0, 5, "2026-01")
    assert fact.missing == ()


def test_a_stretch_of_which_nothing_has_opened_has_no_fact() -> None:
    assert known(MONTHLY_FLOW, Q1, {}) is None
    assert (
        combine(indicator(kind="ratio", covers="period"), months("2026-01"), {"2026-01": a_fact(1)}, lambda _: 1)
        is None
    )


def test_an_open_stretch_without_a_value_still_has_its_coverage() -> None:
    fact = known(MONTHLY_FLOW, Q1, {"2026-01": a_fact(None, expected=2)}, expected=2)
    assert fact is not None
    assert (fact.value, fact.status, fact.through, fact.reported, fact.expected) == (None, None, None, 0, 6)


def test_zero_is_a_value() -> None:
    fact = known(MONTHLY_FLOW, Q1, {"2026-01": a_fact(0)})
    assert fact is not None
    assert (fact.value, fact.through) == (0, "2026-01")


def test_a_stretch_is_due_when_its_last_part_is_and_was_recorded_when_the_latest_was() -> None:
    early, late = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
    fact = known(
        MONTHLY_FLOW,
        Q1,
        {"2026-01": a_fact(1, recorded_at=late, due_at=early), "2026-02": a_fact(2, recorded_at=early, due_at=late)},
    )
    assert fact is not None
    assert fact.recorded_at == late
    assert fact.due_at == end_of_day(date(2026, 4, 10))


def test_sums_are_exact() -> None:
    facts = {"2026-01": a_fact("123456789012345678.0000000001"), "2026-02": a_fact("999999999999999999.9999999999")}
    fact = known(MONTHLY_FLOW, Q1, facts)
    assert fact is not None
    assert fact.value == Decimal("1123456789012345678.0000000000")


def test_as_many_names_are_told_as_a_rollup_tells() -> None:
    names = tuple(f"{i:03d}" for i in range(60))
    facts = {
        "2026-01": a_fact(None, expected=30, missing=names[30:]),
        "2026-02": a_fact(None, expected=30, missing=names[:30]),
    }
    fact = known(MONTHLY_FLOW, Q1, facts)
    assert fact is not None
    assert fact.missing == names[:MISSING_AT_MOST]


def test_a_value_reaches_through_when_first_and_last_part_are_in_it() -> None:
    began = indicator(covers="period", reporting={"first": date(2026, 7, 1)})
    assert reaches_through(MONTHLY_FLOW, Q1, a_fact(1, through="2026-03"))
    assert not reaches_through(MONTHLY_FLOW, Q1, a_fact(1, through="2026-02"))
    assert not reaches_through(began, YEAR, a_fact(1, through="2026-12"))
    assert reaches_through(YEAR_TO_DATE, YEAR, a_fact(1, through="2026-12"))
    assert reaches_through(MONTHLY_FLOW, Period.parse("2026-03"), a_fact(1))


@st.composite
def facts_of_a_year(draw: st.DrawFn) -> dict[str, Fact]:
    """Of some months of 2026; names are few, so that months lack the same ones."""
    found = {}
    for month in draw(st.sets(st.integers(1, 12))):
        missing = tuple(sorted(draw(st.sets(st.sampled_from(["a", "b", "c", "d"])))))
        valued = len(missing) < 4
        moment = datetime(2026, month, draw(st.integers(1, 28)), tzinfo=UTC)
        found[f"2026-{month:02d}"] = Fact(
            value=draw(st.decimals(-(10**12), 10**12, places=4)) if valued else None,
            status=draw(st.sampled_from([Status.NORMAL, Status.PROVISIONAL, Status.FORECAST])) if valued else None,
            reported=4 - len(missing),
            expected=4,
            missing=missing,
            version=draw(st.integers(1, 9)),
            recorded_at=moment,
            due_at=end_of_day(moment.date()),
        )
    return found


WAYS = st.sampled_from(
    [MONTHLY_FLOW, YEAR_TO_DATE, MONTHLY_STOCK, indicator(covers="period", january_february="together")]
)


@given(WAYS, facts_of_a_year(), st.randoms(use_true_random=False))
def test_the_order_of_the_parts_does_not_matter(of: Indicator, facts: dict[str, Fact], random: Random) -> None:
    ordered = list(parts(of, YEAR))
    mixed = ordered.copy()
    random.shuffle(mixed)
    assert combine(of, mixed, facts, lambda _: 4) == combine(of, ordered, facts, lambda _: 4)


@given(WAYS, facts_of_a_year(), st.sampled_from(["Q", "S"]))
def test_a_stretch_of_stretches_equals_the_stretch(of: Indicator, facts: dict[str, Fact], letter: str) -> None:
    inner = [Period.parse(f"2026-{letter}{n}") for n in range(1, (4 if letter == "Q" else 2) + 1)]
    between = {s.key: fact for s in inner if (fact := known(of, s, facts, expected=4)) is not None}

    def not_opened(stretch: Period) -> int:
        return 4 * (1 if over_time(of) is OverTime.LAST else len(parts(of, stretch)))

    whole = known(of, YEAR, facts, expected=4)
    assert combine(of, inner, between, not_opened) == whole


@given(facts_of_a_year())
def test_a_sum_is_the_sum_and_its_coverage_is_that_of_all_months(facts: dict[str, Fact]) -> None:
    fact = known(MONTHLY_FLOW, YEAR, facts, expected=4)
    if fact is None:
        assert not facts
        return
    values = [f.value for f in facts.values() if f.value is not None]
    assert fact.value == (sum(values, Decimal(0)) if values else None)
    assert (fact.reported, fact.expected) == (sum(f.reported for f in facts.values()), 48)
    assert set(fact.missing) == {name for f in facts.values() for name in f.missing}
