"""From what is kept to what is said: values, statuses, states of members, and missing values carried forward."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import NamedTuple, Protocol

from fourones_aggregation.domain.differences import EXACT
from fourones_aggregation.domain.facts import Fact
from fourones_aggregation.domain.scopes import Rule
from fourones_shared.catalogue.model import Covers, Indicator
from fourones_shared.domain.periods import Period
from fourones_shared.events.model import State, Status

# A mean need not end; ten decimals are as many as a figure may have (fourones_shared.domain.numbers).
_MEAN = Decimal("1e-10")
_NOBODY: tuple[str, ...] = ()
_ROUNDING = Context(prec=200, rounding=ROUND_HALF_EVEN)


class Earlier(NamedTuple):
    """A reporter's value of an earlier period of the same form."""

    period: Period
    value: Decimal


class Kept(Protocol):
    """A version of a roll-up, as its row has it."""

    rule: str
    total: Decimal
    reported: int
    expected: int
    provisional: int
    estimated: int
    forecast: int
    computed: Decimal | None
    computed_known: int | None
    computed_of: int | None
    computed_missing: Sequence[str] | None
    computed_status: str | None
    version: int
    recorded_at: datetime
    due_at: datetime


class Alone(Protocol):
    """A duty with the current revision of its figure, if there is one."""

    value: Decimal | None
    status: str | None
    sequence: int | None
    may_not_apply: bool
    due_at: datetime
    opened_at: datetime
    applied_at: datetime | None


def shown(row: Kept) -> Fact:
    """What a roll-up says. The names of its missing members are not in its row and left to the caller.

    A derived roll-up that is reported too: the computed value stands when there is one and all that it needs is
    complete, else the one reported figure, else as much as could be computed. A computed value is None where an input
    lacks what it needs (a weight, a denominator), whoever has reported.
    """
    rule = Rule(row.rule)
    known, of = row.computed_known or 0, row.computed_of or 0
    reported, expected, missing = row.reported, row.expected, _NOBODY
    value = value_of(rule, row.total, row.reported)
    status = None if value is None else status_of(row.provisional, row.estimated, row.forecast)
    stands = row.computed is not None and (known == of > 0 or value is None)
    # Nobody reports it, or several do about their parts, and percentages are not added.
    if rule is Rule.DERIVED and (stands or expected != 1):
        value, reported, expected, missing = row.computed, known, of, tuple(row.computed_missing or ())
        status = None if value is None or row.computed_status is None else Status(row.computed_status)
    elif rule in {Rule.MAXIMUM, Rule.WEIGHTED}:
        value = row.computed
    return Fact(
        value,
        None if value is None else status,
        reported,
        expected,
        missing,
        version=row.version,
        recorded_at=row.recorded_at,
        due_at=row.due_at,
    )


def shown_alone(row: Alone, name: str) -> Fact:
    """What a scope with one member says; `name` is what it calls that member when it is missing."""
    is_reported = row.value is not None
    expected = not (not is_reported and row.status == Status.NOT_APPLICABLE and row.may_not_apply)
    return Fact(
        row.value,
        None if row.status is None else Status(row.status),
        int(is_reported),
        int(expected),
        (name,) if expected and not is_reported else (),
        version=row.sequence or 0,
        recorded_at=row.applied_at or row.opened_at,
        due_at=row.due_at,
    )


def value_of(rule: Rule, total: Decimal, reported: int) -> Decimal | None:
    """The value of a roll-up; None when nobody has reported. A mean is rounded to ten decimals, half to even."""
    if reported == 0:
        return None
    return quotient(total, Decimal(reported)) if rule is Rule.MEAN else total


def quotient(dividend: Decimal, divisor: Decimal) -> Decimal:
    """A mean, rounded to ten decimals, half to even."""
    return _ROUNDING.quantize(_ROUNDING.divide(dividend, divisor), _MEAN)


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
