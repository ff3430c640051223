from collections.abc import Iterable
from contextlib import closing
from typing import Any

import pytest
from kafka import KafkaProducer

from fourones_shared.errors import Retry
from fourones_shared.kafka.reading import Reach, topic_reader

TOPIC = "figures-submitted"
PARTITION, OTHER = 3, 7


def send(broker: Any, rounds: Iterable[Iterable[int]], *, abort: bool = False) -> None:
    """A Kafka transaction for each round."""
    with closing(KafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id=broker.prefix)) as producer:
        producer.init_transactions()
        for numbers in rounds:
            producer.begin_transaction()
            for number in numbers:
                producer.send(broker.prefix + TOPIC, str(number).encode(), partition=PARTITION)
            if abort:
                producer.flush()
                producer.abort_transaction()
            else:
                producer.commit_transaction()


def read(broker: Any, begin: int | None = None, end: int | None = None, partition: int = PARTITION) -> list[int]:
    with topic_reader(broker.bootstrap, broker.prefix) as reader:
        reach = reader.reaches(TOPIC)[partition]
        begin = reach.begin if begin is None else begin
        end = reach.end if end is None else end
        return [int(r.value) for records in reader.stretch(TOPIC, partition, begin, end) for r in records]


def test_a_stretch_ends_where_it_should_whatever_lies_there(broker: Any) -> None:
    broker.make(TOPIC)
    # Ten transactions of three: each leaves a mark behind its records.
    send(broker, [range(n, n + 3) for n in range(0, 30, 3)])
    send(broker, [range(900, 903)], abort=True)

    assert read(broker) == list(range(30))
    # Offsets 5 to 10 hold the rest of the second round, its mark at 7, and the third round.
    assert read(broker, 5, 11) == [4, 5, 6, 7, 8]
    # Marks and aborted records only.
    assert read(broker, 39, 40) == read(broker, 40) == []
    assert read(broker, 5, 5) == []
    assert read(broker, partition=OTHER) == []


def test_partitions_tell_how_far_they_reach(broker: Any) -> None:
    broker.make(TOPIC)
    send(broker, [range(3)])

    with topic_reader(broker.bootstrap, broker.prefix) as reader:
        reaches = dict(reader.reaches(TOPIC))

    assert len(reaches) == 12
    assert reaches.pop(PARTITION) == Reach(0, 4)
    assert set(reaches.values()) == {Reach(0, 0)}


def test_stretches_of_several_partitions_follow_one_another(broker: Any) -> None:
    broker.make(TOPIC)
    send(broker, [range(200)])

    with topic_reader(broker.bootstrap, broker.prefix) as reader:
        seen = []
        # From the end back, as who looks for the first thing that is known.
        for begin, end in ((150, 200), (0, 0), (50, 150), (0, 50)):
            seen.append([int(r.value) for records in reader.stretch(TOPIC, PARTITION, begin, end) for r in records])
            assert list(reader.stretch(TOPIC, OTHER, 0, 0)) == []

    assert seen == [list(range(150, 200)), [], list(range(50, 150)), list(range(50))]


def test_a_topic_that_is_not_there_is_waited_for(broker: Any) -> None:
    with topic_reader(broker.bootstrap, broker.prefix) as reader, pytest.raises(Retry, match="not there"):
        reader.reaches(TOPIC)
