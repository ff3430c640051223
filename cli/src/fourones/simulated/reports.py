"""What a synthetic county sends, and when: in time or late, sometimes provisional and put right later.

The reports of one county are made at a time; nothing is kept of those before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from fourones.simulated.world import (
    MILLE,
    NOTE,
    PREPARED_BY,
    Measured,
    World,
    between,
    happens,
    month_of,
    year_to_date,
)
from fourones_shared.catalogue.reported import ReportedFigure, ReportedSubmission
from fourones_shared.domain.periods import Period, periods_between

# A first estimate is wrong by up to this much of the month's own part, in thousandths: little enough for the
# year to date to go on rising.
_ERROR = (-300, 300)
_LATE_BY, _REVISED_AFTER = (1, 2), (1, 3)


@dataclass(frozen=True, slots=True)
class Report:
    """One submission.

    Attributes:
        sent: the month in which it goes out.
        name: unlike any other of the simulation; in the order of the names each county's reports stand in the order
            of their sending.
    """

    county: str
    period: Period
    sent: Period
    name: str
    submission: ReportedSubmission


def reports_of(world: World, county: str) -> Iterator[Report]:
    """A county's reports in the order of their sending."""
    found = [report for period in _months(world) for report in _about(world, county, period)]
    sent = [report for report in found if report.sent <= world.seen_from]
    yield from sorted(sent, key=lambda report: (report.sent, report.period))


def _months(world: World) -> Iterator[Period]:
    return periods_between(world.last.frequency, world.first, world.last.start)


def _about(world: World, county: str, period: Period) -> Iterator[Report]:
    """The first report on a month, then those that put it right, by the month in which they are sent."""
    sent = _first_sent(world, county, period)
    measured = [m for m in world.measured if not (m.kind.together and period.start.month == 1)]
    if not measured:
        return
    yield _report(county, period, sent, "", [_first(world, county, m, period) for m in measured])
    corrected: dict[int, list[ReportedFigure]] = {}
    for each in measured:
        if _error(world, county, each, period):
            after = between(_REVISED_AFTER, world.seed, county, each.id, period, "after")
            corrected.setdefault(after, []).append(_true(world, county, each, period))
    for after, figures in sorted(corrected.items()):
        yield _report(county, period, _later(sent, after), f"_r{after}", figures)


def _first_sent(world: World, county: str, period: Period) -> Period:
    if not _has_ended(world, period):
        return period
    about = (world.seed, county, period)
    late = between(_LATE_BY, *about, "late by") if happens(world.shares.late, *about, "late") else 0
    return _later(period, 1 + late)


def _first(world: World, county: str, measured: Measured, period: Period) -> ReportedFigure:
    if happens(world.shares.missing, world.seed, county, measured.id, period, "missing"):
        return _figure(measured, period, None, "O", f"{NOTE}:未取得数据")
    if not _has_ended(world, period):
        return _figure(measured, period, _value(world, county, measured, period), "P", f"{NOTE}:当月未结束")
    error = _error(world, county, measured, period)
    if error:
        return _figure(measured, period, _value(world, county, measured, period) + error, "P", f"{NOTE}:初步数")
    return _true(world, county, measured, period)


def _true(world: World, county: str, measured: Measured, period: Period) -> ReportedFigure:
    return _figure(measured, period, _value(world, county, measured, period), "A", NOTE)


def _value(world: World, county: str, measured: Measured, period: Period) -> int:
    return year_to_date(world.seed, county, measured, period)[0]


def _error(world: World, county: str, measured: Measured, period: Period) -> int:
    """By how much the first report is wrong, in smallest units; 0 for most."""
    about = (world.seed, county, measured.id, period)
    if not happens(world.shares.revised, *about, "revised") or not _has_ended(world, period):
        return 0
    if happens(world.shares.missing, *about, "missing"):
        return 0
    _, part = year_to_date(world.seed, county, measured, period)
    thousandths = between(_ERROR, *about, "error")
    # Towards zero, so that the bound holds for small counts too.
    return part * abs(thousandths) // MILLE * (1 if thousandths > 0 else -1)


def _has_ended(world: World, period: Period) -> bool:
    return period.end < world.today


def _figure(measured: Measured, period: Period, units: int | None, status: str, note: str) -> ReportedFigure:
    value = None if units is None else Decimal(units).scaleb(-measured.kind.decimals)
    return ReportedFigure(
        indicator=measured.id, period=period.key, value=value, unit=measured.kind.unit, status=status, note=note
    )


def _report(county: str, period: Period, sent: Period, suffix: str, figures: Sequence[ReportedFigure]) -> Report:
    submission = ReportedSubmission(reporter=county, org=county, prepared_by=PREPARED_BY, figures=tuple(figures))
    return Report(county, period, sent, f"{sent.key}/{county}_{period.key}{suffix}", submission)


def _later(period: Period, months: int) -> Period:
    for _ in range(months):
        period = period.next()
    return period


def last_ended(today: date) -> Period:
    """The latest month that has ended before a day."""
    return month_of(today).previous()
