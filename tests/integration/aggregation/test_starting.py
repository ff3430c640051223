"""What is served while the broker is away, at the start too."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from integration.aggregation.keeping import Aggregation, a_figure, a_submission
from integration.aggregation.serving import Client, grant
from support.catalogue import CITY, MACHINERY, PEI, SCALE
from support.waiting import eventually

from fourones_local import loopback
from fourones_local.ports import free_port
from fourones_shared.events.model import Role

NOBODY_LISTENS = "127.0.0.1:9"


@contextmanager
def process(role: str, database_url: str) -> Iterator[str]:
    """A process of the service as a supervisor runs it; ends in good order."""
    port = free_port()
    environment = os.environ | {
        "FOURONES_DATABASE_URL": database_url,
        "FOURONES_KAFKA_BOOTSTRAP": NOBODY_LISTENS,
        "FOURONES_PORT": str(port),
    }
    running = subprocess.Popen([sys.executable, "-m", "fourones_aggregation", role], env=environment)
    try:
        yield f"http://127.0.0.1:{port}"
        running.terminate()
        assert running.wait(30) == 0
    finally:
        running.kill()
        running.wait()


def answered(url: str, status: int) -> None:
    def is_answered() -> bool:
        try:
            return loopback.get(url).status_code == status
        except httpx.TransportError:
            return False

    eventually(is_answered)


def test_totals_are_served_to_known_keys_by_a_service_that_starts_without_a_broker(aggregation: Aggregation) -> None:
    aggregation.apply(a_submission(a_figure("12.5"), org=PEI))
    viewer, department = grant(aggregation.url, Role.VIEWER), grant(aggregation.url, Role.DEPARTMENT, CITY)
    with process("worker", aggregation.url) as worker, process("api", aggregation.url) as api:
        answered(f"{api}/readyz", 200)
        for client in (Client(api, viewer), Client(api, department)):
            total = client.rollup(indicator=SCALE, org="_T", cluster=MACHINERY, period="2026-03")
            assert (total["value"], total["coverage"]["reported"]) == ("12.5", 1)
            client.close()
        answered(f"{api}/v1/rollups", 401)
        # The worker lives and waits; a supervisor that took it for dead would gain nothing.
        answered(f"{worker}/healthz", 200)
        answered(f"{worker}/readyz", 503)
