"""What the runners need to know about a server: how to prepare it, how to start it, when it is ready."""

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from fourones_local.errors import NotReady


class Server(Protocol):
    """One server process, described; `supervisor` and `process` know how to run it."""

    @property
    def name(self) -> str:
        """Its name in logs and messages."""

    @property
    def user(self) -> str | None:
        """The system user it must run as, when that is not the present one."""

    @property
    def stop_signal(self) -> signal.Signals:
        """The signal that makes it stop cleanly without waiting for its clients."""

    @property
    def environment(self) -> Mapping[str, str]:
        """What it needs in its environment."""

    def prepare(self) -> None:
        """Creates its data when there is none and renders its configuration; may be repeated."""

    def command(self) -> Sequence[str]:
        """The command line that runs it in the foreground."""

    def wait_ready(self, timeout: float, alive: Callable[[], bool]) -> None:
        """Returns when it serves.

        Args:
            timeout: seconds.
            alive: whether its process still runs; waiting for a dead one would be in vain.

        Raises:
            NotReady: the time was up, or the process ended.
        """


def wait_until(ready: Callable[[], bool], *, timeout: float, alive: Callable[[], bool], interval: float = 0.1) -> None:
    """Calls `ready` until it is true.

    Raises:
        NotReady: the time (seconds) was up, or `alive` turned false.
    """
    deadline = time.monotonic() + timeout
    while not ready():
        if not alive():
            raise NotReady("it ended while it was waited for")
        if time.monotonic() > deadline:
            raise NotReady(f"it did not serve within {timeout:.0f} s")
        time.sleep(interval)
