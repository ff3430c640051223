"""Figures that must fit one another: a total and its months, a growth and its end points, a zone and its districts.

A relation is about one cluster at a time and is judged only where all its figures are there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from typing import Protocol

from fourones_shared.catalogue.duties import as_expected, is_expected
from fourones_shared.catalogue.model import Doubt, Indicator, Kind, Organisation, Zones
from fourones_shared.catalogue.zones import districts_of
from fourones_shared.domain.numbers import decimals_of
from fourones_shared.domain.periods import Frequency, Period, period_of
from fourones_submission.domain.known import Series
from fourones_submission.domain.neighbours import before, months_until
from fourones_submission.domain.terms import Terms
from fourones_submission.domain.wording import amount

# A growth on a comparable base differs from one of published levels; less than a tenth of a point is not worth a word.
GROWTH_TOLERANCE_POINTS = Decimal("0.1")
# However few decimals a growth has, it was not rounded by more than to whole points.
COARSEST_GROWTH_POINTS = Decimal("0.5")

_PER_WHOLE = {"%": Decimal(100), "‰": Decimal(1000)}

ValueOf = Callable[[Series], Decimal | None]
"""A cluster's value of a series, where there is one."""


class Relation(Protocol):
    """What ties figures together.

    Attributes:
        doubt: raised when they do not fit.
        judged: the series whose figure is doubted when it is the one that comes.
        others: the series that it is held against.
    """

    @property
    def doubt(self) -> Doubt: ...  # noqa: D102

    @property
    def judged(self) -> Series: ...  # noqa: D102

    @property
    def others(self) -> tuple[Series, ...]: ...  # noqa: D102

    def contradiction(self, value: Decimal, others: Sequence[Decimal]) -> str | None:
        """What does not fit, Chinese; None when all does."""
        ...


@dataclass(frozen=True, slots=True)
class _TotalOfMonths:
    """A year-to-date value is the sum of the year's single months."""

    judged: Series
    others: tuple[Series, ...]
    total: Indicator
    months: Indicator
    doubt: Doubt = Doubt.YEAR_TO_DATE_CONTRADICTS

    def contradiction(self, value: Decimal, others: Sequence[Decimal]) -> str | None:
        together = sum(others, Decimal(0))
        apart = abs(value - together)
        if apart <= _rounding(self.months, *others) * len(others) + _rounding(self.total, value):
            return None
        unit = self.total.unit
        return (
            f"{self.judged.period} 的年初累计数 {amount(value, unit)} 与 {self.months.name}({self.months.id})"
            f"自 {self.others[0].period} 至 {self.others[-1].period} 之和 {amount(together, unit)} 相差"
            f" {amount(apart, unit)},超出四舍五入的误差:请核对累计数和各月数"
        )


@dataclass(frozen=True, slots=True)
class _Growth:
    """A reported growth is that from the base to the value."""

    judged: Series
    others: tuple[Series, ...]
    growth: Indicator
    level: Indicator
    doubt: Doubt = Doubt.GROWTH_MISMATCH

    def contradiction(self, value: Decimal, others: Sequence[Decimal]) -> str | None:
        now, base = others
        if now < 0 or base <= 0:
            # From nothing, or from or to a loss, there is no growth that could be computed.
            return None
        half = _rounding(self.level, now, base)
        whole = _PER_WHOLE.get(self.growth.unit, Decimal(1))
        point = whole / 100
        rounded = min(_half_a_unit(decimals_of(value)), point * COARSEST_GROWTH_POINTS)
        slack = point * GROWTH_TOLERANCE_POINTS + rounded
        least, most = ((now - half) / (base + half) - 1) * whole, ((now + half) / (base - half) - 1) * whole
        if least - slack <= value <= most + slack:
            return None
        computed = ((now / base - 1) * whole).quantize(point / 100, ROUND_HALF_EVEN)
        compared = "同比" if self.growth.plausibility.growth_over == "year-before" else "环比"
        return (
            f"{self.judged.period} 报送的{compared}增长 {amount(value, self.growth.unit)} 与按 {self.level.name}"
            f"({self.level.id})计算的 {amount(computed, self.growth.unit)} 不符({self.others[0].period} 为"
            f" {amount(now, self.level.unit)},{self.others[1].period} 为 {amount(base, self.level.unit)}):"
            "请核对;按可比口径计算的,请在 note 中注明"
        )


@dataclass(frozen=True, slots=True)
class _ZoneInside:
    """A zone's figure is part of its districts'."""

    judged: Series
    others: tuple[Series, ...]
    indicator: Indicator
    zone: Organisation
    districts: tuple[Organisation, ...]
    doubt: Doubt = Doubt.ZONE_BEYOND_DISTRICT

    def contradiction(self, value: Decimal, others: Sequence[Decimal]) -> str | None:
        whole = sum(others, Decimal(0))
        if value <= whole + _rounding(self.indicator, value, *others) * (len(others) + 1):
            return None
        names = "、".join(district.name for district in self.districts)
        unit = self.indicator.unit
        return (
            f"{self.zone.name} {self.judged.period} 的 {amount(value, unit)} 大于所在的{names}的 {amount(whole, unit)}:"
            "开发区的数含在所在区县之内,不应超过,请两家核对"
        )


def relations_of(series: Series, terms: Terms) -> tuple[Relation, ...]:
    """The relations that end with the series' period, whether it is the judged one or one of the others.

    A month of May is held against the year to date of May; that it belongs to the one of June too is seen when June is
    reported.
    """
    indicator = terms.indicator[series.indicator].indicator
    period = Period.parse(series.period)
    ties = _ties_of(terms)
    found: list[Relation] = []
    if indicator.plausibility.months is not None:
        found += _total(series.org, indicator, period, terms)
    for total in ties.totals_of.get(indicator.id, ()):
        last = _period_ending_with(total, period)
        if last is not None:
            found += _total(series.org, total, last, terms)
    if indicator.plausibility.growth_of is not None:
        found += _growth(series.org, indicator, period, terms)
    for growth in ties.growths_of.get(indicator.id, ()):
        found += _growth(series.org, growth, as_expected(growth, period), terms)
    if indicator.zones is Zones.INSIDE and indicator.kind is not Kind.RATIO:
        for zone in (series.org, *ties.zones_in.get(series.org, ())):
            found += _zone(zone, indicator, period, terms)
    return tuple(found)


def fits(relation: Relation, value_of: ValueOf) -> str | None:
    """What is wrong between the figures of a relation; None when they fit or not all of them are there."""
    value = value_of(relation.judged)
    if value is None:
        return None
    others = []
    for series in relation.others:
        other = value_of(series)
        if other is None:
            return None
        others.append(other)
    return relation.contradiction(value, others)


def _total(org: str, total: Indicator, period: Period, terms: Terms) -> Iterator[Relation]:
    months = terms.indicator[total.plausibility.months or ""].indicator
    periods = months_until(months, period)
    if periods:
        parts = tuple(Series(org, months.id, month) for month in periods)
        yield _TotalOfMonths(Series(org, total.id, period.key), parts, total, months)


def _period_ending_with(indicator: Indicator, period: Period) -> Period | None:
    last = period_of(indicator.reporting.frequency, period.end)
    return last if last.end == period.end and is_expected(indicator, last) else None


def _growth(org: str, growth: Indicator, period: Period, terms: Terms) -> Iterator[Relation]:
    level = terms.indicator[growth.plausibility.growth_of or ""].indicator
    if growth.reporting.frequency is Frequency.RANGE:
        return
    now = as_expected(level, period)
    base = now.year_before() if growth.plausibility.growth_over == "year-before" else before(level, now)
    if base is not None:
        ends = tuple(Series(org, level.id, end.key) for end in (now, base))
        yield _Growth(Series(org, growth.id, period.key), ends, growth, level)


def _zone(name: str, indicator: Indicator, period: Period, terms: Terms) -> Iterator[Relation]:
    organisations = terms.catalogue.organisation
    subjects = terms.indicator[indicator.id].subjects
    zone = organisations[name]
    if name not in subjects or not zone.within:
        return
    present = {o for o in zone.within if o in subjects and organisations[o].exists_in(period)}
    districts = districts_of(indicator, zone, present)
    if districts:
        wholes = tuple(Series(district, indicator.id, period.key) for district in districts)
        named = tuple(organisations[district] for district in districts)
        yield _ZoneInside(Series(name, indicator.id, period.key), wholes, indicator, zone, named)


def _rounding(indicator: Indicator, *values: Decimal) -> Decimal:
    """By how much each of the values may have been rounded.

    As they come from one hand, they are as precise as the most precise of them, and at least to one decimal where the
    indicator has any; what is counted is exact.
    """
    if indicator.decimals == 0:
        return Decimal(0)
    return _half_a_unit(max(1, *map(decimals_of, values)))


def _half_a_unit(decimals: int) -> Decimal:
    return Decimal(5).scaleb(-1 - decimals)


@dataclass(frozen=True, slots=True)
class _Ties:
    """A catalogue's relations, found from their other end."""

    totals_of: Mapping[str, tuple[Indicator, ...]]
    growths_of: Mapping[str, tuple[Indicator, ...]]
    zones_in: Mapping[str, tuple[str, ...]]


# The terms in force, and those that a request has begun with.
@lru_cache(maxsize=2)
def _ties_of(terms: Terms) -> _Ties:
    totals: dict[str, tuple[Indicator, ...]] = {}
    growths: dict[str, tuple[Indicator, ...]] = {}
    zones: dict[str, tuple[str, ...]] = {}
    for indicator in terms.catalogue.indicators:
        for name, ties in ((indicator.plausibility.months, totals), (indicator.plausibility.growth_of, growths)):
            if name is not None:
                ties[name] = (*ties.get(name, ()), indicator)
    for organisation in terms.catalogue.organisations:
        for district in organisation.within:
            zones[district] = (*zones.get(district, ()), organisation.id)
    return _Ties(totals, growths, zones)
