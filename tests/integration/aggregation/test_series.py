"""Series over HTTP: values, single periods, growths, and the reason where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from integration.aggregation.keeping import Aggregation, a_figure, a_submission
from integration.aggregation.kinds import OUTPUT, SHARE, STAFF, a_catalogue_of_kinds
from integration.aggregation.serving import Client, an_api
from support.catalogue import ADVANTAGE, FIRMS, MACHINERY, PEI, SCALE, a_catalogue, a_city_indicator, an_indicator

OWN = {"org": PEI, "cluster": MACHINERY}


@pytest.fixture
def aggregation(empty: Aggregation) -> Aggregation:
    empty.put(a_catalogue_of_kinds())
    return empty


@pytest.fixture
def client(aggregation: Aggregation) -> Iterator[Client]:
    with an_api(aggregation.url, clock=aggregation.clock) as running:
        yield running


def report(aggregation: Aggregation, indicator: str, values: dict[str, str]) -> None:
    figures = [a_figure(value, indicator=indicator, period=period) for period, value in values.items()]
    aggregation.apply(a_submission(*figures))


def series(client: Client, **query: str) -> dict[str, Any]:
    answer = client.get("/v1/series", **query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def points(client: Client, **query: str) -> dict[str, str | None]:
    """Value, or reason, by period."""
    return {point["period"]: point["value"] or point["reason"] for point in series(client, **query)["items"]}


def test_every_expected_period_up_to_now_is_a_point_with_its_reason(aggregation: Aggregation, client: Client) -> None:
    report(aggregation, SCALE, {"2026-02": "8", "2026-03": "10"})
    answer = series(client, indicator=SCALE, **{"from": "2026-01"}, **OWN)
    assert [(p["period"], p["value"], p["reason"]) for p in answer["items"]] == [
        ("2026-01", None, "not_reported"),
        ("2026-02", "8", None),
        ("2026-03", "10", None),
        ("2026-04", None, "not_reported"),
    ]
    assert answer["items"][0]["coverage"] == {"reported": 0, "expected": 1, "missing": [MACHINERY]}
    assert {k: v for k, v in answer.items() if k not in {"items", "as_of"}} == {
        "indicator": SCALE,
        "org": PEI,
        "cluster": MACHINERY,
        "tier": "_T",
        "measure": "value",
        "frequency": "M",
        "unit": "亿元",
        "next": None,
    }


def test_without_bounds_a_series_runs_from_the_first_period_to_this_one(client: Client) -> None:
    items = series(client, indicator=SCALE)["items"]
    assert (items[0]["period"], items[-1]["period"], len(items)) == ("2025-01", "2026-04", 16)
    ahead = series(client, indicator=SCALE, **{"from": "2026-04", "to": "2026-Q2"})["items"]
    assert [(p["period"], p["reason"]) for p in ahead] == [
        ("2026-04", "not_reported"),
        ("2026-05", "not_open"),
        ("2026-06", "not_open"),
    ]
    assert (ahead[1]["coverage"], ahead[1]["recorded_at"]) == ({"reported": 0, "expected": 12, "missing": []}, None)


def test_single_months_of_a_year_to_date_series_are_differences(aggregation: Aggregation, client: Client) -> None:
    report(aggregation, SCALE, {"2026-01": "3", "2026-02": "5", "2026-03": "9.5"})
    single = {"measure": "single_period", "from": "2026-01"}
    assert points(client, indicator=SCALE, **single, **OWN) == {
        "2026-01": "3",
        "2026-02": "2",
        "2026-03": "4.5",
        "2026-04": "not_reported",
    }


def test_january_and_february_together_are_one_point(empty: Aggregation) -> None:
    empty.put(a_catalogue(indicators=[an_indicator(january_february="together"), a_city_indicator()]))
    report(empty, SCALE, {"2026-02": "5", "2026-03": "9"})
    with an_api(empty.url, clock=empty.clock) as client:
        items = series(client, indicator=SCALE, measure="single_period", to="2026-03", **OWN)["items"]
    assert [(p["period"], p["covers"], p["value"]) for p in items] == [
        ("2026-02", "2026-01-01/P2M", "5"),
        ("2026-03", "2026-03", "4"),
    ]


def test_growths_are_fractions_and_say_why_they_are_none(aggregation: Aggregation, client: Client) -> None:
    report(aggregation, SCALE, {"2025-02": "4", "2025-03": "0", "2026-01": "2", "2026-02": "5", "2026-03": "9"})
    bounds = {"from": "2026-01", "to": "2026-03"}
    answer = series(client, indicator=SCALE, measure="yoy", **bounds, **OWN)
    assert answer["unit"] == "1"
    assert [(p["value"], p["reason"]) for p in answer["items"]] == [
        (None, "no_earlier_value"),
        ("0.25", None),
        (None, "base_not_positive"),
    ]
    # 环比 of a year-to-date series is that of single months: 2, 3 and 4.
    assert points(client, indicator=SCALE, measure="mom", **bounds, **OWN) == {
        "2026-01": "no_earlier_value",
        "2026-02": "0.5",
        "2026-03": "0.333333",
    }


def test_totals_of_different_reporters_are_not_compared(aggregation: Aggregation, client: Client) -> None:
    report(aggregation, STAFF, {"2026-02": "4", "2026-03": "5"})
    aggregation.apply(a_submission(a_figure("1", indicator=STAFF), org="320381"))
    query = {"indicator": STAFF, "cluster": MACHINERY, "measure": "mom", "from": "2026-03", "to": "2026-03"}
    assert points(client, **query) == {"2026-03": "different_reporters"}


def test_a_series_by_quarters_is_made_of_months(aggregation: Aggregation, client: Client) -> None:
    report(aggregation, OUTPUT, {"2025-01-01/P2M": "3", "2025-03": "1", "2026-01-01/P2M": "4", "2026-03": "1"})
    quarters = {"indicator": OUTPUT, "frequency": "Q", "from": "2025-Q1", "to": "2026-Q2"} | OWN
    answer = series(client, **quarters)
    assert [(p["period"], p["value"], p["through"]) for p in answer["items"] if p["value"]] == [
        ("2025-Q1", "4", "2025-03"),
        ("2026-Q1", "5", "2026-03"),
    ]
    assert [p["period"] for p in answer["items"]] == [f"2025-Q{n}" for n in (1, 2, 3, 4)] + ["2026-Q1", "2026-Q2"]
    assert points(client, measure="yoy", **quarters)["2026-Q1"] == "0.25"
    assert points(client, **quarters | {"frequency": "A"})["2025"] == "4"
    assert answer["frequency"] == "Q"


def test_a_derived_series_is_what_was_computed(aggregation: Aggregation, client: Client) -> None:
    report(aggregation, OUTPUT, {"2026-03": "1"})
    report(aggregation, "sales", {"2026-03": "4"})
    bounds = {"from": "2026-03", "to": "2026-03"}
    assert points(client, indicator=SHARE, **bounds, **OWN) == {"2026-03": "25"}
    assert points(client, indicator=SHARE, frequency="Q", **OWN)["2026-Q1"] == "25"


@pytest.mark.parametrize(
    ("query", "pointer", "code"),
    [
        ({"indicator": "none"}, "query:indicator", "unknown_indicator"),
        ({"indicator": SCALE, "org": "320999"}, "query:org", "unknown_org"),
        ({"indicator": SCALE, "from": "March"}, "query:from", "invalid_period"),
        ({"indicator": SCALE, "from": "2026-03", "to": "2026-01"}, "query:to", "ends_before_it_begins"),
        ({"indicator": SCALE, "to": "2100"}, "query:from", "too_many_points"),
        ({"indicator": SHARE, "measure": "yoy"}, "query:measure", "no_such_measure"),
        ({"indicator": FIRMS, "frequency": "Q"}, "query:frequency", "no_such_frequency"),
        ({"indicator": SCALE, "period": "2026-03"}, "query:period", "unknown_parameter"),
    ],
)
def test_a_question_that_has_no_sense_says_where_and_how_to_mend_it(
    client: Client, query: dict[str, str], pointer: str, code: str
) -> None:
    answer = client.get("/v1/series", **query)
    assert answer.status_code == 422
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [(pointer, code)]


def test_a_measure_that_is_none_is_refused_by_the_schema(client: Client) -> None:
    assert client.get("/v1/series", indicator=SCALE, measure="speed").status_code == 422
    assert client.get("/v1/series").status_code == 422


@pytest.mark.parametrize(
    "scope", [{"org": PEI, "tier": ADVANTAGE}, {"org": "gxj"}, {"cluster": MACHINERY, "tier": ADVANTAGE}]
)
def test_a_scope_without_values_is_not_found(client: Client, scope: dict[str, str]) -> None:
    answer = client.get("/v1/series", indicator=SCALE, **scope)
    assert answer.status_code == 404
    assert "_T/_T/_T" in answer.json()["detail"]


def test_what_the_catalogue_of_the_moment_does_not_have_is_not_found(aggregation: Aggregation, client: Client) -> None:
    aggregation.put(a_catalogue(indicators=[a_city_indicator()]))
    assert client.get("/v1/series", indicator=SCALE).status_code == 404
    assert client.get("/v1/series", indicator=SCALE, as_of="aggregation:1").status_code == 200


def test_a_series_up_to_now_changes_with_the_day(aggregation: Aggregation, client: Client) -> None:
    open_ended, bounded = {"indicator": SCALE}, {"indicator": SCALE, "to": "2026-03"}
    tags = [client.get("/v1/series", **query).headers["etag"] for query in (open_ended, bounded)]
    aggregation.clock.move_to(aggregation.clock.now().replace(day=16))
    statuses = [
        client.get("/v1/series", tag=t, **q).status_code for t, q in zip(tags, (open_ended, bounded), strict=True)
    ]
    assert statuses == [200, 304]
