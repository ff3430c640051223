"""Speaks HTTP to one service: its key, its patience, and what its refusals mean."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from fourones.errors import Misused, Refused, Unavailable

# A restart of a service takes seconds, a failover of its database half a minute; longer is for people to look at.
PATIENCE_S = 90.0
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 15.0
# A submission of 5,000 figures is answered within a second; this allows for a machine under full load.
TIMEOUT_S = 30.0

_LATER = frozenset(
    {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT}
)
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Timing:
    """The passing of time and chance, as inputs.

    Attributes:
        patience: seconds after which repeating ends.
    """

    patience: float = PATIENCE_S
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random


@dataclass(slots=True)
class Problem(Exception):
    """An answer that says no, as a problem document."""

    status: int
    detail: str
    errors: list[Mapping[str, Any]] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.status}: {self.detail}"


class Api:
    """One service at one address with one key.

    Args:
        url: such as `http://127.0.0.1:8001`.
        key: the API key, without "Bearer".
        timing: the passing of time.
        transport: for tests.
    """

    def __init__(
        self, url: str, key: str, *, timing: Timing | None = None, transport: httpx.BaseTransport | None = None
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise Misused(f"{url!r} 不是服务地址 / is not the address of a service")
        self._timing = timing or Timing()
        self._authorization = _authorization(key)
        self._http = httpx.Client(
            base_url=url,
            timeout=TIMEOUT_S,
            transport=transport,
            # A proxy meant for the internet cannot reach this machine's own services.
            trust_env=parts.hostname not in _LOOPBACK,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def bearing(self, key: str) -> Api:
        """The same service over the same connections with another key; closed with this one."""
        other = copy(self)
        other._authorization = _authorization(key)  # noqa: SLF001 - its own class
        return other

    def call(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a request, repeating it while the service is away or busy.

        Every request of this command may be repeated: reading changes nothing, a submission bears an
        `Idempotency-Key`, a catalogue the version that it replaces.

        Raises:
            Problem: the service says no.
            Unavailable: it did not answer, or only with server errors, until patience ended.
        """
        timing, attempt = self._timing, 0
        deadline = timing.now() + timing.patience
        while True:
            answer, why = self._once(method, path, content, headers, params)
            if answer is not None and not _is_later(answer):
                return _accepted(answer)
            wait = _pause(answer, attempt, timing.chance())
            if timing.now() + wait > deadline:
                raise Unavailable(f"{str(self._http.base_url).rstrip('/')}{path}: {why}")
            timing.sleep(wait)
            attempt += 1

    def pages(self, path: str, params: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        """The items of a list, over all its pages."""
        query = dict(params)
        while True:
            page = self.call("GET", path, params=query).json()
            yield from page["items"]
            if page.get("next") is None:
                return
            query["cursor"] = page["next"]

    def _once(
        self,
        method: str,
        path: str,
        content: bytes | None,
        headers: Mapping[str, str] | None,
        params: Mapping[str, str] | None,
    ) -> tuple[httpx.Response | None, str]:
        borne = {**(headers or {}), "Authorization": self._authorization}
        try:
            answer = self._http.request(method, path, content=content, headers=borne, params=params)
        except httpx.TransportError as error:
            return None, f"{type(error).__name__}: {error}"
        return answer, f"HTTP {answer.status_code}"


def _authorization(key: str) -> str:
    if not key.isascii() or any(c.isspace() for c in key) or not key:
        raise Misused("密钥为空或含有非法字符 / the key is empty or has characters that no key has")
    return f"Bearer {key}"


def _is_later(answer: httpx.Response) -> bool:
    if answer.status_code in _LATER:
        return True
    # 409 only says that the same submission is still being taken in.
    return answer.status_code == HTTPStatus.CONFLICT and "Idempotency-Key" in answer.request.headers


def _accepted(answer: httpx.Response) -> httpx.Response:
    if answer.is_success or answer.status_code == HTTPStatus.NOT_MODIFIED:
        return answer
    if answer.is_server_error:
        raise Unavailable(f"{answer.request.url.path}: HTTP {answer.status_code}")
    raise _problem(answer)


def _problem(answer: httpx.Response) -> Problem:
    try:
        body = answer.json()
    except ValueError:
        body = {}
    if not isinstance(body, Mapping):
        body = {}
    detail = str(body.get("detail") or body.get("title") or answer.reason_phrase)
    errors = body.get("errors") or []
    return Problem(answer.status_code, detail, [e for e in errors if isinstance(e, Mapping)])


def _pause(answer: httpx.Response | None, attempt: int, chance: float) -> float:
    """How long to wait: what the service asks for, else ever longer; spread, so that many do not return at once."""
    asked = _retry_after(answer.headers.get("Retry-After")) if answer is not None else None
    if asked is not None:
        return asked + chance * FIRST_PAUSE_S
    return min(FIRST_PAUSE_S * 2.0 ** min(attempt, 10), LONGEST_PAUSE_S) * (0.5 + chance / 2)


def _retry_after(header: str | None) -> float | None:
    if header is None:
        return None
    if header.strip().isascii() and header.strip().isdigit():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def refusal(problem: Problem, what: str) -> Refused:
    """A refusal in words: what was refused, and why."""
    return Refused(f"{what}: {problem.detail} (HTTP {problem.status})")
