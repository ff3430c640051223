from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from integration.submission.service import Service, a_body, running, settings
from sqlalchemy import text
from unit.submission.builders import COUNTY, NOW, OTHER_COUNTY, a_catalogue, an_indicator

from fourones_shared.domain.clock import FixedClock
from fourones_shared.events.model import Role
from fourones_submission import bootstrap


@pytest.fixture
def second_url(service: Service) -> Iterator[str]:
    """Another instance of the API on the same database."""
    with running(bootstrap.api(settings(service.database_url), FixedClock(NOW))) as url:
        yield url


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


def test_eight_at_once_with_one_key_over_two_instances_make_one_submission(service: Service, second_url: str):
    before = service.count("submission"), service.count("outbox")
    second = Service.__new__(Service)
    second.__dict__ = service.__dict__ | {"url": second_url}

    def post(instance: Service) -> tuple[int, str | None]:
        for _ in range(100):
            answer = instance.post(a_body(period="2025-03"), headers=with_key("eight"))
            if answer.status_code != 409:
                return answer.status_code, answer.json().get("submission_id")
        return 409, None

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(post, [service, second] * 4))
    assert len(answers) == 1
    assert next(iter(answers))[0] == 202
    assert (service.count("submission"), service.count("outbox")) == (before[0] + 1, before[1] + 1)


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
