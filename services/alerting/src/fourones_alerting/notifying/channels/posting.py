"""Posting over HTTP: one request, one answer, and nothing of the address in what is logged or raised."""

from __future__ import annotations

import json
import logging
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from fourones_alerting.notifying.channels.channel import Undelivered

# A healthy robot answers within a second. One that takes longer than this has trouble, and the message may or may not
# have gone out; waiting on would only keep the others.
_TIMEOUT = httpx.Timeout(8.0, connect=4.0)
_ANSWERED_WITHIN_S = 10.0
# Every answer that matters is a few hundred bytes.
_LONGEST_ANSWER = 64 * 1024
# Nobody who asks for more patience than this is obeyed: the fact would be stale.
_LONGEST_WAIT_S = 3600.0
_LONGEST_QUOTE = 200
_KEY = re.compile(r"[\w-]{16,}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the receiver answered."""

    status: int
    retry_after_s: float | None
    body: bytes

    def fields(self) -> Mapping[str, Any]:
        """The body, where it is a JSON object; else nothing."""
        try:
            read = json.loads(self.body)
        except ValueError:
            return {}
        return read if isinstance(read, dict) else {}


class Poster:
    """Posts JSON; one for all channels."""

    def __init__(self, proxy: str | None = None) -> None:
        self._proxy = proxy
        self._tls: ssl.SSLContext = httpx.create_ssl_context()
        # At INFO it writes every address it calls, and a robot's address is its key.
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)

    def post(self, address: str, content: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        """Post the content.

        Raises:
            Undelivered: when no whole answer came.
        """
        try:
            # A client of its own for each message: they are few, and no connection that went stale in between can
            # leave it open whether the message went out.
            with (
                httpx.Client(
                    verify=self._tls, proxy=self._proxy, trust_env=False, timeout=_TIMEOUT, follow_redirects=False
                ) as client,
                client.stream(
                    "POST",
                    address,
                    content=content,
                    headers={"Content-Type": "application/json; charset=utf-8", **(headers or {})},
                ) as response,
            ):
                return Answer(response.status_code, _retry_after(response), _body(response))
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            # Of the error only its name: its text and its cause may hold the address.
            raise Undelivered(f"no answer: {_WORDS.get(type(error), type(error).__name__)}") from None


_WORDS: Mapping[type[Exception], str] = {
    httpx.ConnectError: "could not connect (name, port, certificate or proxy)",
    httpx.ConnectTimeout: "could not connect in time",
    httpx.ReadTimeout: "connected and sent, but not answered in time",
    httpx.RemoteProtocolError: "the connection was closed before the answer",
    httpx.ReadError: "the connection broke before the answer",
    httpx.ProxyError: "the proxy refused",
}


def as_json(content: object) -> bytes:
    """JSON in UTF-8 with its characters as they are: escaped ones would take twice the room."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), default=str).encode()


def json_size(text: str) -> int:
    """How many bytes the text takes within a JSON string."""
    return len(json.dumps(text, ensure_ascii=False).encode()) - 2


def require_ok(answer: Answer, receiver: str) -> None:
    """Raise unless the answer's status is 200.

    Raises:
        Undelivered: with the status, and for how long the receiver wants to be left alone where it says so.
    """
    if answer.status == httpx.codes.OK:
        return
    raise Undelivered(f"{receiver} answered with HTTP status {answer.status}", after_s=answer.retry_after_s)


def quoted(said: object, *hidden: str) -> str:
    """What a receiver said of its refusal, short and without anything hidden or any key within it."""
    text = " ".join(str(said).split())
    for secret in hidden:
        for part in (secret, *_KEY.findall(secret)):
            text = text.replace(part, "…")
    return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…"


def _body(response: httpx.Response) -> bytes:
    ends = time.monotonic() + _ANSWERED_WITHIN_S
    read = bytearray()
    for piece in response.iter_bytes():
        read += piece
        if len(read) > _LONGEST_ANSWER or time.monotonic() > ends:
            break
    return bytes(read[:_LONGEST_ANSWER])


def _retry_after(response: httpx.Response) -> float | None:
    said = response.headers.get("Retry-After", "").strip()
    if said.isdecimal():
        return min(float(said), _LONGEST_WAIT_S)
    try:
        moment = parsedate_to_datetime(said)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - datetime.now(UTC)).total_seconds(), 0.0), _LONGEST_WAIT_S)
