import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import openapi_spec_validator
import pytest
from integration.submission.service import Service, a_body, a_service, another, with_catalogue
from support.stack import NewDatabase
from unit.submission.builders import (
    CITY,
    COUNTY,
    DEFAULT_INDICATORS,
    DEPARTMENT,
    NOW,
    OTHER_COUNTY,
    a_catalogue,
    an_indicator,
)

from fourones_shared.domain.clock import FixedClock
from fourones_shared.events.model import Role

LOCKING = an_indicator(id="locking", name="会锁定的", clusters=(), reporting={"lock_days": 20})
# Due 10 days after January 2026 and locked 20 days later: before the builders' moment.
OLD = {"indicator": "locking", "period": "2026-01", "value": "1"}


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def service(database_url: str, clock: FixedClock) -> Iterator[Service]:
    with a_service(database_url, clock=clock) as running:
        answer = running.put_catalogue(a_catalogue(*DEFAULT_INDICATORS, LOCKING), If_None_Match="*")
        assert answer.status_code == 201, answer.text
        yield running


@pytest.fixture
def coordinator(service: Service) -> str:
    return service.issue(Role.COORDINATOR, label="协调办公室 李主任")


@pytest.fixture(scope="module")
def untouched(new_database: NewDatabase) -> Iterator[tuple[Service, str]]:
    """A service and a coordinator's key for what is refused and leaves nothing behind."""
    with new_database() as url, a_service(url, clock=FixedClock(NOW)) as refusing:
        with_catalogue(refusing)
        yield refusing, refusing.issue(Role.COORDINATOR)


def a_decision(**changes: Any) -> dict[str, Any]:
    return {
        "org": COUNTY,
        "indicator": "cluster-scale",
        "period": "2026-02",
        "locked": True,
        "reason": "年报已定稿",
    } | changes


def decide(service: Service, key: str, **changes: Any) -> httpx.Response:
    return service.request("POST", "/v1/locks", key=key, json=a_decision(**changes))


def codes(answer: httpx.Response) -> list[tuple[str, str]]:
    return [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]]


def decisions(service: Service, key: str | None = None, **filters: Any) -> list[dict[str, Any]]:
    answer = service.get("/v1/locks", key=key, params=filters)
    assert answer.status_code == 200, answer.text
    assert answer.json()["next"] is None
    return list(answer.json()["items"])


def test_a_late_figure_is_accepted_and_one_of_a_locked_period_is_not(service: Service):
    assert service.post(a_body(period="2025-01")).status_code == 202
    answer = service.post(OLD | {"period": "2026-02"}, OLD)
    assert (answer.status_code, codes(answer)) == (422, [("/figures/1/period", "period_locked")])
    assert "协调办公室" in answer.json()["errors"][0]["detail"]


def test_a_lifted_lock_lets_the_figure_in_until_its_time_is_over(service: Service, coordinator: str, clock: FixedClock):
    until = NOW + timedelta(days=2)
    answer = decide(service, coordinator, **OLD_DECISION, until=until.isoformat())
    assert answer.status_code == 201
    assert service.post(OLD).status_code == 202
    clock.move_to(until - timedelta(microseconds=1))
    assert service.post(OLD | {"value": "2"}).status_code == 202
    clock.move_to(until)
    assert codes(service.post(OLD | {"value": "3"})) == [("/figures/0/period", "period_locked")]
    assert [d["stands"] for d in decisions(service)] == [False]


OLD_DECISION = {"indicator": "locking", "period": "2026-01", "locked": False, "reason": "核查后同意补报"}


def test_a_lock_until_a_moment_ends_with_it(service: Service, coordinator: str, clock: FixedClock):
    decide(service, coordinator, until=(NOW + timedelta(days=1)).isoformat())
    refused = service.post(a_body())
    assert codes(refused) == [("/figures/0/period", "period_locked")]
    assert "年报已定稿" in refused.json()["errors"][0]["detail"]
    clock.advance(timedelta(days=1))
    assert service.post(a_body()).status_code == 202


def test_a_decision_is_for_one_organisation_indicator_and_period(service: Service, coordinator: str):
    decide(service, coordinator)
    other = service.issue(Role.REPORTER, OTHER_COUNTY)
    assert service.post(a_body(), org=OTHER_COUNTY, key=other).status_code == 202
    assert service.post(a_body(period="2026-01"), {"indicator": "sales", "period": "2026-02", "value": "1"}).is_success
    # All clusters of the period.
    answer = service.post(a_body(cluster="digital-economy"), a_body())
    assert [pointer for pointer, _ in codes(answer)] == ["/figures/0/period", "/figures/1/period"]


def test_of_several_decisions_the_last_stands_and_all_are_kept(service: Service, coordinator: str, clock: FixedClock):
    for locked, refused in ((True, True), (False, False), (True, True)):
        clock.advance(timedelta(minutes=1))
        assert decide(service, coordinator, locked=locked).status_code == 201
        assert (service.post(a_body()).status_code == 422) is refused
    assert [(d["locked"], d["stands"]) for d in decisions(service)] == [(True, True), (False, False), (True, False)]


def test_a_withdrawal_and_a_declaration_in_a_locked_period_are_refused(service: Service, coordinator: str):
    service.post(a_body(), a_body(cluster="digital-economy"))
    decide(service, coordinator)
    answer = service.post(a_body(value=None, withdraw=True), a_body(cluster="digital-economy", value=None, status="O"))
    assert [code for _, code in codes(answer)] == ["period_locked", "period_locked"]
    (row,) = service.rows("SELECT figures FROM figure_current WHERE org = :org AND period = '2026-02'", org=COUNTY)
    assert {figure[1] for figure in row.figures.values()} == {"A"}


def test_a_dry_run_tells_of_the_lock_and_stores_nothing(service: Service, coordinator: str):
    dry = {"dry_run": "true"}
    assert service.post(a_body(), params=dry).status_code == 200
    decide(service, coordinator)
    answer = service.post(a_body(), params=dry)
    assert (answer.status_code, codes(answer)) == (422, [("/figures/0/period", "period_locked")])
    assert service.count("submission") == 0


def test_what_was_accepted_before_the_lock_is_answered_the_same_again(service: Service, coordinator: str):
    key = {"Idempotency-Key": "before-the-lock"}
    first = service.post(a_body(), headers=key)
    decide(service, coordinator)
    again = service.post(a_body(), headers=key)
    assert (again.status_code, again.json()) == (202, first.json())
    assert service.post(a_body(), headers={"Idempotency-Key": "after-the-lock"}).status_code == 422


def test_a_decision_holds_on_every_instance_at_once(service: Service, coordinator: str, clock: FixedClock):
    with another(service, clock=clock) as second:
        for instance, other in ((service, second), (second, service)) * 3:
            decide(instance, coordinator, locked=True)
            assert other.post(a_body()).status_code == 422
            decide(instance, coordinator, locked=False)
            assert other.post(a_body()).status_code == 202


def test_the_decision_is_answered_and_listed_with_who_when_and_why(
    service: Service, coordinator: str, clock: FixedClock
):
    until = datetime(2026, 3, 31, 16, tzinfo=UTC)
    answer = decide(
        service, coordinator, period="2026-M2", locked=False, until="2026-04-01T00:00:00+08:00", reason=" 核查后同意 "
    )
    assert answer.status_code == 201
    key_id = coordinator.split("_")[1]
    item = {
        "org": COUNTY,
        "indicator": "cluster-scale",
        "period": "2026-02",
        "locked": False,
        "until": "2026-03-31T16:00:00Z",
        "reason": "核查后同意",
        "decided_by": key_id,
        "decided_by_label": "协调办公室 李主任",
        "decided_at": "2026-03-10T04:00:00Z",
        "stands": True,
    }
    assert answer.json() == item
    assert decisions(service) == [item]
    clock.move_to(until)
    assert decisions(service) == [item | {"stands": False}]


def test_a_locked_period_is_shown_among_the_obligations(service: Service, coordinator: str):
    def locked(**filters: str) -> set[bool]:
        answer = service.get("/v1/obligations", key=service.county, params=filters)
        return {item["locked"] for item in answer.json()["items"]}

    assert locked(indicator="cluster-scale", period="2026-02") == {False}
    assert locked(indicator="locking", period="2026-01") == {True}
    decide(service, coordinator)
    decide(service, coordinator, **OLD_DECISION)
    assert locked(indicator="cluster-scale", period="2026-02") == {True}
    assert locked(indicator="locking", period="2026-01") == {False}


def test_only_a_coordinator_decides(service: Service):
    keys = [service.county, service.admin, service.issue(Role.VIEWER), service.issue(Role.DEPARTMENT, DEPARTMENT)]
    for key in keys:
        answer = decide(service, key)
        assert answer.status_code == 403
        assert "coordinator" in answer.json()["detail"]
    assert service.request("POST", "/v1/locks", key=None, json=a_decision()).status_code == 401
    assert service.count("period_lock") == 0


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"org": "nobody"}, [("/org", "org_unknown")]),
        ({"org": CITY}, [("/org", "org_not_a_subject")]),
        ({"indicator": "cluster-scal"}, [("/indicator", "indicator_unknown")]),
        ({"period": "2026"}, [("/period", "period_frequency")]),
        ({"period": "2026-2"}, [("/period", "period_invalid")]),
        ({"period": "2026-04"}, [("/period", "period_in_future")]),
        ({"indicator": "sales", "period": "2026-01"}, [("/period", "period_january_february")]),
        ({"until": "2026-03-10T04:00:00Z"}, [("/until", "until_in_past")]),
        ({"until": "9999-12-31T23:59:59-12:00"}, [("/until", "until_too_far")]),
        ({"until": "2026-04-01T00:00:00"}, [("/until", "timezone_aware")]),
        ({"until": 1775000000}, [("/until", "datetime_type")]),
        ({"until": "soon"}, [("/until", "datetime_parsing")]),
        ({"reason": ""}, [("/reason", "string_too_short")]),
        ({"reason": "  "}, [("/reason", "reason_missing")]),
        ({"reason": "因" * 1001}, [("/reason", "string_too_long")]),
        ({"reason": "a\0b"}, [("/reason", "text_not_printable")]),
        ({"locked": "true"}, [("/locked", "bool_type")]),
        ({"org": 320382}, [("/org", "string_type")]),
        ({"cluster": "digital-economy"}, [("/cluster", "extra_forbidden")]),
        ({"org": "x", "period": "y", "reason": " "}, ["org_unknown", "period_invalid", "reason_missing"]),
    ],
)
def test_a_decision_that_is_wrong_is_refused_by_pointer(
    untouched: tuple[Service, str], changes: dict[str, Any], found: list[Any]
):
    service, coordinator = untouched
    answer = decide(service, coordinator, **changes)
    assert answer.status_code == 422, answer.text
    told = codes(answer)
    assert told == found or [code for _, code in told] == found
    assert all(not fault["detail"].isascii() for fault in answer.json()["errors"])
    assert service.count("period_lock") == 0


def test_what_is_missing_from_a_decision_is_told_all_at_once(untouched: tuple[Service, str]):
    service, coordinator = untouched
    answer = service.request("POST", "/v1/locks", key=coordinator, json={"org": COUNTY})
    assert codes(answer) == [(f"/{name}", "missing") for name in ("indicator", "period", "locked", "reason")]


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"org": "320382", "org": "320381"}', "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[" * 15_000, "application/json", 400),
        (b"[]", "application/json", 422),
        (b"null", "application/json", 422),
        (b" " * (16 * 1024 + 1), "application/json", 413),
        (b"{}", "text/plain", 415),
    ],
)
def test_what_is_no_decision_is_refused_before_anything_else(
    untouched: tuple[Service, str], body: bytes, media_type: str, status: int
):
    service, coordinator = untouched
    headers = {"Content-Type": media_type}
    answer = service.request("POST", "/v1/locks", key=coordinator, content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_body_with_a_byte_order_mark_and_the_longest_reason_in_escapes_is_taken(service: Service, coordinator: str):
    body = b"\xef\xbb\xbf" + json.dumps(a_decision(reason="因" * 1000), ensure_ascii=True).encode()
    headers = {"Content-Type": "application/json"}
    assert service.request("POST", "/v1/locks", key=coordinator, content=body, headers=headers).status_code == 201


def test_decisions_are_listed_by_filter_and_page_the_newest_first(service: Service, coordinator: str):
    for number in range(7):
        decide(service, coordinator, reason=f"第 {number} 次")
    decide(service, coordinator, org=OTHER_COUNTY)
    decide(service, coordinator, indicator="sales")
    seen: list[str] = []
    more: dict[str, str] = {}
    while True:
        asked = {"org": COUNTY, "indicator": "cluster-scale", "period": "2026-M02", "limit": "3"} | more
        answer = service.get("/v1/locks", params=asked).json()
        seen += [item["reason"] for item in answer["items"]]
        if answer["next"] is None:
            break
        more = {"cursor": answer["next"]}
    assert seen == [f"第 {number} 次" for number in reversed(range(7))]
    # For the year to date January and February are February.
    assert [d["indicator"] for d in decisions(service, period="2026-01-01/P2M")] == ["sales"]
    assert len(decisions(service, period="2026-02")) == 9
    assert decisions(service, period="2025-02") == []


def test_a_reporter_is_shown_the_decisions_about_itself_and_a_department_those_on_its_indicators(
    service: Service, coordinator: str
):
    decide(service, coordinator)
    decide(service, coordinator, org=OTHER_COUNTY)
    decide(service, coordinator, org=CITY, indicator="base-stations", period="2025-Q4")
    decide(service, coordinator, org=CITY, indicator="weekly-meetings", period="2026-W08")
    department = service.issue(Role.DEPARTMENT, DEPARTMENT)
    assert [d["org"] for d in decisions(service, service.county)] == [COUNTY]
    assert [d["indicator"] for d in decisions(service, department)] == ["weekly-meetings", "base-stations"]
    assert [d["indicator"] for d in decisions(service, service.issue(Role.DEPARTMENT, "kjj"))] == ["weekly-meetings"]
    assert len(decisions(service, service.issue(Role.VIEWER))) == 4
    assert decisions(service, service.county, org=OTHER_COUNTY) == []


@pytest.mark.parametrize(
    "query", ["org=x", "indicator=x", "period=x", "cursor=x", "cursor=WyJ4Il0", "limit=0", "reporter=x", "org=a&org=b"]
)
def test_a_filter_that_is_none_is_refused(untouched: tuple[Service, str], query: str):
    assert untouched[0].get(f"/v1/locks?{query}").status_code == 422


def test_a_revision_of_a_locked_period_stays_out_when_january_and_february_are_one(service: Service, coordinator: str):
    decide(service, coordinator, indicator="sales", period="2026-02")
    for period in ("2026-02", "2026-M2", "2026-01-01/P2M"):
        answer = service.post({"indicator": "sales", "period": period, "value": "5"})
        assert codes(answer) == [("/figures/0/period", "period_locked")], period


def test_the_routes_are_described_as_they_answer(untouched: tuple[Service, str]):
    document = untouched[0].request("GET", "/openapi.json", key=None).json()
    openapi_spec_validator.validate(document)
    posted = document["paths"]["/v1/locks"]["post"]
    assert {"201", "400", "401", "403", "413", "415", "422", "503"} <= set(posted["responses"])
    schema = posted["requestBody"]["content"]["application/json"]["schema"]
    assert schema["required"] == ["org", "indicator", "period", "locked", "reason"]
    asked = {parameter["name"] for parameter in document["paths"]["/v1/obligations"]["get"]["parameters"]}
    assert asked == {"org", "reporter", "period", "indicator", "cluster", "state", "limit", "cursor"}
