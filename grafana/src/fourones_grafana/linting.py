"""What every board keeps to. Of Grafana's own dashboard-linter it has every rule that suits these boards, and more.

Each rule takes the boards as Grafana reads them (plain JSON) and tells its faults in words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.cog.runtime import DataqueryConfig, register_dataquery_variant
from grafana_foundation_sdk.models import dashboard, units

from fourones_grafana.board import COLUMNS, TAG, TIME_ZONE
from fourones_grafana.checking.interpolating import names_in
from fourones_grafana.panels import TYPES
from fourones_grafana.queries import SqlQuery
from fourones_grafana.sources import MIXED, POSTGRESQL, PROMETHEUS, SOURCES

Json = Mapping[str, Any]

# A unit that Grafana does not know is shown as a suffix.
_UNITS: Final = {value for name, value in vars(units).items() if not name.startswith("_") and isinstance(value, str)}
_OF_NOW: Final = {"stat", "table", "barchart", "bargauge", "gauge"}
_COUNTER = re.compile(r"\bfourones_\w+_(?:total|bucket|count|sum)\b|\bprocess_cpu_seconds_total\b")
# A counter that is only asked whether it ever rose, or that is read since the process began, needs no rate.
_RATED = re.compile(r"\b(?:rate|increase|irate)\(")
# Not a set of characters in a matcher.
_WINDOW = re.compile(r"(?<=[\w}])\[([^\]]+)\]")
_LINK = re.compile(r"^/d/(?P<uid>[\w-]+)(?:\?(?P<query>.*))?$")
_HALF_WIDTH = re.compile(r"[\u4e00-\u9fff][,;:()!?]|[,;:()!?][\u4e00-\u9fff]")


def faults(boards: Sequence[Json]) -> list[str]:
    """What is wrong, each with the board and the panel."""
    found = [f"{board['title']}: {fault}" for board in boards for rule in _OF_A_BOARD for fault in rule(board)]
    for board in boards:
        for panel in _panels(board):
            name = f"{board['title']} / {panel['title']}"
            found += [f"{name}: {fault}" for rule in _OF_A_PANEL for fault in rule(panel)]
    return [*found, *_links(boards), *_twice(boards)]


def _identity(board: Json) -> Iterator[str]:
    if not re.fullmatch(r"fourones-[a-z]+", board["uid"]):
        yield "its uid must be fourones- and a word"
    if TAG not in board["tags"]:
        yield f"without the tag {TAG} no board links to it"
    if board["timezone"] != TIME_ZONE:
        yield f"its time zone must be {TIME_ZONE}"
    if board["editable"]:
        yield "what is edited in Grafana would be lost"
    if not board.get("description"):
        yield "it has no description"


def _numbers(board: Json) -> Iterator[str]:
    numbers = [panel["id"] for panel in board["panels"]]
    if len(numbers) != len(set(numbers)):
        yield "two panels have the same number"


def _places(board: Json) -> Iterator[str]:
    for panel in board["panels"]:
        place = panel["gridPos"]
        if place["x"] + place["w"] > COLUMNS:
            yield f"panel {panel['title']} is wider than the board"
    for one, other in combinations(board["panels"], 2):
        if _overlap(one["gridPos"], other["gridPos"]):
            yield f"panels {one['title']} and {other['title']} overlap"


def _overlap(one: Json, other: Json) -> bool:
    beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
    above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    return not (beside or above)


def _variables(board: Json) -> Iterator[str]:
    known = {variable["name"] for variable in board["templating"]["list"]}
    used = names_in(json.dumps([board["panels"], board["templating"]]))
    if used - known:
        yield f"it names variables that it does not have: {sorted(used - known)}"
    if known - used:
        yield f"it has variables that it does not use: {sorted(known - used)}"


def _read_back(board: Json) -> Iterator[str]:
    """The SDK, which knows Grafana's schema, reads the board back as it is."""
    register_default_plugins()
    register_dataquery_variant(DataqueryConfig(POSTGRESQL, SqlQuery.from_json))
    written = json.loads(json.dumps(board))
    for panel in written["panels"]:
        # Where each query has a source of its own, the SDK would take them for queries of Grafana's own source.
        if panel.get("datasource", {}).get("uid") == MIXED.uid:
            panel["datasource"]["type"] = ""
    again = json.loads(json.dumps(dashboard.Dashboard.from_json(written), cls=JSONEncoder))
    if again != written:
        differing = sorted(key for key in {*again, *written} if again.get(key) != written.get(key))
        yield f"the schema does not read back what was written: {differing}"


def _kind(panel: Json) -> Iterator[str]:
    if panel["type"] not in TYPES:
        yield f"its type {panel['type']} needs a plugin or a newer Grafana"
    if panel["type"] == "text":
        return
    if not panel.get("description"):
        yield "it has no description"
    if not panel["targets"]:
        yield "it asks nothing"


def _sources(panel: Json) -> Iterator[str]:
    targets = panel.get("targets", [])
    unknown = {target["datasource"]["uid"] for target in targets} - SOURCES.keys()
    if unknown:
        yield f"it asks sources that are not provisioned: {sorted(unknown)}"
    named = {target["datasource"]["uid"] for target in targets}
    expected = named.pop() if len(named) == 1 else MIXED.uid
    if targets and panel["datasource"]["uid"] != expected:
        yield f"its source must be {expected}"
    letters = [target["refId"] for target in targets]
    if len(letters) != len(set(letters)):
        yield "two of its queries have the same letter"


def _units(panel: Json) -> Iterator[str]:
    if panel["type"] == "text":
        return
    config = panel["fieldConfig"]
    given = [config["defaults"].get("unit")]
    given += [p["value"] for override in config["overrides"] for p in override["properties"] if p["id"] == "unit"]
    for unit in given:
        if unit not in _UNITS:
            yield f"Grafana has no unit {unit}"


def _promql(panel: Json) -> Iterator[str]:
    for target in panel.get("targets", []):
        if target["datasource"]["uid"] != PROMETHEUS.uid:
            continue
        expr, of_now = target["expr"], panel["type"] in _OF_NOW
        if bool(target.get("instant")) != of_now or bool(target.get("range")) == of_now:
            yield f"query {target['refId']} must be {'instant' if of_now else 'over the range'}"
        if (target["format"] == "table") != (panel["type"] in {"table", "barchart"}):
            yield f"query {target['refId']} has the wrong format"
        for window in _WINDOW.findall(expr):
            if window not in {"$__rate_interval", "$__range"}:
                yield f"the window [{window}] suits no other scrape interval: take $__rate_interval"
        if _COUNTER.search(expr) and not _RATED.search(expr) and not of_now:
            yield "a counter over time needs a rate"
        if "histogram_quantile" in expr and not re.search(r"\bby \([^)]*\ble\b|^.*\ble:", expr):
            yield "a quantile of a histogram needs its buckets"


def _tables(panel: Json) -> Iterator[str]:
    steps = [step["id"] for step in panel.get("transformations") or []]
    if panel["type"] in {"table", "barchart"} and len(panel["targets"]) > 1 and steps[:1] != ["merge"]:
        yield "of several tables only the first is shown: merge them"


def _chinese(panel: Json) -> Iterator[str]:
    for text in (panel["title"], panel.get("description", "")):
        if found := _HALF_WIDTH.search(text.replace("${", "").replace(":text}", "")):
            yield f"Chinese text has full-width punctuation: {found[0]}"


def _links(boards: Sequence[Json]) -> Iterator[str]:
    variables = {board["uid"]: {v["name"] for v in board["templating"]["list"]} for board in boards}
    for board in boards:
        for panel in _panels(board):
            name = f"{board['title']} / {panel['title']}"
            for url in re.findall(r'"url": "(/d/[^"]*)"', json.dumps(panel)):
                link = _LINK.match(url)
                uid = link["uid"] if link else ""
                if uid not in variables:
                    yield f"{name}: it links to a board that is not there: {url}"
                    continue
                unknown = set(re.findall(r"var-(\w+)=", url)) - variables[uid]
                if unknown:
                    yield f"{name}: {uid} has no variables {sorted(unknown)}"


def _twice(boards: Sequence[Json]) -> Iterator[str]:
    for key in ("uid", "title"):
        values = [board[key] for board in boards]
        if len(values) != len(set(values)):
            yield f"two boards have the same {key}"


def _panels(board: Json) -> Iterator[Json]:
    return (panel for panel in board["panels"] if panel["type"] != "row")


_OF_A_BOARD: Sequence[Callable[[Json], Iterator[str]]] = (_identity, _numbers, _places, _variables, _read_back)
_OF_A_PANEL: Sequence[Callable[[Json], Iterator[str]]] = (_kind, _sources, _units, _promql, _tables, _chinese)
