"""A value of any period: one that the indicator is reported for, a stretch of those, or a derived indicator's stretch.

What it is made of are facts of the indicators' own periods, so many values are had with one reading.
"""

from __future__ import annotations

from collections.abc import Mapping

from fourones_aggregation.domain.derived import evaluate, inputs
from fourones_aggregation.domain.facts import Ask, Fact
from fourones_aggregation.domain.scopes import Rule, Scope
from fourones_aggregation.domain.shapes import Shapes
from fourones_aggregation.domain.stretches import OverTime, combine, expected_between, latest, over_time, parts
from fourones_shared.catalogue.duties import is_expected
from fourones_shared.catalogue.model import Indicator
from fourones_shared.domain.periods import Frequency, Period

# Each holds whole periods of those before it.
_NESTED = (Frequency.MONTH, Frequency.QUARTER, Frequency.HALF, Frequency.YEAR)


def spanned(indicator: Indicator, period: Period) -> tuple[Period, ...]:
    """The periods that the indicator's value of this one spans: itself, or those of the stretch; none without value."""
    if is_expected(indicator, period):
        return (period,)
    if indicator.derived is None:
        return parts(indicator, period)
    frequency = indicator.reporting.frequency
    finer = _NESTED[: _NESTED.index(period.frequency)] if period.frequency in _NESTED else ()
    return expected_between(indicator, period.start, period.end) if frequency in finer else ()


def scopes_of(shapes: Shapes, indicator: Indicator, period: Period) -> set[Scope]:
    """The scopes in which the catalogue has a value for the period, open or not."""
    found: set[Scope] = set()
    for part in spanned(indicator, period):
        shape = shapes.of(indicator.id, part)
        if shape is None:
            continue
        if part == period or indicator.derived is None:
            found |= shape.rules.keys() | shape.repeated.keys()
        else:
            # A reported value of a derived indicator makes no longer one; it is computed again.
            found |= {scope for scope, rule in shape.rules.items() if rule is Rule.DERIVED}
    return found


def made_of(shapes: Shapes, ask: Ask) -> tuple[Ask, ...]:
    """The facts that a value is made of: itself for one of the indicator's own periods; none where it has no value."""
    indicator = shapes.catalogue.indicator.get(ask.indicator)
    if indicator is None:
        return ()
    period = Period.parse(ask.period)
    own = spanned(indicator, period)
    if not own or own == (period,):
        return (ask,) if own else ()
    if indicator.derived is not None:
        return tuple(inputs(shapes.catalogue, indicator, period, ask.scope))
    return tuple(Ask(ask.indicator, part.key, ask.scope) for part in own)


def fact_of(shapes: Shapes, ask: Ask, facts: Mapping[Ask, Fact]) -> Fact | None:
    """The value, from the facts of `made_of`; None when nothing of it has opened."""
    indicator = shapes.catalogue.indicator.get(ask.indicator)
    if indicator is None:
        return None
    period = Period.parse(ask.period)
    own = spanned(indicator, period)
    if own == (period,):
        return facts.get(ask)
    if indicator.derived is not None:
        return _computed(shapes, indicator, period, ask.scope, facts) if own else None
    by_period = {part.key: Ask(ask.indicator, part.key, ask.scope) for part in own}
    known = {key: facts[part] for key, part in by_period.items() if part in facts}
    return combine(indicator, own, known, lambda part: shapes.expected(by_period[part.key]))


def expected_of(shapes: Shapes, ask: Ask) -> int:
    """How many reports the catalogue expects for a value of which nothing has opened."""
    indicator = shapes.catalogue.indicator.get(ask.indicator)
    own = spanned(indicator, Period.parse(ask.period)) if indicator is not None else ()
    if indicator is not None and over_time(indicator) is OverTime.LAST:
        own = own[-1:]
    return sum(shapes.expected(Ask(ask.indicator, part.key, ask.scope)) for part in own)


def _computed(
    shapes: Shapes, indicator: Indicator, period: Period, scope: Scope, facts: Mapping[Ask, Fact]
) -> Fact | None:
    asked = inputs(shapes.catalogue, indicator, period, scope)
    known = [(Period.parse(ask.period), facts[ask]) for ask in asked if ask in facts]
    # What a growth is on lies before the period and says nothing of it.
    within = [(part, fact) for part, fact in known if period.contains(part)]
    if not within:
        return None
    made = evaluate(shapes.catalogue, indicator, period, scope, facts, expected=shapes.expected)
    valued = [part for part, fact in within if fact.value is not None]
    return Fact(
        value=made.value,
        status=made.status,
        reported=made.known,
        expected=made.of,
        missing=made.missing,
        version=sum(fact.version for _, fact in known),
        recorded_at=latest(fact.recorded_at for _, fact in known),
        due_at=latest(fact.due_at for _, fact in within),
        through=max(valued, key=lambda part: part.end).key if valued and made.value is not None else None,
    )
