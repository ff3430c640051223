"""What there is to submit: files of any format, folders of them, or standard input.

A folder may hold more than fits into memory, and is gone through twice: once to see that every key is there, once to
send. So this is an iterable that reads each file when its turn comes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import orjson

from fourones.errors import Misused
from fourones.senders import senders_of_csv, senders_of_workbook
from fourones.submitting import CSV, JSON, XLSX, Outgoing, outgoing_of
from fourones_shared.catalogue.reported import load_reported
from fourones_shared.errors import CatalogueRefused

# Services take a few megabytes; beyond this it is the wrong file, and not worth reading.
LARGEST_BYTES = 64 * 1024 * 1024
STANDARD_INPUT = Path("-")


class Format(StrEnum):
    """The forms that the service takes."""

    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"


_FORMATS = {f".{form.value}": form for form in Format}
# Several submissions to a file, as beside the catalogue: made JSON before they are sent.
_YAML = frozenset({".yaml", ".yml"})
_SUFFIXES = _FORMATS.keys() | _YAML


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file of a folder that is not what its name says; the others are sent all the same."""

    name: str
    why: str


class Inputs:
    """All submissions of the files, and of the folders' files in order of their paths.

    Args:
        paths: files, folders, or `-` for standard input, which is read here, once.
        form: of standard input; seen by its beginning when not given.

    Raises:
        Misused: a file that is missing or of an unknown kind; reading one that was named (not found in a folder)
            raises it too when the file is not what its name says.
    """

    def __init__(self, paths: Sequence[Path], form: Format | None = None) -> None:
        self._paths = list(paths)
        self._form = form
        self._typed_in = _read_standard_input() if STANDARD_INPUT in self._paths else b""
        for path in self._paths:
            if path != STANDARD_INPUT and not path.exists():
                raise Misused(f"{path}: 没有这个文件 / no such file")

    @property
    def folders(self) -> list[Path]:
        """The folders among them."""
        return [path for path in self._paths if path != STANDARD_INPUT and path.is_dir()]

    def __iter__(self) -> Iterator[Outgoing | Unreadable]:
        for path in self._paths:
            if path == STANDARD_INPUT:
                yield from _parts("-", self._typed_in, self._form or _sniffed(self._typed_in))
            elif path.is_dir():
                for file in _walk(path):
                    yield from _of_folder(path, file)
            else:
                yield from _of_file(path, path.name)


def _read_standard_input() -> bytes:
    content = sys.stdin.buffer.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise _too_large("-")
    if not content.strip():
        raise Misused("标准输入没有内容 / there is nothing on standard input")
    return content


def _sniffed(content: bytes) -> Format:
    if content.startswith(b"PK"):
        return Format.XLSX
    return Format.JSON if content.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in {b"{", b"["} else Format.CSV


def _walk(folder: Path) -> Iterator[Path]:
    """The files of known kinds below a folder, one directory at a time; hidden ones are none of ours."""
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name.startswith("."):
            continue
        if entry.is_dir() and not entry.is_symlink():
            yield from _walk(entry)
        elif entry.suffix.lower() in _SUFFIXES and entry.is_file() and not _is_open_in_a_spreadsheet(entry):
            yield entry


def _is_open_in_a_spreadsheet(file: Path) -> bool:
    # While a workbook is open, Excel and WPS keep a lock file of this name beside it.
    return file.name.startswith("~$")


def _of_folder(folder: Path, file: Path) -> Iterator[Outgoing | Unreadable]:
    name = file.relative_to(folder).as_posix()
    try:
        for outgoing in _of_file(file, name):
            yield replace(outgoing, folder=folder)
    except Misused as error:
        yield Unreadable(name, str(error))


def _of_file(file: Path, name: str) -> Iterator[Outgoing]:
    suffix = file.suffix.lower()
    if suffix not in _SUFFIXES:
        kinds = " ".join(sorted(_SUFFIXES))
        raise Misused(f"{file}: 只接受 {kinds} / only these kinds of file are taken")
    if suffix in _YAML:
        yield from _of_yaml(file, name)
        return
    try:
        if file.stat().st_size > LARGEST_BYTES:
            raise _too_large(name)
        content = file.read_bytes()
    except OSError as error:
        raise Misused(f"{name}: {error.strerror}") from error
    yield from _parts(name, content, _FORMATS[suffix])


def _parts(name: str, content: bytes, form: Format) -> Iterator[Outgoing]:
    if form is Format.CSV:
        yield Outgoing(name, senders_of_csv(content), content, CSV)
    elif form is Format.XLSX:
        yield Outgoing(name, senders_of_workbook(content), content, XLSX)
    else:
        yield from _of_json(name, content)


def _of_yaml(file: Path, name: str) -> Iterator[Outgoing]:
    try:
        submissions = load_reported(file)
    except CatalogueRefused as error:
        raise Misused("\n".join(error.faults)) from error
    for number, submission in enumerate(submissions, start=1):
        yield outgoing_of(submission, f"{name} #{number}")


def _of_json(name: str, content: bytes) -> Iterator[Outgoing]:
    try:
        # Numbers stay the text that was written: 0.1 is never made a binary float on the way.
        parsed = json.loads(content, parse_float=str, parse_int=str)
    except (ValueError, RecursionError) as error:
        raise Misused(f"{name}: {error}") from error
    if isinstance(parsed, list):
        for number, body in enumerate(parsed, start=1):
            yield _outgoing(f"{name} #{number}", body, None)
    else:
        # One body is sent as it was written, faults and all: the service tells where they are in this file.
        yield _outgoing(name, parsed, None if _names_reporter(parsed) else content)


def _names_reporter(body: object) -> bool:
    return isinstance(body, dict) and "reporter" in body


def _outgoing(name: str, body: object, content: bytes | None) -> Outgoing:
    holders: tuple[str | None, ...] = (None,)
    if isinstance(body, dict):
        holders = (_text(body.get("reporter")), _text(body.get("org")))
        body = {key: value for key, value in body.items() if key != "reporter"}
    if content is None:
        content = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    return Outgoing(name, holders, content, JSON)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _too_large(name: str) -> Misused:
    mebibytes = LARGEST_BYTES // 1024**2
    return Misused(f"{name}: 超过 {mebibytes} MiB,请分成几份 / more than {mebibytes} MiB: split it")
