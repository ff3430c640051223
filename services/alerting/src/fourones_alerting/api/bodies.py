"""Reads a request's JSON body: its type and size are looked at before anything is parsed."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, TypeVar

import orjson
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from fourones_shared.http.problems import Fault, Problem

Body = TypeVar("Body", bound=BaseModel)

JSON = "application/json"


async def body_of(request: Request, limit: int) -> bytes:
    """The body, no more than `limit` bytes of it in memory.

    Raises:
        Problem: 413 when it is longer, 415 when it is not JSON, 400 when the sender went away.
    """
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                detail = f"请求体超过 {limit} 字节的上限：请缩短文字"
                raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, headers={"Connection": "close"})
    except ClientDisconnect as error:
        raise Problem(HTTPStatus.BAD_REQUEST, "连接在请求体传完之前断开") from error
    if body and request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        detail = f"不支持的格式：请求头 Content-Type 应为 {JSON}，编码为 UTF-8"
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail, headers={"Accept": JSON})
    return bytes(body)


def read_as(body: bytes, model: type[Body]) -> Body:
    """The body as a model; an empty one is an empty object.

    Raises:
        Problem: 400 when it is not JSON.
        RequestValidationError: answered with 422 and every fault.
    """
    try:
        content = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        detail = "请求体不是有效的 JSON，请检查后重新提交"
        fault = Fault(line=error.lineno, column=error.colno, code="not_parseable", detail=detail)
        raise Problem(HTTPStatus.BAD_REQUEST, detail, errors=[fault]) from error
    try:
        # Again from JSON's text: in it a day is a string, which strict reading of Python's own types would refuse.
        return model.model_validate_json(orjson.dumps(content), strict=True)
    except ValidationError as error:
        faults: list[Any] = error.errors(include_url=False)
        raise RequestValidationError([fault | {"loc": ("body", *fault["loc"])} for fault in faults]) from error
