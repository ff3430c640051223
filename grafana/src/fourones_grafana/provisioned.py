"""What Grafana reads at its start, held against what the boards name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from fourones_grafana.board import FOLDER, FOLDER_UID
from fourones_grafana.sources import POSTGRESQL, SOURCES

BOARDS_ROLE: Final = "fourones_boards"
_TEMPLATED: Final = "$FOURONES_"


def faults(folder: Path) -> list[str]:
    """What is wrong with the provisioning files, in words."""
    return [*_of_sources(folder / "datasources"), *_of_boards(folder / "dashboards")]


def _of_sources(folder: Path) -> Iterator[str]:
    there = {source["uid"]: source for source in _entries(folder, "datasources")}
    if there.keys() != SOURCES.keys():
        yield f"data sources {sorted(there)} are provisioned, the boards name {sorted(SOURCES)}"
    for uid, source in there.items():
        if uid in SOURCES and source["type"] != SOURCES[uid].type:
            yield f"{uid} is provisioned as {source['type']}, the boards name {SOURCES[uid].type}"
        given = {"url": source["url"]}
        if source["type"] == POSTGRESQL:
            given |= {"database": source["jsonData"]["database"], "password": source["secureJsonData"]["password"]}
            if source["user"] != BOARDS_ROLE:
                yield f"{uid} is asked as {source['user']}, not as {BOARDS_ROLE}"
        for name, value in given.items():
            if not value.startswith(_TEMPLATED):
                yield f"{name} of {uid} is written down; it must come from the environment"


def _of_boards(folder: Path) -> Iterator[str]:
    for provider in _entries(folder, "providers"):
        if (provider["folder"], provider["folderUid"]) != (FOLDER, FOLDER_UID):
            yield f"boards are provisioned into {provider['folder']}, not into {FOLDER}"
        if not provider["options"]["path"].startswith(_TEMPLATED):
            yield "the boards' path is written down; it must come from the environment"


def _entries(folder: Path, name: str) -> list[Mapping[str, Any]]:
    return [
        entry
        for file in sorted(folder.glob("*.y*ml"))
        for entry in yaml.safe_load(file.read_text(encoding="utf-8"))[name]
    ]
