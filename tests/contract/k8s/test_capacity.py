"""The local installation fits one small machine: what it requests, and the connections of its one database server."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
from contract.k8s.rendering import K8S, Pods, amount, environment, named, of_kind, pod, pods

from fourones_alerting.settings import AlertingSettings
from fourones_shared.domain.clock import SystemClock
from fourones_shared.settings import ServiceSettings
from fourones_submission.settings import SubmissionSettings

CORES = 2.0
# Of a cluster of kind itself: API server 250m, controllers 200m, scheduler, etcd and network 100m each, names 200m.
CLUSTER_S_OWN = 0.95
SETTINGS = {"submission": SubmissionSettings, "aggregation": ServiceSettings, "alerting": AlertingSettings}
# superuser_reserved_connections, by default.
RESERVED = 3


@pytest.mark.parametrize("overlay", ["local", "local-load"])
def test_everything_is_scheduled_on_two_cores(overlay: str) -> None:
    least, most = replicas(overlay, "minReplicas"), replicas(overlay, "maxReplicas")
    at_first = sum(least.get(p.name, 1) * requested_cpu(p) for p in pods(overlay))
    under_load = sum(most.get(p.name, 1) * requested_cpu(p) for p in pods(overlay) if not ends_soon(p))

    assert at_first <= CORES - CLUSTER_S_OWN
    assert under_load <= CORES - CLUSTER_S_OWN


def test_on_a_full_machine_who_answers_goes_before_who_works_up() -> None:
    weight = {p.name: requested_cpu(p) for p in pods("local") if p.kind == "Deployment"}
    workers = {weight[f"{service}-worker"] for service in SETTINGS}

    assert min(weight[f"{service}-api"] for service in SETTINGS) >= 2 * max(workers)
    assert weight["submission-api"] >= 4 * max(workers)


def test_an_api_gets_a_second_pod_at_the_same_load_as_in_production() -> None:
    for scaler in of_kind("local", "HorizontalPodAutoscaler"):
        name = scaler["metadata"]["name"]
        assert cpu_per_pod("local", name) == pytest.approx(cpu_per_pod("production", name)), name


def test_the_pools_of_as_many_pods_as_there_may_be_fit_the_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    [limit] = [
        int(argument.partition("=")[2])
        for argument in pod("local", "postgres").containers[0]["args"]
        if argument.startswith("-cmax_connections=")
    ]
    most = replicas("local-load", "maxReplicas")
    pools = {
        f"{service}-{role}": connections(service, role, tmp_path, monkeypatch)
        for service in SETTINGS
        for role in ("api", "worker")
    }
    boards = re.search(r"CONNECTION LIMIT (\d+)", (K8S / "overlays" / "local" / "databases.sh").read_text())
    assert boards is not None
    jobs = sum(p.kind == "Job" and p.labels.get("fourones/database") == "client" for p in pods("local-load"))

    assert min(pools.values()) > 0
    assert sum(most[name] * held for name, held in pools.items()) + int(boards[1]) + jobs + RESERVED <= limit


def replicas(overlay: str, bound: str) -> dict[str, int]:
    """How many pods of each Deployment there are at the least or at the most."""
    found = {d["metadata"]["name"]: d["spec"].get("replicas", 1) for d in of_kind(overlay, "Deployment")}
    for scaler in of_kind(overlay, "HorizontalPodAutoscaler"):
        found[scaler["spec"]["scaleTargetRef"]["name"]] = scaler["spec"][bound]
    return found


def requested_cpu(pods_of: Pods) -> float:
    """What the scheduler looks for: what all containers want together, or one that runs before them."""
    first = [amount(c["resources"]["requests"]["cpu"]) for c in pods_of.spec.get("initContainers", ())]
    return max([*first, sum(amount(c["resources"]["requests"]["cpu"]) for c in pods_of.spec["containers"])])


def ends_soon(pods_of: Pods) -> bool:
    return pods_of.kind == "Job" and pods_of.name != "load"


def cpu_per_pod(overlay: str, name: str) -> float:
    """The cores that a pod takes when another is added."""
    [metric] = named(overlay, "HorizontalPodAutoscaler", name)["spec"]["metrics"]
    share: int = metric["resource"]["target"]["averageUtilization"]
    return share / 100 * sum(amount(c["resources"]["requests"]["cpu"]) for c in pod(overlay, name).spec["containers"])


def connections(service: str, role: str, secrets: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many a process of this role holds at the most: the pools of all its engines."""
    bootstrap: Any = importlib.import_module(f"fourones_{service}.bootstrap")
    held: list[int] = []
    with monkeypatch.context() as patch:
        for factory in ("worker_engine", "api_engine"):
            patch.setattr(bootstrap, factory, _counted(getattr(bootstrap, factory), held))
        [container] = pod("local", f"{service}-{role}").spec["containers"]
        for name, value in environment("local", container).items():
            patch.setenv(name, value)
        patch.setenv("FOURONES_SECRETS_DIR", str(secrets))
        made = getattr(bootstrap, role)(SETTINGS[service](), SystemClock())
    made.close()
    return sum(held)


def _counted(factory: Any, held: list[int]) -> Any:
    def make(*arguments: Any, **options: Any) -> Any:
        engine = factory(*arguments, **options)
        # Nothing public says how far it may grow beyond its size.
        held.append(engine.pool.size() + engine.pool._max_overflow)
        return engine

    return make
