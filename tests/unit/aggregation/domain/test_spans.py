from decimal import Decimal
from typing import Any

import pytest
from support.catalogue import CLUSTERS, COUNTIES_AND_ZONES, MACHINERY, PEI, SCALE, a_catalogue, an_indicator
from support.facts import a_fact

from fourones_aggregation.domain.facts import Ask
from fourones_aggregation.domain.scopes import CITY, Scope
from fourones_aggregation.domain.shapes import Shapes
from fourones_aggregation.domain.spans import expected_of, fact_of, made_of, scopes_of, spanned
from fourones_shared.catalogue.model import Indicator
from fourones_shared.domain.periods import Period

OWN = Scope(PEI, MACHINERY, "_T")


def computed(**changes: Any) -> dict[str, Any]:
    """The ratio of output to sales."""
    fields = {"kind": "ratio", "covers": "period", "unit": "%", "over_organisations": "none", "over_clusters": "none"}
    derived = {"kind": "ratio", "numerator": "output", "denominator": "sales"}
    return an_indicator("share", derived=derived, reporting={"by": "computed"}, **(fields | changes))


SHAPES = Shapes(
    a_catalogue(
        indicators=[
            an_indicator(),
            an_indicator("output", covers="period"),
            an_indicator("sales", covers="period"),
            computed(),
            an_indicator("weekly", covers="period", reporting={"frequency": "W"}),
        ]
    )
)


def indicator(name: str) -> Indicator:
    return SHAPES.catalogue.indicator[name]


def keys(name: str, period: str) -> list[str]:
    return [part.key for part in spanned(indicator(name), Period.parse(period))]


@pytest.mark.parametrize("name", [SCALE, "output", "share"])
def test_a_period_spans_itself_and_a_longer_one_its_months(name: str) -> None:
    assert keys(name, "2026-03") == ["2026-03"]
    assert keys(name, "2026-Q1") == ["2026-01", "2026-02", "2026-03"]
    assert len(keys(name, "2026")) == 12
    assert keys(name, "2025-Q4") == keys(name, "2026-W12") == keys(name, "2026-01-01/P2M") == []


def test_weeks_make_no_months_quarters_or_years() -> None:
    assert [keys("weekly", period) for period in ("2026-W12", "2026-03", "2026-Q1", "2026")] == [
        ["2026-W12"],
        [],
        [],
        [],
    ]


def test_a_stretch_has_the_scopes_of_its_periods() -> None:
    quarter = scopes_of(SHAPES, indicator("output"), Period.parse("2026-Q1"))
    assert quarter == scopes_of(SHAPES, indicator("output"), Period.parse("2026-03"))
    assert {CITY, OWN} <= quarter
    assert scopes_of(SHAPES, indicator("share"), Period.parse("2026-Q1")) == quarter


def test_a_derived_stretch_is_made_of_its_inputs_months() -> None:
    quarter = Ask("share", "2026-Q1", OWN)
    asked = made_of(SHAPES, quarter)
    assert len(asked) == 6
    assert {ask.indicator for ask in asked} == {"output", "sales"}
    values = {"output": 1, "sales": 4}
    facts = {ask: a_fact(values[ask.indicator], version=2) for ask in asked if ask.period != "2026-03"}
    fact = fact_of(SHAPES, quarter, facts)
    assert fact is not None
    # Both lack March, which makes them comparable; it has not opened.
    assert (fact.value, fact.through, fact.version, fact.reported, fact.expected) == (
        Decimal(25),
        "2026-02",
        8,
        4,
        6,
    )
    assert fact_of(SHAPES, quarter, {}) is None


def test_what_the_catalogue_does_not_have_is_made_of_nothing() -> None:
    for ask in (Ask("none", "2026-03", CITY), Ask(SCALE, "2019-03", CITY), Ask(SCALE, "2026-W12", CITY)):
        assert made_of(SHAPES, ask) == ()
        assert fact_of(SHAPES, ask, {}) is None
        assert expected_of(SHAPES, ask) == 0


def test_what_has_not_opened_will_be_asked_of_whom_the_catalogue_names() -> None:
    places = len(COUNTIES_AND_ZONES) * len(CLUSTERS)
    assert expected_of(SHAPES, Ask("output", "2026-05", CITY)) == places
    assert expected_of(SHAPES, Ask("output", "2026-Q2", CITY)) == 3 * places
    # A year-to-date quarter is that of its last month.
    assert expected_of(SHAPES, Ask(SCALE, "2026-Q2", CITY)) == places
