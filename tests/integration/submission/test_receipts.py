import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from integration.submission.service import Service, a_body, a_service, with_catalogue
from sqlalchemy import text
from unit.submission.builders import CITY, COUNTY, DEPARTMENT, NOW, OTHER_COUNTY

from fourones_shared.domain.clock import FixedClock
from fourones_shared.events.model import Role
from fourones_submission.storage.receipts import ReceiptStatus

STATIONS = {"indicator": "base-stations", "period": "2025-Q4", "value": "2450"}
NOWHERE = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def service(database_url: str, clock: FixedClock) -> Iterator[Service]:
    with a_service(database_url, clock=clock) as running:
        yield with_catalogue(running)


def ids(service: Service, key: str | None = None, **query: str) -> list[str]:
    answer = service.get("/v1/submissions", key=key or service.admin, params=query)
    assert answer.status_code == 200, answer.text
    return [item["submission_id"] for item in answer.json()["items"]]


def test_a_receipt_and_its_content_are_their_senders_and_the_offices(service: Service):
    place = service.post(a_body()).headers["Location"]
    other = service.issue(Role.REPORTER, OTHER_COUNTY)
    for path in (place, f"{place}/content"):
        assert service.get(path, key=service.county).status_code == 200
        assert service.get(path, key=other).status_code == 404
        for role in (Role.VIEWER, Role.COORDINATOR, Role.ADMIN):
            assert service.get(path, key=service.issue(role)).status_code == 200
        assert service.request("GET", path, key=None).status_code == 401
    for nothing in ("nonsense", NOWHERE):
        assert service.get(f"/v1/submissions/{nothing}").status_code == 404
        assert service.get(f"/v1/submissions/{nothing}/content").status_code == 404


def test_a_receipt_tells_who_sent_what_when_and_with_which_key(service: Service):
    key = service.issue(Role.REPORTER, COUNTY, label="邳州市统计系统")
    body = {"org": COUNTY, "prepared_by": "张三", "approved_by": "李四", "figures": [a_body()]}
    headers = {"Idempotency-Key": "audit-1"}
    sent = service.request("POST", "/v1/submissions", key=key, json=body, headers=headers).json()
    receipt = service.get(f"/v1/submissions/{sent['submission_id']}").json()
    assert (
        receipt
        | {
            "org": COUNTY,
            "reported_by": COUNTY,
            "key_id": key.split("_")[1],
            "key_label": "邳州市统计系统",
            "prepared_by": "张三",
            "approved_by": "李四",
            "received_at": sent["received_at"],
            "sequence": sent["sequence"],
            "catalogue_version": 1,
            "figures": 1,
            "media_type": "application/json",
            "size": len(service.get(f"/v1/submissions/{sent['submission_id']}/content").content),
            "idempotency_key": "audit-1",
            "status": "accepted",
            "applied_at": None,
            "warnings": [],
        }
        == receipt
    )
    (listed,) = service.get("/v1/submissions").json()["items"]
    assert listed == {name: value for name, value in receipt.items() if name != "idempotency_key"}


def test_a_submission_can_be_had_back_byte_for_byte(service: Service):
    body = json.dumps({"org": COUNTY, "figures": [a_body(note="<script>alert(1)</script>")]}, indent=3).encode()
    place = service.send(body).headers["Location"]
    answer = service.get(f"{place}/content")
    assert answer.content == body
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("media_type", "ending"),
    [
        ("application/vnd.sdmx.data+csv", "csv"),
        ("text/csv", "csv"),
        ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
    ],
)
def test_a_table_comes_back_as_a_file_in_its_own_encoding(service: Service, media_type: str, ending: str):
    submission = service.post(a_body()).json()["submission_id"]
    content = "指标,数值".encode("gb18030")
    with service.engine.begin() as connection:
        connection.execute(
            text("UPDATE submission SET media_type = :media_type, body = :body"),
            {"media_type": media_type, "body": content},
        )
    answer = service.get(f"/v1/submissions/{submission}/content")
    assert answer.content == content
    assert answer.headers["Content-Type"] == media_type
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{submission}.{ending}"'


def test_a_warning_shows_the_places_it_has_and_no_others(service: Service):
    service.post(a_body(period="2026-01", value="100"))
    sent = service.post(a_body(period="2026-02", value="90")).json()
    (warning,) = service.get(f"/v1/submissions/{sent['submission_id']}").json()["warnings"]
    assert warning == sent["warnings"][0]
    assert set(warning) == {"pointer", "code", "detail"}
    (listed, _) = service.get("/v1/submissions").json()["items"]
    assert listed["warnings"] == [warning]


def test_the_list_pages_the_newest_first_without_gaps(service: Service):
    sent = [service.post(a_body(value=str(n))).json()["submission_id"] for n in range(7)]
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": "3"} | ({"cursor": cursor} if cursor else {})
        page = service.get("/v1/submissions", key=service.county, params=query).json()
        seen += [item["submission_id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == sent[::-1]


def test_the_list_is_filtered_by_organisation_reporter_and_status(service: Service):
    department = service.issue(Role.DEPARTMENT, DEPARTMENT)
    county = service.post(a_body()).json()["submission_id"]
    city = service.post(STATIONS, org=CITY, key=department).json()["submission_id"]
    with service.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE submission SET published_at = now() WHERE org = '{CITY}'")  # noqa: S608

    assert ids(service) == [city, county]
    assert ids(service, org=COUNTY) == [county]
    assert ids(service, reporter=DEPARTMENT) == [city]
    assert ids(service, reporter=DEPARTMENT, org=COUNTY) == []
    assert ids(service, status="published") == [city]
    assert ids(service, status="accepted") == [county]
    assert ids(service, status="applied") == ids(service, status="dead_lettered") == []
    assert ids(service, service.county) == [county]
    assert ids(service, service.county, org=CITY) == ids(service, service.county, reporter=DEPARTMENT) == []
    assert ids(service, department) == [city]


@pytest.mark.parametrize("status", list(ReceiptStatus))
def test_a_submission_is_listed_under_the_status_that_its_receipt_tells(service: Service, status: ReceiptStatus):
    service.post(a_body())
    changes = {
        ReceiptStatus.ACCEPTED: "published_at = NULL",
        ReceiptStatus.PUBLISHED: "published_at = now()",
        ReceiptStatus.APPLIED: "published_at = now(), outcome = 'applied'",
        ReceiptStatus.DEAD_LETTERED: "published_at = now(), outcome = 'dead_lettered'",
    }
    with service.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE submission SET {changes[status]}")  # noqa: S608
    (receipt,) = service.get("/v1/submissions").json()["items"]
    assert receipt["status"] == status.value
    listed = {other: len(ids(service, status=other.value)) for other in ReceiptStatus}
    assert listed == {other: int(other is status) for other in ReceiptStatus}


def test_the_list_is_filtered_by_the_time_of_receipt(service: Service, clock: FixedClock):
    # NOW is noon of 10 March in Shanghai.
    sent = []
    for _ in range(3):
        sent.append(service.post(a_body()).json()["submission_id"])
        clock.advance(timedelta(days=1))
    first, second, third = sent
    assert ids(service, **{"from": "2026-03-11"}) == [third, second]
    assert ids(service, to="2026-03-11") == [second, first]
    assert ids(service, **{"from": "2026-03-11", "to": "2026-03-11"}) == [second]
    assert ids(service, **{"from": "2026-03-11T12:00:00+08:00"}) == [third, second]
    assert ids(service, **{"from": "2026-03-11T04:00:01Z"}) == [third]
    # Up to, and not including.
    assert ids(service, to="2026-03-11T04:00:00Z") == [first]
    # As many a client writes it: its plus sign arrives as a space.
    answer = service.get("/v1/submissions?from=2026-03-11T12:00:00+08:00")
    assert [item["submission_id"] for item in answer.json()["items"]] == [third, second]


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "1001"},
        {"cursor": "x"},
        {"cursor": "WyJ4Il0"},
        {"status": "lost"},
        {"org": "\0"},
        {"reporter": "\0"},
        {"from": "yesterday"},
        {"from": "2026-02-30"},
        {"to": "2026-03-11T12:00:00"},
        {"to": "9999-12-31"},
        {"from": "0001-01-01"},
    ],
)
def test_a_query_that_makes_no_sense_is_refused(service: Service, query: dict[str, str]):
    answer = service.get("/v1/submissions", params=query)
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    name = next(iter(query))
    if name != "cursor":
        assert [fault["pointer"] for fault in answer.json()["errors"]] == [f"query:{name}"]
