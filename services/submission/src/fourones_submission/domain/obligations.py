"""What is owed: every duty of the periods that have opened, and how it stands.

Duties are stored nowhere: they follow from the catalogue and the date. They have one order, the newest period first,
then by indicator, organisation and cluster, and each is found again by its `Place` in that order, so that a page
costs what it shows, however many duties there are before and behind it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import NamedTuple

from fourones_shared.catalogue.duties import Duty, due_at, expected_periods
from fourones_shared.catalogue.model import TOTAL, Catalogue, Organisation, Reporter
from fourones_shared.domain.periods import Period, shanghai_date
from fourones_shared.events.model import State, Status
from fourones_submission.domain.known import KnownFigure, Series
from fourones_submission.domain.locking import Decision, is_locked
from fourones_submission.domain.terms import Admitted, IndicatorTerms, Terms


@dataclass(frozen=True, slots=True)
class Asked:
    """Which duties are asked for; None asks for all.

    Attributes:
        org: whom the figures are about.
        reporter: the duty-holder.
        period: one period in any spelling that means it for the indicator; not those that lie in it.
        state: at the moment of asking.
        party: an organisation that is shown only the duties it holds and those about itself.
    """

    org: str | None = None
    reporter: str | None = None
    period: str | None = None
    indicator: str | None = None
    cluster: str | None = None
    state: State | None = None
    party: str | None = None


class Place(NamedTuple):
    """A duty's place in the order."""

    period: str
    indicator: str
    org: str
    cluster: str


@dataclass(frozen=True, slots=True)
class Obligation:
    """A duty and how it stands.

    Attributes:
        late: the value came after the due moment; of one that has not come at all, `state` says overdue. The moment
            counts at which a value first stood: a revision makes nothing late, a withdrawn value was never there.
        locked: figures about it are refused now.
        figure: the current one.
    """

    duty: Duty
    state: State
    late: bool
    locked: bool
    figure: KnownFigure | None


def owed(terms: Terms, asked: Asked, now: datetime, after: Place | None = None) -> Iterator[Duty]:
    """The duties asked for, in order, from behind the place `after`; of the state asked for they may be.

    Raises:
        InvalidPeriod: when `after` names no period.
    """
    slots = _slots(terms, asked, shanghai_date(now))
    start = None if after is None else _order(Period.parse(after.period), after.indicator)
    matching: dict[str, Sequence[tuple[Organisation, Sequence[str]]]] = {}
    for slot in slots if start is None else slots[bisect_left(slots, start, key=lambda slot: slot.order) :]:
        indicator = slot.terms.indicator
        moment = due_at(indicator, slot.period)
        if not _possible(asked.state, moment, now):
            continue
        if indicator.id not in matching:
            matching[indicator.id] = _matching(terms.catalogue, slot.terms, asked)
        rest = matching[indicator.id]
        behind = after if slot.order == start else None
        if behind is not None:
            rest = rest[bisect_left(rest, behind.org, key=lambda pair: pair[0].id) :]
        for organisation, clusters in rest:
            if not organisation.exists_in(slot.period):
                continue
            for cluster in clusters:
                if behind is None or (organisation.id, cluster) > (behind.org, behind.cluster):
                    reporter = slot.terms.reporters[organisation.id, cluster]
                    yield Duty(indicator.id, organisation.id, cluster, slot.period, reporter, moment)


def place_of(duty: Duty) -> Place:
    """Where it stands in the order."""
    return Place(duty.period.key, duty.indicator, duty.org, duty.cluster)


def series_of(duty: Duty) -> Series:
    """The series that its figure belongs to."""
    return Series(duty.org, duty.indicator, duty.period.key)


def obligation(
    duty: Duty, terms: Terms, figure: KnownFigure | None, decision: Decision | None, now: datetime
) -> Obligation:
    """How a duty stands, with its current figure and the standing decision on its period."""
    state = state_of(duty, terms, figure, now)
    since = figure.since if figure is not None else None
    return Obligation(
        duty,
        state,
        late=state is State.REPORTED and since is not None and since >= duty.due_at,
        locked=is_locked(terms.indicator[duty.indicator].indicator, duty.period, decision, now),
        figure=figure,
    )


def state_of(duty: Duty, terms: Terms, figure: KnownFigure | None, now: datetime) -> State:
    """The duty's state; declared missing, too, where the catalogue no longer lets the figure be not applicable."""
    if figure is None:
        return State.OVERDUE if duty.due_at <= now else State.NOT_YET_DUE
    if figure.status not in {Status.MISSING, Status.NOT_APPLICABLE}:
        return State.REPORTED
    may_not_apply = duty.org in terms.indicator[duty.indicator].may_not_apply
    return State.NOT_APPLICABLE if may_not_apply and figure.status is Status.NOT_APPLICABLE else State.DECLARED_MISSING


@dataclass(frozen=True, slots=True)
class Parties:
    """Whom an organisation deals with: the subjects of its duties and the duty-holders about itself, and itself."""

    orgs: frozenset[str]
    reporters: frozenset[str]


def parties(terms: Terms, party: str) -> Parties:
    """The organisations and duty-holders of the duties that the party is shown."""
    about_it = {
        of_indicator.reporters[party, cluster]
        for of_indicator in terms.indicator.values()
        if party in of_indicator.subjects
        for cluster in of_indicator.clusters or (TOTAL,)
    }
    return Parties(terms.reports_about.get(party, frozenset()) | {party}, frozenset(about_it | {party}))


def reports_for_others(terms: Terms, party: str) -> frozenset[str]:
    """The indicators that it reports about others than itself."""
    found = set()
    for of_indicator in terms.indicator.values():
        if of_indicator.indicator.is_computed:
            continue
        by, city = of_indicator.indicator.reporting.by, of_indicator.indicator.reporting.city
        if by == Reporter.CLUSTER_LEAD:
            holders = {terms.catalogue.cluster[cluster].lead for cluster in of_indicator.clusters}
        else:
            holders = set() if by == Reporter.SELF else {str(by)}
        if party in holders or (city is not None and party == city.by):
            found.add(of_indicator.indicator.id)
    return frozenset(found)


_Order = tuple[int, int, str, str]


class _Slot(NamedTuple):
    """An indicator's period that has opened: one duty for every organisation and cluster."""

    order: _Order
    period: Period
    terms: IndicatorTerms


def _order(period: Period, indicator: str) -> _Order:
    return -period.start.toordinal(), -period.end.toordinal(), period.key, indicator


def _slot(period: Period, terms: IndicatorTerms) -> _Slot:
    return _Slot(_order(period, terms.indicator.id), period, terms)


def _slots(terms: Terms, asked: Asked, today: date) -> Sequence[_Slot]:
    """In order."""
    if asked.period is None and asked.indicator is None:
        return _all_slots(terms, today)
    indicators = [terms.indicator[asked.indicator]] if asked.indicator is not None else terms.indicator.values()
    if asked.period is None:
        slots = [_slot(period, t) for t in indicators for period in expected_periods(t.indicator, today)]
    else:
        admissions = ((t, t.period(asked.period)) for t in indicators)
        slots = [_slot(a.period, t) for t, a in admissions if isinstance(a, Admitted) and a.period.start <= today]
    return sorted(slots, key=lambda slot: slot.order)


# Of the version in force and, while a new one takes over, the one before it.
@lru_cache(maxsize=2)
def _all_slots(terms: Terms, today: date) -> Sequence[_Slot]:
    slots = [_slot(period, t) for t in terms.indicator.values() for period in expected_periods(t.indicator, today)]
    return sorted(slots, key=lambda slot: slot.order)


def _possible(state: State | None, due: datetime, now: datetime) -> bool:
    if state is State.OVERDUE:
        return due <= now
    return state is not State.NOT_YET_DUE or due > now


def _matching(
    catalogue: Catalogue, terms: IndicatorTerms, asked: Asked
) -> Sequence[tuple[Organisation, Sequence[str]]]:
    """The organisations and clusters asked for of an indicator, whatever the period, in order."""
    clusters = tuple(c for c in sorted(terms.clusters or (TOTAL,)) if asked.cluster in {None, c})
    if not clusters:
        return ()
    members = [catalogue.organisation[org] for org in sorted(_candidates(catalogue, terms, asked))]
    if asked.reporter is None and asked.party is None:
        return [(member, clusters) for member in members]
    found = []
    for member in members:
        theirs = tuple(c for c in clusters if _concerns(asked, member.id, terms.reporters[member.id, c]))
        if theirs:
            found.append((member, theirs))
    return found


def _candidates(catalogue: Catalogue, terms: IndicatorTerms, asked: Asked) -> frozenset[str]:
    """The subjects that can be asked for; of thousands that report on themselves only the one that is named."""
    reporting = terms.indicator.reporting
    named = {asked.org}
    if reporting.by == Reporter.SELF:
        # Subject and duty-holder are one: naming the one names the other.
        named |= {asked.reporter, asked.party}
    named -= {None}
    if not named:
        return terms.subjects
    found = terms.subjects & named if len(named) == 1 else frozenset[str]()
    if reporting.city is not None and asked.org in {None, catalogue.city.id}:
        # A department's figure about the city beside those of the counties: there the two are not one.
        found |= {catalogue.city.id}
    return found


def _concerns(asked: Asked, org: str, reporter: str) -> bool:
    return asked.reporter in {None, reporter} and asked.party in {None, org, reporter}
