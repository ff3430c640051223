"""Every panel of every board, with every value of its variables, held against what it shows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from fourones_grafana.board import Board
from fourones_grafana.checking import frames
from fourones_grafana.checking.asking import Asking, Rows, Series
from fourones_grafana.checking.frames import Frame
from fourones_grafana.checking.interpolating import Choice, Choices, Range, into_promql, into_sql, names_in
from fourones_grafana.errors import BoardsError
from fourones_grafana.panels import Panel
from fourones_grafana.queries import Query, SqlFormat, SqlQuery
from fourones_grafana.sources import PROMETHEUS, SOURCES

_FIELD_OF_ROW = re.compile(r"\$\{__data\.fields\.(\w+)\}")
# One table at a time: of several, Grafana shows the first.
_ONE_TABLE = {"table", "barchart"}


@dataclass
class Examined:
    """What was found of one panel.

    Attributes:
        title: as the code has it, with the names of variables.
        faults: what is wrong, in words.
        asked: how many different questions it has put.
        slowest: seconds of the slowest of them.
        sample: the frames of the first combination of values that has shown something.
        chosen: that combination.
    """

    board: Board
    panel: Panel
    faults: list[str] = field(default_factory=list)
    asked: int = 0
    slowest: float = 0.0
    sample: list[Frame] = field(default_factory=list)
    chosen: Choices = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Of the panel."""
        return str(self.panel.model.title)


def examine(board: Board, asking: Asking) -> list[Examined]:
    """Ask everything that a board asks."""
    span = Range.of(board.since, board.until, asking.at)
    variables = [json.loads(json.dumps(variable, cls=JSONEncoder)) for variable in board.variables]
    found = []
    for panel in board.panels():
        examined = Examined(board, panel)
        found.append(examined)
        if not panel.queries:
            continue
        try:
            _examine(examined, _combinations(panel, variables, asking, span), asking, span)
        except BoardsError as fault:
            examined.faults.append(str(fault))
    return found


def combinations(variables: Sequence[Mapping[str, Any]], asking: Asking, span: Range) -> Iterator[Choices]:
    """Every value of every variable, with every value of those before it; of several at a time each, and all."""
    yield from _chosen(list(variables), {}, asking, span)


def _chosen(variables: list[Mapping[str, Any]], before: Choices, asking: Asking, span: Range) -> Iterator[Choices]:
    if not variables:
        yield dict(before)
        return
    variable, *rest = variables
    for choice in _choices(variable, before, asking, span):
        yield from _chosen(rest, {**before, variable["name"]: choice}, asking, span)


def _choices(variable: Mapping[str, Any], before: Choices, asking: Asking, span: Range) -> list[Choice]:
    query = variable.get("query", "")
    match variable["type"]:
        case "constant" | "textbox":
            return [Choice(query, (query,))]
        case "custom":
            pairs = [choice.rsplit(" : ", 1) for choice in query.split(", ")]
            return [Choice(text, (value,)) for text, value in pairs]
        case "query" if variable["datasource"]["uid"] == PROMETHEUS.uid:
            metric, label = re.fullmatch(r"label_values\((.+),\s*(\w+)\)", query["query"]).groups()  # type: ignore[union-attr]
            options = [(value, value) for value in asking.label_values(metric, label)]
        case "query":
            service = SOURCES[variable["datasource"]["uid"]].service or ""
            answer = asking.rows(service, into_sql(query, before, span))
            if list(answer.columns) != ["__text", "__value"]:
                raise BoardsError(f"variable {variable['name']} must ask for __text and __value")
            options = [(str(text), str(value)) for text, value in answer.rows]
        case other:
            raise BoardsError(f"variables of type {other} are not known here")
    if not options:
        raise BoardsError(f"variable {variable['name']} has no value for {_told(before)}")
    single = [Choice(text, (value,), variable["multi"]) for text, value in options]
    if not variable["multi"]:
        return single
    return [Choice("All", tuple(value for _, value in options), several=True), *single]


def _combinations(
    panel: Panel, variables: Sequence[Mapping[str, Any]], asking: Asking, span: Range
) -> Iterator[Choices]:
    """Of the variables that the panel names, and of those that these depend on."""
    wanted = set().union(*(names_in(_text(query)) for query in panel.queries))
    unknown = wanted - {variable["name"] for variable in variables}
    if unknown:
        raise BoardsError(f"variables that the board does not have: {sorted(unknown)}")
    needed: list[Mapping[str, Any]] = []
    for variable in reversed(variables):
        if variable["name"] in wanted:
            needed.insert(0, variable)
            wanted |= names_in(json.dumps(variable.get("query", "")))
    yield from combinations(needed, asking, span)


def _examine(examined: Examined, chosen: Iterable[Choices], asking: Asking, span: Range) -> None:
    panel, model = examined.panel, json.loads(json.dumps(examined.panel.model, cls=JSONEncoder))
    seen: set[str] = set()
    questions: set[str] = set()
    empty: list[str] = []
    for choices in chosen:
        answers = [(query, *_ask(query, choices, asking, span)) for query in panel.queries]
        questions |= {question for _, question, _ in answers}
        shown = frames.transformed(_framed(answers), model.get("transformations", []))
        if not any(_has_something(model["type"], frame) for frame in shown):
            empty.append(_told(choices))
            continue
        _hold_against(model, shown, answers)
        seen |= {name for frame in shown for name in frame.columns}
        if not examined.sample:
            examined.sample, examined.chosen = shown, choices
    examined.asked = len(questions)
    examined.slowest = max((asking.seconds.get(question, 0.0) for question in questions), default=0.0)
    if empty and panel.may_be_empty is None:
        examined.faults.append(f"nothing to show for {'; '.join(empty[:5])}")
    if not examined.sample:
        return
    missing = {override["matcher"]["options"] for override in model["fieldConfig"]["overrides"]} - seen
    if missing:
        examined.faults.append(f"differences of columns that never come: {sorted(missing)}")


def _ask(query: Query, choices: Choices, asking: Asking, span: Range) -> tuple[str, Rows | list[Series]]:
    if isinstance(query.model, SqlQuery):
        question = into_sql(query.model.raw_sql, choices, span)
        return question, asking.rows(query.source.service or "", question)
    question = into_promql(query.model.expr, choices, span)
    if query.model.instant:
        return question, asking.series_now(question)
    return question, asking.series(question, span.since, min(span.until, asking.at), span.step_s)


def _framed(answers: Sequence[tuple[Query, str, Any]]) -> list[Frame]:
    """Grafana asks every source once for all of its queries."""
    found: list[Frame] = []
    for _, group in groupby(answers, key=lambda answer: answer[0].source.uid):
        of_source = list(group)
        as_tables = [(q, a) for q, _, a in of_source if not isinstance(q.model, SqlQuery) and _is_table(q)]
        found += frames.of_tables([(query.ref, series) for query, series in as_tables])
        for query, _, answer in of_source:
            if isinstance(query.model, SqlQuery):
                if query.model.format is SqlFormat.TABLE:
                    found.append(frames.of_rows(answer))
                else:
                    found += frames.of_time_series(answer)
            elif not _is_table(query):
                found += frames.of_series(answer, query.model.legend_format or "__auto")
    return found


def _hold_against(model: Mapping[str, Any], shown: Sequence[Frame], answers: Sequence[tuple[Query, str, Any]]) -> None:
    if model["type"] in _ONE_TABLE:
        if len(shown) != 1:
            raise BoardsError(f"{len(shown)} tables where one is shown")
        missing = {override["matcher"]["options"] for override in model["fieldConfig"]["overrides"]} - {
            *shown[0].columns
        }
        if missing:
            raise BoardsError(f"differences of columns that are not there: {sorted(missing)} of {shown[0].columns}")
        linked = set(_FIELD_OF_ROW.findall(json.dumps(model["fieldConfig"]))) - {*shown[0].columns}
        if linked:
            raise BoardsError(f"links name columns that are not there: {sorted(linked)}")
    if model["type"] == "barchart" and model["options"]["xField"] not in shown[0].columns:
        raise BoardsError(f"no column {model['options']['xField']} to stand under the bars")
    for query, _, answer in answers:
        if isinstance(query.model, SqlQuery) or _is_table(query):
            continue
        for series in answer:
            unknown = frames.labels_of(query.model.legend_format or "") - {*series.labels}
            if unknown:
                raise BoardsError(f"the legend names labels that are not there: {sorted(unknown)}")


def _has_something(kind: str, frame: Frame) -> bool:
    """A row, and in a panel of single numbers a number."""
    if kind not in {"stat", "gauge"}:
        return bool(frame.rows)
    return any(not frames.is_nothing(row[-1]) for row in frame.rows)


def _is_table(query: Query) -> bool:
    return not isinstance(query.model, SqlQuery) and str(query.model.format_val) == "table"


def _text(query: Query) -> str:
    return query.model.raw_sql if isinstance(query.model, SqlQuery) else str(query.model.expr)


def _told(choices: Choices) -> str:
    return ", ".join(f"{name}={choice.text}" for name, choice in choices.items()) or "any choice"
