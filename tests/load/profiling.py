"""Where a running process's time goes: py-spy looks at its stacks a hundred times a second, from outside."""

from __future__ import annotations

import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from fourones_local.stack import Stack
from load.report import Row
from load.tools import tool

_RATE = 100
_THREADS = 3
_FUNCTIONS = 20


def profiled(stack: Stack, program: str, work: Callable[[], int]) -> tuple[list[Row], list[Row]]:
    """What a program does while `work` is done.

    Args:
        stack: that the program runs in.
        program: its name there.
        work: does it, and says how many figures it has been.

    Returns:
        Microseconds a figure by thread, and by function of the busiest threads with all that the function calls.
    """
    with tempfile.TemporaryDirectory() as directory:
        stacks = Path(directory) / "stacks"
        command = [tool("py-spy"), "record", "--pid", str(stack.supervisor.pid(program)), "--nonblocking", "--threads"]
        with subprocess.Popen(
            [*command, "--rate", str(_RATE), "--format", "raw", "--output", str(stacks), "--full-filenames"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as watcher:
            figures = work()
            watcher.send_signal(signal.SIGINT)
        return digest(stacks.read_text(encoding="utf-8").splitlines(), figures)


def digest(lines: Sequence[str], figures: int) -> tuple[list[Row], list[Row]]:
    """Sum up stacks, each a line `thread;outermost frame;…;innermost frame count`."""
    threads: Counter[str] = Counter()
    functions: dict[str, Counter[str]] = {}
    for line in lines:
        stack, _, count = line.rpartition(" ")
        thread, *frames = stack.split(";")
        name = _thread(thread)
        threads[name] += int(count)
        inclusive = functions.setdefault(name, Counter())
        for shown in {shown for frame in frames if (shown := _ours(frame))}:
            inclusive[shown] += int(count)
    cost = 1e6 / _RATE / figures
    whole = threads.total()
    rows = [Row(name, {"%": 100 * n / whole, "µs a figure": n * cost}) for name, n in threads.most_common(8)]
    named = [
        Row(f"{name}: {function}", {"% of it": 100 * n / threads[name], "µs a figure": n * cost})
        for name, _ in threads.most_common(_THREADS)
        for function, n in functions[name].most_common(_FUNCTIONS)
        # The outermost frames are in every stack and say nothing.
        if n < 0.98 * threads[name]
    ]
    return rows, named


def _thread(frame: str) -> str:
    # Such as "thread (1234): figures".
    return frame.rpartition(": ")[2].strip('"')


def _ours(frame: str) -> str | None:
    # Such as "apply (/…/fourones_aggregation/submissions.py:123)".
    name, _, place = frame.partition(" (")
    file = place.partition(":")[0]
    if "/fourones_" in file:
        return f"{file.rpartition('/src/')[2]} {name}"
    for library in ("psycopg/", "kafka/", "pydantic/", "cloudevents/", "sqlalchemy/"):
        if f"/{library}" in file:
            return f"({library[:-1]})"
    return None
