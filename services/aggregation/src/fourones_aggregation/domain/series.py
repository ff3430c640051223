"""A series over consecutive periods, and what it shows beside its values: single periods, 环比, 同比.

A growth here is computed from the values as they are reported. A 同比 that a department *reports* is another indicator
and kept apart: its comparable base differs from last year's published level, so the two need not agree.

A difference or growth of two totals says something only where both are of the same members. It is refused, with the
reason, unless both are complete or lack exactly the same members.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from fourones_aggregation.domain.differences import EXACT
from fourones_aggregation.domain.facts import Fact
from fourones_aggregation.domain.stretches import (
    adds_up,
    january_and_february,
    joins_january_and_february,
    latest,
    reaches_through,
    weakest,
)
from fourones_shared.catalogue.model import Covers, Indicator, Kind
from fourones_shared.catalogue.rules.lookup import is_share
from fourones_shared.domain.periods import Frequency, Period
from fourones_shared.domain.ways import to_decimal
from fourones_shared.events.model import Status

# Growths are fractions: six places are a ten-thousandth of a percentage point.
_GROWTH_PLACES = 6


class Measure(StrEnum):
    """What a series shows of each period."""

    VALUE = "value"
    SINGLE_PERIOD = "single_period"
    """The period alone; of a year-to-date indicator by difference."""
    MOM = "mom"
    """环比: growth on the previous period; of a year-to-date indicator that of single periods."""
    YOY = "yoy"
    """同比: growth on the same period a year before; year to date against year to date."""


class Reason(StrEnum):
    """Why a point has no value."""

    NOT_OPEN = "not_open"
    """The period has not begun, or nothing is expected in it."""
    NOT_REPORTED = "not_reported"
    NOT_THROUGH = "not_through"
    """A stretch whose value does not reach from its beginning to its end yet."""
    NO_EARLIER_VALUE = "no_earlier_value"
    """The period to compare with has no value, or not one of the whole period."""
    DIFFERENT_REPORTERS = "different_reporters"
    UNLIKE_PERIODS = "unlike_periods"
    """January and February together are not to be compared with one month."""
    BASE_NOT_POSITIVE = "base_not_positive"
    NO_SUCH_MEASURE = "no_such_measure"
    """The indicator's values have no such measure: see `measures`."""


@dataclass(frozen=True, slots=True)
class Point:
    """One period of a series.

    Attributes:
        period: the one asked for.
        covers: what a single period covers: `2026-01-01/P2M` for `2026-02` where the two months are reported together;
            elsewhere the period itself.
        value: in the indicator's unit; a growth is a fraction with six places, rounded half to even. None for `reason`.
        status: the weakest of what it is made of.
        reported, expected, missing: the coverage; of two periods the worse.
        through: as in the fact, for a value.
        version, recorded_at: sum and latest over all that it is made of.
    """

    period: Period
    covers: Period
    value: Decimal | None
    status: Status | None
    reported: int
    expected: int
    missing: tuple[str, ...]
    through: str | None
    version: int
    recorded_at: datetime | None
    reason: Reason | None


class Growth(NamedTuple):
    """A growth, exact.

    Attributes:
        factor: value over base; None for `reason`.
        now, base: the two sides, each with its coverage; without a value where there is no such fact.
    """

    factor: Fraction | None
    now: Fact
    base: Fact
    reason: Reason | None


class _Amount(NamedTuple):
    """A fact without a value has a reason, one with a value none."""

    fact: Fact
    covers: Period
    reason: Reason | None


NO_FACT = Fact(None, None, 0, 0)


def measures(indicator: Indicator) -> frozenset[Measure]:
    """What a series of the indicator can show.

    Only a flow has single periods, and a difference of maxima or weighted means is none of single periods. A ratio or
    percentage does not grow: its change is told in percentage points (百分点), which are not %.
    """
    found = {Measure.VALUE}
    if is_share(indicator):
        return frozenset(found)
    single = indicator.kind is Kind.FLOW and adds_up(indicator)
    if single:
        found.add(Measure.SINGLE_PERIOD)
    if indicator.reporting.frequency is not Frequency.RANGE:
        found.add(Measure.YOY)
        if single or not _is_year_to_date(indicator):
            found.add(Measure.MOM)
    return frozenset(found)


def needs(indicator: Indicator, measure: Measure, periods: Iterable[Period]) -> tuple[Period, ...]:
    """All periods whose facts the points of these periods are made of, themselves among them, in order.

    Periods may be stretches; then so are those before them. Which of them the catalogue expects is not asked here.
    """
    found: set[Period] = set()
    for period in periods:
        found.add(period)
        if measure is Measure.SINGLE_PERIOD:
            found.update(_made_of(indicator, period))
        elif measure in {Measure.MOM, Measure.YOY}:
            base = base_of(indicator, measure, period)
            for side in (period, base) if base is not None else ():
                found.update(_made_of(indicator, side) if measure is Measure.MOM else (side,))
    return tuple(sorted(found))


def point(indicator: Indicator, measure: Measure, period: Period, facts: Mapping[str, Fact]) -> Point:
    """What the series shows of the period.

    Args:
        indicator: tells what its values cover.
        measure: what to show.
        period: one of the indicator's, or a stretch of it.
        facts: by the period's key, those of `needs`; for stretches the combined ones. Absent is not opened.
    """
    if measure not in measures(indicator):
        fact = facts.get(period.key, NO_FACT)
        return _told(period, _Amount(replace(fact, value=None, status=None), period, Reason.NO_SUCH_MEASURE))
    if measure is Measure.VALUE:
        return _told(period, _stated(period, facts))
    if measure is Measure.SINGLE_PERIOD:
        return _told(period, _single(indicator, period, facts))
    grown = growth(indicator, measure, period, facts)
    both = _both(grown.now, grown.base)
    value = None if grown.factor is None else to_decimal(grown.factor - 1, _GROWTH_PLACES)
    status = None if value is None else both.status
    return _told(period, _Amount(replace(both, value=value, status=status), period, grown.reason))


def growth(indicator: Indicator, measure: Measure, period: Period, facts: Mapping[str, Fact]) -> Growth:
    """The growth of a period on the one before (MOM) or a year before (YOY), exact; `facts` as for `point`."""
    base = base_of(indicator, measure, period)
    if base is None:
        return Growth(None, facts.get(period.key, NO_FACT), NO_FACT, Reason.UNLIKE_PERIODS)
    return growth_between(indicator, period, base, facts, single=measure is Measure.MOM)


def growth_between(
    indicator: Indicator, period: Period, base: Period, facts: Mapping[str, Fact], *, single: bool
) -> Growth:
    """The growth from one period to another; of a year-to-date indicator of the single periods, if so asked."""
    amount = _single if single else _whole
    now, before = amount(indicator, period, facts), amount(indicator, base, facts)
    reason = now.reason or _of_earlier(before.reason)
    if reason is None and not comparable(now.fact, before.fact):
        reason = Reason.DIFFERENT_REPORTERS
    if reason is None and before.fact.value is not None and before.fact.value <= 0:
        reason = Reason.BASE_NOT_POSITIVE
    factor = None
    if reason is None and now.fact.value is not None and before.fact.value is not None:
        factor = Fraction(now.fact.value) / Fraction(before.fact.value)
    return Growth(factor, now.fact, before.fact, reason)


def base_of(indicator: Indicator, measure: Measure, period: Period) -> Period | None:
    """What MOM or YOY compares a period with.

    None for the growth on the previous period where that is not as long: for January and February reported as one, and
    for the March after them.
    """
    if measure is Measure.YOY:
        return period.year_before()
    months = period.frequency in {Frequency.MONTH, Frequency.RANGE}
    if joins_january_and_february(indicator) and months and period.start.month <= 3:
        return None
    return period.previous()


def comparable(one: Fact, other: Fact) -> bool:
    """Whether two totals are of the same members, as far as facts tell: both complete, or lacking the same.

    Where several figures of one name are missing, or more than are told, who lacks what is not known.
    """
    if one.complete and other.complete:
        return True
    return set(one.missing) == set(other.missing) and _all_told(one) and _all_told(other)


def _all_told(fact: Fact) -> bool:
    return len(fact.missing) == fact.expected - fact.reported


def _is_year_to_date(indicator: Indicator) -> bool:
    return indicator.kind is Kind.FLOW and indicator.covers is Covers.YEAR_TO_DATE


def _made_of(indicator: Indicator, period: Period) -> tuple[Period, ...]:
    """What a single period is made of."""
    earlier = _earlier_in_year(indicator, period) if _is_year_to_date(indicator) else None
    return (period,) if earlier is None else (period, earlier)


def _earlier_in_year(indicator: Indicator, period: Period) -> Period | None:
    """The period whose year to date must be taken off; None for the year's first, which is its own."""
    if _opens_with_both_months(indicator, period):
        return None
    previous = period.previous()
    return previous if previous.year == period.year else None


def _opens_with_both_months(indicator: Indicator, period: Period) -> bool:
    february = period.frequency is Frequency.MONTH and period.start.month == 2
    return february and joins_january_and_february(indicator)


def _stated(period: Period, facts: Mapping[str, Fact]) -> _Amount:
    """The value as it is known."""
    fact = facts.get(period.key)
    if fact is None:
        return _Amount(NO_FACT, period, Reason.NOT_OPEN)
    return _Amount(fact, period, Reason.NOT_REPORTED if fact.value is None else None)


def _whole(indicator: Indicator, period: Period, facts: Mapping[str, Fact]) -> _Amount:
    """The value, if it is of the whole period."""
    stated = _stated(period, facts)
    if stated.reason is None and not reaches_through(indicator, period, stated.fact):
        return _Amount(replace(stated.fact, value=None, status=None), period, Reason.NOT_THROUGH)
    return stated


def _single(indicator: Indicator, period: Period, facts: Mapping[str, Fact]) -> _Amount:
    """The whole period alone, with the worse coverage of the two values that a difference is made of."""
    now = _whole(indicator, period, facts)
    if not _is_year_to_date(indicator) or now.fact.value is None:
        return now
    before = _earlier_in_year(indicator, period)
    if before is None:
        both = _opens_with_both_months(indicator, period)
        return now._replace(covers=january_and_february(period.year) if both else period)
    earlier = _whole(indicator, before, facts)
    fact = _both(now.fact, earlier.fact)
    if earlier.fact.value is None:
        return _Amount(replace(fact, value=None, status=None), period, Reason.NO_EARLIER_VALUE)
    if not comparable(now.fact, earlier.fact):
        return _Amount(replace(fact, value=None, status=None), period, Reason.DIFFERENT_REPORTERS)
    return _Amount(replace(fact, value=EXACT.subtract(now.fact.value, earlier.fact.value)), period, None)


def _both(now: Fact, earlier: Fact) -> Fact:
    """The coverage of the worse, the weaker status, and all versions of two facts."""
    worse = earlier if _share(earlier) < _share(now) else now
    return Fact(
        value=None,
        status=weakest((now.status, earlier.status)),
        reported=worse.reported,
        expected=worse.expected,
        missing=worse.missing,
        version=now.version + earlier.version,
        recorded_at=latest((now.recorded_at, earlier.recorded_at)),
        due_at=latest((now.due_at, earlier.due_at)),
    )


def _share(fact: Fact) -> Fraction:
    return Fraction(fact.reported, fact.expected) if fact.expected else Fraction(1)


def _of_earlier(reason: Reason | None) -> Reason | None:
    """What the earlier side's reason is to the growth."""
    return reason if reason in {None, Reason.DIFFERENT_REPORTERS} else Reason.NO_EARLIER_VALUE


def _told(period: Period, amount: _Amount) -> Point:
    fact = amount.fact
    return Point(
        period=period,
        covers=amount.covers,
        value=fact.value,
        status=fact.status,
        reported=fact.reported,
        expected=fact.expected,
        missing=fact.missing,
        through=fact.through,
        version=fact.version,
        recorded_at=fact.recorded_at,
        reason=amount.reason,
    )
