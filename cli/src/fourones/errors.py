"""How a command ends, each with the exit code that a script sees.

CommandError
├── Refused       1  the service, or the check, says no: mend the input
├── Misused       2  the command itself is wrong: a file, an option, a key that is not there
└── Unavailable   3  the service does not answer: try again later
"""

from __future__ import annotations

from fourones_shared.errors import FouronesError


class CommandError(FouronesError):
    """Ends a command with a message for people."""

    exit_code = 1


class Refused(CommandError):
    """What was asked is wrong or not allowed."""

    exit_code = 1


class Misused(CommandError):
    """The command cannot be carried out as it was given."""

    exit_code = 2


class Unavailable(CommandError):
    """The service did not answer in time, after all repetitions."""

    exit_code = 3
