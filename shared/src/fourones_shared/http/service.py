"""The HTTP application every service starts from: keys, health, metrics, problems, trace context."""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import choose_encoder
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fourones_shared.access.keys import Principal
from fourones_shared.access.rates import Limiter
from fourones_shared.domain.clock import Clock
from fourones_shared.http.problems import Problem, ProblemDetails, install_problem_handlers
from fourones_shared.reference import ReferenceCopy
from fourones_shared.tracing import Traced, names, span

REQUESTS = Counter("fourones_http_requests_total", "Requests answered.", ["method", "route", "status"])
DURATION = Histogram(
    "fourones_http_request_duration_seconds",
    "From the request to its answer.",
    ["method", "route"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)

_END_OF_OPENMETRICS = b"# EOF\n"
# Asked every few seconds by those who watch: traces of them would bury the others.
_UNTRACED = frozenset({"/healthz", "/readyz", "/metrics"})

_BEARER = HTTPBearer(auto_error=False, description="`Authorization: Bearer <key>`")
# What OpenAPI says of the answers that ask to come again.
RETRY_AFTER = {"Retry-After": {"schema": {"type": "integer", "minimum": 1}, "description": "seconds"}}
ERRORS: dict[int | str, dict[str, object]] = {
    status: {"model": ProblemDetails, "content": {"application/problem+json": {}}, "description": phrase}
    | ({"headers": RETRY_AFTER} if status in {429, 503} else {})
    for status, phrase in (
        (401, "no key, or one that is not valid"),
        (403, "outside the key's scope"),
        (422, "wrong, with every fault"),
        (429, "the key has used up its rate; try again"),
        (503, "the database is away, or the service has just started; try again"),
    )
}


def service_app(
    *,
    title: str,
    description: str,
    reference: ReferenceCopy,
    clock: Clock,
    registry: CollectorRegistry = REGISTRY,
    more_metrics: Callable[[], bytes] | None = None,
    limiter: Limiter | None = None,
) -> FastAPI:
    """An application with `/healthz`, `/readyz` and `/metrics`; routes are added by the service.

    Ready means that the database answers and a catalogue is known. `more_metrics` gives further gauges, already in
    the text format: prometheus_client takes most of a second to write fifty thousand. `limiter` holds every key to
    its rate, on all routes that ask for one; without it none is held.
    """
    app = FastAPI(title=title, description=description, version="1", docs_url="/docs", redoc_url=None)
    app.state.reference = reference
    app.state.clock = clock
    app.state.limiter = limiter
    install_problem_handlers(app)
    add_health(app, lambda: reference.database_answers and reference.catalogue is not None, registry, more_metrics)
    app.add_middleware(_Measured)
    return app


def worker_app(is_ready: Callable[[], bool], registry: CollectorRegistry = REGISTRY) -> FastAPI:
    """The application of a worker, which answers nobody but its supervisor: health and metrics, nothing else."""
    app = FastAPI(title="worker", docs_url=None, redoc_url=None, openapi_url=None)
    add_health(app, is_ready, registry)
    return app


def add_health(
    app: FastAPI,
    is_ready: Callable[[], bool],
    registry: CollectorRegistry = REGISTRY,
    more_metrics: Callable[[], bytes] | None = None,
) -> None:
    """`/healthz` (the process lives), `/readyz` (it can do its work) and `/metrics`; none asks for a key.

    Metrics come in OpenMetrics where the scraper takes that: only there can a histogram name a trace (an exemplar).
    """

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        ready = is_ready()
        status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        return JSONResponse({"status": "ready" if ready else "not ready"}, status)

    @app.get("/metrics", include_in_schema=False)
    def metrics(request: Request) -> Response:
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        document = encode(registry)
        more = b"" if more_metrics is None else more_metrics()
        if document.endswith(_END_OF_OPENMETRICS):
            # Gauges are written alike in both formats; only the last line must stay the last.
            document = document.removesuffix(_END_OF_OPENMETRICS)
            more += _END_OF_OPENMETRICS
        return Response(document + more, headers={"Content-Type": media_type})


async def principal(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
) -> Principal:
    """Whose key the request bears.

    Raises:
        Problem: 401 without a valid key, 429 when the key has used up its rate, 503 while no key has been read yet.
    """
    headers = {"WWW-Authenticate": "Bearer"}
    if credentials is None:
        raise Problem(HTTPStatus.UNAUTHORIZED, "缺少密钥:请在请求头加上 Authorization: Bearer <密钥>", headers=headers)
    reference: ReferenceCopy = request.app.state.reference
    # Asked first: the keys may be read while this one is looked for.
    was_read = reference.was_read
    known = reference.keys.recognise(credentials.credentials, request.app.state.clock.now())
    if known is None and not was_read:
        raise _starting()
    if known is None:
        raise Problem(HTTPStatus.UNAUTHORIZED, "密钥无效、已过期或已撤销:请向管理员申请新的密钥", headers=headers)
    limiter: Limiter | None = request.app.state.limiter
    if limiter is not None and not await limiter.admits(known.key_id):
        raise _too_many(limiter)
    return known


def _starting() -> Problem:
    detail = "服务正在启动,尚未读取密钥:请在 1 秒后重试"
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": "1"})


def _too_many(limiter: Limiter) -> Problem:
    wait = limiter.retry_after_s
    detail = (
        f"请求过于频繁:每个密钥每秒最多 {limiter.rate.per_second} 次,请在 {wait} 秒后重试;"
        "多个数可以合成一份报送,列表可以用 limit 一次多取"
    )
    return Problem(HTTPStatus.TOO_MANY_REQUESTS, detail, headers={"Retry-After": str(wait)})


Caller = Annotated[Principal, Depends(principal)]


class _Measured:
    """Counts and times every request, in the trace that it came with.

    An ASGI application of its own: Starlette's middleware by functions runs each request in a second task and hands
    its answer on through a stream, which a small request notices.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"] in _UNTRACED:
            await self._measured(None, scope, receive, send)
            return
        traceparent = Headers(scope=scope).get("traceparent")
        request = {
            names.HTTP_METHOD: scope["method"],
            names.URL_PATH: scope["path"],
            names.URL_SCHEME: scope["scheme"],
        }
        with span(names.REQUEST, request, parent=traceparent) as traced:
            await self._measured(traced, scope, receive, send)

    async def _measured(self, traced: Traced | None, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        status = 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        method = scope["method"]
        try:
            await self._app(scope, receive, sending)
        finally:
            # The route's template, not the path: ids in a label would make a series each.
            route = getattr(scope.get("route"), "path", None)
            REQUESTS.labels(method, route or "unmatched", status).inc()
            DURATION.labels(method, route or "unmatched").observe(time.perf_counter() - started)
            if traced is not None:
                traced.add({names.HTTP_STATUS: status} | ({} if route is None else {names.HTTP_ROUTE: route}))
                if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                    traced.fail(str(status))
