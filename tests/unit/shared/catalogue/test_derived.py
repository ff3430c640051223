"""Derived indicators: what can be computed, from what, in which scopes and periods."""

from typing import Any

import pytest
from unit.shared.catalogue.documents import (
    Entry,
    a_city_indicator,
    a_document,
    a_target,
    an_indicator,
    faults_of,
    places_of,
)

CITY, COUNTIES = "city", "counties-and-zones"
NOBODY = {"by": "computed", "due_days": 15}


def a_derived(derived: Entry, *, reporting: Entry | None = None, **changes: Any) -> Entry:
    """A yearly percentage of the counties' clusters, computed."""
    fields = {
        "unit": "%",
        "measure": "share",
        "kind": "ratio",
        "covers": "period",
        "over_organisations": "none",
        "over_clusters": "none",
        "derived": derived,
    }
    duty = NOBODY | {"frequency": "A", "first": "2024-01-01"} | (reporting or {})
    return an_indicator("computed", reporting=duty, **fields | changes)


def a_ratio(reporting: Entry | None = None, derived: Entry | None = None, **changes: Any) -> Entry:
    made_of = {"kind": "ratio", "numerator": "exports", "denominator": "scale"} | (derived or {})
    return a_derived(made_of, reporting=reporting, **changes)


def a_growth(reporting: Entry | None = None, derived: Entry | None = None, **changes: Any) -> Entry:
    return a_derived(
        {"kind": "growth", "of": "scale", "over": "year-before"} | (derived or {}), reporting=reporting, **changes
    )


def a_mean_growth(reporting: Entry | None = None, derived: Entry | None = None) -> Entry:
    since = {"over": "mean-annual", "since": "2023", "formula": "compound"} | (derived or {})
    return a_growth(reporting, since)


def a_count(reporting: Entry | None = None, derived: Entry | None = None, **changes: Any) -> Entry:
    counted = {"kind": "count-at-or-above", "of": ["steel-scale", "textiles-value"], "threshold": 500} | (derived or {})
    fields = {"unit": "个", "measure": "count", "kind": "stock", "decimals": 0, "clusters": []}
    return a_derived(counted, reporting={"about": CITY} | (reporting or {}), **fields | changes)


def inputs(**changes: Any) -> list[Entry]:
    """The scale, and the exports with something changed."""
    return [an_indicator(), an_indicator("exports", **{"measure": "exports"} | changes)]


def each_its_own(**changes: Any) -> list[Entry]:
    """An indicator for either cluster; that of the textiles with something changed."""
    alone: Entry = {"over_clusters": "none"}
    return [
        an_indicator("steel-scale", clusters=["steel"], **alone),
        an_indicator("textiles-value", **{"clusters": ["textiles"], "measure": "value-added"} | alone | changes),
    ]


def document(*indicators: Entry, targets: list[Entry] | None = None) -> Entry:
    return a_document(indicators=list(indicators), targets=targets or [])


def of_ratio(ratio: Entry, **exports: Any) -> set[tuple[str, str]]:
    return places_of(document(ratio, *inputs(**exports)))


def of_growth(growth: Entry, **scale: Any) -> set[tuple[str, str]]:
    return places_of(document(growth, an_indicator(**scale)))


def of_count(count: Entry, **textiles: Any) -> set[tuple[str, str]]:
    return places_of(document(count, *each_its_own(**textiles)))


def test_each_kind_of_calculation_is_sound_in_its_plain_form() -> None:
    assert of_ratio(a_ratio()) == set()
    assert of_growth(a_growth()) == set()
    assert of_growth(a_mean_growth()) == set()
    assert of_growth(a_growth({"frequency": "M", "first": "2023-03-01"}, {"over": "previous"})) == set()
    assert of_count(a_count()) == set()


@pytest.mark.parametrize(
    ("derived", "field", "code"),
    [
        ({"kind": "ratio", "numerator": "exprots", "denominator": "scale"}, "/numerator", "unknown-reference"),
        ({"kind": "growth", "of": "nothing", "over": "previous"}, "/of", "unknown-reference"),
        ({"kind": "count-at-or-above", "of": ["scale", "nothing"], "threshold": 1}, "/of/1", "unknown-reference"),
        ({"kind": "ratio", "numerator": "exports"}, "/denominator", "missing"),
        ({"kind": "count-at-or-above", "of": [], "threshold": 1}, "/of", "too-short"),
        ({"kind": "sum", "of": ["scale"]}, "", "union-tag-invalid"),
        ({"of": ["scale"]}, "", "union-tag-not-found"),
        ({"kind": "growth", "of": "scale", "over": "yesterday"}, "/over", "literal-error"),
    ],
)
def test_a_calculation_names_what_is_there_and_says_what_it_is(derived: Entry, field: str, code: str) -> None:
    found = places_of(document(a_derived(derived), *inputs()))
    codes = {code} if code != "literal-error" else {code, "enum"}
    assert found & {(f"/indicators/0/derived{field}", c) for c in codes}


def test_faults_of_form_are_told_in_chinese_with_the_remedy() -> None:
    for derived in ({"kind": "sum"}, {"of": ["scale"]}, {"kind": "count-at-or-above", "of": [], "threshold": 1}):
        (fault,) = faults_of(document(a_derived(derived), *inputs()))
        assert "写法不对" not in fault.detail


# Who reports.


def test_what_nobody_reports_is_computed_from_something() -> None:
    lonely = an_indicator(reporting=NOBODY)
    assert places_of(document(lonely)) == {("/indicators/0/reporting/by", "computed-from-nothing")}


@pytest.mark.parametrize(
    ("reporting", "changes", "field"),
    [
        ({"lock_days": 30}, {}, "reporting/lock_days"),
        ({"may_not_apply": ["320382"]}, {}, "reporting/may_not_apply"),
        ({}, {"plausibility": {"justify": ["jump"]}}, "plausibility"),
    ],
)
def test_what_is_about_reports_has_no_place_where_there_are_none(reporting: Entry, changes: Entry, field: str) -> None:
    assert of_ratio(a_ratio(reporting, **changes)) == {(f"/indicators/0/{field}", "computed-is-not-reported")}


def test_nobody_reports_a_figure_about_the_city_beside_what_is_computed() -> None:
    found = of_ratio(a_ratio({"city": {"by": "gxj", "stands": "department"}}))
    assert ("/indicators/0/reporting/city", "computed-is-not-reported") in found


@pytest.mark.parametrize(
    ("reporting", "sound"),
    [
        ({"about": CITY, "by": "gxj"}, True),
        ({"about": CITY, "by": "cluster-lead"}, True),
        ({"about": CITY, "by": "320382"}, False),
        ({"about": COUNTIES, "by": "self"}, False),
        ({"about": COUNTIES, "by": "gxj"}, False),
    ],
)
def test_what_is_computed_and_reported_is_a_departments_figure_about_the_city(reporting: Entry, sound: bool) -> None:
    expected = set() if sound else {("/indicators/0/reporting", "derived-and-reported")}
    assert of_ratio(a_ratio(reporting)) == expected


# Inputs.


@pytest.mark.parametrize("field", ["over_organisations", "over_clusters"])
def test_a_derived_value_is_made_of_totals_and_not_added_itself(field: str) -> None:
    added: Entry = {field: "mean"}
    assert of_ratio(a_ratio(**added)) == {(f"/indicators/0/{field}", "derived-is-not-added")}


def test_inputs_are_reported_and_not_derived_themselves() -> None:
    again = a_derived({"kind": "growth", "of": "computed", "over": "year-before"}) | {"id": "again"}
    found = places_of(document(again, a_ratio(), *inputs()))
    assert ("/indicators/0/derived/of", "derived-from-derived") in found


def test_demonstration_and_real_indicators_do_not_rest_on_one_another() -> None:
    assert of_ratio(a_ratio(synthetic=True)) == {
        ("/indicators/0/derived/numerator", "synthetic-and-real"),
        ("/indicators/0/derived/denominator", "synthetic-and-real"),
    }


@pytest.mark.parametrize(
    ("own", "its", "sound"),
    [
        ("M", "M", True),
        ("Q", "M", True),
        ("S", "Q", True),
        ("A", "S", True),
        ("M", "Q", False),
        ("Q", "A", False),
        ("W", "W", True),
        ("M", "W", False),
        ("W", "M", False),
    ],
)
def test_periods_are_made_of_the_same_or_of_finer_ones(own: str, its: str, sound: bool) -> None:
    level = {"covers": "period", "reporting": {"frequency": its}}
    expected = set() if sound else {("/indicators/0/derived/of", "periods-not-made-of")}
    assert of_growth(a_growth({"frequency": own}), **level) == expected


def test_ranges_fit_only_themselves() -> None:
    five = {"frequency": "R", "period": "2021-01-01/P5Y", "first": "2021-01-01"}
    once: Entry = {"covers": "period", "reporting": five}
    scale, exports = an_indicator(**once), an_indicator("exports", **once)
    assert not faults_of(document(a_ratio(five), scale, exports))
    other = a_ratio(five | {"period": "2022-01-01/P4Y"})
    assert {code for _, code in places_of(document(other, scale, exports))} == {"periods-not-made-of"}
    assert ("/indicators/0/reporting/frequency", "no-growth-of-a-range") in places_of(document(a_growth(five), scale))


def test_january_and_february_are_together_on_both_sides_or_on_neither() -> None:
    monthly = a_growth({"frequency": "M"})
    assert of_growth(monthly, january_february="together") == {("/indicators/0/derived/of", "periods-not-made-of")}
    assert not of_growth(monthly | {"january_february": "together"}, january_february="together")
    # A year does not mind.
    assert not of_growth(a_growth(), january_february="together")


@pytest.mark.parametrize("way", ["maximum", "weighted-mean"])
def test_a_longer_period_is_not_made_of_maxima_of_flows(way: str) -> None:
    weight = an_indicator("weight", minimum=0)
    level: Entry = {"over_organisations": way, "weighted_by": "weight" if way == "weighted-mean" else None}
    flow = an_indicator(**level, covers="period")
    assert places_of(document(a_growth(), flow, weight)) == {("/indicators/0/derived/of", "periods-not-made-of")}
    to_date = an_indicator(**level)
    assert not places_of(document(a_growth(), to_date, weight))
    previous = a_growth({"frequency": "M"}, {"over": "previous"})
    assert places_of(document(previous, to_date, weight)) == {("/indicators/0/derived/over", "no-single-periods")}


@pytest.mark.parametrize(
    ("growth", "scale", "code"),
    [
        # The first year is 2023.
        (a_growth({"first": "2023-01-01"}), {}, "before-its-inputs"),
        (a_growth({"first": "2024-01-01"}), {}, None),
        (a_growth({"first": "2023-01-01", "frequency": "M"}, {"over": "previous"}), {}, "before-its-inputs"),
        # February alone is the difference from January.
        (a_growth({"first": "2023-02-01", "frequency": "M"}, {"over": "previous"}), {}, None),
        (a_growth({"first": "2023-04-01", "frequency": "M"}, {"over": "previous"}), {}, None),
        (a_growth(), {"reporting": {"last": "2024-12-31"}}, "after-its-inputs"),
        (a_growth({"last": "2024-12-31"}), {"reporting": {"last": "2024-12-31"}}, None),
        (a_growth({"due_days": 14}), {}, "due-before-its-inputs"),
        (a_growth({"about": CITY, "by": "gxj", "due_days": 14, "first": "2023-01-01"}), {}, None),
    ],
)
def test_what_is_computed_alone_is_expected_when_its_inputs_are(growth: Entry, scale: Entry, code: str | None) -> None:
    expected = set() if code is None else {("/indicators/0/derived/of", code)}
    assert of_growth(growth, **scale) == expected


@pytest.mark.parametrize(
    ("own", "its", "code"),
    [
        ({"about": COUNTIES}, {"about": ["320382"]}, "input-about-others"),
        ({"about": COUNTIES}, {"about": CITY, "by": "gxj"}, "input-about-others"),
        ({"about": ["320382"]}, {"about": COUNTIES}, None),
        ({"about": CITY}, {"about": COUNTIES}, None),
        ({"about": CITY}, {"about": CITY, "by": "gxj"}, None),
    ],
)
def test_inputs_are_about_whom_it_is_about(own: Entry, its: Entry, code: str | None) -> None:
    expected = set() if code is None else {("/indicators/0/derived/numerator", code)}
    assert of_ratio(a_ratio(own), reporting=its) == expected


def test_a_city_value_is_made_of_city_values() -> None:
    apart = {"over_organisations": "none", "over_clusters": "none"}
    assert of_ratio(a_ratio({"about": CITY}), **apart) == {("/indicators/0/derived/numerator", "no-city-value")}
    assert of_count(a_count(), over_organisations="none") == {("/indicators/0/derived/of/1", "no-city-value")}


# Ratios.


@pytest.mark.parametrize(
    ("ratio", "exports", "place"),
    [
        (a_ratio(kind="flow"), {}, ("kind", "quotient-is-a-ratio")),
        (a_ratio(derived={"denominator": "exports"}), {}, ("derived/denominator", "ratio-of-itself")),
        (a_ratio(unit="亿元"), {}, ("unit", "unit-of-the-quotient")),
        (a_ratio(), {"unit": "人"}, ("unit", "unit-of-the-quotient")),
        (a_ratio(unit="人/亿元"), {"unit": "人"}, None),
        (a_ratio(unit="‰"), {}, None),
        (a_ratio(unit="1"), {}, None),
        (a_ratio({"frequency": "Q"}), {"covers": "period"}, ("derived/denominator", "mixed-covers")),
        (a_ratio(), {"covers": "period"}, None),
        (a_ratio(), {"kind": "stock", "covers": "period"}, None),
        (a_ratio(clusters=["steel"]), {}, ("clusters", "clusters-differ")),
        (a_ratio(clusters=[]), {}, None),
        (a_ratio(clusters=[]), {"over_clusters": "none"}, ("clusters", "no-total-over-clusters")),
        (a_ratio(clusters=[]), {"clusters": ["steel"]}, ("derived/denominator", "clusters-differ")),
        (a_ratio(clusters=[]), {"clusters": [], "over_clusters": "none"}, None),
    ],
)
def test_a_ratio_is_of_two_quantities_of_the_same_clusters_in_its_own_unit(
    ratio: Entry, exports: Entry, place: tuple[str, str] | None
) -> None:
    expected = set() if place is None else {(f"/indicators/0/{place[0]}", place[1])}
    assert of_ratio(ratio, **exports) == expected


def test_percentages_are_not_divided_again() -> None:
    share = {"unit": "%", "over_organisations": "mean", "over_clusters": "mean", "covers": "period", "kind": "ratio"}
    found = of_ratio(a_ratio({"frequency": "M"}), **share)
    assert found == {("/indicators/0/derived/numerator", "ratio-of-a-ratio")}


# Growths.


@pytest.mark.parametrize(
    ("growth", "place"),
    [
        (a_growth(unit="百分点"), ("unit", "unit-of-the-quotient")),
        (a_growth(kind="stock"), ("kind", "quotient-is-a-ratio")),
        (a_growth({"frequency": "Q"}, {"over": "previous"}), ("reporting/frequency", "not-the-inputs-frequency")),
        (a_growth(derived={"since": "2023"}), ("derived/since", "mean-annual-says-since-when-and-how")),
        (a_growth(derived={"formula": "compound"}), ("derived/formula", "mean-annual-says-since-when-and-how")),
        (a_mean_growth(derived={"since": None}), ("derived/since", "mean-annual-says-since-when-and-how")),
        (a_mean_growth(derived={"formula": None}), ("derived/formula", "mean-annual-says-since-when-and-how")),
        (a_mean_growth(derived={"formula": "arithmetic-mean"}), None),
        (a_mean_growth(derived={"since": "2024"}), ("derived/since", "no-such-base")),
        (a_mean_growth(derived={"since": "2023-Q4"}), ("derived/since", "no-such-base")),
        (a_mean_growth(derived={"since": "lately"}), ("derived/since", "invalid-period")),
        (a_mean_growth({"frequency": "Q"}), ("reporting/frequency", "mean-annual-is-yearly")),
    ],
)
def test_a_growth_says_on_what_and_how(growth: Entry, place: tuple[str, str] | None) -> None:
    expected = set() if place is None else {(f"/indicators/0/{place[0]}", place[1])}
    assert of_growth(growth) == expected


def test_a_base_before_the_first_report_is_refused() -> None:
    assert of_growth(a_mean_growth(derived={"since": "2022"})) == {
        ("/indicators/0/derived/since", "no-such-base"),
        ("/indicators/0/derived/of", "before-its-inputs"),
    }


def test_two_percentages_differ_by_points_and_have_no_growth() -> None:
    share = {"kind": "ratio", "unit": "%", "over_organisations": "mean", "over_clusters": "mean", "covers": "period"}
    found = of_growth(a_growth({"frequency": "M"}), **share)
    assert found == {("/indicators/0/derived/of", "growth-of-a-ratio")}


# Counts.


@pytest.mark.parametrize(
    ("count", "textiles", "place"),
    [
        (a_count(decimals=1), {}, ("kind", "count-is-a-number-of-things")),
        (a_count(unit="%"), {}, ("kind", "count-is-a-number-of-things")),
        (a_count(kind="flow"), {}, ("kind", "count-is-a-number-of-things")),
        (a_count(clusters=["steel"]), {}, ("clusters", "count-is-of-the-city")),
        (a_count({"about": COUNTIES}), {}, ("reporting/about", "count-is-of-the-city")),
        (a_count(), {"unit": "万元"}, ("derived/of/1", "mixed-unit")),
        (a_count(), {"clusters": []}, ("derived/of/1", "nothing-to-count")),
        (a_count(), {"clusters": ["steel", "textiles"]}, ("derived/of", "cluster-counted-twice")),
    ],
)
def test_a_count_is_of_clusters_each_measured_once_in_one_unit(
    count: Entry, textiles: Entry, place: tuple[str, str]
) -> None:
    assert of_count(count, **textiles) == {(f"/indicators/0/{place[0]}", place[1])}


# Targets.


def on_computed(**changes: Any) -> list[Entry]:
    return [a_target(**{"indicator": "computed", "unit": "%", "value": "30", "cluster": None} | changes)]


@pytest.mark.parametrize(
    ("target", "exports", "place"),
    [
        ({}, {}, None),
        ({"org": "320382", "cluster": "steel"}, {}, None),
        ({"tier": "heavy"}, {}, None),
        ({}, {"over_clusters": "none"}, ("cluster", "no-total-over-clusters")),
        ({"cluster": "steel"}, {"over_clusters": "none"}, None),
        ({"cluster": "steel"}, {"over_organisations": "none"}, ("org", "no-total-over-organisations")),
        ({"cluster": "steel", "org": "320382"}, {"over_organisations": "none"}, None),
        ({"org": "gxj", "cluster": "steel"}, {}, ("org", "not-a-subject")),
        ({}, {"over_clusters": "mean"}, ("cluster", "mixed-ways")),
    ],
)
def test_a_target_names_a_scope_in_which_the_inputs_have_values(
    target: Entry, exports: Entry, place: tuple[str, str] | None
) -> None:
    found = places_of(document(a_ratio(), *inputs(**exports), targets=on_computed(**target)))
    assert found == (set() if place is None else {(f"/targets/0/{place[0]}", place[1])})


def test_a_city_value_computed_from_the_counties_is_not_the_citys_own_report() -> None:
    ratio = a_ratio({"about": CITY})
    assert not faults_of(document(ratio, *inputs(), targets=on_computed(cluster="steel")))


def test_a_target_on_a_total_of_inputs_needs_all_clusters_in_them() -> None:
    half: Entry = {"clusters": ["steel"]}
    ratio = a_ratio(clusters=["steel"])
    found = places_of(document(ratio, an_indicator(**half), an_indicator("exports", **half), targets=on_computed()))
    assert found == {("/targets/0/cluster", "not-all-clusters")}


@pytest.mark.parametrize(
    ("target", "place"),
    [
        ({}, None),
        ({"tier": "heavy"}, None),
        ({"org": "320300"}, ("org", "no-such-scope")),
        ({"cluster": "steel"}, ("cluster", "no-such-scope")),
    ],
)
def test_a_count_is_of_the_city_or_of_a_tier(target: Entry, place: tuple[str, str] | None) -> None:
    targets = on_computed(**{"unit": "个", "value": "1"} | target)
    found = places_of(document(a_count(), *each_its_own(), targets=targets))
    assert found == (set() if place is None else {(f"/targets/0/{place[0]}", place[1])})


def test_a_target_on_a_count_counts_all_clusters_of_its_scope() -> None:
    one = a_count(derived={"of": ["steel-scale"]})
    targets = [*on_computed(unit="个", value="1"), *on_computed(id="heavy", unit="个", value="1", tier="heavy")]
    found = faults_of(document(one, *each_its_own(), targets=targets))
    assert [(fault.pointer, fault.code) for fault in found] == [("/targets/0/cluster", "not-all-clusters")]
    assert "1/2" in found[0].detail


def test_what_adds_up_in_two_ways_has_no_value_over_both() -> None:
    mixed = an_indicator(over_clusters="mean")
    assert places_of(document(mixed, targets=[a_target(cluster="_T")])) == {("/targets/0/cluster", "mixed-ways")}
    assert not faults_of(document(mixed, targets=[a_target()]))
    assert not faults_of(document(mixed, targets=[a_target(cluster="_T", org="320382")]))


def test_a_city_indicator_stays_as_it_is() -> None:
    assert not faults_of(document(a_city_indicator(), an_indicator()))
