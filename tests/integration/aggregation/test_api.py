from collections.abc import Iterator

import pytest
from integration.aggregation.keeping import Aggregation, a_figure, a_submission, a_withdrawal
from integration.aggregation.serving import Client, an_api, grant, serving
from support.catalogue import (
    ADVANTAGE,
    CITY,
    DEPARTMENT,
    DIGITAL,
    EMERGING,
    ENERGY,
    FIRMS,
    MACHINERY,
    PEI,
    PIZHOU,
    SCALE,
    XINYI,
    ZONE,
    a_catalogue,
    a_city_indicator,
    a_target,
    an_indicator,
)
from support.waiting import eventually

from fourones_aggregation import bootstrap
from fourones_aggregation.asof import read_as_of
from fourones_shared.events.model import Role, Status
from fourones_shared.settings import ServiceSettings


@pytest.fixture
def client(aggregation: Aggregation) -> Iterator[Client]:
    with an_api(aggregation.url) as running:
        yield running


def test_the_city_a_cluster_a_tier_and_an_organisation(aggregation: Aggregation, client: Client) -> None:
    aggregation.apply(a_submission(a_figure("12.50")), a_submission(a_figure("0.1", cluster=ENERGY), org=XINYI))
    march = {"indicator": SCALE, "period": "2026-03"}
    city = client.rollup(**march, org="_T", cluster="_T", tier="_T")
    assert city["value"] == "12.6"
    assert city["unit"] == "亿元"
    assert city["status"] == "A"
    assert city["coverage"] == {"reported": 2, "expected": 12, "missing": [PEI, XINYI, PIZHOU, ZONE]}
    assert city["version"] == 2
    assert client.rollup(**march, org="_T", cluster=MACHINERY)["coverage"]["missing"] == [XINYI, PIZHOU, ZONE]
    assert client.rollup(**march, tier=ADVANTAGE)["value"] == "12.6"
    assert client.rollup(**march, org=PEI, cluster="_T")["coverage"] == {
        "reported": 1,
        "expected": 3,
        "missing": [DIGITAL, ENERGY],
    }


def test_an_absent_filter_means_all_and_a_tier_is_on_tier_rows_only(aggregation: Aggregation, client: Client) -> None:
    items = client.rollups(indicator=SCALE, period="2026-03")
    scopes = {(item["org"], item["cluster"], item["tier"]) for item in items}
    # 12 figures, 4 organisations, 3 clusters, 2 tiers, the city.
    assert len(items) == len(scopes) == 22
    assert {item["tier"] for item in items if item["org"] != "_T" or item["cluster"] != "_T"} == {"_T"}
    assert {item["tier"] for item in items} == {"_T", ADVANTAGE, EMERGING}


def test_who_is_silent_is_answered_with_null_and_coverage(client: Client) -> None:
    item = client.rollup(indicator=SCALE, org=PEI, cluster=MACHINERY, period="2026-03")
    assert (item["value"], item["status"], item["version"]) == (None, None, 0)
    assert item["coverage"] == {"reported": 0, "expected": 1, "missing": [MACHINERY]}
    city = client.rollup(indicator=FIRMS, org="_T", period="2025")
    assert city["coverage"] == {"reported": 0, "expected": 1, "missing": [CITY]}


def test_a_departments_figure_is_the_citys_value_too(aggregation: Aggregation, client: Client) -> None:
    submitted = a_submission(
        a_figure("31", indicator=FIRMS, cluster="_T", period="2025"), org=CITY, reported_by=DEPARTMENT
    )
    aggregation.apply(submitted)
    own = client.rollup(indicator=FIRMS, org=CITY, period="2025")
    city = client.rollup(indicator=FIRMS, org="_T", period="2025")
    assert own | {"org": "_T"} == city
    assert (city["value"], city["unit"], city["version"]) == ("31", "家", submitted.sequence)


def test_a_kept_row_answers_where_a_target_names_it(aggregation: Aggregation, client: Client) -> None:
    aggregation.put(a_catalogue(targets=[a_target(indicator=FIRMS, unit="家")]))
    assert client.rollup(indicator=FIRMS, org="_T", period="2025")["version"] == 1
    assert client.rollup(indicator=FIRMS, org=CITY, period="2025")["version"] == 0


@pytest.mark.parametrize(
    ("figure", "status", "coverage"),
    [
        (a_figure(None), "O", {"reported": 0, "expected": 1, "missing": [MACHINERY]}),
        (a_figure(None, status=Status.NOT_APPLICABLE), "M", {"reported": 0, "expected": 0, "missing": []}),
        (a_figure("0", status=Status.FORECAST), "F", {"reported": 1, "expected": 1, "missing": []}),
        (a_withdrawal(), None, {"reported": 0, "expected": 1, "missing": [MACHINERY]}),
    ],
)
def test_the_states_of_a_single_figure(
    aggregation: Aggregation, client: Client, figure: object, status: str | None, coverage: dict[str, object]
) -> None:
    aggregation.put(a_catalogue(indicators=[an_indicator(reporting={"may_not_apply": [PEI]}), a_city_indicator()]))
    aggregation.apply(a_submission(figure))  # type: ignore[arg-type]
    item = client.rollup(indicator=SCALE, org=PEI, cluster=MACHINERY, period="2026-03")
    assert (item["status"], item["coverage"]) == (status, coverage)


def test_a_period_in_any_spelling(client: Client) -> None:
    for spelling in ("2026-03", "2026-M03", "2026-03-01/P1M"):
        assert client.rollup(indicator=SCALE, org=PEI, cluster="_T", period=spelling)["period"] == "2026-03"


def test_pages_hold_every_item_once_in_one_order(aggregation: Aggregation, client: Client) -> None:
    whole = client.rollups(limit="1000")
    paged: list[dict[str, object]] = []
    cursor: dict[str, str] = {}
    while True:
        page = client.get("/v1/rollups", limit="7", **cursor).json()
        paged += page["items"]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert paged == whole
    # 22 a month for four months, and two years with the department's figure and the city's.
    assert len(whole) == 4 * 22 + 2 * 2


def test_every_fault_of_a_question_is_told_at_once(client: Client) -> None:
    answer = client.get("/v1/rollups", indicator="scale", org="320999", cluster="_T", tier="gold", period="March")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    errors = {(e["pointer"], e["code"]) for e in answer.json()["errors"]}
    assert errors == {
        ("query:indicator", "unknown_indicator"),
        ("query:org", "unknown_org"),
        ("query:tier", "unknown_tier"),
        ("query:period", "invalid_period"),
    }


@pytest.mark.parametrize("query", [{"asof": "2026-01-01T00:00:00Z"}, {"indicators": SCALE}])
def test_a_parameter_that_nobody_would_heed_is_refused(client: Client, query: dict[str, str]) -> None:
    answer = client.get("/v1/rollups", **query)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "unknown_parameter"


def test_a_bad_cursor_and_a_bad_limit_are_refused(client: Client) -> None:
    for query in ({"cursor": "nonsense"}, {"cursor": "WyJhIiwxLDEsMSwxXQ"}, {"limit": "0"}, {"limit": "1001"}):
        assert client.get("/v1/rollups", **query).status_code == 422


def test_codes_of_the_past_can_be_asked_for(aggregation: Aggregation, client: Client) -> None:
    aggregation.put(a_catalogue(indicators=[a_city_indicator()]))
    assert client.rollups(indicator=SCALE) == []


def test_an_answer_is_tagged_with_its_snapshot(aggregation: Aggregation, client: Client) -> None:
    query = {"indicator": SCALE, "period": "2026-03"}
    first = client.get("/v1/rollups", **query)
    tag = first.headers["etag"]
    again = client.get("/v1/rollups", tag=tag, **query)
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/v1/rollups", tag=tag, indicator=SCALE).status_code == 200
    aggregation.apply(a_submission(a_figure("1")))
    changed = client.get("/v1/rollups", tag=tag, **query)
    assert changed.status_code == 200
    before, after = (read_as_of(answer.json()["as_of"]).snapshot for answer in (first, changed))
    assert (before, after) == (1, 2)


def test_without_a_valid_key_nothing_is_told(aggregation: Aggregation, client: Client) -> None:
    stranger = Client(client.address, "fo_nobody_nothing")
    assert stranger.get("/v1/rollups").status_code == 401
    stranger.close()


def test_a_figures_history_tells_every_value(aggregation: Aggregation, client: Client) -> None:
    submissions = [
        a_submission(a_figure("1.10", note="first")),
        a_submission(a_figure("2")),
        a_submission(a_withdrawal()),
        a_submission(a_figure(None)),
    ]
    aggregation.apply(submissions[1])
    aggregation.apply(submissions[3], submissions[0])
    aggregation.apply(submissions[2])
    query = {"indicator": SCALE, "org": PEI, "cluster": MACHINERY, "period": "2026-M03"}
    answer = client.get("/v1/figures/history", **query).json()
    assert [item["sequence"] for item in answer["items"]] == [s.sequence for s in submissions]
    assert [item["value"] for item in answer["items"]] == ["1.1", "2", None, None]
    assert [item["withdrawn"] for item in answer["items"]] == [False, False, True, False]
    assert [item["status"] for item in answer["items"]] == ["A", "A", "A", "O"]
    assert [item["submission_id"] for item in answer["items"]] == [s.submission_id for s in submissions]
    assert (answer["excluded"], answer["items"][0]["note"], answer["items"][0]["reported_by"]) == (False, "first", PEI)
    page = client.get("/v1/figures/history", limit="3", **query).json()
    rest = client.get("/v1/figures/history", limit="3", cursor=page["next"], **query).json()
    assert page["items"] + rest["items"] == answer["items"]
    assert client.get("/v1/figures/history", **query | {"period": "2026-04"}).json()["items"] == []


def test_an_excluded_figure_says_so_in_its_history(aggregation: Aggregation, client: Client) -> None:
    aggregation.apply(a_submission(a_figure("1", indicator="gone")))
    query = {"indicator": "gone", "org": PEI, "cluster": MACHINERY, "period": "2026-03"}
    assert client.get("/v1/figures/history", **query).json()["excluded"] is True


def test_the_history_of_others_is_not_for_reporters(aggregation: Aggregation) -> None:
    query = {"indicator": SCALE, "cluster": MACHINERY, "period": "2026-03"}
    with an_api(aggregation.url, Role.REPORTER, PEI) as county:
        assert county.get("/v1/figures/history", org=PEI, **query).status_code == 200
        assert county.get("/v1/figures/history", org=XINYI, **query).status_code == 403
        assert county.get("/v1/rollups", org=XINYI).status_code == 200
    with an_api(aggregation.url, Role.DEPARTMENT, DEPARTMENT) as department:
        of_the_city = {"indicator": FIRMS, "org": CITY, "period": "2025"}
        assert department.get("/v1/figures/history", **of_the_city).status_code == 200
        assert department.get("/v1/figures/history", org=XINYI, **query).status_code == 403


def test_a_key_that_asks_without_end_is_held_to_its_rate(aggregation: Aggregation) -> None:
    key = grant(aggregation.url, Role.VIEWER)
    settings = ServiceSettings(database_url=aggregation.url, requests_per_second=1, request_burst=2)
    with serving(bootstrap.api(settings)) as address:
        client = Client(address, key)
        eventually(lambda: client.get("/readyz").status_code == 200)
        answers = [client.get("/v1/rollups", limit="1") for _ in range(4)]
        client.close()
    assert answers[0].status_code == 200
    (refused, *_) = [answer for answer in answers if answer.status_code == 429]
    assert int(refused.headers["retry-after"]) >= 1
