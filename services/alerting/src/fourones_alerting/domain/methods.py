"""The three ways of judging progress towards a target. DESIGN.md, section 5, says which is used when.

Shares of a curve are exact fractions. Growth takes roots, so it is computed in binary floating point: its
sixteen digits are far finer than the thresholds, and the quotient under the root is taken exactly first, so that
a change of unit never changes a verdict.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from fourones_alerting.domain.verdicts import Verdict
from fourones_shared.catalogue.model import Band
from fourones_shared.domain.curves import years_between
from fourones_shared.domain.ways import Way, to_decimal
from fourones_shared.errors import CatalogueRefused

# An exponential model cannot start from or aim at nothing (Statistics Canada, "Special considerations for the
# base value and the target value").
ZERO_COUNTS_AS = Decimal("0.001")
# The exponent of the scaling factor near a natural limit (same source): chosen there so that "on track" can be
# reached for fifteen years without crossing the limit.
LIMIT_EXPONENT = 4.44
# A ratio beyond this says no more than "far beyond": it comes from a base of almost nothing.
LARGEST_RATIO = 1e12


@dataclass(frozen=True, slots=True)
class Level:
    """A value at the end of a day."""

    day: date
    value: Decimal


@dataclass(frozen=True, slots=True)
class MethodResult:
    """What one method says; `ratio` is its measure of progress, None where it has none.

    The ratio is for plan-curve the share reached ÷ the share due, for required-growth the actual growth ÷ the
    required one (without a target: the yearly growth in the desired direction), for projection the share of the
    way that is reached by the due date if growth goes on.
    """

    verdict: Verdict
    ratio: Decimal | None = None


NOT_ASSESSABLE = MethodResult(Verdict.NOT_ASSESSABLE)


def plan_curve(way: Way, value: Decimal, day: date, bands: Sequence[Band], *, met: bool) -> MethodResult:
    """序时进度: the share of the way reached against the share due by the end of `day`, judged by the plan's bands.

    Source: the usual practice of Chinese plan supervision; the bands are data of the plan. Exact.

    Args:
        way: from where to where, along which curve.
        value: what was reached.
        day: the day the value is about.
        bands: share behind the curve → verdict; without gap or overlap.
        met: whether the target value is satisfied, which is tested first.
    """
    reached, due = way.share_reached(value), way.curve.share_due(day)
    ratio = to_decimal(reached / due, 10) if reached is not None and due > 0 else None
    if met:
        return MethodResult(Verdict.ACHIEVED, ratio)
    return MethodResult(band_verdict(bands, way.share_behind(value, day)), ratio)


def band_verdict(bands: Sequence[Band], behind: Fraction) -> Verdict:
    """The verdict of the band that holds a share behind the curve (0.10 is ten points behind).

    Raises:
        CatalogueRefused: when no band holds it; a checked catalogue has no such gap.
    """
    for band in bands:
        above = band.over is None or behind > Fraction(band.over)
        if above and (band.up_to is None or behind <= Fraction(band.up_to)):
            return Verdict(band.verdict.value)
    raise CatalogueRefused([f"no light band holds {float(behind):.4f} behind the curve: close the gap"])


def required_growth(
    base: Level,
    current: Level,
    target: Level | None,
    sense: int,
    *,
    limit: Decimal | None = None,
    met: bool | None = None,
) -> MethodResult:
    """Actual yearly growth since the base against the growth that leads to the target on time.

    R = s·d·CAGRa / |CAGRr|; without a target s·d·CAGRa against 1.5 %, 0.5 % and 0, the positive thresholds scaled
    near a natural limit. Years are counted between the ends of the periods, a month as a twelfth.

    Source: Statistics Canada, "Progress Measurement Methodology for the Sustainable Development Goals" (as
    published with Open SDG), after Eurostat, "Sustainable development in the European Union", annex on methods.

    Args:
        base: where the way began.
        current: the value to judge.
        target: the value to reach and the day by which; None for an indicator without one.
        sense: +1 where higher is better, -1 where lower is.
        limit: the natural limit in the desired direction; only used without a target.
        met: whether the target is satisfied; by default whether `current` has reached its value. Tested first.
    """
    if met is None:
        met = target is not None and sense * (current.value - target.value) >= 0
    progress = _growth_progress(base, current, target, sense)
    ratio = _shown(progress)
    if met:
        return MethodResult(Verdict.ACHIEVED, ratio)
    if progress is None:
        return NOT_ASSESSABLE
    if target is not None:
        return MethodResult(_graded(progress, 0.95, 0.60), ratio)
    scale = 1.0 if limit is None else limit_factor(base.value, limit)
    return MethodResult(_graded(progress, 0.015 * scale, 0.005 * scale), ratio)


def limit_factor(base: Decimal, limit: Decimal) -> float:
    """C, between 0 and 1: how much of the usual growth can be asked of a base so near a natural limit.

    1 - (y0/lim)^4.44 up to the limit, 1 - ((2·lim - y0)/lim)^4.44 up to twice the limit, 1 beyond.

    Source: Statistics Canada, as for `required_growth`. Magnitudes count, so that negative scales work alike.
    """
    y0, lim = abs(base), abs(limit)
    if y0 >= 2 * lim:
        return 1.0
    distance = y0 if y0 <= lim else 2 * lim - y0
    return 1.0 - math.pow(distance / lim, LIMIT_EXPONENT)


def projection(base: Level, current: Level, target: Level, sense: int, *, met: bool | None = None) -> MethodResult:
    """Carry the actual growth on to the due date: q = (v̂ - v_b) / (v_T - v_b), ≥ 0.95, ≥ 0.10, or below.

    Source: United Nations Statistics Division, "Progress Chart Technical Note 2023".

    Args:
        base: where the way began.
        current: the value to judge.
        target: the value to reach and the day by which.
        sense: +1 where higher is better, -1 where lower is.
        met: whether the target is satisfied; by default whether `current` has reached its value. Tested first.
    """
    if met is None:
        met = sense * (current.value - target.value) >= 0
    expected = projected(base, current, target.day)
    way = Fraction(target.value) - Fraction(base.value)
    q = None
    # A goal on the wrong side of the base (a ceiling, or a value to hold) leaves no way to measure shares of.
    if expected is not None and sense * way > 0:
        q = (expected - Fraction(base.value)) / way
    ratio = None if q is None else _shown(float(q))
    if met:
        return MethodResult(Verdict.ACHIEVED, ratio)
    if q is None:
        return NOT_ASSESSABLE
    if q >= Fraction(95, 100):
        return MethodResult(Verdict.ON_TRACK, ratio)
    return MethodResult(Verdict.LAGGING if q >= Fraction(1, 10) else Verdict.OFF_TRACK, ratio)


def projected(base: Level, current: Level, day: date) -> Fraction | None:
    """The value at the end of `day` if growth since the base goes on; None where the base is not in the past.

    Compound growth; from a base of 0 and across signs, where no growth rate exists, the yearly amount goes on.
    """
    past, ahead = years_between(base.day, current.day), years_between(current.day, day)
    if past <= 0:
        return None
    start, now = Fraction(base.value), Fraction(current.value)
    if ahead == 0:
        return now
    if start == 0 or start * now < 0:
        return now + (now - start) * ahead / past
    factor = _power(now / start, ahead / past)
    return now * Fraction(factor) if math.isfinite(factor) else None


def _growth_progress(base: Level, current: Level, target: Level | None, sense: int) -> float | None:
    start = base.value or ZERO_COUNTS_AS
    goal = None if target is None else target.value or ZERO_COUNTS_AS
    values = [start, current.value] + ([] if goal is None else [goal])
    elapsed = years_between(base.day, current.day)
    if elapsed <= 0 or (min(values) < 0 < max(values)):
        return None
    # Where all values are negative, growing in size means falling.
    sign = -1 if start < 0 else 1
    actual = sign * sense * (_power(Fraction(current.value) / Fraction(start), 1 / elapsed) - 1)
    if target is None or goal is None:
        return actual
    allowed = years_between(base.day, target.day)
    if allowed <= 0:
        return None
    required = abs(_power(Fraction(goal) / Fraction(start), 1 / allowed) - 1)
    if required == 0:
        # The base was at the target already: only the direction of the change can be told.
        return math.copysign(math.inf, actual) if actual else 0.0
    return actual / required


def _power(quotient: Fraction, exponent: Fraction) -> float:
    try:
        return math.pow(quotient, exponent)
    except OverflowError:
        return math.inf


def _graded(progress: float, on_track: float, lagging: float) -> Verdict:
    if math.isnan(progress):
        return Verdict.NOT_ASSESSABLE
    if progress >= on_track:
        return Verdict.ON_TRACK
    if progress >= lagging:
        return Verdict.LAGGING
    return Verdict.OFF_TRACK if progress >= 0 else Verdict.DETERIORATING


def _shown(progress: float | None) -> Decimal | None:
    if progress is None or not abs(progress) <= LARGEST_RATIO:
        return None
    return to_decimal(Fraction(progress), 10)
