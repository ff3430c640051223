"""Topics on the broker: made from their description, put right when they are there already, and identified."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing

import structlog
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError

from fourones_shared.errors import Retry, Stop
from fourones_shared.kafka.connection import Kafka, client_options
from fourones_shared.topics import Topic

log = structlog.get_logger(__name__)

BOOTSTRAP_TIMEOUT_MS = 5_000


def ensure_topics(bootstrap: Kafka, topics: Iterable[Topic], *, prefix: str, replication_factor: int = 1) -> None:
    """Create the topics that are missing, and put right the settings of those that are there.

    Raises:
        Retry: when the broker cannot be reached.
        Stop: when an existing topic has other partitions than described; adding some would move keys.
    """
    wanted = {topic.physical(prefix): topic for topic in topics}
    try:
        with closing(KafkaAdminClient(**client_options(bootstrap), bootstrap_timeout_ms=BOOTSTRAP_TIMEOUT_MS)) as admin:
            present = set(admin.list_topics())
            for name, topic in wanted.items():
                if name not in present:
                    _create(admin, name, topic, replication_factor)
            admin.wait_for_topics(list(wanted))
            for described in admin.describe_topics(list(wanted)):
                _check_partitions(wanted[described["name"]], described)
            _put_right(admin, {name: topic for name, topic in wanted.items() if name in present})
    except KafkaError as error:
        raise Retry(f"the broker at {bootstrap} did not do it: {error}") from error


def topic_identities(admin: KafkaAdminClient, names: Iterable[str]) -> tuple[str, dict[str, str]]:
    """The cluster's id and each topic's id, by which a recreated topic is noticed.

    Raises:
        Retry: when the broker does not know a topic (yet).
    """
    cluster = str(admin.describe_cluster()["cluster_id"])
    ids: dict[str, str] = {}
    for described in admin.describe_topics(list(names)):
        if described.get("error_code"):
            raise Retry(f"topic {described.get('name')} is not there yet (error {described['error_code']})")
        ids[described["name"]] = str(described["topic_id"])
    return cluster, ids


def _create(admin: KafkaAdminClient, name: str, topic: Topic, replication_factor: int) -> None:
    spec = {
        "num_partitions": topic.partitions,
        "replication_factor": replication_factor,
        "configs": topic.settings(),
    }
    try:
        admin.create_topics({name: spec})
        log.info("topic created", topic=name, partitions=topic.partitions)
    except TopicAlreadyExistsError:
        log.info("topic was created by somebody else", topic=name)


def _put_right(admin: KafkaAdminClient, topics: Mapping[str, Topic]) -> None:
    # A retention that somebody shortened would delete what is to be kept for ever.
    if not topics:
        return
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in topics]
    found = admin.describe_configs(resources, config_filter="all")["topic"]
    for name, topic in topics.items():
        other = {
            setting: value
            for setting, value in topic.settings().items()
            if str(found[name].get(setting, {}).get("value")) != value
        }
        if other:
            admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, other)])
            log.warning("topic had other settings than described", topic=name, set=other)


def _check_partitions(topic: Topic, described: dict[str, object]) -> None:
    partitions = described["partitions"]
    count = len(partitions) if isinstance(partitions, list) else 0
    if count != topic.partitions:
        raise Stop(
            f"topic {described['name']} has {count} partitions, its description says {topic.partitions}: "
            "mend the description, or move the topic; adding partitions in place would reorder keys"
        )
