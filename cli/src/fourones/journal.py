"""What of a folder has been accepted, so that a second run goes on where a first one was broken off.

One JSON line for each accepted submission, appended and flushed to disk before the next one is sent:

    {"service": …, "file": …, "sha256": …, "submission_id": …, "holders": […], "at": …, "answer": {…}}

A line that was cut off by a crash, or is anything else, is passed over: its submission is then sent again with the
same idempotency key, and the service answers what it answered first. For the same reason two runs at once do no harm:
each line is one write to a file opened for appending, and what both have sent, both have written down.

The journal is believed only as far as the service still knows what it says (`trust`): it may have been set up anew,
or restored from a backup that is older than the last submissions.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from fourones.errors import Misused
from fourones.submitting import Outgoing, Receipt


@dataclass(frozen=True, slots=True)
class Settled:
    """One accepted submission."""

    name: str
    digest: bytes
    submission_id: str
    holders: tuple[str | None, ...]


class Journal:
    """The journal of one folder and one service.

    Args:
        path: the file; made with its folders at the first line.
        service: lines about another address are not this journal's, though they stand in the same file.

    Raises:
        Misused: the file is there and cannot be read.
    """

    def __init__(self, path: Path, service: str) -> None:
        self.path = path
        self._service = service.rstrip("/")
        self._lines = list(self._read())
        self._last = {settled.name: settled for settled in self._lines}
        self._file: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def last(self, name: str) -> Settled | None:
        """The latest accepted submission of that name."""
        return self._last.get(name)

    def trust(self, is_known: Callable[[Settled], bool]) -> int:
        """Forget what the service does not know any more; returns how many lines.

        A database that was restored has lost its latest transactions, one that is new has lost all: what is known
        comes before what is not, so that a few questions find the place.
        """
        if not self._lines or is_known(self._lines[-1]):
            return 0
        known, unknown = 0, len(self._lines) - 1
        while known < unknown:
            middle = (known + unknown) // 2
            if is_known(self._lines[middle]):
                known = middle + 1
            else:
                unknown = middle
        forgotten = len(self._lines) - known
        del self._lines[known:]
        self._last = {settled.name: settled for settled in self._lines}
        return forgotten

    def write(self, outgoing: Outgoing, receipt: Receipt) -> None:
        """Note an accepted submission; on disk when this returns.

        Raises:
            OSError: it cannot be written.
        """
        line = orjson.dumps(
            {
                "service": self._service,
                "file": outgoing.name,
                "sha256": outgoing.digest.hex(),
                "submission_id": receipt.submission_id,
                "holders": outgoing.holders,
                "at": datetime.now(UTC).isoformat(timespec="seconds"),
                "answer": receipt.answer,
            },
            option=orjson.OPT_APPEND_NEWLINE,
        )
        if self._file is None:
            self._file = self._opened()
        written = os.write(self._file, line)
        if written < len(line):
            raise OSError(f"{self.path}: only {written} of {len(line)} bytes were written")
        os.fsync(self._file)

    def _opened(self) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Answers name organisations and values: for this user only.
        file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        size = os.fstat(file).st_size
        if size:
            os.lseek(file, size - 1, os.SEEK_SET)
            if os.read(file, 1) != b"\n":
                # The rest of a line that a crash has cut off: what follows must not be glued to it.
                os.write(file, b"\n")
        return file

    def _read(self) -> Iterator[Settled]:
        try:
            with self.path.open("rb") as file:
                for line in file:
                    settled = self._settled(line)
                    if settled is not None:
                        yield settled
        except FileNotFoundError:
            return
        except OSError as error:
            raise Misused(f"{self.path}: {error.strerror}") from error

    def _settled(self, line: bytes) -> Settled | None:
        try:
            found = json.loads(line)
        except ValueError:
            return None
        if not isinstance(found, Mapping) or found.get("service") != self._service:
            return None
        name, submission_id, holders = found.get("file"), found.get("submission_id"), found.get("holders")
        digest = _digest(found.get("sha256"))
        if not isinstance(name, str) or not isinstance(submission_id, str) or digest is None:
            return None
        return Settled(name, digest, submission_id, _holders(holders))


def journal_of(folder: Path, service: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Where the journal of a folder lies unless a place is given: in the user's state folder."""
    about = f"{service.rstrip('/')}\n{folder.resolve()}"
    return state_folder(environment) / "submitted" / f"{hashlib.sha256(about.encode()).hexdigest()[:24]}.jsonl"


def state_folder(environment: Mapping[str, str]) -> Path:
    """What programs of this user remember: XDG's place, on Windows the local application data."""
    given = environment.get("XDG_STATE_HOME") or environment.get("LOCALAPPDATA")
    return (Path(given) if given else Path.home() / ".local" / "state") / "fourones"


def _digest(text: Any) -> bytes | None:
    try:
        return bytes.fromhex(text)
    except (TypeError, ValueError):
        return None


def _holders(listed: Any) -> tuple[str | None, ...]:
    if not isinstance(listed, Sequence) or isinstance(listed, str):
        return (None,)
    return tuple(holder if isinstance(holder, str) else None for holder in listed)
