import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psutil
import pytest
from fastapi import FastAPI
from support.waiting import eventually

from fourones_local import loopback
from fourones_local.ports import free_port
from fourones_shared.process import GIVES_WAY_BY, serve

PROGRAM = textwrap.dedent(
    """
    import sys, threading
    from fastapi import FastAPI
    from fourones_shared.process import serve

    app = FastAPI()

    @app.get("/healthz")
    @app.get("/readyz")
    def healthz() -> str:
        return "ok"

    def puts_away(stop: threading.Event) -> None:
        stop.wait()
        print("put away", flush=True)

    threads = {"puts-away": puts_away}
    port, drain_s, gives_way = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3] == "True"
    sys.exit(serve(app, host="127.0.0.1", port=port, threads=threads, drain_s=drain_s, gives_way=gives_way))
    """
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_orderly_after_its_threads(number: signal.Signals) -> None:
    with _running(drain_s=0) as (process, _):
        process.send_signal(number)
        output, _ = process.communicate(timeout=60)

    assert process.returncode == 0
    assert output == "put away\n"


@pytest.mark.parametrize(("gives_way", "by"), [(False, 0), (True, GIVES_WAY_BY)])
def test_whoever_works_for_nobody_that_waits_gives_way_with_all_threads(gives_way: bool, by: int) -> None:
    with _running(drain_s=0, gives_way=gives_way) as (process, _):
        threads = [thread.id for thread in psutil.Process(process.pid).threads()]
        assert len(threads) > 1
        ours = os.getpriority(os.PRIO_PROCESS, 0)
        assert {os.getpriority(os.PRIO_PROCESS, thread) - ours for thread in threads} == {by}


def test_told_to_end_it_says_so_and_serves_on_until_the_time_is_up_or_it_is_told_again() -> None:
    # Longer than any test: it is told again.
    with _running(drain_s=3600) as (process, url), loopback.client() as client:
        before = client.get(f"{url}/readyz")
        process.send_signal(signal.SIGTERM)
        eventually(lambda: loopback.get(f"{url}/readyz").status_code == 503)
        during = client.get(f"{url}/healthz")
        again = client.get(f"{url}/healthz")
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)

    assert (before.status_code, before.headers.get("connection")) == (200, None)
    # The client's next request opens a connection, and goes wherever those go now.
    assert [(answer.status_code, answer.headers["connection"]) for answer in (during, again)] == [(200, "close")] * 2
    assert process.returncode == 0
    # Threads work until the end, not until the signal: an API's keys and catalogue stay fresh.
    assert output.endswith("put away\n")


def test_when_the_time_is_up_it_ends() -> None:
    with _running(drain_s=0.01) as (process, _):
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)

    assert process.returncode == 0
    assert output.endswith("put away\n")


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


@contextmanager
def _running(*, drain_s: float, gives_way: bool = False) -> Iterator[tuple[subprocess.Popen[str], str]]:
    port = free_port()
    # Warnings of the libraries are for the tests in this process.
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, str(port), str(drain_s), str(gives_way)],
        stdout=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"},
    ) as process:
        try:
            eventually(lambda: _answers(port))
            yield process, f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def _serve(**threads: Any) -> int:
    return serve(FastAPI(), host="127.0.0.1", port=free_port(), threads=threads)


def _answers(port: int) -> bool:
    try:
        return loopback.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
    except httpx.TransportError:
        return False
