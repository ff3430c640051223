"""When a period takes no more figures: by the catalogue's rule, unless a coordinator has decided otherwise.

Late is not locked: a figure that comes after its due date is accepted until the period is locked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from fourones_shared.catalogue.duties import locks_at
from fourones_shared.catalogue.model import Indicator
from fourones_shared.domain.periods import Period
from fourones_submission.domain.checking import Checked
from fourones_submission.domain.draft import Fault
from fourones_submission.domain.known import Series
from fourones_submission.domain.terms import Terms


@dataclass(frozen=True, slots=True)
class Decision:
    """A coordinator's word on a period that stands now."""

    locked: bool
    reason: str


def is_locked(indicator: Indicator, period: Period, decision: Decision | None, now: datetime) -> bool:
    """Whether a figure of the period is refused now."""
    if decision is not None:
        return decision.locked
    moment = locks_at(indicator, period)
    return moment is not None and moment <= now


def series_of(checked: Checked) -> frozenset[Series]:
    """What a submission is about."""
    return frozenset(Series(checked.org, figure.indicator, figure.period) for figure in checked.figures)


def locked(checked: Checked, terms: Terms, decisions: Mapping[Series, Decision], now: datetime) -> tuple[Fault, ...]:
    """The faults of figures whose period is locked; a withdrawal is one of them."""
    faults = []
    for index, figure in enumerate(checked.figures):
        decision = decisions.get(Series(checked.org, figure.indicator, figure.period))
        indicator = terms.indicator[figure.indicator].indicator
        if is_locked(indicator, Period.parse(figure.period), decision, now):
            why = f"原因:{decision.reason}" if decision is not None else "已过补报、修订的期限"
            detail = f"{figure.indicator} 的 {figure.period} 已锁定({why}):如确需修改,请向协调办公室申请解锁"
            faults.append(Fault(index, "period", "period_locked", detail))
    return tuple(faults)
