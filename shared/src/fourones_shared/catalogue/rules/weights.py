"""A weighted mean has what weighs in it."""

from __future__ import annotations

from collections.abc import Iterator

from fourones_shared.catalogue.faults import Fault
from fourones_shared.catalogue.model import TOTAL, Adding, Catalogue, Indicator
from fourones_shared.catalogue.rules.lookup import fault, is_share, subject_ids, unlike_fields


def weights_fit(catalogue: Catalogue) -> Iterator[Fault]:
    """A weighted mean names its weight: a quantity that is reported of the same organisations, clusters, periods."""
    for i, indicator in enumerate(catalogue.indicators):
        at = f"/indicators/{i}"
        weighted = [f for f in ("over_organisations", "over_clusters") if getattr(indicator, f) is Adding.WEIGHTED_MEAN]
        if weighted and indicator.weighted_by is None:
            yield fault(
                f"{at}/{weighted[0]}",
                "weight-missing",
                zh=("加权平均没有写按什么加权", "用 weighted_by 写明权数指标,或改为 mean"),
                en=("a weighted mean without its weight", "name the weighing indicator in `weighted_by`, or use mean"),
            )
        elif indicator.weighted_by is not None and not weighted:
            yield fault(
                f"{at}/weighted_by",
                "weight-without-mean",
                zh=("没有一处按 weighted-mean 汇总,权数用不上", "删去 weighted_by,或汇总方式改为 weighted-mean"),
                en=("nothing here is a weighted mean", "remove `weighted_by`, or use weighted-mean"),
            )
        weight = catalogue.indicator.get(indicator.weighted_by or "")
        if weight is not None:
            yield from _quantity(f"{at}/weighted_by", weight)
            yield from _reported_alike(f"{at}/weighted_by", catalogue, indicator, weight)


def _quantity(at: str, weight: Indicator) -> Iterator[Fault]:
    if weight.is_computed or is_share(weight):
        yield fault(
            at,
            "weight-is-no-quantity",
            zh=(f"{weight.id} 是比率或计算指标,不能作权数", "写报送的存量或流量指标"),
            en=(f"{weight.id} is a ratio, or computed: it does not weigh", "name a stock or a flow that is reported"),
        )
    elif weight.minimum is None or weight.minimum < 0:
        yield fault(
            at,
            "weight-may-be-negative",
            zh=(f"权数 {weight.id} 可以为负", f"给 {weight.id} 写 minimum: 0"),
            en=(f"the weight {weight.id} may be negative", f"give {weight.id} the minimum 0"),
        )


def _reported_alike(at: str, catalogue: Catalogue, indicator: Indicator, weight: Indicator) -> Iterator[Fault]:
    unlike = [*_unlike_periods(indicator, weight), *unlike_fields(indicator, weight, "zones", "synthetic")]
    if not set(indicator.clusters or (TOTAL,)) <= set(weight.clusters or (TOTAL,)):
        unlike.append("clusters")
    # A department's figure beside the counties' is weighed only where its own clusters are put together.
    weighed = indicator.over_clusters is Adding.WEIGHTED_MEAN
    if not set(subject_ids(catalogue, indicator, with_city_figure=weighed)) <= set(subject_ids(catalogue, weight)):
        unlike.append("reporting.about")
    if weight.id == indicator.id:
        unlike = ["id"]
    if unlike:
        named = ", ".join(unlike)
        yield fault(
            at,
            "weight-differs",
            zh=(f"{weight.id} 的 {named} 与本指标不一致,有的数没有权数", "写范围、周期相同的另一个指标,或统一两者"),
            en=(
                f"{weight.id} differs in {named}: some figures would have no weight",
                "name another indicator that is reported alike, or make the two alike",
            ),
        )


def _unlike_periods(indicator: Indicator, weight: Indicator) -> Iterator[str]:
    yield from unlike_fields(indicator, weight, "reporting.frequency", "reporting.period", "january_february")
    if indicator.january_february == "together":
        # Whether the two months are February or a range depends on it.
        yield from unlike_fields(indicator, weight, "covers")
    if weight.reporting.first > indicator.reporting.first:
        yield "reporting.first"
    last = weight.reporting.last
    if last is not None and (indicator.reporting.last is None or indicator.reporting.last > last):
        yield "reporting.last"
