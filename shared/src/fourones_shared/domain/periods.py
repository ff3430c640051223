"""Reporting periods in SDMX's notation, each with one canonical key.

Forms: `2026`, `2026-S1`, `2026-Q1`, `2026-03`, `2026-W12` (ISO weeks), and ranges such as `2026-01-01/P2M`,
`2021-01-01/P5Y` or `2026-03-16/P2W`. Spellings that mean the same become one key: `2026-A1` is `2026`, `2026-M03`
and `2026-M3` are `2026-03`, `2026-01-01/P1Y` is `2026`, `2021-01-01T00:00:00/P60M` is `2021-01-01/P5Y`. A date
means the end of that day in Asia/Shanghai.

Source: SDMX 3.0 technical notes, section 6 (time and time format).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache

from fourones_shared.domain.clock import SHANGHAI
from fourones_shared.errors import InvalidPeriod

FORMS = "2026, 2026-S1, 2026-Q1, 2026-03, 2026-W12, 2026-01-01/P2M"


class Frequency(StrEnum):
    """How often an indicator is reported; SDMX's frequency codes, and `R` for a single range."""

    YEAR = "A"
    HALF = "S"
    QUARTER = "Q"
    MONTH = "M"
    WEEK = "W"
    RANGE = "R"


_MONTHS = {Frequency.YEAR: 12, Frequency.HALF: 6, Frequency.QUARTER: 3, Frequency.MONTH: 1}
_PREFIX = {Frequency.HALF: "S", Frequency.QUARTER: "Q", Frequency.WEEK: "W"}
_PATTERN = re.compile(
    r"^(?P<year>\d{4})(?:-(?:A1|(?P<letter>[SQWM])(?P<number>\d{1,2})|(?P<month>\d{2})))?\Z", re.ASCII
)
_RANGE = re.compile(r"^(?P<start>\d{4}-\d{2}-\d{2})(?:T00:00:00)?/P(?P<count>\d{1,3})(?P<unit>[YMW])\Z", re.ASCII)
# The years a figure can be about; a slip of the keyboard falls outside.
_FIRST_YEAR, _LAST_YEAR = 1900, 2200


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """A stretch of whole days. Periods order by their first, then their last day.

    Attributes:
        start: first day.
        end: last day.
        frequency: the form it is written in.
        key: the canonical spelling.
    """

    start: date
    end: date
    frequency: Frequency
    key: str

    @staticmethod
    def parse(text: str) -> Period:
        """Read any accepted spelling.

        Raises:
            InvalidPeriod: when the text names no period.
        """
        return _parse(text)

    @property
    def ends_at(self) -> datetime:
        """The first moment after the period (UTC): the end of its last day in Shanghai."""
        return end_of_day(self.end)

    @property
    def starts_at(self) -> datetime:
        """The period's first moment (UTC)."""
        return end_of_day(self.start - timedelta(days=1))

    @property
    def year(self) -> int:
        """The calendar year it belongs to; a week belongs to the year of its Thursday."""
        return (self.start + timedelta(days=3)).year if self.frequency is Frequency.WEEK else self.end.year

    def next(self) -> Period:
        """The period of the same form that follows; a range is followed by one of its own length."""
        return self._shifted(1)

    def previous(self) -> Period:
        """The period of the same form before this one."""
        return self._shifted(-1)

    def year_before(self) -> Period:
        """The same period a year before; for a week the week of the same number."""
        if self.frequency is Frequency.WEEK:
            year, week, _ = self.start.isocalendar()
            last = date(year - 1, 12, 28).isocalendar().week
            return _week(year - 1, min(week, last))
        if self.frequency is Frequency.RANGE:
            if self._weeks:
                first = _week(*self.start.isocalendar()[:2]).year_before()
                return _weeks_from(first.start, self._weeks)
            return _months_from(_add_months(self.start, -12), self._whole_months)
        return _months(self.start.year - 1, self.start.month, self.frequency)

    def contains(self, other: Period) -> bool:
        """Whether every day of the other period lies in this one."""
        return self.start <= other.start and other.end <= self.end

    def _shifted(self, by: int) -> Period:
        if self.frequency is Frequency.WEEK:
            moved = self.start + timedelta(weeks=by)
            iso = moved.isocalendar()
            return _week(iso.year, iso.week)
        if self.frequency is Frequency.RANGE:
            if self._weeks:
                return _weeks_from(self.start + timedelta(weeks=by * self._weeks), self._weeks)
            return _months_from(_add_months(self.start, by * self._whole_months), self._whole_months)
        start = _add_months(self.start, by * _MONTHS[self.frequency])
        return _months(start.year, start.month, self.frequency)

    @property
    def _weeks(self) -> int:
        # Only a range of weeks says so; one of months may be as long as some weeks (February 2027 is four).
        return ((self.end - self.start).days + 1) // 7 if self.key.endswith("W") else 0

    @property
    def _whole_months(self) -> int:
        return (self.end.year - self.start.year) * 12 + self.end.month - self.start.month + 1

    def __str__(self) -> str:
        return self.key


def period_of(frequency: Frequency, day: date) -> Period:
    """The period of that form which holds the day.

    Raises:
        InvalidPeriod: for `Frequency.RANGE`, which has no calendar.
    """
    if frequency is Frequency.RANGE:
        raise InvalidPeriod("a range is not a calendar period: name it whole")
    if frequency is Frequency.WEEK:
        iso = day.isocalendar()
        return _week(iso.year, iso.week)
    size = _MONTHS[frequency]
    return _months(day.year, (day.month - 1) // size * size + 1, frequency)


def periods_between(frequency: Frequency, first: date, last: date) -> Iterator[Period]:
    """The periods of that form that start on or after `first` and on or before `last`, in order."""
    period = period_of(frequency, first)
    if period.start < first:
        period = period.next()
    while period.start <= last:
        yield period
        period = period.next()


def end_of_day(day: date) -> datetime:
    """The first moment (UTC) after that day in Shanghai."""
    return datetime.combine(day + timedelta(days=1), time(), SHANGHAI).astimezone(UTC)


def shanghai_date(moment: datetime) -> date:
    """The calendar day in Shanghai at that moment."""
    return moment.astimezone(SHANGHAI).date()


@lru_cache(maxsize=65_536)
def _parse(text: str) -> Period:
    match = _PATTERN.match(text)
    if match is not None:
        return _calendar_period(text, match)
    match = _RANGE.match(text)
    if match is not None:
        return _range(text, match["start"], int(match["count"]), match["unit"])
    raise InvalidPeriod(f"{text!r} is not a period; write one of {FORMS}")


def _calendar_period(text: str, match: re.Match[str]) -> Period:
    year = int(match["year"])
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        raise InvalidPeriod(f"{text!r}: the year must lie between {_FIRST_YEAR} and {_LAST_YEAR}")
    number = int(match["number"] or match["month"] or 0)
    match match["letter"]:
        case "Q":
            most, make = 4, lambda: _months(year, 3 * number - 2, Frequency.QUARTER)
        case "S":
            most, make = 2, lambda: _months(year, 6 * number - 5, Frequency.HALF)
        case "W":
            most, make = date(year, 12, 28).isocalendar().week, lambda: _week(year, number)
        case None if match["month"] is None:
            return _months(year, 1, Frequency.YEAR)
        case _:
            most, make = 12, lambda: _months(year, number, Frequency.MONTH)
    return _checked(text, number, most, make)


def _checked(text: str, number: int, most: int, make: Callable[[], Period]) -> Period:
    if not 1 <= number <= most:
        raise InvalidPeriod(f"{text!r}: the part after the year must lie between 1 and {most}")
    return make()


# A period is a value, and the same few hundred are asked for all the time.
@lru_cache(maxsize=16_384)
def _months(year: int, month: int, frequency: Frequency) -> Period:
    size = _MONTHS[frequency]
    start = date(year, month, 1)
    end = _add_months(start, size) - timedelta(days=1)
    if frequency is Frequency.YEAR:
        key = f"{year:04d}"
    elif frequency is Frequency.MONTH:
        key = f"{year:04d}-{month:02d}"
    else:
        key = f"{year:04d}-{_PREFIX[frequency]}{(month - 1) // size + 1}"
    return Period(start, end, frequency, key)


@lru_cache(maxsize=16_384)
def _week(year: int, week: int) -> Period:
    start = date.fromisocalendar(year, week, 1)
    return Period(start, start + timedelta(days=6), Frequency.WEEK, f"{year:04d}-W{week:02d}")


def _range(text: str, start_text: str, count: int, unit: str) -> Period:
    try:
        start = date.fromisoformat(start_text)
    except ValueError:
        raise InvalidPeriod(f"{text!r}: {start_text} is not a day of the calendar") from None
    if count == 0 or not _FIRST_YEAR <= start.year <= _LAST_YEAR:
        raise InvalidPeriod(
            f"{text!r}: a range is at least P1{unit} long and starts between {_FIRST_YEAR} and {_LAST_YEAR}"
        )
    if unit == "W":
        if start.isoweekday() != 1:
            monday = start - timedelta(days=start.isoweekday() - 1)
            raise InvalidPeriod(f"{text!r}: a range of weeks starts on a Monday, such as {monday.isoformat()}")
        return _weeks_from(start, count)
    if start.day != 1:
        first = start.replace(day=1).isoformat()
        raise InvalidPeriod(f"{text!r}: a range of months or years starts on the first day of a month, such as {first}")
    return _months_from(start, count * 12 if unit == "Y" else count)


def _weeks_from(start: date, count: int) -> Period:
    if count == 1:
        iso = start.isocalendar()
        return _week(iso.year, iso.week)
    end = start + timedelta(days=7 * count - 1)
    return Period(start, end, Frequency.RANGE, f"{start.isoformat()}/P{count}W")


def _months_from(start: date, months: int) -> Period:
    for frequency, size in _MONTHS.items():
        if months == size and (start.month - 1) % size == 0:
            return _months(start.year, start.month, frequency)
    end = _add_months(start, months) - timedelta(days=1)
    # One spelling for one range: whole years in years, everything else in months.
    length = f"P{months // 12}Y" if months % 12 == 0 else f"P{months}M"
    return Period(start, end, Frequency.RANGE, f"{start.isoformat()}/{length}")


def _add_months(day: date, months: int) -> date:
    index = day.year * 12 + day.month - 1 + months
    return date(index // 12, index % 12 + 1, day.day)
