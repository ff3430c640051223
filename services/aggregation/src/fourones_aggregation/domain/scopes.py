"""Which roll-ups a figure belongs to, and which of them merely repeat it.

A *place* is an organisation and a cluster that an indicator is reported for; every place of a period is one duty
and at most one figure. A *scope* fixes organisation, cluster or tier and totals over the rest (`_T`); its members
are the places it holds. A scope with one member repeats that figure and is kept only where a target names it.

A place that stands *apart* is a member of its own organisation's scopes alone. Over organisations a zone that counts
inside its districts counts through them; where the counties and a department both report the city's value, the one
that does not stand is shown beside the other.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from fourones_shared.catalogue.model import TOTAL


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
        apart: no member of scopes over organisations.
    """

    org: str
    cluster: str
    tier: str
    apart: bool = False


class Rule(StrEnum):
    """How the members of a scope make one value."""

    SUM = "S"
    MEAN = "M"
    ONLY = "O"
    """The one member's own value."""
    MAXIMUM = "X"
    WEIGHTED = "W"
    DERIVED = "D"
    """Computed from other indicators; its members, if any, are reported values of the same."""

    @property
    def is_computed(self) -> bool:
        """Whether differences keep only its counts, and its value is computed from what it is made of."""
        return self in {Rule.MAXIMUM, Rule.WEIGHTED, Rule.DERIVED}


CITY = Scope(TOTAL, TOTAL, TOTAL)


def holds(scope: Scope, place: Place) -> bool:
    """Whether the place is a member of the scope."""
    return (
        (scope.org == place.org or (scope.org == TOTAL and not place.apart))
        and scope.cluster in {TOTAL, place.cluster}
        and scope.tier in {TOTAL, place.tier}
    )


def natural_scopes(place: Place) -> set[Scope]:
    """Those that a place can be a member of, targets apart."""
    return {
        Scope(place.org, place.cluster, TOTAL),
        Scope(place.org, TOTAL, TOTAL),
        Scope(TOTAL, place.cluster, TOTAL),
        Scope(TOTAL, TOTAL, place.tier),
        CITY,
    }
