from typing import Any

from support.catalogue import (
    ADVANTAGE,
    CITY,
    DIGITAL,
    EMERGING,
    FIRMS,
    MACHINERY,
    PEI,
    SCALE,
    XINYI,
    ZONE,
    a_catalogue,
    a_city_indicator,
    a_target,
    an_indicator,
    an_organisation,
    default_organisations,
)

from fourones_aggregation.domain.scopes import CITY as CITY_TOTAL
from fourones_aggregation.domain.scopes import Rule, Scope
from fourones_aggregation.domain.shapes import Shape, Shapes
from fourones_shared.domain.periods import Period

MARCH = Period.parse("2026-03")


def shape_of(**changes: object) -> Shape:
    shape = Shapes(a_catalogue(indicators=[an_indicator(**changes)])).of(SCALE, MARCH)  # type: ignore[arg-type]
    assert shape is not None
    return shape


def test_a_figure_belongs_to_its_organisation_its_cluster_its_tier_and_the_city() -> None:
    shape = shape_of()
    assert set(shape.rows_of[PEI, MACHINERY]) == {
        Scope(PEI, "_T", "_T"),
        Scope("_T", MACHINERY, "_T"),
        Scope("_T", "_T", ADVANTAGE),
        CITY_TOTAL,
    }
    assert set(shape.rules.values()) == {Rule.SUM}


def test_the_organisations_own_figure_in_a_cluster_needs_no_row() -> None:
    assert shape_of().repeats_of[PEI, MACHINERY] == (Scope(PEI, MACHINERY, "_T"),)


def test_without_adding_over_clusters_there_is_neither_organisation_nor_city_total() -> None:
    shape = shape_of(over_clusters="none")
    assert {scope for scope in shape.rules if scope.cluster == "_T"} == {Scope("_T", "_T", EMERGING)}
    assert Scope("_T", DIGITAL, "_T") in shape.rules


def test_a_mean_over_clusters_of_sums_over_organisations_has_no_row() -> None:
    shape = shape_of(over_clusters="mean")
    assert CITY_TOTAL not in shape.rules
    assert shape.rules[Scope(PEI, "_T", "_T")] is Rule.MEAN
    assert shape.rules[Scope("_T", MACHINERY, "_T")] is Rule.SUM


def test_a_mean_over_both_is_one_mean() -> None:
    assert shape_of(over_clusters="mean", over_organisations="mean").rules[CITY_TOTAL] is Rule.MEAN


def test_the_citys_total_of_a_departments_figure_repeats_it() -> None:
    shape = Shapes(a_catalogue()).of(FIRMS, Period.parse("2025"))
    assert shape is not None
    assert shape.rules == {}
    assert set(shape.repeats_of[CITY, "_T"]) == {Scope(CITY, "_T", "_T"), CITY_TOTAL}


def test_a_scope_that_a_target_names_has_a_row_even_with_one_member() -> None:
    catalogue = a_catalogue(targets=[a_target(indicator=FIRMS, unit="家")])
    shape = Shapes(catalogue).of(FIRMS, Period.parse("2025"))
    assert shape is not None
    assert shape.rules == {CITY_TOTAL: Rule.ONLY}
    assert shape.repeats_of[CITY, "_T"] == (Scope(CITY, "_T", "_T"),)


def test_a_target_cannot_make_a_sum_that_the_indicator_refuses() -> None:
    catalogue = a_catalogue(indicators=[an_indicator(over_clusters="none")], targets=[a_target()])
    shape = Shapes(catalogue).of(SCALE, MARCH)
    assert shape is not None
    assert CITY_TOTAL not in shape.rules


def test_an_organisation_has_duties_only_while_it_exists() -> None:
    organisations = [*default_organisations(), an_organisation("320399", valid_from="2026-04-01")]
    shapes = Shapes(a_catalogue(organisations=organisations))
    march, april = shapes.of(SCALE, MARCH), shapes.of(SCALE, MARCH.next())
    assert march is not None
    assert april is not None
    assert len(april.places) == len(march.places) + 3


def test_what_is_not_expected_has_no_shape() -> None:
    shapes = Shapes(a_catalogue())
    assert shapes.of("unknown", MARCH) is None
    assert shapes.of(SCALE, Period.parse("2026-Q1")) is None
    assert not shapes.admits(SCALE, "320999", MACHINERY, MARCH)
    assert shapes.admits(SCALE, PEI, MACHINERY, MARCH)


def with_zone(*districts: str, valid_until: str | None = None, **changes: Any) -> Shapes:
    """The zone lies in these districts, of which the first ends on that day."""
    organisations = [
        o
        | ({"within": districts} if o["id"] == ZONE else {})
        | ({"valid_until": valid_until} if o["id"] == districts[0] else {})
        for o in default_organisations()
    ]
    indicator = an_indicator(**{"zones": "inside"} | changes)
    return Shapes(a_catalogue(indicators=[indicator], organisations=organisations))


def shape_with_zone(*districts: str, period: Period = MARCH, **changes: Any) -> Shape:
    shape = with_zone(*districts, **changes).of(SCALE, period)
    assert shape is not None
    return shape


def test_a_zone_inside_its_district_keeps_its_own_total_and_is_in_no_other() -> None:
    shape = shape_with_zone(PEI)
    assert shape.rows_of[ZONE, MACHINERY] == (Scope(ZONE, "_T", "_T"),)
    assert shape.repeats_of[ZONE, MACHINERY] == (Scope(ZONE, MACHINERY, "_T"),)
    for scope in (CITY_TOTAL, Scope("_T", MACHINERY, "_T"), Scope("_T", "_T", EMERGING)):
        members = {place.org for place in shape.members(scope)}
        assert ZONE not in members
        assert PEI in members
    assert {place.org for place in shape.members(Scope(ZONE, "_T", "_T"))} == {ZONE}


def test_a_zone_beside_its_district_is_in_every_total() -> None:
    shape = shape_with_zone(PEI, zones="beside")
    assert CITY_TOTAL in shape.rows_of[ZONE, MACHINERY]


def test_a_zone_is_inside_while_one_of_its_districts_is_there_and_counts_itself_when_none_is() -> None:
    ends = "2026-03-31"
    assert CITY_TOTAL not in shape_with_zone(PEI, valid_until=ends).rows_of[ZONE, MACHINERY]
    april = MARCH.next()
    assert CITY_TOTAL in shape_with_zone(PEI, valid_until=ends, period=april).rows_of[ZONE, MACHINERY]
    assert CITY_TOTAL not in shape_with_zone(PEI, XINYI, valid_until=ends, period=april).rows_of[ZONE, MACHINERY]


def test_the_only_other_organisations_figure_is_the_total_of_a_zone_and_its_district() -> None:
    shape = shape_with_zone(PEI, clusters=(), over_clusters="none", reporting={"about": [PEI, ZONE]})
    assert shape.rules == {}
    assert set(shape.repeats_of[PEI, "_T"]) == {Scope(PEI, "_T", "_T"), CITY_TOTAL}
    assert shape.repeats_of[ZONE, "_T"] == (Scope(ZONE, "_T", "_T"),)


def test_moving_zones_inside_or_a_zone_elsewhere_changes_the_definition() -> None:
    inside = with_zone(PEI).definition(SCALE)
    assert with_zone(PEI, zones="beside").definition(SCALE) != inside
    assert with_zone(XINYI).definition(SCALE) != inside
    assert with_zone(PEI).definition(SCALE) == inside


def test_a_new_name_of_a_plan_changes_no_definition_but_a_target_does() -> None:
    before = Shapes(a_catalogue())
    assert Shapes(a_catalogue(pillars=())).definition(SCALE) == before.definition(SCALE)
    assert Shapes(a_catalogue(targets=[a_target()])).definition(SCALE) != before.definition(SCALE)
    assert Shapes(a_catalogue(targets=[a_target()])).definition(FIRMS) == before.definition(FIRMS)
    assert Shapes(a_catalogue(indicators=[a_city_indicator()])).definition(SCALE) is None
