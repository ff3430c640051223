"""The problem list over its API: the whole life, the rights at each step, and a history that only grows."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from integration.alerting.problem_list import (
    A_PROBLEM,
    ADMIN,
    COLLEAGUE,
    COUNTY_KEY,
    DEPARTMENT_KEY,
    EVERYBODY,
    OFFICE,
    OTHER_COUNTY_KEY,
    OTHER_DEPARTMENT_KEY,
    VIEWER,
    ProblemList,
    a_problem_list,
    code,
)
from integration.alerting.service import Service, a_service
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from support.records import read_committed
from support.stack import MigratedCopy
from support.waiting import eventually
from typer.testing import CliRunner
from unit.alerting.builders import (
    CITY,
    CLUSTER,
    COUNTY,
    DEPARTMENT,
    OTHER_DEPARTMENT,
    SMES_TARGET,
)

from fourones_alerting.bootstrap import PACKAGE
from fourones_alerting.problems.commands import problems as commands
from fourones_alerting.problems.verifying import verify
from fourones_shared.events.envelope import Envelope, data_of, unwrap
from fourones_shared.events.model import ProblemChanged

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture(scope="module")
def a_running_service(kafka_bootstrap: str, migrated_copy: MigratedCopy) -> Iterator[Service]:
    with migrated_copy(PACKAGE) as url, a_service(kafka_bootstrap, url, "test-problems-") as made:
        made.publisher.publish_catalogue()
        yield made


@pytest.fixture(scope="module")
def problems(a_running_service: Service) -> Iterator[ProblemList]:
    with a_problem_list(a_running_service) as made:
        yield made


# -- the whole life -----------------------------------------------------------------------------------------------


def test_a_problem_goes_through_its_whole_life_and_only_who_may_takes_each_step(problems: ProblemList) -> None:
    for who in (VIEWER, ADMIN):
        assert code(problems.post(body=A_PROBLEM, who=who)) == (403, "role_may_not_act")
    opened = problems.raised()
    number = opened["id"]
    assert (opened["state"], opened["level"], opened["responsible"]) == ("opened", "department", [DEPARTMENT])
    assert (opened["raised_by"], opened["org"], opened["cluster"]) == (COUNTY, COUNTY, CLUSTER)
    life = [
        ("acknowledge", DEPARTMENT_KEY, None, "acknowledged"),
        ("start", DEPARTMENT_KEY, "已会同自然资源部门", "in_progress"),
        ("report", DEPARTMENT_KEY, "用地指标已批复", "reported_done"),
        ("verify", OFFICE, "现场核实", "verified"),
        ("close", OFFICE, None, "closed"),
    ]
    for action, may, note, state in life:
        for who in EVERYBODY.keys() - {may, COLLEAGUE if may == OFFICE else may}:
            assert code(problems.post(f"/{number}/{action}", {"note": "试试"}, who=who))[0] == 403, (action, who)
        for early, *_ in life:
            if early != action and early in {"verify", "close"}:
                assert code(problems.post(f"/{number}/{early}", {})) == (409, "step_out_of_order")
        assert problems.step(number, action, may, note)["state"] == state

    closed = problems.one(number)
    assert [step["action"] for step in closed["history"]] == ["open", *(action for action, *_ in life)]
    assert [step["org"] for step in closed["history"]] == [COUNTY, DEPARTMENT, DEPARTMENT, DEPARTMENT, None, None]
    assert [step["role"] for step in closed["history"]][-2:] == ["coordinator", "coordinator"]
    assert closed["history"][3]["note"] == "用地指标已批复"
    assert all(step["key_id"] for step in closed["history"])
    assert closed["version"] == 6
    assert closed["closed_at"] is not None


def test_what_was_closed_is_opened_again_with_a_reason(problems: ProblemList) -> None:
    number = problems.raised()["id"]
    for action, who in (("acknowledge", DEPARTMENT_KEY), ("start", DEPARTMENT_KEY)):
        problems.step(number, action, who)
    problems.step(number, "report", DEPARTMENT_KEY, "已办结")
    assert code(problems.post(f"/{number}/reopen", {"note": "再看看"}, who=DEPARTMENT_KEY)) == (403, "office_only")
    assert code(problems.post(f"/{number}/reopen", {})) == (422, "missing")
    assert problems.step(number, "reopen", OFFICE, "材料不全", due="2027-01-31")["due"] == "2027-01-31"
    problems.step(number, "report", DEPARTMENT_KEY, "材料已补齐")
    problems.step(number, "verify", OFFICE)
    problems.step(number, "close", OFFICE)
    again = problems.step(number, "reopen", COLLEAGUE, "问题反弹")
    assert (again["state"], again["closed_at"], again["reported_at"]) == ("in_progress", None, None)


def test_a_countys_problem_is_passed_up_level_by_level(problems: ProblemList) -> None:
    number = problems.raised(level="county")["id"]
    assert problems.one(number)["held_by"] == [COUNTY]
    assert code(problems.post(f"/{number}/acknowledge", {}, who=DEPARTMENT_KEY)) == (403, "not_responsible")
    problems.step(number, "acknowledge", COUNTY_KEY)
    assert code(problems.post(f"/{number}/escalate", {}, who=COUNTY_KEY)) == (422, "missing")
    up = problems.step(number, "escalate", COUNTY_KEY, "超出县级权限")
    assert (up["state"], up["level"], up["held_by"]) == ("escalated", "department", [DEPARTMENT])
    assert code(problems.post(f"/{number}/acknowledge", {}, who=COUNTY_KEY)) == (403, "not_responsible")
    problems.step(number, "acknowledge", DEPARTMENT_KEY)
    up = problems.step(number, "escalate", DEPARTMENT_KEY, "需市级统筹")
    assert (up["level"], up["escalates_at"]) == ("city", None)
    assert code(problems.post(f"/{number}/escalate", {"note": "再上报"})) == (409, "highest_level")
    assert code(problems.post(f"/{number}/acknowledge", {}, who=DEPARTMENT_KEY)) == (403, "office_only")
    problems.step(number, "acknowledge", OFFICE)
    problems.step(number, "start", DEPARTMENT_KEY)
    problems.step(number, "report", OFFICE, "已专题协调")
    assert code(problems.post(f"/{number}/verify", {}, who=OFFICE)) == (403, "own_report")
    problems.step(number, "verify", COLLEAGUE)


# -- raising ------------------------------------------------------------------------------------------------------


def test_who_answers_follows_from_target_cluster_or_the_office(problems: ProblemList) -> None:
    about_target = problems.raised(kind="target", target=SMES_TARGET, subject=None, cluster=None)
    assert about_target["responsible"] == [OTHER_DEPARTMENT, DEPARTMENT]
    assert (about_target["subject"], about_target["plan"]) == ("科技型中小企业入库数", "clusters-2026")
    assert problems.raised(cluster=None)["level"] == "county"
    assert problems.raised(DEPARTMENT_KEY, cluster=None, org=None)["responsible"] == [DEPARTMENT]
    named = problems.raised(OFFICE, cluster=None, org=CITY, responsible=[OTHER_DEPARTMENT])
    assert (named["responsible"], named["org"], named["raised_by"]) == ([OTHER_DEPARTMENT], None, None)
    assert problems.raised(OFFICE, cluster=None)["held_by"] == [COUNTY]


def test_without_a_due_date_there_are_thirty_days(problems: ProblemList) -> None:
    assert problems.raised(due=None)["due"] == "2026-06-19"


@pytest.mark.parametrize(
    ("who", "changes", "refusal"),
    [
        (COUNTY_KEY, {"org": "320381"}, (403, "/org", "org_not_yours")),
        (COUNTY_KEY, {"responsible": [DEPARTMENT]}, (403, "/responsible", "responsible_by_office")),
        (OFFICE, {"org": "320399"}, (422, "/org", "org_unknown")),
        (OFFICE, {"cluster": "robots"}, (422, "/cluster", "cluster_unknown")),
        (OFFICE, {"target": "nothing"}, (422, "/target", "target_unknown")),
        (OFFICE, {"responsible": ["nobody"]}, (422, "/responsible/0", "org_unknown")),
        (OFFICE, {"cluster": None, "org": CITY}, (422, "/responsible", "responsible_missing")),
        (OFFICE, {"org": CITY, "level": "county"}, (422, "/level", "level_needs_county")),
        (COUNTY_KEY, {"kind": "target", "target": None}, (422, "/target", "target_missing")),
        (COUNTY_KEY, {"subject": None}, (422, "/subject", "subject_missing")),
        (COUNTY_KEY, {"due": "2026-05-19"}, (422, "/due", "due_in_past")),
        (COUNTY_KEY, {"due": "9999-12-31"}, (422, "/due", "due_too_far")),
        (COUNTY_KEY, {"cluster": None, "level": "department"}, (422, "/responsible", "responsible_missing")),
        (COUNTY_KEY, {"due": "19.5.2026"}, (422, "/due", "date_parsing")),
        (COUNTY_KEY, {"title": "  "}, (422, "/title", "string_too_short")),
        (COUNTY_KEY, {"title": "甲\u0000乙"}, (422, "/title", "text_not_printable")),
        (COUNTY_KEY, {"description": "长" * 4001}, (422, "/description", "string_too_long")),
        (COUNTY_KEY, {"kind": "person"}, (422, "/kind", "literal_error")),
        (COUNTY_KEY, {"state": "closed"}, (422, "/state", "extra_forbidden")),
    ],
)
def test_what_is_wrong_with_a_problem_is_told_where(
    problems: ProblemList, who: str, changes: dict[str, Any], refusal: tuple[int, str, str]
) -> None:
    answer = problems.post(body=A_PROBLEM | changes, who=who)

    status, said = code(answer)
    assert (status, answer.json()["errors"][0]["pointer"], said) == refusal


def test_a_target_of_another_cluster_contradicts(problems: ProblemList) -> None:
    body = A_PROBLEM | {"kind": "target", "target": "hidz-energy-cut-2025", "org": COUNTY}

    assert code(problems.post(body=body)) == (422, "contradicts_target")


def test_every_fault_is_told_at_once(problems: ProblemList) -> None:
    answer = problems.post(body=A_PROBLEM | {"org": "320399", "cluster": "robots", "due": "2020-01-01"})

    assert [fault["code"] for fault in answer.json()["errors"]] == ["org_unknown", "cluster_unknown", "due_in_past"]


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"title": "\\ud800"}', "application/json", 400),
        (b"[]", "application/json", 422),
        (b"a" * 70_000, "application/json", 413),
        (b"<problem/>", "application/xml", 415),
    ],
)
def test_a_body_that_is_no_problem_is_refused(problems: ProblemList, body: bytes, media_type: str, status: int) -> None:
    answer = problems.post("", body, Content_Type=media_type)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


# -- reading ------------------------------------------------------------------------------------------------------


def test_everybody_sees_their_own_and_the_office_everything(problems: ProblemList) -> None:
    number = problems.raised()["id"]
    for who in (COUNTY_KEY, DEPARTMENT_KEY, OFFICE, VIEWER, ADMIN):
        assert number in [item["id"] for item in problems.items(who=who)], who
        assert problems.one(number, who)["id"] == number
    for who in (OTHER_COUNTY_KEY, OTHER_DEPARTMENT_KEY):
        assert number not in [item["id"] for item in problems.items(who=who)], who
        assert problems.get(f"/{number}", who=who).status_code == 404
    assert problems.get("/999999", who=OFFICE).status_code == 404
    assert problems.client.get(f"{problems.url}/v1/problems").status_code == 401


def test_each_is_shown_what_they_can_do(problems: ProblemList) -> None:
    number = problems.raised()["id"]

    assert problems.one(number, DEPARTMENT_KEY)["possible"] == ["acknowledge", "escalate"]
    assert problems.one(number, COUNTY_KEY)["possible"] == ["escalate"]
    assert problems.one(number, VIEWER)["possible"] == []


def test_the_list_is_filtered_and_paged(problems: ProblemList) -> None:
    numbers = [problems.raised(OFFICE, responsible=[OTHER_DEPARTMENT], subject=f"第{n}个")["id"] for n in range(3)]
    problems.step(numbers[0], "acknowledge", OTHER_DEPARTMENT_KEY)

    def shown(**query: Any) -> set[int]:
        return {item["id"] for item in problems.items(**query)} & set(numbers)

    assert shown(department=OTHER_DEPARTMENT) == set(numbers)
    assert shown(department=DEPARTMENT) == set()
    assert shown(state="acknowledged") == {numbers[0]}
    assert shown(state="open", org=COUNTY, cluster=CLUSTER) == set(numbers)
    assert shown(state="closed") == set()
    assert shown(overdue=True) == set()
    assert shown(overdue=False) == set(numbers)
    assert shown(target=SMES_TARGET) == set()
    found: list[int] = []
    cursor = None
    while True:
        query: dict[str, Any] = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = problems.get(department=OTHER_DEPARTMENT, **query).json()
        found += [item["id"] for item in page["items"]]
        if (cursor := page["next"]) is None:
            break
    assert found == sorted(found, reverse=True)
    assert set(numbers) <= set(found)
    assert len(found) == len(set(found))
    assert problems.get(cursor="x").status_code == 422
    assert code(problems.get(department="nobody", cluster="robots")) == (422, "org_unknown")
    assert problems.get(state="lost").status_code == 422


# -- at the same time, and twice ----------------------------------------------------------------------------------


def test_who_has_not_seen_the_last_step_is_told_so(problems: ProblemList) -> None:
    opened = problems.raised()
    path = f"/{opened['id']}/acknowledge"
    assert problems.get(f"/{opened['id']}").headers["ETag"] == '"1"'
    assert code(problems.post(path, {}, who=DEPARTMENT_KEY, If_Match='"9"')) == (412, "version_differs")
    assert code(problems.post(path, {}, who=DEPARTMENT_KEY, If_Match='W/"1"')) == (412, "version_differs")
    taken = problems.post(path, {}, who=DEPARTMENT_KEY, If_Match='"1"')
    assert (taken.status_code, taken.headers["ETag"]) == (200, '"2"')


def test_of_many_who_acknowledge_at_once_one_does(problems: ProblemList) -> None:
    number = problems.raised()["id"]
    answers: list[int] = []

    def acknowledge() -> None:
        answers.append(problems.post(f"/{number}/acknowledge", {}, who=DEPARTMENT_KEY).status_code)

    threads = [threading.Thread(target=acknowledge) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 409, 409, 409, 409, 409]
    assert problems.one(number)["version"] == 2


def test_of_many_who_raise_at_once_each_gets_a_number_and_the_chain_holds(
    problems: ProblemList, a_running_service: Service
) -> None:
    numbers: list[int] = []
    threads = [threading.Thread(target=lambda: numbers.append(problems.raised()["id"])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(min(numbers), min(numbers) + 8))
    with a_running_service.engine.connect() as connection:
        assert verify(connection).faults == ()


@pytest.mark.parametrize(
    "query", [{"from": "0001-01-01"}, {"to": "9999-12-31"}, {"by": "plan"}, {"since": "2026-01-01"}]
)
def test_figures_of_what_cannot_be_are_refused(problems: ProblemList, query: dict[str, str]) -> None:
    assert problems.get("/figures", **query).status_code == 422


def test_a_request_that_is_repeated_with_its_key_is_answered_once_more(problems: ProblemList) -> None:
    first = problems.post(body=A_PROBLEM, who=COUNTY_KEY, Idempotency_Key='"once"')
    number = first.json()["id"]
    path = f"/{number}/acknowledge"
    taken = problems.post(path, {}, who=DEPARTMENT_KEY, Idempotency_Key="step")
    problems.step(number, "start", DEPARTMENT_KEY)

    again = problems.post(body=A_PROBLEM, who=COUNTY_KEY, Idempotency_Key="once")
    assert (again.status_code, again.json()["id"], again.json()["version"]) == (201, number, 1)
    assert [step["action"] for step in again.json()["history"]] == ["open"]
    repeated = problems.post(path, {}, who=DEPARTMENT_KEY, Idempotency_Key="step")
    assert repeated.status_code == 200
    assert repeated.json()["history"] == taken.json()["history"]
    assert problems.one(number)["version"] == 3
    other = problems.post(body=A_PROBLEM | {"title": "别的"}, who=COUNTY_KEY, Idempotency_Key="once")
    assert code(other) == (422, "idempotency_key_reused")
    assert code(problems.post(body=A_PROBLEM, Idempotency_Key="x" * 300)) == (422, "idempotency_key_invalid")


# -- the history --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    ["UPDATE problem_step SET note = '改'", "DELETE FROM problem_step", "TRUNCATE problem_step"],
)
def test_the_history_cannot_be_altered(problems: ProblemList, a_running_service: Service, statement: str) -> None:
    problems.raised()
    with pytest.raises(IntegrityError, match="can only grow"), a_running_service.engine.begin() as connection:
        connection.execute(text(statement))


def verified(service: Service, *arguments: str) -> tuple[int, str]:
    env = {"FOURONES_DATABASE_URL": service.settings.database_url}
    result = CliRunner().invoke(commands, ["verify", *arguments], env=env)
    return result.exit_code, result.output


def test_who_alters_it_all_the_same_is_found_out(problems: ProblemList, a_running_service: Service) -> None:
    number = problems.raised()["id"]
    last = problems.step(number, "acknowledge", DEPARTMENT_KEY)["history"][-1]
    noted = f"{last['number']}:{last['hash']}"
    assert verified(a_running_service, "--noted", noted)[0] == 0

    def altered(*statements: str) -> str:
        """What is found while these are in force; everything is put back."""
        with a_running_service.engine.connect() as connection:
            connection.execute(text("ALTER TABLE problem_step DISABLE TRIGGER problem_step_stays"))
            for statement in statements:
                connection.execute(text(statement), {"number": number, "step": last["number"]})
            found = verify(connection, (last["number"], last["hash"]))
            connection.rollback()
        return " | ".join(found.faults)

    assert "was altered" in altered("UPDATE problem_step SET note = '改' WHERE step = :step")
    assert "are missing" in altered("DELETE FROM problem_step WHERE step = :step - 1")
    assert "the history ends with" in altered("DELETE FROM problem_step WHERE step >= :step")
    assert "not what its history makes of it" in altered(
        "UPDATE problem SET state = 'closed' WHERE problem_id = :number"
    )
    assert "does not follow" in altered("UPDATE problem_step SET state = 'closed' WHERE step = :step")
    exit_code, output = verified(a_running_service, "--noted", f"{last['number']}:{'0' * 64}")
    assert exit_code == 1
    assert "when it was noted" in output
    assert verified(a_running_service, "--noted", "nonsense")[0] == 2


def test_every_step_is_told_on_kafka(problems: ProblemList, a_running_service: Service) -> None:
    number = problems.raised()["id"]
    problems.post(f"/{number}/acknowledge", {}, who=DEPARTMENT_KEY, traceparent=f"00-{TRACE}-b7ad6b7169203331-01")
    settings = a_running_service.settings

    def told() -> list[Envelope]:
        read = read_committed(settings.kafka_bootstrap, settings.topic_prefix, "problems-changed")
        return [unwrap(record.value, record.headers) for record in read.first_seen() if record.key == b"%d" % number]

    envelopes = eventually(lambda: found if len(found := told()) == 2 else None)
    events = [data_of(envelope, ProblemChanged) for envelope in envelopes]
    assert TRACE in (envelopes[1].traceparent or "")
    history = problems.one(number)["history"]
    assert [(event.version, event.state) for event in events] == [(1, "opened"), (2, "acknowledged")]
    assert [event.step.hash for event in events] == [step["hash"] for step in history]
    assert [event.step.number for event in events] == [step["number"] for step in history]
    assert (events[0].title, events[0].due.isoformat()) == (A_PROBLEM["title"], A_PROBLEM["due"])


def test_the_metrics_count_what_is_open(problems: ProblemList) -> None:
    labels = {"department": OTHER_DEPARTMENT, "cluster": CLUSTER, "state": "opened"}
    before = problems.series("fourones_problems_open", **labels) or 0.0
    problems.raised(OFFICE, responsible=[OTHER_DEPARTMENT])
    eventually(lambda: problems.series("fourones_problems_open", **labels) == before + 1)
    assert problems.series("fourones_problems_overdue", department=OTHER_DEPARTMENT) == 0.0


def test_the_api_describes_itself(problems: ProblemList) -> None:
    paths = problems.client.get(f"{problems.url}/openapi.json").json()["paths"]

    assert "StepExplained" in str(paths["/v1/problems/{number}/report"]["post"]["requestBody"])
    assert {"/v1/problems", "/v1/problems/figures", "/v1/problems/{number}"} <= paths.keys()
