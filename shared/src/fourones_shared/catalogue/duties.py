"""Who must report what, and by when: the catalogue's duties spelt out, period by period."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

from fourones_shared.catalogue.model import TOTAL, About, Catalogue, Covers, Indicator, Organisation, Reporter
from fourones_shared.domain.periods import Frequency, Period, end_of_day, periods_between
from fourones_shared.domain.working_days import working_days_after


@dataclass(frozen=True, slots=True)
class Duty:
    """One figure that must come: what, about whom, for when, from whom, and by which moment."""

    indicator: str
    org: str
    cluster: str
    period: Period
    reporter: str
    due_at: datetime


def expected_periods(indicator: Indicator, until: date) -> Iterator[Period]:
    """The periods for which the indicator is reported and which have opened on or before `until`.

    Where January and February are reported together, a year-to-date indicator expects nothing for January and
    both months' value under February; one that covers its period expects the range `YYYY-01-01/P2M` instead.
    """
    reporting = indicator.reporting
    if reporting.frequency is Frequency.RANGE:
        period = Period.parse(reporting.period or "")
        if period.start <= until:
            yield period
        return
    last = until if reporting.last is None else min(until, reporting.last)
    for period in periods_between(reporting.frequency, reporting.first, last):
        if not _joins_january_and_february(indicator) or period.start.month > 2:
            yield period
        elif indicator.covers is Covers.YEAR_TO_DATE:
            if period.start.month == 2:
                yield period
        elif period.start.month == 1:
            yield _january_and_february(period.start.year)


def is_expected(indicator: Indicator, period: Period) -> bool:
    """Whether the indicator is reported for exactly this period."""
    reporting = indicator.reporting
    if reporting.frequency is Frequency.RANGE:
        return period.key == Period.parse(reporting.period or "").key
    if period.start < reporting.first or (reporting.last is not None and period.start > reporting.last):
        return False
    if _joins_january_and_february(indicator) and period.start.month <= 2:
        if indicator.covers is Covers.YEAR_TO_DATE:
            return period.frequency is Frequency.MONTH and period.start.month == 2
        return period == _january_and_february(period.start.year)
    return period.frequency is reporting.frequency


def as_expected(indicator: Indicator, period: Period) -> Period:
    """The indicator's name of the period: January and February together are `2026-02` or `2026-01-01/P2M`."""
    if not _joins_january_and_february(indicator) or (period.start.month, period.end.month) not in {(1, 2), (2, 2)}:
        return period
    if indicator.covers is Covers.YEAR_TO_DATE:
        return Period.parse(f"{period.year:04d}-02")
    return _january_and_february(period.year)


def _joins_january_and_february(indicator: Indicator) -> bool:
    return indicator.january_february == "together" and indicator.reporting.frequency is Frequency.MONTH


def _january_and_february(year: int) -> Period:
    return Period.parse(f"{year:04d}-01-01/P2M")


def due_at(indicator: Indicator, period: Period) -> datetime:
    """The first moment (UTC) at which a missing figure is overdue: the end of the day in Shanghai on which it is due.

    That day is so many days, or so many working days of the Chinese calendar, after the period's last day.
    """
    reporting = indicator.reporting
    return _due_at(period.end, reporting.due_days, reporting.due_working_days)


# Asked for every figure that a page or a tick shows, of some hundred periods.
@lru_cache(maxsize=16_384)
def _due_at(end: date, days: int | None, working_days: int | None) -> datetime:
    if working_days is not None:
        return end_of_day(working_days_after(end, working_days))
    return end_of_day(end + timedelta(days=days or 0))


def locks_at(indicator: Indicator, period: Period) -> datetime | None:
    """The first moment (UTC) at which the catalogue admits no figure of the period any more; None for never.

    Days here are days of the calendar, however the due date is counted.
    """
    lock_days = indicator.reporting.lock_days
    return None if lock_days is None else due_at(indicator, period) + timedelta(days=lock_days)


def subjects(catalogue: Catalogue, indicator: Indicator, period: Period) -> tuple[Organisation, ...]:
    """The organisations that the indicator is about and that exist in the period, the city last.

    One that nobody reports is about its organisations all the same: it is computed for them.
    """
    about = indicator.reporting.about
    if about is About.COUNTIES_AND_ZONES:
        members = catalogue.counties_and_zones
    elif about is About.CITY:
        members = (catalogue.city,)
    else:
        members = tuple(catalogue.organisation[o] for o in about)
    if indicator.reporting.city is not None:
        members = (*members, catalogue.city)
    return tuple(o for o in members if o.exists_in(period))


def reporter_of(catalogue: Catalogue, indicator: Indicator, org: str, cluster: str) -> str:
    """The one organisation that has the duty to report this indicator about `org` and `cluster`.

    Not to be asked of an indicator that nobody reports.
    """
    by, city = indicator.reporting.by, indicator.reporting.city
    if city is not None and org == catalogue.city.id:
        return city.by
    if by == Reporter.SELF:
        return org
    if by == Reporter.CLUSTER_LEAD:
        return catalogue.cluster[cluster].lead
    return str(by)


def duties(catalogue: Catalogue, indicator: Indicator, period: Period) -> Iterator[Duty]:
    """Every duty for the indicator and period, by organisation, then cluster (`_T` without clusters)."""
    if indicator.is_computed:
        return
    moment = due_at(indicator, period)
    for organisation in subjects(catalogue, indicator, period):
        for cluster in indicator.clusters or (TOTAL,):
            reporter = reporter_of(catalogue, indicator, organisation.id, cluster)
            yield Duty(indicator.id, organisation.id, cluster, period, reporter, moment)
