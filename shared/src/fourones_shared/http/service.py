"""The HTTP application every service starts from: keys, health, metrics, problems, trace context."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from opentelemetry import trace
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)

from fourones_shared.access.keys import Principal
from fourones_shared.access.rates import Limiter
from fourones_shared.domain.clock import Clock
from fourones_shared.http.problems import Problem, ProblemDetails, install_problem_handlers
from fourones_shared.reference import ReferenceCopy
from fourones_shared.tracing import continued

REQUESTS = Counter("fourones_http_requests_total", "Requests answered.", ["method", "route", "status"])
DURATION = Histogram(
    "fourones_http_request_duration_seconds",
    "From the request to its answer.",
    ["method", "route"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)

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
        (503, "the database is away; try again"),
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

    Ready means that the database answers and a catalogue is known. `more_metrics` gives further series, already in
    the text format: prometheus_client takes most of a second to write fifty thousand. `limiter` holds every key to
    its rate, on all routes that ask for one; without it none is held.
    """
    app = FastAPI(title=title, description=description, version="1", docs_url="/docs", redoc_url=None)
    app.state.reference = reference
    app.state.clock = clock
    app.state.limiter = limiter
    install_problem_handlers(app)
    add_health(app, lambda: reference.database_answers and reference.catalogue is not None, registry, more_metrics)
    app.middleware("http")(_measured)
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
    """`/healthz` (the process lives), `/readyz` (it can do its work) and `/metrics`; none asks for a key."""

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        ready = is_ready()
        status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        return JSONResponse({"status": "ready" if ready else "not ready"}, status)

    @app.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        more = b"" if more_metrics is None else more_metrics()
        return Response(generate_latest(registry) + more, media_type=CONTENT_TYPE_LATEST)


async def principal(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
) -> Principal:
    """Whose key the request bears.

    Raises:
        Problem: 401 without a valid key, 429 when the key has used up its rate.
    """
    headers = {"WWW-Authenticate": "Bearer"}
    if credentials is None:
        raise Problem(HTTPStatus.UNAUTHORIZED, "缺少密钥:请在请求头加上 Authorization: Bearer <密钥>", headers=headers)
    reference: ReferenceCopy = request.app.state.reference
    known = reference.keys.recognise(credentials.credentials, request.app.state.clock.now())
    if known is None:
        raise Problem(HTTPStatus.UNAUTHORIZED, "密钥无效、已过期或已撤销:请向管理员申请新的密钥", headers=headers)
    limiter: Limiter | None = request.app.state.limiter
    if limiter is not None and not await limiter.admits(known.key_id):
        raise _too_many(limiter)
    return known


def _too_many(limiter: Limiter) -> Problem:
    wait = limiter.retry_after_s
    detail = (
        f"请求过于频繁:每个密钥每秒最多 {limiter.rate.per_second} 次,请在 {wait} 秒后重试;"
        "多个数可以合成一份报送,列表可以用 limit 一次多取"
    )
    return Problem(HTTPStatus.TOO_MANY_REQUESTS, detail, headers={"Retry-After": str(wait)})


Caller = Annotated[Principal, Depends(principal)]


async def _measured(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    started = time.perf_counter()
    status = 500
    with continued(request.headers.get("traceparent"), f"{request.method} {request.url.path}", trace.SpanKind.SERVER):
        try:
            response = await call_next(request)
            status = response.status_code
        finally:
            # The route's template, not the path: ids in a label would make a series each.
            route = getattr(request.scope.get("route"), "path", "unmatched")
            REQUESTS.labels(request.method, route, status).inc()
            DURATION.labels(request.method, route).observe(time.perf_counter() - started)
    return response
