"""The worker as it runs, between real topics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from integration.aggregation.keeping import (
    TODAY,
    Aggregation,
    a_figure,
    a_submission,
    counts,
    published,
)
from integration.aggregation.serving import serving
from integration.aggregation.topics import TRACE, Kafka
from support.catalogue import CLUSTERS, COUNTIES_AND_ZONES, XINYI, a_catalogue, a_target
from support.waiting import eventually

from fourones_aggregation import bootstrap
from fourones_shared.domain.clock import FixedClock
from fourones_shared.events.model import FiguresApplied, FiguresSubmitted, RollupChanged
from fourones_shared.settings import ServiceSettings

CITY_IN_MARCH = b"cluster-scale|_T|_T|_T|2026-03"


@pytest.fixture
def kafka(kafka_bootstrap: str, topic_prefix: str) -> Kafka:
    return Kafka(kafka_bootstrap, topic_prefix)


@pytest.fixture
def settings(migrated_url: str, kafka: Kafka) -> ServiceSettings:
    return ServiceSettings(database_url=migrated_url, kafka_bootstrap=kafka.bootstrap, topic_prefix=kafka.prefix)


@pytest.fixture
def database(empty: Aggregation) -> Aggregation:
    """The worker's database, to look into."""
    return empty


@pytest.fixture
def worker(settings: ServiceSettings) -> Iterator[str]:
    with serving(bootstrap.worker(settings, FixedClock(TODAY))) as address:
        yield address


def test_a_figure_goes_from_its_topic_to_the_roll_up_and_out_again(
    kafka: Kafka, database: Aggregation, worker: str
) -> None:
    kafka.write(published(1, a_catalogue()), a_submission(a_figure("0.1")), a_submission(a_figure("0.2"), org=XINYI))
    eventually(lambda: len(kafka.read(FiguresApplied.TOPIC)) == 2)
    last = eventually(lambda: _last(kafka).get(CITY_IN_MARCH, {}).get("value") == "0.3" and _last(kafka)[CITY_IN_MARCH])
    assert last["coverage"]["reported"] == 2
    assert {dict(r.headers)["traceparent"].decode() for r in kafka.read(FiguresApplied.TOPIC)} == {TRACE}
    traced = [r for r in kafka.read(RollupChanged.TOPIC) if "traceparent" in dict(r.headers)]
    assert CITY_IN_MARCH in {record.key for record in traced}
    eventually(lambda: not database.rows("SELECT FROM rollup_pending") and not database.rows("SELECT FROM outbox"))
    database.verify()


def test_an_event_waits_until_its_catalogue_has_come(kafka: Kafka, database: Aggregation, worker: str) -> None:
    early = a_submission(a_figure("5"), catalogue_version=2)
    kafka.write(published(1, a_catalogue()), early)
    eventually(lambda: database.rollup() is not None)
    assert database.rows("SELECT FROM figure") == []
    kafka.write(published(2, a_catalogue(targets=[a_target()])))
    eventually(lambda: database.rollup().reported == 1)
    assert database.rollup().catalogue_version == 2


def test_the_same_record_twice_on_the_topic_counts_once(kafka: Kafka, database: Aggregation, worker: str) -> None:
    once = a_submission(a_figure("5"))
    kafka.write(published(1, a_catalogue()), once, once, once)
    eventually(lambda: len(kafka.read(FiguresApplied.TOPIC)) == 3)
    assert counts(database.rollup()) == (5, 1, 12)
    assert database.rows("SELECT FROM figure_revision") == []


def test_what_cannot_be_applied_is_set_aside_and_does_not_block(
    kafka: Kafka, database: Aggregation, worker: str
) -> None:
    kafka.write(published(1, a_catalogue()), a_submission(a_figure(period="nonsense")), a_submission(a_figure("5")))
    eventually(lambda: database.rollup() is not None and counts(database.rollup()) == (5, 1, 12))
    assert [row.reason for row in database.rows("SELECT reason FROM dead_letter")] == ["bad_period"]


def test_versions_of_a_roll_up_never_fall_on_the_topic(kafka: Kafka, database: Aggregation, worker: str) -> None:
    kafka.write(published(1, a_catalogue()))
    for value in range(1, 31):
        kafka.write(a_submission(a_figure(str(value))), a_submission(a_figure(str(value)), org=XINYI))
    eventually(lambda: _last(kafka).get(CITY_IN_MARCH, {}).get("value") == "60")
    seen: dict[bytes, int] = {}
    places: dict[bytes, set[int]] = {}
    for record in kafka.read(RollupChanged.TOPIC):
        event = RollupChanged.model_validate_json(record.value)
        assert event.version > seen.get(record.key, 0)
        seen[record.key] = event.version
        places.setdefault(event.indicator.encode(), set()).add(record.partition)
    assert all(len(partitions) == 1 for partitions in places.values())


def test_two_workers_share_the_partitions_and_stay_exact(
    kafka: Kafka, database: Aggregation, worker: str, settings: ServiceSettings
) -> None:
    kafka.write(published(1, a_catalogue()))
    rounds = [_everybody(str(value)) for value in range(1, 16)]
    for submissions in rounds[:5]:
        kafka.write(*submissions)
    with serving(bootstrap.worker(settings, FixedClock(TODAY))):
        # The second joins in the middle, takes partitions over, and leaves them again.
        for submissions in rounds[5:10]:
            kafka.write(*submissions)
        eventually(lambda: database.rollup() is not None and database.rollup().total >= 6 * 12)
    for submissions in rounds[10:]:
        kafka.write(*submissions)
    eventually(lambda: counts(database.rollup()) == (15 * 12, 12, 12))
    answered = Counter(
        FiguresApplied.model_validate_json(r.value).submission_id
        for r in eventually(lambda: _receipts(kafka, 15 * len(COUNTIES_AND_ZONES)))
    )
    assert len(answered) == 15 * len(COUNTIES_AND_ZONES)
    assert len(database.rows("SELECT FROM figure_revision")) == 14 * 12
    database.verify()


def test_a_worker_that_starts_again_goes_on_where_the_database_says(
    kafka: Kafka, database: Aggregation, settings: ServiceSettings
) -> None:
    kafka.write(published(1, a_catalogue()), a_submission(a_figure("5")))
    with serving(bootstrap.worker(settings, FixedClock(TODAY))):
        eventually(lambda: database.rollup() is not None and database.rollup().reported == 1)
    kafka.write(a_submission(a_figure("6"), org=XINYI))
    with serving(bootstrap.worker(settings, FixedClock(TODAY))):
        eventually(lambda: counts(database.rollup()) == (11, 2, 12))
        eventually(lambda: _last(kafka).get(CITY_IN_MARCH, {}).get("value") == "11")
    database.verify()


def _everybody(value: str) -> list[FiguresSubmitted]:
    return [a_submission(*(a_figure(value, cluster=c) for c in CLUSTERS), org=org) for org in COUNTIES_AND_ZONES]


def _receipts(kafka: Kafka, at_least: int) -> list[Any] | None:
    records = kafka.read(FiguresApplied.TOPIC)
    return (
        records
        if len({FiguresApplied.model_validate_json(r.value).submission_id for r in records}) >= at_least
        else None
    )


def _last(kafka: Kafka) -> dict[bytes, Any]:
    return {record.key: orjson.loads(record.value) for record in kafka.read(RollupChanged.TOPIC)}
