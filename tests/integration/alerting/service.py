"""The alerting service as it runs: its worker and its API on a real broker and a real database."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn
from kafka import KafkaProducer
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, create_engine, text
from support.waiting import eventually
from unit.alerting.builders import NOW, a_catalogue

from fourones_alerting import bootstrap
from fourones_alerting.settings import AlertingSettings
from fourones_local import loopback
from fourones_local.ports import free_port
from fourones_shared.access.keys import hash_key, new_key
from fourones_shared.catalogue.model import Catalogue
from fourones_shared.domain.clock import FixedClock
from fourones_shared.events.envelope import wrap
from fourones_shared.events.model import AccessGranted, CataloguePublished, EventData, Role, RollupChanged
from fourones_shared.kafka.outbox import partition_for
from fourones_shared.kafka.topics import ensure_topics
from fourones_shared.topics import all_topics

# What the service reads and writes: a broker takes its time over every partition.
_TOPICS = ("access-granted", "catalogue-published", "rollups-changed", "verdicts-changed", "problems-changed")


class Publisher:
    """Speaks for the other services: events in transactions, as their relays send them."""

    def __init__(self, bootstrap_servers: str, prefix: str) -> None:
        self._prefix = prefix
        self._producer = KafkaProducer(
            bootstrap_servers=bootstrap_servers, transactional_id=f"{prefix}publisher", acks="all"
        )
        self._producer.init_transactions()

    def publish(self, *events: EventData) -> None:
        self._producer.begin_transaction()
        for event in events:
            self._send(event)
        self._producer.flush()
        self._producer.commit_transaction()

    def publish_catalogue(self, catalogue: Catalogue | None = None, version: int = 1) -> None:
        document = (catalogue or a_catalogue()).model_dump(mode="json")
        self.publish(
            CataloguePublished(
                version=version, digest=str(version), published_at=NOW, published_by="test", catalogue=document
            )
        )

    def grant(self, role: Role = Role.VIEWER, org: str | None = None) -> str:
        key_id, key = new_key()
        record = {"key_id": key_id, "version": 1, "key_hash": hash_key(key), "role": role, "org": org}
        self.publish(AccessGranted(**record, issued_at=NOW))
        return key

    def close(self) -> None:
        self._producer.close()

    def _send(self, event: EventData) -> None:
        wire = wrap(event, event_id=uuid.uuid4().hex, source="/fourones/test", time=NOW)
        by = event.indicator.encode() if isinstance(event, RollupChanged) else wire.key
        partition = partition_for(by, all_topics()[wire.topic].partitions)
        self._producer.send(
            self._prefix + wire.topic, value=wire.value, key=wire.key, headers=wire.headers, partition=partition
        )


class Service:
    """The worker and the API of one database; either can be started and stopped by itself."""

    def __init__(self, settings: AlertingSettings, clock: FixedClock, publisher: Publisher) -> None:
        self.settings = settings
        self.clock = clock
        self.publisher = publisher
        self.key = ""
        self.engine: Engine = create_engine(settings.database_url)

    @contextmanager
    def worker(self, *, caught_up: bool = True) -> Iterator[str]:
        """The worker; yields its address once it is ready, or at once."""
        with running(bootstrap.worker(self.settings, self.clock)) as url:
            if caught_up:
                eventually(lambda: self.is_ready(url))
            yield url

    @contextmanager
    def api(self, *, ready: bool = True) -> Iterator[Reader]:
        """The API; yields its reader once it has read keys and catalogue, or at once."""
        with running(bootstrap.api(self.settings, self.clock)) as url:
            if ready:
                eventually(lambda: self.is_ready(url))
            yield Reader(url, self.key)

    def is_ready(self, url: str) -> bool:
        return loopback.get(f"{url}/readyz").status_code == 200

    def rows(self, query: str, **values: Any) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(text(query), values))

    def verdicts(self) -> dict[str, str]:
        return {row.target: row.verdict for row in self.rows("SELECT target, verdict FROM assessment")}


class Reader:
    """A viewer of the API."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self._key = key

    def get(self, path: str, *, key: str | None = None, **query: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key or self._key}"}
        return loopback.get(f"{self.url}{path}", params=query, headers=headers, timeout=30)

    def assessment(self, target: str) -> dict[str, Any]:
        answer = self.get(f"/v1/assessments/{target}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def series(self, name: str, **labels: str) -> list[float]:
        """The values of the series with these labels, as Prometheus' own parser reads them."""
        answer = loopback.get(f"{self.url}/metrics", timeout=30)
        return [
            sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]


@contextmanager
def a_service(kafka_bootstrap: str, database_url: str, topic_prefix: str) -> Iterator[Service]:
    """Topics and a clock at NOW for a migrated database; nothing published, nothing running yet."""
    ensure_topics(kafka_bootstrap, [all_topics()[name] for name in _TOPICS], prefix=topic_prefix)
    settings = AlertingSettings(
        database_url=database_url, kafka_bootstrap=kafka_bootstrap, topic_prefix=topic_prefix, batch_records=50
    )
    publisher = Publisher(kafka_bootstrap, topic_prefix)
    service = Service(settings, FixedClock(NOW), publisher)
    try:
        yield service
    finally:
        publisher.close()
        service.engine.dispose()


@contextmanager
def running(process: bootstrap.Process) -> Iterator[str]:
    """The process, served as in production; yields its address."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(process.app, host="127.0.0.1", port=port, log_config=None, access_log=False))
    stop = threading.Event()
    failures: list[BaseException] = []

    def guarded(work: Callable[[threading.Event], None]) -> None:
        try:
            work(stop)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(work,), name=name) for name, work in process.threads.items()]
    threads.append(threading.Thread(target=server.run, name="http"))
    for thread in threads:
        thread.start()
    try:
        eventually(lambda: server.started or failures)
        yield f"http://127.0.0.1:{port}"
    finally:
        stop.set()
        server.should_exit = True
        for thread in threads:
            thread.join(30)
        process.close()
    assert not failures, failures
