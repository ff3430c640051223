"""What is typed wrongly is told before anything is asked of a database."""

from contextlib import AbstractContextManager

import pytest
import structlog
from typer.testing import CliRunner

from fourones_shared.dead_letters.commands import dead_letter_commands
from fourones_shared.dead_letters.resolving import DeadLetters


def never() -> AbstractContextManager[DeadLetters]:
    raise AssertionError("a database was asked for")


@pytest.fixture(autouse=True)
def _logging_as_it_was():
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("replay",), "name dead letters"),
        (("replay", "1", "--all"), "name dead letters"),
        (("replay", "1", "--reason", "bad_data"), "go with --all"),
        (("repair", "1", "--reason", "x"), "say what to replace"),
        (("repair", "1", "--reason", "x", "--value", "/nowhere"), "/nowhere"),
        (("repair", "1", "--reason", "x", "--header", "ce_type"), "not NAME=VALUE"),
        (("discard", "1"), "--reason"),
        (("discard", "--reason", "x"), "Missing argument"),
        (("allow",), "--reason"),
        (("list", "--state", "lost"), "is not one of"),
        (("list", "--since", "yesterday"), "neither a date nor a moment"),
        (("list", "--since", "2026-04-15T12:00:00"), "time zone"),
        (("list", "--limit", "0"), "--limit"),
    ],
    ids=lambda given: given if isinstance(given, str) else " ".join(given),
)
def test_what_is_not_meant_is_refused(arguments, words):
    done = CliRunner().invoke(dead_letter_commands(never), arguments, env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert done.exit_code == 2, done.output
    assert words in " ".join(done.output.replace("│", " ").split())
