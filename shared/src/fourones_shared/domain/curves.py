"""The plan curve (序时进度): which share of the way to a target is due by the end of a day.

Shares are exact fractions, days are counted whole, and a date means the end of that day. Between two points the
curve is a straight line by days. Earned schedule, which turns a reached share into lateness, follows W. Lipke,
"Schedule is Different", The Measurable News, 2003.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise

from fourones_shared.errors import CatalogueRefused


@dataclass(frozen=True, slots=True)
class Point:
    """The share of the way that is due by the end of a day (0.45 is 45 %)."""

    day: date
    share: Fraction


@dataclass(frozen=True, slots=True)
class PlanCurve:
    """A path from 0 at the end of `start` to 1 at the end of `due`.

    Attributes:
        start: the day at whose end nothing is due yet, such as the last day of the baseline's period.
        due: the day by whose end everything is due.
        milestones: the points between, in any order; none means a straight line.

    Raises:
        CatalogueRefused: when the points make no path, see `curve_faults`.
    """

    start: date
    due: date
    milestones: tuple[Point, ...] = ()
    _points: tuple[Point, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        faults = curve_faults(self.start, self.due, self.milestones)
        if faults:
            raise CatalogueRefused(faults)
        between = sorted((p for p in self.milestones if p.day < self.due), key=lambda p: p.day)
        points = (Point(self.start, Fraction(0)), *between, Point(self.due, Fraction(1)))
        object.__setattr__(self, "_points", points)

    def share_due(self, day: date) -> Fraction:
        """The share due by the end of that day: 0 up to the start, 1 from the due date on."""
        if day <= self.start:
            return Fraction(0)
        if day >= self.due:
            return Fraction(1)
        right = next(i for i, point in enumerate(self._points) if point.day >= day)
        left, right_point = self._points[right - 1], self._points[right]
        way = Fraction((day - left.day).days, (right_point.day - left.day).days)
        return left.share + way * (right_point.share - left.share)

    def day_due_for(self, share: Fraction) -> date:
        """The last day by whose end no more than this share is due: how far in time the reached share takes one.

        Where the curve is flat, that is the end of the flat stretch: who has reached what is due is not late.
        """
        if share < 0:
            return self.start
        if share >= 1:
            return self.due
        left = max(i for i, point in enumerate(self._points) if point.share <= share)
        point, following = self._points[left], self._points[left + 1]
        days = (share - point.share) / (following.share - point.share) * (following.day - point.day).days
        return point.day + timedelta(days=days.numerator // days.denominator)

    def months_behind(self, day: date, share: Fraction) -> Fraction:
        """Earned schedule: months between the day this share carries to and `day`; 0 where it is not late."""
        return max(Fraction(0), months_between(self.day_due_for(share), min(day, self.due)))


def curve_faults(start: date, due: date, milestones: Sequence[Point]) -> list[str]:
    """What keeps these points from being a path from 0 at `start` to 1 at `due`, each with how to mend it."""
    if start >= due:
        return [f"the way ends ({due}) before it begins ({start}): give a baseline earlier than the due date"]
    faults = []
    ordered = sorted(milestones, key=lambda p: p.day)
    for point in ordered:
        if not start < point.day <= due:
            faults.append(f"the milestone of {point.day} lies outside the way from {start} to {due}")
        if not 0 <= point.share <= 1:
            faults.append(f"the milestone of {point.day} has share {point.share}: write a fraction of 1, such as 0.45")
        if point.day == due and point.share != 1:
            faults.append(f"the milestone of {point.day} is the due date, where the whole (1) is due")
    for one, other in pairwise(ordered):
        if one.day == other.day:
            faults.append(f"two milestones lie on {one.day}: keep one")
        elif other.share < one.share:
            faults.append(f"the curve falls from {one.share} ({one.day}) to {other.share} ({other.day})")
    return faults


def months_between(first: date, last: date) -> Fraction:
    """Months from the end of one day to the end of another, exact; negative when `last` is earlier.

    A whole month is one however long it is; a part counts by the days of its own month.
    """
    return _month_position(last) - _month_position(first)


def years_between(first: date, last: date) -> Fraction:
    """Years from the end of one day to the end of another: a twelfth for every month."""
    return months_between(first, last) / 12


def _month_position(day: date) -> Fraction:
    length = monthrange(day.year, day.month)[1]
    return day.year * 12 + day.month - 1 + Fraction(day.day, length)
