"""What can go wrong with the local stack.

LocalStackError
├── RequirementMissing   something has to be installed first; the message says what
├── ProgramFailed        a program ended or never became ready; carries the end of its log
├── NotReady             a server did not serve in time; the runners turn it into ProgramFailed
├── CommandFailed        a one-off command (migrate, topics, seed) ended with an error; carries its output
└── NotRunning           the operation needs a running stack
"""

from pathlib import Path


class LocalStackError(Exception):
    """Root of everything the local stack raises on purpose."""


class RequirementMissing(LocalStackError):
    """Something that the machine must provide is not there."""


class NotRunning(LocalStackError):
    """The stack is not running in this state directory."""


class NotReady(LocalStackError):
    """A server did not serve in time, or ended while it was waited for."""


class ProgramFailed(LocalStackError):
    """A program of the stack ended, or did not become ready in time.

    Args:
        program: its name in the supervisor's configuration.
        reason: what was expected of it.
        log: the last lines of its log.
        log_file: where the whole log is.
    """

    def __init__(self, program: str, reason: str, log: str, log_file: Path) -> None:
        self.program = program
        self.reason = reason
        self.log = log
        self.log_file = log_file
        super().__init__(f"{program}: {reason}\nlast lines of {log_file}:\n{log}")


class CommandFailed(LocalStackError):
    """A command that the stack runs once ended with an error.

    Args:
        command: what was called, without secrets.
        code: its exit code.
        output: the last lines it wrote to both streams.
    """

    def __init__(self, command: str, code: int, output: str) -> None:
        self.command = command
        self.code = code
        self.output = output
        super().__init__(f"`{command}` ended with {code}:\n{output}")
