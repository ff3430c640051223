"""`fourones-alerting problems`: what operators do with the problem list."""

from __future__ import annotations

import re
from typing import Annotated

import typer

problems = typer.Typer(no_args_is_help=True, add_completion=False, help="The problem list and its history.")

_NOTED = re.compile(r"([1-9][0-9]{0,17}):([0-9a-f]{64})")


@problems.callback()
def _group() -> None:
    # With a callback `verify` stays a command of its own name, however few there are.
    pass


@problems.command()
def verify(
    noted: Annotated[
        str | None,
        typer.Option(metavar="STEP:HASH", help="a step as it was noted earlier, from here or from an event"),
    ] = None,
) -> None:
    """Hold the history of every problem against its hashes, and the list against the history.

    Prints every fault and ends with 1 where there is one. The last line names the last step with its hash: noted
    outside of the database it proves later, with `--noted`, that nothing before it was altered.
    """
    # What a command needs is imported when it runs: `judge` needs neither settings nor a database.
    from fourones_alerting.bootstrap import problem_history  # noqa: PLC0415
    from fourones_alerting.problems.verifying import verify as verify_history  # noqa: PLC0415
    from fourones_alerting.settings import AlertingSettings  # noqa: PLC0415

    with problem_history(AlertingSettings()) as connection:
        found = verify_history(connection, _read(noted))
    for fault in found.faults:
        typer.echo(fault, err=True)
    counted = f"{found.problems} problems, {found.steps} steps, {len(found.faults)} faults"
    typer.echo(f"{counted}; {found.steps}:{found.hash}")
    raise typer.Exit(1 if found.faults else 0)


def _read(noted: str | None) -> tuple[int, str] | None:
    if noted is None:
        return None
    match = _NOTED.fullmatch(noted.strip().lower())
    if match is None:
        raise typer.BadParameter("give the number of a step and its hash, such as 17:9f86d0…", param_hint="--noted")
    return int(match[1]), match[2]
