"""How sure a forecast is: the interval in which the value at the due date lies with a probability of 80 %.

The forecast carries the mean growth since the base on to the due date, which is the drift method: on the logarithm of
the values where they grow by rates, on the values themselves where no rate exists. Its interval follows from how much
the single steps differed from that mean.

Source: R. J. Hyndman, G. Athanasopoulos, "Forecasting: Principles and Practice", 3rd edition, sections 5.2 (drift
method) and 5.5 (distributional forecasts): sigma_h = sigma * sqrt(h * (1 + h / (T - 1))), sigma from the residuals
with T - 2 degrees of freedom. Steps count by their length in time, so that a missing period makes a longer step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from itertools import pairwise

from fourones_alerting.domain.methods import Level, projected
from fourones_shared.domain.curves import months_between

# Table 5.1 there, for 80 %, to more digits.
Z_80 = 1.2815515655446004
# Two steps more than the mean takes: from fewer the spread itself is a guess.
LEAST_VALUES = 4


def interval(path: Sequence[Level], due: date, *, from_nothing: bool = False) -> tuple[Fraction, Fraction] | None:
    """The bounds of the forecast that `projected` gives for the first and the last of these values.

    Args:
        path: the base, the values since, the value that is judged; in order of time.
        due: the day to which growth is carried on.
        from_nothing: whether the base is the 0 that a year starts from, which nobody has observed.

    Returns:
        Low and high; None with fewer than four values, at the due date, and where no step has a growth rate though
        the whole has.
    """
    if len(path) - from_nothing < LEAST_VALUES:
        return None
    base, current = path[0], path[-1]
    forecast = projected(base, current, due)
    ahead = float(months_between(current.day, due))
    steps = [float(months_between(one.day, other.day)) for one, other in pairwise(path)]
    if forecast is None or ahead <= 0 or min(steps) <= 0:
        return None
    by_rates = base.value != 0 and base.value * current.value > 0
    if by_rates and any(level.value * base.value <= 0 for level in path):
        return None
    values = [math.log(abs(level.value)) if by_rates else float(level.value) for level in path]
    spread = _spread(values, steps, ahead) * Z_80
    if not by_rates:
        return forecast - Fraction(spread), forecast + Fraction(spread)
    # A base of almost nothing makes growth without bounds: that says nothing, rather than infinity.
    if spread > math.log(1e6):
        return None
    bounds = forecast * Fraction(math.exp(-spread)), forecast * Fraction(math.exp(spread))
    return min(bounds), max(bounds)


def _spread(values: Sequence[float], steps: Sequence[float], ahead: float) -> float:
    whole = sum(steps)
    drift = (values[-1] - values[0]) / whole
    moves = (other - one for one, other in pairwise(values))
    residuals = ((move - drift * step) ** 2 / step for move, step in zip(moves, steps, strict=True))
    variance = sum(residuals) / (len(steps) - 1)
    return math.sqrt(variance * ahead * (1 + ahead / whole))
