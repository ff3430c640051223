"""The submission service as it runs: a real server on a real database, spoken to over HTTP."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from typing import Any

import httpx
import uvicorn
from sqlalchemy import Engine, create_engine, text
from support.waiting import eventually
from unit.submission.builders import COUNTY, a_catalogue

from fourones_local import loopback
from fourones_local.ports import free_port
from fourones_shared.catalogue.model import Catalogue
from fourones_shared.database.migrate import migrate
from fourones_shared.domain.clock import Clock
from fourones_shared.events.model import Role
from fourones_shared.process import server_config
from fourones_submission import bootstrap
from fourones_submission.settings import SubmissionSettings
from fourones_submission.storage.keys import Grant


def settings(database_url: str, **changes: Any) -> SubmissionSettings:
    """Without a limit to a key's rate unless a test asks for one: tests ask faster than any county."""
    return SubmissionSettings(database_url=database_url, **({"requests_per_second": 0} | changes))


@contextmanager
def running(process: bootstrap.Process) -> Iterator[str]:
    """The process, served as in production; yields its address."""
    port = free_port()
    server = uvicorn.Server(server_config(process.app, host="127.0.0.1", port=port))
    stop = threading.Event()
    failures: list[BaseException] = []

    def guarded(work: Callable[[threading.Event], None]) -> None:
        try:
            work(stop)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in process.threads.values()]
    threads.append(threading.Thread(target=server.run))
    for thread in threads:
        thread.start()
    try:
        eventually(lambda: server.started)
        yield f"http://127.0.0.1:{port}"
    finally:
        stop.set()
        server.should_exit = True
        for thread in threads:
            thread.join(20)
        process.close()
    assert not failures, failures


class Service:
    """A running API with its database and its keys."""

    def __init__(self, url: str, database_url: str, engine: Engine) -> None:
        self.url = url
        self.database_url = database_url
        self.engine = engine
        self.admin = self.issue(Role.ADMIN)
        self.county = self.issue(Role.REPORTER, COUNTY)

    def issue(self, role: Role, org: str | None = None, **scope: Any) -> str:
        """A key that the running API knows already."""
        with bootstrap.operations(settings(self.database_url)) as operations:
            key = operations.keys.issue(Grant(role, org, **scope)).key
        eventually(lambda: self.get("/v1/submissions", key=key).status_code == 200)
        return key

    def request(self, method: str, path: str, *, key: str | None, **more: Any) -> httpx.Response:
        headers = dict(more.pop("headers", {})) | ({"Authorization": f"Bearer {key}"} if key else {})
        with loopback.client(base_url=self.url, timeout=30) as client:
            return client.request(method, path, headers=headers, **more)

    def get(self, path: str, *, key: str | None = None, **more: Any) -> httpx.Response:
        return self.request("GET", path, key=key or self.admin, **more)

    def post(
        self, *figures: Mapping[str, Any], org: str = COUNTY, key: str | None = None, **more: Any
    ) -> httpx.Response:
        body = {"org": org, "figures": list(figures)}
        return self.request("POST", "/v1/submissions", key=key or self.county, json=body, **more)

    def send(self, body: bytes, *, key: str | None = None, **headers: str) -> httpx.Response:
        given = {"Content-Type": "application/json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        return self.request("POST", "/v1/submissions", key=key or self.county, content=body, headers=given)

    def put_catalogue(self, content: Catalogue | bytes, *, key: str | None = None, **headers: str) -> httpx.Response:
        body = content if isinstance(content, bytes) else content.document
        given = {"Content-Type": "application/json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        return self.request("PUT", "/v1/catalogue", key=key or self.admin, content=body, headers=given)

    def rows(self, query: str, **values: Any) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(text(query), values))

    def count(self, table: str) -> int:
        return int(self.rows(f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608


@contextmanager
def a_service(database_url: str, *, clock: Clock | None = None, **changes: Any) -> Iterator[Service]:
    """A migrated database with an API on it; no catalogue yet."""
    migrate("fourones_submission", database_url)
    engine = create_engine(database_url)
    try:
        with running(bootstrap.api(settings(database_url, **changes), clock)) as url:
            yield Service(url, database_url, engine)
    finally:
        engine.dispose()


@contextmanager
def another(service: Service, *, clock: Clock | None = None, **changes: Any) -> Iterator[Service]:
    """Another instance of the API on the same database, which has read its keys and its catalogue."""
    with running(bootstrap.api(settings(service.database_url, **changes), clock)) as url:
        second = copy(service)
        second.url = url
        eventually(lambda: second.get("/readyz").status_code == 200)
        yield second


def a_body(**changes: Any) -> dict[str, Any]:
    """A figure of the default catalogue as JSON."""
    return {
        "indicator": "cluster-scale",
        "cluster": "construction-machinery",
        "period": "2026-02",
        "value": "123.4",
    } | changes


def with_catalogue(service: Service) -> Service:
    answer = service.put_catalogue(a_catalogue(), If_None_Match="*")
    assert answer.status_code == 201, answer.text
    return service
