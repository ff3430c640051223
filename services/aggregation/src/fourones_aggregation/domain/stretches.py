"""Quarters, half-years and years of indicators that are reported more finely: computed on read, never stored.

A *stretch* is a period that an indicator is not reported for, made of *parts* that it is. A flow per period is summed
over them; a stock and a year-to-date flow take the last. A ratio or percentage has no stretch: a derived one is
computed again from its inputs' stretches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from enum import StrEnum

from fourones_aggregation.domain.differences import EXACT
from fourones_aggregation.domain.facts import Fact
from fourones_shared.catalogue.duties import due_at, is_expected
from fourones_shared.catalogue.model import Adding, Covers, Indicator, Kind
from fourones_shared.catalogue.rules.lookup import is_share
from fourones_shared.domain.periods import Frequency, Period, periods_between
from fourones_shared.events.model import Status

# As many names as one roll-up tells (fourones_aggregation.members).
MISSING_AT_MOST = 50
# What a stretch can be, and of which forms it can be made: those whose periods it holds whole.
_HOLDS = {
    Frequency.QUARTER: frozenset({Frequency.MONTH}),
    Frequency.HALF: frozenset({Frequency.MONTH, Frequency.QUARTER}),
    Frequency.YEAR: frozenset({Frequency.MONTH, Frequency.QUARTER, Frequency.HALF}),
}
# The later speaks for all.
_WEAKER = (Status.NORMAL, Status.PROVISIONAL, Status.ESTIMATED, Status.FORECAST)


class OverTime(StrEnum):
    """How the periods of a stretch make one value."""

    SUM = "sum"
    LAST = "last"
    NONE = "none"


def over_time(indicator: Indicator) -> OverTime:
    """How an indicator's periods make a longer one.

    A flow per period of which the highest member counts, or a weighted mean, has no sum over time: the sum of the
    months' maxima is not the maximum of the quarter's sums.
    """
    if indicator.derived is not None or is_share(indicator):
        return OverTime.NONE
    if indicator.kind is Kind.STOCK or indicator.covers is Covers.YEAR_TO_DATE:
        return OverTime.LAST
    return OverTime.SUM if adds_up(indicator) else OverTime.NONE


def adds_up(indicator: Indicator) -> bool:
    """Whether the total of two periods is the sum of their totals: for sums and means of the same members."""
    return not {indicator.over_organisations, indicator.over_clusters} & {Adding.MAXIMUM, Adding.WEIGHTED_MEAN}


def parts(indicator: Indicator, stretch: Period) -> tuple[Period, ...]:
    """The periods that the catalogue expects of the indicator inside the stretch, in order.

    Where January and February are reported together, these are the range of both for a flow per period, and
    February alone for a year-to-date one. A stretch in which the duty begins or ends has the parts that are expected:
    a year whose duty began in July has six months (`reaches_through` tells such a one from a whole year).

    Returns:
        Nothing where the stretch cannot be made of what is reported: for the indicator's own periods and finer ones,
        for weeks and ranges on either side, where nothing adds up over time, and outside the duty.
    """
    if over_time(indicator) is OverTime.NONE or indicator.reporting.frequency not in _HOLDS.get(
        stretch.frequency, frozenset()
    ):
        return ()
    return expected_between(indicator, stretch.start, stretch.end)


def expected_between(indicator: Indicator, first: date, last: date) -> tuple[Period, ...]:
    """The periods that the catalogue expects which start on or after `first` and on or before `last`, in order."""
    reporting = indicator.reporting
    if reporting.frequency is Frequency.RANGE:
        only = Period.parse(reporting.period or "")
        return (only,) if first <= only.start <= last else ()
    found = [p for p in periods_between(reporting.frequency, first, last) if is_expected(indicator, p)]
    if joins_january_and_february(indicator) and indicator.covers is Covers.PERIOD:
        ranges = (january_and_february(year) for year in range(first.year, last.year + 1))
        found += [r for r in ranges if first <= r.start <= last and is_expected(indicator, r)]
    return tuple(sorted(found))


def joins_january_and_february(indicator: Indicator) -> bool:
    """Whether the indicator's January and February are reported as one."""
    return indicator.january_february == "together" and indicator.reporting.frequency is Frequency.MONTH


def january_and_february(year: int) -> Period:
    """The range of both months."""
    return Period.parse(f"{year:04d}-01-01/P2M")


def combine(
    indicator: Indicator,
    parts: Iterable[Period],
    facts: Mapping[str, Fact],
    expected: Callable[[Period], int],
) -> Fact | None:
    """What is known of a stretch.

    Args:
        indicator: tells how its periods add up.
        parts: the stretch's parts, in any order; all of them, open or not.
        facts: by the key of the period; a part that has not opened has none.
        expected: how many reporters the catalogue expects of a part without a fact.

    Returns:
        None when no part has opened. A sum is of what is reported, with the coverage of all parts: those that have not
        opened are expected and not reported. The last is the value of the last part that has one, with the coverage
        of the last part; who is missing from one that has not opened is not told. `through` names the last part in
        the value. `version` is the sum of the parts' versions, so it rises with every change of any of them.
    """
    way, ordered = over_time(indicator), sorted(parts)
    opened = [(part, facts[part.key]) for part in ordered if part.key in facts]
    if way is OverTime.NONE or not opened:
        return None
    valued = [(part, fact) for part, fact in opened if fact.value is not None]
    if way is OverTime.LAST:
        counted, valued = ordered[-1:], valued[-1:]
    else:
        counted = ordered
    value = None
    for _, fact in valued:
        if fact.value is not None:
            value = fact.value if value is None else EXACT.add(value, fact.value)
    through = None
    if valued:
        last, fact = valued[-1]
        through = fact.through or last.key
    known = {part.key: fact for part, fact in opened}
    covering = [known[part.key] for part in counted if part.key in known]
    return Fact(
        value=value,
        status=weakest(fact.status for _, fact in valued),
        reported=sum(fact.reported for fact in covering),
        expected=sum(known[p.key].expected if p.key in known else expected(p) for p in counted),
        missing=union(fact.missing for fact in covering),
        version=sum(fact.version for _, fact in opened),
        recorded_at=latest(fact.recorded_at for _, fact in opened),
        due_at=latest(known[p.key].due_at if p.key in known else due_at(indicator, p) for p in ordered),
        through=through,
    )


def reaches_through(indicator: Indicator, period: Period, fact: Fact) -> bool:
    """Whether the value is of the whole period: its last part is in it and, for a sum, its first part is expected.

    True of a fact of one of the indicator's own periods; whether everybody has reported is another question.
    """
    if fact.through is None:
        return True
    if Period.parse(fact.through).end != period.end:
        return False
    return over_time(indicator) is not OverTime.SUM or parts(indicator, period)[0].start == period.start


def weakest(statuses: Iterable[Status | None]) -> Status | None:
    """The weakest status of values: forecast, then estimated, then provisional, then normal; None of no value."""
    given = [status for status in statuses if status in _WEAKER]
    return max(given, key=_WEAKER.index) if given else None


def latest(moments: Iterable[datetime | None]) -> datetime | None:
    """The latest of the moments that are known."""
    return max((moment for moment in moments if moment is not None), default=None)


def union(missing: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """All names once, sorted, as many as are told."""
    return tuple(sorted({name for names in missing for name in names})[:MISSING_AT_MOST])
