"""The shape of an indicator in a period: its places, its roll-ups, and what is computed from its figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fourones_aggregation.domain.derived import Derivations
from fourones_aggregation.domain.facts import Ask
from fourones_aggregation.domain.scopes import CITY, Place, Rule, Scope, holds, natural_scopes
from fourones_shared.catalogue.duties import is_expected, reporter_of, subjects
from fourones_shared.catalogue.model import (
    TOTAL,
    Adding,
    Catalogue,
    Cluster,
    CountAtOrAbove,
    Growth,
    Indicator,
    Organisation,
    Ratio,
)
from fourones_shared.catalogue.zones import stands_apart
from fourones_shared.domain.periods import Period

_RULES = {
    Adding.SUM: Rule.SUM,
    Adding.MEAN: Rule.MEAN,
    Adding.MAXIMUM: Rule.MAXIMUM,
    Adding.WEIGHTED_MEAN: Rule.WEIGHTED,
}


class Dependent(NamedTuple):
    """A roll-up that is computed from others; the period by its key."""

    indicator: str
    period: str
    scope: Scope


@dataclass(frozen=True, slots=True)
class Shape:
    """How one indicator rolls up in one period; equal for all periods with the same organisations.

    Attributes:
        places: every place with a duty, by organisation, then cluster.
        reporter: who has each place's duty.
        rules: every scope that has a row, and how it adds up.
        rows_of: the scopes with a row that each place is a member of; its keys are the places' (org, cluster).
        repeats_of: the scopes without a row whose value is the place's own figure, itself among them.
        repeated: the place that each of those scopes repeats.
        may_not_apply: organisations that may declare that it does not apply to them.
        computed: the scopes with a row whose value is computed from its members' figures.
    """

    places: tuple[Place, ...]
    reporter: Mapping[tuple[str, str], str]
    rules: Mapping[Scope, Rule]
    rows_of: Mapping[tuple[str, str], tuple[Scope, ...]]
    repeats_of: Mapping[tuple[str, str], tuple[Scope, ...]]
    repeated: Mapping[Scope, Place]
    may_not_apply: frozenset[str]
    computed: frozenset[Scope]

    def members(self, scope: Scope) -> list[Place]:
        """The places that the scope holds."""
        return [place for place in self.places if holds(scope, place)]


class Shapes:
    """The shapes of one catalogue version, each worked out once."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self._named: dict[str, set[Scope]] = {}
        for target in catalogue.targets:
            self._named.setdefault(target.indicator, set()).add(Scope(target.org, target.cluster, target.tier))
        self._by_period: dict[tuple[str, str], Shape | None] = {}
        self._by_members: dict[tuple[object, ...], Shape] = {}
        self._derivations = Derivations(catalogue)
        self._weighted: dict[str, list[Indicator]] = {}
        for indicator in catalogue.indicators:
            if indicator.weighted_by is not None:
                self._weighted.setdefault(indicator.weighted_by, []).append(indicator)
        self._dependents: dict[tuple[str, str, str, str], tuple[Dependent, ...]] = {}

    def of(self, indicator: str, period: Period) -> Shape | None:
        """The shape, or None when the catalogue expects no such figures."""
        key = (indicator, period.key)
        if key not in self._by_period:
            self._by_period[key] = self._work_out(indicator, period)
        return self._by_period[key]

    def admits(self, indicator: str, org: str, cluster: str, period: Period) -> bool:
        """Whether a figure counts under this catalogue."""
        shape = self.of(indicator, period)
        return shape is not None and (org, cluster) in shape.rows_of

    def expected(self, ask: Ask) -> int:
        """How many reporters the catalogue expects in a scope and period, open or not."""
        shape = self.of(ask.indicator, Period.parse(ask.period))
        if shape is None:
            return 0
        return len(shape.members(ask.scope)) if ask.scope in shape.rules else int(ask.scope in shape.repeated)

    def definition(self, indicator: str) -> object:
        """All that decides the indicator's duties and roll-ups; equal definitions need no rebuilding."""
        known = self.catalogue.indicator.get(indicator)
        if known is None:
            return None
        organisations = {o for o in self.catalogue.organisations if _concerns(known, o)}
        clusters = [self.catalogue.cluster[c] for c in known.clusters]
        others = tuple(self.definition(i) for i in sources_of(known))
        return known, frozenset(organisations), tuple(clusters), frozenset(self._named.get(indicator, ())), others

    def has_dependents(self, indicator: str) -> bool:
        """Whether anything is computed from the indicator's figures."""
        return bool(self._weighted.get(indicator)) or bool(self._derivations.of(indicator))

    def dependents(self, indicator: str, org: str, cluster: str, period: str) -> tuple[Dependent, ...]:
        """The roll-ups whose computed value a figure can move without being a member of them; the period by its key."""
        key = (indicator, org, cluster, period)
        if key not in self._dependents:
            self._dependents[key] = tuple(self._find_dependents(*key))
        return self._dependents[key]

    def _find_dependents(self, indicator: str, org: str, cluster: str, period: str) -> Iterator[Dependent]:
        at = Period.parse(period)
        tier = self.catalogue.cluster[cluster].tier if cluster in self.catalogue.cluster else TOTAL
        weighted = [(known.id, at) for known in self._weighted.get(indicator, ())]
        # A figure that weighs moves the weighted mean, and with it what is derived from that.
        moving = (indicator, *(other for other, _ in weighted))
        derived = dict.fromkeys(touched for moved in moving for touched in self._derivations.touches(moved, at))
        for other, when in [*weighted, *derived]:
            shape = self.of(other, when)
            if shape is None:
                continue
            rule = Rule.WEIGHTED if (other, when) in weighted else Rule.DERIVED
            for scope, kept in shape.rules.items():
                # Whether the place is apart does not matter here: what is computed anew without need stays the same.
                if kept is rule and holds(scope, Place(org, cluster, tier)):
                    yield Dependent(other, when.key, scope)

    def _work_out(self, indicator: str, period: Period) -> Shape | None:
        known = self.catalogue.indicator.get(indicator)
        if known is None or not is_expected(known, period):
            return None
        about = {i: _ids(self.catalogue, self.catalogue.indicator[i], period) for i in sources_of(known)}
        key = (indicator, _ids(self.catalogue, known, period), tuple(about.values()))
        if key not in self._by_members:
            named = self._named.get(indicator, set())
            self._by_members[key] = shape_of(self.catalogue, known, key[1], named, about)
        return self._by_members[key]


def shape_of(
    catalogue: Catalogue,
    indicator: Indicator,
    organisations: Sequence[str],
    named: set[Scope],
    sources: Mapping[str, Sequence[str]] | None = None,
) -> Shape:
    """The shape of an indicator that is about the given organisations.

    Args:
        catalogue: holds clusters and organisations.
        indicator: whose shape.
        organisations: whom it is about in the period.
        named: the scopes that targets name.
        sources: for a derived one the organisations that each of its inputs is about.
    """
    present = tuple(organisations)
    places = _places(catalogue, indicator, present)
    members: dict[Scope, list[Place]] = {}
    for place in places:
        for scope in natural_scopes(place) | named:
            if holds(scope, place):
                members.setdefault(scope, []).append(place)
    derived = _derived_scopes(catalogue, indicator, present, sources or {})
    rules: dict[Scope, Rule] = dict.fromkeys(derived - members.keys(), Rule.DERIVED)
    repeats: dict[tuple[str, str], list[Scope]] = {(p.org, p.cluster): [] for p in places}
    rows: dict[tuple[str, str], list[Scope]] = {(p.org, p.cluster): [] for p in places}
    repeated: dict[Scope, Place] = {}
    for scope, held in sorted(members.items()):
        rule = Rule.DERIVED if scope in derived else rule_of(indicator, held)
        if rule is Rule.ONLY and scope not in named:
            repeats[held[0].org, held[0].cluster].append(scope)
            repeated[scope] = held[0]
        elif rule is not None:
            rules[scope] = rule
            for place in held:
                rows[place.org, place.cluster].append(scope)
    return Shape(
        places=places,
        reporter={(p.org, p.cluster): reporter_of(catalogue, indicator, p.org, p.cluster) for p in places},
        rules=rules,
        rows_of={place: tuple(scopes) for place, scopes in rows.items()},
        repeats_of={place: tuple(scopes) for place, scopes in repeats.items()},
        repeated=repeated,
        may_not_apply=frozenset(indicator.reporting.may_not_apply),
        computed=frozenset(scope for scope, rule in rules.items() if rule in {Rule.MAXIMUM, Rule.WEIGHTED}),
    )


def rule_of(indicator: Indicator, members: list[Place]) -> Rule | None:
    """How these members make one value; None where the catalogue does not let them, or not by one way alone."""
    ways = set()
    if len({m.org for m in members}) > 1:
        ways.add(indicator.over_organisations)
    if len({m.cluster for m in members}) > 1:
        ways.add(indicator.over_clusters)
    if not ways:
        return Rule.ONLY
    # A mean over clusters of sums over organisations is neither: total and count do not give it.
    return _RULES.get(ways.pop()) if len(ways) == 1 else None


def sources_of(indicator: Indicator) -> tuple[str, ...]:
    """The indicators that this one is computed from or weighted by."""
    return (*(() if indicator.weighted_by is None else (indicator.weighted_by,)), *indicator.inputs)


def _places(catalogue: Catalogue, indicator: Indicator, present: tuple[str, ...]) -> tuple[Place, ...]:
    if indicator.is_computed:
        return ()
    apart = {org for org in present if stands_apart(indicator, catalogue.organisation[org], present)}
    tiers = _tiers(catalogue, indicator)
    return tuple(Place(org, cluster, tier, org in apart) for org in present for cluster, tier in tiers)


def _derived_scopes(
    catalogue: Catalogue, indicator: Indicator, present: tuple[str, ...], sources: Mapping[str, Sequence[str]]
) -> set[Scope]:
    """The scopes in which a derived indicator has a value: those in which its inputs can have one."""
    match indicator.derived:
        case None:
            return set()
        case CountAtOrAbove(of=several):
            counted = {catalogue.cluster[c].tier for i in several for c in catalogue.indicator[i].clusters}
            return {CITY} | {Scope(TOTAL, TOTAL, tier) for tier in counted}
        case Ratio() | Growth():
            shapes = [shape_of(catalogue, catalogue.indicator[i], about, set()) for i, about in sources.items()]
            return {
                scope
                for org in present
                for cluster, tier in _tiers(catalogue, indicator)
                for scope in natural_scopes(Place(org, cluster, tier))
                if all(scope in shape.rules or scope in shape.repeated for shape in shapes)
            }


def _ids(catalogue: Catalogue, indicator: Indicator, period: Period) -> tuple[str, ...]:
    return tuple(o.id for o in subjects(catalogue, indicator, period))


def _tiers(catalogue: Catalogue, indicator: Indicator) -> list[tuple[str, str]]:
    return [(c.id, c.tier) for c in _clusters(catalogue, indicator)] or [(TOTAL, TOTAL)]


def _clusters(catalogue: Catalogue, indicator: Indicator) -> list[Cluster]:
    return [catalogue.cluster[c] for c in indicator.clusters]


def _concerns(indicator: Indicator, organisation: Organisation) -> bool:
    about = indicator.reporting.about
    # A new county or another city changes who has duties; naming every organisation is the safe side of cheap.
    return isinstance(about, str) or organisation.id in about
