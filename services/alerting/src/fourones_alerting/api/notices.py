"""`GET /v1/notices`: who was told what and when, without any address."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from sqlalchemy import text

from fourones_alerting.notifying.notices import Kind, State
from fourones_shared.access.keys import Principal
from fourones_shared.http.paging import Cursor, Limit, Page, cut, decode_cursor
from fourones_shared.http.problems import Problem
from fourones_shared.http.service import ERRORS, Caller

Filter = Annotated[str | None, Query(max_length=200)]


class NoticeAnswer(BaseModel):
    """One notice to one channel."""

    number: int = Field(description="as shown in the message, the same at every attempt")
    kind: Kind
    state: State
    department: str = Field(description="who is told: a department, `operators` or `coordinator`")
    channel: str
    channel_kind: str
    target: str | None
    period: str | None
    episode: int | None
    problem: int | None = Field(description="of a notice about a step of a problem")
    level: str
    title: str
    text: str
    link: str | None
    made_at: datetime
    attempts: int
    attempted_at: datetime | None
    next_attempt_at: datetime | None = Field(description="of what is waiting")
    settled_at: datetime | None = Field(description="when it was sent, given up or dropped")
    reason: str | None = Field(description="why it was not sent")
    part_of: int | None = Field(description="the digest that tells it")


def notices_router() -> APIRouter:
    """The routes; they find the engine in the application's state."""
    router = APIRouter(prefix="/v1", tags=["notices"], responses=ERRORS)

    @router.get("/notices")
    async def notices(  # noqa: PLR0917
        request: Request,
        caller: Caller,
        target: Filter = None,
        department: Filter = None,
        problem: Annotated[int | None, Query(ge=1)] = None,
        state: State | None = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Page[NoticeAnswer]:
        """The notices, newest first. Departments see their own."""
        after = decode_cursor(cursor, 1)
        if after is not None and not isinstance(after[0], int):
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "cursor 无效：请原样使用上一页返回的 next")
        parameters = {
            "target": target,
            "department": _department(caller, department),
            "problem": problem,
            "state": state,
            "after": None if after is None else after[0],
            "limit": limit + 1,
        }
        async with request.app.state.engine.begin() as connection:
            rows = [dict(row) for row in (await connection.execute(_READ, parameters)).mappings()]
        page, following = cut(rows, limit, lambda row: [row["number"]])
        return Page(items=[NoticeAnswer.model_validate(_answer(row)) for row in page], next=following)

    return router


def _department(caller: Principal, asked: str | None) -> str | None:
    if caller.reads_everything:
        return asked
    if caller.org is None or asked not in {None, caller.org}:
        raise Problem(HTTPStatus.FORBIDDEN, "只能查看发给本单位的通知：请去掉 department，或填写本单位的编号")
    return caller.org


def _answer(row: dict[str, Any]) -> dict[str, Any]:
    waits = row["state"] == State.WAITING
    return row | {"department": row["recipient"], "next_attempt_at": row["next_attempt_at"] if waits else None}


_READ = text(
    """
    SELECT * FROM notice
    WHERE (CAST(:target AS text) IS NULL OR target = :target)
    AND (CAST(:department AS text) IS NULL OR recipient = :department)
    AND (CAST(:problem AS bigint) IS NULL OR problem = :problem)
    AND (CAST(:state AS text) IS NULL OR state = :state)
    AND (CAST(:after AS bigint) IS NULL OR number < :after)
    ORDER BY number DESC LIMIT :limit
    """
)
