"""Waiting for what must come true; the deadline is only there so that a failure ends."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")

_PAUSE = threading.Event()


def eventually(check: Callable[[], Value | None], *, within_s: float = 60.0) -> Value:
    """The first true value of `check`; its last failure, or its last value, when none comes.

    An `AssertionError` of the check counts as not yet.
    """
    deadline = time.monotonic() + within_s
    while True:
        failure: AssertionError | None = None
        value: Value | None = None
        try:
            value = check()
        except AssertionError as error:
            failure = error
        if value:
            return value
        if time.monotonic() > deadline:
            raise failure or AssertionError(f"still {value!r} after {within_s:.0f} s")
        _PAUSE.wait(0.02)
