"""Runs one server as a child of the present process: for tests, which kill and restart it."""

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Generic, TypeVar

import psutil

from fourones_local.errors import LocalStackError, NotReady, ProgramFailed
from fourones_local.files import tail
from fourones_local.server import Server

# A broker flushes and closes every log before it ends.
_STOP_SECONDS = 60.0


ServerT = TypeVar("ServerT", bound=Server)


class ServerProcess(Generic[ServerT]):
    """A server that can be started, stopped cleanly and killed, as often as wanted.

    Args:
        server: what to run.
        log_file: collects what it writes.
    """

    def __init__(self, server: ServerT, log_file: Path) -> None:
        self.server = server
        self.log_file = log_file
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id.

        Raises:
            LocalStackError: it does not run.
        """
        if self._child is None or self._child.poll() is not None:
            raise LocalStackError(f"{self.server.name} is not running")
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self._child is not None and self._child.poll() is None

    def start(self, timeout: float = 90.0) -> None:
        """Starts it and returns when it serves; does nothing when it runs.

        Raises:
            ProgramFailed: it ended, or did not serve within `timeout` seconds.
        """
        if self.running:
            return
        self.server.prepare()
        with self.log_file.open("ab") as log:
            self._child = subprocess.Popen(  # noqa: S603
                [*self._as_child(), *self.server.command()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=server_environment() | dict(self.server.environment),
                cwd="/",
                # Ctrl-C in the terminal is for the tests; they end the server in their own time.
                start_new_session=True,
            )
        try:
            self.server.wait_ready(timeout, lambda: self.running)
        except NotReady as reason:
            self.kill()
            raise ProgramFailed(self.server.name, str(reason), tail(self.log_file), self.log_file) from reason

    def stop(self) -> None:
        """Stops it cleanly; does nothing when it does not run."""
        if self._child is None:
            return
        if self._child.poll() is None:
            self._child.send_signal(self.server.stop_signal)
            try:
                self._child.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
        self._child = None

    def kill(self) -> None:
        """Ends it with SIGKILL and returns when it and its children are gone."""
        if self._child is None or self._child.poll() is not None:
            return
        children = psutil.Process(self._child.pid).children(recursive=True)
        self._child.kill()
        self._child.wait()
        self._child = None
        # PostgreSQL's children notice by themselves; a new postmaster refuses to start beside them.
        psutil.wait_procs(children, timeout=_STOP_SECONDS)

    def _as_child(self) -> Sequence[str]:
        return as_child(self.server.user, self.server.stop_signal)


def as_child(user: str | None, stop_signal: signal.Signals) -> list[str]:
    """A prefix for command lines: run as `user`, and end with the process that started it.

    Without `setpriv` (not Linux) a server outlives a test run that is killed.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return []
    identity = [] if user is None else [f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    return [setpriv, *identity, f"--pdeathsig={stop_signal.name.removeprefix('SIG')}", "--"]


def server_environment() -> dict[str, str]:
    """The present environment without what would configure a service or a database client by accident."""
    prefixes = ("FOURONES_", "PG", "KAFKA_", "SUPERVISOR_")
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
