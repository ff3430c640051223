"""How far long work has come: a bar on a terminal, a line every so often in a log."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from fourones.talk import Talk

# Often enough to see that it lives, seldom enough for a night's log.
LINE_EVERY_S = 30.0


class Progress:
    """Counts steps on standard error; what is told meanwhile stands above the bar.

    Args:
        talk: where to.
        total: how many steps there are; None while nobody knows.
        what: is counted, Chinese and English.
        now: the passing of time, in seconds.
    """

    def __init__(
        self,
        talk: Talk,
        total: int | None,
        what: tuple[str, str] = ("进度", "progress"),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._talk = talk
        self._total = total
        self._what = talk.say(*what)
        self._now = now
        self._done = 0
        self._next_line = now() + LINE_EVERY_S
        self._bar = self._made_bar() if talk.err.is_terminal and total != 1 else None

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def step(self) -> None:
        """One more is done."""
        self._done += 1
        if self._bar is not None:
            self._bar.advance(self._bar.task_ids[0])
        elif self._now() >= self._next_line:
            self._next_line = self._now() + LINE_EVERY_S
            of = "" if self._total is None else f"/{self._total}"
            self._talk.complain(self._talk.say(f"{self._what}:{self._done}{of}", f"{self._what}: {self._done}{of}"))

    def _made_bar(self) -> Bar:
        bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._talk.err,
            transient=True,
            # What goes into a file must not come out on the screen instead.
            redirect_stdout=False,
            redirect_stderr=False,
        )
        bar.add_task(self._what, total=self._total)
        return bar
