"""What the command says: Chinese unless asked for English, tables that fit 120 columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fourones.meanings import meaning
from fourones_shared.catalogue.faults import Language

# More than these push the first ones off the screen; a file takes them all.
FAULTS_ON_A_SCREEN = 100
# A wall of text in a file or a log is read at this width; a terminal tells its own.
WIDTH_WITHOUT_TERMINAL = 120


@dataclass(frozen=True, slots=True)
class Talk:
    """Speaks one language to standard output and standard error."""

    language: Language = "zh"
    out: Console = field(default_factory=lambda: _console(stderr=False))
    err: Console = field(default_factory=lambda: _console(stderr=True))

    def say(self, zh: str, en: str) -> str:
        """The one of the two that is spoken."""
        return zh if self.language == "zh" else en

    def tell(self, zh: str, en: str) -> None:
        """A line on standard output."""
        self.out.print(self.say(zh, en), markup=False, highlight=False, soft_wrap=True)

    def complain(self, text: str) -> None:
        """A line on standard error."""
        self.err.print(text, markup=False, highlight=False, soft_wrap=True)

    def show_faults(self, faults: Sequence[Mapping[str, Any]], console: Console | None = None) -> None:
        """The `errors` or `warnings` of an answer as a table: where, which rule, what to do.

        The service's details are Chinese; in English each rule is told in short, and what this release does not know
        as the service has it. They are shown on standard error unless a console is given.
        """
        console = console or self.err
        table = Table(show_edge=False, pad_edge=False, header_style="bold")
        table.add_column(self.say("位置", "where"), overflow="fold", max_width=40)
        table.add_column(self.say("规则", "rule"), overflow="fold", max_width=28)
        table.add_column(self.say("说明与改法", "what is wrong, and how to mend it"), overflow="fold")
        shown = faults[:FAULTS_ON_A_SCREEN] if console.is_terminal else faults
        for fault in shown:
            code, detail = str(fault.get("code", "")), str(fault.get("detail") or "")
            told = detail if self.language == "zh" else meaning(code) or detail or code
            table.add_row(escape(_place(fault)), escape(code), escape(told))
        console.print(table, highlight=False)
        if len(shown) < len(faults):
            more = len(faults) - len(shown)
            self.complain(
                self.say(f"另有 {more} 处:输出到文件可看全部", f"{more} more: written to a file all are shown")
            )


def talk_in(language: Language) -> Talk:
    """Speaks to where this process was started."""
    out, err = _console(stderr=False), _console(stderr=True)
    # On one screen there is one console, which keeps what is told above a progress bar.
    return Talk(language, out, out if out.is_terminal and err.is_terminal else err)


def _place(fault: Mapping[str, Any]) -> str:
    """A JSON pointer, or line and column, or sheet and cell."""
    if fault.get("pointer") is not None:
        return str(fault["pointer"])
    if fault.get("sheet") is not None:
        return f"{fault['sheet']}!{fault.get('cell') or ''}"
    return ":".join(str(fault[key]) for key in ("line", "column") if fault.get(key) is not None)


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(stderr=stderr, width=WIDTH_WITHOUT_TERMINAL)
