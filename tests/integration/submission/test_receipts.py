from collections.abc import Iterator

import pytest
from integration.submission.service import Service, a_body, a_service, with_catalogue
from unit.submission.builders import CITY, COUNTY, DEPARTMENT, NOW, OTHER_COUNTY

from fourones_shared.domain.clock import FixedClock
from fourones_shared.events.model import Role

STATIONS = {"indicator": "base-stations", "period": "2025-Q4", "value": "2450"}


@pytest.fixture
def service(database_url: str) -> Iterator[Service]:
    with a_service(database_url, clock=FixedClock(NOW)) as running:
        yield with_catalogue(running)


def test_a_receipt_is_its_senders_and_the_offices(service: Service):
    place = service.post(a_body()).headers["Location"]
    other = service.issue(Role.REPORTER, OTHER_COUNTY)
    assert service.get(place, key=other).status_code == 404
    for role in (Role.VIEWER, Role.COORDINATOR, Role.ADMIN):
        assert service.get(place, key=service.issue(role)).status_code == 200
    assert service.get("/v1/submissions/nonsense").status_code == 404
    assert service.get("/v1/submissions/00000000-0000-7000-8000-000000000000").status_code == 404


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


def test_the_list_is_filtered_by_organisation_and_status(service: Service):
    department = service.issue(Role.DEPARTMENT, DEPARTMENT)
    service.post(a_body())
    service.post(STATIONS, org=CITY, key=department)
    with service.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE submission SET published_at = now() WHERE org = '{CITY}'")  # noqa: S608

    def orgs(key: str, **query: str) -> list[str]:
        return [item["org"] for item in service.get("/v1/submissions", key=key, params=query).json()["items"]]

    assert orgs(service.admin) == [CITY, COUNTY]
    assert orgs(service.admin, org=COUNTY) == [COUNTY]
    assert orgs(service.admin, status="published") == [CITY]
    assert orgs(service.admin, status="accepted") == [COUNTY]
    assert orgs(service.admin, status="applied") == orgs(service.admin, status="dead_lettered") == []
    assert orgs(service.county) == [COUNTY]
    assert orgs(service.county, org=CITY) == []
    assert orgs(department) == [CITY]


@pytest.mark.parametrize(
    "query", [{"limit": "0"}, {"limit": "1001"}, {"cursor": "x"}, {"cursor": "WyJ4Il0"}, {"status": "lost"}]
)
def test_a_query_that_makes_no_sense_is_refused(service: Service, query: dict[str, str]):
    answer = service.get("/v1/submissions", params=query)
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
