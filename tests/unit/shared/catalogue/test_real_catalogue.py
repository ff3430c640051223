"""The delivered catalogue against a list of the facts that was written down apart from it."""

from collections import Counter
from decimal import Decimal

import pytest
from unit.shared.catalogue.documents import REAL

from fourones_shared.catalogue.duties import duties, expected_periods
from fourones_shared.catalogue.files import load
from fourones_shared.catalogue.model import TOTAL
from fourones_shared.domain.periods import Period

COUNTIES = {
    "320302": "鼓楼区",
    "320303": "云龙区",
    "320305": "贾汪区",
    "320311": "泉山区",
    "320312": "铜山区",
    "320321": "丰县",
    "320322": "沛县",
    "320324": "睢宁县",
    "320381": "新沂市",
    "320382": "邳州市",
}
ZONES = {"xz-etdz": "徐州经济技术开发区", "xz-hidz": "徐州高新技术产业开发区", "xz-port": "徐州淮海国际港务区"}
DEPARTMENTS = {
    "fgw": "市发改委",
    "kjj": "市科技局",
    "gxj": "市工信局",
    "zgj": "市资规局",
    "nyj": "市农业农村局",
    "swj": "市商务局",
    "yjj": "市应急管理局",
    "jrj": "市地方金融监管局",
    "hbj": "市生态环境局",
}
CLUSTERS = {
    "construction-machinery": ("工程机械", "advantage", 3000, "gxj"),
    "green-low-carbon-energy": ("绿色低碳能源", "advantage", 2000, "fgw"),
    "new-materials": ("新材料", "advantage", 1000, "gxj"),
    "digital-economy": ("数字经济", "emerging", 1000, "fgw"),
    "ic-and-ict": ("集成电路与ICT", "emerging", 500, "gxj"),
    "medicine-and-health": ("医药健康", "emerging", 500, "kjj"),
    "safety-and-emergency": ("安全应急", "emerging", 500, "yjj"),
    "quality-steel": ("精品钢材", "characteristic", 1000, "gxj"),
    "high-end-textiles": ("高端纺织", "characteristic", 500, "gxj"),
    "food-and-farm-processing": ("食品及农副产品加工", "characteristic", 1000, "nyj"),
}
EQUALS = {
    "expand-volume": "fgw kjj gxj zgj nyj swj yjj",
    "strengthen-foundation": "fgw kjj gxj nyj yjj",
    "deepen-integration": "fgw kjj gxj nyj yjj",
    "grow-enterprises": "fgw kjj gxj nyj yjj jrj",
    "raise-quality": "fgw kjj gxj hbj nyj yjj",
}
TASKS = {
    "flagship-investment-projects": ("expand-volume", 10, "个", "year", ">="),
    "technical-renovation-projects": ("expand-volume", 300, "项", "year", ">="),
    "key-technology-research-projects": ("strengthen-foundation", 40, "项", "year", "about"),
    "innovation-oriented-projects": ("strengthen-foundation", 100, "项", "year", "about"),
    "digitally-transformed-enterprises": ("deepen-integration", 5000, "家", "2025", ">="),
    "provincial-smart-factories": ("deepen-integration", 100, "家", "2025", ">="),
    "enterprises-over-10-billion": ("grow-enterprises", 20, "家", "2025", ">="),
    "enterprises-1-to-10-billion": ("grow-enterprises", 130, "家", "2025", ">="),
    "little-giants": ("grow-enterprises", 140, "家", "2025", ">="),
    "listed-manufacturers": ("grow-enterprises", 45, "家", "2025", ">="),
    "green-factories": ("raise-quality", 30, "家", "2025", ">="),
    "green-development-leaders": ("raise-quality", 20, "家", "2025", ">="),
}
FOUR_ONES = {
    "dispatch-meetings": ("task-force", 1, "次", "week"),
    "special-meetings": ("task-force", 1, "次", "month"),
    "promotion-meetings": ("task-force", 1, "次", "quarter"),
    "weekly-reports": ("task-force", 1, "份", "week"),
    "monthly-reports": ("task-force", 1, "份", "month"),
    "quarterly-reports": ("task-force", 1, "份", "quarter"),
    "charts-and-tables": ("task-force", 11, "项", "2025"),
    "alliance-established": ("alliance", 1, "个", "2025"),
    "industry-funds": ("factor-support", 1, "支", "2025"),
}
DOUBLE_HIGH = {
    "joint-platforms": (18, "家", ">="),
    "technology-smes": (50, "家", ">="),
    "high-tech-enterprises": (25, "家", ">="),
    "dual-employed-talents": (55, "人", ">="),
    "deputy-managers-and-professors": (60, "人", ">="),
    "postgraduates": (360, "人", ">"),
    "landmark-projects": (8, "项", ">="),
    "major-projects": (29, "项", ">="),
    "benchmark-projects": (20, "个", ">="),
}


@pytest.fixture(scope="module")
def catalogue():
    return load(REAL)


def due(target):
    return target.per or target.by


def test_the_city_its_counties_zones_and_departments_are_there(catalogue):
    by_kind: dict[str, dict[str, str]] = {}
    for organisation in catalogue.organisations:
        by_kind.setdefault(organisation.kind.value, {})[organisation.id] = organisation.name
    assert by_kind == {"city": {"320300": "徐州市"}, "county": COUNTIES, "zone": ZONES, "department": DEPARTMENTS}


def test_the_ten_clusters_have_their_tier_and_lead(catalogue):
    assert {c.id: (c.name, c.tier, c.lead) for c in catalogue.clusters} == {
        name: (chinese, tier, lead) for name, (chinese, tier, _, lead) in CLUSTERS.items()
    }
    assert Counter(c.tier for c in catalogue.clusters) == {"advantage": 3, "emerging": 4, "characteristic": 3}


def test_every_pillar_says_what_it_owes(catalogue):
    names = ["一个工作专班", "一个产业联盟", "一个创新体系", "一套要素支撑"]
    assert [p.name for p in catalogue.pillars] == names
    assert [len(p.duties) for p in catalogue.pillars] == [7, 8, 7, 4]
    assert "五图六表" in catalogue.pillars[0].duties[0]


def test_the_four_plans_run_from_their_first_to_their_last_day(catalogue):
    assert {p.id: (str(p.start), str(p.end), p.source) for p in catalogue.plans} == {
        "clusters-2025": ("2022-10-01", "2025-12-31", "004"),
        "double-high-2027": ("2025-01-01", "2027-12-31", "001"),
        "future-industries": ("2024-01-01", "2030-12-31", "002"),
        "hidz-14th-five-year": ("2021-01-01", "2025-12-31", "003"),
    }
    plan = catalogue.plan["clusters-2025"]
    assert [task.name for task in plan.tasks] == ["扩增量", "强基础", "促融合", "育企业", "提质态"]
    assert plan.coordinated_by == "市制造强市建设工作领导小组"
    assert len(plan.county_duties) == 3


def test_there_are_126_targets(catalogue):
    per_plan = Counter(target.plan for target in catalogue.targets)
    assert per_plan == {"clusters-2025": 10 + 4 + 12 + 9 * 10, "double-high-2027": 9, "hidz-14th-five-year": 1}


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_each_cluster_has_its_own_target_for_2025(catalogue, cluster):
    target = catalogue.target[f"cluster-scale-2025-{cluster}"]
    _, _, value, lead = CLUSTERS[cluster]
    digital = cluster == "digital-economy"
    assert target.indicator == ("digital-core-value-added" if digital else "cluster-scale")
    assert (target.value, target.unit, target.by, target.cluster) == (value, "亿元", "2025", cluster)
    assert (target.org, target.comparator, target.responsible.lead, target.responsible.equal) == (TOTAL, ">=", lead, ())
    measure = catalogue.indicator[target.indicator].measure
    assert measure == ("value-added" if digital else "industry-scale")


@pytest.mark.parametrize(("threshold", "clusters"), [(3000, 1), (2000, 2), (1000, 6), (500, 10)])
def test_the_tier_goal_counts_clusters_cumulatively_by_their_own_targets(catalogue, threshold, clusters):
    target = catalogue.target[f"tier-goal-2025-{threshold}"]
    indicator = catalogue.indicator[f"clusters-at-or-above-{threshold}"]
    assert (target.indicator, target.value, target.unit, target.by) == (indicator.id, clusters, "个", "2025")
    assert sum(value >= threshold for _, _, value, _ in CLUSTERS.values()) == clusters
    # Computed from what each cluster's own target is judged by; until then the department's count stands.
    judged_by = {catalogue.target[f"cluster-scale-2025-{cluster}"].indicator for cluster in CLUSTERS}
    counted = [cluster for name in indicator.inputs for cluster in catalogue.indicator[name].clusters]
    assert (indicator.derived.threshold, set(indicator.inputs)) == (threshold, judged_by)
    assert sorted(counted) == sorted(CLUSTERS)
    assert indicator.reporting.by == "gxj"


def test_the_goal_of_six_at_1000_says_that_the_reported_count_is_of_another_measure(catalogue):
    assert "数字经济" in catalogue.target["tier-goal-2025-1000"].remark


@pytest.mark.parametrize("indicator", TASKS)
def test_each_task_target_is_as_promised(catalogue, indicator):
    task, value, unit, when, comparator = TASKS[indicator]
    (target,) = (t for t in catalogue.targets if t.indicator == indicator)
    assert (target.task, target.value, target.unit, due(target), target.comparator) == (
        task,
        value,
        unit,
        when,
        comparator,
    )
    assert (target.responsible.lead, " ".join(target.responsible.equal)) == (None, EQUALS[task])


@pytest.mark.parametrize("indicator", FOUR_ONES)
def test_each_cluster_owes_what_the_four_ones_ask_and_its_lead_answers(catalogue, indicator):
    pillar, value, unit, when = FOUR_ONES[indicator]
    targets = {t.cluster: t for t in catalogue.targets if t.indicator == indicator}
    assert targets.keys() == CLUSTERS.keys()
    for cluster, target in targets.items():
        assert (target.pillar, target.value, target.unit, due(target)) == (pillar, value, unit, when)
        assert target.responsible.lead == CLUSTERS[cluster][3]
        assert target.id.endswith("-" + cluster)
        assert ("by" in target.assumed) == (when == "2025")


def test_the_innovation_system_has_counts_and_no_target(catalogue):
    assert not [t for t in catalogue.targets if t.pillar == "innovation-system"]
    assert len([i for i in catalogue.indicators if i.pillar == "innovation-system"]) >= 8


@pytest.mark.parametrize("goal", DOUBLE_HIGH)
def test_each_double_high_goal_starts_from_an_assumed_0(catalogue, goal):
    value, unit, comparator = DOUBLE_HIGH[goal]
    target = catalogue.target[f"double-high-{goal}-2027"]
    assert (target.value, target.unit, target.comparator, target.by) == (value, unit, comparator, "2027")
    assert (target.baseline.period, target.baseline.value) == ("2024", 0)
    assert target.responsible.equal == ("kjj", "xz-hidz")
    assert {"responsible", "baseline"} <= set(target.assumed)


def test_the_energy_cut_of_the_zone_must_rise_to_14_5_percent(catalogue):
    target = catalogue.target["hidz-energy-cut-2025"]
    indicator = catalogue.indicator[target.indicator]
    assert (target.value, target.unit, target.by, target.org) == (Decimal("14.5"), "%", "2025", "xz-hidz")
    assert (target.baseline, indicator.direction, indicator.kind) == (None, "up", "ratio")


def test_no_target_adds_the_clusters_to_11000(catalogue):
    assert not [t.id for t in catalogue.targets if t.value == 11000 or t.total_of]


def test_thirteen_report_nine_clusters_in_scale_and_one_in_value_added(catalogue):
    month = Period.parse("2025-11")
    owed = {
        name: Counter(d.reporter for d in duties(catalogue, catalogue.indicator[name], month))
        for name in ("cluster-scale", "digital-core-value-added")
    }
    assert owed == {
        "cluster-scale": dict.fromkeys((*COUNTIES, *ZONES), 9),
        "digital-core-value-added": dict.fromkeys((*COUNTIES, *ZONES), 1),
    }
    scale = catalogue.indicator["cluster-scale"]
    assert "digital-economy" not in scale.clusters
    assert (scale.unit, scale.decimals, scale.covers, scale.minimum) == ("亿元", 4, "year-to-date", 0)
    assert next(iter(expected_periods(scale, month.end))).key == "2023-01"


def test_every_figure_has_one_duty_holder_who_exists(catalogue):
    for indicator in catalogue.indicators:
        text = indicator.reporting.period
        period = Period.parse(text) if text else Period.parse("2025-12")
        owed = list(duties(catalogue, indicator, period))
        assert owed, indicator.id
        assert len({(d.org, d.cluster) for d in owed}) == len(owed)
        for duty in owed:
            assert catalogue.organisation[duty.reporter].kind != "city"
            if duty.cluster != TOTAL and indicator.pillar:
                assert duty.reporter == CLUSTERS[duty.cluster][3]


def test_what_the_sources_do_not_say_is_marked_assumed(catalogue):
    for indicator in catalogue.indicators:
        assert "due_days" in indicator.reporting.assumed, indicator.id
        if indicator.reporting.by not in {"self", "cluster-lead"}:
            assert "by" in indicator.reporting.assumed, indicator.id
    assert catalogue.plan["future-industries"].assumed == ("start", "end")


def test_everything_names_its_source_and_has_both_names(catalogue):
    assert {source.id for source in catalogue.sources} == {"000", "001", "002", "003", "004"}
    for entry in (*catalogue.indicators, *catalogue.organisations, *catalogue.clusters, *catalogue.plans):
        assert entry.name_en
        assert any("一" <= letter <= "鿿" or letter == "G" for letter in entry.name), entry.name
    assert not any(entry.synthetic for entry in (*catalogue.plans, *catalogue.indicators, *catalogue.targets))


def test_peers_are_kept_with_their_claims_and_the_formula_behind_them(catalogue):
    values = {
        p.id: (p.zone, p.start.value if p.start else None, p.end.value, p.unit, p.qualifier) for p in catalogue.peers
    }
    assert values == {
        "changshu-high-tech-enterprises": ("常熟高新区", 132, 319, "家", None),
        "changshu-research-institutions": ("常熟高新区", 48, 150, "个", None),
        "changshu-invention-patents": ("常熟高新区", 222, 480, "件", None),
        "changshu-technology-smes": ("常熟高新区", None, 300, "家", "以上"),
        "changshu-credit-and-equity": ("常熟高新区", None, 80, "亿元", "近"),
        "taian-innovative-products": ("泰安高新区", None, 5, "项", None),
    }
    claims = {p.id: (p.claimed_mean_annual_growth, p.claimed_growth_formula) for p in catalogue.peers}
    assert claims["changshu-research-institutions"] == (Decimal("0.425"), "arithmetic-mean")
    assert claims["changshu-invention-patents"] == (Decimal("0.164"), None)
    assert (Decimal(150) / 48 - 1) / 5 == Decimal("0.425")
    assert catalogue.peers[-1].claimed_share_of_city == Decimal("0.357")
