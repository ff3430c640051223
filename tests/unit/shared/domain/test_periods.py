from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourones_shared.domain.periods import Frequency, Period, end_of_day, period_of, periods_between, shanghai_date
from fourones_shared.errors import InvalidPeriod

CALENDAR = [f for f in Frequency if f is not Frequency.RANGE]
days = st.dates(date(1905, 1, 1), date(2190, 12, 31))
calendar_periods = st.builds(period_of, st.sampled_from(CALENDAR), days)
month_ranges = st.builds(
    lambda day, count: Period.parse(f"{day.replace(day=1).isoformat()}/P{count}M"), days, st.integers(1, 130)
)
week_ranges = st.builds(
    lambda day, count: Period.parse(f"{(day - timedelta(days=day.weekday())).isoformat()}/P{count}W"),
    days,
    st.integers(1, 120),
)
periods = st.one_of(calendar_periods, month_ranges, week_ranges)


@given(periods)
def test_a_key_reads_back_as_the_same_period(period: Period) -> None:
    assert Period.parse(period.key) == period
    assert str(period) == period.key


@given(periods)
def test_next_and_previous_undo_one_another(period: Period) -> None:
    assert period.next().previous() == period
    assert period.previous().next() == period


@given(periods)
def test_periods_follow_one_another_without_gap(period: Period) -> None:
    assert period.next().start == period.end + timedelta(days=1)
    assert period.previous() < period < period.next()
    assert period.next().starts_at == period.ends_at


@given(calendar_periods, calendar_periods)
def test_periods_order_by_their_first_then_their_last_day(one: Period, other: Period) -> None:
    if (one.start, one.end) != (other.start, other.end):
        assert (one < other) == ((one.start, one.end) < (other.start, other.end))


@given(st.sampled_from(CALENDAR), days)
def test_every_day_lies_in_exactly_one_period_of_a_form(frequency: Frequency, day: date) -> None:
    period = period_of(frequency, day)
    assert period.start <= day <= period.end
    assert period.next().start > day > period.previous().end


@given(periods)
def test_the_year_before_has_the_same_form_and_begins_about_a_year_earlier(period: Period) -> None:
    before = period.year_before()
    assert before.frequency is period.frequency
    assert 363 <= (period.start - before.start).days <= 371


@pytest.mark.parametrize(
    ("spelling", "key"),
    [
        ("2026", "2026"),
        ("2026-A1", "2026"),
        ("2026-01-01/P1Y", "2026"),
        ("2026-01-01/P12M", "2026"),
        ("2026-S2", "2026-S2"),
        ("2026-07-01/P6M", "2026-S2"),
        ("2026-Q1", "2026-Q1"),
        ("2026-01-01/P3M", "2026-Q1"),
        ("2026-02-01/P3M", "2026-02-01/P3M"),
        ("2026-M03", "2026-03"),
        ("2026-M3", "2026-03"),
        ("2026-03", "2026-03"),
        ("2026-03-01/P1M", "2026-03"),
        ("2026-W9", "2026-W09"),
        ("2026-03-16/P1W", "2026-W12"),
        ("2026-03-16/P02W", "2026-03-16/P2W"),
        ("2026-01-01/P02M", "2026-01-01/P2M"),
        ("2021-01-01/P60M", "2021-01-01/P5Y"),
        ("2021-07-01/P1Y", "2021-07-01/P1Y"),
        ("2021-01-01T00:00:00/P5Y", "2021-01-01/P5Y"),
    ],
)
def test_spellings_that_mean_the_same_become_one_key(spelling: str, key: str) -> None:
    assert Period.parse(spelling).key == key


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "write one of 2026, 2026-S1"),
        ("2026年3月", "write one of"),
        ("2026-03\n", "write one of"),
        ("２０２６", "write one of"),
        ("2026-3", "write one of"),
        ("2026-13", "between 1 and 12"),
        ("2026-M00", "between 1 and 12"),
        ("2026-Q5", "between 1 and 4"),
        ("2026-S3", "between 1 and 2"),
        ("2025-W53", "between 1 and 52"),
        ("1899", "between 1900 and 2200"),
        ("2026-02-30/P1M", "not a day of the calendar"),
        ("2026-01-01/P0M", "at least P1M"),
        ("2026-01-15/P1M", "such as 2026-01-01"),
        ("2026-01-01/P2W", "such as 2025-12-29"),
        ("2026-01-01/P14D", "write one of"),
    ],
)
def test_a_text_that_is_no_period_is_refused_with_how_to_mend_it(text: str, hint: str) -> None:
    with pytest.raises(InvalidPeriod, match=hint) as refusal:
        Period.parse(text)
    assert repr(text) in str(refusal.value)


def test_the_first_two_months_are_a_range_of_59_or_60_days() -> None:
    assert Period.parse("2026-01-01/P2M").end == date(2026, 2, 28)
    assert Period.parse("2028-01-01/P2M").end == date(2028, 2, 29)


def test_a_range_of_four_weeks_is_not_taken_for_a_february() -> None:
    weeks = Period.parse("2027-02-01/P4W")
    assert weeks.end == Period.parse("2027-02").end
    assert weeks.next().key == "2027-03-01/P4W"
    assert weeks.next().next().key == "2027-03-29/P4W"


def test_a_week_belongs_to_the_year_of_its_thursday() -> None:
    first = Period.parse("2026-W01")
    assert first.start == date(2025, 12, 29)
    assert first.year == 2026
    assert Period.parse("2026-W53").end == date(2027, 1, 3)
    assert Period.parse("2026-W53").year_before().key == "2025-W52"


def test_a_date_means_the_end_of_that_day_in_shanghai() -> None:
    assert end_of_day(date(2026, 3, 31)) == datetime(2026, 3, 31, 16, tzinfo=UTC)
    assert Period.parse("2026-03").ends_at == datetime(2026, 3, 31, 16, tzinfo=UTC)
    assert shanghai_date(datetime(2026, 3, 31, 15, 59, tzinfo=UTC)) == date(2026, 3, 31)
    assert shanghai_date(datetime(2026, 3, 31, 16, tzinfo=UTC)) == date(2026, 4, 1)


def test_periods_between_two_days_start_within_them() -> None:
    found = periods_between(Frequency.QUARTER, date(2022, 10, 1), date(2023, 4, 1))
    assert [p.key for p in found] == ["2022-Q4", "2023-Q1", "2023-Q2"]
    assert [p.key for p in periods_between(Frequency.MONTH, date(2026, 1, 2), date(2026, 2, 1))] == ["2026-02"]


def test_a_range_has_no_calendar() -> None:
    with pytest.raises(InvalidPeriod, match="name it whole"):
        period_of(Frequency.RANGE, date(2026, 1, 1))


def test_a_year_contains_its_months_but_not_its_neighbours() -> None:
    year = Period.parse("2026")
    assert year.contains(Period.parse("2026-12"))
    assert not year.contains(Period.parse("2027-01"))
