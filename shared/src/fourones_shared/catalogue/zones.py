"""Whose figures count in totals over organisations, and whose stand apart from them."""

from __future__ import annotations

from collections.abc import Collection

from fourones_shared.catalogue.model import Indicator, Organisation, OrganisationKind, Stands, Zones


def districts_of(indicator: Indicator, organisation: Organisation, present: Collection[str]) -> tuple[str, ...]:
    """The districts whose figures hold the organisation's own; empty for one that counts for itself.

    Args:
        indicator: says whether zones count beside their districts or inside them.
        organisation: whose figure it is.
        present: ids of the organisations that the indicator is about in the period. A district that is not among
            them holds nothing: a zone without any other counts for itself, so that its figure is not lost.
    """
    if indicator.zones is Zones.BESIDE:
        return ()
    return tuple(district for district in organisation.within if district in present)


def stands_apart(indicator: Indicator, organisation: Organisation, present: Collection[str]) -> bool:
    """Whether the organisation's figure is left out of totals over organisations.

    A zone's is where it is part of its districts'. Where the counties and a department both report on the city, those
    that do not stand are: the department's figure about the city, or the counties'.
    """
    city = indicator.reporting.city
    if city is not None:
        about_city = organisation.kind is OrganisationKind.CITY
        if about_city is (city.stands is Stands.COUNTIES):
            return True
    return bool(districts_of(indicator, organisation, present))
