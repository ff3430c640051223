"""A million figures from the first POST to the last roll-up and the last metric, with what it costs whom."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from load.posting import Posted, post_all, prepared
from load.processes import LOAD, memory_mib, usage
from load.profiling import profiled
from load.report import Report, Row, quantile
from load.system import System, running_system
from load.workload import FIGURES_A_SUBMISSION, Shape, Standing, Submission, catalogue, submissions

# So that a moment is known to a tenth of a second, and looking costs the machine little.
_LOOK_EVERY_S = 0.1
_GIVE_UP_S = 1_800.0
_PAUSE = threading.Event()
_APPLIED = "fourones_consumer_records_total"
# Months that are posted after the measurement, while a program is watched.
_WATCHED_MONTHS = 2


@dataclass(frozen=True)
class Run:
    """One measured run, in seconds from the first POST."""

    posted: Posted
    standing: Standing
    last_rollup_s: float
    last_metric_s: float
    cpu_s: dict[str, float]

    @property
    def figures(self) -> int:
        """How many were sent, revisions among them."""
        return len(self.posted.accepted) * FIGURES_A_SUBMISSION


def million(figures: int, *, watched: Sequence[str]) -> Report:
    """The whole path; programs to be watched are so while more figures come, after the measurement."""
    shape = Shape.of(figures, spare_months=_WATCHED_MONTHS * len(watched))
    with running_system() as system:
        report = Report("million", system.require_durability())
        run = measured(system, shape)
        _tell(report, shape, run)
        report.table("memory after it, MiB (PSS)", [Row(n, {"MiB": v}) for n, v in memory_mib(system.stack).items()])
        for n, program in enumerate(watched):
            sent = submissions(shape, shape.spare[n * _WATCHED_MONTHS : (n + 1) * _WATCHED_MONTHS])
            threads, functions = profiled(system.stack, program, partial(_post_and_wait, system, sent))
            report.table(f"{program}: time of its threads", threads)
            report.table(f"{program}: by function, with all that it calls", functions)
    return report


def memory(figures: int) -> Report:
    """What the processes hold when they have had so many figures."""
    shape = Shape.of(figures)
    with running_system() as system:
        report = Report("memory", system.require_durability())
        system.put_in_force(catalogue(shape))
        before = memory_mib(system.stack)
        _post_and_wait(system, submissions(shape, shape.posted))
        system.settle()
        rows = [Row(n, {"before, MiB": before[n], "after, MiB": v}) for n, v in memory_mib(system.stack).items()]
        report.table(f"memory with {figures:,} figures (PSS)", rows)
    return report


def measured(system: System, shape: Shape) -> Run:
    """Post all figures of a shape and wait for the last metric; everything must have come out exactly."""
    system.put_in_force(catalogue(shape))
    bodies = prepared(submissions(shape, shape.posted))
    watch = _Watch(system, len(bodies))
    spent = usage(system.stack)
    began = time.perf_counter()
    watch.start()
    posted = post_all(system, bodies)
    standing = Standing.of(posted.accepted)
    watch.expect(standing.of_targets(shape.posted[-1]))
    watch.join()
    cpu = usage(system.stack).since(spent)
    _require_exactness(system, standing)
    return Run(posted, standing, watch.rolled_up_at - began, watch.exposed_at - began, cpu)


class _Watch(threading.Thread):
    """Looks from outside when the last submission is committed in aggregation, and when the last metric shows it."""

    def __init__(self, system: System, submissions: int) -> None:
        super().__init__(daemon=True)
        self._system = system
        self._wanted = system.metric("aggregation-worker", _APPLIED, topic="figures-submitted") + submissions
        self._expected: dict[str, float] = {}
        self._known = threading.Event()
        self._failure: BaseException | None = None
        self.rolled_up_at = self.exposed_at = 0.0

    def expect(self, targets: dict[str, float]) -> None:
        """The value that every target's metric must come to; known when everything is posted."""
        self._expected = targets
        self._known.set()

    def run(self) -> None:
        try:
            self.rolled_up_at = _when(self._applied)
            self._known.wait()
            self.exposed_at = _when(self._exposed)
        except BaseException as error:
            self._failure = error

    def join(self, timeout: float | None = None) -> None:
        super().join(timeout)
        if self._failure is not None:
            raise self._failure

    def _applied(self) -> bool:
        # The counter rises right after the commit.
        return self._system.metric("aggregation-worker", _APPLIED, topic="figures-submitted") >= self._wanted

    def _exposed(self) -> bool:
        shown = {
            sample.labels["target"]: sample.value
            for sample in self._system.samples("alerting-api", "fourones_indicator_value")
        }
        return all(abs(shown.get(target, 0.0) - value) < 1e-6 for target, value in self._expected.items())


def _when(happened: Callable[[], bool]) -> float:
    deadline = time.monotonic() + _GIVE_UP_S
    while not happened():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not there after {_GIVE_UP_S:.0f} s")
        _PAUSE.wait(_LOOK_EVERY_S)
    return time.perf_counter()


def _post_and_wait(system: System, sent: list[Submission]) -> int:
    bodies = prepared(sent)
    watch = _Watch(system, len(bodies))
    watch.expect({})
    watch.start()
    post_all(system, bodies)
    watch.join()
    return len(sent) * FIGURES_A_SUBMISSION


def _require_exactness(system: System, standing: Standing) -> None:
    with system.psycopg("aggregation") as connection:
        row = connection.execute(
            "SELECT sum(reported), sum(total) FROM rollup WHERE live AND org_id = 0 AND cluster_id = 0 AND tier_id = 0"
        ).fetchone()
    if row is None or (row[0], row[1]) != (standing.figures, Decimal(standing.total()).scaleb(-4)):
        raise RuntimeError(f"the roll-ups hold {row}, but {standing.figures} figures were accepted")


def _tell(report: Report, shape: Shape, run: Run) -> None:
    figures, seconds = run.figures, run.last_rollup_s
    report.fact("figures", figures)
    report.fact("of them revisions", figures - run.standing.figures)
    report.fact("submissions", len(run.posted.accepted))
    report.fact("organisations × months", f"{shape.organisations} × {shape.months}")
    report.fact("values doubted", run.posted.warnings)
    report.fact("POSTs put off (503)", run.posted.put_off)
    moments: dict[str, float] = {
        "last POST answered": run.posted.seconds,
        "last roll-up committed": run.last_rollup_s,
        "last metric exposed": run.last_metric_s,
    }
    report.table("from the first POST", [Row(n, {"s": s, "figures/s": figures / s}) for n, s in moments.items()])
    took = sorted(run.posted.took_s)
    report.fact("POST p50, ms", quantile(took, 0.5) * 1000)
    report.fact("POST p99, ms", quantile(took, 0.99) * 1000)
    spent: dict[str, Any] = dict(sorted(run.cpu_s.items(), key=lambda item: -item[1]))
    spent |= {"all together": sum(spent.values()), "without the load generator": sum(spent.values()) - spent[LOAD]}
    rows = [Row(n, {"s": s, "µs a figure": s / figures * 1e6}) for n, s in spent.items()]
    report.table("CPU until the last metric", rows)
    report.fact("figures/s until the last roll-up", figures / seconds)
