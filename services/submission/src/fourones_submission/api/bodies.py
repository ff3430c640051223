"""Reading a request's body: its media type, its size and its pace are looked at before anything is parsed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from types import MappingProxyType

import anyio
from fastapi import Request
from starlette.requests import ClientDisconnect

from fourones_shared.http.problems import Fault, Problem

# A slow line needs half of it for the largest body; who takes longer holds a connection, and what it has sent.
BODY_TIMEOUT_S = 60.0
# A sender that hears of its mistake only after the whole body was sent would otherwise see a broken connection.
LINGER_S = 5.0

_UTF_8 = frozenset({"utf-8", "utf8"})
_NONE: Mapping[str, Collection[str]] = MappingProxyType({})
_CLOSE = {"Connection": "close"}


@dataclass(frozen=True, slots=True)
class ContentType:
    """What a request says of its body; `charset` is lower case, None when it is not named."""

    media_type: str
    charset: str | None


def content_type_of(
    request: Request,
    admitted: Collection[str],
    *,
    charsets: Mapping[str, Collection[str]] = _NONE,
    versions: Mapping[str, Collection[str]] = _NONE,
) -> ContentType:
    """What the body is.

    Args:
        request: whose header it is.
        admitted: media types.
        charsets: those of a media type that may be in others than UTF-8.
        versions: those of a media type that has any.

    Raises:
        Problem: 415 when it is none that is admitted, or compressed.
    """
    given = request.headers.get("content-type", "")
    header = Message()
    header["content-type"] = given
    media_type = header.get_content_type() if given else ""
    named = header.get_param("charset")
    charset = None if named is None else str(named).strip().lower()
    version = header.get_param("version")
    readable = media_type in admitted and (charset is None or charset in charsets.get(media_type, _UTF_8))
    if not readable or (version is not None and version not in versions.get(media_type, {version})):
        raise _unsupported(admitted, charsets, versions)
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "请求体不能压缩:请去掉 Content-Encoding")
    return ContentType(media_type, charset)


def media_type_of(request: Request, admitted: Collection[str]) -> str:
    """The media type of a body in UTF-8, lower case.

    Raises:
        Problem: 415 when it is not an admitted one, or in another encoding than UTF-8.
    """
    return content_type_of(request, admitted).media_type


async def body_of(request: Request, limit: int, *, timeout_s: float = BODY_TIMEOUT_S) -> bytes:
    """The body, read no further than `limit` bytes and no longer than `timeout_s`.

    Raises:
        Problem: 413 when it is longer; 408 when it takes longer; 400 when Content-Length is no number, or the sender
            went away.
    """
    announced = request.headers.get("content-length", "0")
    if not (announced.isascii() and announced.isdigit()):
        raise Problem(HTTPStatus.BAD_REQUEST, "请求头 Content-Length 不是数字")
    too_large = len(announced) > 18 or int(announced) > limit
    if too_large and "expect" in request.headers:
        # It waits to be told whether to send the body at all.
        raise _too_large(limit)
    body = bytearray()
    try:
        with anyio.fail_after(LINGER_S if too_large else timeout_s) as deadline:
            async for chunk in request.stream():
                if too_large:
                    continue
                body += chunk
                if len(body) > limit:
                    too_large = True
                    body.clear()
                    deadline.deadline = min(deadline.deadline, anyio.current_time() + LINGER_S)
    except TimeoutError as error:
        if not too_large:
            raise _too_slow(timeout_s) from error
    except ClientDisconnect as error:
        raise Problem(HTTPStatus.BAD_REQUEST, "连接在请求体传完之前断开") from error
    if too_large:
        raise _too_large(limit)
    return bytes(body)


def not_parseable(detail: str, line: int | None, column: int | None) -> Problem:
    """The answer to a body that is not of its format."""
    fault = Fault(line=line, column=column, code="not_parseable", detail=detail)
    place = "" if line is None else f"第 {line} 行第 {column} 列:"
    return Problem(HTTPStatus.BAD_REQUEST, place + detail, errors=[fault])


def _unsupported(
    admitted: Collection[str], charsets: Mapping[str, Collection[str]], versions: Mapping[str, Collection[str]]
) -> Problem:
    named = [name + (f"; version={max(versions[name])}" if name in versions else "") for name in admitted]
    encoding = "编码为 UTF-8" + (",CSV 也可以是 GB18030" if charsets else "")
    detail = f"不支持的格式:请求头 Content-Type 应为 {'、'.join(named)},{encoding}"
    return Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail, headers={"Accept": ", ".join(named)})


def _too_large(limit: int) -> Problem:
    detail = f"请求体超过 {limit} 字节的上限:请分几次报送"
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, headers=_CLOSE)


def _too_slow(timeout_s: float) -> Problem:
    detail = f"请求体在 {timeout_s:g} 秒内没有传完:请检查网络后重试,或分几次报送"
    return Problem(HTTPStatus.REQUEST_TIMEOUT, detail, headers=_CLOSE)
