"""Judging a target: from what is stored, never from the order of arrival (DESIGN.md, section 5).

A target is judged at the end of its latest period that is complete or past its due date:

1. complete: by its value;
2. past due but incomplete: red only if still red with the missing reporters' last values put in, else no data;
3. past due and silent: red if the last period with data is red, else no data;
4. in the cases 2 and 3 a by-date target that an earlier complete period met stays achieved, marked stale.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from fourones_alerting.domain.cadences import Tally, tally
from fourones_alerting.domain.contributions import Contributions, Input, bases_of_inputs, contributions
from fourones_alerting.domain.explanation import Telling, explain
from fourones_alerting.domain.forecasting import interval
from fourones_alerting.domain.judging import Case, Judgement, growth_base, is_comparable, judge, projection_base
from fourones_alerting.domain.methods import Level, MethodResult
from fourones_alerting.domain.readings import Basis, Observation, Reading, readings_of
from fourones_alerting.domain.verdicts import Light, Verdict
from fourones_shared.catalogue.model import Indicator, Method, Plan, Target
from fourones_shared.domain.numbers import format_decimal
from fourones_shared.domain.periods import Frequency, Period, period_of, shanghai_date
from fourones_shared.domain.ways import due_day, stretch_of, to_decimal, way_of
from fourones_shared.errors import Rejected
from fourones_shared.events.model import Status

_SOFT = {Status.PROVISIONAL, Status.ESTIMATED, Status.FORECAST}


@dataclass(frozen=True, slots=True)
class Assessment:
    """A target judged; the fields are those of `GET /v1/assessments`, values in the indicator's unit.

    Attributes:
        period: the key of the period it is judged at; for no data the silent or awaited one.
        value: what it is judged by: as reported, for an incomplete period with the missing ones' last values put in.
        due_value: the value on the plan curve at the period's end; at the due date the target's own.
        attainment: share of the way from baseline to target; without a baseline value ÷ target.
        gap: what is missing to the due value (without one: to the target) in the desired direction; negative ahead.
        months_behind: by earned schedule, one decimal; 0 where not late.
        forecast: the value at the due date if growth since the baseline goes on.
        forecast_low, forecast_high: in between it lies with a probability of 80 %; None with fewer than four values.
        final: the due date has passed and its figure is complete.
        provisional: it rests on a provisional, estimated or forecast figure.
        stale: it rests on an earlier period than the latest that should be known.
        incomplete: reporters are missing at the latest period that should be known.
        reported, expected, missing: the coverage of that latest period.
        contributions: which of its parts make the gap; None where there is none, or nothing to divide it by.
        inputs: what the numbers were computed from, for explaining and repeating them.
        rests_on: the observations and versions it follows from.
    """

    target: str
    period: str
    verdict: Verdict
    light: Light
    method: Method
    value: Decimal | None
    due_value: Decimal | None
    target_value: Decimal
    attainment: Decimal | None
    gap: Decimal | None
    months_behind: Decimal | None
    forecast: Decimal | None
    forecast_low: Decimal | None
    forecast_high: Decimal | None
    final: bool
    provisional: bool
    stale: bool
    incomplete: bool
    by_method: Mapping[Method, MethodResult]
    disagreement: bool
    departments: tuple[str, ...]
    explanation: str
    reported: int
    expected: int
    missing: tuple[str, ...]
    contributions: Contributions | None
    inputs: Mapping[str, str]
    rests_on: tuple[Basis, ...]


@dataclass(frozen=True, slots=True)
class _Finding:
    """What the history says: a reading judged, or the reading that leaves the target without data."""

    reading: Reading
    latest: Reading
    judgement: Judgement | None
    considered: tuple[Reading, ...]

    @property
    def stale(self) -> bool:
        return self.judgement is not None and self.reading is not self.latest


def assess(
    target: Target,
    plan: Plan,
    indicator: Indicator,
    history: Iterable[Observation],
    now: datetime,
    *,
    names: Mapping[str, str] | None = None,
    inputs: Sequence[Input] = (),
) -> Assessment:
    """Judge a target at a moment.

    Args:
        target: what was promised.
        plan: its plan, for the light bands and the time it runs.
        indicator: what is measured.
        history: one observation for every reporting period that has opened, silent ones included, in any order.
        now: the moment of judging, with a time zone.
        names: Chinese names of organisations and clusters by id, for the explanation.
        inputs: of a derived indicator, what it is computed from; they explain its gap and decide nothing.
    """
    seen, called = tuple(history), names or {}
    case = Case(target, indicator, plan, now)
    try:
        readings = readings_of(target, indicator, plan, seen)
        case = replace(case, first=_first_level(readings))
        judgeable = [i for i, reading in enumerate(readings) if reading.is_judgeable(now)]
        finding = _find(case, readings[: judgeable[-1] + 1]) if judgeable else None
    except Rejected as fault:
        return _without_figures(case, seen, Verdict.NOT_ASSESSABLE, called, fault=str(fault))
    if finding is None:
        nothing_owed = bool(seen) and not readings and all(o.does_not_apply for o in seen)
        verdict = Verdict.NOT_ASSESSABLE if nothing_owed else Verdict.NO_DATA
        return _without_figures(case, seen, verdict, called)
    count = tally(target, readings, now, sense=case.sense)
    draft = _assessment(case, finding, count)
    if finding.judgement is not None:
        draft = _explained(draft, case, finding, finding.judgement, readings=readings, history=seen, inputs=inputs)
    telling = _telling(case, finding, draft, count=count, names=called, inputs=inputs)
    return replace(draft, explanation=explain(draft, telling), rests_on=_with_parts(draft.rests_on, seen))


def _find(case: Case, readings: Sequence[Reading]) -> _Finding:
    """Walk back from the latest reading to the one that decides."""
    latest = readings[-1]
    by_date = case.target.per is None
    undecided: _Finding | None = None
    spoken_cells: set[Period] = set()
    only_achieved = False
    for position in range(len(readings) - 1, -1, -1):
        reading = readings[position]
        value = reading.best_value
        # A part of a cell that a later part of the same cell has spoken for says nothing more.
        if value is None or (reading.cell in spoken_cells and not reading.whole):
            continue
        judgement = judge(case, reading, value)
        finding = _Finding(reading, latest, judgement, tuple(readings[position:]))
        if judgement.verdict is Verdict.NOT_ASSESSABLE and not reading.whole:
            # Part of a year's total that cannot be held against the curve: the last whole year still speaks.
            if reading.complete:
                spoken_cells.add(reading.cell)
                undecided = undecided or finding
            continue
        if judgement.verdict.is_red and not only_achieved:
            return finding
        if not reading.complete:
            only_achieved = True
            continue
        stands = reading is latest or (undecided is not None and latest.complete)
        if stands or (by_date and judgement.verdict is Verdict.ACHIEVED):
            return finding
        return _Finding(latest, latest, None, tuple(readings[position:]))
    if undecided is not None and undecided.reading is latest:
        return undecided
    return _Finding(latest, latest, None, tuple(readings) if only_achieved else (latest,))


def _first_level(readings: Sequence[Reading]) -> Level | None:
    for reading in readings:
        if reading.complete and reading.whole and reading.value is not None:
            return Level(reading.period.end, reading.value)
    return None


def _assessment(case: Case, finding: _Finding, count: Tally | None) -> Assessment:
    latest, reading, judgement = finding.latest, finding.reading, finding.judgement
    draft = _blank(case.target, reading.period, Verdict.NO_DATA)
    if judgement is not None:
        draft = replace(
            draft,
            verdict=judgement.verdict,
            light=judgement.verdict.light,
            due_value=_shown(judgement.due_value),
            attainment=_shown(judgement.attainment),
            gap=_shown(judgement.gap),
            months_behind=_shown(judgement.months_behind, 1),
            forecast=_shown(judgement.forecast),
            final=judgement.over and reading.complete and not finding.stale,
            by_method=judgement.by_method,
            disagreement=judgement.disagreement,
        )
    return replace(
        draft,
        value=reading.value if judgement is None else judgement.value,
        provisional=reading.value is not None and reading.status in _SOFT,
        stale=finding.stale,
        # A silent period is not incomplete: nothing of it is known at all.
        incomplete=not latest.complete and (latest.value is not None or latest.reported > 0),
        reported=latest.reported,
        expected=latest.expected,
        missing=latest.missing,
        inputs=_inputs(case, finding, count),
        rests_on=_rests_on(finding.considered),
    )


def _explained(
    draft: Assessment,
    case: Case,
    finding: _Finding,
    judgement: Judgement,
    *,
    readings: Sequence[Reading],
    history: Sequence[Observation],
    inputs: Sequence[Input],
) -> Assessment:
    """With how sure the forecast is, and with what makes the gap."""
    bounds = _interval(case, finding.reading, judgement, readings)
    low, high = bounds or (None, None)
    made_of = None
    if draft.light is not Light.GREY:
        made_of = contributions(case, finding.reading, judgement, history, inputs)
    compared = (made_of.compared if made_of else ()) + bases_of_inputs(finding.reading, inputs)
    known = {(basis.subject, basis.period) for basis in draft.rests_on}
    further = tuple(basis for basis in compared if (basis.subject, basis.period) not in known)
    return replace(
        draft,
        forecast_low=_shown(low),
        forecast_high=_shown(high),
        contributions=made_of,
        rests_on=draft.rests_on + further,
    )


def _interval(
    case: Case, judged: Reading, judgement: Judgement, readings: Sequence[Reading]
) -> tuple[Fraction, Fraction] | None:
    way = way_of(case.target, case.indicator, case.plan, judged.period)
    if way is not None and not is_comparable(way, judged):
        way = None
    base = projection_base(case, way, judged)
    if base is None:
        return None
    starts_from_nothing = case.target.per is not None
    path = [base]
    for reading in readings:
        stretch_is_the_same = not starts_from_nothing or due_day(case.target, reading.period) == judgement.due
        comparable = reading.whole or (way is not None and is_comparable(way, reading) and reading.cell == judged.cell)
        between = path[-1].day < reading.period.end < judged.period.end
        if stretch_is_the_same and comparable and between and reading.complete and reading.value is not None:
            path.append(Level(reading.period.end, reading.value))
    path.append(Level(min(judged.period.end, judgement.due), judgement.value))
    return interval(path, judgement.due, from_nothing=starts_from_nothing)


def _telling(
    case: Case,
    finding: _Finding,
    draft: Assessment,
    *,
    count: Tally | None,
    names: Mapping[str, str],
    inputs: Sequence[Input],
) -> Telling:
    reading = finding.reading
    return Telling(
        target=case.target,
        indicator=case.indicator,
        judged=reading.period,
        latest=finding.latest.period,
        reported_value=reading.value,
        status=reading.status,
        tally=count,
        notes=reading.notes,
        names=names,
        contributions=draft.contributions,
        inputs={one.indicator.id: one.indicator for one in inputs},
    )


def _without_figures(
    case: Case, seen: Sequence[Observation], verdict: Verdict, names: Mapping[str, str], fault: str | None = None
) -> Assessment:
    """Before anything could be judged: nothing reported or due yet, nothing owed, or a target with a fault."""
    newest = max(seen, key=lambda o: (o.period, o.version), default=None)
    period = _awaited(case.target, case.plan) if newest is None else newest.period
    draft = _blank(case.target, period, verdict)
    if newest is not None:
        draft = replace(draft, reported=newest.reported, expected=newest.expected, missing=newest.missing)
    telling = Telling(case.target, case.indicator, judged=period, latest=period, names=names, fault=fault)
    return replace(draft, explanation=explain(draft, telling))


def _awaited(target: Target, plan: Plan) -> Period:
    if target.per is None:
        return Period.parse(target.by or "")
    return stretch_of(target.per, period_of(Frequency.MONTH, plan.start))


def _blank(target: Target, period: Period, verdict: Verdict) -> Assessment:
    return Assessment(
        target=target.id,
        period=period.key,
        verdict=verdict,
        light=verdict.light,
        method=target.method,
        value=None,
        due_value=None,
        target_value=target.value,
        attainment=None,
        gap=None,
        months_behind=None,
        forecast=None,
        forecast_low=None,
        forecast_high=None,
        final=False,
        provisional=False,
        stale=False,
        incomplete=False,
        by_method={method: MethodResult(verdict) for method in Method},
        disagreement=False,
        departments=target.responsible.departments,
        explanation="",
        reported=0,
        expected=0,
        missing=(),
        contributions=None,
        inputs={},
        rests_on=(),
    )


def _inputs(case: Case, finding: _Finding, count: Tally | None) -> dict[str, str]:
    """What the numbers follow from, as text: days, values in the indicator's unit, shares as fractions."""
    inputs: dict[str, object] = {"judged_on": shanghai_date(case.now), "latest_period": finding.latest.period.key}
    base = growth_base(case.target, case.first)
    if base is not None:
        inputs |= {"base_day": base.day, "base_value": base.value}
    if finding.reading.value is not None:
        inputs["reported_value"] = finding.reading.value
    if not finding.reading.complete and finding.reading.carried is not None:
        inputs["carried_value"] = finding.reading.carried
    if finding.judgement is not None:
        inputs["due"] = finding.judgement.due
        inputs |= {"share_due": _shown(finding.judgement.share_due)}
        inputs |= {"share_reached": _shown(finding.judgement.share_reached)}
    if count is not None:
        inputs |= {"year_met": count.met, "year_judged": count.judged, "year_longest_gap": count.longest_gap}
    return {
        key: format_decimal(value) if isinstance(value, Decimal) else str(value)
        for key, value in inputs.items()
        if value is not None
    }


def _with_parts(rests_on: Sequence[Basis], history: Sequence[Observation]) -> tuple[Basis, ...]:
    """Digests are for the few observations that count; a history has many."""
    kept = {(seen.period.key, seen.version): seen for seen in history}
    return tuple(
        replace(basis, parts=kept[basis.period, basis.version].parts_digest) if basis.subject is None else basis
        for basis in rests_on
    )


def _rests_on(considered: Sequence[Reading]) -> tuple[Basis, ...]:
    by_period = {basis.period: basis for reading in considered for basis in reading.rests_on}
    return tuple(by_period.values())


def _shown(value: Fraction | None, places: int = 6) -> Decimal | None:
    return None if value is None else Decimal(format_decimal(to_decimal(value, places)))
