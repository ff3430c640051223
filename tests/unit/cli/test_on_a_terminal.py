"""The command on a real terminal, where lines and a progress bar share one screen."""

import os
import pty
import re
import subprocess
import sys

from unit.cli.commands import BODY, write

FAULT = {"pointer": "/figures/0/unit", "code": "unit_wrong", "detail": "应为亿元"}


def on_a_terminal(*arguments, **environment) -> tuple[int, str]:
    """Exit code, and everything that the screen was sent."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "fourones", *(str(argument) for argument in arguments)]
    settings = os.environ | {"COLUMNS": "100", "TERM": "xterm"} | environment
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=settings) as running:
        os.close(theirs)
        screen = b""
        while True:
            try:
                screen += os.read(ours, 65_536)
            except OSError:
                break  # what Linux says when the other end is closed
    os.close(ours)
    return running.returncode, screen.decode()


def test_what_is_told_never_shares_a_line_with_the_bar(service, tmp_path):
    for number in range(40):
        write(tmp_path / "reports", BODY | {"prepared_by": str(number)}, f"{number:02d}.json")
    service.answers.append((422, {}, {"detail": "有 1 处错误", "errors": [FAULT]}))
    code, screen = on_a_terminal(
        *("submit", tmp_path / "reports", "--key", "k", "--url", service.url),
        XDG_STATE_HOME=str(tmp_path / "state"),
    )
    assert code == 1
    # Where a line is erased or begun anew, what stood there before is gone.
    lines = re.split(r"\r\n|\r|\x1b\[2K", screen)
    told = [line for line in lines if re.search("已受理|应为亿元|被拒绝", line)]
    assert len(told) >= 41
    assert any("/40" in line for line in lines)
    assert not [line for line in told if "/40" in line]
    assert "合计:已受理 39 份(39 个数),未通过 1 份" in screen
