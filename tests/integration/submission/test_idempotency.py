import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from integration.submission.holding import Holding, holding
from integration.submission.service import Service, a_body, another
from sqlalchemy import text
from sqlalchemy.engine import make_url
from support.waiting import eventually
from unit.submission.builders import COUNTY, NOW, OTHER_COUNTY, a_catalogue, an_indicator

from fourones_local import loopback
from fourones_local.ports import free_port
from fourones_local.postgres import PostgresServer
from fourones_local.process import ServerProcess
from fourones_shared.domain.clock import FixedClock
from fourones_shared.events.model import Role


@pytest.fixture
def second(service: Service) -> Iterator[Service]:
    """Another instance of the API on the same database."""
    with another(service, clock=FixedClock(NOW)) as instance:
        yield instance


def with_key(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


def test_the_same_key_and_body_get_the_first_answer_again(service: Service):
    first = service.post(a_body(), headers=with_key("again"))
    second = service.post(a_body(), headers=with_key('"again"'))
    assert (first.status_code, second.status_code) == (202, 202)
    assert second.json() == first.json()
    assert second.headers["Location"] == first.headers["Location"]
    assert len(service.rows("SELECT 1 FROM outbox WHERE reference = :id", id=first.json()["submission_id"])) == 1


def test_the_same_key_with_another_body_is_refused(service: Service):
    service.post(a_body(), headers=with_key("other"))
    answer = service.post(a_body(value="2"), headers=with_key("other"))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "idempotency_key_reused"


def test_a_refused_submission_may_be_mended_under_its_key(service: Service):
    assert service.post(a_body(value="x"), headers=with_key("mended")).status_code == 422
    assert service.post(a_body(value="3"), headers=with_key("mended")).status_code == 202


def test_a_dry_run_does_not_use_up_the_key(service: Service):
    assert service.post(a_body(), headers=with_key("dry"), params={"dry_run": "true"}).status_code == 200
    assert service.post(a_body(value="4"), headers=with_key("dry")).status_code == 202


def test_keys_are_the_sending_organisations_own(service: Service):
    other = service.issue(Role.REPORTER, OTHER_COUNTY)
    first = service.post(a_body(), headers=with_key("shared"))
    second = service.post(a_body(), org=OTHER_COUNTY, key=other, headers=with_key("shared"))
    assert second.status_code == 202
    assert first.json()["submission_id"] != second.json()["submission_id"]


@pytest.mark.parametrize("key", ["", '""', "x" * 256, "a\tb"])
def test_a_key_that_is_none_is_refused(service: Service, key: str):
    answer = service.post(a_body(), headers=with_key(key))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "idempotency_key_invalid"


def test_a_request_whose_key_is_being_worked_on_is_told_to_come_back(service: Service):
    name = f"idempotency:{COUNTY}:busy"
    with service.engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})
        answer = service.post(a_body(), headers=with_key("busy"))
        assert (answer.status_code, answer.headers["Retry-After"]) == (409, "1")
    assert service.post(a_body(), headers=with_key("busy")).status_code == 202


@pytest.mark.parametrize("withdraws", [False, True])
def test_an_answer_that_was_given_between_the_look_for_it_and_the_turn_is_given_again(
    service: Service, withdraws: bool
):
    body = a_body(period="2025-05")
    if withdraws:
        assert service.post(body).status_code == 202
        body = {name: body[name] for name in ("indicator", "cluster", "period")} | {"withdraw": True}
    first = service.post(body, headers=with_key(f"before-{withdraws}"))
    assert first.status_code == 202, first.text
    with service.engine.begin() as other, ThreadPoolExecutor(1) as pool:
        # The second request has looked for its key and waits for the organisation; by then the key has an answer.
        other.execute(text("SELECT org FROM organisation_lock WHERE org = :org FOR UPDATE"), {"org": COUNTY})
        answered = pool.submit(service.post, body, headers=with_key(f"between-{withdraws}"))
        eventually(lambda: service.count("pg_locks WHERE NOT granted"))
        with service.engine.begin() as whoever_was_first:
            whoever_was_first.execute(
                text("UPDATE idempotency SET idempotency_key = :after WHERE idempotency_key = :before"),
                {"before": f"before-{withdraws}", "after": f"between-{withdraws}"},
            )
        other.rollback()
        assert (answered.result().status_code, answered.result().json()) == (202, first.json())


def test_eight_at_once_with_one_key_over_two_instances_make_one_submission(service: Service, second: Service):
    before = service.count("submission"), service.count("outbox")
    at_once = threading.Barrier(8)

    def post(url: str) -> tuple[set[int], dict[str, Any]]:
        """Until it is answered otherwise than that somebody else is at it: the statuses, and the last answer."""
        statuses = set()
        headers = {"Authorization": f"Bearer {service.county}"} | with_key("eight")
        body = {"org": COUNTY, "figures": [a_body(period="2025-03")]}
        with loopback.client(base_url=url, headers=headers, timeout=30) as client:
            at_once.wait(30)
            for _ in range(500):
                answer = client.post("/v1/submissions", json=body)
                statuses.add(answer.status_code)
                if answer.status_code != 409:
                    break
        return statuses, answer.json()

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(post, [service.url, second.url] * 4))
    assert set().union(*(statuses for statuses, _ in outcomes)) <= {202, 409}
    answers = [answer for _, answer in outcomes]
    assert all("submission_id" in answer and answer == answers[0] for answer in answers)
    assert (service.count("submission"), service.count("outbox")) == (before[0] + 1, before[1] + 1)


@contextmanager
def api_process(database_url: str, key: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The API as its own process, as a supervisor runs it; it knows the key."""
    port = free_port()
    environment = os.environ | {"FOURONES_DATABASE_URL": database_url, "FOURONES_PORT": str(port)}
    process = subprocess.Popen([sys.executable, "-m", "fourones_submission", "api"], env=environment)
    url = f"http://127.0.0.1:{port}"

    def knows_the_key() -> bool:
        try:
            headers = {"Authorization": f"Bearer {key}"}
            return loopback.get(f"{url}/v1/submissions", headers=headers).is_success
        except httpx.TransportError:
            return False

    try:
        eventually(knows_the_key)
        yield url, process
    finally:
        process.kill()
        process.wait()


def through(proxy: Holding, database_url: str) -> str:
    return make_url(database_url).set(port=proxy.port).render_as_string(hide_password=False)


def test_a_crash_between_storing_and_answering_leaves_one_submission_and_the_retry_gets_its_answer(
    service: Service, postgres_server: ServerProcess[PostgresServer]
):
    headers = {"Authorization": f"Bearer {service.county}", "Content-Type": "application/json"} | with_key("crash")
    body = json.dumps({"org": COUNTY, "figures": [a_body(period="2025-04", value="77.5")]}).encode()
    stored = "SELECT submission_id, sequence FROM submission WHERE body = :body"

    def post(url: str) -> httpx.Response:
        return loopback.post(f"{url}/v1/submissions", content=body, headers=headers, timeout=60)

    with (
        holding(postgres_server.server.port) as proxy,
        api_process(through(proxy, service.database_url), service.county) as (url, process),
        ThreadPoolExecutor(1) as pool,
    ):
        proxy.hold.set()
        answer = pool.submit(post, url)
        # Committed, and the process waits for a word of it that does not come.
        eventually(lambda: proxy.held.is_set() and service.rows(stored, body=body))
        assert not answer.done()
        process.send_signal(signal.SIGKILL)
        with pytest.raises(httpx.TransportError):
            answer.result(30)

    (row,) = service.rows(stored, body=body)
    with api_process(service.database_url, service.county) as (url, _):
        for _ in range(2):
            again = post(url)
            assert again.status_code == 202
            assert (again.json()["submission_id"], again.json()["sequence"]) == (str(row.submission_id), row.sequence)
    assert service.rows(stored, body=body) == [row]
    assert len(service.rows("SELECT 1 FROM outbox WHERE reference = :id", id=str(row.submission_id))) == 1


def test_what_was_accepted_stays_so_when_the_rules_have_changed_since(service: Service):
    first = service.post(a_body(), headers=with_key("rules"))
    tag = service.get("/v1/catalogue").headers["ETag"]
    stricter = a_catalogue(an_indicator(maximum="1"))
    assert service.put_catalogue(stricter, If_Match=tag).status_code == 201
    assert service.post(a_body()).status_code == 422
    assert service.post(a_body(), headers=with_key("rules")).json() == first.json()
    assert service.post(a_body(value="999"), headers=with_key("rules")).json()["errors"][0]["code"] == (
        "idempotency_key_reused"
    )
