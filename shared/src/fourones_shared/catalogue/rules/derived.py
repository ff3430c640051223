"""A derived indicator can be computed in every scope and period that it says it has."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from fourones_shared.catalogue.duties import expected_periods
from fourones_shared.catalogue.faults import Fault
from fourones_shared.catalogue.model import (
    About,
    Adding,
    Catalogue,
    CountAtOrAbove,
    Covers,
    Growth,
    GrowthOver,
    Indicator,
    Kind,
    OrganisationKind,
    Plausibility,
    Reporter,
    Zones,
)
from fourones_shared.catalogue.rules.lookup import (
    fault,
    has_city_value,
    inputs_of,
    is_share,
    period_or_none,
    subject_ids,
    sums_over_time,
    unlike_fields,
)
from fourones_shared.domain.periods import Frequency, Period
from fourones_shared.errors import InvalidPeriod

# Each can be made of those before it.
_NESTED = (Frequency.MONTH, Frequency.QUARTER, Frequency.HALF, Frequency.YEAR)
_RANK = {frequency: rank for rank, frequency in enumerate(_NESTED)}


def reporting_of_derived_makes_sense(catalogue: Catalogue) -> Iterator[Fault]:
    """What nobody reports is computed from something; what is both computed and reported is so about the city."""
    for i, indicator in enumerate(catalogue.indicators):
        at = f"/indicators/{i}"
        if indicator.is_computed:
            if indicator.derived is None:
                yield fault(
                    f"{at}/reporting/by",
                    "computed-from-nothing",
                    zh=("没有人报送,也没有写怎样计算", "写 derived,或写明报送单位"),
                    en=("nobody reports it, and nothing says how to compute it", "give `derived`, or name a reporter"),
                )
            yield from _of_no_reports(at, indicator)
        elif indicator.derived is not None and not _by_a_department_about_the_city(catalogue, indicator):
            yield fault(
                f"{at}/reporting",
                "derived-and-reported",
                zh=("既计算又报送的,只能由部门报送全市数", "写 about: city 和报送部门;不报送的写 by: computed"),
                en=(
                    "what is both computed and reported is a department's figure about the city",
                    "use `about: city` and a department, or `by: computed` for what nobody reports",
                ),
            )


def derived_can_be_computed(catalogue: Catalogue) -> Iterator[Fault]:
    """Its inputs are reported, and give it a value in its own scopes and periods."""
    for i, indicator in enumerate(catalogue.indicators):
        if indicator.derived is None:
            continue
        at = f"/indicators/{i}"
        yield from _not_added(at, indicator)
        for field, name in inputs_of(indicator):
            source = catalogue.indicator.get(name)
            if source is not None and source.derived is not None:
                yield fault(
                    f"{at}/derived/{field}",
                    "derived-from-derived",
                    zh=(f"{name} 本身是计算指标", "写它所依据的报送指标"),
                    en=(f"{name} is derived itself", "name the reported indicators that it is made of"),
                )
            elif source is not None:
                yield from _input(f"{at}/derived/{field}", catalogue, indicator, source)


def _of_no_reports(at: str, indicator: Indicator) -> Iterator[Fault]:
    reporting = indicator.reporting
    useless = {
        "reporting/city": reporting.city is not None,
        "reporting/lock_days": reporting.lock_days is not None,
        "reporting/may_not_apply": bool(reporting.may_not_apply),
        "plausibility": indicator.plausibility != Plausibility(),
    }
    for field, given in useless.items():
        if given:
            yield fault(
                f"{at}/{field}",
                "computed-is-not-reported",
                zh=("由系统计算的指标没有报送数,这里用不上", "删去"),
                en=("what is computed has no figures for this to be about", "remove it"),
            )


def _by_a_department_about_the_city(catalogue: Catalogue, indicator: Indicator) -> bool:
    reporting = indicator.reporting
    if isinstance(reporting.by, Reporter):
        # That the city does not report on itself is told by another rule.
        return reporting.about is About.CITY
    body = catalogue.organisation.get(reporting.by)
    return reporting.about is About.CITY and (
        body is None or body.kind not in {OrganisationKind.COUNTY, OrganisationKind.ZONE}
    )


def _not_added(at: str, indicator: Indicator) -> Iterator[Fault]:
    for field in ("over_organisations", "over_clusters"):
        if getattr(indicator, field) is not Adding.NONE:
            yield fault(
                f"{at}/{field}",
                "derived-is-not-added",
                zh=("计算指标在每个范围内按依据指标的汇总数计算,自身不再汇总", "改为 none"),
                en=("in every scope it is computed from the totals of its inputs", "use none"),
            )
    if indicator.zones is Zones.INSIDE:
        yield fault(
            f"{at}/zones",
            "derived-is-not-added",
            zh=("开发区如何计入由依据的指标决定", "改为 beside"),
            en=("how zones count is the inputs' matter", "use beside"),
        )


def _input(at: str, catalogue: Catalogue, indicator: Indicator, source: Indicator) -> Iterator[Fault]:
    if indicator.synthetic != source.synthetic:
        yield fault(
            at,
            "synthetic-and-real",
            zh=(f"演示数据与真实数据混用:{source.id}", "两个指标的 synthetic 应一致"),
            en=(f"synthetic and real are mixed: {source.id}", "the two agree in `synthetic`"),
        )
    own, its = indicator.reporting.frequency, source.reporting.frequency
    if not _makes_its_periods(indicator, source):
        yield fault(
            at,
            "periods-not-made-of",
            zh=(
                f"{source.id} 按 {its} 报送,凑不出本指标({own})的报告期",
                "周期和一二月合并与否应一致;月、季、半年可凑成更长的,但比率和按最大值、加权平均汇总的流量不能",
            ),
            en=(
                f"periods by {own} cannot be made of those of {source.id} by {its}",
                "use the same periods; longer ones can be made of months, quarters and half-years, but not of ratios",
            ),
        )
    elif indicator.is_computed:
        yield from _in_time(at, indicator, source)
    if isinstance(indicator.derived, CountAtOrAbove) or indicator.reporting.about is About.CITY:
        if not has_city_value(catalogue, source):
            yield fault(
                at,
                "no-city-value",
                zh=(f"{source.id} 不跨单位汇总,没有全市数", "给它 over_organisations,或换一个指标"),
                en=(f"{source.id} has no city value", "give it `over_organisations`, or name another"),
            )
    else:
        others = sorted(set(subject_ids(catalogue, indicator)) - set(subject_ids(catalogue, source)))
        if others:
            shown = ", ".join(others[:3]) + (" …" if len(others) > 3 else "")
            yield fault(
                at,
                "input-about-others",
                zh=(f"{source.id} 没有 {shown} 的数", "缩小 about(全市写 city),或换一个指标"),
                en=(f"{source.id} is not about {shown}", "narrow `about` (city for the city), or name another"),
            )


def _makes_its_periods(indicator: Indicator, source: Indicator) -> bool:
    coarser, finer = indicator.reporting.frequency, source.reporting.frequency
    if coarser is finer:
        return not unlike_fields(indicator, source, "january_february") and (
            coarser is not Frequency.RANGE
            or period_or_none(indicator.reporting.period) == period_or_none(source.reporting.period)
        )
    if coarser not in _RANK or finer not in _RANK or _RANK[finer] > _RANK[coarser] or is_share(source):
        return False
    takes_the_last = source.kind is Kind.STOCK or source.covers is Covers.YEAR_TO_DATE
    # The sum of the months' maxima is not the maximum of the quarter's sums.
    return takes_the_last or sums_over_time(source)


def _in_time(at: str, indicator: Indicator, source: Indicator) -> Iterator[Fault]:
    """Its inputs are reported for all its periods, and due when it is."""
    needed = _first_needed(indicator, source)
    if needed is not None and needed < source.reporting.first:
        yield fault(
            at,
            "before-its-inputs",
            zh=(f"算第一期需要 {source.id} 自 {needed} 起的数,它自 {source.reporting.first} 起才报送", "推迟 first"),
            en=(
                f"its first period needs {source.id} from {needed}, which is reported from {source.reporting.first}",
                "let `first` be later",
            ),
        )
    last, own_last = source.reporting.last, indicator.reporting.last
    if last is not None and (own_last is None or own_last > last):
        yield fault(
            at,
            "after-its-inputs",
            zh=(f"{source.id} 报送到 {last} 为止,以后算不出", f"last 写 {last} 或更早"),
            en=(f"{source.id} is reported until {last}, and nothing can be computed after", f"let `last` be {last}"),
        )
    for field in ("due_days", "due_working_days"):
        own, its = getattr(indicator.reporting, field), getattr(source.reporting, field)
        if own is not None and its is not None and own < its:
            yield fault(
                at,
                "due-before-its-inputs",
                zh=(f"到期({field}: {own})早于 {source.id} 的报送期限({its})", f"{field} 至少写 {its}"),
                en=(f"it is due ({field}: {own}) before {source.id} is ({its})", f"let `{field}` be at least {its}"),
            )


def _first_needed(indicator: Indicator, source: Indicator) -> date | None:
    """The first day of what its first period is computed from; None where it has none, which other rules find."""
    if indicator.reporting.frequency is Frequency.RANGE:
        return None
    try:
        first = next(expected_periods(indicator, date.max), None)
        base = first if first is None else _base(indicator, source, first)
    except (InvalidPeriod, ValueError, OverflowError):
        # Beyond the calendar.
        return None
    return None if base is None else base.start


def _base(indicator: Indicator, source: Indicator, period: Period) -> Period | None:
    """The earliest period that the value of this one needs."""
    if not isinstance(indicator.derived, Growth):
        return period
    match indicator.derived.over:
        case GrowthOver.PREVIOUS:
            before = period.previous()
            # The single period of a year-to-date value is its difference from the one before, but for the year's first.
            by_difference = source.covers is Covers.YEAR_TO_DATE and before.year == before.previous().year
            return before.previous() if by_difference else before
        case GrowthOver.YEAR_BEFORE:
            return period.year_before()
        case GrowthOver.MEAN_ANNUAL:
            return period_or_none(indicator.derived.since)
