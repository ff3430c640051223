"""How fast the machine is by itself, so that numbers of different hours and machines can be held against each other."""

from __future__ import annotations

import socket
import threading
import time

_ROUNDS = 5_000


def additions_ms() -> float:
    """A million additions of products in this interpreter; the best of five, in milliseconds."""
    return min(_added() for _ in range(5)) * 1000


def round_trip_us() -> float:
    """One byte to another thread over a loopback connection and back; the mean of thousands, in microseconds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        echo = threading.Thread(target=_echo, args=(server,), daemon=True)
        echo.start()
        with socket.create_connection(server.getsockname()) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            began = time.perf_counter()
            for _ in range(_ROUNDS):
                client.sendall(b"x")
                client.recv(1)
            elapsed = time.perf_counter() - began
        echo.join()
    return elapsed / _ROUNDS * 1e6


def _added() -> float:
    began, total = time.perf_counter(), 0
    for n in range(1_000_000):
        total += n * n
    return time.perf_counter() - began


def _echo(server: socket.socket) -> None:
    accepted, _ = server.accept()
    with accepted:
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while byte := accepted.recv(1):
            accepted.sendall(byte)
