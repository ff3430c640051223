"""Errors as RFC 9457 problem details. `detail` is Chinese for the clerk who reads it; `code` is for machines."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from fourones_shared.database.engine import is_transient

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"


class Fault(BaseModel):
    """One thing that is wrong with a request: where, which rule, and how to mend it."""

    pointer: str
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
        return _answer(request, HTTPStatus(error.status_code), str(error.detail), None, dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def validation(request: Request, error: RequestValidationError) -> Response:
        faults = [_fault(e) for e in error.errors()]
        return _answer(request, HTTPStatus.UNPROCESSABLE_ENTITY, "请求有误,请按 errors 逐条修改", faults)

    @app.exception_handler(DBAPIError)
    async def database(request: Request, error: DBAPIError) -> Response:
        if not is_transient(error):
            raise error
        log.warning("database is away", error=str(error).splitlines()[0])
        return _away(request)

    @app.exception_handler(PoolTimeout)
    async def pool(request: Request, _: PoolTimeout) -> Response:
        return _away(request)


def _away(request: Request) -> Response:
    detail = "数据库暂时不可用,请稍后用同一个 Idempotency-Key 重试"
    return _answer(request, HTTPStatus.SERVICE_UNAVAILABLE, detail, None, {"Retry-After": "2"})


def _fault(error: Any) -> Fault:
    place = [str(part) for part in error["loc"]]
    pointer = "/" + "/".join(place[1:]) if place[:1] == ["body"] else f"{place[0]}:{'/'.join(place[1:])}"
    return Fault(pointer=pointer, code=error["type"], detail=error["msg"])


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
