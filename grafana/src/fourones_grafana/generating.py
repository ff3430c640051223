"""Writes the boards as Grafana reads them, and tells whether what is written is what the code makes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from fourones_grafana.board import Board
from fourones_grafana.errors import NotCurrent


def as_json(board: Board) -> str:
    """The board's file: readable, so that a change of a board can be read as a difference."""
    return json.dumps(board.model(), cls=JSONEncoder, ensure_ascii=False, indent=2) + "\n"


def write(boards: Iterable[Board], folder: Path) -> list[Path]:
    """Write every board and delete files of boards that are no more.

    Returns:
        The files written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {folder / f"{board.uid}.json": as_json(board) for board in boards}
    for stale in set(folder.glob("*.json")) - files.keys():
        stale.unlink()
    for file, content in files.items():
        file.write_text(content, encoding="utf-8")
    return list(files)


def require_current(boards: Iterable[Board], folder: Path) -> None:
    """Check that the folder holds exactly what `write` would write.

    Raises:
        NotCurrent: naming the files that differ.
    """
    files = {folder / f"{board.uid}.json": as_json(board) for board in boards}
    there = {file: file.read_text(encoding="utf-8") for file in folder.glob("*.json")}
    differing = sorted(f.name for f in files.keys() | there.keys() if files.get(f) != there.get(f))
    if differing:
        raise NotCurrent(f"not what the code makes: {', '.join(differing)}; run `make boards`")
