"""How much a connection may ask of the server before there is a request at all, and what it is told.

The parser is h11's. httptools takes a request that offers HTTP/2 (`Upgrade: h2c`, as Java's own client sends by
default) for one without a body, and bounds neither the size nor the time of a request's head.
"""

from __future__ import annotations

import asyncio
import sys
from http import HTTPStatus
from typing import Any

import h11
import orjson
from uvicorn.protocols.http.h11_impl import H11Protocol

from fourones_shared.http.problems import MEDIA_TYPE

# A key, a trace and an idempotency key come to 500 bytes; browsers and gateways add some thousands.
LARGEST_HEAD_BYTES = 64 * 1024
# From the connection, or from the first byte after an answer, to the end of the head.
HEAD_TIMEOUT_S = 20.0
# A client that is still sending would lose the answer if the connection ended at once.
LINGER_S = 2.0


class _Parser(h11.Connection):
    """h11 bounds a head that is incomplete; this one also one that came whole."""

    def __init__(self) -> None:
        super().__init__(h11.SERVER, max_incomplete_event_size=LARGEST_HEAD_BYTES)

    def next_event(self) -> Any:
        """The next event of what has come.

        Raises:
            h11.RemoteProtocolError: when it is no HTTP, or its head is too large.
        """
        event = super().next_event()
        if isinstance(event, h11.Request):
            size = len(event.target) + sum(len(name) + len(value) for name, value in event.headers)
            if size > LARGEST_HEAD_BYTES:
                raise h11.RemoteProtocolError(
                    "the head is too large", error_status_hint=HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
                )
        return event


class BoundedConnection(H11Protocol):
    """uvicorn's connection with limits: 431 for a head that is too large, 408 for one that takes too long."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn = _Parser()
        self._refused = False
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request, but not for ever."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has come."""
        if self._refused:
            # Read away, so that the client sees the answer rather than a broken connection.
            return
        super().data_received(data)
        if self._refused:
            return
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
        elif self._deadline is None:
            self._wait_for_head()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words are English
        """Answer to what could not be parsed, or was too large to go on with."""
        error = sys.exception()
        hint = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else HTTPStatus.BAD_REQUEST
        self._answer(*(_TOO_LARGE if hint == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE else _NOT_HTTP))

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: every request of a client that would rather speak HTTP/2 offers it, and none minds."""

    def _wait_for_head(self) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(HEAD_TIMEOUT_S, self._waited)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _waited(self) -> None:
        if self.conn.trailing_data[0]:
            self._answer(*_TOO_SLOW)
        else:
            self.transport.close()

    def _answer(self, status: HTTPStatus, detail: str) -> None:
        self._refused = True
        self._stop_waiting()
        if self.transport.is_closing():
            return
        body = orjson.dumps({"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail})
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: {MEDIA_TYPE}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self._deadline = self.loop.call_later(LINGER_S, self.transport.close)
        else:
            self.transport.close()


_TOO_LARGE = (
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    f"请求头超过 {LARGEST_HEAD_BYTES} 字节的上限:请去掉多余的请求头,或缩短地址",
)
_TOO_SLOW = HTTPStatus.REQUEST_TIMEOUT, f"请求头在 {HEAD_TIMEOUT_S:g} 秒内没有传完:请检查网络后重试"
_NOT_HTTP = HTTPStatus.BAD_REQUEST, "请求不是有效的 HTTP:请检查地址、请求头和长度"
