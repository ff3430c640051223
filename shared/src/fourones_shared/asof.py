"""`as_of`: which moment a question is about. What was known then, as one service knew it.

A token `<service>:<snapshot>@<unix ms>` names a moment of that service exactly; a time (RFC 3339) names, in every
service, the last snapshot taken by then.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from fourones_shared.errors import Rejected

_TOKEN = re.compile(r"(?P<service>[a-z]+):(?P<snapshot>\d{1,18})(?:@(?P<ms>\d{1,15}))?\Z", re.ASCII)


class NotAMoment(Rejected):
    """What was given as `as_of` names no moment of this service; the message says why, Chinese."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request's `as_of` names: a snapshot, or a time, or a snapshot at a time of its own."""

    snapshot: int | None
    at: datetime | None


def read_as_of(text: str, service: str) -> Asked:
    """Read a token or a time.

    Args:
        text: as the client gave it.
        service: whose tokens are known.

    Raises:
        NotAMoment: when it is neither, or another service's token.
    """
    token = _TOKEN.match(text)
    if token is not None:
        if token["service"] != service:
            raise NotAMoment(f"{text!r} 是 {token['service']} 服务的时点标记,本服务只认自己返回的 as_of;也可写时间")
        at = None if token["ms"] is None else datetime.fromtimestamp(int(token["ms"]) / 1000, UTC)
        return Asked(int(token["snapshot"]), at)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise NotAMoment(
            f"{text!r} 不是有效的时点:请原样使用返回的 as_of(如 {service}:42@1776211200000),"
            "或写带时区的时间(如 2026-04-15T18:00:00+08:00,URL 中 + 须写成 %2B)"
        )
    return Asked(None, at.astimezone(UTC))


def token(service: str, snapshot: int, at: datetime) -> str:
    """The name of the moment with that snapshot and clock."""
    return f"{service}:{snapshot}@{round(whole_milliseconds(at).timestamp() * 1000)}"


def whole_milliseconds(at: datetime) -> datetime:
    """The moment as exactly as a token can name it."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
