"""From the history of an indicator to the values that a target can be held against, period by period."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from fourones_alerting.domain.comparators import meets
from fourones_alerting.domain.holidays import is_week_of_holidays
from fourones_shared.catalogue.model import Cadence, Covers, Indicator, Kind, Plan, Target
from fourones_shared.domain.numbers import format_decimal
from fourones_shared.domain.periods import Frequency, Period
from fourones_shared.domain.ways import adds_up, cell_of, due_day, sense_of, stretch_of
from fourones_shared.errors import CatalogueRefused
from fourones_shared.events.model import Status

# From firm to soft: a sum is as soft as its softest part.
_SOFTNESS = {Status.NORMAL: 0, Status.PROVISIONAL: 1, Status.ESTIMATED: 2, Status.FORECAST: 3}


@dataclass(frozen=True, slots=True)
class Observation:
    """What is known of a target's indicator, organisation, cluster and tier for one reporting period.

    Attributes:
        period: the reporting period, opened by now.
        value: the roll-up's value in the indicator's unit; None where nothing is reported.
        complete: whether everybody who must has reported.
        reported, expected: how many of how many.
        carried_value: the value with the missing reporters' last values put in; None where none is missing or
            nothing is known of them.
        status: SDMX OBS_STATUS of the value.
        due_at: the moment from which a missing figure is overdue.
        version: the roll-up's version.
        notes: remarks that came with the figures.
        missing: who has not reported: organisations, or clusters where the roll-up is about one organisation.
        parts: of a sum every part's own value by organisation or cluster, None where it has none; empty where the
            roll-up is no sum or does not name all its members.
    """

    period: Period
    value: Decimal | None
    complete: bool
    reported: int
    expected: int
    carried_value: Decimal | None
    status: Status
    due_at: datetime
    version: int
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    parts: Mapping[str, Decimal | None] = field(default_factory=dict)

    @property
    def basis(self) -> Basis:
        """What an assessment that rests on it remembers of it, but for its parts."""
        return Basis(self.period.key, self.version, self.value, self.reported, self.status, self.carried_value)

    @property
    def parts_digest(self) -> str | None:
        """A digest of the parts; None where they are not known."""
        if not self.parts:
            return None
        said = "|".join(f"{code}={'' if v is None else format_decimal(v)}" for code, v in sorted(self.parts.items()))
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    @property
    def does_not_apply(self) -> bool:
        """Whether nobody owes a figure for this period, such as a meeting in a week of public holidays."""
        return self.value is None and (self.status is Status.NOT_APPLICABLE or self.expected == 0)


@dataclass(frozen=True, slots=True)
class Basis:
    """One observation that an assessment rests on, as it was then.

    Attributes:
        subject: `indicator|cluster` of an input that a derived value is explained by; None for the target's own.
        parts: a digest of the parts of a sum, which may be corrected while the sum stays; None where not known.
    """

    period: str
    version: int
    value: Decimal | None
    reported: int
    status: Status
    carried_value: Decimal | None = None
    subject: str | None = None
    parts: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """The value of an indicator at the end of a reporting period, as a target sees it.

    Attributes:
        value: the sum since the cell began for a flow that is reported more often than the target asks.
        carried: `value` with the missing reporters' last values put in.
        cell: the stretch whose total the target's value is about.
        whole: whether the value covers the whole cell; a part of a year can meet a target, never fail it.
        last: whether no later reporting period ends by the due date.
        rests_on: the observations it is made of.
    """

    period: Period
    value: Decimal | None
    complete: bool
    carried: Decimal | None
    reported: int
    expected: int
    status: Status
    due_at: datetime
    cell: Period
    whole: bool
    last: bool
    rests_on: tuple[Basis, ...]
    notes: tuple[str, ...]
    missing: tuple[str, ...]

    def is_judgeable(self, now: datetime) -> bool:
        """Whether it is complete or past its due date, so that half-reported months turn no lights."""
        return self.complete or self.due_at <= now

    @property
    def best_value(self) -> Decimal | None:
        """The value to judge by: as reported when complete, else with the missing ones' last values put in."""
        if self.value is None:
            return None
        return self.value if self.complete else self.carried


def readings_of(
    target: Target, indicator: Indicator, plan: Plan, history: Iterable[Observation]
) -> tuple[Reading, ...]:
    """The readings of the plan's time up to the target's due date, in order of time, whatever the order given.

    Of several observations of a period the newest version counts; a period that nobody owes is left out, and so is a
    week of public holidays in which what is counted did not happen.

    Raises:
        CatalogueRefused: when year-to-date values are asked per quarter, month or week.
    """
    if indicator.covers is Covers.YEAR_TO_DATE and target.per not in {None, Cadence.YEAR}:
        raise CatalogueRefused(
            [f"{target.id}: a year-to-date value cannot be judged per {target.per}; judge it per year"]
        )
    newest: dict[Period, Observation] = {}
    for observation in sorted(history, key=lambda o: o.version):
        if _is_in_time(target, plan, observation.period):
            newest[observation.period] = observation
    readings: list[Reading] = []
    for period in sorted(newest):
        if not newest[period].does_not_apply and not _is_excused(target, indicator, newest[period]):
            readings.append(_reading(target, indicator, newest[period]))
            if adds_up(target, indicator) and len(readings) > 1 and readings[-2].cell == readings[-1].cell:
                readings[-1] = _added(readings[-2], readings[-1])
    return tuple(readings)


def _is_excused(target: Target, indicator: Indicator, seen: Observation) -> bool:
    """Whether it is a week of public holidays without what the target asks for; what was held in one counts."""
    if indicator.kind is not Kind.FLOW or not is_week_of_holidays(seen.period):
        return False
    if seen.value is None:
        return seen.reported == 0
    return target.per is Cadence.WEEK and not meets(
        seen.value, target.comparator, target.value, sense=sense_of(target, indicator), band=target.band
    )


def _is_in_time(target: Target, plan: Plan, period: Period) -> bool:
    if period.end < plan.start:
        return False
    if target.per is not None:
        return period.start <= plan.end
    return period.end <= due_day(target, period)


def _reading(target: Target, indicator: Indicator, seen: Observation) -> Reading:
    cell = cell_of(target, indicator, seen.period)
    following = None if seen.period.frequency is Frequency.RANGE and cell == seen.period else seen.period.next()
    due = due_day(target, seen.period)
    if following is None:
        last = True
    elif target.per is not None:
        last = stretch_of(target.per, following) != stretch_of(target.per, seen.period)
    else:
        last = following.end > due
    ends_cell = following is None or cell_of(target, indicator, following) != cell
    return Reading(
        period=seen.period,
        value=seen.value,
        complete=seen.complete and seen.value is not None,
        carried=seen.carried_value,
        reported=seen.reported,
        expected=seen.expected,
        status=seen.status,
        due_at=seen.due_at,
        cell=cell,
        whole=ends_cell or (target.per is None and last),
        last=last,
        rests_on=(seen.basis,),
        notes=seen.notes,
        missing=seen.missing,
    )


def _added(before: Reading, own: Reading) -> Reading:
    """The sum since the cell began: `own` with everything before it. A silent period stays silent."""
    so_far = before.value if before.value is not None else _known_sum(before)
    carried_before = before.value if before.complete else before.carried
    carried_own = own.value if own.complete else own.carried
    complete = own.complete and before.complete
    behind = own if not own.complete or before.complete else before
    return replace(
        own,
        value=None if own.value is None else own.value + (so_far or Decimal(0)),
        carried=None if complete or carried_before is None or carried_own is None else carried_before + carried_own,
        complete=complete,
        reported=behind.reported,
        expected=behind.expected,
        status=max(before.status, own.status, key=lambda s: _SOFTNESS.get(s, 0)),
        rests_on=before.rests_on + own.rests_on,
        notes=tuple(dict.fromkeys(before.notes + own.notes)),
        missing=tuple(dict.fromkeys(own.missing + before.missing)),
    )


def _known_sum(reading: Reading) -> Decimal | None:
    values = [basis.value for basis in reading.rests_on if basis.value is not None]
    return sum(values, Decimal(0)) if values else None
