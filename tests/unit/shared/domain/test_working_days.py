"""The Chinese calendar of working days, held against the State Council's notices."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from holidays import country_holidays
from hypothesis import given
from hypothesis import strategies as st

from fourones_shared.domain import working_days
from fourones_shared.domain.working_days import is_working_day, notice_is_known, working_days_after


def days(first: str, last: str) -> Iterator[date]:
    day, end = date.fromisoformat(first), date.fromisoformat(last)
    while day <= end:
        yield day
        day += timedelta(days=1)


# 国务院办公厅关于部分节假日安排的通知, as they were issued: (first and last day off), and the weekend days worked.
# 2024: 国办发明电〔2023〕7号; 2025: 国办发明电〔2024〕12号; 2026: 国办发明电〔2025〕7号.
NOTICES = {
    2024: (
        [
            ("2024-01-01", "2024-01-01"),
            ("2024-02-10", "2024-02-17"),
            ("2024-04-04", "2024-04-06"),
            ("2024-05-01", "2024-05-05"),
            ("2024-06-10", "2024-06-10"),
            ("2024-09-15", "2024-09-17"),
            ("2024-10-01", "2024-10-07"),
        ],
        ["02-04", "02-18", "04-07", "04-28", "05-11", "09-14", "09-29", "10-12"],
    ),
    2025: (
        [
            ("2025-01-01", "2025-01-01"),
            ("2025-01-28", "2025-02-04"),
            ("2025-04-04", "2025-04-06"),
            ("2025-05-01", "2025-05-05"),
            ("2025-05-31", "2025-06-02"),
            ("2025-10-01", "2025-10-08"),
        ],
        ["01-26", "02-08", "04-27", "09-28", "10-11"],
    ),
    2026: (
        [
            ("2026-01-01", "2026-01-03"),
            ("2026-02-15", "2026-02-23"),
            ("2026-04-04", "2026-04-06"),
            ("2026-05-01", "2026-05-05"),
            ("2026-06-19", "2026-06-21"),
            ("2026-09-25", "2026-09-27"),
            ("2026-10-01", "2026-10-07"),
        ],
        ["01-04", "02-14", "02-28", "05-09", "09-20", "10-10"],
    ),
}


@pytest.mark.parametrize("year", NOTICES)
def test_every_day_of_the_year_is_as_the_state_council_has_announced(year: int):
    off, worked = NOTICES[year]
    free = {day for first, last in off for day in days(first, last)}
    weekends_worked = {date.fromisoformat(f"{year}-{day}") for day in worked}
    for day in days(f"{year}-01-01", f"{year}-12-31"):
        expected = day in weekends_worked or (day.weekday() < 5 and day not in free)
        assert is_working_day(day) is expected, day


@pytest.mark.parametrize(
    ("day", "count", "then"),
    [
        ("2026-03-31", 0, "2026-03-31"),
        ("2026-03-31", 1, "2026-04-01"),
        # Over the Tomb-Sweeping days of 4 to 6 April.
        ("2026-03-31", 10, "2026-04-15"),
        # The Saturday of 14 February is worked, 15 to 23 February are off, and the Saturday of the 28th is worked.
        ("2026-02-12", 3, "2026-02-24"),
        ("2026-02-24", 4, "2026-02-28"),
        # From the end of a month that is a Sunday.
        ("2026-05-31", 1, "2026-06-01"),
        # Over the end of a year: 1 to 3 January off, the Sunday of the 4th worked.
        ("2025-12-31", 2, "2026-01-05"),
    ],
)
def test_working_days_are_counted_over_holidays_and_worked_weekends(day: str, count: int, then: str):
    assert working_days_after(date.fromisoformat(day), count) == date.fromisoformat(then)


@given(st.dates(date(1900, 1, 1), date(2250, 1, 1)), st.integers(1, 60))
def test_between_a_day_and_the_nth_working_day_after_it_lie_n_of_them(day: date, count: int):
    end = working_days_after(day, count)
    assert is_working_day(end)
    assert sum(is_working_day(one) for one in days(str(day + timedelta(days=1)), str(end))) == count


def test_a_year_whose_notice_is_to_come_has_its_statutory_days_off_and_no_weekend_worked():
    assert notice_is_known(2026)
    for year in range(2030, 2101, 10):
        assert not notice_is_known(year)
        assert not is_working_day(date(year, 10, 1))
        assert all(day.weekday() < 5 for day in days(f"{year}-01-01", f"{year}-12-31") if is_working_day(day))


@pytest.mark.parametrize("year", [1900, 1949, 2101, 2199])
def test_beyond_the_calendars_years_only_weekends_are_off(year: int):
    assert all(is_working_day(day) is (day.weekday() < 5) for day in days(f"{year}-01-01", f"{year}-12-31"))


def test_year_by_year_is_the_same_as_all_years_together():
    whole = country_holidays("CN", years=range(1990, 2041), expand=False)
    for day in days("1990-01-01", "2040-12-31"):
        assert is_working_day(day) is whole.is_working_day(day), day


def test_threads_that_ask_for_the_same_years_at_once_agree():
    def counted(years: Iterable[int]) -> list[int]:
        return [sum(is_working_day(day) for day in days(f"{y}-01-01", f"{y}-12-31")) for y in years]

    alone = counted(range(2010, 2026))
    for _ in range(5):
        working_days._year.cache_clear()
        with ThreadPoolExecutor(8) as pool:
            together = list(pool.map(counted, [range(2010, 2026)] * 8))
        assert together == [alone] * 8
