"""Quarters, half-years and years over HTTP, and the value that stands beside another."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from integration.aggregation.keeping import Aggregation, a_figure, a_submission
from integration.aggregation.kinds import (
    GROWTH,
    OUTPUT,
    PEAK,
    PUBLISHED,
    REACHED,
    SHARE,
    STAFF,
    WAGE,
    a_catalogue_of_kinds,
    indicators,
)
from integration.aggregation.serving import Client, an_api
from support.catalogue import (
    ADVANTAGE,
    CITY,
    CLUSTERS,
    DEPARTMENT,
    DIGITAL,
    ENERGY,
    FIRMS,
    MACHINERY,
    PEI,
    PIZHOU,
    SCALE,
    XINYI,
    ZONE,
    a_catalogue,
    default_organisations,
)

CITY_WIDE = {"org": "_T", "cluster": "_T", "tier": "_T"}
ALL = (PEI, XINYI, PIZHOU, ZONE)


@pytest.fixture
def aggregation(empty: Aggregation) -> Aggregation:
    empty.put(a_catalogue_of_kinds())
    return empty


@pytest.fixture
def client(aggregation: Aggregation) -> Iterator[Client]:
    with an_api(aggregation.url, clock=aggregation.clock) as running:
        yield running


def report(
    aggregation: Aggregation, org: str, indicator: str, values: dict[str, str], cluster: str = MACHINERY
) -> None:
    """A submission of one figure a period."""
    figures = [a_figure(value, indicator=indicator, period=p, cluster=cluster) for p, value in values.items()]
    aggregation.apply(a_submission(*figures, org=org))


def coverage(item: dict[str, Any]) -> tuple[int, int]:
    return item["coverage"]["reported"], item["coverage"]["expected"]


def test_a_flow_is_summed_over_the_months_that_have_come_out_of_all_that_will(
    aggregation: Aggregation, client: Client
) -> None:
    report(aggregation, PEI, OUTPUT, {"2026-01-01/P2M": "10.5", "2026-03": "2"})
    quarter = client.rollup(indicator=OUTPUT, period="2026-Q1", org=PEI, cluster=MACHINERY)
    assert (quarter["value"], quarter["through"], quarter["period"], quarter["unit"]) == (
        "12.5",
        "2026-03",
        "2026-Q1",
        "亿元",
    )
    assert coverage(quarter) == (2, 2)
    year = client.rollup(indicator=OUTPUT, period="2026", **CITY_WIDE)
    # Eleven reports of four organisations for three clusters, most of which have not opened.
    assert (year["value"], coverage(year)) == ("12.5", (2, 11 * 12))
    assert client.rollup(indicator=OUTPUT, period="2026-S1", org=PEI, cluster=MACHINERY)["value"] == "12.5"


def test_a_year_to_date_flow_and_a_stock_take_the_last(aggregation: Aggregation, client: Client) -> None:
    report(aggregation, PEI, SCALE, {"2026-02": "5", "2026-03": "9"})
    report(aggregation, PEI, STAFF, {"2026-01": "50", "2026-02": "40"})
    assert client.rollup(indicator=SCALE, period="2026-Q1", org=PEI, cluster=MACHINERY)["value"] == "9"
    staff = client.rollup(indicator=STAFF, period="2026-Q1", org=PEI, cluster=MACHINERY)
    # The value is February's, the coverage that of the end of March.
    assert (staff["value"], staff["through"], coverage(staff)) == ("40", "2026-02", (0, 1))
    assert staff["coverage"]["missing"] == [MACHINERY]


def test_the_version_of_a_stretch_rises_with_every_change_of_a_part(aggregation: Aggregation, client: Client) -> None:
    versions: list[int] = []
    for period in ("2026-03", "2026-01-01/P2M", "2026-03"):
        report(aggregation, PEI, OUTPUT, {period: "1"} if period != "2026-03" else {period: str(len(versions))})
        versions.append(client.rollup(indicator=OUTPUT, period="2026-Q1", **CITY_WIDE)["version"])
    assert versions == sorted(set(versions))


def test_a_derived_stretch_is_computed_from_its_inputs_stretches(aggregation: Aggregation, client: Client) -> None:
    report(aggregation, PEI, OUTPUT, {"2026-01-01/P2M": "30", "2026-03": "10"})
    report(aggregation, PEI, "sales", {"2026-01-01/P2M": "60", "2026-03": "40"})
    own = {"org": PEI, "cluster": MACHINERY}
    assert client.rollup(indicator=SHARE, period="2026-03", **own)["value"] == "25"
    quarter = client.rollup(indicator=SHARE, period="2026-Q1", **own)
    # Neither the sum of 50 % and 25 % nor their mean.
    assert (quarter["value"], quarter["unit"], quarter["through"], coverage(quarter)) == ("40", "%", "2026-03", (4, 4))


def test_growth_over_a_year_holds_a_quarter_against_the_quarter(aggregation: Aggregation, client: Client) -> None:
    for org in ALL:
        for cluster in CLUSTERS:
            report(aggregation, org, STAFF, {"2025-03": "100", "2026-03": "110"}, cluster)
    quarter = client.rollup(indicator=GROWTH, period="2026-Q1", **CITY_WIDE)
    assert (quarter["value"], coverage(quarter)) == ("10", (24, 24))
    # Neither is anything of the second quarter there, though what it would grow on is.
    assert client.rollups(indicator=GROWTH, period="2026-Q3") == []


def test_stretches_and_reported_periods_are_one_list_in_one_order(aggregation: Aggregation, client: Client) -> None:
    report(aggregation, PEI, OUTPUT, {"2026-03": "1"})
    firms = a_figure("7", indicator=FIRMS, cluster="_T", period="2026")
    aggregation.apply(a_submission(firms, org=CITY, reported_by=DEPARTMENT))
    whole = client.rollups(period="2026", limit="1000")
    assert {item["indicator"] for item in whole if item["through"] is None and item["value"] is not None} == {FIRMS}
    paged: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = client.get("/v1/rollups", period="2026", limit="9", **cursor).json()
        paged += page["items"]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert paged == whole
    scopes = {(i["indicator"], i["org"], i["cluster"], i["tier"]) for i in whole}
    assert len(scopes) == len(whole)
    by_filter = client.rollups(period="2026", tier=ADVANTAGE, limit="1000")
    assert by_filter == [item for item in whole if item["tier"] == ADVANTAGE]
    assert client.rollups(period="2026", indicator=OUTPUT, org=PEI, cluster="_T") == [
        i for i in whole if (i["indicator"], i["org"], i["cluster"]) == (OUTPUT, PEI, "_T")
    ]


def test_what_has_not_opened_has_no_item(client: Client) -> None:
    assert client.rollups(period="2027-Q1") == []
    assert client.rollups(period="2026-Q1", indicator=FIRMS) == []


def test_a_departments_figure_stands_beside_the_counties_sum_with_the_difference(
    aggregation: Aggregation, client: Client
) -> None:
    for org, value in zip(ALL, ("1", "2", "3", "4"), strict=True):
        report(aggregation, org, PUBLISHED, {"2026-03": value})
    report(aggregation, CITY, PUBLISHED, {"2026-03": "10.5"})
    item = client.rollup(indicator=PUBLISHED, period="2026-03", org="_T", cluster=MACHINERY)
    assert (item["value"], item["coverage"]["expected"]) == ("10", 4)
    assert item["beside"] == {
        "org": CITY,
        "source": "reported",
        "value": "10.5",
        "status": "A",
        "coverage": {"reported": 1, "expected": 1, "missing": []},
        "difference": "0.5",
    }
    whole = client.rollup(indicator=PUBLISHED, period="2026-03", **CITY_WIDE)["beside"]
    assert (whole["value"], whole["coverage"]) == (
        "10.5",
        {"reported": 1, "expected": 3, "missing": [DIGITAL, ENERGY]},
    )
    quarter = client.rollup(indicator=PUBLISHED, period="2026-Q1", org="_T", cluster=MACHINERY)
    assert (quarter["value"], quarter["beside"]["value"], quarter["beside"]["difference"]) == ("10", "10.5", "0.5")
    own = client.rollup(indicator=PUBLISHED, period="2026-03", org=CITY, cluster=MACHINERY)
    assert (own["value"], own["beside"]) == ("10.5", None)


def test_the_counties_sum_stands_beside_a_departments_figure_that_stands(empty: Aggregation) -> None:
    inside = [o | ({"within": [PEI]} if o["id"] == ZONE else {}) for o in default_organisations()]
    of_zone = [i | ({"zones": "inside"} if i["id"] == PUBLISHED else {}) for i in indicators(stands="department")]
    empty.put(a_catalogue(indicators=of_zone, organisations=inside))
    for org, value in ((PEI, "1"), (XINYI, "2"), (ZONE, "0.5")):
        report(empty, org, PUBLISHED, {"2026-03": value})
    report(empty, CITY, PUBLISHED, {"2026-03": "10.5"})
    with an_api(empty.url) as client:
        item = client.rollup(indicator=PUBLISHED, period="2026-03", org="_T", cluster=MACHINERY)
        # The zone lies in a district whose figure holds its own.
        assert (item["value"], item["coverage"]) == ("10.5", {"reported": 1, "expected": 1, "missing": []})
        assert item["beside"] == {
            "org": "_T",
            "source": "reported",
            "value": "3",
            "status": "A",
            "coverage": {"reported": 2, "expected": 3, "missing": [PIZHOU]},
            "difference": "7.5",
        }


def test_without_both_values_there_is_no_difference(aggregation: Aggregation, client: Client) -> None:
    report(aggregation, PEI, PUBLISHED, {"2026-03": "1"})
    beside = client.rollup(indicator=PUBLISHED, period="2026-03", org="_T", cluster=MACHINERY)["beside"]
    assert (beside["value"], beside["difference"], beside["coverage"]["missing"]) == (None, None, [MACHINERY])
    report(aggregation, CITY, PUBLISHED, {"2026-02": "4"})
    quarter = client.rollup(indicator=PUBLISHED, period="2026-Q1", org="_T", cluster=MACHINERY)
    # Of different months, the difference would say nothing.
    assert (quarter["through"], quarter["beside"]["value"], quarter["beside"]["difference"]) == ("2026-03", "4", None)


def test_a_reported_growth_stands_until_the_computed_one_is_complete(aggregation: Aggregation, client: Client) -> None:
    growth = a_figure("9.8", indicator=GROWTH, cluster="_T", period="2026-03")
    aggregation.apply(a_submission(growth, org=CITY, reported_by=DEPARTMENT))
    item = client.rollup(indicator=GROWTH, period="2026-03", **CITY_WIDE)
    assert (item["value"], item["beside"]["source"], item["beside"]["value"]) == ("9.8", "computed", None)
    for org in ALL:
        for cluster in CLUSTERS:
            report(aggregation, org, STAFF, {"2025-03": "100", "2026-03": "110"}, cluster)
    item = client.rollup(indicator=GROWTH, period="2026-03", **CITY_WIDE)
    assert (item["value"], coverage(item)) == ("10", (24, 24))
    assert (item["beside"]["source"], item["beside"]["value"], item["beside"]["difference"]) == (
        "reported",
        "9.8",
        "-0.2",
    )


def test_maximum_weighted_mean_and_count_are_answered(aggregation: Aggregation, client: Client) -> None:
    for org, peak, wage, staff in ((PEI, "7", "1", "150"), (XINYI, "12", "3", "50")):
        report(aggregation, org, PEAK, {"2026-03": peak})
        report(aggregation, org, WAGE, {"2026-03": wage})
        report(aggregation, org, STAFF, {"2026-03": staff})
    march = {"period": "2026-03", "org": "_T"}
    assert client.rollup(indicator=PEAK, cluster=MACHINERY, **march)["value"] == "12"
    assert client.rollup(indicator=WAGE, cluster=MACHINERY, **march)["value"] == "1.5"
    assert client.rollup(indicator=PEAK, cluster=MACHINERY, org="_T", period="2026-Q1")["value"] == "12"
    reached = client.rollup(indicator=REACHED, period="2026-03", **CITY_WIDE)
    # Two of the three clusters are not completely known.
    assert (reached["value"], reached["coverage"]["reported"], reached["coverage"]["expected"]) == ("0", 0, 3)


def test_a_week_is_no_part_of_a_month(client: Client) -> None:
    assert client.rollups(period="2026-W12") == []
    assert client.get("/v1/rollups", period="2026-01-01/P5M").json()["items"] == []


def test_a_stretch_at_a_moment_is_the_stretch_of_that_moment(aggregation: Aggregation, client: Client) -> None:
    report(aggregation, PEI, OUTPUT, {"2026-03": "1"})
    aggregation.clock.move_to(datetime(2026, 4, 16, tzinfo=UTC))
    before = client.get("/v1/rollups", indicator=OUTPUT, period="2026-Q1", **CITY_WIDE)
    report(aggregation, PEI, OUTPUT, {"2026-03": "2", "2026-01-01/P2M": "5"})
    again = client.get("/v1/rollups", indicator=OUTPUT, period="2026-Q1", as_of=before.json()["as_of"], **CITY_WIDE)
    assert again.content == before.content
    assert client.rollup(indicator=OUTPUT, period="2026-Q1", **CITY_WIDE)["value"] == "7"
