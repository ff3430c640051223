from collections.abc import Mapping
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.catalogue import ADVANTAGE, DIGITAL, EMERGING, ENERGY, MACHINERY, a_catalogue, an_indicator
from support.facts import a_fact

from fourones_aggregation.domain.derived import Computed, Derivations, evaluate, inputs
from fourones_aggregation.domain.facts import Ask, Fact
from fourones_aggregation.domain.scopes import CITY, Scope
from fourones_shared.catalogue.duties import expected_periods, is_expected
from fourones_shared.catalogue.model import TOTAL, Catalogue
from fourones_shared.domain.periods import Period
from fourones_shared.events.model import Status

PEI_CITY = Scope("320322", TOTAL, TOTAL)
ADVANTAGE_TIER, EMERGING_TIER = Scope(TOTAL, TOTAL, ADVANTAGE), Scope(TOTAL, TOTAL, EMERGING)


def a_source(id: str, *, first: str = "2025-01-01", frequency: str = "M", **changes: Any) -> dict[str, Any]:  # noqa: A002
    return an_indicator(id, reporting={"first": first, "frequency": frequency}, **changes)


def a_derived(derived: dict[str, Any], *, id: str = "derived", frequency: str = "M", **changes: Any) -> dict[str, Any]:  # noqa: A002
    fields = {
        "kind": "ratio",
        "covers": "period",
        "unit": "%",
        "decimals": 2,
        "over_organisations": "none",
        "over_clusters": "none",
        "derived": derived,
    }
    reporting = {"by": "computed", "frequency": frequency, "first": "2025-01-01"}
    return an_indicator(id, reporting=reporting, **(fields | changes))


def a_catalogue_with(derived: dict[str, Any], *sources: dict[str, Any]) -> Catalogue:
    return a_catalogue(indicators=[*sources, derived])


def asked(catalogue: Catalogue, period: str, scope: Scope = CITY) -> list[tuple[str, str]]:
    asks = inputs(catalogue, catalogue.indicator["derived"], Period.parse(period), scope)
    return [(ask.indicator, ask.period) for ask in asks]


def computed(
    catalogue: Catalogue, period: str, facts: Mapping[tuple[str, str], Fact], scope: Scope = CITY, *, expected: int = 3
) -> Computed:
    return evaluate(
        catalogue,
        catalogue.indicator["derived"],
        Period.parse(period),
        scope,
        {Ask(indicator, key, scope): fact for (indicator, key), fact in facts.items()},
        expected=lambda _: expected,
    )


# Ratio

RATIO = {"kind": "ratio", "numerator": "top", "denominator": "bottom"}
STOCK = {"kind": "stock", "covers": "period"}
FLOW = {"kind": "flow", "covers": "period"}


def a_ratio(top: dict[str, Any] = STOCK, bottom: dict[str, Any] = STOCK, **changes: Any) -> Catalogue:
    return a_catalogue_with(a_derived(RATIO, **changes), a_source("top", **top), a_source("bottom", **bottom))


def ratio(top: Fact | None, bottom: Fact | None, *, of: Catalogue | None = None) -> Computed:
    sides = {("top", "2026-03"): top, ("bottom", "2026-03"): bottom}
    return computed(of or a_ratio(), "2026-03", {k: fact for k, fact in sides.items() if fact is not None})


def test_a_ratio_asks_for_both_sides_in_its_own_scope_and_period() -> None:
    catalogue = a_ratio()
    assert inputs(catalogue, catalogue.indicator["derived"], Period.parse("2026-03"), PEI_CITY) == [
        Ask("top", "2026-03", PEI_CITY),
        Ask("bottom", "2026-03", PEI_CITY),
    ]


@pytest.mark.parametrize(
    ("unit", "decimals", "value"),
    [("%", 2, "33.33"), ("‰", 1, "333.3"), ("1", 4, "0.3333"), ("亿元/家", 0, "0")],
)
def test_a_ratio_is_in_the_indicators_unit_and_decimals(unit: str, decimals: int, value: str) -> None:
    made = ratio(a_fact(1, expected=3), a_fact(3, expected=3), of=a_ratio(unit=unit, decimals=decimals))
    assert made == Computed(Decimal(value), 6, 6, (), Status.NORMAL)


def test_a_ratio_is_rounded_half_to_even_once() -> None:
    of = a_ratio(unit="1", decimals=0)
    assert [ratio(a_fact(n), a_fact(2), of=of).value for n in (1, 3, 5)] == [0, 2, 2]
    # Two roundings would make it 1.5 and then 2.
    assert ratio(a_fact("1.4999999999"), a_fact(1), of=of).value == 1


def test_a_ratio_on_nothing_or_of_nothing_has_no_value() -> None:
    assert ratio(a_fact(1), a_fact(0)).value is None
    assert ratio(a_fact(0), a_fact(4)).value == 0
    without = ratio(a_fact(1, expected=3), a_fact(None, expected=3))
    assert (without.value, without.status, without.known, without.of) == (None, None, 3, 6)


def test_a_side_that_has_not_opened_is_expected_and_not_known() -> None:
    assert ratio(a_fact(1, expected=3), None) == Computed(None, 3, 6, (), None)


def test_a_ratio_of_different_counties_is_no_ratio() -> None:
    made = ratio(a_fact(1, expected=3), a_fact(3, expected=3, reported=2, missing=("pei",)))
    assert made == Computed(None, 5, 6, ("pei",), None)


def test_a_ratio_of_the_same_counties_is_one_though_some_lack() -> None:
    lacking: dict[str, Any] = {"expected": 3, "reported": 2, "missing": ("pei",)}
    made = ratio(a_fact(1, **lacking, status=Status.PROVISIONAL), a_fact(4, **lacking, status=Status.ESTIMATED))
    assert made == Computed(Decimal(25), 4, 6, ("pei",), Status.ESTIMATED)


def test_a_stock_over_a_flow_of_the_same_month_goes_by_the_same_counties_too() -> None:
    lacking = a_fact(4, expected=3, reported=2, missing=("pei",))
    assert ratio(lacking, lacking, of=a_ratio(STOCK, FLOW)).value == 100
    other = a_fact(4, expected=3, reported=2, missing=("xinyi",))
    assert ratio(lacking, other, of=a_ratio(STOCK, FLOW)).value is None


def test_a_coarser_ratio_is_of_its_inputs_stretches_and_never_a_mean_of_ratios() -> None:
    catalogue = a_ratio(FLOW, FLOW, frequency="Q")
    assert asked(catalogue, "2026-Q1") == [(i, f"2026-0{m}") for i in ("top", "bottom") for m in (1, 2, 3)]
    facts = {("top", f"2026-0{m}"): a_fact(1) for m in (1, 2, 3)} | {
        ("bottom", f"2026-0{m}"): a_fact(m) for m in (1, 2, 3)
    }
    assert computed(catalogue, "2026-Q1", facts) == Computed(Decimal(50), 6, 6, (), Status.NORMAL)


def test_a_stretch_of_a_derived_indicator_is_computed_in_the_same_way() -> None:
    monthly, quarterly = a_ratio(FLOW, FLOW), a_ratio(FLOW, FLOW, frequency="Q")
    assert asked(monthly, "2026-Q1") == asked(quarterly, "2026-Q1")


def test_a_stock_over_a_flow_takes_the_last_over_the_sum() -> None:
    catalogue = a_ratio(STOCK, FLOW, frequency="Q", unit="1")
    facts = {("top", f"2026-0{m}"): a_fact(10 * m) for m in (1, 2, 3)} | {
        ("bottom", f"2026-0{m}"): a_fact(1) for m in (1, 2, 3)
    }
    assert computed(catalogue, "2026-Q1", facts).value == 10
    # The stock of March over January and March: of other times.
    del facts["bottom", "2026-02"]
    assert computed(catalogue, "2026-Q1", facts, expected=1).value is None


def test_a_stretch_so_far_has_a_ratio_where_both_sides_have_come_as_far() -> None:
    for top, bottom in ((FLOW, FLOW), (STOCK, FLOW), ({}, {})):
        catalogue = a_ratio(top, bottom, frequency="Q", unit="1")
        facts = {("top", "2026-01"): a_fact(2), ("bottom", "2026-01"): a_fact(4)}
        so_far = computed(catalogue, "2026-Q1", facts, expected=1)
        assert so_far.value == Decimal("0.5")
        assert so_far.known < so_far.of
        ahead = computed(catalogue, "2026-Q1", facts | {("top", "2026-02"): a_fact(3)}, expected=1)
        assert ahead.value is None


def test_one_month_of_a_sum_is_not_held_against_a_year_to_date() -> None:
    catalogue = a_ratio(FLOW, {}, frequency="Q", unit="1")
    made = computed(catalogue, "2026-Q1", {("top", "2026-03"): a_fact(2), ("bottom", "2026-03"): a_fact(4)})
    assert made.value is None


def test_months_that_lack_other_counties_make_no_ratio_though_the_same_names_are_missing() -> None:
    catalogue = a_ratio(FLOW, FLOW, frequency="Q")
    whole, lacking = a_fact(4, expected=2), a_fact(3, expected=2, reported=1, missing=("pei",))

    def quarter(indicator: str, *months: Fact) -> dict[tuple[str, str], Fact]:
        return {(indicator, f"2026-0{m}"): fact for m, fact in enumerate(months, 1)}

    top = quarter("top", lacking, whole, whole)
    assert computed(catalogue, "2026-Q1", top | quarter("bottom", lacking, whole, whole)).value == 100
    assert computed(catalogue, "2026-Q1", top | quarter("bottom", whole, lacking, whole)).value is None


def test_january_and_february_together_go_by_each_inputs_name() -> None:
    both = {"january_february": "together"}
    catalogue = a_ratio(FLOW | both, {"covers": "year-to-date"} | both, **both)
    assert asked(catalogue, "2026-01-01/P2M") == [("top", "2026-01-01/P2M"), ("bottom", "2026-02")]
    facts = {("top", "2026-01-01/P2M"): a_fact(1), ("bottom", "2026-02"): a_fact(2)}
    assert computed(catalogue, "2026-01-01/P2M", facts).value == 50


def test_inputs_that_make_no_such_period_are_not_asked_for() -> None:
    catalogue = a_catalogue_with(
        a_derived(RATIO), a_source("top", frequency="Q", **FLOW), a_source("bottom", first="2026-04-01", **FLOW)
    )
    assert asked(catalogue, "2026-03") == []
    assert computed(catalogue, "2026-03", {}) == Computed(None, 0, 0, (), None)


# Growth


def a_growth(over: str, source: dict[str, Any] = STOCK, *, frequency: str = "M", **changes: Any) -> Catalogue:
    more = {k: changes.pop(k) for k in ("since", "formula") if k in changes}
    first = changes.pop("first", "2020-01-01")
    growth = {"kind": "growth", "of": "level", "over": over} | more
    return a_catalogue_with(a_derived(growth, frequency=frequency, **changes), a_source("level", first=first, **source))


def level(**values: Fact | int | str) -> dict[tuple[str, str], Fact]:
    return {
        ("level", key[1:].replace("_", "-")): value if isinstance(value, Fact) else a_fact(value)
        for key, value in values.items()
    }


def test_growth_on_the_previous_period_and_on_a_year_before() -> None:
    assert asked(a_growth("previous"), "2026-01") == [("level", "2025-12"), ("level", "2026-01")]
    assert asked(a_growth("year-before"), "2026-01") == [("level", "2025-01"), ("level", "2026-01")]
    made = computed(a_growth("previous"), "2026-01", level(p2025_12=8, p2026_01=9))
    assert made == Computed(Decimal("12.5"), 2, 2, (), Status.NORMAL)
    assert computed(a_growth("year-before"), "2026-01", level(p2025_01=3, p2026_01=4)).value == Decimal("33.33")


def test_growth_of_a_year_to_date_is_on_the_year_to_date_a_year_before_or_of_single_months() -> None:
    assert computed(a_growth("year-before", {}), "2026-03", level(p2025_03=10, p2026_03=11)).value == 10
    months = a_growth("previous", {})
    assert asked(months, "2026-03") == [("level", "2026-01"), ("level", "2026-02"), ("level", "2026-03")]
    assert computed(months, "2026-03", level(p2026_01=10, p2026_02=20, p2026_03=35)).value == 50


@pytest.mark.parametrize("base", [0, "-3"])
def test_growth_on_a_base_that_is_not_positive_has_no_value(base: int | str) -> None:
    made = computed(a_growth("year-before"), "2026-01", level(p2025_01=base, p2026_01=4))
    assert (made.value, made.known, made.of) == (None, 2, 2)


def test_growth_of_different_counties_is_no_growth() -> None:
    lacking = a_fact(4, expected=3, reported=2, missing=("pei",))
    made = computed(a_growth("year-before"), "2026-01", level(p2025_01=a_fact(3, expected=3), p2026_01=lacking))
    assert made == Computed(None, 5, 6, ("pei",), None)
    made = computed(a_growth("year-before"), "2026-01", level(p2025_01=lacking, p2026_01=lacking))
    assert (made.value, made.known, made.of) == (0, 4, 6)


def test_a_base_that_the_catalogue_does_not_expect_leaves_growth_without_a_value() -> None:
    catalogue = a_growth("year-before", first="2026-01-01")
    assert asked(catalogue, "2026-01") == [("level", "2026-01")]
    assert computed(catalogue, "2026-01", level(p2026_01=4)) == Computed(None, 1, 1, (), None)


def test_yearly_growth_is_of_whole_years_only() -> None:
    catalogue = a_growth("year-before", FLOW, frequency="A")
    facts = {("level", f"{year}-{m:02d}"): a_fact(year - 2024) for year in (2025, 2026) for m in range(1, 13)}
    assert len(asked(catalogue, "2026")) == 24
    assert computed(catalogue, "2026", facts).value == 100
    del facts["level", "2026-12"]
    half = computed(catalogue, "2026", facts, expected=1)
    assert (half.value, half.known, half.of) == (None, 23, 24)


def test_what_has_no_such_growth_is_asked_for_and_has_none() -> None:
    highest = a_growth("previous", {"over_organisations": "maximum"})
    assert computed(highest, "2026-03", level(p2026_01=1, p2026_02=2, p2026_03=4)).value is None
    together = a_growth("previous", {"january_february": "together"})
    assert computed(together, "2026-03", level(p2026_02=2, p2026_03=4)) == Computed(None, 1, 1, (), None)


def a_mean(formula: str, source: dict[str, Any] = STOCK, **changes: Any) -> Catalogue:
    return a_growth("mean-annual", source, frequency="A", since="2020", formula=formula, **changes)


def test_mean_annual_growth_says_by_which_formula() -> None:
    catalogue = a_mean("compound")
    december = level(p2020_12=100, p2025_12=200)
    assert ("level", "2020-12") in asked(catalogue, "2025")
    # The fifth root of two, and a fifth of the whole.
    assert computed(catalogue, "2025", december).value == Decimal("14.87")
    assert computed(a_mean("arithmetic-mean"), "2025", december).value == 20


def test_a_root_that_ends_is_met_exactly_and_a_half_is_seen_as_one() -> None:
    # 1.1^5, and 1.105^5 whose tenth and a half is exactly between two.
    assert computed(a_mean("compound", decimals=10), "2025", level(p2020_12=1, p2025_12="1.61051")).value == 10
    half = computed(a_mean("compound", decimals=0), "2022", level(p2020_12=1, p2022_12="1.221025"))
    assert half.value == 10
    half = computed(a_mean("compound", decimals=0), "2022", level(p2020_12=1, p2022_12="1.243225"))
    assert half.value == 12


@given(st.integers(-199, 400), st.integers(1, 9))
def test_the_rate_that_has_led_there_is_found_again_and_rounded_once(halves: int, years: int) -> None:
    rate = Decimal(halves) / 2
    with localcontext(prec=100):
        reached = (1 + rate / 100) ** years
    made = computed(
        a_mean("compound", decimals=0), f"{2020 + years}", level(p2020_12=1, **{f"p{2020 + years}_12": a_fact(reached)})
    )
    assert made.value == rate.quantize(Decimal(1), ROUND_HALF_EVEN)


def test_mean_annual_growth_to_nothing_is_a_loss_of_all_and_to_less_has_no_root() -> None:
    assert computed(a_mean("compound"), "2025", level(p2020_12=100, p2025_12=0)).value == -100
    assert computed(a_mean("compound"), "2025", level(p2020_12=100, p2025_12=-1)).value is None
    assert computed(a_mean("arithmetic-mean"), "2025", level(p2020_12=100, p2025_12=-100)).value == -40


def test_mean_annual_growth_needs_the_same_part_of_two_years() -> None:
    for period in ("2020", "2019"):
        assert computed(a_mean("compound"), period, level(p2020_12=1, p2019_12=1)).value is None
    monthly = a_growth("mean-annual", STOCK, since="2020-12", formula="compound")
    assert computed(monthly, "2022-12", level(p2020_12=100, p2022_12=121)).value == 10
    assert computed(monthly, "2022-06", level(p2020_12=100, p2022_06=121)).value is None


# Count

COUNT = {"kind": "count-at-or-above", "of": ["scale", "value-added"], "threshold": "500"}
LESS: dict[str, Any] = {"kind": "stock", "unit": "个", "decimals": 0, "clusters": ()}


def a_count(*, minimum: str | None = "0", source: dict[str, Any] | None = None, **changes: Any) -> Catalogue:
    bounds = {"minimum": minimum} | (source or {})
    return a_catalogue_with(
        a_derived(COUNT, frequency="A", **(LESS | changes)),
        a_source("scale", clusters=(MACHINERY, ENERGY), **bounds),
        a_source("value-added", clusters=(DIGITAL,), measure="value-added", **bounds),
    )


def counted(
    catalogue: Catalogue, facts: dict[tuple[str, str], Fact], scope: Scope = CITY, *, expected: int = 3
) -> Computed:
    """Facts by cluster and period."""
    of = {MACHINERY: "scale", ENERGY: "scale", DIGITAL: "value-added"}
    known = {Ask(of[cluster], key, Scope(TOTAL, cluster, TOTAL)): fact for (cluster, key), fact in facts.items()}
    return evaluate(
        catalogue, catalogue.indicator["derived"], Period.parse("2026"), scope, known, expected=lambda _: expected
    )


def test_a_count_looks_at_each_cluster_by_the_indicator_that_has_it() -> None:
    catalogue = a_count()
    period, derived = Period.parse("2026"), catalogue.indicator["derived"]
    asks = inputs(catalogue, derived, period, CITY)
    assert {(ask.indicator, ask.scope) for ask in asks} == {
        ("scale", Scope(TOTAL, MACHINERY, TOTAL)),
        ("scale", Scope(TOTAL, ENERGY, TOTAL)),
        ("value-added", Scope(TOTAL, DIGITAL, TOTAL)),
    }
    assert len(asks) == 36
    assert {ask.scope.cluster for ask in inputs(catalogue, derived, period, EMERGING_TIER)} == {DIGITAL}
    assert inputs(catalogue, derived, period, PEI_CITY) == []
    assert evaluate(catalogue, derived, period, PEI_CITY, {}, expected=lambda _: 3) == Computed(None, 0, 0, (), None)


def test_a_count_is_of_clusters_at_or_above_the_threshold() -> None:
    facts = {
        (MACHINERY, "2026-12"): a_fact(500, expected=3),
        (ENERGY, "2026-12"): a_fact("499.9999", expected=3),
        (DIGITAL, "2026-12"): a_fact(700, expected=3, status=Status.PROVISIONAL),
    }
    assert counted(a_count(), facts) == Computed(Decimal(2), 3, 3, (), Status.PROVISIONAL)
    assert counted(a_count(), facts, ADVANTAGE_TIER) == Computed(Decimal(1), 2, 2, (), Status.NORMAL)
    made = counted(a_count(), facts)
    assert made.known == made.of > 0


def test_a_cluster_that_has_reached_it_counts_before_all_have_reported_but_is_not_known() -> None:
    lacking = a_fact(510, expected=3, reported=2)
    facts = {(MACHINERY, "2026-12"): lacking, (ENERGY, "2026-05"): a_fact(600, expected=3)}
    made = counted(a_count(), facts)
    assert (made.value, made.known, made.of) == (2, 0, 3)
    assert set(made.missing) == {MACHINERY, ENERGY, DIGITAL}


def test_what_may_still_fall_does_not_count_before_it_is_complete() -> None:
    lacking = {(MACHINERY, "2026-12"): a_fact(510, expected=3, reported=2)}
    assert counted(a_count(minimum=None), lacking).value == 0
    assert counted(a_count(minimum="-5"), lacking).value == 0
    assert counted(a_count(source={"over_organisations": "mean"}), lacking).value == 0
    # A stock of May may be lower in December; of December only reporters are missing.
    stock = a_count(source={"kind": "stock", "covers": "period"})
    assert counted(stock, {(MACHINERY, "2026-05"): a_fact(510, expected=3)}).value == 0
    assert counted(stock, lacking).value == 1


def test_an_incomplete_cluster_below_the_threshold_is_not_known() -> None:
    facts = {(cluster, "2026-12"): a_fact(100, expected=3) for cluster in (MACHINERY, ENERGY)}
    facts[DIGITAL, "2026-12"] = a_fact(100, expected=3, reported=1)
    assert counted(a_count(), facts) == Computed(Decimal(0), 2, 3, (DIGITAL,), Status.NORMAL)


def test_a_count_of_which_nothing_is_known_has_no_value() -> None:
    assert counted(a_count(), {}).value is None
    assert counted(a_count(), {}).of == 3
    nothing = counted(a_count(), {(MACHINERY, "2026-12"): a_fact(None, expected=3)})
    assert (nothing.value, nothing.status, nothing.known) == (None, None, 0)


def test_a_cluster_of_which_nobody_is_expected_is_not_counted() -> None:
    facts = {(cluster, "2026-12"): a_fact(900, expected=3) for cluster in (MACHINERY, ENERGY)}
    assert counted(a_count(), facts, expected=0) == Computed(Decimal(2), 2, 2, (), Status.NORMAL)


def test_what_is_not_derived_needs_nothing_and_has_no_computed_value() -> None:
    catalogue = a_count()
    plain, period = catalogue.indicator["scale"], Period.parse("2026-03")
    assert inputs(catalogue, plain, period, CITY) == []
    assert evaluate(catalogue, plain, period, CITY, {}, expected=lambda _: 3) == Computed(None, 0, 0, (), None)


# What a figure moves


def touched(catalogue: Catalogue, indicator: str, period: str, until: str = "2026-12-31") -> list[str]:
    found = Derivations(catalogue).touches(indicator, Period.parse(period), date.fromisoformat(until))
    assert {name for name, _ in found} <= {"derived"}
    return [at.key for _, at in found]


def test_most_indicators_have_nothing_derived_from_them() -> None:
    index = Derivations(a_ratio())
    assert [indicator.id for indicator in index.of("top")] == ["derived"]
    assert index.of("derived") == index.of("unheard-of") == ()
    assert index.touches("derived", Period.parse("2026-03")) == []


def test_a_ratio_moves_in_the_period_that_holds_the_figures() -> None:
    assert touched(a_ratio(), "top", "2026-03") == ["2026-03"]
    assert touched(a_ratio(FLOW, FLOW, frequency="Q"), "bottom", "2026-05") == ["2026-Q2"]
    # Any month can be the last that has a value.
    assert touched(a_ratio(frequency="A"), "bottom", "2026-05") == ["2026"]


def test_a_growth_moves_with_both_its_sides() -> None:
    assert touched(a_growth("previous"), "level", "2026-03") == ["2026-03", "2026-04"]
    assert touched(a_growth("previous", {}), "level", "2026-02") == ["2026-02", "2026-03", "2026-04"]
    assert touched(a_growth("previous", {}), "level", "2025-12") == ["2025-12", "2026-01"]
    assert touched(a_growth("year-before"), "level", "2025-03") == ["2025-03", "2026-03"]
    assert touched(a_growth("year-before"), "level", "2025-03", "2026-02-28") == ["2025-03"]
    assert touched(a_growth("year-before", frequency="A"), "level", "2025-03") == ["2025", "2026"]


def test_a_base_moves_every_later_year_that_has_opened() -> None:
    catalogue = a_mean("compound")
    assert touched(catalogue, "level", "2020-12", "2027-01-01") == ["2025", "2026", "2027"]
    assert touched(catalogue, "level", "2026-12") == ["2026"]
    without_end = Derivations(catalogue).touches("level", Period.parse("2020-12"))
    assert len(without_end) > 15


def test_a_count_moves_with_every_month_of_its_year() -> None:
    assert touched(a_count(), "scale", "2026-05") == ["2026"]


SOURCES = st.sampled_from([STOCK, FLOW, {}, {"january_february": "together"}, FLOW | {"january_february": "together"}])


@given(
    SOURCES,
    st.sampled_from(["previous", "year-before", "mean-annual", "ratio"]),
    st.sampled_from(["M", "Q", "S", "A"]),
)
def test_a_figure_touches_exactly_what_asks_for_it(source: dict[str, Any], kind: str, frequency: str) -> None:
    alike = {"january_february": source.get("january_february", "separate"), "frequency": frequency}
    if kind == "ratio":
        catalogue = a_ratio(source, source, **alike)
    else:
        since = {"since": "2025", "formula": "compound"} if kind == "mean-annual" else {}
        catalogue = a_growth(kind, source, **since, **alike)
    derived, until = catalogue.indicator["derived"], date(2028, 12, 31)
    source_id = derived.inputs[0]
    asking = {
        period: {ask.period for ask in inputs(catalogue, derived, period, CITY) if ask.indicator == source_id}
        for period in expected_periods(derived, until)
    }
    index = Derivations(catalogue)
    for month in expected_periods(catalogue.indicator[source_id], date(2026, 12, 31)):
        touched_by = [period for _, period in index.touches(source_id, month, until)]
        assert touched_by == [period for period, asked_for in asking.items() if month.key in asked_for]


@given(st.data(), SOURCES, st.sampled_from(["ratio", "previous", "year-before"]), st.sampled_from(["M", "Q", "A"]))
def test_what_is_not_asked_for_changes_nothing_and_what_is_complete_is_known(
    data: st.DataObject, source: dict[str, Any], kind: str, frequency: str
) -> None:
    catalogue = (
        a_ratio(source, source, frequency=frequency) if kind == "ratio" else a_growth(kind, source, frequency=frequency)
    )
    derived = catalogue.indicator["derived"]
    period = data.draw(st.sampled_from([p for p in expected_periods(derived, date(2026, 12, 31)) if p.year == 2026]))
    sources = [catalogue.indicator[i] for i in derived.inputs]
    facts = {
        (one.id, month.key): a_fact(data.draw(st.none() | st.integers(-5, 50)), expected=2)
        for one in sources
        for month in expected_periods(one, date(2026, 12, 31))
        if month.year >= 2025 and data.draw(st.booleans())
    }
    made = computed(catalogue, period.key, facts, expected=2)
    wanted = set(asked(catalogue, period.key))
    assert all(is_expected(catalogue.indicator[i], Period.parse(key)) for i, key in wanted)
    assert computed(catalogue, period.key, {k: f for k, f in facts.items() if k in wanted}, expected=2) == made
    assert 0 <= made.known <= made.of
    assert (made.value is None) == (made.status is None)
