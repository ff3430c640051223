import asyncio
import json
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Body, FastAPI
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from pydantic import BaseModel, Field
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from unit.shared.tracing.recording import recording

from fourones_shared.access.keys import KeyRecord, hash_key, new_key
from fourones_shared.catalogue.model import Catalogue
from fourones_shared.domain.clock import FixedClock
from fourones_shared.events.model import AccessGranted, Role
from fourones_shared.http.problems import Fault, Problem
from fourones_shared.http.service import Caller, service_app, worker_app
from fourones_shared.reference import ReferenceCopy
from fourones_shared.tracing import current_traceparent, names

NOW = datetime(2025, 12, 8, 4, 0, tzinfo=UTC)
# Nothing listens there: a database that is away.
AWAY = "postgresql+psycopg://nobody@127.0.0.1:1/none?connect_timeout=1"


class Greeting(BaseModel):
    name: Annotated[str, Field(max_length=3)]
    times: int = Field(default=1, ge=1)


class Client:
    """Asks an application without a server between."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    def get(self, path: str, **request: Any) -> httpx.Response:
        return asyncio.run(self._ask("GET", path, request))

    def post(self, path: str, **request: Any) -> httpx.Response:
        return asyncio.run(self._ask("POST", path, request))

    async def _ask(self, method: str, path: str, request: dict[str, Any]) -> httpx.Response:
        # An error of ours is an answer to the client; the server would log what is raised behind it.
        transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.request(method, path, **request)


class Service:
    def __init__(self, **changes: Any) -> None:
        self.reference = ReferenceCopy(create_engine(AWAY), was_read=True)
        self.clock = FixedClock(NOW)
        self.app: FastAPI = service_app(
            title="greetings", description="", reference=self.reference, clock=self.clock, **changes
        )
        self.client = Client(self.app)

    def a_key(self, **changes: Any) -> dict[str, str]:
        """A key's header."""
        key_id, key = new_key()
        granted = AccessGranted(
            **{"key_id": key_id, "version": 1, "key_hash": hash_key(key), "role": Role.VIEWER, "issued_at": NOW}
            | changes
        )
        self.reference.keys.replace([KeyRecord.of(granted)])
        return {"Authorization": f"Bearer {key}"}

    def failing_with(self, error: Exception) -> Any:
        @self.app.get("/failing")
        def failing() -> None:
            raise error

        return self.client.get("/failing")


@pytest.fixture
def service() -> Service:
    service = Service()

    @service.app.get("/v1/greetings/{name}")
    def greet(caller: Caller, name: str) -> dict[str, str | None]:
        return {"name": name, "role": caller.role.value, "traceparent": current_traceparent()}

    @service.app.post("/v1/greetings")
    def keep(greeting: Annotated[Greeting, Body()]) -> Greeting:
        return greeting

    return service


def is_a_problem(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["type"] == "about:blank"
    assert body["status"] == status
    assert _is_chinese(body["detail"])
    return body


# -- keys ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header", [{}, {"Authorization": "Bearer fo_nobody_x"}, {"Authorization": "Basic Zm86bw=="}, {"Authorization": "x"}]
)
def test_without_a_valid_key_it_is_401(service: Service, header: dict[str, str]) -> None:
    answer = service.client.get("/v1/greetings/x", headers=header)

    is_a_problem(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"


def test_an_unknown_key_is_told_to_come_again_while_no_key_has_been_read(service: Service) -> None:
    service.reference.was_read = False
    answer = service.client.get("/v1/greetings/x", headers={"Authorization": "Bearer fo_nobody_x"})

    is_a_problem(answer, 503)
    assert answer.headers["retry-after"] == "1"
    assert service.client.get("/v1/greetings/x", headers=service.a_key()).status_code == 200


def test_a_key_opens_the_door_until_it_expires(service: Service) -> None:
    header = service.a_key(expires_at=NOW + timedelta(hours=1))
    assert service.client.get("/v1/greetings/x", headers=header).json()["role"] == "viewer"

    service.clock.advance(timedelta(hours=1))
    is_a_problem(service.client.get("/v1/greetings/x", headers=header), 401)


# -- errors ----------------------------------------------------------------------------------------------------


def test_every_fault_of_a_body_is_told_at_once_in_chinese_with_its_pointer(service: Service) -> None:
    answer = service.client.post("/v1/greetings", json={"name": "far too long", "times": 0})

    body = is_a_problem(answer, 422)
    assert [(fault["pointer"], fault["code"], fault["detail"]) for fault in body["errors"]] == [
        ("/name", "string_too_long", "过长,最多 3 个字"),
        ("/times", "greater_than_equal", "应不小于 1"),
    ]


def test_a_body_that_is_no_json_is_400(service: Service) -> None:
    answer = service.client.post("/v1/greetings", content=b"{", headers={"Content-Type": "application/json"})

    is_a_problem(answer, 400)


def test_what_was_sent_is_not_said_again(service: Service) -> None:
    answer = service.client.post("/v1/greetings", json={"name": "secret"})

    assert "secret" not in answer.text


def test_a_path_or_a_method_that_is_not_there_is_a_problem_too(service: Service) -> None:
    assert is_a_problem(service.client.get("/nowhere"), 404)["instance"] == "/nowhere"
    is_a_problem(service.client.post("/healthz"), 405)


def test_a_method_that_is_not_there_names_those_that_are_over_all_routes_of_the_address(service: Service) -> None:
    @service.app.get("/v1/farewells")
    def farewells() -> None: ...

    @service.app.put("/v1/farewells")
    def put_farewell() -> None: ...

    assert service.client.post("/v1/farewells").headers["allow"] == "GET, PUT"


def test_a_problem_carries_its_faults_and_headers(service: Service) -> None:
    problem = Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "请求有误",
        errors=[Fault(line=3, column=2, code="unit", detail="单位应为亿元")],
        headers={"X-Hint": "1"},
    )
    answer = service.failing_with(problem)

    assert is_a_problem(answer, 422)["errors"] == [{"line": 3, "column": 2, "code": "unit", "detail": "单位应为亿元"}]
    assert answer.headers["x-hint"] == "1"


def test_a_database_that_is_away_is_503_with_a_time_to_come_back(service: Service) -> None:
    @service.app.get("/reading")
    def reading() -> None:
        with service.reference.engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    answer = service.client.get("/reading")

    is_a_problem(answer, 503)
    assert int(answer.headers["retry-after"]) > 0


def test_a_pool_without_a_free_connection_is_503(service: Service) -> None:
    answer = service.failing_with(PoolTimeout("all taken"))

    is_a_problem(answer, 503)
    assert "retry-after" in answer.headers


@pytest.mark.parametrize("error", [ProgrammingError("SELEC", None, Exception("syntax")), ZeroDivisionError("inner")])
def test_an_error_of_our_own_is_500_and_tells_nothing_of_its_inside(service: Service, error: Exception) -> None:
    answer = service.failing_with(error)

    is_a_problem(answer, 500)
    assert "SELEC" not in answer.text
    assert "inner" not in answer.text


# -- health and metrics ----------------------------------------------------------------------------------------


def test_it_lives_without_a_key_and_without_a_database(service: Service) -> None:
    assert service.client.get("/healthz").json() == {"status": "ok"}


def test_it_is_ready_once_the_database_answers_and_a_catalogue_is_known(service: Service) -> None:
    assert service.client.get("/readyz").status_code == 503
    service.reference.database_answers = True
    assert service.client.get("/readyz").status_code == 503
    service.reference.catalogue = Catalogue()
    assert service.client.get("/readyz").json() == {"status": "ready"}
    service.reference.database_answers = False
    assert service.client.get("/readyz").status_code == 503


def test_requests_are_counted_by_route_and_not_by_path(service: Service) -> None:
    header = service.a_key()
    for name in ("one", "two"):
        service.client.get(f"/v1/greetings/{name}", headers=header)
    service.client.get("/nowhere/else")
    metrics = service.client.get("/metrics").text

    assert 'route="/v1/greetings/{name}",status="200"' in metrics
    assert 'route="unmatched",status="404"' in metrics
    assert "/v1/greetings/one" not in metrics


def test_an_error_is_counted_as_one(service: Service) -> None:
    service.failing_with(ZeroDivisionError())

    assert 'route="/failing",status="500"' in service.client.get("/metrics").text


def test_further_series_follow_those_of_the_process() -> None:
    service = Service(registry=CollectorRegistry(), more_metrics=lambda: b"fourones_indicator_value 1.5\n")

    assert service.client.get("/metrics").text == "fourones_indicator_value 1.5\n"


def test_a_scraper_that_takes_openmetrics_gets_the_traces_of_a_histogram_too() -> None:
    registry = CollectorRegistry()
    Histogram("freshness_seconds", "…", registry=registry).observe(
        0.2, {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}
    )
    Counter("figures_total", "…", registry=registry).inc()
    more = b'# HELP fourones_value v\n# TYPE fourones_value gauge\nfourones_value{a="b"} 1.5\n'
    service = Service(registry=registry, more_metrics=lambda: more)

    # As Prometheus asks.
    accept = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain"
    answer = service.client.get("/metrics", headers={"Accept": accept})

    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0; charset=utf-8")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert families.keys() == {"freshness_seconds", "figures", "fourones_value"}
    assert [sample.value for sample in families["fourones_value"].samples] == [1.5]
    assert "figures_total" in {sample.name for sample in families["figures"].samples}
    assert [s.exemplar.labels for s in families["freshness_seconds"].samples if s.exemplar] == [
        {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}
    ]


def test_a_worker_answers_health_and_metrics_and_nothing_else() -> None:
    ready = [False]
    client = Client(worker_app(lambda: ready[0]))

    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 503
    ready[0] = True
    assert client.get("/readyz").status_code == 200
    assert "fourones_consumer" in client.get("/metrics").text or "python_info" in client.get("/metrics").text
    for path in ("/docs", "/openapi.json", "/"):
        assert client.get(path).status_code == 404


# -- traces ----------------------------------------------------------------------------------------------------


BEGAN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize("recorded", [True, False])
def test_a_trace_that_the_caller_began_goes_on(service: Service, recorded: bool) -> None:
    header = service.a_key() | {"traceparent": BEGAN}

    with recording() if recorded else nullcontext():
        within = service.client.get("/v1/greetings/x", headers=header).json()["traceparent"]

    assert within.split("-")[1] == BEGAN.split("-")[1]
    assert within.split("-")[2] != BEGAN.split("-")[2]
    assert within.endswith("-01")


def test_a_request_is_a_span_by_its_route_and_what_is_asked_by_the_machinery_is_none(service: Service) -> None:
    with recording() as recorded:
        service.client.get("/v1/greetings/x", headers=service.a_key() | {"traceparent": BEGAN})
        service.client.get("/nowhere")
        for path in ("/healthz", "/readyz", "/metrics"):
            service.client.get(path)

    assert {span.name for span in recorded.spans} == {"GET /v1/greetings/{name}", "GET"}
    greeted = recorded.one("GET /v1/greetings/{name}")
    assert f"{greeted.parent:016x}" == BEGAN.split("-")[2]
    assert greeted.attributes == {
        names.HTTP_METHOD: "GET",
        names.HTTP_ROUTE: "/v1/greetings/{name}",
        names.HTTP_STATUS: 200,
        names.URL_PATH: "/v1/greetings/x",
        names.URL_SCHEME: "http",
    }


def test_an_error_of_ours_marks_the_span_and_a_callers_does_not(service: Service) -> None:
    with recording() as recorded:
        service.failing_with(ZeroDivisionError())
        service.client.get("/v1/greetings/x")

    failed = recorded.one("GET /failing").attributes
    assert (failed[names.HTTP_STATUS], failed[names.ERROR_TYPE]) == (500, "ZeroDivisionError")
    assert names.ERROR_TYPE not in recorded.one("GET /v1/greetings/{name}").attributes


def test_the_description_of_the_api_names_the_errors(service: Service) -> None:
    described = json.loads(service.client.get("/openapi.json").content)

    assert described["openapi"].startswith("3.1")


def _is_chinese(words: str) -> bool:
    return any("一" <= letter <= "鿿" for letter in words)


def test_a_lost_connection_counts_as_away_whatever_the_driver_calls_it(service: Service) -> None:
    error = DBAPIError("SELECT 1", None, Exception("server closed the connection"), connection_invalidated=True)

    is_a_problem(service.failing_with(error), 503)
