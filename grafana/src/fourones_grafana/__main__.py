"""The command `fourones-grafana`."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from fourones_grafana import generating, layout, linting, provisioned, sheet
from fourones_grafana.boards import EXPLANATIONS, boards
from fourones_grafana.checking.asking import Asking, Postgres, Prometheus
from fourones_grafana.checking.examining import Examined, examine
from fourones_grafana.errors import BoardsError, NotCurrent
from fourones_grafana.sources import SOURCES

app = typer.Typer(help="The boards as code: generate, check, examine, push.", no_args_is_help=True)

_Explanations = Annotated[
    str, typer.Option(help="Address under which the alerting service explains a target; its id is appended.")
]
_Endpoints = Annotated[Path, typer.Option(help="Addresses of a running local stack (endpoints.json).")]
_Passwords = Annotated[Path, typer.Option(help="Passwords of its database's roles (postgres.json).")]
_ENDPOINTS, _PASSWORDS = Path(".local/endpoints.json"), Path(".local/postgres.json")


@app.command()
def generate(
    explanations: _Explanations = EXPLANATIONS,
    out: Annotated[Path | None, typer.Option(help="The folder to write; by default grafana/dashboards.")] = None,
) -> None:
    """Write the boards as Grafana reads them."""
    for file in generating.write(boards(explanations), out or layout.dashboards()):
        typer.echo(file)


@app.command()
def check() -> None:
    """Check that files and code agree, and that the boards keep to the rules."""
    found = [*linting.faults([json.loads(generating.as_json(board)) for board in boards()])]
    found += provisioned.faults(layout.provisioning())
    for require_current, place in (
        (generating.require_current, layout.dashboards()),
        (sheet.require_current, layout.sheet()),
    ):
        try:
            require_current(boards(), place)
        except NotCurrent as fault:
            found.append(str(fault))
    _end_with(found)


@app.command(name="examine")
def examine_command(endpoints: _Endpoints = _ENDPOINTS, passwords: _Passwords = _PASSWORDS) -> None:
    """Ask a running system everything that the boards ask, with every value of their variables."""
    found = _examined(endpoints, passwords)
    for one in found:
        seconds = f"{one.slowest * 1000:6.0f} ms"
        typer.echo(f"{one.asked:5} questions, slowest {seconds}  {one.board.title} / {one.title}")
    _end_with([f"{one.board.title} / {one.title}: {fault}" for one in found for fault in one.faults])


@app.command(name="sheet")
def sheet_command(endpoints: _Endpoints = _ENDPOINTS, passwords: _Passwords = _PASSWORDS) -> None:
    """Write docs/boards.md, with samples from a running system."""
    found = _examined(endpoints, passwords)
    shown = list({one.board.uid: one.board for one in found}.values())
    layout.sheet().write_text(sheet.text(shown, {id(one.panel): one for one in found}), encoding="utf-8")
    _end_with([f"{one.board.title} / {one.title}: {fault}" for one in found for fault in one.faults])


@app.command()
def push(
    url: Annotated[str, typer.Option(envvar="GRAFANA_URL", help="Grafana's address.")],
    explanations: _Explanations = EXPLANATIONS,
    home: Annotated[bool, typer.Option("--home/--no-home", help="Make the first board everybody's home.")] = False,
) -> None:
    """Bring the boards into a running Grafana; needs GRAFANA_TOKEN, the token of a service account."""
    # Not an option: what stands on a command line is seen by everybody on the machine.
    token = os.environ.get("GRAFANA_TOKEN", "")
    if not token:
        _end_with(["set GRAFANA_TOKEN to the token of a service account that may edit folders and boards"])
    # What it needs is in no other environment: `make boards-push` has one.
    from fourones_grafana import pushing  # noqa: PLC0415

    done = pushing.push(pushing.grafana_at(url, token), boards(explanations), home=home)
    for word in ("created", "updated", "unchanged", "deleted"):
        for uid in getattr(done, word):
            typer.echo(f"{word:<9} {uid}")


def main() -> None:
    """Runs the command; what goes wrong is told in one line."""
    try:
        app()
    except BoardsError as error:
        typer.echo(f"fourones-grafana: {error}", err=True)
        raise SystemExit(1) from None


def _examined(endpoints: Path, passwords: Path) -> list[Examined]:
    running: dict[str, Any] = json.loads(endpoints.read_text(encoding="utf-8"))
    secret = quote(json.loads(passwords.read_text(encoding="utf-8"))[provisioned.BOARDS_ROLE])
    address = f"postgresql://{provisioned.BOARDS_ROLE}:{secret}@{running['postgresql']}"
    urls = {source.service: f"{address}/{source.service}" for source in SOURCES.values() if source.service}
    with Asking(Prometheus(running["prometheus"]), Postgres(urls), datetime.now(UTC)) as asking:
        return [one for board in boards() for one in examine(board, asking)]


def _end_with(faults: list[str]) -> None:
    for fault in faults:
        typer.echo(fault, err=True)
    if faults:
        raise typer.Exit(1)


if __name__ == "__main__":
    main()
