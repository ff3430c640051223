"""Figures applied a second, against what the parts it is made of could do at best, on the same broker and database.

All of them read the very same topic, one after the other:

- consuming: the client takes the records and does nothing with them; then it decodes them too.
- upserting: PostgreSQL takes the same rows from array literals that were ready before.
- Quix Streams: the same values added to a running total per key in its usual state store (RocksDB), with its defaults,
  which promise less (at least once; no revisions, coverage, history or publication): once by the record's own key,
  and once grouped anew by indicator, cluster and period, which makes the same totals over all organisations.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
from kafka import KafkaConsumer, TopicPartition
from sqlalchemy import text

from fourones_aggregation.arrays import days, numbers, texts
from fourones_shared.database.engine import worker_engine
from fourones_shared.events.envelope import data_of, unwrap
from fourones_shared.events.model import FiguresSubmitted
from fourones_shared.kafka.consumer import FETCH_MAX_WAIT_MS, PARTITION_FETCH_BYTES
from load.posting import post_all, prepared
from load.processes import usage
from load.report import Report, Row
from load.system import System, running_system
from load.tools import tool
from load.workload import FIGURES_A_SUBMISSION, Shape, catalogue, submissions

_TOPIC = FiguresSubmitted.TOPIC
# As many figures as a busy worker takes in one transaction.
_ROWS_A_BATCH = 10_000
# Every look costs the worker some milliseconds, which are part of what is measured.
_LOOK_EVERY_S = 0.2
_PAUSE = threading.Event()
_QUIX = Path(__file__).with_name("quix_totals.py")


def applying(figures: int) -> Report:
    """Figures a second of each."""
    shape = Shape.of(figures)
    with running_system() as system:
        report = Report("apply", system.require_durability())
        system.put_in_force(catalogue(shape))
        system.stack.stop_program("aggregation-worker")
        posted = post_all(system, prepared(submissions(shape, shape.posted)))
        _wait_for_outbox(system)
        events = len(posted.accepted)
        report.fact("figures in the topic", events * FIGURES_A_SUBMISSION)
        rates = {
            "consuming": _consuming(system, events),
            "consuming and decoding": _decoding(system, events),
            "PostgreSQL upserting": _upserting(system, events),
            "Quix Streams, the record's key": _quix(system, events, "own-key"),
            "Quix Streams, grouped by place": _quix(system, events, "by-place"),
        }
        applied, cpu_s = _applied_by_worker(system, events)
        rows = [Row("worker: figures, revisions, roll-ups, receipts", {"figures/s": applied, "worker is": "1"})]
        rows += [Row(n, {"figures/s": rate, "worker is": f"{applied / rate:.3g}"}) for n, rate in rates.items()]
        report.table("one after the other", rows)
        per_figure = {n: 1e6 * s / (events * FIGURES_A_SUBMISSION) for n, s in cpu_s.items()}
        report.table(
            "CPU while the worker applied them and published what came of them",
            [Row(n, {"µs a figure": v}) for n, v in sorted(per_figure.items(), key=lambda i: -i[1]) if v > 0.05],
        )
    return report


def _wait_for_outbox(system: System) -> None:
    while system.metric("submission-worker", "fourones_outbox_published_total", topic=_TOPIC) < _count(system):
        _PAUSE.wait(0.2)


def _count(system: System) -> int:
    with system.psycopg("submission") as connection:
        row = connection.execute("SELECT count(*) FROM submission").fetchone()
    return int(row[0]) if row else 0


def _records(system: System, events: int) -> Iterator[Any]:
    """The topic from its beginning, fetched as the worker does."""
    with closing(
        KafkaConsumer(
            bootstrap_servers=system.stack.kafka.bootstrap,
            isolation_level="read_committed",
            enable_auto_commit=False,
            fetch_max_wait_ms=FETCH_MAX_WAIT_MS,
            max_partition_fetch_bytes=PARTITION_FETCH_BYTES,
        )
    ) as consumer:
        partitions = [TopicPartition(_TOPIC, n) for n in sorted(consumer.partitions_for_topic(_TOPIC))]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        seen = 0
        while seen < events:
            for records in consumer.poll(timeout_ms=500).values():
                seen += len(records)
                yield from records


def _consuming(system: System, events: int) -> float:
    began = time.perf_counter()
    figures = sum(1 for _ in _records(system, events)) * FIGURES_A_SUBMISSION
    return figures / (time.perf_counter() - began)


def _decoding(system: System, events: int) -> float:
    began = time.perf_counter()
    figures = sum(len(_decoded(record).figures) for record in _records(system, events))
    return figures / (time.perf_counter() - began)


def _decoded(record: Any) -> FiguresSubmitted:
    return data_of(unwrap(record.value, record.headers), FiguresSubmitted)


def _upserting(system: System, events: int) -> float:
    batches = list(_batches(system, events))
    engine = worker_engine(system.stack.database_url("aggregation"), name="bench", pool_size=1)
    try:
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE bench_figure (LIKE figure INCLUDING ALL)"))
        began = time.perf_counter()
        for batch in batches:
            with engine.begin() as connection:
                connection.execute(_UPSERT, batch)
        seconds = time.perf_counter() - began
        with engine.begin() as connection:
            connection.execute(text("DROP TABLE bench_figure"))
    finally:
        engine.dispose()
    return events * FIGURES_A_SUBMISSION / seconds


def _batches(system: System, events: int) -> Iterator[dict[str, str]]:
    """The parameters of one statement each; of a figure that comes twice in one, the last."""
    codes: dict[str, int] = {}
    rows: dict[tuple[int, ...], tuple[Any, ...]] = {}
    for record in _records(system, events):
        data = _decoded(record)
        for f in data.figures:
            place = (f.indicator, data.org, f.cluster, f.period)
            key = tuple(codes.setdefault(code, len(codes)) for code in place)
            rows[key] = (data.sequence, f.value, f.status.value, data.submission_id, data.org, data.received_at)
        if len(rows) >= _ROWS_A_BATCH:
            yield _arrays(rows)
            rows = {}
    if rows:
        yield _arrays(rows)


def _arrays(rows: dict[tuple[int, ...], tuple[Any, ...]]) -> dict[str, str]:
    keys = {f"k{n}": numbers(column) for n, column in enumerate(zip(*rows, strict=True))}
    columns = list(zip(*rows.values(), strict=True))
    values = {"sequence": numbers(columns[0]), "value": numbers(columns[1]), "accepted": days(columns[5])}
    return keys | values | {name: texts(columns[n]) for name, n in (("status", 2), ("submission", 3), ("org", 4))}


def _quix(system: System, events: int, grouping: str) -> float:
    done = subprocess.run(
        [tool("python"), _QUIX, system.stack.kafka.bootstrap, _TOPIC, str(events * FIGURES_A_SUBMISSION), grouping],
        capture_output=True,
        text=True,
        check=True,
        cwd=system.stack.state.root,
    )
    answer = json.loads(done.stdout.splitlines()[-1])
    return float(answer["figures"]) / float(answer["seconds"])


def _applied_by_worker(system: System, events: int) -> tuple[float, dict[str, float]]:
    spent = usage(system.stack)
    system.stack.start_program("aggregation-worker")
    # From the first batch on: how long a process takes to start is not its rate.
    first, began = 0.0, 0.0
    applied = 0.0
    while applied < events:
        _PAUSE.wait(_LOOK_EVERY_S)
        applied = _applied(system)
        if applied and not first:
            first, began = applied, time.perf_counter()
    if first >= events:
        raise RuntimeError("all was applied in one batch: take more figures")
    rate = (applied - first) * FIGURES_A_SUBMISSION / (time.perf_counter() - began)
    system.settle()
    return rate, usage(system.stack).since(spent)


def _applied(system: System) -> float:
    try:
        return system.metric("aggregation-worker", "fourones_consumer_records_total", topic=_TOPIC)
    except httpx.TransportError:
        # It does not answer yet.
        return 0.0


_UPSERT = text(
    "INSERT INTO bench_figure AS f (indicator_id, org_id, cluster_id, period_id, sequence, value, status, withdrawn,"
    " submission_id, reported_by, accepted_at, applied_at, snapshot, excluded)"
    " SELECT r.k0, r.k1, r.k2, r.k3, r.sequence, r.value, r.status, false, r.submission, r.org, r.accepted, now(), 1,"
    " false FROM unnest(CAST(:k0 AS int[]), CAST(:k1 AS int[]), CAST(:k2 AS int[]), CAST(:k3 AS int[]),"
    " CAST(:sequence AS bigint[]), CAST(:value AS numeric[]), CAST(:status AS text[]), CAST(:submission AS text[]),"
    " CAST(:org AS text[]), CAST(:accepted AS timestamptz[]))"
    " AS r (k0, k1, k2, k3, sequence, value, status, submission, org, accepted)"
    " ON CONFLICT (indicator_id, org_id, cluster_id, period_id) DO UPDATE SET sequence = excluded.sequence,"
    " value = excluded.value, status = excluded.status, submission_id = excluded.submission_id,"
    " reported_by = excluded.reported_by, accepted_at = excluded.accepted_at, applied_at = excluded.applied_at"
    " WHERE f.sequence < excluded.sequence"
)
