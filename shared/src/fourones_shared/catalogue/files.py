"""The catalogue as a folder of YAML files.

Every file is a mapping of sections (`sources`, `organisations`, …, `targets`) to lists of entries; the same section
may stand in many files. Two conveniences keep files short:

- `defaults: {targets: {plan: …}}` gives fields to every entry of that section in that file; an entry's own win, and
  mappings (`reporting`) are merged field by field.
- `clusters: all` means all ten on an indicator; on a target it makes one target per cluster, `<id>-<cluster>`, its
  lead responsible where nobody else is named. A list of clusters does the same for those.

The subfolder `reported` holds figures, not catalogue (`reported`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fourones_shared.catalogue.faults import CatalogueHasFaults, Fault, Words, escape
from fourones_shared.catalogue.located import LocatedFile, read_located
from fourones_shared.catalogue.model import Catalogue
from fourones_shared.catalogue.parsing import SECTIONS, read_document

REPORTED = "reported"
_ALL = "all"


def load(folder: Path, *more: Path) -> Catalogue:
    """Read one catalogue from one or several folders.

    Raises:
        CatalogueHasFaults: with all faults of all files at once, each with its file and line.
    """
    catalogue, faults = read_folders(folder, *more)
    if faults or catalogue is None:
        raise CatalogueHasFaults(faults)
    return catalogue


def read_folders(*folders: Path) -> tuple[Catalogue | None, list[Fault]]:
    """What `load` reads, and its faults, without raising."""
    faults: list[Fault] = []
    entries: dict[str, list[_Entry]] = {section: [] for section in SECTIONS}
    readable = True
    for folder in folders:
        paths = yaml_files(folder)
        if not paths:
            faults.append(_empty(folder))
        for path in paths:
            file = read_located(path, name_of(folder, path))
            faults.extend(file.faults)
            readable = readable and file.readable
            for section, found in _entries(file, faults):
                entries[section].append(found)
    entries["indicators"] = [_with_all_clusters(e, entries["clusters"]) for e in entries["indicators"]]
    entries["targets"] = [e for entry in entries["targets"] for e in _by_cluster(entry, entries["clusters"])]
    document = {section: [e.content for e in found] for section, found in entries.items()}
    # Half of a catalogue refers to the other half: with a file unread, missing references would only be noise.
    catalogue, found_faults = read_document(document, cross_checks=readable)
    return catalogue, faults + [_located(fault, entries) for fault in found_faults]


def yaml_files(folder: Path) -> list[Path]:
    """The catalogue's files in a folder, in a fixed order."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix in {".yaml", ".yml"} and path.is_file() and REPORTED not in path.relative_to(folder).parts
    )


def name_of(folder: Path, path: Path) -> str:
    """What faults call a file: its path from the folder's own name on."""
    return f"{folder.resolve().name}/{path.relative_to(folder).as_posix()}"


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry after its defaults, and where it was written."""

    content: Any
    file: LocatedFile
    section: str
    index: int

    @property
    def pointer(self) -> str:
        return f"/{self.section}/{self.index}"


def _entries(file: LocatedFile, faults: list[Fault]) -> Iterator[tuple[str, _Entry]]:
    content = file.content
    if content is None:
        return
    if not isinstance(content, Mapping):
        faults.append(_misshapen(file, "", "mapping of sections", "按部分写的键值对"))
        return
    defaults = content.get("defaults") or {}
    for section, listed in content.items():
        if section == "defaults":
            continue
        if section not in SECTIONS:
            faults.append(
                replace(
                    _misshapen(file, f"/{escape(section)}", "section", "部分"),
                    code="unknown-section",
                    zh=Words(f"没有 {section} 这一部分", f"只能是 {'、'.join(SECTIONS)} 或 defaults"),
                    en=Words(f"there is no section {section}", f"use {', '.join(SECTIONS)} or defaults"),
                )
            )
        elif not isinstance(listed, Sequence) or isinstance(listed, str):
            faults.append(_misshapen(file, f"/{section}", "list", "列表"))
        else:
            given = defaults.get(section, {}) if isinstance(defaults, Mapping) else {}
            for index, entry in enumerate(listed):
                yield section, _Entry(_merged(given, entry), file, section, index)


def _merged(defaults: Any, own: Any) -> Any:
    if not isinstance(defaults, Mapping) or not isinstance(own, Mapping):
        return own
    return {**defaults, **{key: _merged(defaults.get(key), value) for key, value in own.items()}}


def _with_all_clusters(entry: _Entry, clusters: Sequence[_Entry]) -> _Entry:
    if not isinstance(entry.content, Mapping) or entry.content.get("clusters") != _ALL:
        return entry
    return replace(entry, content={**entry.content, "clusters": list(_leads(clusters))})


def _by_cluster(entry: _Entry, clusters: Sequence[_Entry]) -> Iterator[_Entry]:
    content = entry.content
    if not isinstance(content, Mapping) or "clusters" not in content:
        yield entry
        return
    leads = _leads(clusters)
    named = content["clusters"]
    chosen = list(leads) if named == _ALL else named if isinstance(named, list) else [named]
    for cluster in chosen:
        expanded = {key: value for key, value in content.items() if key != "clusters"}
        expanded["id"] = f"{content.get('id')}-{cluster}"
        expanded["cluster"] = cluster
        if "responsible" not in content:
            expanded["responsible"] = {"lead": leads.get(str(cluster), "")}
        yield replace(entry, content=expanded)


def _leads(clusters: Sequence[_Entry]) -> dict[str, str]:
    found = (entry.content for entry in clusters if isinstance(entry.content, Mapping))
    return {str(content.get("id")): str(content.get("lead")) for content in found}


def _located(fault: Fault, entries: Mapping[str, Sequence[_Entry]]) -> Fault:
    _, section, *rest = [*fault.pointer.split("/"), ""]
    if section not in entries or not rest or not rest[0].isdigit():
        return fault
    entry = entries[section][int(rest[0])]
    inner = "/".join(part for part in rest[1:] if part)
    pointer = f"{entry.pointer}/{inner}".rstrip("/")
    line = entry.file.line_of(pointer)
    if pointer not in entry.file.lines and (given := _default_line(entry, inner)) is not None:
        line = given
    return replace(fault, pointer=pointer, file=entry.file.name, line=line)


def _default_line(entry: _Entry, inner: str) -> int | None:
    """The line of a field that the file's defaults give; None when the field is written nowhere."""
    place = f"/defaults/{entry.section}/{inner}"
    return entry.file.lines.get(place)


def _misshapen(file: LocatedFile, pointer: str, what: str, chinese: str) -> Fault:
    return Fault(
        pointer,
        "misshapen",
        zh=Words(f"这里应为{chinese}", f"改写成{chinese}"),
        en=Words(f"a {what} is expected here", f"write a {what}"),
        file=file.name,
        line=file.line_of(pointer),
    )


def _empty(folder: Path) -> Fault:
    return Fault(
        "",
        "no-files",
        zh=Words("没有 YAML 文件", "检查文件夹的路径"),
        en=Words("there are no YAML files", "check the folder's path"),
        file=folder.name,
        line=1,
    )
