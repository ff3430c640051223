"""Working days of the Chinese calendar, with its holidays and the weekends worked in exchange for them.

Source: the State Council's yearly notices, as the `holidays` library keeps them; for a year whose notice is still to
come it knows the statutory days, and weekends are taken as free.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache

from holidays import HolidayBase, country_holidays

# The years for which the library knows the holidays of the People's Republic well, and as far as it can reckon.
_FIRST_YEAR, _LAST_YEAR = 2000, 2100


def is_working_day(day: date) -> bool:
    """Whether offices work on that day."""
    return _calendar().is_working_day(day)


@lru_cache(maxsize=16_384)
def working_days_after(day: date, count: int) -> date:
    """The `count`-th working day after a day."""
    while count > 0:
        day += timedelta(days=1)
        if is_working_day(day):
            count -= 1
    return day


@lru_cache(maxsize=1)
def _calendar() -> HolidayBase:
    # All at once: growing it year by year is not safe between threads.
    return country_holidays("CN", years=range(_FIRST_YEAR, _LAST_YEAR + 1), expand=False)
