"""How a process of a service lives: threads that must not die quietly, one HTTP server, an orderly end."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import structlog
import uvicorn
from fastapi import FastAPI

from fourones_shared.http.connections import BoundedConnection

log = structlog.get_logger(__name__)

GRACE_S = 10
# A batch of figures makes some hundred thousand objects that all live until its commit, none of them in a cycle:
# looking for cycles every 700 objects, the default, takes a third of the worker's time (docs/benchmarks.md).
OBJECTS_BETWEEN_COLLECTIONS = 100_000


def serve(
    app: FastAPI,
    *,
    host: str,
    port: int,
    threads: Mapping[str, Callable[[threading.Event], None]],
) -> int:
    """Serve HTTP in the foreground and run each of `threads` beside it until SIGTERM or SIGINT.

    A thread that ends before it is told to ends the process with exit code 1: the supervisor starts it anew, which
    is safer than half a process.

    Returns:
        The process's exit code.
    """
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    stop = threading.Event()
    failed = threading.Event()
    server = uvicorn.Server(server_config(app, host=host, port=port))

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
            for thread in running:
                thread.join(GRACE_S)
                if thread.is_alive():
                    log.error("thread did not end in time", thread=thread.name)
                    failed.set()
    return 1 if failed.is_set() or not server.started else 0


def server_config(app: FastAPI, *, host: str, port: int) -> uvicorn.Config:
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
