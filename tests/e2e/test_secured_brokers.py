"""The services at brokers as in production: over TLS, by name, and with the rights that the manifests give them."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from contract.k8s.rendering import of_kind
from contract.k8s.speaking import GROUPS, READERS, RELAYS
from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.errors import GroupAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError
from support.secured_kafka import ADMIN, SecuredNode, admit, secured_kafka
from support.stack import NewDatabase
from support.waiting import eventually

from fourones_local import loopback
from fourones_local.kafka import fetch_jars
from fourones_local.layout import Repository
from fourones_local.ports import free_port
from fourones_local.process import as_child, server_environment
from fourones_shared.database.migrate import migrate
from fourones_shared.errors import Retry
from fourones_shared.kafka.topics import ensure_topics
from fourones_shared.topics import all_topics

SERVICES = ("submission", "aggregation", "alerting")
PROGRAMS = ("submission-api", "submission-worker", "aggregation-worker", "alerting-worker")


@pytest.fixture(scope="module")
def node(servers_dir: Path) -> Iterator[SecuredNode]:
    fetch_jars(Repository.here().pom, Repository.here().kafka_home)
    folder = servers_dir / "secured"
    folder.mkdir(mode=0o755)
    with secured_kafka(folder) as node:
        admit(node, of_kind("production", "KafkaUser"))
        yield node


@pytest.mark.parametrize("service", SERVICES)
def test_a_user_may_do_what_its_service_does(node: SecuredNode, service: str) -> None:
    ensure_topics(node.connection("topics-kafka"), all_topics().values(), prefix="")
    options = node.connection(f"{service}-kafka").options()
    for relay in RELAYS[service]:
        with closing(KafkaProducer(**options, transactional_id=relay, max_block_ms=20_000)) as producer:
            producer.init_transactions()
            producer.begin_transaction()
            for topic in all_topics().values():
                if topic.owner == service:
                    producer.send(topic.name, b"{}", key=b"test", partition=0).get(timeout=20)
            # Readers of committed records never see them.
            producer.abort_transaction()
    for group in GROUPS[service]:
        with closing(KafkaConsumer(**options, group_id=group, enable_auto_commit=False)) as consumer:
            places = [TopicPartition(topic, 0) for topic in READERS[service]]
            consumer.assign(places)
            assert consumer.end_offsets(places).keys() == set(places)
            consumer.commit({place: OffsetAndMetadata(0, "", -1) for place in places})
            assert {consumer.committed(place) for place in places} == {0}


@pytest.mark.thorough
def test_a_figure_goes_its_way_by_the_users_of_the_manifests(
    node: SecuredNode, new_database: NewDatabase, tmp_path: Path
) -> None:
    with an_installation(node, new_database, tmp_path) as system:
        system.apply_catalogue(system.issue_key("--role", "admin"))
        key = system.issue_key("--role", "reporter", "--org", "320302")
        # Each has joined its groups and read everything, and knows where the topics end.
        for program in PROGRAMS:
            eventually(partial(system.ready, program), within_s=120)
        figure = {"indicator": "cluster-scale", "cluster": "new-materials", "period": "2024-11", "value": "12.5"}
        posted = system.ask("POST", "/v1/submissions", key, {"org": "320302", "figures": [figure]})
        # Carried by submission's relay, applied by aggregation, told back by its relay.
        eventually(lambda: system.status(posted["submission_id"], key) == "applied", within_s=120)
        # And heard of by alerting.
        eventually(lambda: system.rows("alerting", "SELECT 1 FROM rollup_latest WHERE org = '320302'"), within_s=120)
        # Judged, and told to others.
        eventually(lambda: records(node, "verdicts-changed") > 0, within_s=120)
        assert system.rows("submission", "SELECT 1 FROM outbox") == []
        assert "not authorized" not in system.logs().lower()


def test_a_wrong_password_is_told_and_not_waited_for_in_silence(node: SecuredNode) -> None:
    with pytest.raises(Retry, match=r"\(SASL_SSL as topics-kafka\)"):
        ensure_topics(node.connection("topics-kafka", "another"), all_topics().values(), prefix="")


def test_nobody_writes_what_is_another_s(node: SecuredNode) -> None:
    ensure_topics(node.connection("topics-kafka"), all_topics().values(), prefix="")
    producer = KafkaProducer(**node.connection("alerting-kafka").options(), max_block_ms=10_000)
    with closing(producer), pytest.raises(TopicAuthorizationFailedError):
        producer.send("figures-submitted", b"{}", partition=0).get(timeout=20)
    consumer = KafkaConsumer(**node.connection("alerting-kafka").options(), group_id="aggregation")
    with closing(consumer), pytest.raises((GroupAuthorizationFailedError, KafkaError)):
        consumer.committed(TopicPartition("rollups-changed", 0), timeout_ms=10_000)


@dataclass
class Installation:
    """Databases, and the processes that the manifests run."""

    urls: dict[str, str]
    settings: dict[str, dict[str, str]]
    ports: dict[str, int]
    folder: Path

    def command(self, program: str, *arguments: str) -> str:
        service, environment = program.split("-", maxsplit=1)[0], self.settings[program]
        done = subprocess.run(
            [Repository.command(f"fourones-{service}"), *arguments],
            env=server_environment() | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return str(done.stdout)

    def issue_key(self, *of_whom: str) -> str:
        return str(json.loads(self.command("submission-api", "keys", "issue", *of_whom, "--json"))["key"])

    def apply_catalogue(self, key: str) -> None:
        eventually(lambda: self._answers("submission-api", "/healthz"), within_s=120)
        catalogue = ["catalogue", "apply", str(Repository.here().catalogue), "--url", self._url("submission-api")]
        done = subprocess.run(
            [Repository.command("fourones"), *catalogue, "--key", key], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def ready(self, program: str) -> bool:
        return self._answers(program, "/readyz")

    def ask(self, method: str, path: str, key: str, body: Any = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {key}"}
        url = self._url("submission-api") + path
        answer = loopback.request(method, url, headers=headers, json=body, timeout=30)
        assert answer.is_success, answer.text
        return dict(answer.json())

    def status(self, submission: str, key: str) -> str:
        return str(self.ask("GET", f"/v1/submissions/{submission}", key)["status"])

    def rows(self, service: str, statement: str) -> list[Any]:
        with psycopg.connect(self.urls[service].replace("+psycopg", "")) as connection:
            return connection.execute(statement).fetchall()

    def logs(self) -> str:
        return "".join(file.read_text(encoding="utf-8") for file in self.folder.glob("*.log"))

    def _answers(self, program: str, path: str) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return loopback.get(self._url(program) + path, timeout=5).is_success
        return False

    def _url(self, program: str) -> str:
        return f"http://127.0.0.1:{self.ports[program]}"


@contextmanager
def an_installation(node: SecuredNode, new_database: NewDatabase, folder: Path) -> Iterator[Installation]:
    with ExitStack() as stack:
        urls = {service: stack.enter_context(new_database()) for service in SERVICES}
        ports: dict[str, int] = {}
        for program in (*PROGRAMS, "submission-topics"):
            ports[program] = free_port(ports.values())
        settings = {
            program: {"FOURONES_DATABASE_URL": urls[program.split("-")[0]], "FOURONES_PORT": str(port)}
            for program, port in ports.items()
        }
        for program, user in (
            ("submission-worker", "submission-kafka"),
            ("aggregation-worker", "aggregation-kafka"),
            ("alerting-worker", "alerting-kafka"),
            ("submission-topics", "topics-kafka"),
        ):
            settings[program] |= _variables(node, user)
        made = Installation(urls, settings, ports, folder)
        for service, url in urls.items():
            migrate(f"fourones_{service}", url)
        made.command("submission-topics", "topics")
        # Again, as every release does: now they are there, and their settings are looked at.
        ensure_topics(node.connection("topics-kafka"), all_topics().values(), prefix="")
        for program in PROGRAMS:
            stack.enter_context(_running(made, program))
        yield made


@contextmanager
def _running(made: Installation, program: str) -> Iterator[None]:
    service, role = program.split("-")
    with (made.folder / f"{program}.log").open("wb") as log:
        child = subprocess.Popen(
            [*as_child(None, SecuredNode.stop_signal), Repository.command(f"fourones-{service}"), role],
            env=server_environment() | made.settings[program],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
    try:
        yield
    finally:
        child.terminate()
        child.wait(60)


def _variables(node: SecuredNode, user: str) -> dict[str, str]:
    connection = node.connection(user)
    assert connection.password is not None
    return {
        "FOURONES_KAFKA_BOOTSTRAP": connection.bootstrap,
        "FOURONES_KAFKA_SECURITY_PROTOCOL": connection.protocol.value,
        "FOURONES_KAFKA_SASL_MECHANISM": connection.mechanism.value,
        "FOURONES_KAFKA_CA_FILE": str(connection.ca_file),
        "FOURONES_KAFKA_USERNAME": user,
        "FOURONES_KAFKA_PASSWORD": connection.password,
    }


def records(node: SecuredNode, topic: str) -> int:
    """How far the topic reaches."""
    with closing(KafkaConsumer(**node.connection(ADMIN).options())) as consumer:
        places = [TopicPartition(topic, number) for number in range(all_topics()[topic].partitions)]
        return sum(consumer.end_offsets(places).values())
