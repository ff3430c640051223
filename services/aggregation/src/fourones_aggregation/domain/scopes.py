"""Which roll-ups a figure belongs to, and which of them merely repeat it.

A *place* is an organisation and a cluster that an indicator is reported for; every place of a period is one duty
and at most one figure. A *scope* fixes organisation, cluster or tier and totals over the rest (`_T`); its members
are the places it holds. A scope with one member repeats that figure and is kept only where a target names it.

A zone's place of an indicator that counts zones inside their districts is a member of its own organisation's scopes
alone: over organisations it counts through the districts, which are the ones expected there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from fourones_shared.catalogue.duties import is_expected, reporter_of, subjects
from fourones_shared.catalogue.model import TOTAL, Adding, Catalogue, Cluster, Indicator, Organisation
from fourones_shared.catalogue.zones import districts_of
from fourones_shared.domain.periods import Period


class Scope(NamedTuple):
    """What a roll-up totals, apart from its indicator and period; `_T` where a dimension is not fixed."""

    org: str
    cluster: str
    tier: str


class Place(NamedTuple):
    """Where a figure stands.

    Attributes:
        org: whom it is about.
        cluster: `_T` without clusters.
        tier: the cluster's.
        inside: a zone's, whose figure is part of its districts' and is not added to them.
    """

    org: str
    cluster: str
    tier: str
    inside: bool = False


class Rule(StrEnum):
    """How the members of a scope make one value."""

    SUM = "S"
    MEAN = "M"
    ONLY = "O"
    """The one member's own value."""


CITY = Scope(TOTAL, TOTAL, TOTAL)
# Differences keep these exactly; the other ways of adding need their members read again and have no rows yet.
_KEPT_BY_DIFFERENCES = {Adding.SUM: Rule.SUM, Adding.MEAN: Rule.MEAN}


@dataclass(frozen=True, slots=True)
class Shape:
    """How one indicator rolls up in one period; equal for all periods with the same organisations.

    Attributes:
        places: every place with a duty, by organisation, then cluster.
        reporter: who has each place's duty.
        rules: every scope that has a row, and how it adds up.
        rows_of: the scopes with a row that each place is a member of; its keys are the places' (org, cluster).
        repeats_of: the scopes without a row whose value is the place's own figure, itself among them.
        may_not_apply: organisations that may declare that it does not apply to them.
    """

    places: tuple[Place, ...]
    reporter: Mapping[tuple[str, str], str]
    rules: Mapping[Scope, Rule]
    rows_of: Mapping[tuple[str, str], tuple[Scope, ...]]
    repeats_of: Mapping[tuple[str, str], tuple[Scope, ...]]
    may_not_apply: frozenset[str]

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
        self._by_members: dict[tuple[str, tuple[str, ...]], Shape] = {}

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

    def definition(self, indicator: str) -> object:
        """All that decides the indicator's duties and roll-ups; equal definitions need no rebuilding."""
        known = self.catalogue.indicator.get(indicator)
        if known is None:
            return None
        organisations = {o for o in self.catalogue.organisations if _concerns(known, o)}
        clusters = [self.catalogue.cluster[c] for c in known.clusters]
        return known, frozenset(organisations), tuple(clusters), frozenset(self._named.get(indicator, ()))

    def _work_out(self, indicator: str, period: Period) -> Shape | None:
        known = self.catalogue.indicator.get(indicator)
        if known is None or not is_expected(known, period):
            return None
        organisations = tuple(o.id for o in subjects(self.catalogue, known, period))
        key = (indicator, organisations)
        if key not in self._by_members:
            named = self._named.get(indicator, set())
            self._by_members[key] = shape_of(self.catalogue, known, organisations, named)
        return self._by_members[key]


def shape_of(catalogue: Catalogue, indicator: Indicator, organisations: Iterable[str], named: set[Scope]) -> Shape:
    """The shape of an indicator that is about the given organisations, where targets name the given scopes."""
    tiers = [(c.id, c.tier) for c in _clusters(catalogue, indicator)] or [(TOTAL, TOTAL)]
    present = tuple(organisations)
    inside = {org for org in present if districts_of(indicator, catalogue.organisation[org], present)}
    places = tuple(Place(org, cluster, tier, org in inside) for org in present for cluster, tier in tiers)
    members: dict[Scope, list[Place]] = {}
    for place in places:
        for scope in _natural_scopes(place) | named:
            if holds(scope, place):
                members.setdefault(scope, []).append(place)
    rules: dict[Scope, Rule] = {}
    repeats: dict[tuple[str, str], list[Scope]] = {(p.org, p.cluster): [] for p in places}
    rows: dict[tuple[str, str], list[Scope]] = {(p.org, p.cluster): [] for p in places}
    for scope, held in sorted(members.items()):
        rule = rule_of(indicator, held)
        if rule is Rule.ONLY and scope not in named:
            repeats[held[0].org, held[0].cluster].append(scope)
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
        may_not_apply=frozenset(indicator.reporting.may_not_apply),
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
    return _KEPT_BY_DIFFERENCES.get(ways.pop()) if len(ways) == 1 else None


def holds(scope: Scope, place: Place) -> bool:
    """Whether the place is a member of the scope."""
    return (
        (scope.org == place.org or (scope.org == TOTAL and not place.inside))
        and scope.cluster in {TOTAL, place.cluster}
        and scope.tier in {TOTAL, place.tier}
    )


def _natural_scopes(place: Place) -> set[Scope]:
    """Those that a place can be a member of, targets apart."""
    return {
        Scope(place.org, place.cluster, TOTAL),
        Scope(place.org, TOTAL, TOTAL),
        Scope(TOTAL, place.cluster, TOTAL),
        Scope(TOTAL, TOTAL, place.tier),
        CITY,
    }


def _clusters(catalogue: Catalogue, indicator: Indicator) -> list[Cluster]:
    return [catalogue.cluster[c] for c in indicator.clusters]


def _concerns(indicator: Indicator, organisation: Organisation) -> bool:
    about = indicator.reporting.about
    # A new county or another city changes who has duties; naming every organisation is the safe side of cheap.
    return isinstance(about, str) or organisation.id in about
