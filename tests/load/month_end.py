"""The county systems' month-end on a stack of its own: `python -m load.month_end`, which `make load` calls."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from fourones_local.layout import Repository
from fourones_local.stack import Stack
from load.county_systems.arrivals import PROFILES
from load.system import System, running_system
from load.tools import tool

_TESTS = Path(__file__).parents[1]
# What a soak looks for: a leak of this much an hour is found within a few of them, and chance is less.
_GROWTH_AN_HOUR = 0.05
_SAMPLE_S = 15.0

app = typer.Typer(pretty_exceptions_enable=False)


@app.command()
def main(
    rate: Annotated[float, typer.Option(min=1, help="submissions a second, at the highest")] = 200,
    seconds: Annotated[float, typer.Option(min=5, help="how long; a soak takes hours")] = 600,
    course: Annotated[str, typer.Option(help="of the rate: " + " or ".join(PROFILES))] = "constant",
    *,
    soak: Annotated[bool, typer.Option(help="judge whether memory, connections, outbox or lag grow")] = False,
    output: Annotated[Path | None, typer.Option(help="directory; .local/load of the checkout by default")] = None,
) -> None:
    """Start a stack, let the county systems call, say what was found, and end with 1 when a threshold was missed."""
    output = output or Repository.here().root / ".local" / "load"
    wanted = {"rate": rate, "seconds": seconds, "course": course, "sample_s": _SAMPLE_S}
    if soak:
        wanted["growth"] = _GROWTH_AN_HOUR
    with running_system(kind=Stack) as system:
        typer.echo("\n".join(system.require_durability()))
        system.put_ours_in_force()
        ended = run(system, output, wanted)
    typer.echo(f"{output}: report.html with graphs, summary.md, summary.json, samples.csv, stats_*.csv")
    raise typer.Exit(ended)


def run(system: System, output: Path, options: Mapping[str, Any]) -> int:
    """Let the county systems call.

    Args:
        system: with catalogue and keys, and with the services' usual limits.
        output: directory of what is written.
        options: of the scenario (`county_systems/options.py`), by name.

    Returns:
        0 when every threshold was met, 1 when one was missed, 2 when the run was broken off.
    """
    output.mkdir(parents=True, exist_ok=True)
    endpoints = output / "endpoints.json"
    endpoints.write_text(json.dumps(system.stack.endpoints | {"keys": dict(system.keys)}), encoding="utf-8")
    endpoints.chmod(0o600)
    given = dict(options) | {
        "endpoints": endpoints,
        "output": output,
        "watch": ",".join(f"{name}={where}" for name, where in _processes(system.stack).items()),
        "may_post_invented_figures": "yes",
    }
    command: list[str | Path] = [tool("locust", of="locust"), "--config", _TESTS / "load" / "locust.conf"]
    command += ["--locustfile", _TESTS / "load" / "county_systems" / "locustfile.py"]
    command += ["--html", output / "report.html", "--csv", output / "stats", "--csv-full-history"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LOCUST_", "FOURONES_"))}
    environment |= {f"FOURONES_LOAD_{name.upper()}": str(value) for name, value in given.items()}
    environment |= {"PYTHONPATH": str(_TESTS), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        return subprocess.run(command, env=environment, check=False).returncode
    finally:
        # The stack's keys end with it.
        endpoints.unlink()


def _processes(stack: Stack) -> dict[str, str]:
    """Services by the address of their metrics, the others by process id."""
    found = {f"{service}-{role}": stack.url(f"{service}-{role}") for service in stack.services for role in _ROLES}
    for info in stack.supervisor.all_info():
        if info["pid"] and info["name"] not in found:
            found[str(info["name"])] = str(info["pid"])
    return found


_ROLES = ("api", "worker")

if __name__ == "__main__":
    sys.exit(app())
