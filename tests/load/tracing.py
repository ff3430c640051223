"""What traces cost: the same figures without and with a collector in turns, and what is left when there is none."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from support.otlp import Collector, collector

from fourones_shared.tracing import names, span
from load.million import Run, measured
from load.processes import LOAD
from load.report import Report, Row
from load.system import LoadStack, System, running_system
from load.workload import Shape

# In turns, so that a machine that becomes slower or faster meanwhile is so for both.
_TURNS = 2
_SPANS = 20_000


def tracing(figures: int) -> Report:
    """CPU of all processes a figure with traces exported against without; and of one span that nobody records."""
    shape = Shape.of(figures)
    off: list[Run] = []
    on: list[Run] = []
    spans = 0
    report: Report | None = None
    for _ in range(_TURNS):
        for runs, exported in ((off, False), (on, True)):
            with _system(exported=exported) as (system, collected):
                report = report or Report("tracing", system.require_durability())
                runs.append(measured(system, shape))
                spans += len(collected.spans) if collected is not None else 0
    assert report is not None
    _tell(report, off, on, spans)
    return report


@contextmanager
def _system(*, exported: bool) -> Iterator[tuple[System, Collector | None]]:
    with collector() if exported else nullcontext() as collected:

        class Stack(LoadStack):
            def settings(self, program: str) -> dict[str, str]:
                more = {} if collected is None else {"OTEL_EXPORTER_OTLP_ENDPOINT": collected.url}
                return super().settings(program) | more

        with running_system(kind=Stack) as system:
            yield system, collected


def _tell(report: Report, off: list[Run], on: list[Run], spans: int) -> None:
    programs = sorted({name for run in (*off, *on) for name in run.cpu_s} - {LOAD})
    without, exporting = ({name: _mean_us(runs, name) for name in programs} for runs in (off, on))
    rows = [
        Row(n, {"without, µs a figure": without[n], "with, µs a figure": exporting[n]})
        for n in sorted(programs, key=lambda n: -without[n])
    ]
    total_off, total_on = sum(without.values()), sum(exporting.values())
    rows.append(
        Row("all", {"without, µs a figure": total_off, "with, µs a figure": total_on, "ratio": total_on / total_off})
    )
    report.table("CPU until the last metric", rows)
    each = [
        Row(f"turn {turn}", {"without, s": one.last_metric_s, "with, s": other.last_metric_s})
        for turn, (one, other) in enumerate(zip(off, on, strict=True), start=1)
    ]
    report.table("elapsed until the last metric", each)
    figures = sum(run.figures for run in on)
    idle_us = _idle_span_us()
    report.fact("figures a run", on[0].figures)
    report.fact("spans a thousand figures", spans / figures * 1000)
    report.fact("a span that nobody records, µs", idle_us)
    # As if each of them were opened all the same when nothing is exported, which most are not.
    report.fact("share of all that when nothing is exported, %", spans / figures * idle_us / total_off * 100)


def _mean_us(runs: list[Run], program: str) -> float:
    return sum(run.cpu_s.get(program, 0.0) for run in runs) / sum(run.figures for run in runs) * 1e6


def _idle_span_us() -> float:
    """One span in a process that exports nothing, the best of five rounds."""

    def round_us() -> float:
        began = time.perf_counter()
        for _ in range(_SPANS):
            with span(names.JUDGE):
                pass
        return (time.perf_counter() - began) / _SPANS * 1e6

    return min(round_us() for _ in range(5))
