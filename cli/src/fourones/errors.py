"""How a command ends, each with the exit code that a script sees. The codes are stable.

CommandError
├── Refused         1  the service, or the check, says no: mend the input
├── Misused         2  the command itself is wrong: a file, an option, a key that is not there
├── Unavailable     3  the service does not answer: try again later
└── Interrupted   130  ended by Ctrl-C: the same command goes on where it stopped
"""

from __future__ import annotations

from fourones_shared.errors import FouronesError

EXIT_CODES_ZH = "退出码:0 完成,1 被拒绝(请修改内容),2 用法有误,3 服务不可用(可原样重试),130 被 Ctrl-C 中断。"


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


class Interrupted(CommandError):
    """Somebody pressed Ctrl-C; the message says what was done and how to go on."""

    # What a shell gives a command that SIGINT has ended.
    exit_code = 130
