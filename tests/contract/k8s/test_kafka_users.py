"""Who may do what at the brokers is what topics, groups and relays need; the broker's own word is in integration."""

from collections import defaultdict
from typing import Any

from contract.k8s.rendering import named, of_kind
from contract.k8s.speaking import GROUPS, READERS, RELAYS

from fourones_shared.topics import all_topics


def test_a_topic_is_written_by_its_owner_alone() -> None:
    for service in READERS:
        owned = {topic.name for topic in all_topics().values() if topic.owner == service}
        assert allowed(service, "topic", "Write") == owned


def test_a_topic_is_read_by_who_needs_it() -> None:
    for service, read in READERS.items():
        # After a restore the relay looks at what it has sent.
        own = {"figures-submitted", "catalogue-published", "access-granted"} if service == "submission" else set()
        assert allowed(service, "topic", "Read") == read | own


def test_groups_and_relays_are_each_service_s_own() -> None:
    for service in READERS:
        assert allowed(service, "group", "Read") == GROUPS[service]
        assert allowed(service, "transactionalId", "Write") == RELAYS[service]


def test_who_makes_the_topics_reads_and_writes_none() -> None:
    assert allowed("topics", "topic", "Create") == {topic.name for topic in all_topics().values()}
    assert not allowed("topics", "topic", "Read") | allowed("topics", "topic", "Write")


def test_keda_looks_at_what_scales() -> None:
    triggers = [t["metadata"] for o in of_kind("complete", "ScaledObject") for t in o["spec"]["triggers"]]
    assert {t["topic"] for t in triggers} == allowed("keda", "topic", "Describe")
    assert {t["consumerGroup"] for t in triggers} == allowed("keda", "group", "Describe")
    [scaled] = [o for o in of_kind("complete", "ScaledObject") if o["metadata"]["name"] == "aggregation-worker"]
    assert scaled["spec"]["maxReplicaCount"] == all_topics()["figures-submitted"].partitions


def test_the_pods_are_the_users_that_there_are() -> None:
    users = {user["metadata"]["name"] for user in of_kind("production", "KafkaUser")}
    assert set(named("production", "ConfigMap", "fourones-kafka-users")["data"].values()) == users


def allowed(user: str, kind: str, operation: str) -> set[str]:
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    acl: dict[str, Any]
    for acl in named("production", "KafkaUser", f"{user}-kafka")["spec"]["authorization"]["acls"]:
        for one in acl["operations"]:
            found[acl["resource"]["type"], one].add(acl["resource"]["name"])
    return found[kind, operation]
