"""JSON Schemas (2020-12) of the events, as they are written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from fourones_shared.events.model import ALL, EventData
from fourones_shared.topics import contract_folder

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]


def schema_id(event_type: str) -> str:
    """What `ce_dataschema` says of an event of that type."""
    return f"urn:fourones:schema:{event_type}"


def schema_of(kind: type[EventData]) -> Schema:
    """The schema of one event type's data. A field that a later writer adds is allowed, as readers ignore it."""
    schema = kind.model_json_schema(mode="serialization")
    return {"$schema": DIALECT, "$id": schema_id(kind.TYPE), **schema}


def all_schemas() -> dict[str, Schema]:
    """Every event type's schema by type."""
    return {kind.TYPE: schema_of(kind) for kind in ALL}


def written(document: Mapping[str, Any]) -> str:
    """A document as the text of its file."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def released(folder: Path | None = None) -> dict[str, dict[int, Schema]]:
    """The frozen schemas: by event type, by revision. Revision 1 is the type's first release.

    Args:
        folder: another place than the committed one.
    """
    found: dict[str, dict[int, Schema]] = {}
    for path in sorted((folder or released_folder()).glob("*/*.json")):
        found.setdefault(path.parent.name, {})[int(path.stem)] = orjson.loads(path.read_bytes())
    return found


def released_folder() -> Path:
    """Where the frozen schemas lie."""
    return contract_folder("schemas") / "released"
