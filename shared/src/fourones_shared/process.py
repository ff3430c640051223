"""How a process of a service lives: threads that must not die quietly, one HTTP server, an orderly end."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import structlog
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from fourones_shared.http.connections import BoundedConnection
from fourones_shared.http.draining import Draining, DrainingServer
from fourones_shared.tracing import end_tracing

log = structlog.get_logger(__name__)

# For requests under way, after which their connections are cut: above the longest statement that an API may run.
GRACE_S = 12
# For all threads together: a worker's batch is applied or taken back, and its place in its group given up. With the
# requests' time and the longest draining it must stay below a pod's grace period (deploy/k8s).
THREADS_END_S = 20
# A batch of figures makes some hundred thousand objects that all live until its commit, none of them in a cycle:
# looking for cycles every 700 objects, the default, takes a third of the worker's time (docs/benchmarks.md).
OBJECTS_BETWEEN_COLLECTIONS = 100_000
# A tenth of the weight that answering has. With equal ones a machine that is full lets those who post wait for many
# seconds while their figures are worked up at once (docs/load.md).
GIVES_WAY_BY = 10


def serve(
    app: FastAPI,
    *,
    host: str,
    port: int,
    threads: Mapping[str, Callable[[threading.Event], None]],
    drain_s: float = 0.0,
    gives_way: bool = False,
) -> int:
    """Serve HTTP in the foreground and run each of `threads` beside it until SIGTERM or SIGINT.

    A thread that ends before it is told to ends the process with exit code 1: the supervisor starts it anew, which
    is safer than half a process. After the signal it serves on for `drain_s`, threads too, while `/readyz` says no
    (see `http.draining`). `gives_way` is for those who work for nobody that waits: on a machine that has not enough
    for all, they leave it to those who answer.

    Returns:
        The process's exit code.
    """
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    if gives_way:
        # Threads that begin after this have it, too.
        os.nice(GIVES_WAY_BY)
    stop = threading.Event()
    failed = threading.Event()
    draining = Draining(app)
    server = DrainingServer(server_config(draining, host=host, port=port), draining, drain_s)

    def guarded(name: str, work: Callable[[threading.Event], None]) -> None:
        try:
            work(stop)
        except BaseException:
            log.exception("thread ended by an error, ending the process", thread=name)
            failed.set()
        finally:
            if not stop.is_set():
                log.error("thread ended by itself, ending the process", thread=name)
                failed.set()
                stop.set()
                server.should_exit = True

    running = [threading.Thread(target=guarded, args=item, name=item[0], daemon=True) for item in threads.items()]
    with _signals_end_orderly():
        for thread in running:
            thread.start()
        try:
            server.run()
        finally:
            stop.set()
            deadline = time.monotonic() + THREADS_END_S
            for thread in running:
                thread.join(max(0.0, deadline - time.monotonic()))
                if thread.is_alive():
                    log.error("thread did not end in time", thread=thread.name)
                    failed.set()
            end_tracing()
    return 1 if failed.is_set() or not server.started else 0


def server_config(app: ASGIApp, *, host: str, port: int) -> uvicorn.Config:
    """How every service's HTTP server is set up."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=BoundedConnection,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=75,
    )


@contextmanager
def _signals_end_orderly() -> Iterator[None]:
    # uvicorn handles the signals while it runs and raises them again when it has ended; by default that would end the
    # process before its threads have put away what they hold.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _already_heard) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _already_heard(*_: object) -> None:
    """The server has ended because of it."""
