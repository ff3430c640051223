"""Which other periods a value is held against: those before it, the same a year before, and the next of its year."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from fourones_shared.catalogue.model import Covers, Indicator, Kind
from fourones_shared.domain.periods import Frequency, Period
from fourones_shared.errors import InvalidPeriod

# Enough for a median that one or two slips do not move, and for most of a year to date; each is a row to read.
EARLIER = 8
# A late correction is held against what was reported after it; the next ones say enough.
LATER = 3

_MONTHS = {Frequency.YEAR: 12, Frequency.HALF: 6, Frequency.QUARTER: 3, Frequency.MONTH: 1}


class Stretch(NamedTuple):
    """What a value covers.

    Attributes:
        key: the canonical period.
        year: the calendar year.
        parts: how many of the indicator's own periods a flow's value covers: since 1 January for the year to date
            (6 for June), 2 for January and February together; else 1.
    """

    key: str
    year: int
    parts: int


@dataclass(frozen=True, slots=True)
class Neighbours:
    """A period among those it is compared with.

    Attributes:
        earlier: the periods before it, the latest first.
        year_before: the same period a year before, and for the year to date the one before that in its year.
        later: for the year to date, the next periods of the same year.
    """

    this: Stretch
    earlier: tuple[Stretch, ...]
    year_before: tuple[Stretch, ...]
    later: tuple[Stretch, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """All periods, this one too."""
        return tuple(stretch.key for stretch in (self.this, *self.earlier, *self.year_before, *self.later))


class _Calendar(NamedTuple):
    """What decides the neighbours of an indicator's periods."""

    flow: bool
    year_to_date: bool
    together: bool
    """January and February are one."""


def neighbours_of(indicator: Indicator, period: str) -> Neighbours:
    """The neighbours of a canonical period of the indicator; none for a range that is reported once."""
    if indicator.reporting.frequency is Frequency.RANGE:
        once = Period.parse(period)
        return Neighbours(Stretch(once.key, once.year, 1), (), (), ())
    return _neighbours(period, _calendar(indicator))


def before(indicator: Indicator, period: Period) -> Period | None:
    """The period that the indicator is reported for before this one; None where the calendar begins."""
    return next(_before(period, _calendar(indicator)), None)


def months_until(indicator: Indicator, period: Period) -> tuple[str, ...]:
    """The monthly indicator's periods from 1 January to the period's end; empty where they do not end with it."""
    year, last = period.year, period.end.month
    if not _calendar(indicator).together:
        return tuple(f"{year:04d}-{month:02d}" for month in range(1, last + 1))
    if last == 1:
        return ()
    return f"{year:04d}-01-01/P2M", *(f"{year:04d}-{month:02d}" for month in range(3, last + 1))


def _calendar(indicator: Indicator) -> _Calendar:
    return _Calendar(
        indicator.kind is Kind.FLOW,
        indicator.covers is Covers.YEAR_TO_DATE,
        indicator.january_february == "together" and indicator.reporting.frequency is Frequency.MONTH,
    )


# The same few hundred periods of a few kinds of calendar are asked for all the time.
@lru_cache(maxsize=16_384)
def _neighbours(key: str, calendar: _Calendar) -> Neighbours:
    period = Period.parse(key)
    earlier = tuple(islice(_before(period, calendar), EARLIER))
    year_before, later = [period.year_before()], list[Period]()
    if calendar.year_to_date:
        year_before += [p for p in islice(_before(year_before[0], calendar), 1) if p.year == year_before[0].year]
        later += islice(_rest_of_the_year(period), LATER)
    return Neighbours(
        _stretch(period, calendar),
        *(tuple(_stretch(p, calendar) for p in periods) for periods in (earlier, year_before, later)),
    )


def _before(period: Period, calendar: _Calendar) -> Iterator[Period]:
    """The periods before this one, the latest first."""
    try:
        while True:
            period = _together(period.previous(), calendar) if calendar.together else period.previous()
            yield period
    except InvalidPeriod:
        # Nothing is reported about the years before those that a period may name.
        return


def _together(previous: Period, calendar: _Calendar) -> Period:
    """The period before, where January and February are reported as one."""
    if previous.frequency is Frequency.RANGE:
        # Of the two months' own length, November and December: December is what is reported.
        return Period.parse(f"{previous.year:04d}-12")
    if previous.start.month > 2:
        return previous
    if not calendar.year_to_date:
        return Period.parse(f"{previous.year:04d}-01-01/P2M")
    return previous if previous.start.month == 2 else previous.previous()


def _rest_of_the_year(period: Period) -> Iterator[Period]:
    following = period.next()
    while following.year == period.year:
        yield following
        following = following.next()


def _stretch(period: Period, calendar: _Calendar) -> Stretch:
    parts = 1
    if calendar.year_to_date:
        parts = period.end.month // _MONTHS[period.frequency]
    elif calendar.flow and period.frequency is Frequency.RANGE:
        parts = 2
    return Stretch(period.key, period.year, parts)
