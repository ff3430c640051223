"""The service's processes as they run: the API on a port, the worker's threads on the real broker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn
from integration.aggregation.keeping import TODAY
from support.waiting import eventually

from fourones_aggregation import bootstrap
from fourones_local import loopback
from fourones_local.ports import free_port
from fourones_shared.access.keys import hash_key, new_key
from fourones_shared.database.engine import worker_engine
from fourones_shared.domain.clock import Clock
from fourones_shared.events.model import AccessGranted, Role
from fourones_shared.reference import store_key
from fourones_shared.settings import ServiceSettings

Thread = Callable[[threading.Event], None]


@contextmanager
def running(*work: Thread) -> Iterator[None]:
    """Threads that run until the block ends, and must not have failed by then."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def guarded(one: Thread) -> None:
        try:
            one(stop)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)
    assert not failures, failures


@contextmanager
def serving(process: bootstrap.Process) -> Iterator[str]:
    """The process's address, its threads beside it."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(process.app, host="127.0.0.1", port=port, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        with running(*process.threads.values()):
            eventually(lambda: server.started)
            yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)
        process.close()


class Client:
    """Speaks to the API with a key of its own."""

    def __init__(self, address: str, key: str) -> None:
        self.address = address
        self._http = loopback.client(base_url=address, headers={"Authorization": f"Bearer {key}"}, timeout=30)

    def get(self, path: str, *, tag: str | None = None, **query: str) -> httpx.Response:
        return self._http.get(path, params=query, headers={"If-None-Match": tag} if tag else None)

    def rollups(self, **query: str) -> list[dict[str, Any]]:
        answer = self.get("/v1/rollups", **query)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["items"])

    def rollup(self, **query: str) -> dict[str, Any]:
        items = self.rollups(**query)
        assert len(items) == 1, items
        return items[0]

    def close(self) -> None:
        self._http.close()


def grant(database_url: str, role: Role, org: str | None = None) -> str:
    """A key that the service knows of."""
    key_id, key = new_key()
    engine = worker_engine(database_url, name="test", pool_size=1)
    with engine.begin() as connection:
        granted = AccessGranted(key_id=key_id, version=1, key_hash=hash_key(key), role=role, org=org, issued_at=TODAY)
        store_key(connection, granted)
    engine.dispose()
    return key


@contextmanager
def an_api(
    database_url: str, role: Role = Role.VIEWER, org: str | None = None, clock: Clock | None = None
) -> Iterator[Client]:
    """A client of a running API."""
    key = grant(database_url, role, org)
    # Tests ask faster than a client may.
    settings = ServiceSettings(database_url=database_url, requests_per_second=0)
    with serving(bootstrap.api(settings, clock)) as address:
        client = Client(address, key)
        try:
            eventually(lambda: client.get("/readyz").status_code == 200)
            yield client
        finally:
            client.close()
