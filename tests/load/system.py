"""The system under load: a stack of its own with a catalogue made for it, and keys without a rate."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine

from fourones_local import loopback
from fourones_local.settling import wait_settled
from fourones_local.stack import Stack
from fourones_shared.database.engine import assert_durable, worker_engine
from fourones_shared.kafka.outbox import Relay
from fourones_shared.kafka.outbox_table import OutboxTable

# A year's backlog of roll-ups that nobody has read yet takes minutes on two cores.
SETTLE_S = 1_800.0


class LoadStack(Stack):
    """The stack without a limit on requests, since a benchmark's few keys stand for a nation's counties."""

    def settings(self, program: str) -> dict[str, str]:
        """The environment that a service's program gets."""
        return super().settings(program) | {"FOURONES_REQUESTS_PER_SECOND": "0"}


class System:
    """The running stack, as a benchmark needs it."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._http = loopback.client(timeout=60)

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    @property
    def keys(self) -> Mapping[str, str]:
        """The keys by role and organisation."""
        return self.stack.keys

    def put_in_force(self, document: Mapping[str, Any]) -> None:
        """Put a catalogue in force, wait until every service works by it, and issue keys."""
        seed = self.stack.seeding()
        seed.ensure_admin_key()
        answer = self._http.put(
            f"{self.stack.url('submission-api')}/v1/catalogue",
            content=json.dumps(document, ensure_ascii=False).encode(),
            headers=self.bearer("admin") | {"Content-Type": "application/json", "If-None-Match": "*"},
        )
        if answer.is_error:
            raise RuntimeError(f"the catalogue was refused: {answer.text}")
        self.stack.wait_ready()
        seed.ensure_demonstration_keys()
        self.settle()

    def put_ours_in_force(self) -> None:
        """Put the catalogue of this checkout in force, wait until every service works by it, and issue keys."""
        seed = self.stack.seeding()
        seed.ensure_admin_key()
        seed.apply_catalogue()
        self.stack.wait_ready()
        seed.ensure_demonstration_keys()
        self.settle()

    def bearer(self, key: str) -> dict[str, str]:
        """The header of a role's or organisation's key."""
        return {"Authorization": f"Bearer {self.keys[key]}"}

    def settle(self) -> None:
        """Wait until every worker has done everything that there was to do."""
        wait_settled([self.stack.url(f"{service}-worker") for service in self.stack.services], timeout=SETTLE_S)

    def samples(self, program: str, name: str) -> Iterator[Any]:
        """A program's series of that name."""
        text = self._http.get(f"{self.stack.url(program)}/metrics").raise_for_status().text
        # Parsing all of them, many times a second, would be a good part of the load.
        wanted = "".join(f"{line}\n" for line in text.splitlines() if line.startswith((f"{name}{{", f"{name} ")))
        for family in text_string_to_metric_families(wanted):
            yield from family.samples

    def metric(self, program: str, name: str, **labels: str) -> float:
        """The sum of a program's series of that name with these labels; 0 when there is none."""
        return sum(
            float(sample.value) for sample in self.samples(program, name) if labels.items() <= sample.labels.items()
        )

    def psycopg(self, service: str) -> psycopg.Connection[Any]:
        """A connection to a service's database."""
        return psycopg.connect(self.stack.database_url(service).replace("+psycopg", ""), autocommit=True)

    def require_durability(self) -> list[str]:
        """See that nothing is fast because it may be forgotten; say what was seen.

        Raises:
            RuntimeError: an event may be lost on its way to Kafka.
            Stop: a database may forget what it has committed.
        """
        for service in self.stack.services or ("aggregation",):
            engine = worker_engine(self.stack.database_url(service), name="bench", pool_size=1)
            try:
                with engine.connect() as connection:
                    assert_durable(connection)
                self._require_acknowledgement(engine)
            finally:
                engine.dispose()
        return [
            "PostgreSQL: fsync, synchronous_commit and full_page_writes are on",
            "Kafka: producers are idempotent and transactional, acks=all",
        ]

    def _require_acknowledgement(self, engine: Engine) -> None:
        # The very producer that relays make.
        relay = Relay(name="bench", engine=engine, store=OutboxTable(), bootstrap=self.stack.kafka.bootstrap)
        producer = relay._producer()
        try:
            if producer.config["acks"] != -1 or not producer.config["enable_idempotence"]:
                raise RuntimeError("a relay's producer does not wait for every replica, or may send twice")
        finally:
            producer.close()


@contextmanager
def running_system(
    *, services: tuple[str, ...] = ("submission", "aggregation", "alerting"), kind: type[Stack] = LoadStack
) -> Iterator[System]:
    """A stack in a temporary directory, stopped and removed in the end."""
    # Not below a directory that only root may enter: PostgreSQL runs as a user of its own.
    directory = Path(tempfile.mkdtemp(prefix="fourones-bench-"))
    directory.chmod(0o755)
    stack = kind(directory, services=services, free_ports=True, with_monitoring=False, seed=False, tied=True)
    try:
        stack.start()
        with closing(System(stack)) as system:
            yield system
    finally:
        stack.stop()
        stack.clean()
        shutil.rmtree(directory, ignore_errors=True)
