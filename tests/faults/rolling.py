"""Instances of a service, to be replaced one after the other, and a balancer that knows of them what a cluster does."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
from support.waiting import eventually

from fourones_local import loopback
from fourones_local.layout import Repository
from fourones_local.ports import LOOPBACK, free_port
from fourones_local.process import as_child, server_environment
from fourones_local.services import service_of
from fourones_local.stack import Stack

# As a kubelet or an ingress asks, but more often, so that the test does not take its minutes.
ASKS_EVERY_S = 0.2
_STARTS_WITHIN_S = 120


class Instance:
    """One process of a program beside those of the stack, on a port that stays its own.

    Args:
        program: such as `submission-api`.
        more: settings beside the stack's.
    """

    def __init__(self, stack: Stack, program: str, **more: str) -> None:
        self.program = program
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self._settings = stack.settings(program) | {"FOURONES_PORT": str(self.port)} | more
        self._stop_signal = stack.kafka.stop_signal
        self._log_file: Path = stack.state.logs / f"{program}-{self.port}.log"
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        service, role = service_of(self.program), self.program.rsplit("-", 1)[1]
        command = [*as_child(None, self._stop_signal), Repository.command(f"fourones-{service}"), role]
        with self._log_file.open("ab") as log:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=server_environment() | self._settings,
                start_new_session=True,
            )

    def is_ready(self) -> bool:
        """Whether it says so."""
        with contextlib.suppress(httpx.TransportError):
            return loopback.get(f"{self.url}/readyz", timeout=5).is_success
        return False

    def wait_ready(self) -> None:
        """Return when it is ready."""
        eventually(self.is_ready, within_s=_STARTS_WITHIN_S)

    def tell_to_end(self) -> None:
        """Send it SIGTERM."""
        assert self._child is not None
        self._child.send_signal(signal.SIGTERM)

    def wait_ended(self, grace_s: float) -> int:
        """Its exit code; a kill, as a cluster does it, when the grace period is over."""
        assert self._child is not None
        try:
            return self._child.wait(grace_s)
        except subprocess.TimeoutExpired:
            self._child.kill()
            return self._child.wait()

    def end(self) -> None:
        """End it for good, if it runs."""
        if self._child is not None and self._child.poll() is None:
            self.tell_to_end()
            self.wait_ended(60)

    def log(self) -> str:
        """What it has written."""
        return self._log_file.read_text(encoding="utf-8")


@contextmanager
def running(instances: Sequence[Instance]) -> Iterator[None]:
    """All of them, ready."""
    try:
        for instance in instances:
            instance.start()
        for instance in instances:
            instance.wait_ready()
        yield
    finally:
        for instance in instances:
            instance.end()


class Balancer:
    """Hands each new connection to the next ready instance, and leaves those that there are alone.

    Like a Service of a cluster it works on connections, not on requests, and knows who is ready only by asking now and
    then. Nothing is tried again for the client.
    """

    def __init__(self, instances: Sequence[Instance]) -> None:
        self._instances = instances
        self._ready: list[Instance] = []
        self._turn = itertools.count()
        self._ended = threading.Event()
        self._carried: set[asyncio.StreamWriter] = set()
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve while the block runs."""
        threads = [threading.Thread(target=self._ask), threading.Thread(target=lambda: asyncio.run(self._serve()))]
        for thread in threads:
            thread.start()
        try:
            eventually(lambda: len(self._ready) == len(self._instances))
            yield
        finally:
            self._ended.set()
            for thread in threads:
                thread.join()

    def hands_to(self, instance: Instance) -> bool:
        """Whether new connections may go there."""
        return instance in self._ready

    def has_left(self, instance: Instance) -> bool:
        """Whether no new connection goes there."""
        return instance not in self._ready

    def _ask(self) -> None:
        while not self._ended.wait(ASKS_EVERY_S):
            self._ready = [instance for instance in self._instances if instance.is_ready()]

    async def _serve(self) -> None:
        async with await asyncio.start_server(self._carry, LOOPBACK, self.port):
            await asyncio.to_thread(self._ended.wait)
            # What is left open would be the garbage collector's, which warns.
            while self._carried:
                for writer in self._carried:
                    writer.transport.abort()
                await asyncio.sleep(0.01)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ready = self._ready
        chosen = ready[next(self._turn) % len(ready)]
        try:
            onward_reader, onward_writer = await asyncio.open_connection(LOOPBACK, chosen.port)
        except OSError:
            # As a refused connection looks to the client of a cluster.
            writer.transport.abort()
            return
        both = {writer, onward_writer}
        self._carried |= both
        try:
            await asyncio.gather(_pipe(reader, onward_writer), _pipe(onward_reader, writer))
        finally:
            self._carried -= both


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(ConnectionError):
        writer.close()
        await writer.wait_closed()


def endpoints_through(stack: Stack, balancers: Mapping[str, Balancer]) -> dict[str, object]:
    """The stack's endpoints with the APIs behind balancers."""
    return dict(stack.endpoints) | {service: balancer.url for service, balancer in balancers.items()}
