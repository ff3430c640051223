"""Writes the contract files from the event models, the topics and the examples, or says that they are not current.

    python -m fourones_shared.contracts.generate            write schemas and AsyncAPI document
    python -m fourones_shared.contracts.generate --check    change nothing; fail with the difference
    python -m fourones_shared.contracts.generate --release  also freeze what has changed as a new revision

A frozen schema (`shared/schemas/released/<type>/<revision>.json`) is never edited: it is what readers and stored events
out there hold to. A revision is only added while it breaks none of the earlier ones.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from fourones_shared.contracts import asyncapi
from fourones_shared.contracts.compatibility import breaking_changes, without_words
from fourones_shared.contracts.schemas import Schema, all_schemas, released, released_folder, written
from fourones_shared.topics import contract_folder


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m fourones_shared.contracts.generate")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--check", action="store_true", help="fail with the difference when a file is not current")
    action.add_argument("--release", action="store_true", help="freeze the changed schemas as new revisions")
    chosen = parser.parse_args(arguments)

    files = generated()
    if chosen.check:
        return _say(not_current(files) + broken(all_schemas(), released()) + unreleased(all_schemas(), released()))
    if chosen.release:
        faults = broken(all_schemas(), released())
        if faults:
            return _say([*faults, "nothing was released: make a new type (.v2) instead"])
        files |= new_revisions(all_schemas(), released())
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


def generated() -> dict[Path, str]:
    """Every generated file with its text."""
    schemas = contract_folder("schemas")
    files = {schemas / f"{name}.json": written(schema) for name, schema in all_schemas().items()}
    files[schemas.parent / "asyncapi.yaml"] = asyncapi.written(asyncapi.asyncapi_document())
    return files


def not_current(files: Mapping[Path, str]) -> list[str]:
    """The differences between what the files should hold and what they do."""
    found = []
    for path, text in files.items():
        present = path.read_text(encoding="utf-8") if path.exists() else ""
        if present != text:
            name = "/".join(path.parts[-2:])
            lines = difflib.unified_diff(
                present.splitlines(), text.splitlines(), name, f"{name} (generated)", "", "", 2
            )
            found.append("\n".join(line.rstrip() for line in lines))
    return found


def broken(schemas: Mapping[str, Schema], frozen: Mapping[str, Mapping[int, Schema]]) -> list[str]:
    """What the schemas would break of any revision that was ever released."""
    found = []
    for name, revisions in frozen.items():
        if name not in schemas:
            found.append(f"{name}: a released type is gone; its events are still on the topics")
            continue
        for number, old in revisions.items():
            found += [f"{name}, revision {number}: {what}" for what in breaking_changes(old, schemas[name])]
    return found


def unreleased(schemas: Mapping[str, Schema], frozen: Mapping[str, Mapping[int, Schema]]) -> list[str]:
    """The types whose schema is not frozen as it is now."""
    return [f"{name} is not released as it is: run with --release" for name in _changed(schemas, frozen)]


def new_revisions(schemas: Mapping[str, Schema], frozen: Mapping[str, Mapping[int, Schema]]) -> dict[Path, str]:
    """The files that freeze what has changed."""
    return {
        released_folder() / name / f"{max(frozen.get(name, {0: {}})) + 1}.json": written(schemas[name])
        for name in _changed(schemas, frozen)
    }


def _changed(schemas: Mapping[str, Schema], frozen: Mapping[str, Mapping[int, Schema]]) -> list[str]:
    # A better description is no new revision.
    newest = {name: without_words(revisions[max(revisions)]) for name, revisions in frozen.items()}
    return [name for name, schema in schemas.items() if newest.get(name) != without_words(schema)]


def _say(faults: Sequence[str]) -> int:
    for fault in faults:
        sys.stderr.write(fault + "\n")
    if faults:
        sys.stderr.write("To write the files anew: python -m fourones_shared.contracts.generate\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
