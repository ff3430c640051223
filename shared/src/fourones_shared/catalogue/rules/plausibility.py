"""What values are held against exists, fits, and can raise the doubts that are to be answered."""

from __future__ import annotations

from collections.abc import Iterator

from fourones_shared.catalogue.faults import Fault
from fourones_shared.catalogue.model import (
    TOTAL,
    Catalogue,
    Covers,
    Doubt,
    Indicator,
    Kind,
    OrganisationKind,
    Zones,
)
from fourones_shared.catalogue.rules.lookup import fault, subject_ids, unlike_fields
from fourones_shared.domain.periods import Frequency


def plausibility_makes_sense(catalogue: Catalogue) -> Iterator[Fault]:
    """A year-to-date value's months and a growth's levels are reported alike; no doubt is both asked and ignored."""
    for i, indicator in enumerate(catalogue.indicators):
        at = f"/indicators/{i}/plausibility"
        yield from _months(at, catalogue, indicator)
        yield from _growth(at, catalogue, indicator)
        yield from _justify(at, indicator)


def zones_inside_have_districts(catalogue: Catalogue) -> Iterator[Fault]:
    """Where zones count inside their districts, every zone has districts and every one of those has the duty."""
    for i, indicator in enumerate(catalogue.indicators):
        if indicator.zones is Zones.BESIDE:
            continue
        subjects = subject_ids(catalogue, indicator)
        members = [catalogue.organisation[o] for o in subjects if o in catalogue.organisation]
        zones = [o for o in members if o.kind is OrganisationKind.ZONE]
        homeless = [o.id for o in zones if not o.within]
        if homeless or not zones:
            named = ", ".join(homeless)
            yield fault(
                f"/indicators/{i}/zones",
                "zones-without-districts",
                zh=(
                    f"{named} 没有写 within,不知含在哪个区县" if homeless else "本指标没有开发区报送",
                    "补上该开发区的 within,或改为 beside",
                ),
                en=(
                    f"{named} lacks `within`: no district holds it" if homeless else "no zone reports it",
                    "give the zone's `within`, or use beside",
                ),
            )
        for zone in zones:
            lost = [district for district in zone.within if district not in subjects]
            if lost:
                yield fault(
                    f"/indicators/{i}/zones",
                    "district-without-duty",
                    zh=(f"{zone.id} 所在的 {', '.join(lost)} 不报送本指标,它的数会漏计", "补上区县,或改为 beside"),
                    en=(
                        f"{', '.join(lost)}, which {zone.id} lies in, does not report: the zone would count nowhere",
                        "let the district report, or use beside",
                    ),
                )


def _months(at: str, catalogue: Catalogue, total: Indicator) -> Iterator[Fault]:
    name = total.plausibility.months
    if name is None:
        return
    if total.covers is not Covers.YEAR_TO_DATE:
        yield fault(
            f"{at}/months",
            "months-of-no-total",
            zh=("只有年初累计数(covers: year-to-date)才是各月之和", "删去 months"),
            en=("only a year-to-date value is the sum of months", "remove `months`"),
        )
    months = catalogue.indicator.get(name)
    if months is None:
        return
    reporting = months.reporting
    if months.covers is not Covers.PERIOD or months.kind is not Kind.FLOW or reporting.frequency is not Frequency.MONTH:
        yield fault(
            f"{at}/months",
            "not-single-months",
            zh=(f"{name} 不是按月报送的当月数", "写 kind: flow、covers: period、frequency: M 的指标"),
            en=(f"{name} has no single months", "name an indicator with kind flow, covers period, frequency M"),
        )
    yield from _alike(f"{at}/months", catalogue, total, months, "unit", "measure")


def _growth(at: str, catalogue: Catalogue, growth: Indicator) -> Iterator[Fault]:
    name = growth.plausibility.growth_of
    if name is None:
        return
    if growth.kind is not Kind.RATIO:
        yield fault(
            f"{at}/growth_of",
            "growth-is-a-ratio",
            zh=(f"{growth.name} 不是比率,不能是增长率", "改为 kind: ratio,或删去 growth_of"),
            en=(f"{growth.id} is no ratio, so no growth", "make its kind ratio, or remove `growth_of`"),
        )
    level = catalogue.indicator.get(name)
    if level is None:
        return
    previous = growth.plausibility.growth_over == "previous"
    if level.kind is Kind.RATIO:
        yield fault(
            f"{at}/growth_of",
            "growth-of-a-ratio",
            zh=(f"{name} 本身是比率,没有可算增长的水平值", "写存量或流量指标"),
            en=(f"{name} is a ratio itself: it has no level", "name a stock or a flow"),
        )
    elif previous and level.covers is Covers.YEAR_TO_DATE:
        yield fault(
            f"{at}/growth_over",
            "no-growth-on-the-previous",
            zh=(f"{name} 是年初累计数,与上期相比没有意义", "改为 year-before"),
            en=(f"{name} is year to date: it does not compare with the period before", "use year-before"),
        )
    yield from _alike(f"{at}/growth_of", catalogue, growth, level, "reporting.frequency", "january_february")


def _justify(at: str, indicator: Indicator) -> Iterator[Fault]:
    raised = _can_be_raised(indicator)
    for j, doubt in enumerate(indicator.plausibility.justify):
        if doubt in indicator.plausibility.ignore:
            yield fault(
                f"{at}/justify/{j}",
                "asked-and-ignored",
                zh=(f"{doubt} 既要求说明又被忽略", "从 justify 或 ignore 中删去一处"),
                en=(f"{doubt} is to be justified and to be ignored", "remove it from `justify` or from `ignore`"),
            )
        elif doubt not in raised:
            yield fault(
                f"{at}/justify/{j}",
                "doubt-never-arises",
                zh=(f"本指标不会出现 {doubt}", "补上它所比较的内容(months、growth_of、zones),或删去"),
                en=(f"{doubt} never arises here", "give what it compares (months, growth_of, zones), or remove it"),
            )


def _can_be_raised(indicator: Indicator) -> set[Doubt]:
    raised = {Doubt.UNIT_SLIP, Doubt.JUMP}
    if indicator.covers is Covers.YEAR_TO_DATE:
        raised.add(Doubt.YEAR_TO_DATE_FALLS)
    if indicator.plausibility.months is not None:
        raised.add(Doubt.YEAR_TO_DATE_CONTRADICTS)
    if indicator.plausibility.growth_of is not None:
        raised.add(Doubt.GROWTH_MISMATCH)
    if indicator.zones is Zones.INSIDE:
        raised.add(Doubt.ZONE_BEYOND_DISTRICT)
    return raised


def _alike(at: str, catalogue: Catalogue, one: Indicator, other: Indicator, *fields: str) -> Iterator[Fault]:
    """Every figure of the one has its counterpart of the other, and the fields are equal."""
    unlike = unlike_fields(one, other, *fields)
    if not set(one.clusters or (TOTAL,)) <= set(other.clusters or (TOTAL,)):
        unlike.append("clusters")
    # A department's figure about the city need not have its counterpart: then it is not held against anything.
    if not set(subject_ids(catalogue, one, with_city_figure=False)) <= set(subject_ids(catalogue, other)):
        unlike.append("reporting.about")
    if one.id == other.id:
        unlike = ["id"]
    if unlike:
        yield fault(
            at,
            "not-comparable",
            zh=(f"与 {other.id} 的 {', '.join(unlike)} 不一致,无从比较", "写口径、范围相同的另一个指标,或统一两者"),
            en=(
                f"not comparable with {other.id}: {', '.join(unlike)}",
                "name another indicator that is reported alike, or make the two alike",
            ),
        )
