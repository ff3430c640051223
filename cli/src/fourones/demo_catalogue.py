"""The synthetic plans: what they measure, what they promise, and which story each target tells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Literal, TypeVar

from pydantic import BaseModel

from fourones_shared.catalogue.model import Catalogue, Indicator, Plan, Source, Target

_Model = TypeVar("_Model", bound=BaseModel)

PREFIX = "demo-"
TITLE = "【演示】"
YEARS_BACK = 3
YEARS_AHEAD = 2
OUTPUT = "demo-cluster-output"
ENTERPRISES = "demo-cluster-enterprises"
RESEARCHING = "demo-researching-enterprises-share"
"""A mean over counties and clusters, weighted by their enterprises."""
LARGEST = "demo-largest-enterprise-output"
"""The city's is the largest county's."""
CONTRACTS = "demo-technology-contracts"
"""Reported by the counties and, about the city, by a department whose figure stands."""
CONTRACTS_BY = "kjj"
MISSING_COUNTY = "320321"
"""The county that has not reported its enterprises of the cluster in `INCOMPLETE` for two quarters."""

Method = Literal["plan-curve", "required-growth", "projection"]
Verdict = Literal["achieved", "on_track", "lagging", "off_track", "deteriorating", "no_data", "not_assessable"]

# What the clusters' by-date targets show, in the catalogue's order of the clusters.
_CLUSTER_STORIES: tuple[Verdict, ...] = (
    "on_track", "achieved", "lagging", "on_track", "off_track", "lagging", "on_track", "off_track", "no_data",
    "achieved",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Story:
    """What a target's figures are made to show.

    Attributes:
        verdict: at the latest period that has ended.
        incomplete: whether one county is silent.
    """

    target: str
    verdict: Verdict
    incomplete: bool = False


@dataclass(frozen=True, slots=True)
class Demo:
    """The parts that are added to a catalogue, and their stories."""

    first: date
    sources: tuple[Source, ...]
    plans: tuple[Plan, ...]
    indicators: tuple[Indicator, ...]
    targets: tuple[Target, ...]
    stories: tuple[Story, ...]


@dataclass(frozen=True, slots=True)
class _City:
    """One city-wide indicator with one by-date target.

    Attributes:
        way: baseline and target value; no baseline makes the target not assessable before its due date.
        milestones: shares due by the end of each year of the plan, for a curve that is no straight line.
    """

    id: str
    name: str
    unit: str
    by: str
    way: tuple[str | None, str]
    verdict: Verdict
    method: Method = "plan-curve"
    kind: str = "stock"
    frequency: str = "Q"
    direction: str = "up"
    comparator: str = ">="
    decimals: int = 0
    closed: bool = False
    milestones: Sequence[str] = field(default=())


_CITY = (
    _City("innovation-platforms", "高能级创新平台", "家", "kjj", ("120", "240"), "on_track"),
    _City("smart-factories", "智能工厂和车间", "家", "gxj", ("200", "600"), "lagging",
          milestones=("0.10", "0.25", "0.45", "0.70", "0.90")),
    _City("green-factories", "绿色工厂", "家", "hbj", ("50", "150"), "off_track"),
    _City("listed-enterprises", "上市企业", "家", "jrj", ("20", "60"), "achieved"),
    _City("reused-land", "盘活低效用地", "亩", "zgj", (None, "9000"), "not_assessable"),
    _City("introduced-talents", "引进领军人才", "人", "kjj", ("100", "300"), "no_data"),
    _City("logistics-cost", "物流成本占比", "%", "swj", ("16", "12"), "lagging", kind="ratio", direction="down",
          comparator="<=", decimals=2),
    _City("exports", "集群产品出口额", "亿元", "swj", ("800", "1600"), "on_track", "required-growth", "flow", "A",
          decimals=2),
    _City("emergency-output", "应急装备产值", "亿元", "yjj", ("200", "500"), "lagging", "required-growth", "flow", "A",
          decimals=2),
    _City("farm-brands", "农产品品牌产值", "亿元", "nyj", ("300", "600"), "off_track", "required-growth", "flow", "A",
          decimals=2),
    _City("energy-intensity", "单位产值能耗", "吨标准煤/万元", "fgw", ("0.8", "0.6"), "deteriorating",
          "required-growth", "ratio", "A", "down", "<=", 4),
    _City("rd-intensity", "研发投入强度", "%", "kjj", ("2", "3.2"), "on_track", "projection", "ratio", "A", decimals=4),
    _City("digital-share", "数字经济核心产业占比", "%", "fgw", ("8", "12"), "lagging", "projection", "ratio", "A",
          decimals=4),
    _City("water-use", "万元产值用水量", "立方米", "zgj", ("30", "20"), "off_track", "projection", "ratio", "A",
          "down", "<=", 4),
    _City("pilot-projects", "先行试点项目", "项", "gxj", ("0", "30"), "achieved", frequency="A", closed=True),
    _City("model-parks", "示范园区", "个", "fgw", ("2", "12"), "off_track", frequency="A", closed=True),
)  # fmt: skip


def demo_of(real: Catalogue, today: date) -> Demo:
    """The synthetic parts as of a day: plans begin three years before, one goes on beyond it, one has ended."""
    first = date(today.year - YEARS_BACK, 1, 1)
    last_year, open_year = today.year - 1, today.year + YEARS_AHEAD
    sources = (_made(Source, id="demo-data", title="演示数据(随机生成,非真实情况)"),)
    plans = (
        _plan("demo-growth", "集群成长演示方案", first, date(open_year, 12, 31)),
        _plan("demo-closed", "到期结案演示方案", first, date(last_year, 12, 31)),
    )
    indicators = (
        *_county_indicators(real, first),
        *_otherwise_added(real, first),
        *_computed(real, first),
        *(_city_indicator(city, first) for city in _CITY),
    )
    baseline = str(first.year - 1)
    made = [
        *_cluster_targets(real, baseline, str(open_year)),
        *(_city_target(city, baseline, str(last_year if city.closed else open_year), first) for city in _CITY),
    ]
    targets = (*(target for target, _ in made), *_yearly_targets(real))
    stories = tuple(story for _, story in made)
    return Demo(first, sources, plans, indicators, targets, stories)


def yearly_output_target(place: int) -> Decimal:
    """What a cluster should put out every year, 亿元, by the cluster's place in the catalogue."""
    return Decimal(240 + 120 * (place % 5))


def _plan(name: str, title: str, start: date, end: date) -> Plan:
    return _made(Plan, id=name, name=TITLE + title, start=start, end=end, synthetic=True, source="demo-data")


def _county_indicators(real: Catalogue, first: date) -> Iterator[Indicator]:
    common: dict[str, Any] = {
        "clusters": [cluster.id for cluster in real.clusters],
        "over_organisations": "sum",
        "over_clusters": "sum",
        "minimum": "0",
        "synthetic": True,
        "source": "demo-data",
    }
    reporting = {"about": "counties-and-zones", "by": "self", "first": first, "due_days": 15}
    yield _made(
        Indicator,
        id=OUTPUT,
        name=TITLE + "集群产值",
        name_en="Demonstration: cluster output",
        unit="亿元",
        measure="demo-output",
        kind="flow",
        covers="year-to-date",
        decimals=2,
        reporting=reporting | {"frequency": "M"},
        **common,
    )
    yield _made(
        Indicator,
        id=ENTERPRISES,
        name=TITLE + "集群规上企业",
        name_en="Demonstration: enterprises of the cluster",
        unit="家",
        measure="demo-enterprises",
        kind="stock",
        decimals=0,
        reporting=reporting | {"frequency": "Q"},
        **common,
    )


def _otherwise_added(real: Catalogue, first: date) -> Iterator[Indicator]:
    """What the counties report and no sum is made of, and what a department reports beside them."""
    reporting = {"about": "counties-and-zones", "by": "self", "first": first, "due_days": 15}
    common: dict[str, Any] = {"minimum": "0", "synthetic": True, "source": "demo-data"}
    yield _made(
        Indicator,
        id=RESEARCHING,
        name=TITLE + "有研发活动的规上企业占比",
        name_en="Demonstration: enterprises with research, share",
        unit="%",
        measure="demo-share",
        kind="ratio",
        decimals=2,
        maximum="100",
        clusters=[cluster.id for cluster in real.clusters],
        over_organisations="weighted-mean",
        over_clusters="weighted-mean",
        weighted_by=ENTERPRISES,
        reporting=reporting | {"frequency": "Q"},
        **common,
    )
    yield _made(
        Indicator,
        id=LARGEST,
        name=TITLE + "最大企业年产值",
        name_en="Demonstration: output of the largest enterprise",
        unit="亿元",
        measure="demo-output",
        kind="flow",
        decimals=2,
        over_organisations="maximum",
        reporting=reporting | {"frequency": "A"},
        **common,
    )
    yield _made(
        Indicator,
        id=CONTRACTS,
        name=TITLE + "技术合同成交额",
        name_en="Demonstration: technology contracts",
        unit="亿元",
        measure="demo-contracts",
        kind="flow",
        decimals=2,
        over_organisations="sum",
        reporting=reporting | {"frequency": "Q", "city": {"by": CONTRACTS_BY, "stands": "department"}},
        **common,
    )


def _computed(real: Catalogue, first: date) -> Iterator[Indicator]:
    """What nobody reports; a growth begins a year later than its levels."""
    a_year_later = first.replace(year=first.year + 1)
    reporting = {"about": "city", "by": "computed", "due_days": 15}
    common: dict[str, Any] = {
        "clusters": [cluster.id for cluster in real.clusters],
        "kind": "ratio",
        "synthetic": True,
        "source": "demo-data",
    }
    yield _made(
        Indicator,
        id="demo-output-per-enterprise",
        name=TITLE + "户均产值(年初累计)",
        name_en="Demonstration: output per enterprise, year to date",
        unit="亿元/家",
        measure="demo-output-per-enterprise",
        decimals=4,
        derived={"kind": "ratio", "numerator": OUTPUT, "denominator": ENTERPRISES},
        reporting=reporting | {"frequency": "Q", "first": first},
        **common,
    )
    yield _made(
        Indicator,
        id="demo-output-growth",
        name=TITLE + "集群产值同比",
        name_en="Demonstration: growth of cluster output on a year before",
        unit="%",
        measure="demo-growth",
        decimals=2,
        derived={"kind": "growth", "of": OUTPUT, "over": "year-before"},
        reporting=reporting | {"frequency": "M", "first": a_year_later},
        **common,
    )


def _city_indicator(city: _City, first: date) -> Indicator:
    return _made(
        Indicator,
        id=PREFIX + city.id,
        name=TITLE + city.name,
        name_en="Demonstration: " + city.id.replace("-", " "),
        unit=city.unit,
        measure=PREFIX + city.id,
        kind=city.kind,
        direction=city.direction,
        decimals=city.decimals,
        minimum="0",
        reporting={"about": "city", "by": city.by, "frequency": city.frequency, "first": first, "due_days": 15},
        synthetic=True,
        source="demo-data",
    )


def _city_target(city: _City, baseline: str, by: str, first: date) -> tuple[Target, Story]:
    start, goal = city.way
    curve = [{"period": str(first.year + year), "share": share} for year, share in enumerate(city.milestones)]
    target = _target(
        id=f"{PREFIX}{city.id}",
        plan="demo-closed" if city.closed else "demo-growth",
        indicator=PREFIX + city.id,
        name=TITLE + city.name,
        value=goal,
        comparator=city.comparator,
        unit=city.unit,
        by=by,
        baseline=None if start is None else {"period": baseline, "value": start},
        curve=curve,
        method=city.method,
        responsible={"lead": city.by},
    )
    return target, Story(target.id, city.verdict)


def _cluster_targets(real: Catalogue, baseline: str, by: str) -> Iterator[tuple[Target, Story]]:
    for place, cluster in enumerate(real.clusters):
        base = 260 + 40 * (place % 4)
        verdict = _CLUSTER_STORIES[place % len(_CLUSTER_STORIES)]
        target = _target(
            id=f"{ENTERPRISES}-{cluster.id}",
            plan="demo-growth",
            indicator=ENTERPRISES,
            name=TITLE + "集群规上企业",
            cluster=cluster.id,
            value=str(2 * base),
            unit="家",
            by=by,
            baseline={"period": baseline, "value": str(base)},
            responsible={"lead": cluster.lead},
        )
        yield target, Story(target.id, verdict, incomplete=verdict == "no_data")


def _yearly_targets(real: Catalogue) -> Iterator[Target]:
    for place, cluster in enumerate(real.clusters):
        yield _target(
            id=f"{OUTPUT}-{cluster.id}",
            plan="demo-growth",
            indicator=OUTPUT,
            name=TITLE + "集群年产值",
            cluster=cluster.id,
            value=str(yearly_output_target(place)),
            unit="亿元",
            per="year",
            responsible={"lead": cluster.lead},
        )


def _target(**fields: Any) -> Target:
    return _made(Target, synthetic=True, source="demo-data", **fields)


def _made(model: type[_Model], /, **fields: Any) -> _Model:
    return model.model_validate(fields)
