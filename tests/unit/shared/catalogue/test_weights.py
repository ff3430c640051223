"""Weighted means have a weight for each of their figures; departments' figures stand beside the counties'."""

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

CITY = {"by": "gxj", "stands": "counties"}


def a_mean(*, weighted_by: str | None = "weight", **changes: Any) -> Entry:
    fields = {"unit": "%", "kind": "ratio", "covers": "period", "measure": "rate", "weighted_by": weighted_by}
    ways = {"over_organisations": "weighted-mean", "over_clusters": "weighted-mean"}
    return an_indicator("rate", **fields | ways | changes)


def a_weight(**changes: Any) -> Entry:
    return an_indicator("weight", **{"minimum": 0} | changes)


def document(*indicators: Entry, targets: list[Entry] | None = None) -> Entry:
    return a_document(indicators=list(indicators), targets=targets or [])


def test_a_weighted_mean_with_its_weight_is_sound() -> None:
    assert not faults_of(document(a_mean(), a_weight()))
    assert not faults_of(document(a_mean(over_clusters="maximum"), a_weight()))


@pytest.mark.parametrize("way", ["mean", "maximum", "none"])
def test_a_weight_without_a_weighted_mean_is_refused(way: str) -> None:
    found = places_of(document(a_mean(over_organisations=way, over_clusters=way), a_weight()))
    assert found == {("/indicators/0/weighted_by", "weight-without-mean")}


@pytest.mark.parametrize("field", ["over_organisations", "over_clusters"])
def test_a_weighted_mean_without_weight_is_refused(field: str) -> None:
    ways = {"over_organisations": "none", "over_clusters": "none"} | {field: "weighted-mean"}
    assert places_of(document(a_mean(weighted_by=None, **ways))) == {(f"/indicators/0/{field}", "weight-missing")}


def test_the_weight_exists() -> None:
    assert places_of(document(a_mean())) == {("/indicators/0/weighted_by", "unknown-reference")}


@pytest.mark.parametrize(
    ("weight", "code"),
    [
        (
            {"kind": "ratio", "over_organisations": "mean", "over_clusters": "mean", "covers": "period"},
            "weight-is-no-quantity",
        ),
        ({"unit": "%", "over_organisations": "mean", "over_clusters": "mean"}, "weight-is-no-quantity"),
        ({"minimum": None}, "weight-may-be-negative"),
        ({"minimum": -1}, "weight-may-be-negative"),
        ({"clusters": ["steel"]}, "weight-differs"),
        ({"reporting": {"frequency": "Q"}}, "weight-differs"),
        ({"reporting": {"about": ["320382"]}}, "weight-differs"),
        ({"reporting": {"first": "2024-01-01"}}, "weight-differs"),
        ({"reporting": {"last": "2024-12-31"}}, "weight-differs"),
        ({"january_february": "together"}, "weight-differs"),
        ({"synthetic": True}, "weight-differs"),
        ({"reporting": {"first": "2022-01-01"}}, None),
        ({"kind": "stock", "covers": "period"}, None),
    ],
)
def test_a_weight_is_a_quantity_of_the_same_organisations_clusters_and_periods(weight: Entry, code: str | None) -> None:
    expected = set() if code is None else {("/indicators/0/weighted_by", code)}
    assert places_of(document(a_mean(), a_weight(**weight))) == expected


def test_two_months_together_have_one_name_on_both_sides() -> None:
    together = {"january_february": "together"}
    found = places_of(document(a_mean(**together), a_weight(**together)))
    assert found == {("/indicators/0/weighted_by", "weight-differs")}
    assert not faults_of(document(a_mean(**together), a_weight(**together, covers="period")))


def test_nothing_weighs_itself() -> None:
    own = an_indicator("rate", minimum=0, over_organisations="weighted-mean", weighted_by="rate")
    assert places_of(document(own)) == {("/indicators/0/weighted_by", "weight-differs")}


def test_a_departments_figure_is_weighed_only_where_its_clusters_are_put_together() -> None:
    with_city: Entry = {"reporting": {"city": CITY}}
    by_organisation = a_mean(**with_city, over_clusters="maximum")
    assert not faults_of(document(by_organisation, a_weight()))
    assert places_of(document(a_mean(**with_city), a_weight())) == {("/indicators/0/weighted_by", "weight-differs")}
    assert not faults_of(document(a_mean(**with_city), a_weight(**with_city)))


@pytest.mark.parametrize(
    ("indicator", "place"),
    [
        (an_indicator(reporting={"city": CITY}), None),
        (an_indicator(reporting={"city": CITY | {"stands": "department"}}), None),
        (an_indicator(reporting={"city": CITY, "by": "fgw"}), None),
        (an_indicator(reporting={"city": CITY}, over_organisations="maximum"), None),
        (an_indicator(reporting={"city": CITY, "about": ["320382"]}), ("", "no-counties-beside")),
        (a_city_indicator(reporting={"city": CITY}), ("", "no-counties-beside")),
        (an_indicator(reporting={"city": CITY}, over_organisations="none"), ("", "no-city-value-beside")),
        (an_indicator(reporting={"city": CITY | {"by": "320382"}}), ("/by", "city-figure-by-a-department")),
        (an_indicator(reporting={"city": CITY | {"by": "nobody"}}), ("/by", "unknown-reference")),
        (an_indicator(reporting={"city": CITY | {"stands": "both"}}), ("/stands", "enum")),
    ],
)
def test_a_departments_figure_about_the_city_stands_beside_a_value_of_the_counties(
    indicator: Entry, place: tuple[str, str] | None
) -> None:
    expected = set() if place is None else {("/indicators/0/reporting/city" + place[0], place[1])}
    assert places_of(document(indicator)) == expected


def test_a_target_may_be_on_the_departments_figure_or_on_the_citys_value() -> None:
    scale = an_indicator(reporting={"city": CITY})
    for org in ("320300", "_T", "320382"):
        assert not faults_of(document(scale, targets=[a_target(org=org)]))


def test_where_the_department_stands_clusters_may_add_up_in_another_way_than_the_counties() -> None:
    stands = {"city": CITY | {"stands": "department"}}
    scale = an_indicator(reporting=stands, over_organisations="maximum", over_clusters="sum")
    assert not faults_of(document(scale, targets=[a_target(cluster="_T")]))
