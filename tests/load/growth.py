"""What applying a figure costs with ten thousand to ten million figures stored.

A first month is opened and applied by the service's own code; the months after it are copies of its rows, made in
SQL, so that ten million figures take minutes. What is measured is applied by the service's own code again.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from fourones_aggregation.verifying import verify
from fourones_local.postgres import PostgresServer
from fourones_shared.database.migrate import migrate
from fourones_shared.domain.periods import Period
from fourones_shared.events.envelope import Wire
from load.processes import spent_by_postgres
from load.report import Report, Row
from load.worker import Worker, event_of, running_postgres
from load.workload import FIGURES_A_SUBMISSION, Shape, Submission

# Twenty counties' month of 500 figures: the smallest size.
_ORGANISATIONS = 20
_MONTH = _ORGANISATIONS * FIGURES_A_SUBMISSION
_BATCHES = 5
# Beyond this, comparing every roll-up with its figures takes longer than the measurement.
_VERIFIED_UP_TO = 100_000


@dataclass(frozen=True)
class Cost:
    """Microseconds a figure: elapsed, and of CPU in the worker and in PostgreSQL."""

    elapsed: float
    python: float
    postgres: float

    @property
    def cpu(self) -> float:
        """All of it."""
        return self.python + self.postgres


def growth(largest: int, *, shared_buffers: str) -> Report:
    """The cost of new figures and of revisions with 10⁴, 10⁵ … figures stored.

    Each size is measured in turns with a database of ten thousand on the same server, so that the machine's moods are
    in both: what counts is the ratio.
    """
    sizes = [10**power for power in range(4, 10) if 10**power <= largest]
    # The months that are measured come after those that are stored.
    shape = Shape(_ORGANISATIONS, sizes[-1] // _MONTH + len(sizes) * _BATCHES)
    durability = ["PostgreSQL: fsync, synchronous_commit and full_page_writes are on"]
    report = Report("growth", durability, {"shared_buffers": shared_buffers})
    new, revised = [], []
    with running_postgres(shared_buffers=shared_buffers) as server, _figures(server, shape, "aggregation") as grown:
        for size in sizes:
            grown.store(size)
            with _figures(server, shape, f"beside_{size}") as beside:
                new.append(_row(size, *_in_turns(grown, beside, _Figures.new_months)))
                revised.append(_row(size, *_in_turns(grown, beside, _Figures.revised_months)))
    report.table("new figures, by figures stored", new)
    report.table("revisions of any month", revised)
    return report


class _Figures:
    """A database with figures in it, and the months that are still to come."""

    def __init__(self, server: PostgresServer, shape: Shape, name: str) -> None:
        self._server = server
        self._shape = shape
        self._first = shape.posted[0]
        self._worker = Worker(server.url(name, role="aggregation"), shape, until=self._first.starts_at)
        self._chance = random.Random(10)  # noqa: S311 - the same figures are revised every time
        self._rounds = 0
        self._stored, self._fresh = 1, shape.months
        self.apply([Submission(org, self._first, 0) for org in range(_ORGANISATIONS)])

    def close(self) -> None:
        self._worker.close()

    def apply(self, batch: Sequence[Submission]) -> None:
        self._worker.apply([event_of(sent) for sent in batch])

    def new_months(self) -> list[list[Wire]]:
        """What has not been there, a month a batch."""
        self._fresh -= _BATCHES
        months = self._shape.posted[self._fresh : self._fresh + _BATCHES]
        for month in months:
            # Opening a period is done once for everybody's figures, and is not a figure's cost.
            self.apply([Submission(0, month, 0)])
        return [[event_of(Submission(org, month, 0)) for org in range(1, _ORGANISATIONS)] for month in months]

    def revised_months(self) -> list[list[Wire]]:
        """Other values for months of any age."""
        # A month a batch, whatever the size: twenty months in one batch would touch twenty times as many roll-ups,
        # and ten thousand figures have only one.
        batches = []
        for month in self._chance.choices(self._shape.posted[: self._stored], k=_BATCHES):
            self._rounds += 1
            batches.append([event_of(Submission(org, month, self._rounds)) for org in range(_ORGANISATIONS)])
        return batches

    def cost(self, batch: Sequence[Wire]) -> Cost:
        """What applying a batch costs."""
        postgres, python, began = spent_by_postgres(self._server), time.process_time(), time.perf_counter()
        self._worker.apply(batch)
        elapsed, python = time.perf_counter() - began, time.process_time() - python
        postgres = spent_by_postgres(self._server) - postgres
        return Cost(*(1e6 * seconds / (len(batch) * FIGURES_A_SUBMISSION) for seconds in (elapsed, python, postgres)))

    def store(self, size: int) -> None:
        """Let so many be stored."""
        months = self._shape.posted[self._stored : size // _MONTH]
        if months:
            self._copy_to(months)
            self._stored += len(months)
        if size <= _VERIFIED_UP_TO:
            self._verify()

    def _copy_to(self, months: Sequence[Period]) -> None:
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


@contextmanager
def _figures(server: PostgresServer, shape: Shape, database: str) -> Iterator[_Figures]:
    with server.connect() as superuser:
        server.create_database(superuser, database, owner="aggregation")
    migrate("fourones_aggregation", server.url(database, role="aggregation"))
    figures = _Figures(server, shape, database)
    try:
        yield figures
    finally:
        figures.close()


def _in_turns(grown: _Figures, beside: _Figures, batches: Callable[[_Figures], list[list[Wire]]]) -> tuple[Cost, Cost]:
    """The median cost in either."""
    pairs = list(zip(batches(grown), batches(beside), strict=True))
    costs = [(grown.cost(one), beside.cost(other)) for one, other in pairs]
    return _median([cost for cost, _ in costs]), _median([cost for _, cost in costs])


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(*(statistics.median(column) for column in zip(*map(astuple, costs), strict=True)))


def _row(size: int, grown: Cost, beside: Cost) -> Row:
    return Row(
        f"{size:,}",
        {
            "µs a figure": grown.elapsed,
            "worker's CPU": grown.python,
            "PostgreSQL's CPU": grown.postgres,
            "µs with 10,000": beside.elapsed,
            "elapsed, ratio": grown.elapsed / beside.elapsed,
            "CPU, ratio": grown.cpu / beside.cpu,
        },
    )


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
