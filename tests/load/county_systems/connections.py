"""A connection to an API, as a county system has one."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

_TIMEOUT_S = 30.0


class Unreachable(Exception):
    """No answer came, neither at once nor on a new connection."""


class Connection:
    """One connection, opened with a request and kept until it is closed.

    Attributes:
        reopened: how often the other side had closed it: an instance that ends does so.
    """

    def __init__(self, url: str, *, tls: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        self._path = parts.path.rstrip("/")
        self._http: http.client.HTTPConnection
        if parts.scheme == "https":
            self._http = http.client.HTTPSConnection(parts.netloc, timeout=_TIMEOUT_S, context=tls)
        else:
            self._http = http.client.HTTPConnection(parts.netloc, timeout=_TIMEOUT_S)
        self.reopened = 0

    def ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Status and body of the answer.

        Raises:
            Unreachable: there was none.
        """
        try:
            return self._once(method, path, body, headers)
        except TimeoutError as error:
            self._http.close()
            raise Unreachable("no answer in time") from error
        except (http.client.HTTPException, OSError):
            # What a system does whose connection is gone: once more, with the same Idempotency-Key.
            self._http.close()
            self.reopened += 1
        try:
            return self._once(method, path, body, headers)
        except (http.client.HTTPException, OSError) as error:
            self._http.close()
            raise Unreachable(f"{type(error).__name__}: {error}") from error

    def get(self, path: str, headers: Mapping[str, str]) -> dict[str, Any]:
        """A document.

        Raises:
            Unreachable: there is none.
        """
        status, body = self.ask("GET", path, None, headers)
        if status != HTTPStatus.OK:
            raise Unreachable(f"{path}: {status} {body[:300].decode(errors='replace')}")
        return dict(json.loads(body))

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def _once(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        self._http.request(method, self._path + path, body, dict(headers))
        answer = self._http.getresponse()
        return answer.status, answer.read()
