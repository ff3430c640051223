"""Who owes a figure for a period about which nothing has arrived yet."""

from datetime import date

import pytest
from support.catalogue import (
    CITY,
    DEPARTMENT,
    MACHINERY,
    PEI,
    PIZHOU,
    SCALE,
    XINYI,
    ZONE,
    a_catalogue,
    an_indicator,
    default_organisations,
)

from fourones_alerting.rollups.history import observations
from fourones_alerting.rollups.store import Subject
from fourones_shared.catalogue.model import TOTAL


@pytest.mark.parametrize(
    ("zones", "org", "owing"),
    [
        ("beside", TOTAL, {PEI, XINYI, PIZHOU, ZONE}),
        # The zone's figure is part of its district's: over organisations the district owes it.
        ("inside", TOTAL, {PEI, XINYI, PIZHOU}),
        ("inside", ZONE, {MACHINERY}),
    ],
)
def test_a_silent_period_is_owed_by_those_who_count(zones: str, org: str, owing: set[str]) -> None:
    organisations = [o | ({"within": [PEI]} if o["id"] == ZONE else {}) for o in default_organisations()]
    catalogue = a_catalogue(indicators=[an_indicator(zones=zones)], organisations=organisations)
    (silent,) = observations(catalogue, Subject(SCALE, org, MACHINERY, TOTAL), {}, date(2026, 1, 31))
    assert set(silent.missing) == owing
    assert silent.expected == len(owing)


@pytest.mark.parametrize(
    ("stands", "org", "owing"),
    [
        ("counties", TOTAL, {PEI, XINYI, PIZHOU, ZONE}),
        ("counties", CITY, {MACHINERY}),
        ("department", TOTAL, {CITY}),
        ("department", PEI, {MACHINERY}),
    ],
)
def test_the_citys_value_is_owed_by_those_whose_stands(stands: str, org: str, owing: set[str]) -> None:
    city = {"by": DEPARTMENT, "stands": stands}
    catalogue = a_catalogue(indicators=[an_indicator(reporting={"city": city})])
    (silent,) = observations(catalogue, Subject(SCALE, org, MACHINERY, TOTAL), {}, date(2026, 1, 31))
    assert set(silent.missing) == owing
    assert silent.expected == len(owing)


def test_of_what_is_computed_the_one_value_is_missing_and_nobody_owes_it() -> None:
    growth = an_indicator(
        "growth",
        kind="ratio",
        unit="%",
        covers="period",
        over_organisations="none",
        over_clusters="none",
        derived={"kind": "growth", "of": SCALE, "over": "year-before"},
        reporting={"by": "computed"},
    )
    catalogue = a_catalogue(indicators=[an_indicator(), growth])
    (silent,) = observations(catalogue, Subject("growth", TOTAL, MACHINERY, TOTAL), {}, date(2026, 1, 31))
    assert (silent.missing, silent.reported, silent.expected, silent.complete) == ((), 0, 1, False)
    assert not silent.does_not_apply


def test_an_organisation_without_the_duty_owes_nothing() -> None:
    (silent,) = observations(a_catalogue(), Subject(SCALE, "320999", MACHINERY, TOTAL), {}, date(2026, 1, 31))
    assert (silent.missing, silent.expected) == ((), 0)
