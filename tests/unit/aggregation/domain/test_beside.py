from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.catalogue import (
    ADVANTAGE,
    CITY,
    CLUSTERS,
    COUNTIES_AND_ZONES,
    DEPARTMENT,
    ENERGY,
    MACHINERY,
    PEI,
    SCALE,
    XINYI,
    ZONE,
    a_catalogue,
    an_indicator,
    default_organisations,
)
from support.facts import a_fact

from fourones_aggregation.domain.beside import Beside, asks_beside, of_city
from fourones_aggregation.domain.facts import Ask, Fact
from fourones_aggregation.domain.scopes import CITY as CITY_SCOPE
from fourones_aggregation.domain.scopes import Scope
from fourones_aggregation.domain.shapes import Shapes

MARCH = "2026-03"
OVER_MACHINERY = Scope("_T", MACHINERY, "_T")


def shapes(stands: str, **changes: Any) -> Shapes:
    organisations = [o | ({"within": [PEI]} if o["id"] == ZONE else {}) for o in default_organisations()]
    known = an_indicator(reporting={"city": {"by": DEPARTMENT, "stands": stands}}, **changes)
    weight = an_indicator("weight", reporting={"city": {"by": DEPARTMENT, "stands": stands}})
    return Shapes(a_catalogue(indicators=[known, weight], organisations=organisations))


def figure(org: str, value: int | Decimal | None, cluster: str = MACHINERY, indicator: str = SCALE) -> dict[Ask, Fact]:
    return {Ask(indicator, MARCH, Scope(org, cluster, "_T")): a_fact(value, missing=(org,) if value is None else ())}


def beside(of: Shapes, scope: Scope, shown: Fact, facts: dict[Ask, Fact]) -> Beside | None:
    ask = Ask(SCALE, MARCH, scope)
    needed = set(asks_beside(of, ask))
    return of_city(of, ask, shown, {ask: fact for ask, fact in facts.items() if ask in needed})


def test_beside_the_counties_is_the_department_and_beside_the_department_the_counties() -> None:
    facts = figure(CITY, 10) | figure(PEI, 3) | figure(XINYI, 4)
    counties = beside(shapes("counties"), OVER_MACHINERY, a_fact(7), facts)
    department = beside(shapes("department"), OVER_MACHINERY, a_fact(10), facts)
    assert counties is not None
    assert department is not None
    assert (counties.org, counties.value, counties.difference) == (CITY, 10, 3)
    assert (department.org, department.value, department.difference) == ("_T", 7, 3)


def test_a_zone_inside_its_districts_is_not_added_to_them() -> None:
    facts = figure(PEI, 3) | figure(ZONE, 2)
    inside = beside(shapes("department", zones="inside"), OVER_MACHINERY, a_fact(10), facts)
    apart = beside(shapes("department"), OVER_MACHINERY, a_fact(10), facts)
    assert inside is not None
    assert apart is not None
    assert (inside.value, apart.value) == (3, 5)


def test_who_lacks_is_an_organisation_among_the_counties_and_a_cluster_of_the_department() -> None:
    counties = figure(PEI, 3) | figure(XINYI, None)
    of_counties = beside(shapes("department"), OVER_MACHINERY, a_fact(10), counties)
    assert of_counties is not None
    assert (of_counties.reported, of_counties.expected, of_counties.missing) == (1, 2, (XINYI,))
    of_department = beside(
        shapes("counties"), CITY_SCOPE, a_fact(1), figure(CITY, 3) | figure(CITY, None, cluster=ENERGY)
    )
    assert of_department is not None
    assert (of_department.value, of_department.missing) == (3, (ENERGY,))


@pytest.mark.parametrize("scope", [Scope(PEI, MACHINERY, "_T"), Scope(CITY, MACHINERY, "_T"), Scope(PEI, "_T", "_T")])
def test_one_organisation_has_one_value(scope: Scope) -> None:
    assert beside(shapes("counties"), scope, a_fact(1), figure(CITY, 3)) is None


def test_an_indicator_without_a_second_value_has_nothing_beside() -> None:
    of = Shapes(a_catalogue())
    assert list(asks_beside(of, Ask(SCALE, MARCH, CITY_SCOPE))) == []
    assert of_city(of, Ask(SCALE, MARCH, CITY_SCOPE), a_fact(1), {}) is None


def test_before_the_period_has_opened_nothing_is_beside() -> None:
    assert beside(shapes("counties"), OVER_MACHINERY, a_fact(None), {}) is None


def test_where_values_do_not_add_up_nothing_is_beside() -> None:
    of = shapes("department", over_clusters="none")
    facts = figure(PEI, 3) | figure(PEI, 4, cluster=ENERGY)
    assert beside(of, Scope("_T", "_T", ADVANTAGE), a_fact(1), facts) is None
    assert beside(of, OVER_MACHINERY, a_fact(1), facts) is not None


def test_maxima_means_and_weighted_means_are_beside_as_they_stand() -> None:
    weights = figure(PEI, 3, indicator="weight") | figure(XINYI, 1, indicator="weight")
    facts = figure(PEI, 2) | figure(XINYI, 6) | weights
    values = {}
    for way in ("sum", "maximum", "mean", "weighted-mean"):
        of = shapes("department", over_organisations=way, weighted_by="weight" if way == "weighted-mean" else None)
        other = beside(of, OVER_MACHINERY, a_fact(1), facts)
        values[way] = None if other is None else other.value
    assert values == {"sum": 8, "maximum": 6, "mean": 4, "weighted-mean": 3}


VALUES = st.one_of(st.none(), st.decimals(-1000, 1000, places=4))


@given(st.fixed_dictionaries({(org, cluster): VALUES for org in COUNTIES_AND_ZONES for cluster in CLUSTERS}))
def test_the_counties_beside_are_their_sum_with_its_coverage(values: dict[tuple[str, str], Decimal | None]) -> None:
    facts: dict[Ask, Fact] = {}
    for (org, cluster), value in values.items():
        facts |= figure(org, value, cluster=cluster)
    other = beside(shapes("department"), CITY_SCOPE, a_fact(5), facts)
    reported = [value for value in values.values() if value is not None]
    assert other is not None
    assert other.value == (sum(reported, Decimal(0)) if reported else None)
    assert (other.reported, other.expected) == (len(reported), len(values))
    assert set(other.missing) == {org for (org, _), value in values.items() if value is None}
    assert other.difference == (None if other.value is None else 5 - other.value)
