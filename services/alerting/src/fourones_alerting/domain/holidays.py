"""Weeks of public holidays: nobody is off track for a meeting that was not held in one."""

from __future__ import annotations

from datetime import timedelta

from fourones_shared.domain.periods import Frequency, Period
from fourones_shared.domain.working_days import is_working_day

# Most of the five: it is so for the Spring Festival and the National Day, and for no long weekend.
DAYS_OFF = 3


def is_week_of_holidays(period: Period) -> bool:
    """Whether at least three of a week's days from Monday to Friday are public holidays; False for other periods."""
    if period.frequency is not Frequency.WEEK:
        return False
    days = (period.start + timedelta(days=n) for n in range(5))
    return sum(not is_working_day(day) for day in days) >= DAYS_OFF
