"""A zone inside its district counts through it: in totals, in coverage, in events, and when the catalogue changes."""

import random
from decimal import Decimal
from typing import Any

import pytest
from integration.aggregation.keeping import Aggregation, a_figure, a_submission, a_withdrawal, counts
from sqlalchemy import text
from support.catalogue import (
    CLUSTERS,
    COUNTIES_AND_ZONES,
    MACHINERY,
    PEI,
    SCALE,
    XINYI,
    ZONE,
    a_catalogue,
    an_indicator,
    default_organisations,
)

from fourones_aggregation.verifying import verify
from fourones_shared.catalogue.model import Catalogue


def a_catalogue_with_a_zone(zones: str = "inside", within: tuple[str, ...] = (PEI,), **changes: Any) -> Catalogue:
    organisations = [o | ({"within": within} if o["id"] == ZONE else {}) for o in default_organisations()]
    return a_catalogue(indicators=[an_indicator(zones=zones, **changes)], organisations=organisations)


@pytest.fixture
def inside(empty: Aggregation) -> Aggregation:
    """The zone lies in Pei: of its figure and Pei's only Pei's is added."""
    empty.put(a_catalogue_with_a_zone())
    return empty


def test_a_zone_is_added_to_no_total_and_expected_in_none(inside: Aggregation) -> None:
    inside.apply(a_submission(a_figure("4"), org=ZONE))
    assert counts(inside.rollup()) == (0, 0, 9)
    assert counts(inside.rollup(cluster=MACHINERY)) == (0, 0, 3)
    assert counts(inside.rollup(org=ZONE)) == (4, 1, 3)
    inside.apply(a_submission(a_figure("10")), a_submission(a_figure("5"), org=ZONE))
    assert counts(inside.rollup()) == (10, 1, 9)
    assert counts(inside.rollup(org=ZONE)) == (5, 1, 3)
    inside.apply(a_submission(a_withdrawal(), org=ZONE))
    assert counts(inside.rollup()) == (10, 1, 9)
    inside.verify()


def test_the_event_of_a_total_names_the_district_as_missing_and_not_the_zone(inside: Aggregation) -> None:
    inside.apply(a_submission(a_figure("4"), org=ZONE), a_submission(a_figure("7"), org=XINYI))
    event = next(
        e for e in inside.publish_all().values() if (e.org, e.cluster, e.period) == ("_T", MACHINERY, "2026-03")
    )
    assert (event.value, event.coverage.reported, event.coverage.expected) == (7, 1, 3)
    assert PEI in event.coverage.missing
    assert ZONE not in event.coverage.missing
    assert ZONE not in {member.org for member in event.members}
    assert event.members_total == 3


def test_moving_zones_inside_and_back_moves_the_totals_both_ways(empty: Aggregation) -> None:
    empty.put(a_catalogue_with_a_zone("beside"))
    empty.apply(a_submission(a_figure("10")), a_submission(a_figure("4"), org=ZONE))
    assert counts(empty.rollup()) == (14, 2, 12)
    empty.put(a_catalogue_with_a_zone())
    row = empty.rollup()
    assert counts(row) == (10, 1, 9)
    assert row.cause == "catalogue"
    empty.verify()
    # A figure that comes afterwards moves what the switch has left.
    empty.apply(a_submission(a_figure("6"), org=ZONE), a_submission(a_figure("11")))
    assert counts(empty.rollup()) == (11, 1, 9)
    empty.verify()
    empty.put(a_catalogue_with_a_zone("beside"))
    assert counts(empty.rollup()) == (17, 2, 12)
    empty.verify()


def test_a_district_that_does_not_report_holds_no_zone(empty: Aggregation) -> None:
    empty.put(a_catalogue_with_a_zone(reporting={"about": [XINYI, ZONE]}))
    empty.apply(a_submission(a_figure("4"), org=ZONE))
    assert counts(empty.rollup()) == (4, 1, 6)
    empty.verify()


def test_verify_tells_a_duty_that_forgot_where_its_zone_lies(inside: Aggregation) -> None:
    with inside.engine.begin() as connection:
        changed = connection.execute(
            text(
                "UPDATE duty SET repeats = repeats & 31 FROM organisation o, cluster c, period p WHERE o.code = :zone"
                " AND o.org_id = duty.org_id AND c.code = :cluster AND c.cluster_id = duty.cluster_id"
                " AND p.code = '2026-03' AND p.period_id = duty.period_id"
            ),
            {"zone": ZONE, "cluster": MACHINERY},
        ).rowcount
    assert changed == 1
    (difference,) = verify(inside.engine)
    assert difference.what == f"duty {SCALE} {ZONE} {MACHINERY} 2026-03"


@pytest.mark.parametrize("seed", range(3))
def test_totals_equal_a_plain_addition_through_any_change_of_zones(empty: Aggregation, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - not a secret
    choices = [("beside", (PEI,)), ("inside", (PEI,)), ("inside", (XINYI, PEI)), ("beside", ())]
    newest: dict[tuple[str, str], Decimal] = {}
    zones, within = choices[0]
    empty.put(a_catalogue_with_a_zone(zones, within))
    for _ in range(25):
        if chance.random() < 0.25:
            zones, within = chance.choice(choices)
            empty.put(a_catalogue_with_a_zone(zones, within))
        else:
            org, cluster, value = chance.choice(COUNTIES_AND_ZONES), chance.choice(CLUSTERS), chance.randint(0, 10**6)
            newest[org, cluster] = Decimal(value).scaleb(-4)
            empty.apply(a_submission(a_figure(str(newest[org, cluster]), cluster=cluster), org=org))
        adding = {org for org in COUNTIES_AND_ZONES if zones == "beside" or org != ZONE}
        counted = [value for (org, _), value in newest.items() if org in adding]
        assert counts(empty.rollup()) == (sum(counted), len(counted), len(adding) * len(CLUSTERS))
        own = [value for (org, _), value in newest.items() if org == ZONE]
        assert counts(empty.rollup(org=ZONE)) == (sum(own), len(own), len(CLUSTERS))
    empty.verify()
