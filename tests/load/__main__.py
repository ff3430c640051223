"""Benchmarks, each on a stack of its own: `python -m load [PART…]`."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console

from fourones_local.layout import Repository
from load import applying, growth, latency, million, tracing
from load.machine import additions_ms, round_trip_us
from load.processes import cores
from load.report import Report, write

console = Console()


class Part(StrEnum):
    """What can be measured."""

    MILLION = "million"
    APPLY = "apply"
    LATENCY = "latency"
    GROWTH = "growth"
    MEMORY = "memory"
    TRACING = "tracing"


app = typer.Typer(pretty_exceptions_enable=False)


@app.command()
def main(  # noqa: PLR0917 - typer makes options of them
    parts: Annotated[list[Part] | None, typer.Argument(help="all when none is named")] = None,
    figures: Annotated[
        int, typer.Option(min=1_000, help="of `million`, `memory`, `tracing`, `apply` (there 150,000 or more)")
    ] = (200_000),
    stored: Annotated[int, typer.Option(min=10_000, help="the most that are stored in `growth`")] = 1_000_000,
    shared_buffers: Annotated[str, typer.Option(help="of `growth`'s PostgreSQL; production gives it 2GB")] = "256MB",
    rate: Annotated[int, typer.Option(min=40, help="submissions a second in `latency`")] = 200,
    seconds: Annotated[int, typer.Option(min=1, help="how long `latency` goes on")] = 30,
    watch: Annotated[list[str] | None, typer.Option(help="programs to be profiled after the million")] = None,
    output: Annotated[Path | None, typer.Option(help="JSON; .local/bench.json of the checkout by default")] = None,
) -> None:
    """Measure, print a table of every part, and write it all as JSON."""
    reports: list[Report] = []
    measures = {
        Part.MILLION: lambda: million.million(figures, watched=watch or []),
        Part.APPLY: lambda: applying.applying(max(figures, 150_000)),
        Part.LATENCY: lambda: latency.latency(rate, seconds),
        Part.GROWTH: lambda: growth.growth(stored, shared_buffers=shared_buffers),
        Part.MEMORY: lambda: million.memory(figures),
        Part.TRACING: lambda: tracing.tracing(figures),
    }
    machine = _machine()
    console.print(", ".join(f"{name} {value}" for name, value in machine.items()), highlight=False)
    for part in parts or list(Part):
        console.print(f"[bold]{part.value}[/] …", highlight=False)
        reports.append(measures[part]())
        reports[-1].show(console)
        write(reports, machine, output or Repository.here().root / ".local" / "bench.json")


def _machine() -> dict[str, str | int | float]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": cores(),
        "memory_mib": psutil.virtual_memory().total // 2**20,
        "kernel": platform.release(),
        "python": platform.python_version(),
        # Others at work on the machine show in it.
        "load_average": f"{psutil.getloadavg()[0]:.2f}",
        # How fast this machine is by itself: virtual ones differ by a factor of three from one hour to the next.
        "a million additions in Python, ms": round(additions_ms(), 1),
        "round trip over loopback, µs": round(round_trip_us(), 1),
    }


if __name__ == "__main__":
    app()
