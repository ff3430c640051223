"""Errors as RFC 9457 problem details. `detail` is Chinese for the clerk who reads it; `code` is for machines."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.routing import Match

from fourones_shared.database.engine import is_transient

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"


_Place = TypeVar("_Place", str, int)
# A place that a format does not have is left out, not null.
_IfAny = Annotated[_Place | None, Field(default=None, exclude_if=lambda place: place is None)]


class Fault(BaseModel):
    """One thing that is wrong with a request: where, which rule, and how to mend it.

    The place is a JSON pointer, or line and column (from 1), or sheet and cell, as the request's format has it. In a
    CSV the line is that of a text editor, and the column the number of the cell in its row.
    """

    pointer: _IfAny[str] = None
    line: _IfAny[int] = None
    column: _IfAny[int] = None
    sheet: _IfAny[str] = None
    cell: _IfAny[str] = None
    code: str
    detail: str


class ProblemDetails(BaseModel):
    """The body of every error answer."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str | None = None
    instance: str | None = None
    errors: list[Fault] | None = None


class Problem(Exception):
    """Raised to answer with an error."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        errors: Sequence[Fault] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors
        self.headers = headers


def install_problem_handlers(app: FastAPI) -> None:
    """Make every error of the app a problem document."""

    @app.exception_handler(Problem)
    async def problem(request: Request, error: Problem) -> Response:
        return _answer(request, error.status, error.detail, error.errors, error.headers)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        status = HTTPStatus(error.status_code)
        detail = _OF_THE_FRAMEWORK.get(status, error.detail) if error.detail == status.phrase else error.detail
        headers = dict(error.headers or {})
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(_methods_of(request))
        return _answer(request, status, str(detail), None, headers)

    @app.exception_handler(RequestValidationError)
    async def validation(request: Request, error: RequestValidationError) -> Response:
        faults = [_fault(e) for e in error.errors()]
        if any(fault.code == "json_invalid" for fault in faults):
            return _answer(request, HTTPStatus.BAD_REQUEST, "请求体不是有效的 JSON,请检查后重新提交", faults)
        return _answer(request, HTTPStatus.UNPROCESSABLE_ENTITY, "请求有误,请按 errors 逐条修改", faults)

    @app.exception_handler(Exception)
    async def unexpected(request: Request, _: Exception) -> Response:
        # Starlette raises it once more after this answer, so that it is logged whole.
        return _answer(request, HTTPStatus.INTERNAL_SERVER_ERROR, "服务内部出错,已记录;请稍后重试或联系管理员")

    @app.exception_handler(DBAPIError)
    async def database(request: Request, error: DBAPIError) -> Response:
        if not is_transient(error):
            raise error
        log.warning("database is away", error=str(error).splitlines()[0])
        return _away(request)

    @app.exception_handler(PoolTimeout)
    async def pool(request: Request, _: PoolTimeout) -> Response:
        return _away(request)


def _methods_of(request: Request) -> list[str]:
    """Every method of the address; the framework names only those of the first route that has it."""
    found: set[str] = set()
    for route in request.app.routes:
        match, _ = route.matches(request.scope)
        if match is not Match.NONE:
            found |= getattr(route, "methods", None) or set()
    return sorted(found)


def _away(request: Request) -> Response:
    detail = "数据库暂时不可用,请稍后用同一个 Idempotency-Key 重试"
    return _answer(request, HTTPStatus.SERVICE_UNAVAILABLE, detail, None, {"Retry-After": "2"})


def _fault(error: Any) -> Fault:
    place = [str(part).replace("~", "~0").replace("/", "~1") for part in error["loc"]]
    pointer = "/" + "/".join(place[1:]) if place[:1] == ["body"] else f"{place[0]}:{'/'.join(place[1:])}"
    said = _IN_CHINESE.get(error["type"])
    detail = f"不合要求:{error['msg']}" if said is None else said.format(**error.get("ctx", {}))
    return Fault(pointer=pointer, code=error["type"], detail=detail)


# The framework raises these with the phrase of the status alone.
_OF_THE_FRAMEWORK = {
    HTTPStatus.NOT_FOUND: "没有这个地址,请核对路径",
    HTTPStatus.METHOD_NOT_ALLOWED: "这个地址不支持该请求方法",
    HTTPStatus.BAD_REQUEST: "请求无法解析",
}

# What pydantic finds most often, in the words of who must mend it; anything else is told in pydantic's own.
_IN_CHINESE = {
    "missing": "缺少这一项,请补上",
    "extra_forbidden": "没有这一项,请删去或改正名称",
    "json_invalid": "不是有效的 JSON",
    "string_type": "应为文字",
    "string_too_long": "过长,最多 {max_length} 个字",
    "string_too_short": "过短,至少 {min_length} 个字",
    "string_pattern_mismatch": "格式不符,应符合 {pattern}",
    "int_type": "应为整数",
    "int_parsing": "应为整数",
    "int_from_float": "应为整数",
    "bool_type": "应为 true 或 false",
    "bool_parsing": "应为 true 或 false",
    "list_type": "应为列表",
    "dict_type": "应为对象",
    "model_attributes_type": "应为对象",
    "too_long": "过多,最多 {max_length} 项",
    "too_short": "过少,至少 {min_length} 项",
    "greater_than": "应大于 {gt}",
    "greater_than_equal": "应不小于 {ge}",
    "less_than": "应小于 {lt}",
    "less_than_equal": "应不大于 {le}",
    "enum": "应为以下之一:{expected}",
    "literal_error": "应为以下之一:{expected}",
    "datetime_parsing": "应为 RFC 3339 时间,例如 2025-12-08T12:00:00+08:00",
    "datetime_from_date_parsing": "应为 RFC 3339 时间,例如 2025-12-08T12:00:00+08:00",
    "datetime_type": "应为 RFC 3339 时间,例如 2025-12-08T12:00:00+08:00",
    "timezone_aware": "缺少时区,应为 RFC 3339 时间,例如 2025-12-08T12:00:00+08:00",
    "date_from_datetime_parsing": "应为日期,例如 2025-12-08",
    "date_parsing": "应为日期,例如 2025-12-08",
}


def _answer(
    request: Request,
    status: HTTPStatus,
    detail: str,
    errors: Sequence[Fault] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    body = ProblemDetails(
        title=status.phrase,
        status=status.value,
        detail=detail,
        instance=request.url.path,
        errors=list(errors) if errors is not None else None,
    )
    return JSONResponse(
        body.model_dump(exclude_none=True), status.value, headers=headers or None, media_type=MEDIA_TYPE
    )
