"""`fourones-alerting`: the service's processes, and what its operators do."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, TextIO

import typer

from fourones_alerting.domain.cases import InvalidCase, judge_line
from fourones_shared.catalogue.model import Method

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Judges every target and shows the verdicts.")


@app.command()
def api() -> None:
    """Serve the HTTP API (port 8003) and the metrics of the verdicts."""
    # What a process needs is imported when it starts: `judge` needs neither settings nor a database.
    from fourones_alerting.bootstrap import run_api  # noqa: PLC0415
    from fourones_alerting.settings import AlertingSettings  # noqa: PLC0415

    raise typer.Exit(run_api(AlertingSettings()))


@app.command()
def worker() -> None:
    """Consume roll-ups, catalogues and keys, judge, and keep time (health on port 8013)."""
    from fourones_alerting.bootstrap import run_worker  # noqa: PLC0415
    from fourones_alerting.settings import AlertingSettings  # noqa: PLC0415

    raise typer.Exit(run_worker(AlertingSettings()))


@app.command()
def migrate() -> None:
    """Bring the database to the newest revision; any number of replicas may do so at once."""
    from fourones_alerting.bootstrap import PACKAGE  # noqa: PLC0415
    from fourones_alerting.settings import AlertingSettings  # noqa: PLC0415
    from fourones_shared.database.migrate import migrate as to_newest  # noqa: PLC0415

    typer.echo(to_newest(PACKAGE, AlertingSettings().database_url))


@app.command(add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def deadletters(context: typer.Context) -> None:
    """Look at records that could not be applied; repair, replay, discard."""
    from fourones_alerting.bootstrap import dead_letters  # noqa: PLC0415
    from fourones_alerting.settings import AlertingSettings  # noqa: PLC0415
    from fourones_shared.dead_letters.commands import dead_letter_commands  # noqa: PLC0415

    commands = dead_letter_commands(lambda: dead_letters(AlertingSettings()))
    commands(args=context.args, prog_name="fourones-alerting deadletters")


@app.command()
def judge(
    cases: Annotated[Path, typer.Argument(help="file with one JSON case a line, or - for standard input")],
    method: Annotated[Method, typer.Option(help="how to judge")] = Method.REQUIRED_GROWTH,
) -> None:
    """Judge cases and print `{"id", "ratio", "verdict"}` a line.

    A case is {"id", "direction": "up"|"down", "baseline": {"period", "value"}, "current": {"period", "value"},
    "target": {"period", "value"}|null, "limit": number|null}. A line that is no case is told on standard error and
    makes the command end with 1; the others are judged all the same.
    """
    if str(cases) == "-":
        faults = _judge(sys.stdin, method)
    else:
        try:
            lines = cases.open(encoding="utf-8")
        except OSError as error:
            raise typer.BadParameter(f"{cases}: {error.strerror}", param_hint="cases") from error
        with lines:
            faults = _judge(lines, method)
    raise typer.Exit(1 if faults else 0)


def _judge(lines: TextIO, method: Method) -> int:
    faults = 0
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            typer.echo(judge_line(line, method, number))
        except InvalidCase as fault:
            faults += 1
            typer.echo(str(fault), err=True)
    return faults


def main() -> None:
    """The command's entry point."""
    app()


if __name__ == "__main__":
    main()
