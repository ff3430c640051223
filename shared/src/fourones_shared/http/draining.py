"""How an API ends without refusing anybody: it says that it is going, serves on for a while, and then ends.

Whoever sends requests to several instances learns of an end later than it happens: a load balancer asks `/readyz` every
few seconds, and a cluster's nodes hear of a pod's end one after the other.

    1. a signal: `/readyz` answers 503 from now on; everything else is served as before, and each answer closes its
       connection, so that the client's next request goes through whoever chooses, to another instance.
    2. the time is up: no new connections; what is being answered is answered to its end.
    3. a second signal ends the waiting.
"""

from __future__ import annotations

import time
from http import HTTPStatus
from types import FrameType

import structlog
import uvicorn
from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger(__name__)


class Draining:
    """An application that can be told that it is going."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not self.begun:
            await self._app(scope, receive, send)
            return

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        if scope["path"] == "/readyz":
            going = JSONResponse({"status": "going"}, HTTPStatus.SERVICE_UNAVAILABLE)
            await going(scope, receive, closing)
        else:
            await self._app(scope, receive, closing)


class DrainingServer(uvicorn.Server):
    """A server that serves on for a while after it was told to end.

    Args:
        config: its application is `draining`.
        draining: told when the end begins.
        drain_s: how long, seconds.
    """

    def __init__(self, config: uvicorn.Config, draining: Draining, drain_s: float) -> None:
        super().__init__(config)
        self._draining = draining
        self._drain_s = drain_s
        self._ends_at = float("inf")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; the second time, end."""
        if self._draining.begun or not self._drain_s or not self.started:
            super().handle_exit(sig, frame)
            return
        self._draining.begun = True
        self._ends_at = time.monotonic() + self._drain_s
        log.info("told to end, serving on", for_s=self._drain_s)

    async def on_tick(self, counter: int) -> bool:
        """Whether the server's loop ends; asked ten times a second."""
        if time.monotonic() >= self._ends_at:
            self.should_exit = True
        return await super().on_tick(counter)
