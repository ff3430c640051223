"""`POST /v1/alertmanager`: the webhook that Alertmanager calls. It only notes that there is something to look at."""

from __future__ import annotations

import hmac
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import Counter
from pydantic import BaseModel, SecretStr

from fourones_alerting.api.bodies import body_of, read_as
from fourones_alerting.notifying.alertmanager import Call, occasions_of
from fourones_alerting.notifying.occasions import note
from fourones_shared.http.problems import Problem
from fourones_shared.http.service import ERRORS

# A group of a thousand alerts comes to two megabytes.
LARGEST_BODY_BYTES = 16 * 1024 * 1024
CALLS = Counter("fourones_alertmanager_calls_total", "Calls of Alertmanager that were noted.")

_TOKEN = HTTPBearer(
    auto_error=False, scheme_name="alertmanager", description="`FOURONES_ALERTMANAGER_TOKEN`, which is no API key"
)


class NotedAnswer(BaseModel):
    """How many of a call's alerts were noted; the others are for nobody here."""

    noted: int


def alertmanager_router(token: SecretStr | None) -> APIRouter:
    """The route; `token` is what Alertmanager must bear."""
    wanted = None if token is None else token.get_secret_value().encode()

    async def from_alertmanager(
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_TOKEN)],
    ) -> None:
        if wanted is None:
            # Alertmanager calls again after a 503, and not after a 401: what it has to say is not lost.
            detail = "没有配置 FOURONES_ALERTMANAGER_TOKEN，不能接收告警：请为 alerting 的 API 设置后重启"
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": "60"})
        given = "" if credentials is None else credentials.credentials
        if not hmac.compare_digest(given.encode(), wanted):
            detail = "告警令牌缺失或不符：请在 Alertmanager 的 authorization 中使用 FOURONES_ALERTMANAGER_TOKEN 的值"
            raise Problem(HTTPStatus.UNAUTHORIZED, detail, headers={"WWW-Authenticate": "Bearer"})

    shown: dict[int | str, dict[str, object]] = {status: ERRORS[status] for status in (401, 422, 503)}
    router = APIRouter(prefix="/v1", tags=["alertmanager"], responses=shown)

    # The body is read by hand, after the token: nobody else's fills the memory.
    content = {"application/json": {"schema": Call.model_json_schema()}}
    documented = {"requestBody": {"required": True, "content": content}}

    @router.post("/alertmanager", dependencies=[Depends(from_alertmanager)], openapi_extra=documented)
    async def called(request: Request) -> NotedAnswer:
        """Take a call of Alertmanager (webhook version 4); who is told what is decided later."""
        call = read_as(await body_of(request, LARGEST_BODY_BYTES), Call)
        found = list(occasions_of(call))
        async with request.app.state.engine.begin() as connection:
            await note(connection, found, request.app.state.clock.now())
        CALLS.inc()
        return NotedAnswer(noted=len(found))

    return router
