"""A rolling restart of every role under load: nobody is refused, nothing is lost, nothing is doubled."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from typing import Any

import pytest
from contract.k8s.rendering import pod
from faults.accounts import Accounts, check_nothing_waits
from faults.posting import ORGANISATIONS, Figure, Poster, a_figure, join, wait_applied
from faults.rolling import Balancer, Instance, endpoints_through, running
from kafka import KafkaAdminClient
from support.system import SystemClient
from support.waiting import eventually

from fourones_local.stack import Stack

pytestmark = pytest.mark.faults

SERVICES = ("submission", "aggregation", "alerting")
READ = {"submission": "/v1/submissions", "aggregation": "/v1/rollups", "alerting": "/v1/assessments"}
CLUSTER, PERIOD = "new-materials", "2023-05"
PAUSE_S = 0.05
# The groups whose members share a topic's partitions.
GROUPS = {"aggregation-worker": "aggregation", "alerting-worker": "alerting"}
# Much longer than a balancer takes to hear of it, even on a machine that has no time.
DRAIN_S = 4.0


class UnforgivingPoster(Poster):
    """Tries nothing again: one request, one answer, and that one a 202."""

    def _post(self, figures: Sequence[Figure], key: str) -> dict[str, Any]:
        answer = self._system.post(self.org, {"org": self.org, "figures": figures}, key)
        assert answer.status_code == 202, answer.text
        return dict(answer.json())


class Reader(threading.Thread):
    """Asks one address again and again, and takes nothing but a 200."""

    def __init__(self, system: SystemClient, service: str, path: str, enough: threading.Event) -> None:
        super().__init__(daemon=True)
        self._system, self._service, self._path, self._enough = system, service, path, enough
        self.answers = 0
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            while not self._enough.wait(PAUSE_S):
                self._system.get(self._service, self._path, key="coordinator", limit="1")
                self.answers += 1
        except BaseException as error:
            self.failure = error


@pytest.mark.parametrize(
    ("asked", "working"),
    [
        pytest.param(("submission",), ("aggregation",), id="who takes in and who applies"),
        # Nine processes beside the stack's: minutes on a small machine.
        pytest.param(SERVICES, SERVICES, id="every role", marks=pytest.mark.thorough),
    ],
)
def test_a_rolling_restart_is_not_noticed(whole_system: Stack, asked: Sequence[str], working: Sequence[str]) -> None:
    drain = {"FOURONES_DRAIN_S": str(DRAIN_S)}
    apis = {s: [Instance(whole_system, f"{s}-api", **drain) for _ in range(2)] for s in asked}
    # Beside the stack's own.
    workers = [Instance(whole_system, f"{s}-worker") for s in working]
    balancers = {service: Balancer(instances) for service, instances in apis.items()}
    with ExitStack() as stack:
        stack.enter_context(running([*itertools.chain(*apis.values()), *workers]))
        for balancer in balancers.values():
            stack.enter_context(balancer.serving())
        system = stack.enter_context(closing(SystemClient(endpoints_through(whole_system, balancers))))
        enough = threading.Event()
        posters = [UnforgivingPoster(system, org, partial(_submissions, enough)) for org in ORGANISATIONS]
        readers = [Reader(system, service, READ[service], enough) for service in asked]
        for thread in (*posters, *readers):
            thread.start()
        try:
            _under_load(posters, readers)
            for turn in range(2):
                _replace_apis([(balancers[s], apis[s][turn]) for s in asked])
                _under_load(posters, readers)
            _replace_workers(whole_system, workers)
            _under_load(posters, readers)
        finally:
            enough.set()
        join(posters)
        for reader in readers:
            reader.join(30)
            assert reader.failure is None, reader.failure

        wait_applied(system, posters)
        check_nothing_waits(whole_system)
        accounts = Accounts(posters)
        accounts.check_figures(system)
        accounts.check_totals(system, PERIOD)


def _submissions(enough: threading.Event) -> Iterator[list[Figure]]:
    for number in itertools.count(1):
        if enough.wait(PAUSE_S):
            return
        yield [a_figure(CLUSTER, PERIOD, f"{number}.75")]


def _under_load(posters: Sequence[Poster], readers: Sequence[Reader]) -> None:
    """Return when everybody has been answered some more."""
    posted, read = [len(p.acknowledged) for p in posters], [r.answers for r in readers]

    def all_went_on() -> bool:
        failures = [f for f in (*(p.failure for p in posters), *(r.failure for r in readers)) if f is not None]
        if failures:
            # Not an AssertionError, which would be waited for to pass.
            raise RuntimeError("somebody was refused") from failures[0]
        return all(len(p.acknowledged) > was + 3 for p, was in zip(posters, posted, strict=True)) and all(
            r.answers > was + 3 for r, was in zip(readers, read, strict=True)
        )

    eventually(all_went_on, within_s=120)


def _replace_apis(places: Sequence[tuple[Balancer, Instance]]) -> None:
    """End one instance of each service, and start it again; new connections come until the balancer has heard."""
    for balancer, instance in places:
        assert balancer.hands_to(instance)
        instance.tell_to_end()
    for balancer, instance in places:
        eventually(partial(balancer.has_left, instance))
    for balancer, instance in places:
        _ends_well(instance)
        assert "serving on" in instance.log()
        instance.start()
        eventually(partial(balancer.hands_to, instance), within_s=120)


def _replace_workers(stack: Stack, workers: Sequence[Instance]) -> None:
    for worker in workers:
        worker.tell_to_end()
    for worker in workers:
        _ends_well(worker)
    # They have said good-bye: nobody waits for them to be taken for dead.
    for worker in workers:
        if (group := GROUPS.get(worker.program)) is not None:
            assert _members(stack, group) == 1
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.wait_ready()


def _ends_well(instance: Instance) -> None:
    """As the manifests give it time to."""
    grace_s = pod("production", instance.program).spec["terminationGracePeriodSeconds"]
    assert instance.wait_ended(grace_s) == 0, instance.log()[-2_000:]


def _members(stack: Stack, group: str) -> int:
    with closing(KafkaAdminClient(bootstrap_servers=stack.kafka.bootstrap)) as admin:
        return len(admin.describe_groups([group])[group]["members"])
