"""Punctuality (报送及时率): of the figures that fell due within a year, how many came in time, late, or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from fourones_shared.catalogue.duties import due_at, expected_periods, subjects
from fourones_shared.catalogue.model import TOTAL, Catalogue, Indicator, Reporter
from fourones_shared.domain.periods import shanghai_date


@dataclass(frozen=True, slots=True)
class FellDue:
    """Duties of one indicator: one for each of the organisations, clusters and periods.

    Attributes:
        orgs: whom they are about; those that exist in all of the periods.
        holders: the duty-holder by cluster (`_T` without); None where each organisation reports about itself.
        due_at: the due moment by period (canonical).
    """

    indicator: Indicator
    orgs: tuple[str, ...]
    holders: Mapping[str, str | None]
    due_at: Mapping[str, datetime]


@dataclass(frozen=True, slots=True)
class Came:
    """What came of a duty-holder's figures that fell due, in figures.

    Attributes:
        on_time: a value stood at the due moment; a value of which nobody knows the moment counts as one.
        late: a value stands, and first did so after the due moment.
        not_applicable: declared so, where the catalogue allows it: never expected, after all.
    """

    on_time: int = 0
    late: int = 0
    not_applicable: int = 0

    def __add__(self, other: Came) -> Came:
        return Came(self.on_time + other.on_time, self.late + other.late, self.not_applicable + other.not_applicable)


@dataclass(frozen=True, slots=True)
class Punctuality:
    """How punctual a duty-holder is, in figures; every figure that was due is on time, late or missing."""

    due: int
    on_time: int
    late: int

    @property
    def missing(self) -> int:
        """Neither value nor excuse: overdue, or declared missing."""
        return self.due - self.on_time - self.late

    @property
    def on_time_ratio(self) -> float | None:
        """The share that came in time; None where nothing was due."""
        return self.on_time / self.due if self.due else None


def fell_due(catalogue: Catalogue, now: datetime) -> Iterator[FellDue]:
    """The duties whose due moment lies in the year that ends now."""
    since = _a_year_before(now)
    for indicator in catalogue.indicators:
        if indicator.is_computed:
            continue
        periods: dict[tuple[str, ...], dict[str, datetime]] = {}
        for period in expected_periods(indicator, shanghai_date(now)):
            moment = due_at(indicator, period)
            if since < moment <= now:
                orgs = tuple(organisation.id for organisation in subjects(catalogue, indicator, period))
                periods.setdefault(orgs, {})[period.key] = moment
        for orgs, moments in periods.items():
            for of_same_holders, holders in _by_holders(catalogue, indicator, orgs):
                yield FellDue(indicator, of_same_holders, holders, moments)


def punctuality(fallen: Iterable[FellDue], came: Mapping[str, Came]) -> dict[str, Punctuality]:
    """By duty-holder: what fell due of it, and what came of that."""
    due: Counter[str] = Counter()
    for duties in fallen:
        for holder in duties.holders.values():
            if holder is not None:
                due[holder] += len(duties.orgs) * len(duties.due_at)
                continue
            for org in duties.orgs:
                due[org] += len(duties.due_at)
    nothing = Came()
    return {
        holder: Punctuality(count - c.not_applicable, c.on_time, c.late)
        for holder, count in sorted(due.items())
        for c in (came.get(holder, nothing),)
    }


def _by_holders(
    catalogue: Catalogue, indicator: Indicator, orgs: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Mapping[str, str | None]]]:
    """The organisations parted by who reports about them: a department's figure about the city is a duty of its own."""
    clusters = indicator.clusters or (TOTAL,)
    city = indicator.reporting.city
    if city is not None and catalogue.city.id in orgs:
        yield (catalogue.city.id,), dict.fromkeys(clusters, city.by)
        orgs = tuple(org for org in orgs if org != catalogue.city.id)
    if orgs:
        yield orgs, {cluster: _holder(catalogue, indicator, cluster) for cluster in clusters}


def _holder(catalogue: Catalogue, indicator: Indicator, cluster: str) -> str | None:
    by = indicator.reporting.by
    if by == Reporter.SELF:
        return None
    return catalogue.cluster[cluster].lead if by == Reporter.CLUSTER_LEAD else str(by)


def _a_year_before(moment: datetime) -> datetime:
    try:
        return moment.replace(year=moment.year - 1)
    except ValueError:
        # The 29th of February.
        return moment.replace(year=moment.year - 1, day=28)
