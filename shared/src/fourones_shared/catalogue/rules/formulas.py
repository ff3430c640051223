"""A ratio, a growth and a count are of what they can be of, and in a unit that says what they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

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
    Ratio,
)
from fourones_shared.catalogue.rules.lookup import SHARES, fault, is_share, period_fault, period_or_none, sums_over_time
from fourones_shared.domain.periods import Frequency

# A part of one in hundredths, in thousandths, or plain: what a computed share or growth is in.
_FRACTIONS = ("%", "‰", "1")


def formulas_make_sense(catalogue: Catalogue) -> Iterator[Fault]:
    """Each kind of calculation, from inputs that exist."""
    for i, indicator in enumerate(catalogue.indicators):
        sources = [catalogue.indicator[name] for name in indicator.inputs if name in catalogue.indicator]
        if indicator.derived is None or len(sources) < len(indicator.inputs):
            continue
        at = f"/indicators/{i}"
        match indicator.derived:
            case Ratio():
                yield from _quotient(at, indicator)
                yield from _ratio(at, indicator, *sources)
            case Growth():
                yield from _quotient(at, indicator)
                yield from _growth(at, indicator, indicator.derived, *sources)
            case CountAtOrAbove():
                yield from _count(at, indicator, sources)


def _quotient(at: str, indicator: Indicator) -> Iterator[Fault]:
    if indicator.kind is not Kind.RATIO:
        yield fault(
            f"{at}/kind",
            "quotient-is-a-ratio",
            zh=("两数相除所得是比率", "改为 kind: ratio"),
            en=("a quotient is a ratio", "use `kind: ratio`"),
        )


def _ratio(at: str, indicator: Indicator, numerator: Indicator, denominator: Indicator) -> Iterator[Fault]:
    if numerator.id == denominator.id:
        yield fault(
            f"{at}/derived/denominator",
            "ratio-of-itself",
            zh=("分子与分母相同", "改正其中之一"),
            en=("numerator and denominator are the same", "mend one of them"),
        )
    shares = [field for field, one in (("numerator", numerator), ("denominator", denominator)) if is_share(one)]
    for field in shares:
        yield fault(
            f"{at}/derived/{field}",
            "ratio-of-a-ratio",
            zh=("比率或百分数不能再相除", "写存量或流量指标"),
            en=("it is a ratio or a percentage itself", "name a stock or a flow"),
        )
    # What is reported of a whole year is its year to date, too.
    by_year = indicator.reporting.frequency is Frequency.YEAR
    flows = {numerator.kind, denominator.kind} == {Kind.FLOW}
    if flows and not by_year and numerator.covers is not denominator.covers:
        yield fault(
            f"{at}/derived/denominator",
            "mixed-covers",
            zh=("一个是年初累计数,一个是本期数,不能相除", "两者的 covers 应一致"),
            en=("one is year to date, the other of the period alone", "let the two agree in `covers`"),
        )
    if not shares:
        same = numerator.unit == denominator.unit
        yield from _unit(at, indicator, _FRACTIONS if same else (f"{numerator.unit}/{denominator.unit}",))
    yield from _clusters(at, indicator, numerator, denominator)


def _growth(at: str, indicator: Indicator, growth: Growth, level: Indicator) -> Iterator[Fault]:
    if is_share(level):
        yield fault(
            f"{at}/derived/of",
            "growth-of-a-ratio",
            zh=(f"{level.id} 本身是比率,没有可算增长的水平值:两个百分数之差是百分点", "写存量或流量指标"),
            en=(f"{level.id} is a ratio itself: two percentages differ by points", "name a stock or a flow"),
        )
    if indicator.reporting.frequency is Frequency.RANGE:
        yield fault(
            f"{at}/reporting/frequency",
            "no-growth-of-a-range",
            zh=("只报一个时段的指标没有可比的另一期", "改为按年、季、月计算"),
            en=("a range that is reported once has no other period to grow from", "use years, quarters or months"),
        )
    yield from _unit(at, indicator, _FRACTIONS)
    yield from _clusters(at, indicator, level)
    if growth.over is GrowthOver.PREVIOUS:
        yield from _on_the_previous(at, indicator, level)
    yield from _mean_annual(at, indicator, growth, level)


def _on_the_previous(at: str, indicator: Indicator, level: Indicator) -> Iterator[Fault]:
    if indicator.reporting.frequency is not level.reporting.frequency:
        yield fault(
            f"{at}/reporting/frequency",
            "not-the-inputs-frequency",
            zh=(f"环比按 {level.id} 的报告期计算", f"改为 frequency: {level.reporting.frequency}"),
            en=(f"growth on the previous period goes by those of {level.id}", f"use {level.reporting.frequency}"),
        )
    if level.covers is Covers.YEAR_TO_DATE and not sums_over_time(level):
        yield fault(
            f"{at}/derived/over",
            "no-single-periods",
            zh=(f"{level.id} 是按最大值或加权平均汇总的年初累计数,拆不出单期的数,没有环比", "改为 year-before"),
            en=(f"{level.id} is a year-to-date maximum or weighted mean: it has no single periods", "use year-before"),
        )


def _mean_annual(at: str, indicator: Indicator, growth: Growth, level: Indicator) -> Iterator[Fault]:
    mean = growth.over is GrowthOver.MEAN_ANNUAL
    for field, given in (("since", growth.since), ("formula", growth.formula)):
        if mean == (given is None):
            yield fault(
                f"{at}/derived/{field}",
                "mean-annual-says-since-when-and-how",
                zh=("年均增长要写基期 since 和算法 formula,其他增长都不写", "补上或删去"),
                en=("a mean annual growth gives `since` and `formula`, no other growth does", "add or remove it"),
            )
    if not mean:
        return
    if indicator.reporting.frequency is not Frequency.YEAR:
        yield fault(
            f"{at}/reporting/frequency",
            "mean-annual-is-yearly",
            zh=("年均增长按年计算", "改为 frequency: A"),
            en=("a mean annual growth is reckoned by years", "use frequency A"),
        )
    since = period_or_none(growth.since)
    if since is None:
        if growth.since is not None:
            yield period_fault(f"{at}/derived/since", growth.since)
    elif since.frequency is not Frequency.YEAR or not level.reporting.first <= since.start < indicator.reporting.first:
        yield fault(
            f"{at}/derived/since",
            "no-such-base",
            zh=(
                f"基期 {since} 应是 {level.id} 报送的年份(自 {level.reporting.first} 起),且早于本指标的 first",
                "改正 since 或 first",
            ),
            en=(
                f"the base {since} is no year before `first` for which {level.id} is reported",
                f"name a year that begins on {level.reporting.first} or later, or mend `first`",
            ),
        )


def _clusters(at: str, indicator: Indicator, *sources: Indicator) -> Iterator[Fault]:
    """Its clusters are its inputs'; one without clusters takes their totals over clusters, over the same ones."""
    if indicator.clusters:
        unlike = [s for s in sources if set(s.clusters) != set(indicator.clusters)]
        if unlike:
            yield fault(
                f"{at}/clusters",
                "clusters-differ",
                zh=(f"{unlike[0].id} 报送的集群与本指标不同", "写成一致"),
                en=(f"{unlike[0].id} is reported for other clusters", "let the clusters be the same"),
            )
        return
    by_cluster = [s for s in sources if s.clusters]
    for source in by_cluster:
        if source.over_clusters is Adding.NONE:
            yield fault(
                f"{at}/clusters",
                "no-total-over-clusters",
                zh=(f"{source.id} 分集群报送而不跨集群汇总", "填写 clusters,或给它 over_clusters"),
                en=(f"{source.id} is reported by cluster and does not add up over them", "give `clusters`"),
            )
    if len({frozenset(s.clusters) for s in by_cluster}) > 1:
        yield fault(
            f"{at}/derived/denominator",
            "clusters-differ",
            zh=("分子与分母合计的集群不同", "写覆盖相同集群的指标"),
            en=("the two sides are totals over different clusters", "name indicators of the same clusters"),
        )


def _count(at: str, indicator: Indicator, sources: list[Indicator]) -> Iterator[Fault]:
    if indicator.kind is not Kind.STOCK or indicator.decimals or indicator.unit in SHARES:
        yield fault(
            f"{at}/kind",
            "count-is-a-number-of-things",
            zh=("达标个数是整数的存量", "写 kind: stock、decimals: 0 和“个”一类的单位"),
            en=("it counts things", "use `kind: stock`, `decimals: 0` and a unit of counting"),
        )
    if indicator.reporting.about is not About.CITY or indicator.clusters:
        yield fault(
            f"{at}/clusters" if indicator.clusters else f"{at}/reporting/about",
            "count-is-of-the-city",
            zh=("达标个数只有全市和梯队的,不分单位和集群", "写 about: city,不写 clusters"),
            en=("a count is of the city and of the tiers", "use `about: city`, without `clusters`"),
        )
    unit = sources[0].unit
    for j, source in enumerate(sources):
        if not source.clusters:
            yield fault(
                f"{at}/derived/of/{j}",
                "nothing-to-count",
                zh=(f"{source.id} 不分集群", "写分集群报送的指标"),
                en=(f"{source.id} has no clusters to count", "name indicators that are reported by cluster"),
            )
        elif source.unit != unit:
            yield fault(
                f"{at}/derived/of/{j}",
                "mixed-unit",
                zh=(f"{source.id} 的单位是 {source.unit},不是 {unit},不能用同一条线衡量", "写单位相同的指标"),
                en=(f"{source.id} is in {source.unit}, not {unit}: one threshold does not fit", "use one unit"),
            )
    twice = [c for c, times in Counter(c for s in sources for c in s.clusters).items() if times > 1]
    if twice:
        yield fault(
            f"{at}/derived/of",
            "cluster-counted-twice",
            zh=(f"{'、'.join(twice)} 有不止一个指标,不知以哪个为准", "每个集群只由其中一个指标报送"),
            en=(f"{', '.join(twice)} is measured by more than one of them", "let each cluster have one"),
        )


def _unit(at: str, indicator: Indicator, units: tuple[str, ...]) -> Iterator[Fault]:
    if indicator.unit not in units:
        yield fault(
            f"{at}/unit",
            "unit-of-the-quotient",
            zh=(f"算出来的单位不是 {indicator.unit}", f"写 {' 或 '.join(units)}"),
            en=(f"the result is not in {indicator.unit}", f"write {' or '.join(units)}"),
        )
