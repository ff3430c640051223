"""Working days of the Chinese calendar, with its holidays and the weekends worked in exchange for them.

Source: the State Council's yearly notices (国务院办公厅关于…年部分节假日安排的通知), as the `holidays` library keeps
them from 2001 on. The notice for a year comes in the November before it. Until a release of the library holds it, a
year has its statutory days off, and no weekend is worked; every service must run the same release, or they would
disagree about a due date.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

from holidays import country_holidays

# Beyond these years the library knows no lunar calendar: weekends alone are free then.
_FIRST_YEAR, _LAST_YEAR = 1950, 2100


class _Year(NamedTuple):
    """What differs in a year from "Monday to Friday"."""

    holidays: frozenset[date]
    worked_weekends: frozenset[date]


def is_working_day(day: date) -> bool:
    """Whether offices work on that day."""
    year = _year(day.year)
    return day in year.worked_weekends if day.weekday() >= 5 else day not in year.holidays


@lru_cache(maxsize=16_384)
def working_days_after(day: date, count: int) -> date:
    """The `count`-th working day after a day; the day itself when `count` is 0."""
    while count > 0:
        day += timedelta(days=1)
        if is_working_day(day):
            count -= 1
    return day


def notice_is_known(year: int) -> bool:
    """Whether the State Council's notice for that year is in the calendar: every notice has weekends worked."""
    return bool(_year(year).worked_weekends)


# A year takes some milliseconds and is built by whoever asks first; two threads may build it twice, to the same end.
@lru_cache(maxsize=256)
def _year(year: int) -> _Year:
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        return _Year(frozenset(), frozenset())
    # A notice may reach into the December before it: the library gives such days with every year.
    calendar = country_holidays("CN", years=year, expand=False)
    return _Year(
        frozenset(day for day in calendar if day.year == year),
        frozenset(day for day in calendar.weekend_workdays if day.year == year),
    )
