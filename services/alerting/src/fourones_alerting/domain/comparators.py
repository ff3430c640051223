"""How a value is held against a target value: exact, in decimals."""

from __future__ import annotations

from decimal import Decimal

from fourones_shared.catalogue.model import Comparator

# 左右 in the city's plans: 90 % of the number is still "about" it.
ABOUT_TOLERANCE = Decimal("0.10")


def meets(value: Decimal, comparator: Comparator, goal: Decimal, *, sense: int = 1) -> bool:
    """Whether the value satisfies the target value.

    Args:
        value: what was reached, in the target's unit.
        comparator: at least, more than, at most, less than, or about.
        goal: the target value.
        sense: for "about" only: +1 asks for at least 90 % of the goal, -1 (lower is better) for at most 110 %.
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
        case Comparator.ABOUT:
            return sense * (value - goal) >= -abs(goal) * ABOUT_TOLERANCE
