"""A release under load: every container is replaced, and nobody who reports or reads notices."""

import itertools
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from containers.composed import SERVICES, Composed, image, run, version
from support.system import SystemClient
from support.waiting import eventually

from fourones_local import loopback
from fourones_local.ports import is_free

pytestmark = pytest.mark.thorough

ROLES = [f"{service}-{role}" for service in SERVICES for role in ("api", "worker")]
SCALE = "cluster-scale"
# Of which no other test reports anything.
CLUSTERS = ("construction-machinery", "ic-and-ict")
MONTHS = tuple(f"{year}-{month:02}" for year in (2023, 2024, 2025) for month in range(1, 12))
REPORTERS = ("320302", "320303", "320305", "320311")
# Below what a key may ask a second, and enough for a request to be under way at every moment.
PAUSE_S = 0.1
TWO_OF_EACH = Path(__file__).parent / "two-of-each.yml"


class Ingress:
    """What stands before the instances of an API: asks those that are ready, and the next where none listens."""

    def __init__(self, *urls: str) -> None:
        self._urls = urls
        self._ready = set(urls)
        self._turn = itertools.count()
        self._http = loopback.client(timeout=30)

    def look(self) -> None:
        """Asks every instance whether it is ready, as a load balancer does every so often."""
        for url in self._urls:
            try:
                ready = self._http.get(f"{url}/readyz", timeout=2).status_code == 200
            except httpx.TransportError:
                ready = False
            (self._ready.add if ready else self._ready.discard)(url)

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Sends a request; only one that reached nobody is sent again.

        Raises:
            httpx.TransportError: it was lost on the way.
        """
        ready = sorted(self._ready) or list(self._urls)
        first = next(self._turn)
        for attempt in range(len(ready)):
            try:
                return self._http.request(method, ready[(first + attempt) % len(ready)] + path, **options)
            except httpx.ConnectError:
                continue
        raise httpx.ConnectError(f"nobody listens at {ready}")

    def close(self) -> None:
        self._http.close()


@pytest.fixture
def ingresses(composed: Composed) -> Iterator[dict[str, Ingress]]:
    """The same system with two of each API, and what stands before them."""
    pairs = dict(zip(SERVICES, pairs_of_ports(), strict=False))
    composed.environment["COMPOSE_FILES"] = str(TWO_OF_EACH)
    # Ten looks of the ingresses.
    composed.environment["FOURONES_DRAIN_S"] = "2"
    for service, first in pairs.items():
        composed.environment[f"{service.upper()}_PORTS"] = f"{first}-{first + 1}"
    composed.up()
    made = {
        service: Ingress(*(f"http://127.0.0.1:{port}" for port in (first, first + 1)))
        for service, first in pairs.items()
    }
    yield made
    for ingress in made.values():
        ingress.close()


def pairs_of_ports() -> Iterator[int]:
    """The first of two neighbouring ports that are free, again and again."""
    return (port for port in range(18100, 18900, 2) if is_free(port) and is_free(port + 1))


@pytest.fixture
def next_version(images: None) -> Iterator[str]:
    """The services' images once more, as another release."""
    tags = {image(name): f"{image(name)}-next" for name in SERVICES}
    for tag, other in tags.items():
        run(["docker", "tag", tag, other])
    yield f"{version()}-next"
    run(["docker", "image", "rm", *tags.values()])


def test_a_release_is_rolled_out_under_load_without_losing_a_request_or_a_figure(
    composed: Composed, ingresses: dict[str, Ingress], next_version: str
) -> None:
    composed.environment["FOURONES_VERSION"] = next_version
    with closing(SystemClient(composed.endpoints)) as client:
        # Before the first figure of the load, which would be counted twice.
        before = value_of_everything(client)
    with the_load(ingresses, composed.endpoints["keys"]) as load:
        composed.script("roll.sh", *ROLES)
    assert load.faults == []
    assert len(load.accepted) > 200
    assert load.read > 200

    replaced = [container for role in ROLES for container in composed.containers(role)]
    assert len(replaced) == 10
    assert all(container["Config"]["Image"].endswith("-next") for container in replaced)

    with closing(SystemClient(composed.endpoints)) as client:
        eventually(lambda: load.accepted <= applied(client), within_s=120)
        expected = before + sum(load.last_value.values())
        eventually(lambda: value_of_everything(client) == expected)


def applied(client: SystemClient) -> set[str]:
    """The submissions of all reporters whose receipts are complete."""
    pages = (client.pages("submission", "/v1/submissions", org=org, limit="1000") for org in REPORTERS)
    return {item["submission_id"] for page in pages for item in page if item["status"] == "applied"}


def value_of_everything(client: SystemClient) -> int:
    """The sum over clusters and months that only the load reports."""
    items = [
        item
        for cluster in CLUSTERS
        for item in client.pages("aggregation", "/v1/rollups", indicator=SCALE, org="_T", cluster=cluster, tier="_T")
        if item["period"] in MONTHS and item["value"]
    ]
    return int(sum(Decimal(item["value"]) for item in items))


class Load:
    """Counties that report and viewers that read through the ingresses, and what came of it."""

    def __init__(self, ingresses: dict[str, Ingress], keys: dict[str, str]) -> None:
        self.accepted: set[str] = set()
        # By organisation, cluster and month: every round revises what the one before has reported.
        self.last_value: dict[tuple[str, str, str], int] = {}
        self.read = 0
        self.faults: list[str] = []
        self._ingresses = ingresses
        self._keys = keys
        self._stop = threading.Event()

    def stop(self) -> None:
        """Lets every thread end after its request."""
        self._stop.set()

    def look(self) -> None:
        """Sees to which instances are ready."""
        while not self._stop.wait(0.2):
            for ingress in self._ingresses.values():
                ingress.look()

    def report(self, org: str) -> None:
        """Posts a figure after another about `org`."""
        cells = itertools.cycle(itertools.product(MONTHS, CLUSTERS))
        for number, (month, cluster) in enumerate(cells):
            # Another value in every round.
            value = 1 + number // (len(MONTHS) * len(CLUSTERS))
            if self._stop.wait(PAUSE_S):
                return
            figure = {"indicator": SCALE, "cluster": cluster, "period": month, "value": str(value)}
            body = {"org": org, "figures": [figure]}
            answer = self._ask(org, "submission", "POST", "/v1/submissions", 202, json=body)
            if answer is not None:
                self.accepted.add(answer.json()["submission_id"])
                self.last_value[org, cluster, month] = value

    def view(self, service: str, path: str) -> None:
        """Reads a page again and again."""
        while not self._stop.wait(PAUSE_S):
            self.read += self._ask("viewer", service, "GET", path, 200) is not None

    def _ask(
        self, key: str, service: str, method: str, path: str, wanted: int, **options: Any
    ) -> httpx.Response | None:
        header = {"Authorization": f"Bearer {self._keys[key]}"}
        try:
            answer = self._ingresses[service].ask(method, path, headers=header, **options)
        except httpx.TransportError as error:
            self.faults.append(f"{method} {path}: {error!r}")
            return None
        if answer.status_code != wanted:
            self.faults.append(f"{method} {path}: {answer.status_code} {answer.text}")
            return None
        return answer


@contextmanager
def the_load(ingresses: dict[str, Ingress], keys: dict[str, str]) -> Iterator[Load]:
    """The load, until the block ends."""
    load = Load(ingresses, keys)
    threads = [threading.Thread(target=load.look)]
    threads += [threading.Thread(target=load.report, args=[org]) for org in REPORTERS]
    threads.append(threading.Thread(target=load.view, args=["aggregation", f"/v1/rollups?indicator={SCALE}&limit=5"]))
    threads.append(threading.Thread(target=load.view, args=["alerting", "/v1/assessments?limit=5"]))
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.stop()
        for thread in threads:
            thread.join()
