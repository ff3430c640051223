"""Runs a command of the project once and returns what it printed."""

import os
import subprocess
from collections.abc import Mapping, Sequence

from fourones_local.errors import CommandFailed
from fourones_local.layout import Repository
from fourones_local.process import server_environment

# The longest is the demonstration, which simulates some years of figures and waits until they are judged.
_TIMEOUT_SECONDS = 600.0
_SECRET_OPTIONS = frozenset({"--key"})


def run(arguments: Sequence[str], settings: Mapping[str, str] | None = None) -> str:
    """Runs a command that is installed beside the present Python.

    Args:
        arguments: the command's name and its arguments.
        settings: environment variables that it gets beside the present ones.

    Returns:
        What it wrote to its standard output.

    Raises:
        CommandFailed: it ended with an error, or not at all.
    """
    command = [Repository.command(arguments[0]), *arguments[1:]]
    # The terminal's width, so that a table made here fits the operator's screen.
    width = {"COLUMNS": os.environ["COLUMNS"]} if "COLUMNS" in os.environ else {}
    try:
        done = subprocess.run(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_SECONDS,
            env=server_environment() | width | dict(settings or {}),
        )
    except FileNotFoundError:
        raise CommandFailed(shown(arguments), 127, f"{command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise CommandFailed(shown(arguments), 124, f"not done after {_TIMEOUT_SECONDS:.0f} s") from None
    if done.returncode:
        output = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise CommandFailed(shown(arguments), done.returncode, output)
    return done.stdout


def shown(arguments: Sequence[str]) -> str:
    """A command line for people, without keys."""
    words = list(arguments)
    for place, word in enumerate(words[:-1]):
        if word in _SECRET_OPTIONS:
            words[place + 1] = "…"
    return " ".join(words)
