"""`fourones-alerting`: the service's processes, and what its operators do."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, TextIO

import typer

from fourones_alerting.domain.cases import InvalidCase, judge_line
from fourones_alerting.notifying.channels.commands import channels
from fourones_alerting.notifying.commands import alertmanager_config, notices
from fourones_alerting.problems.commands import problems
from fourones_shared.catalogue.model import Method

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Judges every target and shows the verdicts.",
)
app.add_typer(channels, name="channels")
app.add_typer(notices, name="notices")
app.command("alertmanager-config")(alertmanager_config)
app.add_typer(problems, name="problems")


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
    from fourones_alerting.notifying.channels.file import ChannelsRefused  # noqa: PLC0415
    from fourones_alerting.settings import AlertingSettings  # noqa: PLC0415

    try:
        raise typer.Exit(run_worker(AlertingSettings()))
    except ChannelsRefused as refused:
        typer.echo(str(refused), err=True)
        raise typer.Exit(1) from None


@app.command()
def migrate(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="change nothing: end well once the database is not behind this release")
    ] = False,
    wait: Annotated[
        float, typer.Option("--wait", min=0, help="seconds to wait for the database, or for its migration")
    ] = 0.0,
) -> None:
    """Bring the database to the newest revision; any number of replicas may do so at once."""
    from fourones_alerting.bootstrap import PACKAGE  # noqa: PLC0415
    from fourones_alerting.settings import AlertingSettings  # noqa: PLC0415
    from fourones_shared.database.commands import migrate_or_check  # noqa: PLC0415

    revision = migrate_or_check(PACKAGE, AlertingSettings().database_url, check=check, wait_s=wait)
    if revision is not None:
        typer.echo(revision)


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


@app.command()
def backtest(
    target: Annotated[str, typer.Argument(help="id of a target of the catalogue in force")],
    first: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="first day; the plan's start")
    ] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="last day; today")] = None,
    judged_on: Annotated[
        datetime | None,
        typer.Option("--judged-on", formats=["%Y-%m-%d"], help="only this day, with what is known today"),
    ] = None,
    *,
    known_now: Annotated[
        bool, typer.Option("--known-now", help="with what is known today, not with what was known then")
    ] = False,
    only_lines: Annotated[bool, typer.Option("--jsonl", help="no table, only the JSON lines")] = False,
) -> None:
    """Replay a target over its history: when would each method have turned it red?

    Prints a table with a line for every change, then a JSON object a line for each method. Nothing is written.
    """
    from fourones_alerting.backtesting import Asked, NothingToReplay, told  # noqa: PLC0415
    from fourones_alerting.bootstrap import judged_history  # noqa: PLC0415
    from fourones_alerting.settings import AlertingSettings  # noqa: PLC0415

    begin, end, only = (None if moment is None else moment.date() for moment in (first, last, judged_on))
    asked = Asked(target, begin, end, only, known_now=known_now)
    with judged_history(AlertingSettings()) as (connection, catalogue, now):
        try:
            lines = list(told(connection, catalogue, asked, now, table=not only_lines))
        except NothingToReplay as fault:
            raise typer.BadParameter(str(fault)) from fault
    for line in lines:
        typer.echo(line)


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
