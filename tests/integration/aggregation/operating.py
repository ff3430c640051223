"""An installation as its operators have it: topics, database, workers, and the commands that are typed beside them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from integration.aggregation.keeping import TODAY, Aggregation
from integration.aggregation.serving import serving
from integration.aggregation.topics import Kafka
from sqlalchemy import text
from support.waiting import eventually

from fourones_aggregation import bootstrap
from fourones_aggregation.comparing import verify_log
from fourones_aggregation.rebuilding import Rebuilt
from fourones_aggregation.verification import Findings
from fourones_shared.dead_letters.resolving import DeadLetters
from fourones_shared.domain.clock import FixedClock
from fourones_shared.events.envelope import Wire
from fourones_shared.events.model import CataloguePublished, EventData, FiguresSubmitted
from fourones_shared.settings import ServiceSettings

# What follows from the log; the numbers of snapshots go on with every recomputation.
KEPT = ("figure", "figure_revision", "duty", "duty_past", "rollup", "rollup_version", "rollup_pending")


@dataclass
class Installation:
    kafka: Kafka
    database: Aggregation
    clock: FixedClock = field(default_factory=lambda: FixedClock(TODAY))
    written: int = 0

    @property
    def settings(self) -> ServiceSettings:
        return ServiceSettings(
            database_url=self.database.url, kafka_bootstrap=self.kafka.bootstrap, topic_prefix=self.kafka.prefix
        )

    def write(self, *events: EventData | Wire) -> None:
        self.kafka.write(*events)
        self.written += sum(
            event.topic == FiguresSubmitted.TOPIC if isinstance(event, Wire) else isinstance(event, FiguresSubmitted)
            for event in events
        )

    @contextmanager
    def workers(self, number: int = 1) -> Iterator[list[str]]:
        with ExitStack() as stack:
            yield [stack.enter_context(serving(bootstrap.worker(self.settings, self.clock))) for _ in range(number)]

    @contextmanager
    def damaged(self, statement: str) -> Iterator[None]:
        """Figures and revisions are damaged, and then as they were, without any code of the service."""
        tables = ("figure", "figure_revision")
        self.damage(*(f"CREATE TABLE whole_{table} AS TABLE {table}" for table in tables), statement)
        yield
        with self.database.engine.begin() as connection:
            for table in tables:
                connection.execute(text(f"TRUNCATE {table}"))
                connection.execute(text(f"INSERT INTO {table} TABLE whole_{table}"))
                connection.execute(text(f"DROP TABLE whole_{table}"))

    def work(self, *events: EventData | Wire) -> None:
        """Have a worker apply them, and end when all of them are."""
        self.write(*events)
        catalogue = max((event.version for event in events if isinstance(event, CataloguePublished)), default=0)
        with self.workers():
            self.until_applied()
            # Records that are set aside need no catalogue, and may be through before it.
            eventually(lambda: self.version_in_force() >= catalogue)

    def until_applied(self) -> None:
        eventually(lambda: self.position() == self.written)

    def position(self) -> int:
        """Records read; nothing here writes transactions, whose marks would count."""
        (row,) = self.database.rows(
            "SELECT coalesce(sum(next_offset), 0) AS records FROM consumer_position WHERE topic = :topic",
            topic=self.kafka.prefix + FiguresSubmitted.TOPIC,
        )
        return int(row.records)

    def version_in_force(self) -> int:
        rows = self.database.rows("SELECT version FROM catalogue_in_force")
        return max((int(row.version) for row in rows), default=0)

    def kept(self) -> dict[str, Sequence[Any]]:
        return {table: self.database.rows(f"SELECT t.* FROM {table} t ORDER BY t::text") for table in KEPT}  # noqa: S608

    def damage(self, *statements: str) -> None:
        with self.database.engine.begin() as connection:
            for statement in statements:
                assert connection.execute(text(statement)).rowcount != 0, statement

    # -- commands ------------------------------------------------------------------------------------------------

    def rebuild(self, *, partial: bool = False) -> Rebuilt:
        with bootstrap.rebuild(self.settings, clock=self.clock) as work:
            return work.run(partial=partial)

    def verify_log(self) -> Findings:
        with bootstrap.log_of_figures(self.settings, self.database.engine) as (log, dimensions):
            return verify_log(self.database.engine, log, dimensions)

    def verify(self) -> None:
        """That both verifications find nothing."""
        self.database.verify()
        assert [str(difference) for difference in self.verify_log().first] == []

    @contextmanager
    def dead_letters(self) -> Iterator[DeadLetters]:
        with bootstrap.dead_letters(self.settings, self.clock) as letters:
            yield letters

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """`fourones-aggregation …` as a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "fourones_aggregation", *arguments],
            env=os.environ
            | {
                "FOURONES_DATABASE_URL": self.database.url,
                "FOURONES_KAFKA_BOOTSTRAP": self.kafka.bootstrap,
                "FOURONES_TOPIC_PREFIX": self.kafka.prefix,
                "FOURONES_OPERATOR": "lin",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def command(self, *arguments: str, ends_with: int = 0) -> list[str]:
        """The lines that it prints beside its log; and those of its log, as they came."""
        process = self.start(*arguments)
        out, errors = process.communicate(timeout=120)
        assert process.returncode == ends_with, out + errors
        return [*out.splitlines(), *errors.splitlines()]


def told(lines: Sequence[str], event: str) -> list[dict[str, Any]]:
    """The entries of a command's log that have this text."""
    entries = [orjson.loads(line) for line in lines if line.startswith("{")]
    return [entry for entry in entries if entry.get("event") == event]
