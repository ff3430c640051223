"""How a value is held against a target value: exact, in decimals."""

from __future__ import annotations

from decimal import Decimal

from fourones_shared.catalogue.model import Comparator, Tolerance

# 左右 in the city's plans: 90 % of the number is still "about" it.
ABOUT_TOLERANCE = Decimal("0.10")


def meets(
    value: Decimal, comparator: Comparator, goal: Decimal, *, sense: int = 1, band: Tolerance | None = None
) -> bool:
    """Whether the value satisfies the target value.

    Args:
        value: what was reached, in the target's unit.
        comparator: at least, more than, at most, less than, or about.
        goal: the target value.
        sense: for "about" only: +1 asks for at least 90 % of the goal, -1 (lower is better) for at most 110 %.
        band: for "about" only: the two sides between which the value must lie instead.
    """
    match comparator:
        case Comparator.AT_LEAST:
            return value >= goal
        case Comparator.MORE_THAN:
            return value > goal
        case Comparator.AT_MOST:
            return value <= goal
        case Comparator.LESS_THAN:
            return value < goal
        case Comparator.ABOUT if band is not None:
            return -abs(goal) * band.below <= value - goal <= abs(goal) * band.above
        case Comparator.ABOUT:
            return sense * (value - goal) >= -abs(goal) * ABOUT_TOLERANCE


def beyond(value: Decimal, goal: Decimal, band: Tolerance | None, *, sense: int) -> Decimal:
    """By how much a value has gone past the far side of a two-sided band; 0 where it has not, or there is none."""
    if band is None:
        return Decimal(0)
    room = abs(goal) * (band.above if sense > 0 else band.below)
    return max(Decimal(0), sense * (value - goal) - room)
