"""The four ones (四个一): how far a cluster's pillar has come in a period, by the attainment of its targets.

A pillar's score is the weighted mean of its targets' attainments, each between 0 and 1. What counts of a target in a
period are its *instances*: values that were to be known at the end of a reporting period that ends in it (a week by
its Thursday), once they are due.

- A target per week, month or quarter has one instance in each of those, and reaches what is due in each for itself:
  two meetings in one week are none in the next.
- A target by a date, or per year but reported more often, is held against its way at the last instance of the period,
  or of each year in it. Without a baseline and a declared curve there is no way: it counts at its due date only.
- A figure that is due and has not come, or was declared missing, counts as 0. One that does not apply is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from itertools import chain

from fourones_shared.catalogue.duties import due_at, is_expected
from fourones_shared.catalogue.model import TOTAL, Adding, Cadence, Catalogue, Indicator, Plan, Target
from fourones_shared.domain.periods import Frequency, Period, period_of, periods_between, shanghai_date
from fourones_shared.domain.ways import adds_up, cell_of, day_of, due_day, sense_of, stretch_of, way_of
from fourones_shared.events.model import State

_ZERO = Fraction(0)
_ONE = Fraction(1)
# From good to bad: a target is in the worst state of its instances, "overdue" before "declared missing".
_BADNESS = (State.NOT_APPLICABLE, State.REPORTED, State.DECLARED_MISSING, State.OVERDUE)


class PillarState(StrEnum):
    """Whether a pillar has a score in a period, and if not, why."""

    SCORED = "scored"
    NO_TARGET = "no_target"
    """No target of the pillar runs in the period."""
    NOT_YET_DUE = "not_yet_due"
    """It has targets, but nothing of them is due by the end of the period, or by now."""
    NOT_APPLICABLE = "not_applicable"
    """Whatever was due did not apply."""


@dataclass(frozen=True, slots=True)
class Terms:
    """A target with all that it is held to."""

    target: Target
    indicator: Indicator
    plan: Plan


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a target's indicator in its scope for one reporting period.

    Attributes:
        value: in the indicator's unit; None where nothing is reported.
        reported, expected: how many of how many figures. Nothing expected: it does not apply.
        declared: how many of the missing were declared missing.
    """

    value: Decimal | None
    reported: int
    expected: int
    declared: int = 0


Knowledge = Callable[[Target, Period], Known | None]
"""What is known of a target's reporting period; None where nothing at all is, which is as bad as silence."""

_SILENT = Known(None, 0, 1)


@dataclass(frozen=True, slots=True)
class Instance:
    """A value of a target that is to be known.

    Attributes:
        period: the reporting period at whose end it is held.
        parts: the reporting periods whose values it is the sum of, in order; for most the period alone.
        base, due: from which to which value the way leads by then, in the indicator's unit.
        due_at: the moment from which its last figure is overdue.
    """

    period: Period
    parts: tuple[Period, ...]
    base: Fraction
    due: Fraction
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What has become of a due instance.

    Attributes:
        value: what is reported of it; None where nothing is.
        attainment: 0 to 1.
        missing: the parts that lack a figure.
    """

    instance: Instance
    value: Fraction | None
    state: State
    attainment: Fraction
    reported: int
    expected: int
    missing: tuple[Period, ...]


@dataclass(frozen=True, slots=True)
class TargetScore:
    """A target's part in its pillar's score.

    Attributes:
        state: the worst of its outcomes; `not_yet_due` without any.
        attainment: the mean of the outcomes'; None where nothing counts.
        reached, due: what counts of what is due, over all outcomes: for an "at least" per period what lies above one
            period's due is no part of it. None where nothing is reported, or nothing due.
    """

    terms: Terms
    state: State
    attainment: Fraction | None
    reached: Fraction | None
    due: Fraction | None
    outcomes: tuple[Outcome, ...] = ()

    @property
    def weight(self) -> Decimal:
        """What it weighs in the score."""
        return self.terms.target.weight


@dataclass(frozen=True, slots=True)
class PillarScore:
    """A cluster's pillar in a period.

    Attributes:
        score: 0 to 1; None unless the state is `scored`.
        reported, expected: figures that have come, out of those that are due in the outcomes.
        missing: of those the ones that have not come: indicator and reporting period.
        made_of: every target of the pillar that runs in the period.
    """

    state: PillarState
    score: Fraction | None
    reported: int
    expected: int
    missing: tuple[tuple[str, Period], ...]
    made_of: tuple[TargetScore, ...]


class PillarTargets:
    """The targets by which the pillars of each cluster are scored, of one catalogue.

    A target counts for the cluster it names. One of a tier or the whole city counts for no cluster, one about a single
    county is not the cluster's, and a synthetic one must not move what is real.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._terms: dict[tuple[str, str], list[Terms]] = {}
        for target in catalogue.targets:
            if target.pillar and target.cluster != TOTAL and not target.synthetic:
                if target.org not in {TOTAL, catalogue.city.id}:
                    continue
                terms = Terms(target, catalogue.indicator[target.indicator], catalogue.plan[target.plan])
                self._terms.setdefault((target.cluster, target.pillar), []).append(terms)

    def of(self, cluster: str, pillar: str) -> Sequence[Terms]:
        """Those of a cluster's pillar, in the catalogue's order."""
        return self._terms.get((cluster, pillar), ())

    def everything(self) -> Mapping[tuple[str, str], Sequence[Terms]]:
        """By cluster and pillar; what has no target is not among them."""
        return self._terms

    @property
    def last_day(self) -> date | None:
        """The last day on which any of them runs; None without targets."""
        return max((_last_day(terms) for terms in chain.from_iterable(self._terms.values())), default=None)


def score(targets: Iterable[Terms], period: Period, now: datetime, known: Knowledge) -> PillarScore:
    """Score one pillar of one cluster.

    Args:
        targets: all of the pillar's.
        period: the one to score; one that is running is scored by what is due already.
        now: the moment of asking, with a time zone.
        known: what is known of each reporting period that `needed` names.

    Raises:
        CatalogueRefused: when a target's baseline, milestones and due date make no path.
    """
    made_of = tuple(_target_score(terms, period, now, known) for terms in targets if runs_in(terms, period))
    outcomes = [(part.terms.indicator.id, outcome) for part in made_of for outcome in part.outcomes]
    counted = [(Fraction(part.weight), part.attainment) for part in made_of if part.attainment is not None]
    if not made_of:
        state = PillarState.NO_TARGET
    elif counted:
        state = PillarState.SCORED
    else:
        state = PillarState.NOT_APPLICABLE if outcomes else PillarState.NOT_YET_DUE
    weight = sum((w for w, _ in counted), _ZERO)
    return PillarScore(
        state=state,
        score=sum((w * attainment for w, attainment in counted), _ZERO) / weight if counted else None,
        reported=sum(outcome.reported for _, outcome in outcomes),
        expected=sum(outcome.expected for _, outcome in outcomes),
        missing=tuple((indicator, part) for indicator, outcome in outcomes for part in outcome.missing),
        made_of=made_of,
    )


def needed(terms: Terms, period: Period, now: datetime) -> frozenset[Period]:
    """The reporting periods that `score` asks about for a target."""
    return frozenset(part for group in _due(terms, period, now) for instance in group for part in instance.parts)


def runs_in(terms: Terms, period: Period) -> bool:
    """Whether the target's time and the period share a day."""
    return terms.plan.start <= period.end and period.start <= _last_day(terms)


def month_shown(targets: PillarTargets, now: datetime) -> Period:
    """The month to show when nobody says which: the latest that has ended; the last in which a target runs, after."""
    latest = _latest_ended(Frequency.MONTH, now)
    last = targets.last_day
    return latest if last is None else min(latest, period_of(Frequency.MONTH, last))


def latest_due(targets: Iterable[Terms], frequency: Frequency, now: datetime) -> Period | None:
    """The latest period of that form that has ended and in which something of these targets is due; None before."""
    found: Period | None = None
    for terms in targets:
        period = min(_latest_ended(frequency, now), period_of(frequency, _last_day(terms)))
        earliest = period_of(frequency, terms.plan.start) if found is None else found.next()
        while period >= earliest:
            if _due(terms, period, now):
                found = period
                break
            period = period.previous()
    return found


def reported_between(indicator: Indicator, first: date, last: date) -> list[Period]:
    """The periods that the indicator is reported for and that belong to these days (a week by its Thursday)."""
    if first > last:
        return []
    found = (p for p in _candidates(indicator, first, last) if first <= day_of(p) <= last)
    return sorted(p for p in found if is_expected(indicator, p))


def _candidates(indicator: Indicator, first: date, last: date) -> Iterator[Period]:
    frequency = indicator.reporting.frequency
    if frequency is Frequency.RANGE:
        yield Period.parse(indicator.reporting.period or "")
        return
    yield from periods_between(frequency, period_of(frequency, first).start, last)
    if indicator.january_february == "together":
        for year in range(first.year, last.year + 1):
            yield Period.parse(f"{year:04d}-01-01/P2M")


def _latest_ended(frequency: Frequency, now: datetime) -> Period:
    return period_of(frequency, shanghai_date(now)).previous()


def _last_day(terms: Terms) -> date:
    due = terms.target.by
    return terms.plan.end if due is None else Period.parse(due).end


def _due(terms: Terms, period: Period, now: datetime) -> list[list[Instance]]:
    """The instances of the period that are due, by the stretch that each belongs to, in order."""
    target, indicator = terms.target, terms.indicator
    first, last = max(period.start, terms.plan.start), min(period.end, _last_day(terms))
    groups: dict[Period | None, list[Instance]] = {}
    for reported in reported_between(indicator, first, last):
        moment = due_at(indicator, reported)
        way = _way(terms, reported) if moment <= now else None
        if way is not None:
            stretch = None if target.per is None else stretch_of(target.per, reported)
            instance = Instance(reported, tuple(_parts(terms, reported)), *way, moment)
            groups.setdefault(stretch, []).append(instance)
    return list(groups.values())


def _way(terms: Terms, reported: Period) -> tuple[Fraction, Fraction] | None:
    """From where to where the way leads by the end of a reporting period; None where nothing is asked by then."""
    target, indicator = terms.target, terms.indicator
    whole = _ZERO, Fraction(target.value)
    if target.per is not None and target.per is not Cadence.YEAR:
        return whole if _is_last(indicator, reported, stretch_of(target.per, reported).end) else None
    way = way_of(target, indicator, terms.plan, reported)
    if way is None:
        return whole if _is_last(indicator, reported, _last_day(terms)) else None
    cell = cell_of(target, indicator, reported)
    # A part of a year's total is on the way only where the way begins with that year, from 0.
    on_the_way = way.base == 0 and way.curve.start == cell.start - timedelta(days=1)
    day = min(reported.end, due_day(target, reported))
    if way.curve.share_due(day) == 0 or not (on_the_way or _is_last(indicator, reported, cell.end)):
        return None
    return Fraction(way.base), way.due_value(day)


def _is_last(indicator: Indicator, reported: Period, day: date) -> bool:
    """Whether nothing is reported after it that belongs to the days up to that one."""
    # Most are reported as often as they are promised: no need to look for others.
    if reported.frequency is indicator.reporting.frequency and day_of(reported.next()) > day:
        return True
    return not reported_between(indicator, day_of(reported) + timedelta(days=1), day)


def _parts(terms: Terms, reported: Period) -> list[Period]:
    cell = cell_of(terms.target, terms.indicator, reported)
    if cell == reported or not adds_up(terms.target, terms.indicator):
        return [reported]
    return reported_between(terms.indicator, max(cell.start, terms.plan.start), day_of(reported))


def _target_score(terms: Terms, period: Period, now: datetime, known: Knowledge) -> TargetScore:
    outcomes = tuple(_last_that_applies(terms, group, known) for group in _due(terms, period, now))
    counted = [outcome for outcome in outcomes if outcome.state is not State.NOT_APPLICABLE]
    reached = [_reached(terms, outcome) for outcome in counted if outcome.value is not None]
    return TargetScore(
        terms=terms,
        state=max((outcome.state for outcome in outcomes), key=_BADNESS.index, default=State.NOT_YET_DUE),
        attainment=sum((outcome.attainment for outcome in counted), _ZERO) / len(counted) if counted else None,
        reached=sum(reached, _ZERO) if reached else None,
        due=sum((outcome.instance.due for outcome in counted), _ZERO) if counted else None,
        outcomes=outcomes,
    )


def _last_that_applies(terms: Terms, group: Sequence[Instance], known: Knowledge) -> Outcome:
    latest = _outcome(terms, group[-1], known)
    earlier = (_outcome(terms, instance, known) for instance in reversed(group[:-1]))
    return next((o for o in chain([latest], earlier) if o.state is not State.NOT_APPLICABLE), latest)


def _outcome(terms: Terms, instance: Instance, known: Knowledge) -> Outcome:
    parts = [(part, known(terms.target, part) or _SILENT) for part in instance.parts]
    reported, expected = sum(k.reported for _, k in parts), sum(k.expected for _, k in parts)
    values = [Fraction(k.value) for _, k in parts if k.value is not None]
    value = sum(values, _ZERO) if values else None
    attainment = _ZERO if value is None else _attainment(terms, instance, value)
    if reported >= expected:
        state = State.REPORTED if expected else State.NOT_APPLICABLE
    else:
        declared = sum(k.declared for _, k in parts)
        state = State.DECLARED_MISSING if declared >= expected - reported else State.OVERDUE
        if not _silence_lowers(terms):
            # Else who is silent would keep a ceiling, or leave a mean to the better ones.
            attainment *= Fraction(reported, expected)
    missing = tuple(part for part, k in parts if k.reported < k.expected)
    return Outcome(instance, value, state, attainment, reported, expected, missing)


def _attainment(terms: Terms, instance: Instance, value: Fraction) -> Fraction:
    """The share of the way from base to due that the value has come, cut to 0 … 1.

    Where the way does not lead in the desired direction (a ceiling approached from the good side, or a level to hold),
    it is the value ÷ what is due, or the other way round where lower is better.
    """
    base, due, sense = instance.base, instance.due, sense_of(terms.target, terms.indicator)
    if sense * (due - base) > 0:
        share = (value - base) / (due - base)
    elif sense * (value - due) >= 0:
        share = _ONE
    elif min(value, due) <= 0:
        share = _ZERO
    else:
        share = value / due if sense > 0 else due / value
    return min(max(share, _ZERO), _ONE)


def _silence_lowers(terms: Terms) -> bool:
    """Whether a missing figure can only lower the attainment: what is summed up, and had better be more."""
    adds = terms.indicator.over_organisations in {Adding.SUM, Adding.NONE}
    return adds and sense_of(terms.target, terms.indicator) > 0


def _reached(terms: Terms, outcome: Outcome) -> Fraction:
    value = outcome.value or _ZERO
    per_period = terms.target.per is not None and sense_of(terms.target, terms.indicator) > 0
    return min(value, outcome.instance.due) if per_period else value
