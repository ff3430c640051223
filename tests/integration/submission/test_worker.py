import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Any

import httpx
import pytest
from integration.submission.service import Service, a_body, a_service, running, settings, with_catalogue
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from sqlalchemy import text
from support.waiting import eventually
from unit.submission.builders import COUNTY, NOW

from fourones_local import loopback
from fourones_local.ports import free_port
from fourones_shared.domain.clock import FixedClock
from fourones_shared.events.envelope import Wire, data_of, unwrap, wrap
from fourones_shared.events.model import FiguresApplied, FiguresSubmitted
from fourones_shared.kafka.topics import ensure_topics
from fourones_shared.topics import all_topics
from fourones_submission import bootstrap


@pytest.fixture
def broker(kafka_bootstrap: str, topic_prefix: str) -> str:
    ensure_topics(kafka_bootstrap, all_topics().values(), prefix=topic_prefix)
    return kafka_bootstrap


@pytest.fixture
def service(database_url: str, broker: str, topic_prefix: str) -> Iterator[Service]:
    with a_service(database_url, clock=FixedClock(NOW)) as api:
        yield with_catalogue(api)


@pytest.fixture
def worker_url(service: Service, broker: str, topic_prefix: str) -> Iterator[str]:
    configured = settings(service.database_url, kafka_bootstrap=broker, topic_prefix=topic_prefix)
    with running(bootstrap.worker(configured)) as url:
        yield url


def published(broker: str, topic: str) -> list[Any]:
    """Every record of a topic that a reader of committed records gets."""
    with closing(KafkaConsumer(bootstrap_servers=broker, isolation_level="read_committed")) as consumer:
        partitions = [TopicPartition(topic, p) for p in sorted(consumer.partitions_for_topic(topic))]
        consumer.assign(partitions)
        consumer.seek_to_beginning()
        ends = consumer.end_offsets(partitions)
        records: list[Any] = []
        while any(consumer.position(p) < ends[p] for p in partitions):
            for batch in consumer.poll(timeout_ms=200).values():
                records += batch
    return records


def say(broker: str, prefix: str, *wires: Wire) -> None:
    with closing(KafkaProducer(bootstrap_servers=broker)) as producer:
        sent = [producer.send(prefix + w.topic, key=w.key, value=w.value, headers=w.headers) for w in wires]
        for future in sent:
            future.get(timeout=20)


def applied(submission_id: str, **changes: Any) -> Wire:
    given = {"applied": 1, "superseded": 0, "excluded": 0, "applied_at": NOW} | changes
    data = FiguresApplied(submission_id=submission_id, org=COUNTY, sequence=1, **given)
    return wrap(data, event_id=f"applied:{submission_id}", source="/fourones/aggregation", time=NOW)


@contextmanager
def worker_process(database_url: str, *, kafka_bootstrap: str) -> Iterator[str]:
    """The worker as its own process, as a supervisor runs it; ends in good order."""
    port = free_port()
    environment = os.environ | {
        "FOURONES_DATABASE_URL": database_url,
        "FOURONES_KAFKA_BOOTSTRAP": kafka_bootstrap,
        "FOURONES_PORT": str(port),
    }
    process = subprocess.Popen([sys.executable, "-m", "fourones_submission", "worker"], env=environment)
    try:
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: answers(url))
        yield url
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    try:
        return loopback.get(f"{url}/healthz").is_success
    except httpx.TransportError:
        return False


def receipt(service: Service, submission_id: str) -> dict[str, Any]:
    return dict(service.get(f"/v1/submissions/{submission_id}").json())


def wait_for_status(service: Service, submission_id: str, status: str) -> dict[str, Any]:
    eventually(lambda: receipt(service, submission_id)["status"] == status)
    return receipt(service, submission_id)


def test_accepted_submissions_reach_kafka_in_their_order_and_leave_the_outbox(
    service: Service, worker_url: str, broker: str, topic_prefix: str
):
    sent = [service.post(a_body(value=str(n))).json() for n in range(5)]
    for answer in sent:
        done = wait_for_status(service, answer["submission_id"], "published")
        assert done["published_at"] is not None
    records = published(broker, topic_prefix + "figures-submitted")
    events = [data_of(unwrap(r.value, r.headers), FiguresSubmitted) for r in records]
    assert [event.submission_id for event in events] == [answer["submission_id"] for answer in sent]
    assert {(record.key, record.partition) for record in records} == {(COUNTY.encode(), records[0].partition)}
    eventually(lambda: service.count("outbox") == 0)


def test_keys_and_catalogue_versions_are_told_too(service: Service, worker_url: str, broker: str, topic_prefix: str):
    eventually(lambda: service.count("outbox") == 0)
    (catalogue,) = published(broker, topic_prefix + "catalogue-published")
    assert json.loads(catalogue.value)["version"] == 1
    assert len(published(broker, topic_prefix + "access-granted")) == service.count("access_key")


def test_what_aggregation_says_completes_the_receipt(service: Service, worker_url: str, broker: str, topic_prefix: str):
    submission = service.post(a_body()).json()["submission_id"]
    say(broker, topic_prefix, applied(submission, applied=3, superseded=2, excluded=1))
    done = wait_for_status(service, submission, "applied")
    assert (done["applied"], done["superseded"], done["excluded"]) == (3, 2, 1)
    assert datetime.fromisoformat(done["applied_at"]) == NOW


def test_what_was_set_aside_may_be_applied_later_and_then_stays(
    service: Service, worker_url: str, broker: str, topic_prefix: str
):
    submission, last = [service.post(a_body(value=v)).json()["submission_id"] for v in ("1", "2")]
    failed = applied(submission, outcome="dead_lettered", applied=0, reason="bad_data")
    say(broker, topic_prefix, failed)
    done = wait_for_status(service, submission, "dead_lettered")
    assert (done["reason"], done["applied_at"]) == ("bad_data", None)
    say(broker, topic_prefix, applied(submission), failed, applied(submission, applied=0, superseded=1), applied(last))
    wait_for_status(service, last, "applied")
    assert receipt(service, submission)["status"] == "applied"
    assert (receipt(service, submission)["applied"], receipt(service, submission)["superseded"]) == (1, 0)


def test_a_word_about_no_submission_of_ours_blocks_nothing(
    service: Service, worker_url: str, broker: str, topic_prefix: str
):
    submission = service.post(a_body()).json()["submission_id"]
    unknown = applied("00000000-0000-7000-8000-000000000000")
    say(broker, topic_prefix, applied("nonsense"), unknown, applied(submission))
    wait_for_status(service, submission, "applied")
    (dead,) = service.rows("SELECT reason FROM dead_letter")
    assert dead.reason == "bad_data"


def test_a_row_that_kafka_will_never_take_is_set_aside_and_blocks_nobody(
    service: Service, worker_url: str, broker: str, topic_prefix: str
):
    too_large = all_topics()["figures-submitted"].max_message_bytes + 1
    with service.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO outbox (topic, key, value, headers, created_at)"
                " VALUES ('figures-submitted', 'x', convert_to(repeat('x', :size), 'UTF8'), '{}', now())"
            ),
            {"size": too_large},
        )
    submission = service.post(a_body()).json()["submission_id"]
    wait_for_status(service, submission, "published")
    (row,) = service.rows("SELECT set_aside FROM outbox")
    assert row.set_aside


def test_the_worker_says_when_it_has_caught_up(service: Service, worker_url: str):
    eventually(lambda: loopback.get(f"{worker_url}/readyz").status_code == 200)
    metrics = loopback.get(f"{worker_url}/metrics").text
    assert "fourones_outbox_depth" in metrics
    assert loopback.get(f"{worker_url}/healthz").status_code == 200


def test_figures_are_taken_while_no_broker_answers_and_published_in_order_afterwards(
    service: Service, broker: str, topic_prefix: str
):
    sent = [service.post(a_body(value=str(n))).json()["submission_id"] for n in range(3)]
    assert service.count("outbox") >= 3
    with worker_process(service.database_url, kafka_bootstrap="127.0.0.1:9") as url:
        assert service.post(a_body(value="9")).status_code == 202
        assert loopback.get(f"{url}/readyz").status_code == 503
    configured = settings(service.database_url, kafka_bootstrap=broker, topic_prefix=topic_prefix)
    with running(bootstrap.worker(configured)):
        wait_for_status(service, sent[-1], "published")
        eventually(lambda: service.count("outbox") == 0)
    events = [json.loads(r.value)["submission_id"] for r in published(broker, topic_prefix + "figures-submitted")]
    assert events[:3] == sent
    assert len(events) == 4
