"""A roll-up's history over HTTP: every version, and whether news, a correction, time or the catalogue made it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from integration.aggregation.keeping import MARCH, TODAY, Aggregation, a_figure, a_submission, a_withdrawal
from integration.aggregation.serving import Client, an_api
from support.catalogue import (
    CITY,
    DEPARTMENT,
    FIRMS,
    MACHINERY,
    PEI,
    SCALE,
    XINYI,
    a_catalogue,
    a_city_indicator,
    a_target,
    an_indicator,
)

HISTORY = "/v1/rollups/history"
CITY_WIDE = {"indicator": SCALE, "period": MARCH}


@pytest.fixture
def client(aggregation: Aggregation) -> Iterator[Client]:
    with an_api(aggregation.url, clock=aggregation.clock) as running:
        yield running


def versions(client: Client, **query: str) -> list[dict[str, Any]]:
    answer = client.get(HISTORY, **query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


def test_a_history_tells_news_from_corrections_from_time_from_the_catalogue(
    aggregation: Aggregation, client: Client
) -> None:
    aggregation.apply(a_submission(a_figure("10")))
    aggregation.apply(a_submission(a_figure("11")))
    aggregation.apply(a_submission(a_figure("5"), org=XINYI))
    aggregation.clock.move_to(TODAY + timedelta(days=30))
    aggregation.ticker.tick()
    # A county less is expected.
    aggregation.put(a_catalogue(indicators=[an_indicator(reporting={"about": [PEI, XINYI]}), a_city_indicator()]))
    aggregation.apply(a_submission(a_withdrawal(), catalogue_version=2))
    told = versions(client, **CITY_WIDE)
    assert [(v["cause"], v["value"], v["coverage"]["reported"], v["coverage"]["expected"]) for v in told] == [
        ("catalogue", None, 0, 12),
        ("new_data", "10", 1, 12),
        ("revision", "11", 1, 12),
        ("new_data", "16", 2, 12),
        ("catalogue", "16", 2, 6),
        ("revision", "5", 1, 6),
    ]
    assert [v["version"] for v in told] == [1, 2, 3, 4, 5, 6]
    assert [v["catalogue_version"] for v in told] == [1, 1, 1, 1, 2, 2]
    assert all(v["live"] for v in told)
    # April ended and became due on the way.
    assert [v["cause"] for v in versions(client, indicator=SCALE, period="2026-04")] == [
        "catalogue",
        "time",
        "catalogue",
    ]


def test_every_version_names_the_moment_at_which_it_was_shown(aggregation: Aggregation, client: Client) -> None:
    for value in ("10", "11", "12"):
        aggregation.apply(a_submission(a_figure(value)))
    for version in versions(client, **CITY_WIDE):
        item = client.rollup(as_of=version["as_of"], org="_T", cluster="_T", tier="_T", **CITY_WIDE)
        assert (item["version"], item["value"], item["recorded_at"]) == (
            version["version"],
            version["value"],
            version["recorded_at"],
        )


def test_a_scope_that_repeats_a_figure_has_the_figures_history(aggregation: Aggregation, client: Client) -> None:
    late = a_submission(a_figure("0.5"))
    first, second = a_submission(a_figure("1")), a_submission(a_figure("2"))
    same_batch = (a_submission(a_figure("3")), a_submission(a_figure(None)))
    aggregation.apply(first)
    aggregation.apply(late)
    aggregation.apply(second)
    aggregation.apply(*same_batch)
    aggregation.apply(a_submission(a_figure("4")))
    told = versions(client, org=PEI, cluster=MACHINERY, **CITY_WIDE)
    assert [(v["version"], v["value"], v["status"], v["cause"]) for v in told][:3] == [
        (first.sequence, "1", "A", "new_data"),
        (second.sequence, "2", "A", "revision"),
        (same_batch[1].sequence, None, "O", "revision"),
    ]
    # Nothing was there to be corrected.
    assert (told[3]["value"], told[3]["cause"], told[3]["coverage"]) == (
        "4",
        "new_data",
        {"reported": 1, "expected": 1},
    )
    assert len(told) == 4


def test_the_history_goes_on_when_a_target_gives_the_scope_a_row_and_takes_it_away(
    aggregation: Aggregation, client: Client
) -> None:
    def firms(value: str) -> None:
        figure = a_figure(value, indicator=FIRMS, cluster="_T", period="2025")
        aggregation.apply(a_submission(figure, org=CITY, reported_by=DEPARTMENT))

    firms("1")
    aggregation.put(a_catalogue(targets=[a_target(indicator=FIRMS, unit="家")]))
    firms("2")
    aggregation.put(a_catalogue())
    firms("3")
    told = versions(client, indicator=FIRMS, period="2025")
    assert [(v["value"], v["cause"], v["live"]) for v in told] == [
        ("1", "new_data", True),
        ("1", "catalogue", True),
        ("2", "revision", True),
        (None, "catalogue", False),
        ("3", "revision", True),
    ]


def test_a_history_is_paged_and_as_it_was(aggregation: Aggregation, client: Client) -> None:
    for value in range(5):
        aggregation.apply(a_submission(a_figure(str(value))))
    whole = versions(client, **CITY_WIDE)
    page = client.get(HISTORY, limit="4", **CITY_WIDE).json()
    rest = client.get(HISTORY, limit="4", cursor=page["next"], as_of=page["as_of"], **CITY_WIDE).json()
    assert (page["items"] + rest["items"], rest["next"]) == (whole, None)
    then = whole[2]["as_of"]
    assert versions(client, as_of=then, **CITY_WIDE) == whole[:3]
    own = {"org": PEI, "cluster": MACHINERY, **CITY_WIDE}
    assert versions(client, as_of=then, **own) == versions(client, **own)[:2]


def test_what_has_no_history_says_why(client: Client) -> None:
    stretch = client.get(HISTORY, indicator=SCALE, period="2026-Q1")
    assert stretch.status_code == 422
    assert stretch.json()["errors"][0]["code"] == "made_of_finer_periods"
    assert client.get(HISTORY, indicator=SCALE, period=MARCH, org=PEI, tier="advantage").status_code == 404
    assert client.get(HISTORY, indicator=SCALE, period="2026").status_code == 422
    assert client.get(HISTORY, indicator=SCALE, period="2026-W12").status_code == 404
    assert versions(client, indicator=SCALE, period="2027-01") == []
    assert versions(client, indicator=SCALE, period=MARCH, org=PEI, cluster=MACHINERY) == []
