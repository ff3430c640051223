"""`/v1/problems`: the routes of the problem list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import BaseModel

from fourones_alerting.api.problem_list import BODIES, LARGEST_NUMBER, FiguresAsked, ProblemList
from fourones_alerting.api.problem_models import (
    FiguresAnswer,
    ProblemAnswer,
    ProblemDetail,
    ProblemRaised,
    StateWord,
)
from fourones_alerting.domain.problems import Action
from fourones_shared.http.paging import Cursor, Limit, Page
from fourones_shared.http.service import ERRORS, Caller

Number = Annotated[int, Path(ge=1, le=LARGEST_NUMBER)]
IfMatch = Annotated[str | None, Header(alias="If-Match", description='the ETag that was read, such as "3"')]
IdempotencyKey = Annotated[
    str | None, Header(alias="Idempotency-Key", description="the same key and request get the first answer again")
]
Filter = Annotated[str | None, Query(max_length=200)]
_SAID_MORE: dict[int | str, dict[str, Any]] = {
    status: {**ERRORS[422], "description": said}
    for status, said in (
        (400, "not parseable"),
        (404, "not there, or not yours"),
        (409, "the step does not follow; `detail` says what is possible"),
        (412, "it has changed since"),
        (413, "too large"),
        (415, "not JSON"),
    )
}
_ETAG = {"headers": {"ETag": {"schema": {"type": "string"}, "description": 'the version, such as "3"'}}}


def problems_router(problems: ProblemList) -> APIRouter:
    """The routes, over the list that they serve."""
    router = APIRouter(prefix="/v1/problems", tags=["problems"], responses=ERRORS)
    said: dict[int | str, dict[str, Any]] = {status: _SAID_MORE[status] for status in (400, 413, 415)}

    @router.post(
        "",
        status_code=HTTPStatus.CREATED,
        responses={**said, 201: _ETAG},
        openapi_extra=_documented(ProblemRaised),
    )
    async def opened(
        request: Request, response: Response, caller: Caller, idempotency_key: IdempotencyKey = None
    ) -> ProblemDetail:
        """Raise a problem about a project, an enterprise, a target or something else."""
        detail = await problems.opened(request, caller, idempotency_key)
        response.headers["Location"] = f"/v1/problems/{detail.id}"
        return _tagged(response, detail)

    @router.get("")
    async def listed(  # noqa: PLR0917
        caller: Caller,
        state: StateWord | Literal["open"] | None = None,
        department: Filter = None,
        org: Filter = None,
        cluster: Filter = None,
        target: Filter = None,
        overdue: bool | None = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Page[ProblemAnswer]:
        """Problems, the newest first; without a filter all that the key is shown. `open` is every state but closed.

        A reporter or department is shown those that it answers for, has raised, or that are about it.
        """
        problems.known_filters(department=department, org=org, cluster=cluster)
        filters = {
            "state": state,
            "department": department,
            "org": org,
            "cluster": cluster,
            "target": target,
            "overdue": overdue,
        }
        return await problems.page(caller, filters, limit, cursor)

    @router.get("/figures")
    async def figures(caller: Caller, asked: Annotated[FiguresAsked, Query()]) -> FiguresAnswer:
        """Opened, closed, closed on time, open and overdue, per department or per county.

        A problem of several departments counts with each of them. A reporter or department is shown its own line.
        """
        return await problems.figures(caller, asked)

    @router.get("/{number}", responses={404: _SAID_MORE[404], 200: _ETAG})
    async def one(response: Response, caller: Caller, number: Number) -> ProblemDetail:
        """One problem with its history."""
        return _tagged(response, await problems.one(caller, number))

    for action, body in BODIES.items():
        router.add_api_route(
            f"/{{number}}/{action.value}",
            _step_route(problems, action),
            methods=["POST"],
            name=f"problem_{action.value}",
            summary=_SUMMARIES[action],
            response_model=ProblemDetail,
            responses={**_SAID_MORE, 200: _ETAG},
            openapi_extra=_documented(body),
        )
    return router


def _step_route(problems: ProblemList, action: Action) -> Callable[..., Any]:
    async def step(  # noqa: PLR0917
        request: Request,
        response: Response,
        caller: Caller,
        number: Number,
        if_match: IfMatch = None,
        idempotency_key: IdempotencyKey = None,
    ) -> ProblemDetail:
        return _tagged(response, await problems.stepped(request, caller, number, action, (if_match, idempotency_key)))

    return step


_SUMMARIES: Mapping[Action, str] = {
    Action.ACKNOWLEDGE: "签收: who holds it has taken note",
    Action.START: "办理: work has begun",
    Action.REPORT: "反馈: who holds it says what was done",
    Action.VERIFY: "复核: the coordinating office has seen that it is so",
    Action.CLOSE: "销号: the coordinating office takes it off the list",
    Action.REOPEN: "退回: the coordinating office sends it back",
    Action.ESCALATE: "上报: one level up",
}


def _documented(body: type[BaseModel]) -> dict[str, Any]:
    needed = any(field.is_required() for field in body.model_fields.values())
    return {"requestBody": {"required": needed, "content": {"application/json": {"schema": body.model_json_schema()}}}}


def _tagged(response: Response, detail: ProblemDetail) -> ProblemDetail:
    response.headers["ETag"] = f'"{detail.version}"'
    return detail
