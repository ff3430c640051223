"""What a benchmark says: facts and tables, for people and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """A line of a table: its name, and numbers by column."""

    name: str
    cells: Mapping[str, float | int | str]


@dataclass
class Report:
    """One benchmark's outcome."""

    part: str
    durability: Sequence[str]
    facts: dict[str, float | int | str] = field(default_factory=dict)
    tables: dict[str, list[Row]] = field(default_factory=dict)

    def fact(self, name: str, value: float | str) -> None:
        """Note a single number."""
        self.facts[name] = value

    def table(self, title: str, rows: Sequence[Row]) -> None:
        """Note a table."""
        self.tables[title] = list(rows)

    def document(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {
            "part": self.part,
            "durability": list(self.durability),
            "facts": self.facts,
            "tables": {title: [{"name": row.name, **row.cells} for row in rows] for title, rows in self.tables.items()},
        }

    def show(self, console: Console) -> None:
        """Print it."""
        console.rule(f"[bold]{self.part}")
        for line in self.durability:
            console.print(line, highlight=False)
        if self.facts:
            table = Table(show_header=False)
            for name, value in self.facts.items():
                table.add_row(name, shown(value))
            console.print(table)
        for title, rows in self.tables.items():
            columns = list(dict.fromkeys(name for row in rows for name in row.cells))
            table = Table("", *columns, title=title, title_justify="left")
            for column in table.columns[1:]:
                column.justify = "right"
            for row in rows:
                table.add_row(row.name, *(shown(row.cells.get(name, "")) for name in columns))
            console.print(table)


def write(reports: Sequence[Report], machine: Mapping[str, Any], path: Path) -> None:
    """Write every report into one JSON file, and beside it the same as Markdown, for docs/benchmarks.md."""
    document = {"machine": machine, "parts": [report.document() for report in reports]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    said = ", ".join(f"{name} {value}" for name, value in machine.items())
    path.with_suffix(".md").write_text("\n".join([said, *map(markdown, reports)]), encoding="utf-8")


def markdown(report: Report) -> str:
    """A report's facts and tables."""
    lines = [f"\n## {report.part}\n", *(f"- {name}: {shown(value)}" for name, value in report.facts.items())]
    for title, rows in report.tables.items():
        columns = list(dict.fromkeys(name for row in rows for name in row.cells))
        lines += ["", f"| {title} | {' | '.join(columns)} |", "|---|" + "---:|" * len(columns)]
        for row in rows:
            cells = " | ".join(shown(row.cells.get(name, "")) for name in columns)
            lines.append(f"| {row.name} | {cells} |")
    return "\n".join(lines) + "\n"


def shown(value: float | str) -> str:
    """A number as people read it: three digits where it is small, groups of thousands where it is large."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which that share of the ordered values lies (nearest rank)."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
