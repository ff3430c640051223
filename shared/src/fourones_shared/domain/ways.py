"""The way to a target: from which value to which, along which curve. For pillar scores and verdicts alike.

A by-date target runs from its baseline; one that declares a curve but no baseline runs from 0 at the plan's start;
one with neither has no way, and is judged only at its due date. A target per year, quarter, month or week starts
again every time from 0; a ratio cannot start from 0 and owes its whole value all the time.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction

from fourones_shared.catalogue.model import Cadence, Comparator, Covers, Direction, Indicator, Kind, Plan, Target
from fourones_shared.domain.curves import PlanCurve, Point
from fourones_shared.domain.periods import Frequency, Period, period_of

_FREQUENCY = {
    Cadence.YEAR: Frequency.YEAR,
    Cadence.QUARTER: Frequency.QUARTER,
    Cadence.MONTH: Frequency.MONTH,
    Cadence.WEEK: Frequency.WEEK,
}


@dataclass(frozen=True, slots=True)
class Way:
    """From `base` to `goal`, in the indicator's unit, along the curve.

    Attributes:
        sense: +1 where higher is better, -1 where lower is.
    """

    base: Decimal
    goal: Decimal
    curve: PlanCurve
    sense: int

    def due_value(self, day: date) -> Fraction:
        """The value that is due by the end of that day."""
        base, goal = Fraction(self.base), Fraction(self.goal)
        return base + (goal - base) * self.curve.share_due(day)

    def share_reached(self, value: Decimal) -> Fraction | None:
        """The share of the way from base to goal; None where the way does not lead in the desired direction."""
        if not self.leads_on:
            return None
        return (Fraction(value) - Fraction(self.base)) / (Fraction(self.goal) - Fraction(self.base))

    def share_behind(self, value: Decimal, day: date) -> Fraction:
        """How far behind the curve, as a share of the way; negative is ahead.

        Where the goal is a ceiling that may be approached from the good side (at most 100 a year), the way is the
        allowance; where base and goal are equal (hold what was reached), the share is of the goal itself.
        """
        length = abs(Fraction(self.goal) - Fraction(self.base)) or abs(Fraction(self.goal)) or Fraction(1)
        return self.sense * (self.due_value(day) - Fraction(value)) / length

    @property
    def leads_on(self) -> bool:
        """Whether the goal lies in the desired direction from the base."""
        return self.sense * (self.goal - self.base) > 0


def way_of(target: Target, indicator: Indicator, plan: Plan, period: Period) -> Way | None:
    """The way that a figure of `period` is held against; None for a by-date target without baseline and curve.

    Raises:
        CatalogueRefused: when baseline, milestones and due date make no path.
        InvalidPeriod: when one of them names no period.
    """
    sense = sense_of(target, indicator)
    if target.per is not None:
        stretch = stretch_of(target.per, period)
        curve = _curve_of_stretch(target, indicator, stretch)
        return Way(Decimal(0), target.value, curve, sense)
    if target.baseline is not None:
        base, start = target.baseline.value, Period.parse(target.baseline.period).end
    elif target.curve:
        base, start = Decimal(0), plan.start - timedelta(days=1)
    else:
        return None
    points = tuple(Point(Period.parse(m.period).end, Fraction(m.share)) for m in target.curve)
    return Way(base, target.value, PlanCurve(start, due_day(target, period), points), sense)


def due_day(target: Target, period: Period) -> date:
    """The day by whose end the target's value is due; for a cadence the last day of its stretch around `period`."""
    if target.per is not None:
        return stretch_of(target.per, period).end
    return Period.parse(target.by or "").end


def day_of(period: Period) -> date:
    """The day by which a reporting period belongs to a longer one: a week's Thursday, else the last day."""
    return period.start + timedelta(days=3) if period.frequency is Frequency.WEEK else period.end


def stretch_of(per: Cadence, period: Period) -> Period:
    """The year, quarter, month or week that a reporting period belongs to; a week belongs by its Thursday."""
    return period_of(_FREQUENCY[per], day_of(period))


def cell_of(target: Target, indicator: Indicator, period: Period) -> Period:
    """The stretch whose total the target's value is about; the period itself for levels and relations."""
    if indicator.kind is not Kind.FLOW:
        return period
    if target.per is not None:
        return stretch_of(target.per, period)
    if indicator.covers is Covers.YEAR_TO_DATE:
        return stretch_of(Cadence.YEAR, period)
    due = Period.parse(target.by or "")
    if due.frequency is Frequency.RANGE:
        return due if due.contains(period) else period
    if (due.end - due.start) <= (period.end - period.start):
        return period
    return period_of(due.frequency, day_of(period))


def adds_up(target: Target, indicator: Indicator) -> bool:
    """Whether the target's value is the sum of several reported ones."""
    if indicator.kind is not Kind.FLOW or indicator.covers is not Covers.PERIOD:
        return False
    return target.per is not None or Period.parse(target.by or "").frequency is not indicator.reporting.frequency


def sense_of(target: Target, indicator: Indicator) -> int:
    """+1 where higher is better, -1 where lower is: the comparator says so, for "about" the indicator."""
    if target.comparator in {Comparator.AT_LEAST, Comparator.MORE_THAN}:
        return 1
    if target.comparator in {Comparator.AT_MOST, Comparator.LESS_THAN}:
        return -1
    return -1 if indicator.direction is Direction.DOWN else 1


def to_decimal(value: Fraction, places: int = 6) -> Decimal:
    """The nearest decimal with so many places, for showing; comparisons are made on the fraction."""
    with localcontext() as context:
        # Digits enough for the longest figure (18 + 10) times another.
        context.prec = 60
        return (Decimal(value.numerator) / value.denominator).quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)


def _curve_of_stretch(target: Target, indicator: Indicator, stretch: Period) -> PlanCurve:
    start = stretch.start - timedelta(days=1)
    if indicator.kind is Kind.RATIO:
        return PlanCurve(start, stretch.end, (Point(stretch.start, Fraction(1)),))
    milestones = {Period.parse(m.period): Fraction(m.share) for m in target.curve}
    if not milestones:
        return PlanCurve(start, stretch.end)
    # Milestones are given for one year and hold for all: those of this year, else of the latest named before it,
    # else of the first named.
    years = sorted({p.year for p in milestones})
    year = max((y for y in years if y <= stretch.year), default=years[0])
    days = (
        (_in_year(p.end, p.end.year - year + stretch.year), share) for p, share in milestones.items() if p.year == year
    )
    points = tuple(Point(day, share) for day, share in days if start < day <= stretch.end)
    return PlanCurve(start, stretch.end, points)


def _in_year(day: date, year: int) -> date:
    length = monthrange(year, day.month)[1]
    ends_month = day.day == monthrange(day.year, day.month)[1]
    return date(year, day.month, length if ends_month else min(day.day, length))
