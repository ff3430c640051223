"""Sending a submission, so that sending it again changes nothing, and following it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from fourones.client import Api, Timing
from fourones.errors import Unavailable
from fourones_shared.catalogue.reported import ReportedSubmission

JSON = "application/json"
CSV = "application/vnd.sdmx.data+csv; version=2.0.0"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

_FIRST_LOOK_S = 0.1
_LONGEST_LOOK_S = 2.0
SETTLED = frozenset({"applied", "dead_lettered"})


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One submission to send.

    Attributes:
        name: what messages call it; of a file in a folder its path from the folder on.
        holders: whose key it bears: the first of them that has one.
        content: the body, sent as it is.
        media_type: of the body.
        folder: the folder that was given, when it was found in one.
    """

    name: str
    holders: tuple[str | None, ...]
    content: bytes
    media_type: str = JSON
    folder: Path | None = None

    @property
    def digest(self) -> bytes:
        """What tells other content from the same."""
        return hashlib.sha256(self.media_type.encode() + b"\n" + self.content).digest()

    @property
    def idempotency_key(self) -> str:
        """The same content bears the same key, so that a second sending is answered with the first one's answer."""
        return "fourones-" + self.digest.hex()[:40]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the service says about a submission; `answer` is all of it."""

    submission_id: str
    status: str
    org: str
    figures: int
    warnings: Sequence[Mapping[str, Any]] = ()
    reason: str = ""
    answer: Mapping[str, Any] = field(default_factory=dict)


def outgoing_of(submission: ReportedSubmission, name: str) -> Outgoing:
    """A submission made here, ready to send."""
    content = orjson.dumps(submission.body(), option=orjson.OPT_SORT_KEYS)
    return Outgoing(name, (submission.reporter, submission.org), content)


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
        if receipt.status in SETTLED:
            return receipt
        if timing.now() + wait > deadline:
            raise Unavailable(f"{submission_id}: {receipt.status}")
        timing.sleep(wait)
        wait = min(wait * 2, _LONGEST_LOOK_S)


def status_of(api: Api, submission_id: str) -> Receipt:
    """The submission's receipt as it is now."""
    return _receipt(api.call("GET", f"/v1/submissions/{submission_id}").json())


def _receipt(answer: Mapping[str, Any]) -> Receipt:
    return Receipt(
        submission_id=str(answer.get("submission_id", "")),
        status=str(answer.get("status", "")),
        org=str(answer.get("org", "")),
        figures=int(answer.get("figures", 0)),
        warnings=tuple(answer.get("warnings") or ()),
        reason=str(answer.get("reason") or ""),
        answer=answer,
    )
