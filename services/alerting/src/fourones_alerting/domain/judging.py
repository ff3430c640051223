"""One reading judged by all three methods, with the numbers that explain it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from fourones_alerting.domain.comparators import beyond, meets
from fourones_alerting.domain.methods import (
    NOT_ASSESSABLE,
    Level,
    MethodResult,
    band_verdict,
    plan_curve,
    projected,
    projection,
    required_growth,
)
from fourones_alerting.domain.readings import Reading
from fourones_alerting.domain.verdicts import Light, Verdict
from fourones_shared.catalogue.model import Indicator, Kind, Method, Plan, Target
from fourones_shared.domain.periods import Period, end_of_day
from fourones_shared.domain.ways import Way, due_day, sense_of, way_of


@dataclass(frozen=True, slots=True)
class Case:
    """A target with all that it is judged under, except the figures.

    Attributes:
        now: the moment of judging, with a time zone.
        first: the earliest whole value, where growth begins when the target gives no baseline.
    """

    target: Target
    indicator: Indicator
    plan: Plan
    now: datetime
    first: Level | None = None

    @property
    def sense(self) -> int:
        """+1 where higher is better, -1 where lower is."""
        return sense_of(self.target, self.indicator)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a value at the end of a period means for a target. Values in the indicator's unit, exact.

    Attributes:
        verdict: the headline method's verdict.
        by_method: all three methods' results.
        due_value: the value on the curve at the period's end; None where no curve applies.
        share_due, share_reached: shares of the way; None where there is no way to measure.
        attainment: the share of the way; without a baseline the value ÷ the target (the target ÷ the value where
            lower is better).
        gap: what is missing to the due value, else to the target; negative where it is surpassed.
        months_behind: by earned schedule, 0 where not late; None without a way.
        forecast: the value at the due date if growth goes on.
        over: whether the due date has passed and no later figure can come before it.
    """

    verdict: Verdict
    by_method: Mapping[Method, MethodResult]
    value: Decimal
    due: date
    due_value: Fraction | None
    share_due: Fraction | None
    share_reached: Fraction | None
    attainment: Fraction | None
    gap: Fraction
    months_behind: Fraction | None
    forecast: Fraction | None
    over: bool

    @property
    def disagreement(self) -> bool:
        """Whether methods that give a light give different ones."""
        lights = {result.verdict.light for result in self.by_method.values()} - {Light.GREY}
        return len(lights) > 1


def judge(case: Case, reading: Reading, value: Decimal) -> Judgement:
    """Hold the value of a reading against the target at the end of the reading's period.

    A part of a year's total can meet an "at least" before the year is over; it is held against a curve only where
    the curve itself starts from 0 with that year. After the due date an unmet target is off track by every method.

    Raises:
        CatalogueRefused: when the target's baseline, milestones and due date make no path.
    """
    target, sense = case.target, case.sense
    due = due_day(target, reading.period)
    day = min(reading.period.end, due)
    way = way_of(target, case.indicator, case.plan, reading.period)
    if way is not None and not is_comparable(way, reading):
        way = None
    # A ceiling is kept only when the whole is in; a floor once reached stays reached, unless it can be overshot.
    met = (reading.whole or (sense > 0 and target.band is None)) and meets(
        value, target.comparator, target.value, sense=sense, band=target.band
    )
    over = reading.last and end_of_day(due) <= case.now
    results = {
        Method.PLAN_CURVE: _by_curve(case, way, value, day, met=met),
        Method.REQUIRED_GROWTH: _by_growth(case, reading, value, due, met=met),
        Method.PROJECTION: _by_projection(case, way, reading, value, met=met),
    }
    too_far = beyond(value, target.value, target.band, sense=sense)
    if too_far and not met:
        results = _overshot(case, results, too_far)
    if over and not met:
        results = {method: MethodResult(Verdict.OFF_TRACK, r.ratio) for method, r in results.items()}
    due_value = _due_value(case, way, day, due)
    share_reached = None if way is None else way.share_reached(value)
    return Judgement(
        verdict=results[target.method].verdict,
        by_method=results,
        value=value,
        due=due,
        due_value=due_value,
        share_due=None if way is None else way.curve.share_due(day),
        share_reached=share_reached,
        attainment=_attainment(case, reading, value) if share_reached is None else share_reached,
        gap=sense * ((Fraction(target.value) if due_value is None else due_value) - Fraction(value)),
        months_behind=_months_behind(case, way, share_reached, day, met=met),
        forecast=_forecast(case, way, reading, value),
        over=over,
    )


def _overshot(case: Case, results: Mapping[Method, MethodResult], too_far: Decimal) -> dict[Method, MethodResult]:
    """Past the far side of a two-sided band: no method that asks for more can judge it, its bands of lateness do."""
    verdict = band_verdict(case.plan.bands, Fraction(too_far) / abs(Fraction(case.target.value)))
    return {method: MethodResult(verdict, result.ratio) for method, result in results.items()}


def growth_base(target: Target, first: Level | None) -> Level | None:
    """Where growth is measured from: the baseline, else the first whole value of the plan's time."""
    if target.baseline is not None:
        return Level(Period.parse(target.baseline.period).end, target.baseline.value)
    # A missing base year takes the next available one (Statistics Canada), but only where growth is how the
    # target is to be judged: a target by curve without a baseline is not judged before its due date.
    return None if target.method is Method.PLAN_CURVE else first


def is_comparable(way: Way, reading: Reading) -> bool:
    """Whether the value of a reading can be held against the curve: a part of a year only where that starts from 0."""
    return reading.whole or (way.base == 0 and way.curve.start == reading.cell.start - timedelta(days=1))


def projection_base(case: Case, way: Way | None, reading: Reading) -> Level | None:
    """Where the growth begins that a forecast carries on; None where there is none to carry on."""
    if case.target.per is None:
        if way is None and not reading.whole:
            return None
        return growth_base(case.target, case.first)
    if way is None or case.indicator.kind is Kind.RATIO:
        return None
    return Level(way.curve.start, way.base)


def _by_curve(case: Case, way: Way | None, value: Decimal, day: date, *, met: bool) -> MethodResult:
    if way is not None:
        return plan_curve(way, value, day, case.plan.bands, met=met)
    return MethodResult(Verdict.ACHIEVED) if met else NOT_ASSESSABLE


def _by_growth(case: Case, reading: Reading, value: Decimal, due: date, *, met: bool) -> MethodResult:
    base = growth_base(case.target, case.first)
    # What starts again from 0 every period has no growth rate, and neither has a part of a year.
    if base is None or case.target.per is not None or not reading.whole:
        return MethodResult(Verdict.ACHIEVED) if met else NOT_ASSESSABLE
    current, goal = Level(min(reading.period.end, due), value), Level(due, case.target.value)
    return required_growth(base, current, goal, case.sense, met=met)


def _by_projection(case: Case, way: Way | None, reading: Reading, value: Decimal, *, met: bool) -> MethodResult:
    base = projection_base(case, way, reading)
    if base is None:
        return MethodResult(Verdict.ACHIEVED) if met else NOT_ASSESSABLE
    due = due_day(case.target, reading.period)
    current = Level(min(reading.period.end, due), value)
    return projection(base, current, Level(due, case.target.value), case.sense, met=met)


def _due_value(case: Case, way: Way | None, day: date, due: date) -> Fraction | None:
    if way is not None:
        return way.due_value(day)
    return Fraction(case.target.value) if day >= due else None


def _attainment(case: Case, reading: Reading, value: Decimal) -> Fraction | None:
    goal = case.target.value
    if case.sense > 0:
        return Fraction(value) / Fraction(goal) if goal > 0 else None
    # Half a year's emissions under a year's ceiling say nothing yet.
    return Fraction(goal) / Fraction(value) if value > 0 and reading.whole else None


def _months_behind(
    case: Case, way: Way | None, share_reached: Fraction | None, day: date, *, met: bool
) -> Fraction | None:
    owes_all_the_time = case.target.per is not None and case.indicator.kind is Kind.RATIO
    if way is None or share_reached is None or owes_all_the_time:
        return None
    return Fraction(0) if met else way.curve.months_behind(day, share_reached)


def _forecast(case: Case, way: Way | None, reading: Reading, value: Decimal) -> Fraction | None:
    base = projection_base(case, way, reading)
    if base is None:
        return None
    due = due_day(case.target, reading.period)
    return projected(base, Level(min(reading.period.end, due), value), due)
