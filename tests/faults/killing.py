"""Processes of a running stack to be killed: its programs, and a second worker of aggregation beside them."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import psutil
from support.waiting import eventually

from fourones_local import loopback
from fourones_local.errors import NotRunning
from fourones_local.layout import Repository
from fourones_local.ports import LOOPBACK, free_port
from fourones_local.process import as_child, server_environment
from fourones_local.services import program_names
from fourones_local.stack import Stack

SECOND_WORKER = "aggregation-worker-2"
_PUBLISHERS_PORT = (
    "SELECT client_port FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND granted"
    " AND (CAST(classid AS bigint) << 32 | CAST(objid AS bigint)) = hashtextextended('relay:aggregation-rollups', 0)"
)
_END_CONNECTIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE client_port = ANY(%s)"
# As soon as supervisord does it for the programs of the stack.
_START_AGAIN_S = 1.0
# A worker that is started again waits for the broker, and that for its own last session.
_READY_WITHIN_S = 180


class SecondWorker(threading.Thread):
    """Another worker of aggregation; started again whenever it has ended, as supervisord does for the first."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(daemon=True)
        port = free_port()
        self.url = f"http://{LOOPBACK}:{port}"
        self._log_file: Path = stack.state.logs / f"{SECOND_WORKER}.log"
        self._settings = stack.settings("aggregation-worker") | {"FOURONES_PORT": str(port)}
        self._stop_signal = stack.kafka.stop_signal
        self._ending = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        command = [*as_child(None, self._stop_signal), Repository.command("fourones-aggregation"), "worker"]
        while not self._ending.is_set():
            with self._log_file.open("ab") as log:
                self._child = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=server_environment() | self._settings,
                    start_new_session=True,
                )
            self._child.wait()
            self._ending.wait(_START_AGAIN_S)

    @property
    def pid(self) -> int:
        """Its process id.

        Raises:
            NotRunning: it does not run.
        """
        child = self._child
        if child is None or child.poll() is not None:
            raise NotRunning(f"{SECOND_WORKER} is not running")
        return child.pid

    def wait_ready(self) -> None:
        """Return when it is ready."""
        eventually(partial(_is_ready, self.url), within_s=_READY_WITHIN_S)

    def end(self) -> None:
        """Stop it for good."""
        self._ending.set()
        while self.is_alive():
            with contextlib.suppress(NotRunning, ProcessLookupError):
                psutil.Process(self.pid).terminate()
            self.join(15)


class Victims:
    """What can be killed, by name: the programs of the stack, and `SECOND_WORKER`."""

    def __init__(self, stack: Stack, second: SecondWorker) -> None:
        self._stack, self._second = stack, second

    def pid(self, name: str) -> int:
        """The process id of a program.

        Raises:
            NotRunning: it does not run.
        """
        return self._second.pid if name == SECOND_WORKER else self._stack.supervisor.pid(name)

    def kill(self, name: str) -> bool:
        """End a program as a power cut would, its children with it; false when it does not run at the moment."""
        try:
            process = psutil.Process(self.pid(name))
            # Held first: PostgreSQL would start a child in between, or tell the others of the end of one.
            process.suspend()
            family = [process, *process.children(recursive=True)]
        except (NotRunning, psutil.NoSuchProcess):
            return False
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        return True

    @contextmanager
    def stalled(self, name: str) -> Iterator[None]:
        """A program that does nothing, and knows nothing of it, until the block ends."""
        process = psutil.Process(self.pid(name))
        process.suspend()
        try:
            yield
        finally:
            process.resume()

    def publisher(self) -> str:
        """The worker of aggregation that publishes roll-ups at present."""

        def leads() -> str | None:
            with self._stack.postgres.connect("aggregation") as connection:
                found = connection.execute(_PUBLISHERS_PORT).fetchone()
            workers = ("aggregation-worker", SECOND_WORKER)
            return next((name for name in workers if found and found[0] in self._ports(name)), None)

        return eventually(leads)

    def take_for_dead(self, name: str) -> None:
        """End all connections of a worker of aggregation on the server's side, as when it does not answer any more."""
        with self._stack.postgres.connect("aggregation") as connection:
            connection.execute(_END_CONNECTIONS, [list(self._ports(name))])

    def _ports(self, name: str) -> set[int]:
        connections = psutil.Process(self.pid(name)).net_connections("tcp")
        return {connection.laddr.port for connection in connections if connection.laddr}

    def wait_ready(self) -> None:
        """Return when every program is ready again, however often it ends before."""
        for program in program_names(self._stack.services):
            eventually(partial(_is_ready, self._stack.url(program)), within_s=_READY_WITHIN_S)
        self._second.wait_ready()


def _is_ready(url: str) -> bool:
    try:
        return loopback.get(f"{url}/readyz", timeout=5).is_success
    except httpx.TransportError:
        return False
