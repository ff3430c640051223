"""Tells the operator what happens, and how long each step took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape


class Progress:
    """Reports steps on a console.

    Args:
        console: where to.
    """

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Shows a step while it runs, and its time when it is done."""
        begun = time.monotonic()
        try:
            with self.console.status(escape(title)):
                yield
        except BaseException:
            self.console.print(f"[red]✗[/] {escape(title)}  [dim]{time.monotonic() - begun:.1f} s[/]", highlight=False)
            raise
        self.console.print(f"[green]✓[/] {escape(title)}  [dim]{time.monotonic() - begun:.1f} s[/]", highlight=False)

    def note(self, text: str) -> None:
        """Says something that is no step."""
        self.console.print(escape(text), highlight=False, style="yellow")

    def text(self, text: str) -> None:
        """Passes on what a command has printed, as it is."""
        # A table that was laid out for a terminal must not be wrapped again.
        self.console.out(text.rstrip("\n"), highlight=False)
