"""The value that does not stand, shown beside the one that does.

Where the counties and a department both report the city's value, one of the two stands for it (`reporting.city`); a
derived indicator that a department reports too has a computed and a reported value. Neither is thrown away.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from fourones_aggregation.domain.answers import Kept, quotient, status_of, value_of
from fourones_aggregation.domain.differences import EXACT
from fourones_aggregation.domain.facts import Ask, Fact
from fourones_aggregation.domain.scopes import Place, Rule, Scope, holds
from fourones_aggregation.domain.shapes import Shapes, rule_of
from fourones_aggregation.domain.spans import spanned
from fourones_aggregation.domain.stretches import combine, latest, union, weakest
from fourones_shared.catalogue.model import TOTAL, Indicator, Stands
from fourones_shared.catalogue.zones import districts_of
from fourones_shared.domain.periods import Period
from fourones_shared.events.model import Status


class Source(StrEnum):
    """Where a value beside comes from."""

    REPORTED = "reported"
    COMPUTED = "computed"


@dataclass(frozen=True, slots=True)
class Beside:
    """The value that does not stand.

    Attributes:
        org: whose it is: the city's own code for the department's, `_T` for the counties' together.
        source: reported, or computed from other indicators.
        value, status, reported, expected, missing: as of any value.
        difference: the department's minus the counties', or the reported minus the computed; None unless both have a
            value of the same time.
    """

    org: str
    source: Source
    value: Decimal | None
    status: Status | None
    reported: int
    expected: int
    missing: tuple[str, ...]
    difference: Decimal | None


class _Side(NamedTuple):
    """Those who report the value that does not stand, in one period."""

    rule: Rule
    members: tuple[Place, ...]


def of_derived(row: Kept, org: str, city: str) -> Beside | None:
    """What is kept beside the value of a derived roll-up that is reported too; None where nobody has to report it.

    Args:
        row: the roll-up.
        org: whom it is about.
        city: the city's code; only about it are derived indicators reported.
    """
    if row.rule != Rule.DERIVED or not (row.expected or row.reported):
        return None
    reported = value_of(Rule.ONLY, row.total, row.reported)
    status = None if reported is None else status_of(row.provisional, row.estimated, row.forecast)
    difference = None if reported is None or row.computed is None else EXACT.subtract(reported, row.computed)
    known, of = row.computed_known or 0, row.computed_of or 0
    if _is_computed(row):
        lacks = (city,) if row.reported < row.expected else ()
        return Beside(org, Source.REPORTED, reported, status, row.reported, row.expected, lacks, difference)
    computed_status = None if row.computed is None or row.computed_status is None else Status(row.computed_status)
    missing = tuple(row.computed_missing or ())
    return Beside(org, Source.COMPUTED, row.computed, computed_status, known, of, missing, difference)


def asks_beside(shapes: Shapes, ask: Ask) -> Iterable[Ask]:
    """The facts that the value beside is made of; none where there is no such value."""
    indicator = shapes.catalogue.indicator.get(ask.indicator)
    if indicator is None or not _has_two(indicator, ask.scope):
        return
    for period in spanned(indicator, Period.parse(ask.period)):
        side = _other_side(shapes, indicator, period, ask.scope)
        for place in side.members if side is not None else ():
            yield _own(indicator.id, period, place)
            if side is not None and side.rule is Rule.WEIGHTED and indicator.weighted_by is not None:
                yield _own(indicator.weighted_by, period, place)


def of_city(shapes: Shapes, ask: Ask, shown: Fact, facts: Mapping[Ask, Fact]) -> Beside | None:
    """What stands beside a value over organisations, from the facts of `asks_beside`.

    None where the indicator has one value alone, or where those who report the other do not add up in this scope.
    """
    indicator = shapes.catalogue.indicator.get(ask.indicator)
    if indicator is None or not _has_two(indicator, ask.scope):
        return None
    stands = _stands(indicator)
    period = Period.parse(ask.period)
    parts = spanned(indicator, period)
    known, counts = {}, {}
    for part in parts:
        side = _other_side(shapes, indicator, part, ask.scope)
        if side is None:
            continue
        counts[part.key] = len(side.members)
        fact = _together(shapes, indicator, part, side, facts)
        if fact is not None:
            known[part.key] = fact
    other = known.get(period.key) if parts == (period,) else _stretched(indicator, parts, known, counts)
    if other is None:
        return None
    difference = None
    if other.value is not None and shown.value is not None and other.through == shown.through:
        department, counties = (other.value, shown.value) if stands is Stands.COUNTIES else (shown.value, other.value)
        difference = EXACT.subtract(department, counties)
    org = shapes.catalogue.city.id if stands is Stands.COUNTIES else TOTAL
    return Beside(
        org, Source.REPORTED, other.value, other.status, other.reported, other.expected, other.missing, difference
    )


def _is_computed(row: Kept) -> bool:
    """Whether the computed value is the one that stands (as `answers.shown` decides)."""
    complete = (row.computed_known or 0) == (row.computed_of or 0) > 0
    return complete or (row.reported == 0 and (row.computed is not None or not row.expected))


def _has_two(indicator: Indicator, scope: Scope) -> bool:
    return indicator.reporting.city is not None and indicator.derived is None and scope.org == TOTAL


def _stands(indicator: Indicator) -> Stands | None:
    return None if indicator.reporting.city is None else indicator.reporting.city.stands


def _other_side(shapes: Shapes, indicator: Indicator, period: Period, scope: Scope) -> _Side | None:
    shape = shapes.of(indicator.id, period)
    if shape is None:
        return None
    catalogue = shapes.catalogue
    present = tuple(dict.fromkeys(place.org for place in shape.places))
    if _stands(indicator) is Stands.COUNTIES:
        orgs = {catalogue.city.id}
    else:
        # A zone inside its districts counts through them here as well.
        inside = {org for org in present if districts_of(indicator, catalogue.organisation[org], present)}
        orgs = set(present) - {catalogue.city.id} - inside
    members = [
        Place(place.org, place.cluster, place.tier)
        for place in shape.places
        if place.org in orgs and holds(scope, place._replace(apart=False))
    ]
    rule = rule_of(indicator, members) if members else None
    return None if rule is None else _Side(rule, tuple(members))


def _together(
    shapes: Shapes, indicator: Indicator, period: Period, side: _Side, facts: Mapping[Ask, Fact]
) -> Fact | None:
    """What the members say together of one period; None before it has opened."""
    found = [(place, facts[ask]) for place in side.members if (ask := _own(indicator.id, period, place)) in facts]
    if not found:
        return None
    values = {place: fact.value for place, fact in found if fact.value is not None}
    of_city = side.members[0].org == shapes.catalogue.city.id
    value = _value(indicator, period, side.rule, values, facts)
    return Fact(
        value=value,
        status=None if value is None else weakest(fact.status for place, fact in found if place in values),
        reported=sum(fact.reported for _, fact in found),
        expected=sum(fact.expected for _, fact in found),
        # The one department lacks clusters, the counties lack one another.
        missing=union((_name(place, of_city),) for place, fact in found if fact.reported < fact.expected),
        version=sum(fact.version for _, fact in found),
        recorded_at=latest(fact.recorded_at for _, fact in found),
        due_at=latest(fact.due_at for _, fact in found),
    )


def _name(place: Place, of_city: bool) -> str:
    return place.cluster if of_city and place.cluster != TOTAL else place.org


def _value(
    indicator: Indicator, period: Period, rule: Rule, values: Mapping[Place, Decimal], facts: Mapping[Ask, Fact]
) -> Decimal | None:
    if not values:
        return None
    if rule is Rule.MAXIMUM:
        return max(values.values())
    if rule is Rule.WEIGHTED:
        return _weighted(indicator.weighted_by or "", period, values, facts)
    total = Decimal(0)
    for value in values.values():
        total = EXACT.add(total, value)
    return value_of(rule, total, len(values))


def _weighted(
    weighted_by: str, period: Period, values: Mapping[Place, Decimal], facts: Mapping[Ask, Fact]
) -> Decimal | None:
    total, weights = Decimal(0), Decimal(0)
    for place, value in values.items():
        fact = facts.get(_own(weighted_by, period, place))
        if fact is not None and fact.value is not None:
            total = EXACT.add(total, EXACT.multiply(value, fact.value))
            weights = EXACT.add(weights, fact.value)
    return quotient(total, weights) if weights else None


def _stretched(
    indicator: Indicator, parts: tuple[Period, ...], known: Mapping[str, Fact], counts: Mapping[str, int]
) -> Fact | None:
    return combine(indicator, parts, known, lambda part: counts.get(part.key, 0))


def _own(indicator: str, period: Period, place: Place) -> Ask:
    return Ask(indicator, period.key, Scope(place.org, place.cluster, TOTAL))
