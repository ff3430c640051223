from contextlib import closing
from typing import Any

import pytest
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from support.waiting import eventually

from fourones_local.ports import free_port
from fourones_shared.errors import Retry, Stop
from fourones_shared.kafka.topics import ensure_topics, topic_identities
from fourones_shared.topics import Topic, all_topics


def _configuration(broker: Any, name: str) -> dict[str, str]:
    with closing(KafkaAdminClient(bootstrap_servers=broker.bootstrap)) as admin:
        resource = ConfigResource(ConfigResourceType.TOPIC, broker.prefix + name)
        [described] = admin.describe_configs([resource], config_filter="all")["topic"].values()
    return {setting: str(entry["value"]) for setting, entry in described.items()}


def test_topics_are_made_as_they_are_described(broker: Any) -> None:
    broker.make(*all_topics())

    with closing(KafkaAdminClient(bootstrap_servers=broker.bootstrap)) as admin:
        described = admin.describe_topics([broker.prefix + name for name in all_topics()])
    partitions = {topic["name"].removeprefix(broker.prefix): len(topic["partitions"]) for topic in described}
    assert partitions == {name: topic.partitions for name, topic in all_topics().items()}
    for name, topic in all_topics().items():
        found = _configuration(broker, name)
        assert {setting: found[setting] for setting in topic.settings()} == topic.settings()


def test_making_them_again_changes_nothing(broker: Any) -> None:
    broker.make("figures-applied")
    with closing(KafkaAdminClient(bootstrap_servers=broker.bootstrap)) as admin:
        before = topic_identities(admin, [broker.prefix + "figures-applied"])
        broker.make("figures-applied")
        assert topic_identities(admin, [broker.prefix + "figures-applied"]) == before


def test_a_setting_that_differs_is_put_right(broker: Any) -> None:
    broker.make("figures-submitted")
    with closing(KafkaAdminClient(bootstrap_servers=broker.bootstrap)) as admin:
        name = broker.prefix + "figures-submitted"
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, {"retention.ms": "1000"})])
    # The controller has answered before the broker has heard of it.
    eventually(lambda: _configuration(broker, "figures-submitted")["retention.ms"] == "1000")

    broker.make("figures-submitted")

    eventually(lambda: _configuration(broker, "figures-submitted")["retention.ms"] == "-1")


def test_other_partitions_than_described_are_refused(broker: Any) -> None:
    broker.make("figures-applied")
    fewer = Topic(**all_topics()["figures-applied"].model_dump() | {"partitions": 3})

    with pytest.raises(Stop, match="has 12 partitions, its description says 3"):
        ensure_topics(broker.bootstrap, [fewer], prefix=broker.prefix)


def test_a_broker_that_is_away_may_come_back() -> None:
    with pytest.raises(Retry):
        ensure_topics(f"127.0.0.1:{free_port()}", all_topics().values(), prefix="")


def test_a_topic_that_is_not_there_yet_may_come(broker: Any) -> None:
    with (
        closing(KafkaAdminClient(bootstrap_servers=broker.bootstrap)) as admin,
        pytest.raises(Retry, match="not there"),
    ):
        topic_identities(admin, [broker.prefix + "figures-applied"])
