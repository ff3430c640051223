"""The channels file: who is told by what. Addresses and secrets stand nowhere else.

Any value may be `${VARIABLE}`, and `url`, `secret`, `token`, `password` and `proxy` may be given as `<name>_file`
instead, a file whose only line they are; a relative one is looked for beside the channels file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fourones_alerting.notifying.channels.building import build
from fourones_alerting.notifying.channels.configuration import COORDINATOR, OPERATORS, ChannelsFile, Email, Hook
from fourones_alerting.notifying.channels.directory import Directory
from fourones_shared.catalogue.faults import escape
from fourones_shared.catalogue.located import LocatedFile, read_located
from fourones_shared.errors import Rejected

_FROM_FILES = ("url", "secret", "token", "password", "proxy")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
# Stands for what could not be had, so that it is told once.
_MISSING = "␀missing␀"


class ChannelsRefused(Rejected):
    """A channels file with faults; `faults` tells all of them, each with its place and without any secret."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__(f"{len(faults)} fault(s) in the channels file:\n" + "\n".join(faults))
        self.faults = faults


def read_channels(path: Path, environment: Mapping[str, str] | None = None) -> Directory:
    """Read the channels file.

    Raises:
        ChannelsRefused: with all faults.
    """
    reading = _Reading(read_located(path, str(path)), path.parent, os.environ if environment is None else environment)
    file = reading.read()
    if reading.faults or file is None:
        raise ChannelsRefused(reading.faults)
    return build(file)


class _Reading:
    def __init__(self, located: LocatedFile, folder: Path, environment: Mapping[str, str]) -> None:
        self._located = located
        self._folder = folder
        self._environment = environment
        self.faults = [f"{fault.file}:{fault.line}: {fault.describe('en')}" for fault in located.faults]

    def read(self) -> ChannelsFile | None:
        """The file, as far as each of its parts is right; what is wrong is in `faults`."""
        if not self._located.readable:
            return None
        content = self._located.content
        document = self._filled({} if content is None else content, "")
        try:
            file = ChannelsFile.model_validate(document)
        except ValidationError as error:
            self._refuse(error, document)
            return None
        self._hold_together(file)
        return file

    def _filled(self, value: Any, pointer: str) -> Any:
        """The value with variables and files put in."""
        if isinstance(value, str):
            return _VARIABLE.sub(lambda found: self._variable(found[1], pointer), value)
        if isinstance(value, list):
            return [self._filled(item, f"{pointer}/{place}") for place, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        filled = {key: self._filled(item, f"{pointer}/{escape(key)}") for key, item in value.items()}
        for key in _FROM_FILES:
            named = filled.pop(f"{key}_file", None)
            if named is None:
                continue
            if key in filled:
                self._fault(f"{pointer}/{key}_file", f"give `{key}` or `{key}_file`, not both")
                continue
            filled[key] = self._only_line(named, f"{pointer}/{key}_file")
        return filled

    def _variable(self, name: str, pointer: str) -> str:
        if not self._environment.get(name):
            self._fault(pointer, f"the environment has no {name}: set it, or use a file")
            return _MISSING
        return self._environment[name]

    def _only_line(self, named: Any, pointer: str) -> str:
        if not isinstance(named, str) or _MISSING in named:
            return _MISSING
        try:
            read = (self._folder / named).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            self._fault(pointer, f"cannot be read: {(isinstance(error, OSError) and error.strerror) or 'no UTF-8'}")
            return _MISSING
        if not read or "\n" in read:
            self._fault(pointer, "must hold one line and nothing else")
            return _MISSING
        return read

    def _refuse(self, error: ValidationError, document: Any) -> None:
        for found in error.errors(include_url=False, include_context=False, include_input=False):
            pointer, held = _place(found["loc"], document)
            # What could not be had has been told already.
            if not _lacks(held):
                self._fault(pointer, found["msg"].removeprefix("Value error, "))

    def _hold_together(self, file: ChannelsFile) -> None:
        for reserved in {OPERATORS, COORDINATOR} & file.departments.keys():
            self._fault(f"/departments/{reserved}", "is no department: write it beside `departments`")
        robots: dict[str, str] = {}
        for recipient, pointer, told in file.recipients():
            names: set[str] = set()
            for place, channel in enumerate(told.channels):
                where = f"{pointer}/channels/{place}"
                if channel.name in names:
                    self._fault(f"{where}/name", "another channel of theirs has that name")
                names.add(channel.name)
                if isinstance(channel, Email):
                    if file.smtp is None:
                        self._fault(where, "`email` needs `smtp` at the top of the file")
                elif not isinstance(channel, Hook) and channel.address in robots:
                    # Together they would be faster than the robot allows.
                    self._fault(where, f"the same robot as {robots[channel.address]}: each needs a robot of its own")
                else:
                    robots[channel.address] = f"{recipient}/{channel.name}"

    def _fault(self, pointer: str, what: str) -> None:
        place = pointer.lstrip("/").replace("/", ".") or "the file"
        self.faults.append(f"{self._located.name}:{self._located.line_of(pointer)}: {place}: {what}")


def _place(loc: tuple[int | str, ...], document: Any) -> tuple[str, Any]:
    """Where a fault of pydantic's stands in the file, and what stands there.

    Pydantic puts the kind of a channel into the path, which the file does not.
    """
    pointer, held = "", document
    for step in loc:
        if isinstance(held, dict) and step not in held and step == held.get("kind"):
            continue
        if isinstance(held, dict):
            held = held.get(str(step))
        elif isinstance(held, list) and isinstance(step, int):
            held = held[step]
        pointer += f"/{escape(step)}"
    return pointer, held


def _lacks(held: Any) -> bool:
    if isinstance(held, dict):
        return any(map(_lacks, held.values()))
    if isinstance(held, list):
        return any(map(_lacks, held))
    return isinstance(held, str) and _MISSING in held
