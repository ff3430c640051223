"""What a cluster is given is what it knows, and nothing that it will soon not know."""

import copy
import json
from typing import Any

import pytest
from contract.k8s.rendering import OVERLAYS, named, rendered
from contract.k8s.schemas import faults

# Stable versions only; an operator's kinds are in the version that it stores.
API_VERSIONS = {
    "v1",
    "apps/v1",
    "autoscaling/v2",
    "barmancloud.cnpg.io/v1",
    "batch/v1",
    "kafka.strimzi.io/v1",
    "keda.sh/v1alpha1",  # KEDA has no other
    "monitoring.coreos.com/v1",
    "networking.k8s.io/v1",
    "policy/v1",
    "postgresql.cnpg.io/v1",
    "rbac.authorization.k8s.io/v1",
}


def test_every_object_is_valid_in_the_oldest_and_the_newest_version() -> None:
    # Overlays share most of their objects: each is looked at once.
    objects = {json.dumps(m, sort_keys=True): m for overlay in OVERLAYS for m in rendered(overlay)}
    found = [(m["kind"], m["metadata"]["name"], fault) for m in objects.values() for fault in faults(m)]

    assert not found
    assert len(objects) > 100


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_only_stable_versions_are_used(overlay: str) -> None:
    assert {m["apiVersion"] for m in rendered(overlay)} <= API_VERSIONS


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_names_are_given_once_and_in_one_namespace(overlay: str) -> None:
    names = [(m["kind"], m["metadata"]["name"]) for m in rendered(overlay)]
    assert len(names) == len(set(names))
    assert {m["metadata"].get("namespace") for m in rendered(overlay) if m["kind"] != "Namespace"} == {"fourones"}


@pytest.mark.parametrize(
    ("kind", "name", "path"),
    [
        ("Deployment", "submission-api", ("spec", "template", "spec", "terminationGracePeriod")),
        ("NetworkPolicy", "nobody", ("spec", "podSelector", "matchLabel")),
        ("Kafka", "fourones-kafka", ("spec", "kafka", "listener")),
        ("KafkaUser", "alerting-kafka", ("spec", "authorisation")),
        ("Cluster", "alerting-postgres", ("spec", "postgresql", "parameter")),
        ("ScaledObject", "alerting-worker", ("spec", "minReplicas")),
        ("PrometheusRule", "fourones", ("spec", "group")),
    ],
)
def test_a_slip_of_the_pen_is_found(kind: str, name: str, path: tuple[str, ...]) -> None:
    manifest = copy.deepcopy(named("complete", kind, name))
    assert not list(faults(manifest))
    place: Any = manifest
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = "x"

    assert list(faults(manifest))


def test_two_groups_of_rules_of_one_name_are_found() -> None:
    manifest = copy.deepcopy(named("complete", "PrometheusRule", "fourones"))
    groups = manifest["spec"]["groups"]
    groups.append(groups[0])

    [fault] = faults(manifest)
    assert groups[0]["name"] in fault
