"""The header of an SDMX-CSV file: which column stands where, and what is wrong with it."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from fourones_submission.domain.draft import Fault, Place
from fourones_submission.domain.wording import quoted
from fourones_submission.formats.delimited import Row
from fourones_submission.formats.sdmx_components import (
    COMPONENTS,
    DIMENSIONS,
    INDICATOR,
    OBS_STATUS,
    OBS_VALUE,
    REF_AREA,
    STRUCTURE_ID,
    TIME_PERIOD,
)

# The columns that say what a row is, beside the components.
STRUCTURE, STRUCTURE_ID_COLUMN, ACTION = "STRUCTURE", "STRUCTURE_ID", "ACTION"

_STRUCTURE_NAME = "STRUCTURE_NAME"
_BY_ID = {component.id: component for component in COMPONENTS}
_KNOWN = (STRUCTURE, STRUCTURE_ID_COLUMN, ACTION, *_BY_ID)
# What tools add to a row, and what its other cells say already.
_REPEATING = frozenset({_STRUCTURE_NAME, "SERIES_KEY", "OBS_KEY"})
_REQUIRED = (STRUCTURE, STRUCTURE_ID_COLUMN, INDICATOR.id, REF_AREA.id, TIME_PERIOD.id)
_FILLED_WITH = {name: component.name for name, component in _BY_ID.items()} | {
    STRUCTURE: "dataflow",
    STRUCTURE_ID_COLUMN: STRUCTURE_ID,
}
# Excel drops the delimiters of trailing empty cells, so a row may end before these; not before what a figure is.
_MAY_BE_CUT_OFF = frozenset(_BY_ID) - {c.id for c in DIMENSIONS} - {OBS_VALUE.id, OBS_STATUS.id}

_SUB_FIELD = re.compile(r"\[[^\]]*\]\Z")
_LABEL = re.compile("[:\uff1a]")
_LONGEST_NAME = 60
_UNKNOWN_TOLD = 10
_HINTS = {
    "FREQ": "本结构没有频度这一维,由 TIME_PERIOD 的写法决定:请删去这一列",
    "DATAFLOW": f"这是 SDMX-CSV 1.0 的列:请改为 STRUCTURE(dataflow)和 STRUCTURE_ID({STRUCTURE_ID})两列",
}
# What else people call them.
_MEANT = (
    {component.name: component.id for component in COMPONENTS}
    | {component.name_en.casefold(): component.id for component in COMPONENTS}
    | {component.field: component.id for component in COMPONENTS}
    | {"comment": "NOTE", "obs_comment": "NOTE", "comment_obs": "NOTE"}
    | {known.casefold(): known for known in _KNOWN}
)


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one file.

    Attributes:
        line: of the header.
        width: how many cells a row must have.
        at: positions by id, from 0.
        unnamed: positions without a name, whose cells must be empty.
        absent: ids that are not there, though every file needs them.
        misnamed: ids that an unknown column seems to mean.
        faults: what is wrong.
    """

    line: int
    width: int
    at: dict[str, int]
    unnamed: tuple[int, ...]
    absent: frozenset[str]
    misnamed: frozenset[str]
    faults: tuple[Fault, ...]

    def cells(self, row: Row) -> Sequence[str] | None:
        """The row's cells, as many as the header has; None when it is longer or ends too early."""
        count = len(row.cells)
        if count > self.width:
            return None if any(row.cells[self.width :]) else row.cells[: self.width]
        if count < self.width:
            cut_off = [name for name, position in self.at.items() if position >= count]
            # A file that was not saved whole breaks off in the middle of its last row.
            if not row.ended or not _MAY_BE_CUT_OFF.issuperset(cut_off):
                return None
            return [*row.cells, *[""] * (self.width - count)]
        return row.cells

    def column(self, name: str) -> int | None:
        """The number of a column, from 1."""
        position = self.at.get(name)
        return None if position is None else position + 1


def columns_of(header: Row) -> Columns:
    """The columns that a header names, with or without labels."""
    names = [_id(cell) for cell in header.cells]
    at: dict[str, int] = {}
    unknown: list[int] = []
    repeated: list[int] = []
    for position, name in enumerate(names):
        if name in at:
            repeated.append(position)
        elif name in _KNOWN:
            at[name] = position
        elif name and name not in _REPEATING and not _is_label(names, position):
            unknown.append(position)
    meant = {position: _meant_by(header.cells[position]) for position in unknown}
    misnamed = frozenset(name for name in meant.values() if name)
    missing = [missing_column(name, header.line) for name in _REQUIRED if name not in at and name not in misnamed]
    return Columns(
        line=header.line,
        width=len(names),
        at=at,
        unnamed=tuple(position for position, name in enumerate(names) if not name),
        absent=frozenset(_REQUIRED) - at.keys(),
        misnamed=misnamed,
        faults=(*_repeated(header, names, repeated), *_unknown(header, meant), *missing),
    )


def missing_column(name: str, line: int) -> Fault:
    """The fault of a column that should be there.

    Args:
        name: its id.
        line: of the header.
    """
    component = _BY_ID.get(name)
    detail = f"缺少 {name} 列:请加上这一列,每行填{_FILLED_WITH[name]}"
    return Fault(None, component.field if component else name, "column_missing", detail, Place(line=line))


def _id(cell: str) -> str:
    name = _LABEL.split(cell, maxsplit=1)[0].strip()
    # Behind it stands the sub-field delimiter of values with several parts, which this structure has none of.
    return STRUCTURE if _SUB_FIELD.sub("", name) == STRUCTURE else name


def _is_label(names: Sequence[str], position: int) -> bool:
    """Whether it is the column of names that `labels=name` puts behind every component."""
    return _STRUCTURE_NAME in names and position > 0 and names[position - 1] in _BY_ID


def _repeated(header: Row, names: Sequence[str], positions: Sequence[int]) -> Iterator[Fault]:
    for position in positions:
        place = Place(line=header.line, column=position + 1)
        yield Fault(None, names[position], "column_repeated", f"{names[position]} 列不止一个:请只保留一个", place)


def _unknown(header: Row, meant: dict[int, str | None]) -> Iterator[Fault]:
    for position, name in list(meant.items())[:_UNKNOWN_TOLD]:
        written = header.cells[position]
        component = _BY_ID.get(name or "")
        place = Place(line=header.line, column=position + 1)
        detail = f"没有名为 {quoted(written)} 的列;{_remedy(written)}"
        yield Fault(None, component.field if component else written[:_LONGEST_NAME], "field_unknown", detail, place)
    if len(meant) > _UNKNOWN_TOLD:
        detail = f"另有 {len(meant) - _UNKNOWN_TOLD} 个不认识的列:请全部去掉"
        yield Fault(None, None, "field_unknown", detail, Place(line=header.line))


def _remedy(written: str) -> str:
    hint = _HINTS.get(_id(written).upper())
    if hint is not None:
        return hint
    meant = _meant_by(written)
    return f"是否应为 {meant}?" if meant else "请删去这一列;可用的列:" + "、".join(_KNOWN)


@lru_cache(maxsize=1024)
def _meant_by(written: str) -> str | None:
    if _id(written).upper() in _HINTS:
        return None
    wanted = _id(unicodedata.normalize("NFKC", written[:_LONGEST_NAME])).casefold()
    close = difflib.get_close_matches(wanted, _MEANT, 1)
    return _MEANT[close[0]] if close else None
