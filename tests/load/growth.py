"""What applying a figure costs with ten thousand to ten million figures stored.

A first month is opened and applied by the service's own code; the months after it are copies of its rows, made in
SQL, so that ten million figures take minutes. What is measured is applied by the service's own code again.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from fourones_aggregation.verifying import verify
from fourones_local.postgres import PostgresServer
from fourones_shared.domain.periods import Period
from fourones_shared.events.envelope import Wire
from load.processes import spent_by_postgres
from load.report import Report, Row
from load.worker import Worker, event_of, running_postgres
from load.workload import FIGURES_A_SUBMISSION, Shape, Submission

# Twenty counties' month of 500 figures: the smallest size.
_ORGANISATIONS = 20
_MONTH = _ORGANISATIONS * FIGURES_A_SUBMISSION
# As many submissions as a busy worker finds at a poll.
_BATCH = 20
_BATCHES = 5
# Beyond this, comparing every roll-up with its figures takes longer than the measurement.
_VERIFIED_UP_TO = 100_000


@dataclass(frozen=True)
class Cost:
    """Microseconds a figure: elapsed, and of CPU in the worker and in PostgreSQL."""

    elapsed: float
    python: float
    postgres: float

    def row(self, name: str) -> Row:
        """A line of the table."""
        cells = {"µs a figure": self.elapsed, "worker's CPU": self.python, "PostgreSQL's CPU": self.postgres}
        return Row(name, cells | {"figures/s": 1e6 / self.elapsed})


def growth(largest: int) -> Report:
    """The cost of new figures and of revisions with 10⁴, 10⁵ … figures stored."""
    sizes = [10**power for power in range(4, 10) if 10**power <= largest]
    # The months that are measured come after those that are stored.
    shape = Shape(_ORGANISATIONS, sizes[-1] // _MONTH + len(sizes) * _BATCHES)
    with running_postgres() as server:
        worker = Worker(server.url("aggregation"), shape, until=shape.posted[0].starts_at)
        try:
            return _Growth(server, shape, worker).measured(sizes)
        finally:
            worker.close()


class _Growth:
    def __init__(self, server: PostgresServer, shape: Shape, worker: Worker) -> None:
        self._server = server
        self._shape = shape
        self._first = shape.posted[0]
        self._worker = worker
        self._chance = random.Random(10)  # noqa: S311 - the same figures are revised every time
        self._rounds = 0

    def measured(self, sizes: Sequence[int]) -> Report:
        report = Report("growth", ["PostgreSQL: fsync, synchronous_commit and full_page_writes are on"])
        self._apply([Submission(org, self._first, 0) for org in range(_ORGANISATIONS)])
        stored, fresh = 1, self._shape.months
        new, revised = [], []
        for size in sizes:
            months = size // _MONTH
            self._store(self._shape.posted[stored:months])
            stored = months
            if size <= _VERIFIED_UP_TO:
                self._verify()
            fresh -= _BATCHES
            new.append(self._cost_of_new(self._shape.posted[fresh : fresh + _BATCHES]).row(f"{size:,}"))
            revised.append(self._cost_of_revisions(self._shape.posted[:stored]).row(f"{size:,}"))
        report.table("new figures, by figures stored", new)
        report.table("revisions of any of them", revised)
        return report

    def _cost_of_new(self, months: Sequence[Period]) -> Cost:
        for month in months:
            # Opening a period is done once for everybody's figures, and is not a figure's cost.
            self._apply([Submission(0, month, 0)])
        return self._cost([[Submission(org, month, 0) for org in range(1, _ORGANISATIONS)] for month in months])

    def _cost_of_revisions(self, months: Sequence[Period]) -> Cost:
        self._rounds += 1
        places = [(org, month) for org in range(_ORGANISATIONS) for month in months]
        chosen = self._chance.sample(places, min(len(places), _BATCHES * _BATCH))
        sent = [Submission(org, month, self._rounds) for org, month in chosen]
        return self._cost([sent[n : n + _BATCH] for n in range(0, len(sent), _BATCH)])

    def _cost(self, batches: Sequence[Sequence[Submission]]) -> Cost:
        costs = []
        for batch in batches:
            wires = [event_of(sent) for sent in batch]
            postgres, python, began = spent_by_postgres(self._server), time.process_time(), time.perf_counter()
            self._worker.apply(wires)
            elapsed, python = time.perf_counter() - began, time.process_time() - python
            postgres = spent_by_postgres(self._server) - postgres
            figures = len(batch) * FIGURES_A_SUBMISSION
            costs.append(tuple(1e6 * seconds / figures for seconds in (elapsed, python, postgres)))
        return Cost(*(statistics.median(column) for column in zip(*costs, strict=True)))

    def _apply(self, batch: Sequence[Submission]) -> None:
        wires: list[Wire] = [event_of(sent) for sent in batch]
        self._worker.apply(wires)

    def _store(self, months: Sequence[Period]) -> None:
        if not months:
            return
        ids = self._worker.dimensions.periods.ids([self._first.key, *(month.key for month in months)])
        due = {ids[month.key]: self._worker.due_at(month) for month in months}
        with self._worker.engine.begin() as connection:
            copy_month(connection, ids[self._first.key], due)
        with self._worker.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
        with self._server.connect() as superuser:
            # What the copying has left to write must not be written while something is measured.
            superuser.execute("CHECKPOINT")

    def _verify(self) -> None:
        differences = verify(self._worker.engine)
        if differences:
            raise RuntimeError(f"{len(differences)} roll-ups differ from their figures, {differences[0]} for one")


def copy_month(connection: Connection, known: int, due: Mapping[int, datetime]) -> None:
    """Repeat a month's duties, figures and roll-ups in others.

    Args:
        connection: in a transaction.
        known: the month's number.
        due: when the others' figures are due, by their numbers.
    """
    ids = {"known": known, "new": list(due), "due": list(due.values())}
    for table in ("duty", "figure", "rollup"):
        columns = _columns(connection, table, besides="period_id")
        connection.execute(
            text(
                f"INSERT INTO {table} (period_id, {', '.join(columns)}) SELECT n.period_id, {_copied(columns)}"  # noqa: S608
                f" FROM (SELECT * FROM {table} WHERE period_id = :known) k CROSS JOIN {_MONTHS}"
            ),
            ids,
        )
    columns = _columns(connection, "rollup_version", besides="rollup_id")
    if columns:
        connection.execute(
            text(
                f"INSERT INTO rollup_version (rollup_id, {', '.join(columns)}) SELECT r.rollup_id, {_copied(columns)}"  # noqa: S608
                f" FROM rollup_version k JOIN rollup t ON t.rollup_id = k.rollup_id AND t.period_id = :known"
                " JOIN rollup r ON (r.indicator_id, r.org_id, r.cluster_id, r.tier_id)"
                f" = (t.indicator_id, t.org_id, t.cluster_id, t.tier_id) JOIN {_MONTHS} ON n.period_id = r.period_id"
            ),
            ids,
        )


_MONTHS = "unnest(CAST(:new AS int[]), CAST(:due AS timestamptz[])) AS n (period_id, due_at)"


def _copied(columns: Sequence[str]) -> str:
    return ", ".join("n.due_at" if column == "due_at" else f"k.{column}" for column in columns)


def _columns(connection: Connection, table: str, *, besides: str) -> list[str]:
    """Those of a table, without any that number themselves; none of a table that is not there."""
    found = connection.execute(
        text(
            "SELECT column_name FROM information_schema.columns WHERE table_name = :table AND column_name <> :besides"
            " AND table_schema = 'public' AND is_identity = 'NO' ORDER BY ordinal_position"
        ),
        {"table": table, "besides": besides},
    )
    return list(found.scalars())
