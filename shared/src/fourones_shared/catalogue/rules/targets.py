"""A target can be judged: it fits its indicator, is about something that is reported, and falls due."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise

from fourones_shared.catalogue.faults import Fault
from fourones_shared.catalogue.model import (
    TOTAL,
    Adding,
    Cadence,
    Catalogue,
    Comparator,
    CountAtOrAbove,
    Covers,
    Direction,
    Indicator,
    OrganisationKind,
    Plan,
    Target,
)
from fourones_shared.catalogue.rules.lookup import (
    CADENCE_FREQUENCY,
    fault,
    finer,
    has_city_value,
    in_total,
    indicator_of,
    period_fault,
    period_or_none,
    subject_ids,
)
from fourones_shared.domain.numbers import decimals_of, format_decimal
from fourones_shared.domain.periods import Frequency, Period
from fourones_shared.domain.ways import due_day, stretch_of

_AGAINST = {
    Direction.UP: {Comparator.AT_MOST, Comparator.LESS_THAN},
    Direction.DOWN: {Comparator.AT_LEAST, Comparator.MORE_THAN},
    Direction.NEITHER: frozenset[Comparator](),
}


def target_fits_indicator(catalogue: Catalogue) -> Iterator[Fault]:
    """Unit, decimals, bounds, direction and pillar are those of the indicator; a weight is positive."""
    for i, target in enumerate(catalogue.targets):
        at = f"/targets/{i}"
        indicator = indicator_of(catalogue, target)
        if indicator is not None:
            yield from _fits(at, target, indicator)
        if target.weight <= 0:
            yield fault(
                f"{at}/weight",
                "weight-not-positive",
                zh=("权重应大于 0", "改正权重,或删去这个目标"),
                en=("a weight must be positive", "mend it, or remove the target"),
            )


def target_names_a_reported_scope(catalogue: Catalogue) -> Iterator[Fault]:
    """The roll-up that is judged exists: its organisation, cluster or tier is reported, or adds up."""
    for i, target in enumerate(catalogue.targets):
        indicator = indicator_of(catalogue, target)
        if indicator is None:
            continue
        at = f"/targets/{i}"
        if isinstance(indicator.derived, CountAtOrAbove):
            yield from _counted(at, target, indicator)
            continue
        yield from _named(at, catalogue, target, indicator)
        # A derived value is there where its inputs have a total.
        for name in indicator.inputs or (indicator.id,):
            if name in catalogue.indicator:
                yield from _totals(at, catalogue, target, catalogue.indicator[name])


def tolerances_make_sense(catalogue: Catalogue) -> Iterator[Fault]:
    """Only "about" has a band around it, and a band has a width."""
    for i, target in enumerate(catalogue.targets):
        if target.band is None:
            continue
        at, band = f"/targets/{i}/band", target.band
        if target.comparator is not Comparator.ABOUT:
            yield fault(
                at,
                "band-without-about",
                zh=(f"比较方式为 {target.comparator},不设 band", "改用 comparator: about,或删去 band"),
                en=(f"the comparator is {target.comparator}, which has no band", "use `about`, or remove `band`"),
            )
        if not 0 <= band.below < 1 or band.above < 0 or band.below + band.above == 0 or target.value == 0:
            yield fault(
                at,
                "band-without-width",
                zh=(
                    "band 是目标值的份额,两侧不小于 0、不同时为 0,below 小于 1,目标值不为 0",
                    "如 {below: 0.1, above: 0.05}",
                ),
                en=(
                    "a band is shares of the value, which is not 0: neither negative, not both 0, `below` less than 1",
                    "write for instance {below: 0.1, above: 0.05}",
                ),
            )


def due_period_fits(catalogue: Catalogue) -> Iterator[Fault]:
    """What a target is due by is a period of its plan, not finer than the reports, and after its baseline."""
    for i, target in enumerate(catalogue.targets):
        indicator = indicator_of(catalogue, target)
        if target.per is not None:
            yield from _cadence(f"/targets/{i}", target, target.per, indicator)
        else:
            yield from _due(f"/targets/{i}", catalogue, target, indicator)


def curve_rises(catalogue: Catalogue) -> Iterator[Fault]:
    """Milestones lie one after the other, ask for more each time, and end by the due period."""
    for i, target in enumerate(catalogue.targets):
        yield from _curve(f"/targets/{i}/curve", target, catalogue.plan.get(target.plan))


def someone_answers(catalogue: Catalogue) -> Iterator[Fault]:
    """At least one department, county or zone answers; the city as such does not."""
    for i, target in enumerate(catalogue.targets):
        departments = target.responsible.departments
        if not departments:
            yield fault(
                f"/targets/{i}/responsible",
                "nobody-answers",
                zh=("没有责任单位", "写 lead,或并列的 equal"),
                en=("nobody answers for it", "name a lead, or several as `equal`"),
            )
        if any(
            o in catalogue.organisation and catalogue.organisation[o].kind is OrganisationKind.CITY for o in departments
        ):
            yield fault(
                f"/targets/{i}/responsible",
                "city-does-not-answer",
                zh=("责任单位不能是市本身", "写具体部门"),
                en=("the city as such cannot answer", "name departments"),
            )


def synthetic_stays_apart(catalogue: Catalogue) -> Iterator[Fault]:
    """Demonstration and real data never rest on one another."""
    for i, target in enumerate(catalogue.targets):
        for field, other in (("plan", catalogue.plan), ("indicator", catalogue.indicator)):
            found = other.get(getattr(target, field))
            if found is not None and found.synthetic != target.synthetic:
                yield fault(
                    f"/targets/{i}/{field}",
                    "synthetic-and-real",
                    zh=(f"演示数据与真实数据混用:{found.id}", "目标、方案、指标的 synthetic 应一致"),
                    en=(f"synthetic and real are mixed: {found.id}", "target, plan and indicator agree in `synthetic`"),
                )


def _fits(at: str, target: Target, indicator: Indicator) -> Iterator[Fault]:
    value = format_decimal(target.value)
    if target.unit != indicator.unit:
        yield fault(
            f"{at}/unit",
            "unit-differs",
            zh=(
                f"目标单位 {target.unit} 与指标 {indicator.id} 的单位 {indicator.unit} 不同",
                f"改为 {indicator.unit},并换算目标值",
            ),
            en=(
                f"the target is in {target.unit}, its indicator {indicator.id} in {indicator.unit}",
                f"write {indicator.unit} and convert the value",
            ),
        )
    if decimals_of(target.value) > indicator.decimals:
        yield fault(
            f"{at}/value",
            "too-many-decimals",
            zh=(f"{value} 的小数位多于指标允许的 {indicator.decimals} 位", "改正目标值,或指标的 decimals"),
            en=(f"{value} has more decimals than the {indicator.decimals} of its indicator", "mend either"),
        )
    below = indicator.minimum is not None and target.value < indicator.minimum
    above = indicator.maximum is not None and target.value > indicator.maximum
    if below or above:
        yield fault(
            f"{at}/value",
            "out-of-bounds",
            zh=(f"{value} 超出指标 {indicator.id} 的上下限", "改正目标值,或指标的 minimum、maximum"),
            en=(f"{value} is outside the bounds of {indicator.id}", "mend the value, or the indicator's bounds"),
        )
    if target.comparator in _AGAINST[indicator.direction]:
        yield fault(
            f"{at}/comparator",
            "against-the-direction",
            zh=(f"{target.comparator} 与指标方向 {indicator.direction} 相反", "改正 comparator 或 direction"),
            en=(f"{target.comparator} contradicts the direction {indicator.direction}", "mend one of them"),
        )
    if target.pillar != indicator.pillar:
        yield fault(
            f"{at}/pillar",
            "pillar-differs",
            zh=(f"目标属于 {target.pillar or '(无)'},指标属于 {indicator.pillar or '(无)'}", "两者应一致"),
            en=(
                f"the target is of {target.pillar or 'none'}, its indicator of {indicator.pillar or 'none'}",
                "let them agree",
            ),
        )


def _counted(at: str, target: Target, indicator: Indicator) -> Iterator[Fault]:
    for field, code in (("org", target.org), ("cluster", target.cluster)):
        if code != TOTAL:
            yield fault(
                f"{at}/{field}",
                "no-such-scope",
                zh=(f"{indicator.id} 是达标个数,只有全市和梯队的", f"{field} 写 _T"),
                en=(f"{indicator.id} is a count: it is of the city and of the tiers", f"write _T as `{field}`"),
            )


def _named(at: str, catalogue: Catalogue, target: Target, indicator: Indicator) -> Iterator[Fault]:
    """What it names is reported of the indicator."""
    subjects = subject_ids(catalogue, indicator)
    if target.org != TOTAL and target.org in catalogue.organisation and target.org not in subjects:
        yield fault(
            f"{at}/org",
            "not-a-subject",
            zh=(f"指标 {indicator.id} 不报送 {target.org} 的数", "写报送范围内的单位,或 _T"),
            en=(f"{indicator.id} is not about {target.org}", "name one of its subjects, or _T"),
        )
    if target.tier != TOTAL and (target.cluster != TOTAL or target.org != TOTAL):
        yield fault(
            f"{at}/tier",
            "no-such-scope",
            zh=("梯队的汇总不再分单位或集群", "tier 单独使用"),
            en=("a tier's total has neither organisation nor cluster", "use `tier` alone"),
        )
    if target.cluster != TOTAL and target.cluster not in indicator.clusters:
        yield fault(
            f"{at}/cluster",
            "cluster-not-reported",
            zh=(
                f"指标 {indicator.id} 不报送集群 {target.cluster}",
                f"可选:{'、'.join(indicator.clusters) or '(不分集群,用 _T)'}",
            ),
            en=(
                f"{indicator.id} is not reported for {target.cluster}",
                f"choose of {', '.join(indicator.clusters) or 'none: use _T'}",
            ),
        )
    elif target.tier != TOTAL and target.cluster == TOTAL and not indicator.clusters:
        yield fault(
            f"{at}/tier",
            "cluster-not-reported",
            zh=(f"指标 {indicator.id} 不分集群,没有梯队数", "删去 tier"),
            en=(f"{indicator.id} has no clusters, hence no tiers", "remove `tier`"),
        )


def _totals(at: str, catalogue: Catalogue, target: Target, indicator: Indicator) -> Iterator[Fault]:
    """What it leaves open adds up, by one way."""
    over_organisations, over_clusters = indicator.over_organisations, indicator.over_clusters
    organisations = in_total(catalogue, indicator) if target.org == TOTAL else ()
    clusters = indicator.clusters if target.cluster == TOTAL else ()
    if not has_city_value(catalogue, indicator) and target.org == TOTAL:
        yield fault(
            f"{at}/org",
            "no-total-over-organisations",
            zh=(f"指标 {indicator.id} 不跨单位汇总,没有全市数", "写明单位,或给指标 over_organisations"),
            en=(f"{indicator.id} does not add up over organisations", "name one, or give `over_organisations`"),
        )
    if clusters and over_clusters is Adding.NONE:
        yield fault(
            f"{at}/cluster",
            "no-total-over-clusters",
            zh=(f"指标 {indicator.id} 不跨集群汇总", "写明集群,或给指标 over_clusters"),
            en=(f"{indicator.id} does not add up over clusters", "name a cluster, or give `over_clusters`"),
        )
    ways = {over_organisations, over_clusters}
    if len(organisations) > 1 and len(clusters) > 1 and len(ways) > 1 and Adding.NONE not in ways:
        yield fault(
            f"{at}/cluster",
            "mixed-ways",
            zh=(
                f"指标 {indicator.id} 跨单位按 {over_organisations}、跨集群按 {over_clusters} 汇总,合起来没有一个数",
                "写明集群或单位,或把两种汇总方式写成一致",
            ),
            en=(
                f"{indicator.id} goes by {over_organisations} over organisations, by {over_clusters} over clusters",
                "name a cluster or an organisation, or let the two ways be one",
            ),
        )


def _cadence(at: str, target: Target, per: Cadence, indicator: Indicator | None) -> Iterator[Fault]:
    if indicator is not None and finer(CADENCE_FREQUENCY[per], indicator.reporting.frequency):
        yield _too_fine(f"{at}/per", per.value, indicator)
    if indicator is not None and indicator.covers is Covers.YEAR_TO_DATE and per is not Cadence.YEAR:
        yield fault(
            f"{at}/per",
            "year-to-date-per-year",
            zh=("年初累计数只能按年考核", "改为 per: year"),
            en=("a year-to-date value can only be judged per year", "use `per: year`"),
        )
    if target.baseline is not None:
        yield fault(
            f"{at}/baseline",
            "cadence-starts-from-zero",
            zh=("按期重复的目标每期从 0 开始,不设基数", "删去 baseline,或改用 by"),
            en=("a target that starts again every period starts from 0", "remove the baseline, or use `by`"),
        )


def _due(at: str, catalogue: Catalogue, target: Target, indicator: Indicator | None) -> Iterator[Fault]:
    due = period_or_none(target.by)
    if due is None:
        yield period_fault(f"{at}/by", target.by or "")
        return
    plan = catalogue.plan.get(target.plan)
    if plan is not None and not plan.start <= due.end <= plan.end:
        yield fault(
            f"{at}/by",
            "due-outside-the-plan",
            zh=(f"{due} 不在方案期 {plan.start} 至 {plan.end} 之内", "改正 by 或方案起止日期"),
            en=(f"{due} does not end within the plan, {plan.start} to {plan.end}", "mend `by`, or the plan"),
        )
    if indicator is not None:
        yield from _due_against_reports(at, due, indicator)
    if target.baseline is not None:
        base = period_or_none(target.baseline.period)
        if base is None:
            yield period_fault(f"{at}/baseline/period", target.baseline.period)
        elif base.end >= due.end:
            yield fault(
                f"{at}/baseline/period",
                "baseline-not-before-due",
                zh=(f"基期 {base} 不早于到期 {due}", "改正基期"),
                en=(f"the baseline {base} is not before the due period {due}", "mend it"),
            )


def _due_against_reports(at: str, due: Period, indicator: Indicator) -> Iterator[Fault]:
    reporting = indicator.reporting
    only = period_or_none(reporting.period)
    if reporting.frequency is Frequency.RANGE:
        if only is not None and only != due:
            yield fault(
                f"{at}/by",
                "not-the-reported-period",
                zh=(f"指标 {indicator.id} 只报送 {only}", f"改为 {only}"),
                en=(f"{indicator.id} is reported for {only} only", f"write {only}"),
            )
        return
    if due.frequency is not Frequency.RANGE and finer(due.frequency, reporting.frequency):
        yield _too_fine(f"{at}/by", due.key, indicator)
    if due.end < reporting.first:
        yield fault(
            f"{at}/by",
            "due-before-the-first-report",
            zh=(f"到期 {due} 早于首次报送 {reporting.first}", "改正 by 或指标的 first"),
            en=(f"it is due by {due}, before the first report of {reporting.first}", "mend `by`, or `first`"),
        )


def _too_fine(pointer: str, what: str, indicator: Indicator) -> Fault:
    frequency = indicator.reporting.frequency
    return fault(
        pointer,
        "finer-than-the-reports",
        zh=(f"目标按 {what} 考核,而指标 {indicator.id} 的报送频率是 {frequency},更粗", "放宽目标周期,或加密报送"),
        en=(
            f"it is due by {what}, but {indicator.id} is reported by {frequency} only",
            "make the target coarser, or the reports finer",
        ),
    )


def _curve(at: str, target: Target, plan: Plan | None) -> Iterator[Fault]:
    stretches: dict[str, list[tuple[int, Period]]] = {}
    for j, milestone in enumerate(target.curve):
        period = period_or_none(milestone.period)
        if period is None:
            yield period_fault(f"{at}/{j}/period", milestone.period)
        else:
            stretches.setdefault(_stretch(target, period), []).append((j, period))
        if not 0 <= milestone.share <= 1:
            yield fault(
                f"{at}/{j}/share",
                "share-out-of-range",
                zh=("份额应在 0 与 1 之间", "45% 写作 0.45"),
                en=("a share lies between 0 and 1", "write 45 % as 0.45"),
            )
    for points in stretches.values():
        yield from _rises(at, target, points)
        yield from _ends_in_full(at, target, plan, points)


def _stretch(target: Target, period: Period) -> str:
    """Which path a milestone belongs to: the one to the due date, or that of its year, quarter, month or week."""
    return "" if target.per is None else stretch_of(target.per, period).key


def _rises(at: str, target: Target, points: Sequence[tuple[int, Period]]) -> Iterator[Fault]:
    for (before, earlier), (after, later) in pairwise(points):
        if earlier.end >= later.end or target.curve[before].share > target.curve[after].share:
            yield fault(
                f"{at}/{after}",
                "curve-does-not-rise",
                zh=("进度节点应按时间先后排列,份额不得回落", "按时间排列,份额逐步提高"),
                en=("milestones must rise in time, and never fall in share", "put them in order, asking for more"),
            )


def _ends_in_full(at: str, target: Target, plan: Plan | None, points: Sequence[tuple[int, Period]]) -> Iterator[Fault]:
    last, period = points[-1]
    due = due_day(target, period) if target.per or period_or_none(target.by) else None
    if due is None:
        return
    start = None if target.per or plan is None else plan.start - timedelta(days=1)
    baseline = period_or_none(target.baseline.period) if target.baseline else None
    start = baseline.end if baseline else start
    outside = [j for j, p in points if p.end > due or (start is not None and p.end <= start)]
    if outside:
        yield fault(
            f"{at}/{outside[0]}/period",
            "curve-outside-the-way",
            zh=(f"进度节点不在起点与 {due} 之间", "改正节点的报告期"),
            en=(f"the milestone lies outside the way to {due}", "mend its period"),
        )
    elif period.end == due and target.curve[last].share != 1:
        yield fault(
            f"{at}/{last}/share",
            "due-in-full",
            zh=("到期时应完成全部", "最后一个节点的份额写 1,或删去"),
            en=("at the due date everything is due", "write 1 as the last share, or leave it out"),
        )
