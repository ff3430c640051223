import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from integration.submission.service import Service, a_body, a_service, settings, with_catalogue
from sqlalchemy import create_engine
from support.waiting import eventually
from unit.submission.builders import NOW

from fourones_local.postgres import PostgresServer
from fourones_local.process import ServerProcess
from fourones_shared.database.migrate import migrate
from fourones_shared.domain.clock import FixedClock
from fourones_shared.errors import Stop
from fourones_submission import bootstrap
from fourones_submission.storage.housekeeping import IDEMPOTENCY_KEPT_FOR, forget_old_idempotency_keys


@pytest.fixture
def service(database_url: str) -> Iterator[Service]:
    with a_service(database_url, clock=FixedClock(NOW)) as running:
        yield with_catalogue(running)


def test_a_database_that_is_away_is_told_and_comes_back_by_itself(
    service: Service, postgres_server: ServerProcess[PostgresServer]
):
    assert service.post(a_body()).status_code == 202
    postgres_server.kill()
    answer = service.post(a_body(value="2"), headers={"Idempotency-Key": "outage"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    eventually(lambda: service.request("GET", "/readyz", key=None).status_code == 503)
    postgres_server.start()
    eventually(lambda: service.request("GET", "/readyz", key=None).status_code == 200)
    assert service.post(a_body(value="2"), headers={"Idempotency-Key": "outage"}).status_code == 202
    assert service.count("submission") == service.count("outbox WHERE topic = 'figures-submitted'") == 2


def test_a_database_that_may_forget_is_refused(database_url: str):
    migrate("fourones_submission", database_url)
    engine = create_engine(database_url)
    with engine.begin() as connection:
        name = connection.exec_driver_sql("SELECT current_database()").scalar_one()
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET synchronous_commit = off")
    engine.dispose()
    for build in (bootstrap.api, bootstrap.worker):
        process = build(settings(database_url))
        with pytest.raises(Stop, match="synchronous_commit"):
            next(iter(process.threads.values()))(threading.Event())
        process.close()


def test_old_idempotency_keys_are_forgotten_and_newer_ones_kept(service: Service):
    service.post(a_body(), headers={"Idempotency-Key": "one"})
    keys = "SELECT idempotency_key FROM idempotency"
    forget_old_idempotency_keys(service.engine, FixedClock(NOW + IDEMPOTENCY_KEPT_FOR))
    assert len(service.rows(keys)) == 1
    forget_old_idempotency_keys(service.engine, FixedClock(NOW + IDEMPOTENCY_KEPT_FOR + timedelta(seconds=1)))
    assert service.rows(keys) == []
    assert timedelta(days=7) <= IDEMPOTENCY_KEPT_FOR
