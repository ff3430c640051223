"""Checks a submission against a catalogue: everything that is wrong with it, at once.

A submission is accepted whole or refused whole. It is *forbidden* when its sender has no right to it or to some of
its figures, *refused* when it is wrong, and otherwise its figures come back in canonical form.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from fourones_shared.access.keys import Principal
from fourones_shared.catalogue.model import TOTAL
from fourones_shared.domain.numbers import MAX_DECIMALS, MAX_INTEGER_DIGITS, decimals_of, format_decimal, parse_decimal
from fourones_shared.errors import InvalidNumber
from fourones_shared.events.model import Role, Status
from fourones_submission.domain.draft import MOST_FIGURES, Draft, Fault, FigureDraft, too_many
from fourones_submission.domain.terms import Admitted, IndicatorTerms, NotAdmitted, Terms, unreadable_period
from fourones_submission.domain.wording import Suggestions, quoted, unsafe

# Long enough for an official's explanation; 5,000 of them must still fit into one event.
LONGEST_NOTE = 1_000
LONGEST_NAME = 100

# Sign, point, all the digits that are kept, and some leading zeros: what is longer is no number of this world.
_LONGEST_NUMBER = MAX_INTEGER_DIGITS + MAX_DECIMALS + 12
_STATUS = {status.value: status for status in Status}
_WITHOUT_VALUE = frozenset({Status.MISSING, Status.NOT_APPLICABLE})
_NOT_FINAL = frozenset({Status.PROVISIONAL, Status.ESTIMATED, Status.FORECAST})
_REPORTERS = frozenset({Role.REPORTER, Role.DEPARTMENT})
# Rights are told apart from mistakes: a sender without the right has nothing to mend.
FORBIDDING = frozenset({"role_may_not_report", "org_not_yours", "not_duty_holder", "outside_key_scope"})

FigureKey = tuple[str, str, str]
"""Indicator, cluster (`_T` without), canonical period."""


@dataclass(frozen=True, slots=True)
class CheckedFigure:
    """A figure that keeps every rule, in canonical form."""

    indicator: str
    cluster: str
    period: str
    value: Decimal | None
    status: Status
    note: str | None
    justification: str | None
    withdrawn: bool

    @property
    def key(self) -> FigureKey:
        """What identifies it within its organisation."""
        return self.indicator, self.cluster, self.period


@dataclass(frozen=True, slots=True)
class Checked:
    """The outcome. With any fault there is nothing to accept."""

    org: str
    figures: tuple[CheckedFigure, ...]
    faults: tuple[Fault, ...]

    @property
    def forbidden(self) -> bool:
        """Whether a fault says that the sender has no right to it."""
        return any(fault.code in FORBIDDING for fault in self.faults)

    @property
    def withdrawals(self) -> dict[FigureKey, int]:
        """The withdrawn figures with their indexes: whether they exist, only the store knows."""
        return {figure.key: index for index, figure in enumerate(self.figures) if figure.withdrawn}


def check(draft: Draft, terms: Terms, principal: Principal, now: datetime) -> Checked:
    """Check a submission.

    Args:
        draft: as its format's reader has read it.
        terms: of the catalogue version in force.
        principal: whose key it bears.
        now: the moment it is received; periods that have not begun are refused.
    """
    if principal.role not in _REPORTERS:
        detail = f"{principal.role.value} 密钥不能报送数据:请使用报送单位或部门的密钥"
        return Checked(draft.org or "", (), (Fault(None, None, "role_may_not_report", detail),))
    faults = list(draft.faults)
    org = _organisation(draft, terms, principal, faults)
    if any(fault.code in FORBIDDING for fault in faults):
        # Who has no business with an organisation is told that, and nothing about its figures.
        return Checked(org or "", (), tuple(f for f in faults if f.code in FORBIDDING))
    for field, name in (("prepared_by", draft.prepared_by), ("approved_by", draft.approved_by)):
        _text(name, LONGEST_NAME, None, field, faults)
    checker = _FigureChecker(terms, principal, org, now, faults)
    figures = [checker.check(index, figure) for index, figure in enumerate(_listed(draft, faults))]
    _not_twice(figures, draft, faults)
    accepted = () if faults else tuple(figure for figure in figures if figure is not None)
    return Checked(org or "", accepted, tuple(sorted(faults, key=lambda f: -1 if f.figure is None else f.figure)))


def nothing_to_withdraw(checked: Checked, existing: Iterable[FigureKey]) -> tuple[Fault, ...]:
    """The faults of withdrawals whose figure is not among those that exist."""
    known = set(existing)
    return tuple(
        Fault(
            index, "withdraw", "nothing_to_withdraw", f"{key[0]} 在 {key[2]} 没有已报送的数,无可撤回:请核对报告期和集群"
        )
        for key, index in checked.withdrawals.items()
        if key not in known
    )


def _organisation(draft: Draft, terms: Terms, principal: Principal, faults: list[Fault]) -> str | None:
    org = draft.org
    if org is None:
        if not any(f.figure is None and f.field in {"org", None} for f in faults):
            faults.append(Fault(None, "org", "org_missing", "缺少 org:请写数据所属单位的编码,如 320382"))
        return None
    if org not in terms.catalogue.organisation:
        detail = f"没有编码为 {quoted(org)} 的单位;" + Suggestions(terms.organisation_names).near(org)
        faults.append(Fault(None, "org", "org_unknown", detail))
        return None
    if org != principal.org and org not in terms.reports_about.get(principal.org or "", ()):
        detail = f"本密钥属于 {principal.org},不负责 {org}({terms.organisation_names[org]})的任何指标"
        faults.append(Fault(None, "org", "org_not_yours", detail))
    return org


def _listed(draft: Draft, faults: list[Fault]) -> Iterable[FigureDraft]:
    if draft.figures is None:
        return ()
    if not draft.figures:
        faults.append(Fault(None, "figures", "figures_empty", "figures 为空:至少要报一个数"))
    elif len(draft.figures) > MOST_FIGURES:
        faults.append(too_many(len(draft.figures)))
        return ()
    return draft.figures


def _not_twice(figures: Iterable[CheckedFigure | None], draft: Draft, faults: list[Fault]) -> None:
    first: dict[FigureKey, int] = {}
    for index, figure in enumerate(figures):
        if figure is not None and first.setdefault(figure.key, index) != index:
            same = _called(first[figure.key], draft)
            detail = f"与{same}相同(同一指标、集群、报告期):请只保留一个"
            faults.append(Fault(index, None, "figure_repeated", detail))


def _called(figure: int, draft: Draft) -> str:
    """A figure as its sender would call it, who in a file with empty lines or rows does not count figures."""
    place = draft.locate(figure, None)
    if place.cell is not None:
        return f"单元格 {place.cell} 所在行"
    return f"第 {figure + 1} 个数" if place.line is None else f"第 {place.line} 行"


def _text(text: str | None, longest: int, figure: int | None, field: str, faults: list[Fault]) -> None:
    if text is None:
        return
    if len(text) > longest:
        faults.append(Fault(figure, field, "text_too_long", f"最多 {longest} 个字,现有 {len(text)} 个:请缩短"))
    elif unsafe(text):
        faults.append(Fault(figure, field, "text_not_printable", "含有控制字符或残缺的编码:请删去不可见字符"))


class _FigureChecker:
    """Checks the figures of one submission, one after the other, into one list of faults."""

    def __init__(self, terms: Terms, principal: Principal, org: str | None, now: datetime, faults: list[Fault]) -> None:
        self._terms = terms
        self._principal = principal
        self._org = org
        self._now = now
        self._faults = faults
        self._indicators = Suggestions(terms.indicator_names)
        self._clusters = Suggestions(terms.cluster_names)

    def check(self, index: int, draft: FigureDraft) -> CheckedFigure | None:
        """The figure in canonical form; None when its identity is in doubt. Faults are added."""
        terms = self._indicator(index, draft)
        cluster = self._cluster(index, draft, terms) if terms else None
        admitted = self._period(index, draft, terms) if terms else None
        if terms is None:
            self._form(index, draft)
        else:
            self._rights(index, terms, cluster, admitted)
            self._unit(index, draft, terms)
        value = self._number(index, draft, terms)
        status = self._status(index, draft, terms, admitted)
        for field, text in (("note", draft.note), ("justification", draft.justification)):
            if text is not None:
                _text(text, LONGEST_NOTE, index, field, self._faults)
        if terms is None or cluster is None or admitted is None:
            return None
        return CheckedFigure(
            terms.indicator.id,
            cluster,
            admitted.period.key,
            value,
            status,
            draft.note or None,
            draft.justification or None,
            draft.withdraw,
        )

    def _fault(self, index: int, field: str | None, code: str, detail: str) -> None:
        self._faults.append(Fault(index, field, code, detail))

    def _indicator(self, index: int, draft: FigureDraft) -> IndicatorTerms | None:
        name = draft.indicator
        if name is None:
            if "indicator" not in draft.unreadable:
                self._fault(index, "indicator", "indicator_missing", "缺少 indicator:请写指标编码")
            return None
        terms = self._terms.indicator.get(name)
        if terms is None:
            detail = f"没有编码为 {quoted(name)} 的指标;" + self._indicators.near(name)
            self._fault(index, "indicator", "indicator_unknown", detail)
        elif terms.indicator.is_computed:
            inputs = "、".join(terms.indicator.inputs)
            detail = f"{name} 由系统根据 {inputs} 计算,不用报送:请删去这个数;计算结果有误的,请更正 {inputs}"
            self._fault(index, "indicator", "computed_indicator", detail)
            return None
        return terms

    def _form(self, index: int, draft: FigureDraft) -> None:
        """What is wrong whatever the indicator should have been: nobody corrects a figure twice."""
        if draft.cluster is not None and draft.cluster != TOTAL and draft.cluster not in self._terms.cluster_names:
            self._cluster_unknown(index, draft.cluster)
        if draft.period is not None:
            unreadable = unreadable_period(draft.period)
            if unreadable is not None:
                self._fault(index, "period", unreadable.code, unreadable.detail)

    def _cluster_unknown(self, index: int, cluster: str) -> None:
        detail = f"没有编码为 {quoted(cluster)} 的集群;" + self._clusters.near(cluster)
        self._fault(index, "cluster", "cluster_unknown", detail)

    def _cluster(self, index: int, draft: FigureDraft, terms: IndicatorTerms) -> str | None:
        if "cluster" in draft.unreadable:
            return None
        cluster = draft.cluster
        if not terms.clusters:
            if cluster is None or cluster == TOTAL:
                return TOTAL
            self._fault(index, "cluster", "cluster_not_expected", "该指标不分集群:请去掉 cluster")
        elif cluster is None:
            detail = "该指标分集群报送,缺少 cluster:请写 " + "、".join(terms.indicator.clusters) + " 之一"
            self._fault(index, "cluster", "cluster_missing", detail)
        elif cluster in terms.clusters:
            return cluster
        elif cluster in self._terms.cluster_names:
            name = self._terms.cluster_names[cluster]
            detail = f"该指标不报 {cluster}({name});应为 " + "、".join(terms.indicator.clusters) + " 之一"
            self._fault(index, "cluster", "cluster_not_reported", detail)
        else:
            self._cluster_unknown(index, cluster)
        return None

    def _period(self, index: int, draft: FigureDraft, terms: IndicatorTerms) -> Admitted | None:
        if draft.period is None:
            if "period" not in draft.unreadable:
                self._fault(index, "period", "period_missing", "缺少 period:请写报告期,如 2026-03")
            return None
        admission = terms.period(draft.period)
        if isinstance(admission, NotAdmitted):
            self._fault(index, "period", admission.code, admission.detail)
            return None
        if admission.starts_at > self._now:
            detail = f"{admission.period.key} 尚未开始,不能提前报送"
            self._fault(index, "period", "period_in_future", detail)
            return None
        return admission

    def _rights(self, index: int, terms: IndicatorTerms, cluster: str | None, admitted: Admitted | None) -> None:
        org = self._org
        if org is None:
            return
        if org not in terms.subjects:
            detail = f"{terms.indicator.id} 不由 {org} 统计:它的统计对象是 " + _shown(terms.subjects)
            self._fault(index, "indicator", "org_not_a_subject", detail)
            return
        if admitted and not self._terms.catalogue.organisation[org].exists_in(admitted.period):
            detail = f"单位 {org} 在 {admitted.period.key} 尚未设立或已撤销"
            self._fault(index, "period", "org_not_existing", detail)
        if cluster is None:
            return
        reporter = terms.reporters[org, cluster]
        if reporter != self._principal.org:
            name = self._terms.organisation_names.get(reporter, reporter)
            detail = f"{terms.indicator.id} 由 {reporter}({name})报送,本密钥属于 {self._principal.org}"
            self._fault(index, None, "not_duty_holder", detail)
        elif not self._principal.admits(terms.indicator.id, cluster):
            detail = f"本密钥的范围不含 {terms.indicator.id}(集群 {cluster}):请向管理员申请"
            self._fault(index, None, "outside_key_scope", detail)

    def _unit(self, index: int, draft: FigureDraft, terms: IndicatorTerms) -> None:
        expected = terms.indicator.unit
        if draft.unit is not None and draft.unit != expected:
            detail = f"单位应为 {quoted(expected)},不是 {quoted(draft.unit)}:请换算数值后再报"
            self._fault(index, "unit", "unit_wrong", detail)

    def _number(self, index: int, draft: FigureDraft, terms: IndicatorTerms | None) -> Decimal | None:
        text = draft.value
        if text is None:
            return None
        value = _decimal(text)
        if value is None:
            detail = f'{quoted(text)} 不是可用的十进制数:只写数字和小数点,不用指数、千分位或单位,如 "123.4"'
            self._fault(index, "value", "value_not_decimal", detail)
            return None
        if terms is None:
            return value
        indicator = terms.indicator
        if decimals_of(value) > indicator.decimals:
            detail = f"最多 {indicator.decimals} 位小数,{text} 有 {decimals_of(value)} 位:请四舍五入后再报"
            self._fault(index, "value", "value_decimals", detail)
        if indicator.minimum is not None and value < indicator.minimum:
            detail = f"{text} 小于下限 {format_decimal(indicator.minimum)}({indicator.unit}):请核对数值和单位"
            self._fault(index, "value", "value_below_minimum", detail)
        if indicator.maximum is not None and value > indicator.maximum:
            detail = f"{text} 大于上限 {format_decimal(indicator.maximum)}({indicator.unit}):请核对数值和单位"
            self._fault(index, "value", "value_above_maximum", detail)
        return value

    def _status(
        self, index: int, draft: FigureDraft, terms: IndicatorTerms | None, admitted: Admitted | None
    ) -> Status:
        status = _STATUS.get(draft.status) if draft.status is not None else Status.NORMAL
        if status is None:
            detail = f"没有状态 {quoted(draft.status or '')}:A 正常、P 初步、E 估计、F 预测、O 缺报、M 不适用"
            self._fault(index, "status", "status_unknown", detail)
            return Status.NORMAL
        if draft.withdraw:
            self._withdrawal(index, draft, status)
        elif draft.value is not None:
            self._with_value(index, status, admitted)
        elif "value" not in draft.unreadable:
            self._without_value(index, status, terms)
        return status

    def _withdrawal(self, index: int, draft: FigureDraft, status: Status) -> None:
        if draft.value is not None:
            detail = "撤回时不能带 value:要改数请直接报新数,要撤回请把 value 去掉"
            self._fault(index, "value", "withdraw_with_value", detail)
        if status in _WITHOUT_VALUE:
            detail = "撤回时不能带状态 O 或 M:声明缺报或不适用请去掉 withdraw"
            self._fault(index, "status", "withdraw_with_status", detail)

    def _with_value(self, index: int, status: Status, admitted: Admitted | None) -> None:
        if status in _WITHOUT_VALUE:
            detail = f"状态 {status.value} 表示没有数值,却给了 value:请去掉 value 或改用 A、P、E、F"
            self._fault(index, "status", "status_with_value", detail)
        elif admitted and admitted.ends_at > self._now and status not in _NOT_FINAL:
            detail = f"{admitted.period.key} 尚未结束:请用状态 P(初步)、E(估计)或 F(预测),或期末后再报"
            self._fault(index, "status", "period_not_ended", detail)

    def _without_value(self, index: int, status: Status, terms: IndicatorTerms | None) -> None:
        if status not in _WITHOUT_VALUE:
            detail = "没有数值:请填 value;确实没有的用状态 O(缺报)或 M(不适用),撤回已报的数用 withdraw"
            self._fault(index, "value", "value_missing", detail)
        elif status is Status.NOT_APPLICABLE and terms and self._org and self._org not in terms.may_not_apply:
            detail = f"{terms.indicator.id} 对 {self._org} 不能报“不适用”(M):没有数请用状态 O(缺报)"
            self._fault(index, "status", "not_applicable_refused", detail)


def _decimal(text: str) -> Decimal | None:
    if len(text) > _LONGEST_NUMBER:
        return None
    try:
        return parse_decimal(text)
    except InvalidNumber:
        return None


def _shown(orgs: Iterable[str]) -> str:
    listed = sorted(orgs)
    return "、".join(listed[:5]) + ("等" if len(listed) > 5 else "")


def codes(faults: Iterable[Fault]) -> Counter[str]:
    """How often each rule was broken."""
    return Counter(fault.code for fault in faults)
