"""The manifests on a real Kubernetes: what the cluster admits, starts, lets through, replaces and brings back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from cluster.installed import ROLES, Installed
from cluster.node import Node
from containers.composed import image
from contract.k8s.rendering import K8S, OVERLAYS, rendered

# Two cores bear it beside the cluster itself, also while every process is replaced.
RATE = 5
# Kinds whose definitions an operator brings.
_OF_OPERATORS = ("cnpg.io/", "strimzi.io/", "coreos.com/", "keda.sh/")


def test_the_server_admits_every_object_of_every_overlay(node: Node) -> None:
    node.kubectl("apply", "-f", str(K8S / "base" / "namespace.yaml"))
    for overlay in OVERLAYS:
        known = [m for m in rendered(overlay) if not any(group in m["apiVersion"] for group in _OF_OPERATORS)]
        file = node.state / f"{overlay}.yaml"
        file.write_text(yaml.safe_dump_all(known), encoding="utf-8")
        said = node.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", str(file))
        lines = [line for line in said.splitlines() if not line.endswith("(server dry run)")]
        assert not lines, (overlay, lines)


def test_everything_starts_without_a_fault_on_the_way(installed: Installed) -> None:
    statuses = [status for pod in installed.pods() for status in _containers(pod)]
    assert statuses
    assert [status["name"] for status in statuses if status["restartCount"]] == []
    ended = [status["state"]["terminated"] for status in statuses if "terminated" in status["state"]]
    assert {state["exitCode"] for state in ended} == {0}


def test_strangers_reach_neither_databases_nor_brokers_nor_services(installed: Installed) -> None:
    asked = {"postgres": 5432, "kafka": 9092, "submission-api": 80, "aggregation-api": 80, "alerting-api": 80}
    script = f"""
import socket
for name, port in {asked!r}.items():
    try:
        socket.create_connection((name + ".fourones.svc.cluster.local", port), 5).close()
        print(name, "open")
    except ConnectionRefusedError:
        print(name, "refused")
"""
    run = ("run", "stranger", f"--image={image('tools')}", "--image-pull-policy=Never", "--restart=Never")
    said = installed.node.kubectl(
        "-n", "default", *run, "--rm", "--attach", "--quiet", "--command", "--", "python", "-c", script
    )
    assert said.split() == [word for name in asked for word in (name, "refused")]


def test_a_release_replaces_every_process_under_load_and_nobody_notices(installed: Installed) -> None:
    def release() -> None:
        for role in ROLES:
            installed("rollout", "restart", f"deployment/{role}")
            installed("rollout", "status", f"deployment/{role}", "--timeout=3m")

    code, summary = installed.loaded(release, rate=RATE, seconds=240, p99_ms=0, lag_s=0)
    assert summary["unintended"] == []
    assert (code, summary["passed"]) == (0, True)
    _assert_all_counted(summary)


def test_whatever_is_killed_comes_back_and_nothing_is_lost_or_counted_twice(installed: Installed) -> None:
    def kill() -> None:
        for name in (
            "submission-worker",
            "aggregation-worker",
            "alerting-worker",
            "submission-api",
            "kafka",
            "postgres",
        ):
            pod = next(pod["metadata"]["name"] for pod in installed.pods() if _is_of(pod, name))
            installed("delete", "pod", pod, "--grace-period=0", "--force")
            installed("wait", "--for=condition=Available", "deployment", "--all", "--timeout=5m")

    # Whoever calls while the database is away is refused, and told so.
    _, summary = installed.loaded(kill, rate=RATE, seconds=180, p99_ms=0, lag_s=0, errors=100_000)
    _assert_all_counted(summary)


def _assert_all_counted(summary: Mapping[str, Any]) -> None:
    assert summary["figures compared"] > 100
    assert summary["not applied"] == []
    assert summary["differences"] == []


def _containers(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    status = pod["status"]
    return [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]


def _is_of(pod: Mapping[str, Any], name: str) -> bool:
    labels = pod["metadata"]["labels"]
    component = labels["app.kubernetes.io/component"]
    return name in {labels["app.kubernetes.io/name"], f"{labels['app.kubernetes.io/name']}-{component}"}
