"""An indicator can be reported, bounded and added as it says."""

from __future__ import annotations

from collections.abc import Iterator

from fourones_shared.catalogue.duties import expected_periods
from fourones_shared.catalogue.faults import Fault
from fourones_shared.catalogue.model import (
    About,
    Adding,
    Catalogue,
    Covers,
    Indicator,
    Kind,
    OrganisationKind,
    Reporter,
)
from fourones_shared.catalogue.rules.lookup import fault, is_share, period_fault, period_or_none, subject_ids
from fourones_shared.domain.numbers import decimals_of, format_decimal
from fourones_shared.domain.periods import Frequency


def reporting_makes_sense(catalogue: Catalogue) -> Iterator[Fault]:
    """Every figure has one duty-holder, a form of period and a beginning."""
    for i, indicator in enumerate(catalogue.indicators):
        yield from _reporter(f"/indicators/{i}/reporting", catalogue, indicator)
        yield from _periods(f"/indicators/{i}/reporting", indicator)
        yield from _covers(f"/indicators/{i}", indicator)


def bounds_make_sense(catalogue: Catalogue) -> Iterator[Fault]:
    """The least is not more than the most, and both can be written with the decimals allowed."""
    for i, indicator in enumerate(catalogue.indicators):
        low, high = indicator.minimum, indicator.maximum
        if low is not None and high is not None and low > high:
            yield fault(
                f"/indicators/{i}/minimum",
                "minimum-over-maximum",
                zh=(f"下限 {format_decimal(low)} 大于上限 {format_decimal(high)}", "改正上下限"),
                en=(f"the minimum {format_decimal(low)} exceeds the maximum {format_decimal(high)}", "mend them"),
            )
        for field, bound in (("minimum", low), ("maximum", high)):
            if bound is not None and decimals_of(bound) > indicator.decimals:
                yield fault(
                    f"/indicators/{i}/{field}",
                    "too-many-decimals",
                    zh=(f"{format_decimal(bound)} 的小数位多于 {indicator.decimals} 位", "改正界限或 decimals"),
                    en=(f"{format_decimal(bound)} has more than {indicator.decimals} decimals", "mend either"),
                )


def adding_makes_sense(catalogue: Catalogue) -> Iterator[Fault]:
    """Shares and relations are never summed, and over clusters only what is reported by cluster."""
    for i, indicator in enumerate(catalogue.indicators):
        for field in ("over_organisations", "over_clusters"):
            if getattr(indicator, field) is Adding.SUM and is_share(indicator):
                yield fault(
                    f"/indicators/{i}/{field}",
                    "shares-are-not-added",
                    zh=(f"{indicator.name} 是比率或百分数,不能相加", "改为 mean、weighted-mean、maximum 或 none"),
                    en=(
                        f"{indicator.id} is a ratio or a percentage: it has no sum",
                        "use mean, weighted-mean, maximum or none",
                    ),
                )
        if indicator.over_clusters is not Adding.NONE and not indicator.clusters:
            yield fault(
                f"/indicators/{i}/over_clusters",
                "no-clusters-to-add",
                zh=("指标不分集群,无从汇总", "填写 clusters,或改为 none"),
                en=("it is not reported by cluster: nothing to add", "give `clusters`, or use none"),
            )


def city_figures_stand_beside_the_counties(catalogue: Catalogue) -> Iterator[Fault]:
    """A department's figure about the city has a value made of the counties' beside it, to differ from."""
    for i, indicator in enumerate(catalogue.indicators):
        city = indicator.reporting.city
        if city is None:
            continue
        at = f"/indicators/{i}/reporting/city"
        if indicator.reporting.about is not About.COUNTIES_AND_ZONES:
            yield fault(
                at,
                "no-counties-beside",
                zh=("city 是各县(市、区)报送之外部门另报的全市数", "about 写 counties-and-zones,或删去 city"),
                en=("`city` is a department's figure beside those of the counties", "use it with counties-and-zones"),
            )
        elif indicator.over_organisations is Adding.NONE:
            yield fault(
                at,
                "no-city-value-beside",
                zh=("各县(市、区)的数不汇总成全市数,部门的数没有可对照的", "给 over_organisations,或删去 city"),
                en=("the counties' figures make no city value to stand beside", "give `over_organisations`"),
            )
        body = catalogue.organisation.get(city.by)
        if body is not None and body.kind is not OrganisationKind.DEPARTMENT:
            yield fault(
                f"{at}/by",
                "city-figure-by-a-department",
                zh=(f"{body.name} 不是市级部门", "写报送全市数的部门"),
                en=(f"{body.id} is no department", "name the department that reports on the city"),
            )


def _reporter(at: str, catalogue: Catalogue, indicator: Indicator) -> Iterator[Fault]:
    reporting = indicator.reporting
    if reporting.by is Reporter.CLUSTER_LEAD and not indicator.clusters:
        yield fault(
            f"{at}/by",
            "no-cluster-to-lead",
            zh=("不分集群的指标没有牵头部门", "写明报送部门,或填写 clusters"),
            en=("an indicator without clusters has no cluster lead", "name a department, or give `clusters`"),
        )
    elif reporting.by is Reporter.SELF and reporting.about is About.CITY:
        yield fault(
            f"{at}/by",
            "city-does-not-report",
            zh=("全市数由部门报送,市本身不报送", "写明报送部门"),
            en=("the city does not report on itself", "name the department that does"),
        )
    elif not isinstance(reporting.by, Reporter):
        reporter = catalogue.organisation.get(reporting.by)
        if reporter is not None and reporter.kind is OrganisationKind.CITY:
            yield fault(
                f"{at}/by",
                "city-does-not-report",
                zh=("全市数由部门报送,市本身不报送", "写明报送部门"),
                en=("the city does not report", "name the department that does"),
            )
    if not isinstance(reporting.about, About) and not reporting.about:
        yield fault(
            f"{at}/about",
            "about-nobody",
            zh=("没有写明是谁的数", "写 counties-and-zones、city 或单位代码"),
            en=("it is about nobody", "write counties-and-zones, city, or organisations"),
        )
    subjects = set(subject_ids(catalogue, indicator))
    for j, name in enumerate(reporting.may_not_apply):
        if name in catalogue.organisation and name not in subjects:
            yield fault(
                f"{at}/may_not_apply/{j}",
                "not-a-subject",
                zh=(f"{name} 不在本指标的报送范围内", "删去"),
                en=(f"the indicator is not about {name}", "remove it"),
            )


def _periods(at: str, indicator: Indicator) -> Iterator[Fault]:
    reporting = indicator.reporting
    if (reporting.frequency is Frequency.RANGE) != (reporting.period is not None):
        yield fault(
            f"{at}/period",
            "range-and-period",
            zh=("只有 frequency: R 写 period,而且必须写", "补上或删去 period"),
            en=("`period` is for frequency R, which needs it", "add or remove it"),
        )
    elif reporting.period is not None and period_or_none(reporting.period) is None:
        yield period_fault(f"{at}/period", reporting.period)
    if reporting.last is not None and reporting.last < reporting.first:
        yield fault(
            f"{at}/last",
            "ends-before-it-begins",
            zh=("最后一期早于第一期", "改正 first 与 last"),
            en=("the duty ends before it begins", "mend `first` and `last`"),
        )
    elif reporting.last is not None and not _expects_a_period(indicator):
        yield fault(
            f"{at}/last",
            "no-period-expected",
            zh=("first 与 last 之间没有一个完整开始的报告期", "改正 first、last 或 frequency"),
            en=("no period begins between `first` and `last`", "mend `first`, `last` or `frequency`"),
        )
    if reporting.lock_days == 0:
        yield fault(
            f"{at}/lock_days",
            "locked-when-due",
            zh=("到期即锁定,迟报的数就永远补不上", "至少写 1;不锁定就删去"),
            en=("a period locked when it is due never takes a late figure", "write at least 1, or remove it"),
        )
    if indicator.january_february == "together" and reporting.frequency is not Frequency.MONTH:
        yield fault(
            at.removesuffix("/reporting") + "/january_february",
            "only-months-are-joined",
            zh=("只有月报指标可以合并一、二月", "改为 separate"),
            en=("only a monthly indicator joins January and February", "use separate"),
        )


def _expects_a_period(indicator: Indicator) -> bool:
    reporting = indicator.reporting
    if reporting.frequency is Frequency.RANGE or reporting.last is None:
        return True
    return any(True for _ in expected_periods(indicator, reporting.last))


def _covers(at: str, indicator: Indicator) -> Iterator[Fault]:
    if indicator.covers is not Covers.YEAR_TO_DATE:
        return
    frequency = indicator.reporting.frequency
    if indicator.kind is not Kind.FLOW or frequency in {Frequency.WEEK, Frequency.RANGE}:
        yield fault(
            f"{at}/covers",
            "no-year-to-date",
            zh=("年初累计只用于按月、季、半年或年报送的流量指标", "改为 period"),
            en=("year to date is for flows by month, quarter, half-year or year", "use period"),
        )
