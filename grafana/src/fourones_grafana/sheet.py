"""The sheet of every panel: what it asks, and a sample of what it is answered.

Samples change with every system; everything else follows from the code, and `require_current` holds it against that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from grafana_foundation_sdk.models.dashboard import VariableHide

from fourones_grafana.board import TIME_ZONE, Board
from fourones_grafana.checking.examining import Examined
from fourones_grafana.checking.frames import Frame, is_nothing
from fourones_grafana.errors import NotCurrent
from fourones_grafana.panels import Panel
from fourones_grafana.queries import SqlQuery

_HEADER: Final = """\
# The boards, panel by panel

Written by `make boards-sheet` (see [grafana/README.md](../grafana/README.md)): every panel with what it asks, and what
a system with the demonstration's figures (`make demo`) has answered, for one choice of its variables. Times are those
of Shanghai. What the boards mean is told in the [operations guide](operations.md), why they are built so in
[0024](decisions/0024-boards-as-code.md).

"""
_BEGIN, _END = "<!-- sample -->", "<!-- end of sample -->"
_SAMPLE = re.compile(rf"{re.escape(_BEGIN)}.*?{re.escape(_END)}", re.DOTALL)
_ROWS, _COLUMNS, _WIDTH = 3, 12, 36
_ZONE = ZoneInfo(TIME_ZONE)


def text(boards: Iterable[Board], examined: Mapping[int, Examined] | None = None) -> str:
    """The sheet; without samples where nothing was examined. `examined` is by the identity of the panel."""
    return _HEADER + "".join(part for board in boards for part in _of_board(board, examined or {}))


def require_current(boards: Iterable[Board], file: Path) -> None:
    """Check that the sheet is about these boards, whatever its samples.

    Raises:
        NotCurrent: it is about others.
    """
    there = file.read_text(encoding="utf-8") if file.exists() else ""
    if _SAMPLE.sub("", there) != _SAMPLE.sub("", text(boards)):
        raise NotCurrent(f"{file.name} is about other panels than the code makes; run `make boards-sheet`")


def _of_board(board: Board, examined: Mapping[int, Examined]) -> Iterator[str]:
    yield f"## {board.title}\n\n{board.description} `{board.uid}`, {board.since} … {board.until}"
    choices = [f"{v.label}（`{v.name}`）" for v in board.variables if v.hide is VariableHide.DONT_HIDE]
    yield f"; choices: {'、'.join(choices)}.\n\n" if choices else ".\n\n"
    for panel in board.panels():
        yield from _of_panel(panel, examined.get(id(panel)))


def _of_panel(panel: Panel, examined: Examined | None) -> Iterator[str]:
    yield f"### {panel.model.title}\n\n"
    if not panel.queries:
        yield f"{panel.model.type_val}.\n\n"
        return
    yield f"{panel.model.type_val}. {panel.model.description}\n\n"
    if panel.may_be_empty is not None:
        yield f"May be empty: {panel.may_be_empty}\n\n"
    for query in panel.queries:
        is_sql = isinstance(query.model, SqlQuery)
        asked = query.model.raw_sql if isinstance(query.model, SqlQuery) else query.model.expr
        yield f"```{'sql' if is_sql else 'promql'}\n{asked}\n```\n\n"
    yield f"{_BEGIN}\n\n{''.join(_sample(examined))}{_END}\n\n" if examined else f"{_BEGIN}{_END}\n\n"


def _sample(examined: Examined) -> Iterator[str]:
    chosen = "，".join(f"{name}＝{choice.text}" for name, choice in examined.chosen.items())
    yield f"{examined.asked} question{'s' if examined.asked != 1 else ''}, the slowest {examined.slowest * 1000:.0f} ms"
    yield f"; here for {chosen}.\n\n" if chosen else ".\n\n"
    if not examined.sample:
        yield "Nothing in the demonstration.\n\n"
    elif examined.panel.model.type_val in {"table", "barchart"} or len(examined.sample) == 1:
        yield from _table(examined.sample[0])
    else:
        yield from _series(examined.sample)


def _table(frame: Frame) -> Iterator[str]:
    columns = frame.columns[:_COLUMNS]
    yield f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}\n"
    for row in frame.rows[:_ROWS]:
        yield f"| {' | '.join(_shown(value) for value in row[:_COLUMNS])} |\n"
    if len(frame.rows) > _ROWS:
        yield f"\n… {len(frame.rows)} rows\n"
    yield "\n"


def _series(frames: Sequence[Frame]) -> Iterator[str]:
    yield "| series | points | last |\n|---|---|---|\n"
    for frame in frames[:_ROWS]:
        moment, value = frame.rows[-1] if frame.rows else ("", "")
        yield f"| {frame.columns[-1]} | {len(frame.rows)} | {_shown(moment)}: {_shown(value)} |\n"
    if len(frames) > _ROWS:
        yield f"\n… {len(frames)} series\n"
    yield "\n"


def _shown(value: Any) -> str:
    if is_nothing(value):
        return "—"
    if isinstance(value, datetime):
        return f"{value.astimezone(_ZONE):%Y-%m-%d %H:%M}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float | Decimal):
        return f"{float(value):,.4f}".rstrip("0").rstrip(".")
    words = " ".join(str(value).split()).replace("|", "\\|")
    return words if len(words) <= _WIDTH else words[: _WIDTH - 1] + "…"
