"""Zones whose figures are part of their districts' figures: who counts through whom."""

from __future__ import annotations

from collections.abc import Collection

from fourones_shared.catalogue.model import Indicator, Organisation, Zones


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
