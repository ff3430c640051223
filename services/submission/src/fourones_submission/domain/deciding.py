"""What a coordinator's decision to lock a period, or to lift a lock, must keep."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from fourones_shared.domain.periods import Period
from fourones_submission.domain.checking import LONGEST_NOTE
from fourones_submission.domain.draft import Fault
from fourones_submission.domain.known import Series
from fourones_submission.domain.terms import IndicatorTerms, NotAdmitted, Terms, unreadable_period
from fourones_submission.domain.wording import Suggestions, quoted, unsafe

LONGEST_REASON = LONGEST_NOTE
# Whoever means longer than this means for ever.
LONGEST_UNTIL = timedelta(days=3660)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A decision as a coordinator has written it.

    Attributes:
        locked: whether figures of the period are to be refused.
        until: from this moment the catalogue's own rule stands again; None for ever.
    """

    org: str
    indicator: str
    period: str
    locked: bool
    until: datetime | None
    reason: str


def decided_about(proposal: Proposal, terms: Terms, now: datetime) -> tuple[Series | None, tuple[Fault, ...]]:
    """What a decision is about, its period in canonical spelling, or everything that is wrong with it."""
    faults: list[Fault] = []
    if proposal.org not in terms.catalogue.organisation:
        detail = f"没有编码为 {quoted(proposal.org)} 的单位;" + Suggestions(terms.organisation_names).near(proposal.org)
        faults.append(Fault(None, "org", "org_unknown", detail))
    of_indicator = terms.indicator.get(proposal.indicator)
    period = None
    if of_indicator is not None:
        period = _period(proposal, of_indicator, terms, now, faults)
    else:
        detail = f"没有编码为 {quoted(proposal.indicator)} 的指标;"
        detail += Suggestions(terms.indicator_names).near(proposal.indicator)
        faults.append(Fault(None, "indicator", "indicator_unknown", detail))
        unreadable = unreadable_period(proposal.period)
        if unreadable is not None:
            faults.append(Fault(None, "period", unreadable.code, unreadable.detail))
    _until(proposal.until, now, faults)
    _reason(proposal.reason, faults)
    if faults or period is None:
        return None, tuple(faults)
    return Series(proposal.org, proposal.indicator, period.key), ()


def _period(
    proposal: Proposal, of_indicator: IndicatorTerms, terms: Terms, now: datetime, faults: list[Fault]
) -> Period | None:
    organisation = terms.catalogue.organisation.get(proposal.org)
    if organisation is not None and organisation.id not in of_indicator.subjects:
        detail = f"{proposal.indicator} 不统计 {organisation.id}({organisation.name}),没有可锁定的报送任务"
        faults.append(Fault(None, "org", "org_not_a_subject", detail))
        organisation = None
    admission = of_indicator.period(proposal.period)
    if isinstance(admission, NotAdmitted):
        faults.append(Fault(None, "period", admission.code, admission.detail))
        return None
    if admission.starts_at > now:
        detail = f"{admission.period.key} 尚未开始,本来就不能报送:不必锁定"
        faults.append(Fault(None, "period", "period_in_future", detail))
    if organisation is not None and not organisation.exists_in(admission.period):
        detail = f"单位 {organisation.id} 在 {admission.period.key} 尚未设立或已撤销"
        faults.append(Fault(None, "period", "org_not_existing", detail))
    return admission.period


def _until(until: datetime | None, now: datetime, faults: list[Fault]) -> None:
    if until is None:
        return
    if until <= now:
        detail = "until 已经过去:请写将来的时间;长期有效的不写 until"
        faults.append(Fault(None, "until", "until_in_past", detail))
    elif until - now > LONGEST_UNTIL:
        detail = "until 超过十年:请写近一些的时间;长期有效的不写 until"
        faults.append(Fault(None, "until", "until_too_far", detail))


def _reason(reason: str, faults: list[Fault]) -> None:
    if not reason.strip():
        faults.append(Fault(None, "reason", "reason_missing", "缺少 reason:请写明锁定或解锁的原因"))
    elif len(reason) > LONGEST_REASON:
        detail = f"最多 {LONGEST_REASON} 个字,现有 {len(reason)} 个:请缩短"
        faults.append(Fault(None, "reason", "text_too_long", detail))
    elif unsafe(reason):
        faults.append(Fault(None, "reason", "text_not_printable", "含有控制字符或残缺的编码:请删去不可见字符"))
