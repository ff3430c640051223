import pytest

from fourones_local.kafka import MAX_MESSAGE_BYTES
from fourones_shared.events.model import ALL
from fourones_shared.topics import Topic, all_topics


@pytest.fixture(params=list(all_topics().values()), ids=list(all_topics()))
def topic(request: pytest.FixtureRequest) -> Topic:
    chosen: Topic = request.param
    return chosen


def test_every_event_type_is_carried_by_exactly_the_topic_it_names() -> None:
    for kind in ALL:
        assert [topic.name for topic in all_topics().values() if kind.TYPE in topic.events] == [kind.TOPIC]


def test_a_topic_carries_only_types_that_there_are(topic: Topic) -> None:
    assert set(topic.events) <= {kind.TYPE for kind in ALL}


def test_the_broker_takes_the_largest_record_of_the_topic(topic: Topic) -> None:
    assert topic.max_message_bytes < MAX_MESSAGE_BYTES


def test_a_compacted_topic_is_never_cut_by_age(topic: Topic) -> None:
    if topic.cleanup == "compact":
        assert topic.settings()["retention.ms"] == "-1"


def test_what_was_submitted_is_kept_for_ever() -> None:
    settings = all_topics()["figures-submitted"].settings()
    assert settings["cleanup.policy"] == "delete"
    assert settings["retention.ms"] == settings["retention.bytes"] == "-1"


def test_only_the_indicator_decides_the_partition_of_a_rollup() -> None:
    topic = all_topics()["rollups-changed"]
    assert topic.partition_source(b"cluster-scale|320382|_T|_T|2025-11") == b"cluster-scale"
    assert all_topics()["figures-submitted"].partition_source(b"320382") == b"320382"
