"""Values of derived indicators, computed from the values of others: ratio, growth, count at or above a threshold.

Inputs are the values of the same scope and period; where an input is reported more finely, those of the stretch. A
derived value says something only where its two sides are of the same members and the same time, so an incomplete one
is computed from what is reported only if both sides lack the same. Everything is exact until the last step, which
rounds to the indicator's decimals, half to even; `%` multiplies by 100 and `‰` by 1000 before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from functools import partial
from typing import NamedTuple

from fourones_aggregation.domain.facts import Ask, Fact
from fourones_aggregation.domain.scopes import Scope
from fourones_aggregation.domain.series import Measure, base_of, comparable, growth_between, measures, needs
from fourones_aggregation.domain.stretches import (
    OverTime,
    combine,
    expected_between,
    over_time,
    parts,
    reaches_through,
    union,
    weakest,
)
from fourones_shared.catalogue.duties import as_expected, is_expected
from fourones_shared.catalogue.model import (
    TOTAL,
    Adding,
    Catalogue,
    CountAtOrAbove,
    Formula,
    Growth,
    GrowthOver,
    Indicator,
    Kind,
    Ratio,
)
from fourones_shared.domain.periods import Frequency, Period
from fourones_shared.domain.ways import to_decimal
from fourones_shared.events.model import Status

_TIMES = {"%": 100, "‰": 1000}
# `to_decimal` rounds by the first 60 digits: of a root with more, one that ends is met exactly, and a half is seen as
# a half.
_ROOT = Context(prec=80, rounding=ROUND_HALF_EVEN)
# A growth looks back at most two periods of a year each (the single year before the one before).
_LOOKS_BACK = timedelta(days=2 * 366)
# A mean annual growth since a base is wanted for as long as its plan and the next ones run.
_MEAN_RUNS_FOR = timedelta(days=25 * 366)


@dataclass(frozen=True, slots=True)
class Computed:
    """A derived value with what it rests on.

    Attributes:
        value: in the indicator's unit and decimals; None where it cannot be computed.
        known, of: the coverage, reporters of both sides together; for a count the clusters that are completely known,
            out of those that have to be.
        missing: who lacks in the inputs; for a count the clusters that are not completely known.
        status: the weakest of the inputs; None with the value.
    """

    value: Decimal | None
    known: int
    of: int
    missing: tuple[str, ...]
    status: Status | None


class Derivations:
    """Which derived indicators rest on which inputs, in one catalogue version."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self._of: dict[str, tuple[Indicator, ...]] = {}
        for indicator in catalogue.indicators:
            for source in dict.fromkeys(indicator.inputs):
                self._of[source] = (*self._of.get(source, ()), indicator)
        self._needed: dict[tuple[str, str], frozenset[tuple[str, str]]] = {}

    def of(self, indicator: str) -> tuple[Indicator, ...]:
        """The derived indicators that have it among their inputs, in the catalogue's order; most have none."""
        return self._of.get(indicator, ())

    def touches(self, indicator: str, period: Period, until: date | None = None) -> list[tuple[str, Period]]:
        """The derived indicators and their reporting periods whose value a figure can move, whatever its scope.

        A period is touched exactly when `inputs` asks for the figure's in some scope. An early part of a stretch that
        takes the last moves it too, as long as no later part has a value.

        Args:
            indicator: the figure's.
            period: the figure's.
            until: the last day on which periods have opened; without it, all that it will ever move are given, those
                of a mean annual growth for 25 years.
        """
        return [
            (derived.id, other)
            for derived in self.of(indicator)
            for other in _after(derived, period, until)
            if (indicator, period.key) in self._needed_by(derived, other)
        ]

    def _needed_by(self, derived: Indicator, period: Period) -> frozenset[tuple[str, str]]:
        key = (derived.id, period.key)
        if key not in self._needed:
            self._needed[key] = frozenset(
                (source.id, part.key)
                for source in (self.catalogue.indicator[i] for i in derived.inputs)
                for wanted in _wanted(derived, source, period)
                for part in _reported(source, wanted)
            )
        return self._needed[key]


def inputs(catalogue: Catalogue, indicator: Indicator, period: Period, scope: Scope) -> list[Ask]:
    """Every fact that the value needs, each once; periods that the catalogue does not expect are not asked for.

    Args:
        catalogue: holds the inputs.
        indicator: the derived one; one that is not derived needs nothing.
        period: one of its periods, or a stretch of them: the inputs are those of the stretch then, never the sum of
            derived values.
        scope: for a count the city's or a tier's; it needs nothing in another. The inputs' own is each cluster's then,
            over organisations, else the same.
    """
    asks: dict[Ask, None] = {}
    for source, of in _members(catalogue, indicator, scope):
        for wanted in _wanted(indicator, source, period):
            asks |= dict.fromkeys(Ask(source.id, part.key, of) for part in _reported(source, wanted))
    return list(asks)


def evaluate(
    catalogue: Catalogue,
    indicator: Indicator,
    period: Period,
    scope: Scope,
    facts: Mapping[Ask, Fact],
    *,
    expected: Callable[[Ask], int],
) -> Computed:
    """The value from the facts of `inputs`.

    A ratio or growth has none where a side has none, the denominator is 0, or the base is not positive.

    A count is of the clusters whose complete value is at or above the threshold, and of those that lack reporters or
    months but have reached it all the same with values that can only grow (no value below 0, summed); the latter
    are not `known`. It has no value while no cluster has one. A cluster of which nobody is expected is not counted.

    Args:
        catalogue: holds the inputs.
        indicator: the derived one.
        period: one of its periods, or a stretch of them.
        scope: as for `inputs`.
        facts: one that is absent has not opened.
        expected: how many reporters the catalogue expects for an ask without a fact.
    """
    look = partial(_side, facts=facts, expected=expected)
    match indicator.derived:
        case Ratio():
            top, bottom = (look(source, period, of) for source, of in _members(catalogue, indicator, scope))
            return _ratio(indicator, top, bottom)
        case Growth() as derived:
            source = catalogue.indicator[derived.of]
            sides = {wanted: look(source, wanted, scope) for wanted in _wanted(indicator, source, period)}
            return _growth(indicator, derived, source, as_expected(source, period), sides)
        case CountAtOrAbove() as derived:
            members = _members(catalogue, indicator, scope)
            return _count(derived, [(of.cluster, look(source, period, of)) for source, of in members])
        case None:
            return Computed(None, 0, 0, (), None)


class _Side(NamedTuple):
    """One input's value in a period.

    Attributes:
        source: the input.
        period: as the input names it.
        fact: of the period or the whole stretch; without a value where nothing has opened.
        made_of: the periods with a value in it, in order, each with its own fact.
    """

    source: Indicator
    period: Period
    fact: Fact
    made_of: tuple[tuple[Period, Fact], ...]


def _side(
    source: Indicator, wanted: Period, scope: Scope, facts: Mapping[Ask, Fact], expected: Callable[[Ask], int]
) -> _Side:
    period = as_expected(source, wanted)
    asks = {part: Ask(source.id, part.key, scope) for part in _reported(source, period)}
    opened = [(part, facts[ask]) for part, ask in asks.items() if ask in facts]
    valued = tuple((part, fact) for part, fact in opened if fact.value is not None)
    if tuple(asks) == (period,):
        fact = opened[0][1] if opened else Fact(None, None, 0, expected(asks[period]))
        return _Side(source, period, fact, valued)
    by_key = {part.key: fact for part, fact in opened}
    last_only = over_time(source) is OverTime.LAST
    combined = combine(source, asks, by_key, lambda part: expected(asks[part]))
    if combined is None:
        counted = list(asks.values())[-1:] if last_only else list(asks.values())
        combined = Fact(None, None, 0, sum(expected(ask) for ask in counted))
    return _Side(source, period, combined, valued[-1:] if last_only else valued)


def _ratio(indicator: Indicator, top: _Side, bottom: _Side) -> Computed:
    above, below = top.fact.value, bottom.fact.value
    value = None
    if above is not None and below and _alike(top, bottom):
        value = _rounded(indicator, Fraction(above) / Fraction(below))
    return _of_both(value, top.fact, bottom.fact)


def _growth(
    indicator: Indicator, derived: Growth, source: Indicator, period: Period, sides: Mapping[Period, _Side]
) -> Computed:
    facts = {side.period.key: side.fact for side in sides.values()}
    base = _base(derived, source, period)
    if base is None:
        now = facts[period.key]
        return Computed(None, now.reported, now.expected, now.missing, None)
    single = derived.over is GrowthOver.PREVIOUS
    grown = growth_between(source, period, base, facts, single=single)
    value = None
    if grown.factor is not None:
        if derived.over is GrowthOver.MEAN_ANNUAL:
            value = _mean_annual(indicator, derived, grown.factor, _years(base, period))
        else:
            value = _rounded(indicator, grown.factor - 1)
    return _of_both(value, grown.now, grown.base)


def _count(derived: CountAtOrAbove, clusters: Iterable[tuple[str, _Side]]) -> Computed:
    concerned = [(cluster, side) for cluster, side in clusters if side.fact.expected or side.fact.value is not None]
    valued = [(side, side.fact.value) for _, side in concerned if side.fact.value is not None]
    known = [cluster for cluster, side in concerned if _is_known(side)]
    reached = sum(value >= derived.threshold and (_is_known(side) or _only_grows(side)) for side, value in valued)
    return Computed(
        value=Decimal(reached) if valued else None,
        known=len(known),
        of=len(concerned),
        missing=union([tuple(cluster for cluster, _ in concerned if cluster not in known)]),
        status=weakest(side.fact.status for side, _ in valued),
    )


def _is_known(side: _Side) -> bool:
    fact = side.fact
    return fact.value is not None and fact.complete and reaches_through(side.source, side.period, fact)


def _only_grows(side: _Side) -> bool:
    """Whether what is still missing can only add to the value: reporters to a sum, and months to a flow."""
    source = side.source
    adds = source.over_organisations is Adding.SUM and source.minimum is not None and source.minimum >= 0
    return adds and (source.kind is Kind.FLOW or reaches_through(source, side.period, side.fact))


def _alike(one: _Side, other: _Side) -> bool:
    """Whether both sides are of the same members and the same time."""
    if (_is_direct(one) and _is_direct(other)) or _times(one) == _times(other):
        pairs = zip(one.made_of, other.made_of, strict=True)
        return all(comparable(fact, against) for (_, fact), (_, against) in pairs)
    # A sum against a last, or of months against quarters: nothing lacks in either, up to the same day.
    return one.made_of[-1][0].end == other.made_of[-1][0].end and _without_gap(one) and _without_gap(other)


def _is_direct(side: _Side) -> bool:
    """Whether the input is reported for the very period."""
    return [period for period, _ in side.made_of] == [side.period]


def _times(side: _Side) -> tuple[tuple[date, date], ...]:
    """What the value is of: a sum of its periods from first to last day, a last of its last day alone."""
    last_only = over_time(side.source) is OverTime.LAST
    return tuple((period.end if last_only else period.start, period.end) for period, _ in side.made_of)


def _without_gap(side: _Side) -> bool:
    if not all(fact.complete for _, fact in side.made_of):
        return False
    if _is_direct(side) or over_time(side.source) is OverTime.LAST:
        return True
    made_of = tuple(period for period, _ in side.made_of)
    asked = parts(side.source, side.period)
    return made_of == asked[: len(made_of)] and made_of[0].start == side.period.start


def _of_both(value: Decimal | None, one: Fact, other: Fact) -> Computed:
    return Computed(
        value=value,
        known=one.reported + other.reported,
        of=one.expected + other.expected,
        missing=union((one.missing, other.missing)),
        status=None if value is None else weakest((one.status, other.status)),
    )


def _mean_annual(indicator: Indicator, derived: Growth, factor: Fraction, years: int | None) -> Decimal | None:
    """The yearly rate of a growth over several years; a negative factor has no root, hence no compound rate."""
    if years is None:
        return None
    if derived.formula is Formula.ARITHMETIC_MEAN:
        return _rounded(indicator, (factor - 1) / years)
    return None if factor < 0 else _rounded(indicator, _root(factor, years) - 1)


def _root(factor: Fraction, years: int) -> Fraction:
    if factor == 0 or years == 1:
        return factor
    logarithm = _ROOT.ln(_ROOT.divide(Decimal(factor.numerator), Decimal(factor.denominator)))
    return Fraction(_ROOT.exp(_ROOT.divide(logarithm, Decimal(years))))


def _years(base: Period, period: Period) -> int | None:
    """How many years lie between the same part of two years; None for other pairs, whose season would be growth."""
    if base.frequency is not period.frequency or period.frequency is Frequency.WEEK:
        return None
    if (base.start.month, base.end.month) != (period.start.month, period.end.month):
        return None
    return period.year - base.year if period.year > base.year else None


def _rounded(indicator: Indicator, value: Fraction) -> Decimal:
    return to_decimal(value * _TIMES.get(indicator.unit, 1), indicator.decimals)


def _members(catalogue: Catalogue, indicator: Indicator, scope: Scope) -> list[tuple[Indicator, Scope]]:
    """The inputs with the scope in which each is looked at."""
    match indicator.derived:
        case Ratio() as ratio:
            return [(catalogue.indicator[i], scope) for i in (ratio.numerator, ratio.denominator)]
        case Growth() as growth:
            return [(catalogue.indicator[growth.of], scope)]
        case CountAtOrAbove() as count:
            if scope.org != TOTAL or scope.cluster != TOTAL:
                return []
            sources = [catalogue.indicator[i] for i in count.of]
            return [
                (source, Scope(TOTAL, cluster.id, TOTAL))
                for cluster in catalogue.clusters
                if scope.tier in {TOTAL, cluster.tier}
                for source in sources
                if cluster.id in source.clusters
            ]
        case None:
            return []


def _wanted(indicator: Indicator, source: Indicator, period: Period) -> tuple[Period, ...]:
    """The periods or stretches of an input that the derived indicator's period is made of."""
    own = as_expected(source, period)
    if not isinstance(indicator.derived, Growth):
        return (own,)
    base = _base(indicator.derived, source, own)
    if base is None:
        return (own,)
    if indicator.derived.over is GrowthOver.PREVIOUS:
        return needs(source, Measure.MOM, (own,))
    return tuple(sorted({own, base}))


def _base(derived: Growth, source: Indicator, period: Period) -> Period | None:
    """The period that a growth is on; None where the input has no such growth."""
    measure = Measure.MOM if derived.over is GrowthOver.PREVIOUS else Measure.YOY
    if measure not in measures(source):
        return None
    if derived.over is GrowthOver.MEAN_ANNUAL:
        return as_expected(source, Period.parse(derived.since or ""))
    return base_of(source, measure, period)


def _reported(source: Indicator, period: Period) -> tuple[Period, ...]:
    """The period, if the input is reported for it, else the parts it is made of, if any."""
    return (period,) if is_expected(source, period) else parts(source, period)


def _after(derived: Indicator, period: Period, until: date | None) -> Iterator[Period]:
    """The derived indicator's periods that can need a figure of `period`, and some more."""
    last = period.end
    match derived.derived:
        case Growth(over=GrowthOver.MEAN_ANNUAL, since=since):
            base = Period.parse(since or "")
            if base.start <= period.end and period.start <= base.end:
                last += _MEAN_RUNS_FOR
        case Growth():
            last += _LOOKS_BACK
    last = last if until is None else min(last, until)
    yield from expected_between(derived, date(period.start.year, 1, 1), last)
