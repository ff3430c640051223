"""What must not be added is refused, and says why."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.shared.catalogue.documents import REAL, a_city_indicator, a_document, a_target, an_indicator, faults_of

from fourones_shared.catalogue.checks import check
from fourones_shared.catalogue.files import load
from fourones_shared.catalogue.model import Target

TEN = "construction-machinery green-low-carbon-energy new-materials digital-economy ic-and-ict medicine-and-health"
TEN += " safety-and-emergency quality-steel high-end-textiles food-and-farm-processing"


@pytest.fixture(scope="module")
def real():
    return load(REAL)


def with_one_more(catalogue, **fields):
    target = Target.model_validate(
        {
            "id": "sum-of-all",
            "plan": "clusters-2025",
            "indicator": "cluster-scale",
            "name": "合计",
            "unit": "亿元",
            "by": "2025",
            "responsible": {"lead": "gxj"},
            "source": "004",
        }
        | fields
    )
    return check(catalogue.model_copy(update={"targets": (*catalogue.targets, target)}))


def test_the_ten_cluster_targets_have_no_sum_of_11000(real):
    parts = [f"cluster-scale-2025-{cluster}" for cluster in TEN.split()]
    faults = with_one_more(real, value=11000, total_of=parts)
    said = {fault.code: fault for fault in faults}
    assert said.keys() == {"mixed-measure", "not-all-clusters"}
    for language in ("zh", "en"):
        words = said["mixed-measure"].describe(language)
        assert "9/10" in words
        assert "industry-scale" in words
        assert "value-added" in words
        assert "digital-economy" in words
    assert "数字经济" in said["not-all-clusters"].detail
    assert "9/10" in said["not-all-clusters"].detail


def test_the_emerging_tier_has_no_total_and_the_advantage_tier_has(real):
    (fault,) = with_one_more(real, value=2500, tier="emerging")
    assert (fault.pointer, fault.code) == ("/targets/126/tier", "not-all-clusters")
    assert "3/4" in fault.detail
    assert "增加值" in fault.detail
    assert with_one_more(real, value=6000, tier="advantage") == []


def test_a_total_of_the_nine_in_scale_is_still_not_the_citys(real):
    parts = [f"cluster-scale-2025-{cluster}" for cluster in TEN.split() if cluster != "digital-economy"]
    codes = {fault.code for fault in with_one_more(real, value=10000, total_of=parts)}
    assert codes == {"not-all-clusters"}


def sum_of(*parts, value="1500", indicators=None, **changes):
    whole = a_target("whole", cluster="_T", value=value, total_of=[part["id"] for part in parts], **changes)
    return a_document(targets=[*parts, whole], indicators=indicators or [an_indicator(), a_city_indicator()])


def test_a_sum_that_is_one_is_sound():
    assert not faults_of(sum_of(a_target(), a_target("textiles-2025", cluster="textiles", value="500")))


def test_a_sum_that_differs_from_its_parts_is_refused():
    (fault,) = faults_of(sum_of(a_target(), a_target("textiles-2025", cluster="textiles", value="499.9999")))
    assert (fault.pointer, fault.code) == ("/targets/2/value", "sum-differs")
    assert "1499.9999" in fault.detail


def test_parts_of_another_due_date_are_refused():
    faults = faults_of(sum_of(a_target(), a_target("textiles-2025", cluster="textiles", value="500", by="2024")))
    assert [fault.code for fault in faults] == ["mixed-due-period"]


def test_two_spellings_of_one_due_date_are_one():
    other = a_target("textiles-2025", cluster="textiles", value="500", by="2025-A1")
    assert not faults_of(sum_of(a_target(), other))


def test_stocks_and_flows_are_not_added():
    level = an_indicator("level", kind="stock", covers="period")
    part = a_target("textiles-2025", indicator="level", cluster="textiles", value="500")
    faults = faults_of(sum_of(a_target(), part, indicators=[an_indicator(), a_city_indicator(), level]))
    assert [fault.code for fault in faults] == ["mixed-kind"]


def test_different_units_are_not_added():
    small = an_indicator("small", unit="万元")
    part = a_target("textiles-2025", indicator="small", unit="万元", cluster="textiles", value="500")
    faults = faults_of(sum_of(a_target(), part, indicators=[an_indicator(), a_city_indicator(), small]))
    assert [fault.code for fault in faults] == ["mixed-unit"]


def test_a_sum_that_holds_itself_is_refused():
    whole = a_target("whole", cluster="_T", total_of=["half"])
    half = a_target("half", total_of=["whole"])
    assert {f.code for f in faults_of(a_document(targets=[whole, half]))} == {"circular-sum"}
    twice = sum_of(a_target(value="750"))
    twice["targets"][-1]["total_of"] *= 2
    assert {f.code for f in faults_of(twice)} == {"circular-sum"}


amounts = st.lists(st.decimals(0, 10**6, places=4), min_size=1, max_size=6)


@given(amounts, st.decimals(-1, 1, places=4))
def test_a_sum_is_sound_exactly_when_it_is_the_sum(values, off):
    parts = [a_target(f"part-{i}", value=str(value)) for i, value in enumerate(values)]
    total = sum(values, Decimal(0)) + off
    codes = [fault.code for fault in faults_of(sum_of(*parts, value=str(total)))]
    assert codes == ([] if off == 0 else ["sum-differs"])
