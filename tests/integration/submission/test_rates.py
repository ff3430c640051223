import asyncio
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from integration.submission.service import Service, a_body, a_service, another, with_catalogue
from sqlalchemy import Engine, create_engine, text
from support.stack import NewDatabase
from support.waiting import eventually
from unit.submission.builders import COUNTY

from fourones_local import loopback
from fourones_local.postgres import PostgresServer
from fourones_local.process import ServerProcess
from fourones_shared.access.rates import Permits, Rate
from fourones_shared.database.engine import api_engine
from fourones_shared.database.migrate import migrate
from fourones_shared.events.model import Role

# Slow enough that a burst is used up long before it comes back.
LIMITS: dict[str, Any] = {"requests_per_second": 20, "request_burst": 60}
LARGEST_LEASE = Rate(LIMITS["requests_per_second"], LIMITS["request_burst"]).largest_lease
START = datetime(2026, 3, 10, 4, tzinfo=UTC)


@pytest.fixture
def service(database_url: str) -> Iterator[Service]:
    with a_service(database_url, **LIMITS) as api:
        yield with_catalogue(api)


@pytest.fixture
def second(service: Service) -> Iterator[Service]:
    """Another instance on the same database."""
    with another(service, **LIMITS) as instance:
        yield instance


@pytest.fixture(scope="module")
def table(new_database: NewDatabase) -> Iterator[tuple[str, Engine]]:
    with new_database() as url:
        migrate("fourones_submission", url)
        engine = create_engine(url)
        yield url, engine
        engine.dispose()


def flood(urls: list[str], key: str, count: int) -> Counter[int]:
    """So many requests, as fast as they go, in turn to each instance: how often each status came."""

    def ask(url: str) -> list[int]:
        headers = {"Authorization": f"Bearer {key}"}
        with loopback.client(base_url=url, headers=headers, timeout=30) as client:
            return [client.get("/v1/submissions?limit=1").status_code for _ in range(count // 8)]

    with ThreadPoolExecutor(8) as pool:
        return Counter(status for statuses in pool.map(ask, urls * (8 // len(urls))) for status in statuses)


def admitted(url: str, key: str) -> bool:
    return flood([url], key, 8) == {200: 8}


def test_two_instances_together_admit_what_the_rate_gives(service: Service, second: Service):
    key, other = service.issue(Role.REPORTER, COUNTY), service.issue(Role.VIEWER)
    for known in (key, other):
        eventually(partial(admitted, second.url, known))
    # What making them known has cost; from here on it is counted.
    with service.engine.begin() as connection:
        connection.execute(text("DELETE FROM request_rate"))
    began = datetime.now(UTC)
    statuses = flood([service.url, second.url], key, 400)
    took_s = (datetime.now(UTC) - began).total_seconds()
    assert set(statuses) == {200, 429}
    given = LIMITS["request_burst"] + LIMITS["requests_per_second"] * took_s
    # A lease each may be left from before, and one each may be left unspent.
    assert statuses[200] <= given + 2 * LARGEST_LEASE + 1
    assert statuses[200] >= LIMITS["request_burst"] - 2 * LARGEST_LEASE
    # Somebody else's key is not touched by it.
    assert flood([service.url, second.url], other, 40) == {200: 40}


def test_a_refusal_says_when_to_come_back_and_then_all_is_well(database_url: str):
    # One client after the other's answer: on a busy machine that is slower than any rate worth limiting.
    with a_service(database_url, requests_per_second=1, request_burst=30) as api:
        service = with_catalogue(api)
        answers = (service.post(a_body()) for _ in range(2000))
        refused = next(answer for answer in answers if answer.status_code != 202)
        assert refused.status_code == 429
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert int(refused.headers["Retry-After"]) >= 1
        assert "1 次" in refused.json()["detail"]
        eventually(lambda: service.post(a_body()).status_code == 202)
        metrics = service.request("GET", "/metrics", key=None).text
        line = next(line for line in metrics.splitlines() if line.startswith("fourones_http_requests_limited_total"))
        assert float(line.split()[1]) > 0


def test_health_and_strangers_are_not_counted(service: Service):
    before = service.count("request_rate")
    for _ in range(LIMITS["request_burst"] * 2):
        assert service.request("GET", "/healthz", key=None).status_code == 200
    assert service.request("GET", "/v1/submissions", key="fo_0123456789ab_wrong").status_code == 401
    assert service.count("request_rate") == before


def test_a_database_that_is_away_is_told_as_such_and_not_as_a_limit(
    service: Service, postgres_server: ServerProcess[PostgresServer]
):
    postgres_server.kill()
    try:
        statuses = {service.get("/v1/submissions").status_code for _ in range(LIMITS["request_burst"] + 40)}
    finally:
        postgres_server.start()
    assert statuses == {503}
    eventually(lambda: service.get("/v1/submissions").status_code == 200)
    # What is not logged is empty after a crash, and counting goes on.
    assert flood([service.url], service.admin, 160)[429] > 0


def test_every_route_that_asks_for_a_key_documents_the_limit(service: Service):
    document = service.request("GET", "/openapi.json", key=None).json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if operation.get("security"):
                assert "Retry-After" in operation["responses"]["429"]["headers"], (method, path)


@hypothesis_settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    per_second=st.integers(1, 500),
    burst=st.integers(1, 50),
    takes=st.lists(st.tuples(st.integers(0, 2_000_000), st.integers(1, 12)), min_size=1, max_size=12),
)
def test_the_statement_does_what_the_arithmetic_says(
    table: tuple[str, Engine], per_second: int, burst: int, takes: list[tuple[int, int]]
):
    url, engine = table
    rate = Rate(per_second, burst)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM request_rate"))

    async def story() -> None:
        pool = api_engine(url, name="test", pool_size=1)
        permits, until, now = Permits(pool), None, START
        for pause_us, wanted in takes:
            now += timedelta(microseconds=pause_us)
            # A lease is never larger than the burst.
            lease = min(wanted, burst)
            expected = rate.taken(until, now, lease)
            assert await permits.take("k", lease, rate, now) is (expected is not None)
            until = expected or until
        await pool.dispose()
        with engine.connect() as connection:
            assert connection.execute(text("SELECT spoken_for_until FROM request_rate")).scalar_one() == until

    asyncio.run(story())
