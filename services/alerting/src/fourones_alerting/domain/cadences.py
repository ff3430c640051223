"""Meetings and reports by cadence: how many of the year's were held, and the longest run without one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fourones_alerting.domain.comparators import meets
from fourones_alerting.domain.readings import Reading
from fourones_shared.catalogue.model import Cadence, Target
from fourones_shared.domain.ways import stretch_of


@dataclass(frozen=True, slots=True)
class Tally:
    """Of a calendar year's periods so far.

    Attributes:
        met: periods in which the target was met.
        judged: periods complete or past due; one that nobody owes (a week of public holidays) is not among them.
        longest_gap: most unmet or silent periods in a row.
    """

    met: int
    judged: int
    longest_gap: int


def tally(target: Target, readings: Sequence[Reading], now: datetime, *, sense: int) -> Tally | None:
    """Count the periods of the latest judged year; None for targets by date or per year, or before any is judged.

    Args:
        target: a target per quarter, month or week.
        readings: all its readings, in order.
        now: the moment of judging.
        sense: +1 where higher is better, -1 where lower is.
    """
    if target.per in {None, Cadence.YEAR}:
        return None
    judged = [r for r in readings if r.whole and r.is_judgeable(now)]
    if not judged:
        return None
    year = stretch_of(Cadence.YEAR, judged[-1].period)
    met = longest = run = count = 0
    for reading in judged:
        if stretch_of(Cadence.YEAR, reading.period) != year:
            continue
        count += 1
        held = reading.value is not None and meets(
            reading.value, target.comparator, target.value, sense=sense, band=target.band
        )
        run = 0 if held else run + 1
        met, longest = met + held, max(longest, run)
    return Tally(met, count, longest)
