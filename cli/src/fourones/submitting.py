"""Sending submissions from files, so that sending them again changes nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from fourones.client import Api, Timing
from fourones.errors import Misused, Unavailable
from fourones_shared.catalogue.reported import ReportedSubmission, load_reported
from fourones_shared.errors import CatalogueRefused

JSON = "application/json"
MEDIA_TYPES = {
    ".csv": "application/vnd.sdmx.data+csv; version=2.0.0",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_YAML = frozenset({".yaml", ".yml"})
_SUFFIXES = {*MEDIA_TYPES, *_YAML, ".json"}
_FIRST_LOOK_S = 0.1
_LONGEST_LOOK_S = 2.0
_SETTLED = frozenset({"applied", "dead_lettered"})


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One submission to send.

    Attributes:
        name: what messages call it.
        holders: whose key it bears: the first of them that has one.
        content: the body, sent as it is.
        media_type: of the body.
    """

    name: str
    holders: tuple[str | None, ...]
    content: bytes
    media_type: str = JSON

    @property
    def idempotency_key(self) -> str:
        """The same content bears the same key, so that a second sending is answered with the first one's answer."""
        return "fourones-" + hashlib.sha256(self.media_type.encode() + b"\n" + self.content).hexdigest()[:40]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the service says about a submission."""

    submission_id: str
    status: str
    org: str
    figures: int
    warnings: Sequence[dict[str, Any]] = ()
    reason: str = ""


def outgoing_of(submission: ReportedSubmission, name: str) -> Outgoing:
    """A submission made here, ready to send."""
    content = orjson.dumps(submission.body(), option=orjson.OPT_SORT_KEYS)
    return Outgoing(name, (submission.reporter, submission.org), content)


def read_outgoing(paths: Sequence[Path]) -> list[Outgoing]:
    """All submissions of the files; of a folder, those of its files in order of their names.

    Raises:
        Misused: a file that is missing, of an unknown kind, or not what it says.
    """
    found = [outgoing for path in paths for file in _files(path) for outgoing in _read(file)]
    if not found:
        raise Misused("没有可报送的内容 / there is nothing to submit")
    return found


def send(api: Api, outgoing: Outgoing, *, dry_run: bool = False, salt: str = "") -> Receipt:
    """Send one submission.

    Args:
        api: of the submission service, with the sender's key.
        outgoing: what to send.
        dry_run: only have it checked.
        salt: makes it a submission of its own, though the same content was sent before.

    Raises:
        Problem: it is refused.
        Unavailable: the service does not answer; sending it again is safe.
    """
    headers = {"Content-Type": outgoing.media_type, "Idempotency-Key": outgoing.idempotency_key + salt}
    params = {"dry_run": "true"} if dry_run else None
    answer = api.call("POST", "/v1/submissions", content=outgoing.content, headers=headers, params=params).json()
    return _receipt(answer)


def follow(api: Api, submission_id: str, deadline: float, timing: Timing) -> Receipt:
    """Look at a submission until its figures are applied, or set aside.

    Raises:
        Unavailable: it is not settled by the deadline (of `timing.now`).
    """
    wait = _FIRST_LOOK_S
    while True:
        receipt = status_of(api, submission_id)
        if receipt.status in _SETTLED:
            return receipt
        if timing.now() + wait > deadline:
            raise Unavailable(f"{submission_id}: {receipt.status}")
        timing.sleep(wait)
        wait = min(wait * 2, _LONGEST_LOOK_S)


def status_of(api: Api, submission_id: str) -> Receipt:
    """The submission's receipt as it is now."""
    return _receipt(api.call("GET", f"/v1/submissions/{submission_id}").json())


def _receipt(answer: dict[str, Any]) -> Receipt:
    return Receipt(
        submission_id=str(answer.get("submission_id", "")),
        status=str(answer.get("status", "")),
        org=str(answer.get("org", "")),
        figures=int(answer.get("figures", 0)),
        warnings=tuple(answer.get("warnings") or ()),
        reason=str(answer.get("reason") or ""),
    )


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(p for p in path.iterdir() if p.suffix.lower() in _SUFFIXES)
    if not path.is_file():
        raise Misused(f"{path}: 没有这个文件 / no such file")
    return [path]


def _read(file: Path) -> Iterator[Outgoing]:
    suffix = file.suffix.lower()
    if suffix in _YAML:
        try:
            submissions = load_reported(file)
        except CatalogueRefused as error:
            raise Misused("\n".join(error.faults)) from error
        for number, submission in enumerate(submissions, start=1):
            yield outgoing_of(submission, f"{file.name} #{number}")
    elif suffix in MEDIA_TYPES:
        yield Outgoing(file.name, (None,), file.read_bytes(), MEDIA_TYPES[suffix])
    elif suffix == ".json":
        yield from _read_json(file)
    else:
        kinds = " ".join(sorted(_SUFFIXES))
        raise Misused(f"{file}: 只接受 {kinds} / only these kinds of file are taken")


def _read_json(file: Path) -> Iterator[Outgoing]:
    content = file.read_bytes()
    try:
        # Numbers stay the text that was written: 0.1 is never made a binary float on the way.
        parsed = json.loads(content, parse_float=str, parse_int=str)
    except ValueError as error:
        raise Misused(f"{file}: {error}") from error
    if isinstance(parsed, list):
        for number, body in enumerate(parsed, start=1):
            yield _outgoing_of_json(f"{file.name} #{number}", body, None)
    else:
        # One body is sent as it was written, faults and all: the service tells where they are in this file.
        yield _outgoing_of_json(file.name, parsed, None if _names_reporter(parsed) else content)


def _names_reporter(body: object) -> bool:
    return isinstance(body, dict) and "reporter" in body


def _outgoing_of_json(name: str, body: object, content: bytes | None) -> Outgoing:
    holders: tuple[str | None, ...] = (None,)
    if isinstance(body, dict):
        holders = (_text(body.get("reporter")), _text(body.get("org")))
        body = {key: value for key, value in body.items() if key != "reporter"}
    return Outgoing(name, holders, content if content is not None else orjson.dumps(body, option=orjson.OPT_SORT_KEYS))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
