import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from support.waiting import eventually

from fourones_local.ports import free_port
from fourones_shared.process import serve

PROGRAM = textwrap.dedent(
    """
    import sys, threading
    from fastapi import FastAPI
    from fourones_shared.process import serve

    app = FastAPI()

    @app.get("/healthz")
    def healthz() -> str:
        return "ok"

    def puts_away(stop: threading.Event) -> None:
        stop.wait()
        print("put away", flush=True)

    sys.exit(serve(app, host="127.0.0.1", port=int(sys.argv[1]), threads={"puts-away": puts_away}))
    """
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_orderly_after_its_threads(number: signal.Signals) -> None:
    port = free_port()
    # Warnings of the libraries are for the tests in this process.
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, str(port)],
        stdout=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"},
    ) as process:
        eventually(lambda: _answers(port))
        process.send_signal(number)
        output, _ = process.communicate(timeout=30)

    assert process.returncode == 0
    assert output == "put away\n"


def test_a_thread_that_dies_takes_the_process_with_it() -> None:
    other_ended = threading.Event()

    def dies(_: threading.Event) -> None:
        raise ZeroDivisionError

    def works(stop: threading.Event) -> None:
        stop.wait()
        other_ended.set()

    assert _serve(dies=dies, works=works) == 1
    assert other_ended.is_set()


def test_a_thread_that_ends_before_it_is_told_to_is_a_failure_too() -> None:
    assert _serve(returns=lambda _: None) == 1


def test_a_port_that_is_taken_is_a_failure_and_the_threads_are_told() -> None:
    told = threading.Event()

    def works(stop: threading.Event) -> None:
        stop.wait()
        told.set()

    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(SystemExit) as end:
        serve(FastAPI(), host="127.0.0.1", port=other.getsockname()[1], threads={"works": works})

    assert end.value.code
    assert told.is_set()


def _serve(**threads: Any) -> int:
    return serve(FastAPI(), host="127.0.0.1", port=free_port(), threads=threads)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
    except httpx.TransportError:
        return False
