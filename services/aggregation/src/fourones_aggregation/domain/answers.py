"""From what is kept to what is said: values, statuses, states of members, and missing values carried forward."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import NamedTuple

from fourones_aggregation.domain.differences import EXACT
from fourones_aggregation.domain.scopes import Rule
from fourones_shared.catalogue.model import Covers, Indicator
from fourones_shared.domain.periods import Period
from fourones_shared.events.model import State, Status

# A mean need not end; ten decimals are as many as a figure may have (fourones_shared.domain.numbers).
_MEAN = Decimal("1e-10")
_ROUNDING = Context(prec=200, rounding=ROUND_HALF_EVEN)


class Earlier(NamedTuple):
    """A reporter's value of an earlier period of the same form."""

    period: Period
    value: Decimal


def value_of(rule: Rule, total: Decimal, reported: int) -> Decimal | None:
    """The value of a roll-up; None when nobody has reported. A mean is rounded to ten decimals, half to even."""
    if reported == 0:
        return None
    if rule is Rule.MEAN:
        return _ROUNDING.quantize(_ROUNDING.divide(total, Decimal(reported)), _MEAN)
    return total


def status_of(provisional: int, estimated: int, forecast: int) -> Status:
    """The weakest status among the members: forecast, then estimated, then provisional, else normal."""
    if forecast:
        return Status.FORECAST
    if estimated:
        return Status.ESTIMATED
    return Status.PROVISIONAL if provisional else Status.NORMAL


def state_of(
    value: Decimal | None, status: Status | None, *, may_not_apply: bool, due_at: datetime, now: datetime
) -> State:
    """The state of an expected figure at a moment; `status` is None when there is none or it was withdrawn."""
    if value is not None:
        return State.REPORTED
    if status is Status.NOT_APPLICABLE and may_not_apply:
        return State.NOT_APPLICABLE
    if status is not None:
        return State.DECLARED_MISSING
    return State.OVERDUE if due_at <= now else State.NOT_YET_DUE


def carried(indicator: Indicator, period: Period, earlier: Sequence[Earlier]) -> Decimal | None:
    """What to put in for a reporter who is missing in `period`.

    Args:
        indicator: tells whether a value covers its period or the year to date.
        period: the one that lacks a value.
        earlier: the reporter's last two values before it, the later first.

    Returns:
        The last value. For a year-to-date indicator the last value of the same year plus its last single period,
        which is the value itself for the year's first; the last value alone where the one before it is unknown.
    """
    if not earlier:
        return None
    last = earlier[0]
    if indicator.covers is not Covers.YEAR_TO_DATE:
        return last.value
    if last.period.year != period.year:
        return None
    if _opens_the_year(indicator, last.period):
        return EXACT.add(last.value, last.value)
    if len(earlier) > 1 and earlier[1].period == last.period.previous():
        return EXACT.add(last.value, EXACT.subtract(last.value, earlier[1].value))
    return last.value


def with_carried(rule: Rule, total: Decimal, reported: int, put_in: Iterable[Decimal]) -> Decimal | None:
    """The value with the missing members' values put in; None when there are none to put in."""
    count = 0
    for value in put_in:
        total = EXACT.add(total, value)
        count += 1
    return value_of(rule, total, reported + count) if count else None


def _opens_the_year(indicator: Indicator, period: Period) -> bool:
    first_month = 2 if indicator.january_february == "together" and period.start.month == 2 else 1
    return period.start.month == first_month
