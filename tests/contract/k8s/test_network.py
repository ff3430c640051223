"""The network rules let through the arrows of the design, and what they need; nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from contract.k8s.rendering import named, of_kind, of_ones_own, pods
from support.selecting import selects

PORTS = {"http": 8080, "postgres": 5432, "kafka": 9092}


@dataclass(frozen=True)
class Place:
    """Where a connection comes from or goes to: pods here or in another namespace, or an address outside."""

    labels: Mapping[str, str]
    namespace: Mapping[str, str] | None = None
    outside: bool = False


OTHER = {"kubernetes.io/metadata.name": "other"}
DNS = Place({"k8s-app": "kube-dns"}, {"kubernetes.io/metadata.name": "kube-system"})
INGRESS = Place({}, OTHER | {"fourones/ingress": "true"})
MONITORING = Place({}, OTHER | {"fourones/monitoring": "true"})
STRANGER = Place({}, OTHER)
INTERNET = Place({}, outside=True)
PROMETHEUS = Place({"app.kubernetes.io/name": "prometheus", "fourones/asks-metrics": "true"})


def brokers(overlay: str) -> tuple[Place, int]:
    if overlay == "production":
        return Place({"strimzi.io/cluster": "fourones-kafka", "app.kubernetes.io/part-of": "strimzi"}), 9093
    return of("kafka", overlay), 9092


def database(overlay: str, service: str) -> Place:
    if overlay == "production":
        return Place({"cnpg.io/cluster": f"{service}-postgres"})
    return of("postgres", overlay)


def of(name: str, overlay: str) -> Place:
    found = [p for p in pods(overlay) if p.name == name or p.name.startswith(f"{name}-0-")]
    assert len(found) == 1, name
    return Place(found[0].labels)


OVERLAYS = pytest.mark.parametrize("overlay", ["local", "production"])
SERVICES = ("submission", "aggregation", "alerting")


@OVERLAYS
@pytest.mark.parametrize("service", SERVICES)
def test_each_service_reaches_its_database_and_only_workers_reach_the_brokers(overlay: str, service: str) -> None:
    kafka, port = brokers(overlay)
    for role in ("api", "worker", "migrate"):
        assert lets_through(overlay, of(f"{service}-{role}", overlay), database(overlay, service), 5432)
        assert lets_out(overlay, of(f"{service}-{role}", overlay), kafka, port) is (role == "worker")
        assert lets_out(overlay, of(f"{service}-{role}", overlay), DNS, 53, "UDP")
    assert lets_out(overlay, of("submission-topics", overlay), kafka, port)


@pytest.mark.parametrize("service", SERVICES)
def test_in_production_no_service_reaches_another_s_database(service: str) -> None:
    for other in set(SERVICES) - {service}:
        source, target = of(f"{service}-worker", "production"), database("production", other)
        assert not lets_out("production", source, target, 5432)
        assert not lets_in("production", source, target, 5432)
    assert not lets_in("production", STRANGER, database("production", service), 5432)
    assert lets_in("production", MONITORING, database("production", service), 5432)


@OVERLAYS
def test_no_service_calls_another(overlay: str) -> None:
    for service in SERVICES:
        for other in SERVICES:
            for role in ("api", "worker"):
                source, target = of(f"{service}-worker", overlay), of(f"{other}-{role}", overlay)
                assert not lets_out(overlay, source, target, 8080)
                assert not lets_in(overlay, source, target, 8080)


@OVERLAYS
@pytest.mark.parametrize("service", SERVICES)
def test_people_reach_the_apis_and_prometheus_everything(overlay: str, service: str) -> None:
    api, worker = of(f"{service}-api", overlay), of(f"{service}-worker", overlay)
    assert lets_in(overlay, INGRESS, api, 8080)
    assert not lets_in(overlay, INGRESS, worker, 8080)
    for who in (PROMETHEUS, MONITORING):
        assert lets_in(overlay, who, api, 8080)
        assert lets_in(overlay, who, worker, 8080)
    assert not lets_in(overlay, STRANGER, api, 8080)
    assert not lets_in(overlay, STRANGER, worker, 8080)


@OVERLAYS
def test_only_who_tells_departments_goes_out(overlay: str) -> None:
    for p in pods(overlay):
        goes = {port for port in (25, 80, 443, 465, 587, 3128) if lets_out(overlay, Place(p.labels), INTERNET, port)}
        wanted = {"alerting-worker": {25, 443, 465, 587, 3128}, "passwords": {443}}.get(p.name, set())
        assert goes == wanted, p


def test_the_catalogue_s_job_asks_the_api_that_is_not_ready_yet() -> None:
    [job] = [p for p in pods("local") if p.name.startswith("catalogue-")]
    assert lets_through("local", Place(job.labels), of("submission-api", "local"), 8080)
    assert lets_through("local", Place(job.labels), database("local", "submission"), 5432)


def test_the_node_of_kafka_reaches_itself_without_the_network() -> None:
    configuration = named("local", "StatefulSet", "kafka")["spec"]["template"]["spec"]["volumes"][0]["configMap"][
        "name"
    ]
    text = named("local", "ConfigMap", configuration)["data"]["server.properties"]
    properties = dict(line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#"))
    advertised = dict(one.split("://") for one in properties["advertised.listeners"].split(","))
    itself = advertised.pop(properties["inter.broker.listener.name"])
    assert itself.startswith("127.0.0.1:")
    assert f"{properties['inter.broker.listener.name']}://{itself}" in properties["listeners"].split(",")
    assert properties["controller.quorum.voters"].startswith("1@127.0.0.1:")
    assert set(advertised.values()) == {"kafka:9092"}
    # Which is why it must: nothing lets it out.
    assert not lets_out("local", of("kafka", "local"), of("kafka", "local"), 9092)


JOBS = """
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: fourones
resources: [../fourones/deploy/k8s/overlays/production]
components: [../fourones/deploy/k8s/components/catalogue, ../fourones/deploy/k8s/components/load]
"""


@pytest.mark.parametrize(
    ("job", "kustomization"), [("catalogue", None), ("load", None), ("catalogue", JOBS), ("load", JOBS)]
)
def test_who_issues_keys_reaches_submission_s_database_alone(
    job: str, kustomization: str | None, tmp_path: Path
) -> None:
    overlay = of_ones_own(tmp_path, kustomization) if kustomization else "local-load"
    [source] = [Place(p.labels) for p in pods(overlay) if p.labels["app.kubernetes.io/name"] == job]
    kind = "production" if kustomization else overlay
    assert lets_through(overlay, source, database(kind, "submission"), 5432)
    assert lets_through(overlay, source, of("submission-api", overlay), 8080)
    for other in ("aggregation", "alerting") if kustomization else ():
        assert not lets_out(overlay, source, database(kind, other), 5432)
        assert not lets_in(overlay, source, database(kind, other), 5432)


def test_the_load_asks_the_apis_and_looks_at_the_workers() -> None:
    [job] = [p for p in pods("local-load") if p.name == "load"]
    for service in SERVICES:
        for role in ("api", "worker"):
            assert lets_through("local-load", Place(job.labels), of(f"{service}-{role}", "local-load"), 8080)


def test_the_load_asks_the_workers_for_what_they_have_yet_to_do() -> None:
    [job] = [p for p in pods("local-load") if p.name == "load"]
    for service in SERVICES:
        assert lets_through("local-load", Place(job.labels), of(f"{service}-worker", "local-load"), 8080)


def test_spans_go_to_the_collector_where_there_is_one() -> None:
    collector = Place({}, OTHER | {"fourones/tracing": "true"})
    for service in SERVICES:
        assert lets_out("complete", of(f"{service}-api", "complete"), collector, 4318)
        assert not lets_out("production", of(f"{service}-api", "production"), collector, 4318)


# -- what a cluster's network does with the rules (NetworkPolicy, networking.k8s.io/v1) --------------------------------


def lets_through(overlay: str, source: Place, target: Place, port: int) -> bool:
    return lets_out(overlay, source, target, port) and lets_in(overlay, source, target, port)


def lets_out(overlay: str, source: Place, target: Place, port: int, protocol: str = "TCP") -> bool:
    return _allows(overlay, source, "Egress", target, on=(port, protocol))


def lets_in(overlay: str, source: Place, target: Place, port: int) -> bool:
    return _allows(overlay, target, "Ingress", source, on=(port, "TCP"))


def _allows(overlay: str, of_whom: Place, direction: str, other: Place, *, on: tuple[int, str]) -> bool:
    policies = [
        policy["spec"]
        for policy in of_kind(overlay, "NetworkPolicy")
        if direction in policy["spec"]["policyTypes"] and selects(policy["spec"]["podSelector"], of_whom.labels)
    ]
    key, peers = ("egress", "to") if direction == "Egress" else ("ingress", "from")
    return not policies or any(
        _on_port(rule.get("ports", ()), on) and _among(rule.get(peers, ()), other)
        for policy in policies
        for rule in policy.get(key, ())
    )


def _on_port(ports: Any, on: tuple[int, str]) -> bool:
    return not ports or any((PORTS.get(p["port"], p["port"]), p["protocol"]) == on for p in ports)


def _among(peers: Any, other: Place) -> bool:
    # None named means all.
    return not peers or any(_is(peer, other) for peer in peers)


def _is(peer: Mapping[str, Any], other: Place) -> bool:
    if "ipBlock" in peer or other.outside:
        return False
    if "namespaceSelector" in peer:
        if other.namespace is None or not selects(peer["namespaceSelector"], other.namespace):
            return False
    elif other.namespace is not None:
        return False
    return selects(peer.get("podSelector", {}), other.labels)
