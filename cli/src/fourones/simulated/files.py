"""Simulated reports as files, named so that `fourones submit FOLDER` sends them in order and goes on after a break."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson

from fourones.errors import Misused
from fourones.simulated.reports import Report, reports_of
from fourones.simulated.sdmx_csv import csv_of
from fourones.simulated.world import World

# Hidden, so that it is not taken for a submission.
_MARKER = ".simulation.json"


class FileFormat(StrEnum):
    """What the files are written as."""

    JSON = "json"
    CSV = "csv"


def write(world: World, folder: Path, form: FileFormat) -> Iterator[int]:
    """Write every report, each file whole or not at all; yields after each county how many it has sent.

    Raises:
        Misused: the folder holds something else, or another simulation.
    """
    _claim(folder, _identity(world, form))
    for county in world.county_ids:
        reports = list(reports_of(world, county))
        for report in reports:
            _replace(folder / f"{report.name}.{form.value}", _CONTENT[form](report))
        yield len(reports)


def json_of(report: Report) -> bytes:
    """The body of `POST /v1/submissions`."""
    return orjson.dumps(report.submission.body(), option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


_CONTENT: Mapping[FileFormat, Callable[[Report], bytes]] = {FileFormat.JSON: json_of, FileFormat.CSV: csv_of}


def _identity(world: World, form: FileFormat) -> dict[str, Any]:
    """What must be the same for two runs into one folder: counties, years and the last month may grow."""
    shares = world.shares
    return {
        "synthetic": True,
        "seed": world.seed,
        "indicators": world.indicators,
        "format": form.value,
        "revised": str(shares.revised),
        "late": str(shares.late),
        "missing": str(shares.missing),
    }


def _claim(folder: Path, identity: Mapping[str, Any]) -> None:
    marker = folder / _MARKER
    content = orjson.dumps(identity, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    if marker.is_file():
        if marker.read_bytes() != content:
            raise Misused(
                f"{folder}: 已有另一份模拟数据,请换一个文件夹 / holds another simulation: choose another folder"
            )
    elif folder.exists() and any(folder.iterdir()):
        raise Misused(f"{folder}: 不是空文件夹,请换一个 / is not empty: choose another folder")
    else:
        _replace(marker, content)


def _replace(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.new")
    beside.write_bytes(content)
    os.replace(beside, file)  # noqa: PTH105 - one step on every system
