"""What the command says: Chinese unless asked for English, tables that fit 120 columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fourones_shared.catalogue.faults import Language

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

    def show_faults(self, faults: Iterable[Mapping[str, Any]]) -> None:
        """The `errors` of a problem document as a table: where, which rule, what to do."""
        table = Table(show_edge=False, pad_edge=False, header_style="bold")
        table.add_column(self.say("位置", "where"), overflow="fold", max_width=40)
        table.add_column(self.say("规则", "rule"), overflow="fold", max_width=28)
        table.add_column(self.say("说明与改法", "what is wrong, and how to mend it"), overflow="fold")
        for fault in faults:
            table.add_row(
                escape(_place(fault)), escape(str(fault.get("code", ""))), escape(str(fault.get("detail", "")))
            )
        self.err.print(table, highlight=False)


def _place(fault: Mapping[str, Any]) -> str:
    """A JSON pointer, or line and column, or sheet and cell."""
    if "pointer" in fault:
        return str(fault["pointer"])
    if "sheet" in fault:
        return f"{fault['sheet']}!{fault.get('cell', '')}"
    return ":".join(str(fault[key]) for key in ("line", "column") if key in fault)


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(stderr=stderr, width=WIDTH_WITHOUT_TERMINAL)
