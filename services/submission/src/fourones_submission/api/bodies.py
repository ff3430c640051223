"""Reading a request's body: its media type and its size are looked at before anything is parsed."""

from __future__ import annotations

from collections.abc import Collection
from email.message import Message
from http import HTTPStatus

from fastapi import Request

from fourones_shared.http.problems import Fault, Problem


def media_type_of(request: Request, admitted: Collection[str]) -> str:
    """The media type of the body, lower case.

    Raises:
        Problem: 415 when it is not an admitted one, or in another encoding than UTF-8.
    """
    header = Message()
    header["content-type"] = request.headers.get("content-type", "")
    media_type = header.get_content_type() if request.headers.get("content-type") else ""
    charset = str(header.get_param("charset", "utf-8")).lower()
    if media_type not in admitted or charset not in {"utf-8", "utf8"}:
        detail = f"不支持的格式:请求头 Content-Type 应为 {'、'.join(admitted)},编码为 UTF-8"
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail, headers={"Accept": ", ".join(admitted)})
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "请求体不能压缩:请去掉 Content-Encoding")
    return media_type


async def body_of(request: Request, limit: int) -> bytes:
    """The body, read no further than `limit` bytes.

    Raises:
        Problem: 413 when it is longer, before the rest is read; 400 when Content-Length is no number.
    """
    announced = request.headers.get("content-length", "0")
    if not (announced.isascii() and announced.isdigit()):
        raise Problem(HTTPStatus.BAD_REQUEST, "请求头 Content-Length 不是数字")
    if len(announced) > 18 or int(announced) > limit:
        raise _too_large(limit)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)
    return bytes(body)


def not_parseable(detail: str, line: int, column: int) -> Problem:
    """The answer to a body that is not of its format."""
    fault = Fault(line=line, column=column, code="not_parseable", detail=detail)
    return Problem(HTTPStatus.BAD_REQUEST, f"第 {line} 行第 {column} 列:{detail}", errors=[fault])


def _too_large(limit: int) -> Problem:
    return Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"请求体超过 {limit} 字节的上限:请分几次报送",
        headers={"Connection": "close"},
    )
