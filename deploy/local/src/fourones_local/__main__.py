"""The command `fourones-local`: runs the whole system on this machine."""

import signal
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn, ParamSpec

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fourones_local import office
from fourones_local.debian import can_install
from fourones_local.errors import LocalStackError, NotRunning
from fourones_local.kafka import fetch_jars
from fourones_local.layout import Repository
from fourones_local.monitoring import HOW_TO_INSTALL, find_binaries, install
from fourones_local.stack import Stack

P = ParamSpec("P")

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
console = Console()

StateDir = Annotated[Path | None, typer.Option(help="Keeps the data; .local of the checkout by default.")]
FreePorts = Annotated[bool, typer.Option("--free-ports", help="Use free ports instead of the default ones.")]
Demo = Annotated[bool, typer.Option("--demo", help="Add the synthetic plans and their simulated figures.")]
Monitoring = Annotated[bool, typer.Option(help="Run Prometheus and Alertmanager where they can be had.")]

_WATCH_SECONDS = 1.0


def main() -> None:
    """Runs the command."""
    app()


def _explained(command: Callable[P, None]) -> Callable[P, None]:
    """Turns the stack's own errors into a message and an exit code."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except LocalStackError as error:
            console.print(f"[red]{escape(str(error))}[/]", highlight=False)
            raise typer.Exit(1) from None

    return wrapped


@app.command()
@_explained
def run(
    state_dir: StateDir = None,
    free_ports: FreePorts = False,
    demo: Demo = False,
    monitoring: Monitoring = True,
) -> None:
    """Start everything and stay in the foreground; Ctrl-C or SIGTERM stops it all."""
    signal.signal(signal.SIGTERM, _interrupt)
    stack = _stack(state_dir, free_ports=free_ports, monitoring=monitoring, tied=True)
    try:
        stack.start()
        if demo:
            stack.demonstrate()
        console.print("[bold]Running. Ctrl-C stops everything.[/]")
        _watch(stack)
    except KeyboardInterrupt:
        console.print("Stopping…")
    finally:
        # A second Ctrl-C must not leave half of it behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        stack.stop()


@app.command()
@_explained
def start(
    state_dir: StateDir = None,
    free_ports: FreePorts = False,
    demo: Demo = False,
    monitoring: Monitoring = True,
) -> None:
    """Start everything in the background and return when it is ready."""
    signal.signal(signal.SIGTERM, _interrupt)
    stack = _stack(state_dir, free_ports=free_ports, monitoring=monitoring)
    if stack.running:
        console.print("Already running; see `fourones-local status`.")
    else:
        stack.start()
    if demo:
        stack.demonstrate()


@app.command()
@_explained
def stop(state_dir: StateDir = None) -> None:
    """Stop everything; the data stay."""
    stack = _stack(state_dir)
    if not stack.running:
        console.print("Nothing is running.")
    stack.stop()


@app.command()
@_explained
def status(state_dir: StateDir = None) -> None:
    """Show what runs; exit code 3 when nothing does."""
    stack = _stack(state_dir)
    try:
        programs = stack.supervisor.all_info()
    except NotRunning:
        console.print("Nothing is running.")
        raise typer.Exit(3) from None
    table = Table("program", "state", "process", "since", "address")
    for info in programs:
        name, pid = str(info["name"]), int(info["pid"])
        port = stack.ports.get(name)
        since = f"{int(info['now']) - int(info['start'])} s" if pid else ""
        table.add_row(name, str(info["statename"]), str(pid or ""), since, f"127.0.0.1:{port}" if port else "")
    console.print(table)


@app.command()
@_explained
def install_monitoring() -> None:
    """Install Prometheus and Alertmanager where that needs nobody's help; say how otherwise."""
    if find_binaries() is not None:
        return
    if can_install():
        console.print("Installing Prometheus and Alertmanager")
    if not can_install() or install() is None:
        console.print(f"Prometheus and Alertmanager are missing; to have them: {HOW_TO_INSTALL}", highlight=False)


@app.command()
@_explained
def install_kafka() -> None:
    """Fetch Kafka's jars, unless they are there."""
    repository = Repository.here()
    if fetch_jars(repository.pom, repository.kafka_home):
        console.print("Kafka's jars are fetched")


@app.command()
@_explained
def install_office() -> None:
    """Install LibreOffice, which only tests need, where that needs nobody's help; say how otherwise."""
    if office.find_office() is not None:
        return
    if can_install():
        console.print("Installing LibreOffice Calc")
    if not can_install() or office.install_office() is None:
        console.print(f"LibreOffice is missing; to have it: {office.HOW_TO_INSTALL}", highlight=False)


@app.command()
@_explained
def demo(state_dir: StateDir = None, monitoring: Monitoring = True) -> None:
    """Add the synthetic plans and their simulated figures; starts the stack if it does not run."""
    signal.signal(signal.SIGTERM, _interrupt)
    stack = _stack(state_dir, monitoring=monitoring)
    if not stack.running:
        stack.start()
    stack.demonstrate()


@app.command()
@_explained
def clean(
    state_dir: StateDir = None,
    stop_first: Annotated[bool, typer.Option("--stop", help="Stop it first if it runs.")] = False,
    jars: Annotated[bool, typer.Option("--jars", help="Delete Kafka's jars too.")] = False,
) -> None:
    """Delete all data; refuses while the stack runs."""
    stack = _stack(state_dir)
    if stop_first:
        stack.stop()
    stack.clean(jars=jars)
    console.print(f"{stack.state.root} is clean.", highlight=False)


def _stack(state_dir: Path | None, *, free_ports: bool = False, monitoring: bool = True, tied: bool = False) -> Stack:
    return Stack(
        state_dir or Repository.here().root / ".local",
        free_ports=free_ports,
        with_monitoring=monitoring,
        tied=tied,
        console=console,
    )


def _watch(stack: Stack) -> None:
    """Reports what changes until everything has ended."""
    known = _processes(stack)
    while True:
        time.sleep(_WATCH_SECONDS)
        try:
            now = _processes(stack)
        except NotRunning:
            console.print("[yellow]The stack was stopped.[/]")
            return
        for name, (state, pid) in now.items():
            if (state, pid) != known[name]:
                process = f", process {pid}" if pid else ""
                console.print(f"[yellow]{name}: {state}{process}[/]", highlight=False)
        known = now


def _processes(stack: Stack) -> dict[str, tuple[str, int]]:
    return {str(info["name"]): (str(info["statename"]), int(info["pid"])) for info in stack.supervisor.all_info()}


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
