from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from integration.submission.service import Service, a_body, a_service, with_catalogue
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
from fourones_submission.api import obligations

# The default ones without the thousand months of the long series; and one that the catalogue locks.
INDICATORS = [i for i in DEFAULT_INDICATORS if i["id"] != "long-series"] + [
    an_indicator(
        id="locking", name="会锁定的", clusters=(), reporting={"lock_days": 20, "due_days": None, "due_working_days": 5}
    )
]
SCALE = {"indicator": "cluster-scale", "cluster": "construction-machinery"}


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def service(database_url: str, clock: FixedClock) -> Iterator[Service]:
    with a_service(database_url, clock=clock) as running:
        answer = running.put_catalogue(a_catalogue(*INDICATORS), If_None_Match="*")
        assert answer.status_code == 201, answer.text
        yield running


@pytest.fixture(scope="module")
def untouched(new_database: NewDatabase) -> Iterator[Service]:
    """For questions that leave nothing behind."""
    with new_database() as url, a_service(url, clock=FixedClock(NOW)) as asked:
        answer = asked.put_catalogue(a_catalogue(*INDICATORS), If_None_Match="*")
        assert answer.status_code == 201, answer.text
        yield asked


def page(service: Service, key: str | None = None, **filters: Any) -> dict[str, Any]:
    answer = service.get("/v1/obligations", key=key, params=filters)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def everything(service: Service, key: str | None = None, **filters: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    more: dict[str, str] = {}
    while True:
        answer = page(service, key, **filters | more)
        found += answer["items"]
        if answer["next"] is None:
            return found
        more = {"cursor": answer["next"]}


def the_one(service: Service, **filters: Any) -> dict[str, Any]:
    (item,) = everything(service, **{"org": COUNTY} | SCALE | filters)
    return item


def faults(answer: Any) -> list[tuple[str, str]]:
    return [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]]


def test_an_obligation_says_who_owes_what_by_when_and_what_has_come(service: Service, clock: FixedClock):
    due = datetime(2026, 3, 10, 16, tzinfo=UTC)
    expected = {
        "indicator": "cluster-scale",
        "indicator_name": "集群产业规模",
        "unit": "亿元",
        "org": COUNTY,
        "reporter": COUNTY,
        "cluster": "construction-machinery",
        "period": "2026-02",
        "due": "2026-03-10T16:00:00Z",
        "state": "not_yet_due",
        "late": False,
        "locked": False,
        "value": None,
        "status": None,
        "since": None,
    }
    assert the_one(service, period="2026-02") == expected
    clock.move_to(due)
    assert the_one(service, period="2026-02") == expected | {"state": "overdue"}
    clock.advance(timedelta(hours=2))
    assert service.post(a_body(value="123.45", status="P")).status_code == 202
    reported = {"state": "reported", "late": True, "value": "123.45", "status": "P", "since": "2026-03-10T18:00:00Z"}
    assert the_one(service, period="2026-02") == expected | reported


def test_a_revision_makes_nothing_late_and_a_value_given_anew_does(service: Service, clock: FixedClock):
    service.post(a_body())
    clock.advance(timedelta(days=3))
    service.post(a_body(value="0"))
    revised = the_one(service, period="2026-02")
    assert (revised["state"], revised["late"], revised["value"], revised["since"]) == (
        "reported",
        False,
        "0",
        "2026-03-10T04:00:00Z",
    )
    service.post(a_body(value=None, withdraw=True))
    assert the_one(service, period="2026-02")["state"] == "overdue"
    service.post(a_body())
    assert (the_one(service, period="2026-02")["state"], the_one(service, period="2026-02")["late"]) == (
        "reported",
        True,
    )


def test_declared_missing_and_not_applicable_are_neither_reported_nor_overdue(service: Service):
    projects = {"indicator": "projects", "period": "2026-01-01/P2M", "value": None}
    service.post(a_body(value=None, status="O"), projects | {"status": "M"})
    missing = the_one(service, period="2026-02")
    assert (missing["state"], missing["status"], missing["value"], missing["late"]) == (
        "declared_missing",
        "O",
        None,
        False,
    )
    (excused,) = everything(service, org=COUNTY, indicator="projects", period="2026-01-01/P2M")
    assert (excused["state"], excused["cluster"]) == ("not_applicable", "_T")
    for state, count in (("declared_missing", 1), ("not_applicable", 1), ("reported", 0)):
        assert len(everything(service, org=COUNTY, state=state)) == count


def test_due_dates_in_working_days_and_locks_of_the_catalogue_are_shown(service: Service, clock: FixedClock):
    january = {"org": COUNTY, "indicator": "locking", "period": "2026-01"}
    (item,) = everything(service, **january)
    # The fifth working day of February 2026 is the 6th; twenty days later the period is locked.
    assert (item["due"], item["state"], item["locked"]) == ("2026-02-06T16:00:00Z", "overdue", True)
    clock.move_to(datetime(2026, 2, 26, 15, 59, tzinfo=UTC))
    (item,) = everything(service, **january)
    assert (item["state"], item["locked"]) == ("overdue", False)


def test_pages_hold_every_duty_once_and_the_newest_first_while_figures_change(service: Service):
    whole = page(service, limit=1000)
    assert whole["next"] is None
    places = [(i["period"], i["indicator"], i["org"], i["cluster"]) for i in whole["items"]]
    assert len(set(places)) == len(places) > 300
    assert places[0][0] == "2026-W11"
    seen: list[tuple[str, ...]] = []
    more: dict[str, str] = {}
    while True:
        answer = page(service, limit=37, **more)
        seen += [(i["period"], i["indicator"], i["org"], i["cluster"]) for i in answer["items"]]
        service.post(a_body(period="2026-01", value=str(len(seen))), a_body(period="2024-01", value=str(len(seen))))
        if answer["next"] is None:
            break
        assert len(answer["items"]) == 37
        more = {"cursor": answer["next"]}
    assert seen == places


def test_every_spelling_of_a_period_asks_for_the_same(untouched: Service):
    for spellings, indicator in (
        (("2026-02", "2026-M02", "2026-M2", "2026-02-01/P1M"), "cluster-scale"),
        (("2026-02", "2026-01-01/P2M"), "sales"),
        (("2025-Q4", "2025-10-01/P3M"), "base-stations"),
    ):
        answers = [everything(untouched, indicator=indicator, period=spelling) for spelling in spellings]
        assert answers[0]
        assert all(answer == answers[0] for answer in answers)
    assert {i["indicator"] for i in everything(untouched, period="2026-01-01/P2M")} == {"projects", "sales"}
    assert everything(untouched, period="2026") == []
    assert everything(untouched, period="2026-04") == []


def test_equivalent_spellings_are_revisions_of_one_figure(service: Service):
    for number, spelling in enumerate(("2026-02", "2026-M02", "2026-M2", "2026-01-01/P2M")):
        assert service.post({"indicator": "sales", "period": spelling, "value": str(number)}).status_code == 202
    (item,) = everything(service, org=COUNTY, indicator="sales", state="reported")
    assert (item["period"], item["value"]) == ("2026-02", "3")
    assert service.count("figure_current WHERE indicator = 'sales'") == 1


def test_filters_narrow_what_is_listed(service: Service):
    service.post(a_body())
    assert {i["org"] for i in everything(service, org=OTHER_COUNTY)} == {OTHER_COUNTY}
    assert {i["indicator"] for i in everything(service, reporter="kjj")} == {"weekly-meetings"}
    assert {i["cluster"] for i in everything(service, cluster="_T", limit=1000)} == {"_T"}
    reported = everything(service, state="reported")
    assert [(i["period"], i["cluster"], i["value"]) for i in reported] == [
        ("2026-02", "construction-machinery", "123.4")
    ]
    open_ones = everything(service, state="not_yet_due", limit=7)
    assert open_ones
    assert {i["state"] for i in open_ones} == {"not_yet_due"}
    of_all = everything(service, limit=1000)
    assert [i for i in of_all if i["state"] == "overdue"] == everything(service, state="overdue")


def test_looking_for_a_state_ends_after_so_many_duties_and_goes_on_with_the_next_page(
    service: Service, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(obligations, "LOOKED_AT_TOGETHER", 20)
    monkeypatch.setattr(obligations, "LOOKED_AT_AT_MOST", 60)
    service.post(a_body(period="2024-02"))
    first = page(service, state="reported", org=COUNTY, limit=5)
    assert (first["items"], first["next"] is None) == ([], False)
    found = everything(service, state="reported", org=COUNTY, limit=5)
    assert [i["period"] for i in found] == ["2024-02"]


def test_a_county_is_shown_its_own_duties_and_a_department_those_it_holds(untouched: Service):
    own = everything(untouched, untouched.county, limit=1000)
    assert {i["org"] for i in own} == {COUNTY}
    assert own == everything(untouched, org=COUNTY, limit=1000)
    assert own == everything(untouched, untouched.county, org=COUNTY, reporter=COUNTY, limit=1000)
    department = untouched.issue(Role.DEPARTMENT, DEPARTMENT)
    held = everything(untouched, department, limit=1000)
    assert {(i["org"], i["reporter"]) for i in held} == {(CITY, DEPARTMENT)}
    assert held == everything(untouched, department, org=CITY, limit=1000)
    assert everything(untouched, department, org=CITY, indicator="weekly-meetings", cluster="digital-economy") == []


@pytest.mark.parametrize("role", [Role.VIEWER, Role.COORDINATOR, Role.ADMIN])
def test_the_offices_are_shown_everything(untouched: Service, role: Role):
    key = untouched.issue(role)
    assert {i["org"] for i in everything(untouched, key, limit=1000)} >= {CITY, COUNTY, OTHER_COUNTY}


def test_asking_for_somebody_elses_is_forbidden_and_not_answered_with_nothing(untouched: Service):
    answer = untouched.get(
        "/v1/obligations", key=untouched.county, params={"org": OTHER_COUNTY, "reporter": DEPARTMENT}
    )
    assert (answer.status_code, faults(answer)) == (
        403,
        [("query:org", "org_not_yours"), ("query:reporter", "reporter_not_yours")],
    )
    assert untouched.get("/v1/obligations", key=untouched.county, params={"org": CITY}).status_code == 403


def test_what_the_catalogue_does_not_know_is_told_at_once_with_what_was_meant(untouched: Service):
    wrong = {"org": "320383", "reporter": "gxk", "indicator": "cluster-scal", "cluster": "x", "period": "2026-1"}
    answer = untouched.get("/v1/obligations", params=wrong)
    assert (answer.status_code, faults(answer)) == (
        422,
        [
            ("query:org", "org_unknown"),
            ("query:reporter", "org_unknown"),
            ("query:indicator", "indicator_unknown"),
            ("query:cluster", "cluster_unknown"),
            ("query:period", "period_invalid"),
        ],
    )
    details = [fault["detail"] for fault in answer.json()["errors"]]
    assert "cluster-scale" in details[2]
    assert "2026-01-01/P2M" in details[4]


@pytest.mark.parametrize(
    "query",
    [
        "status=reported",
        "state=late",
        "limit=0",
        "limit=1001",
        "org=320382&org=320381",
        "cursor=x",
        "cursor=WyJ4IiwieCIsIngiLCJ4Il0",
        "cursor=WzFd",
        "org=%00",
        "period=%00",
        "period=2026-02%00",
        "indicator=%F0%9F%92%A5",
    ],
)
def test_a_question_that_is_none_is_refused_and_never_an_error_of_the_service(untouched: Service, query: str):
    answer = untouched.get(f"/v1/obligations?{query}")
    assert answer.status_code == 422, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_new_catalogue_changes_what_is_owed_at_once(service: Service):
    first = page(service, limit=10, indicator="cluster-scale")
    ended = a_catalogue(an_indicator(reporting={"last": date(2025, 12, 31)}))
    assert service.put_catalogue(ended, If_Match='"1"').status_code == 201
    answer = page(service, limit=10, indicator="cluster-scale")
    assert answer["items"][0]["period"] == "2025-12"
    # A cursor of the version before goes on where it was.
    rest = page(service, limit=10, indicator="cluster-scale", cursor=first["next"])
    assert rest["items"][0]["period"] <= "2025-12"


def test_without_a_key_or_a_catalogue_there_is_no_answer(database_url: str):
    with a_service(database_url) as empty:
        assert empty.get("/v1/obligations").status_code == 503
        assert empty.request("GET", "/v1/obligations", key=None).status_code == 401
        assert empty.get("/v1/locks").status_code == 503
        assert with_catalogue(empty).get("/v1/obligations").status_code == 200
