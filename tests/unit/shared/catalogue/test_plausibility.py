"""What values are held against: relations that fit, doubts that can arise, zones that lie somewhere."""

import pytest
from unit.shared.catalogue.documents import (
    REAL,
    Entry,
    a_document,
    an_indicator,
    an_organisation,
    faults_of,
    places_of,
)

from fourones_shared.catalogue.files import load
from fourones_shared.catalogue.model import Organisation, Zones
from fourones_shared.catalogue.parsing import parse_document
from fourones_shared.catalogue.zones import districts_of

MONTHS, GROWTH = "months", "growth"
PLAIN = {"over_organisations": "none", "over_clusters": "none"}


def the_months(**changes: object) -> Entry:
    return an_indicator(MONTHS, **{"covers": "period"} | changes)  # type: ignore[arg-type]


def the_growth(**changes: object) -> Entry:
    fields = {"kind": "ratio", "covers": "period", "unit": "%", "measure": "growth"} | PLAIN
    return an_indicator(GROWTH, **fields | {"plausibility": {"growth_of": "scale"}} | changes)  # type: ignore[arg-type]


def document(*indicators: Entry, **sections: list[Entry]) -> Entry:
    return a_document(indicators=list(indicators), targets=[], **sections)


def total(**plausibility: object) -> Entry:
    return an_indicator(plausibility=plausibility)


def test_a_total_with_its_months_and_a_growth_with_its_level_are_sound() -> None:
    sound = document(total(months=MONTHS, justify=["year_to_date_contradicts", "jump"]), the_months(), the_growth())
    assert faults_of(sound) == []


@pytest.mark.parametrize(("field", "path"), [("months", "/indicators/0"), ("growth_of", "/indicators/0")])
def test_what_is_compared_with_exists(field: str, path: str) -> None:
    assert (f"{path}/plausibility/{field}", "unknown-reference") in places_of(document(total(**{field: "nothing"})))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"covers": "year-to-date"}, "not-single-months"),
        ({"kind": "stock"}, "not-single-months"),
        ({"reporting": {"frequency": "Q"}}, "not-single-months"),
        ({"unit": "万元"}, "not-comparable"),
        ({"measure": "output"}, "not-comparable"),
        ({"clusters": ["steel"]}, "not-comparable"),
        ({"reporting": {"about": ["320382"]}}, "not-comparable"),
    ],
)
def test_months_that_do_not_make_the_total_are_refused(changes: Entry, code: str) -> None:
    document_ = document(total(months=MONTHS), the_months(**changes))
    assert places_of(document_) == {("/indicators/0/plausibility/months", code)}


def test_only_a_year_to_date_value_has_months() -> None:
    found = places_of(document(an_indicator(covers="period", plausibility={"months": MONTHS}), the_months()))
    assert found == {("/indicators/0/plausibility/months", "months-of-no-total")}


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"kind": "stock", "unit": "亿元"}, "growth_of", "growth-is-a-ratio"),
        ({"reporting": {"frequency": "Q"}}, "growth_of", "not-comparable"),
        ({"january_february": "together"}, "growth_of", "not-comparable"),
        ({"plausibility": {"growth_of": GROWTH}}, "growth_of", "not-comparable"),
        (
            {"plausibility": {"growth_of": "scale", "growth_over": "previous"}},
            "growth_over",
            "no-growth-on-the-previous",
        ),
    ],
)
def test_a_growth_that_cannot_be_computed_is_refused(changes: Entry, field: str, code: str) -> None:
    found = places_of(document(an_indicator(), the_growth(**changes)))
    assert (f"/indicators/1/plausibility/{field}", code) in found


def test_a_ratio_has_no_growth() -> None:
    ratio = an_indicator(kind="ratio", covers="period", over_organisations="none", over_clusters="none")
    assert places_of(document(ratio, the_growth())) == {("/indicators/1/plausibility/growth_of", "growth-of-a-ratio")}


def test_growth_on_the_previous_period_is_for_levels_of_a_period() -> None:
    growth = the_growth(plausibility={"growth_of": "scale", "growth_over": "previous"})
    assert faults_of(document(an_indicator(kind="stock", covers="period"), growth)) == []


def test_a_doubt_is_not_both_asked_and_ignored() -> None:
    found = places_of(document(total(justify=["unit_slip", "jump"], ignore=["jump"])))
    assert found == {("/indicators/0/plausibility/justify/1", "asked-and-ignored")}


@pytest.mark.parametrize("doubt", ["growth_mismatch", "year_to_date_contradicts", "zone_beyond_district"])
def test_a_justification_is_asked_only_for_what_can_be_doubted(doubt: str) -> None:
    (fault,) = faults_of(document(total(justify=["year_to_date_falls", doubt])))
    assert (fault.pointer, fault.code) == ("/indicators/0/plausibility/justify/1", "doubt-never-arises")
    assert doubt in fault.zh.problem
    assert doubt in fault.en.problem


def test_a_level_has_no_year_to_date_to_fall() -> None:
    level = an_indicator(kind="stock", covers="period", plausibility={"justify": ["year_to_date_falls"]})
    assert places_of(document(level)) == {("/indicators/0/plausibility/justify/0", "doubt-never-arises")}


def with_zone(*within: str, **changes: object) -> Entry:
    bodies = a_document()["organisations"]
    zone = an_organisation("park", kind="zone", within=list(within))
    inside = an_indicator(**{"zones": "inside"} | changes)  # type: ignore[arg-type]
    return document(inside, organisations=[*bodies, zone])


def test_a_zone_may_count_inside_districts_that_report() -> None:
    assert faults_of(with_zone("320382", "320381", plausibility={"justify": ["zone_beyond_district"]})) == []


def test_a_zone_without_districts_lies_inside_nothing() -> None:
    (fault,) = faults_of(with_zone())
    assert (fault.pointer, fault.code) == ("/indicators/0/zones", "zones-without-districts")
    assert "park" in fault.zh.problem


def test_where_no_zone_reports_none_is_inside() -> None:
    found = places_of(document(an_indicator(zones="inside")))
    assert found == {("/indicators/0/zones", "zones-without-districts")}


def test_a_zone_is_not_lost_in_a_district_that_does_not_report() -> None:
    (fault,) = faults_of(with_zone("320382", "320381", reporting={"about": ["320382", "park"]}))
    assert (fault.pointer, fault.code) == ("/indicators/0/zones", "district-without-duty")
    assert "320381" in fault.zh.problem
    assert "320382" not in fault.zh.problem


def test_a_zone_counts_through_those_of_its_districts_that_are_there() -> None:
    catalogue = parse_document(with_zone("320382", "320381"))
    indicator, zone = catalogue.indicator["scale"], catalogue.organisation["park"]
    assert districts_of(indicator, zone, {"320382", "320381", "park"}) == ("320382", "320381")
    assert districts_of(indicator, zone, {"320381"}) == ("320381",)
    assert districts_of(indicator, zone, {"park"}) == ()
    assert districts_of(indicator.model_copy(update={"zones": Zones.BESIDE}), zone, {"320382"}) == ()
    county: Organisation = catalogue.organisation["320382"]
    assert districts_of(indicator, county, {"320382", "320381"}) == ()


def test_the_delivered_catalogue_asks_for_no_justification_and_moves_no_zone_inside() -> None:
    # Neither is in the sources: the coordinating office has to say so first.
    catalogue = load(REAL)
    assert [i.id for i in catalogue.indicators if i.plausibility.justify] == []
    assert [i.id for i in catalogue.indicators if i.zones is not Zones.BESIDE] == []
