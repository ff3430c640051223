"""How much a connection may ask of the server before there is a request at all.

uvicorn bounds neither the size of a request's head nor the time it takes when httptools parses it: a client that never
ends its headers would hold memory, or a connection, for ever.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fourones_shared.http.problems import MEDIA_TYPE

# A key, a trace and an idempotency key come to 500 bytes; browsers and gateways add some thousands.
LARGEST_HEAD_BYTES = 64 * 1024
# From the first byte to the last of the head, and from the connection to its first request.
HEAD_TIMEOUT_S = 20.0
# A client that is still sending would lose the answer if the connection ended at once.
LINGER_S = 2.0


class BoundedConnection(HttpToolsProtocol):
    """uvicorn's connection with limits: 431 for a head that is too large, 408 for one that takes too long."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._begun = False
        # By the parser, without what it keeps of a header that has not ended; and by what came in while in the head.
        self._parsed_bytes = 0
        self._received_bytes = 0
        self._refusal: tuple[HTTPStatus, str] | None = None
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
        in_head = self._in_head
        super().data_received(data)
        if in_head and self._in_head and not self._refused:
            self._received_bytes += len(data)
            if self._received_bytes > LARGEST_HEAD_BYTES:
                self._answer(*_TOO_LARGE)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._begun, self._in_head = True, True
        self._parsed_bytes = self._received_bytes = 0
        self._wait_for_head()

    def on_url(self, url: bytes) -> None:
        """A part of the request's target."""
        self._parsed(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A whole header."""
        self._parsed(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The request is known, and goes to the application."""
        self._in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words are English
        """Answer to what could not be parsed, or was too large to go on with."""
        self._answer(*(self._refusal or _NOT_HTTP))

    def _parsed(self, size: int) -> None:
        self._parsed_bytes += size
        if self._parsed_bytes > LARGEST_HEAD_BYTES:
            self._refusal = _TOO_LARGE
            # Ends the parser's run; uvicorn then asks for the answer.
            raise ValueError("the head of the request is too large")

    def _wait_for_head(self) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(HEAD_TIMEOUT_S, self._waited)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _waited(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            # The answer to the request before this one is still being written.
            self._wait_for_head()
        elif self._begun:
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
