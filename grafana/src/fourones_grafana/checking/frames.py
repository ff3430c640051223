"""What Grafana makes of answers: frames with named columns; and the transformations that the boards use.

Source: grafana/grafana, packages/grafana-prometheus/src/result_transformer.ts (tables and names of their value column),
packages/grafana-data/src/transformations/transformers/{merge,organize,sortBy,limit}.ts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fourones_grafana.checking.asking import Rows, Series
from fourones_grafana.errors import BoardsError

_LEGEND = re.compile(r"\{\{\s*(\w+)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Frame:
    """A table: columns and rows."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def column(self, name: str) -> list[Any]:
        """The values of a column."""
        index = self.columns.index(name)
        return [row[index] for row in self.rows]


def of_tables(answers: Sequence[tuple[str, Sequence[Series]]]) -> list[Frame]:
    """Prometheus' answers in the format `table`, by query: one frame for each that has any rows.

    Its value column is called `Value`, or `Value #A` where several queries have answered.
    """
    answered = [(ref, series) for ref, series in answers if series]
    frames = []
    for ref, series in answered:
        labels = sorted({label for one in series for label in one.labels})
        value = f"Value #{ref}" if len(answered) > 1 else "Value"
        rows = tuple(
            (_time(one.points[-1][0]), *(one.labels.get(label, "") for label in labels), one.points[-1][1])
            for one in series
        )
        frames.append(Frame(("Time", *labels, value), rows))
    return frames


def of_series(series: Iterable[Series], legend: str) -> list[Frame]:
    """Prometheus' series, each a frame of its own that is called as its legend says."""
    return [
        Frame(("Time", _called(one, legend)), tuple((_time(moment), value) for moment, value in one.points))
        for one in series
    ]


def of_rows(answer: Rows) -> Frame:
    """Rows as they are."""
    return Frame(tuple(answer.columns), tuple(answer.rows))


def of_time_series(answer: Rows) -> list[Frame]:
    """Rows with a column `time`: a frame for every value of `metric`, or one for every other column.

    Raises:
        BoardsError: when rows are no series.
    """
    columns = list(answer.columns)
    if "time" not in columns:
        raise BoardsError(f"a series needs a column `time`, not only {columns}")
    moments = [row[columns.index("time")] for row in answer.rows]
    if moments != sorted(moments):
        raise BoardsError("the rows of a series must be ordered by time")
    if "metric" not in columns:
        names = [name for name in columns if name != "time"]
        return [Frame(("time", name), tuple(zip(moments, _column(answer, name), strict=True))) for name in names]
    values = [name for name in columns if name not in {"time", "metric"}]
    if len(values) != 1:
        raise BoardsError(f"a series by `metric` has one value column, not {values}")
    by_metric: dict[str, list[tuple[Any, Any]]] = {}
    cells = zip(moments, _column(answer, "metric"), _column(answer, values[0]), strict=True)
    for moment, metric, value in cells:
        by_metric.setdefault(metric, []).append((moment, value))
    for metric, points in by_metric.items():
        if len({moment for moment, _ in points}) < len(points):
            raise BoardsError(f"series {metric} has two values at one time")
    return [Frame(("time", metric), tuple(points)) for metric, points in by_metric.items()]


def labels_of(legend: str) -> set[str]:
    """The labels that a legend names."""
    return set(_LEGEND.findall(legend))


def transformed(frames: Sequence[Frame], steps: Iterable[Mapping[str, Any]]) -> list[Frame]:
    """What the transformations of a panel make of its frames.

    Raises:
        BoardsError: when one names a column that is not there, or is not known here.
    """
    found = list(frames)
    for step in steps:
        options = step["options"]
        match step["id"]:
            case "merge":
                found = _merged(found)
            case "organize":
                found = [_organised(frame, options) for frame in found]
            case "sortBy":
                found = [_sorted(frame, options["sort"][0]) for frame in found]
            case "limit":
                found = [Frame(frame.columns, frame.rows[: options["limitField"]]) for frame in found]
            case other:
                raise BoardsError(f"transformation {other} is not known here")
    return found


def _merged(frames: Sequence[Frame]) -> list[Frame]:
    """Rows that agree in the columns that all frames have become one, as long as they contradict each other nowhere."""
    frames = [frame for frame in frames if frame.columns]
    if not frames:
        return []
    columns = list(dict.fromkeys(name for frame in frames for name in frame.columns))
    keys = [name for name in columns if all(name in frame.columns for frame in frames)]
    merged: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for frame in frames:
        for row in frame.rows:
            cells = dict(zip(frame.columns, row, strict=True))
            group = merged.setdefault(tuple(cells[key] for key in keys), [])
            for other in group:
                if all(name not in other or other[name] == value for name, value in cells.items()):
                    other.update(cells)
                    break
            else:
                group.append(cells)
    rows = tuple(tuple(row.get(name) for name in columns) for group in merged.values() for row in group)
    return [Frame(tuple(columns), rows)]


def _organised(frame: Frame, options: Mapping[str, Any]) -> Frame:
    excluded, places, names = options["excludeByName"], options["indexByName"], options["renameByName"]
    unknown = {*excluded, *places, *names} - {*frame.columns}
    if unknown:
        raise BoardsError(f"a transformation names columns that are not there: {sorted(unknown)} of {frame.columns}")
    left = set(frame.columns) - {*excluded} - {*places}
    if left:
        raise BoardsError(f"columns that nobody has placed: {sorted(left)}")
    kept = sorted((name for name in frame.columns if name not in excluded), key=lambda name: places[name])
    order = [frame.columns.index(name) for name in kept]
    rows = tuple(tuple(row[index] for index in order) for row in frame.rows)
    return Frame(tuple(names.get(name, name) for name in kept), rows)


def _sorted(frame: Frame, by: Mapping[str, Any]) -> Frame:
    if by["field"] not in frame.columns:
        raise BoardsError(f"sorted by a column that is not there: {by['field']} of {frame.columns}")
    index = frame.columns.index(by["field"])
    known = [row for row in frame.rows if not is_nothing(row[index])]
    unknown = [row for row in frame.rows if is_nothing(row[index])]
    return Frame(frame.columns, (*sorted(known, key=lambda row: row[index], reverse=by.get("desc", False)), *unknown))


def is_nothing(value: Any) -> bool:
    """Whether a cell has no value."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def _called(series: Series, legend: str) -> str:
    if legend == "__auto":
        labels = {name: value for name, value in series.labels.items() if name != "__name__"}
        if not labels:
            return series.labels.get("__name__", "Value")
        return next(iter(labels.values())) if len(labels) == 1 else str(labels)
    return _LEGEND.sub(lambda found: series.labels.get(found[1], ""), legend)


def _column(answer: Rows, name: str) -> list[Any]:
    index = list(answer.columns).index(name)
    return [row[index] for row in answer.rows]


def _time(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, UTC)
