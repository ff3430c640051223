"""`fourones-submission recover`: put back what a database restored from an older backup lacks."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict

import orjson
import structlog
import typer
from kafka.errors import KafkaError
from sqlalchemy.exc import DBAPIError

from fourones_shared.database.engine import is_transient
from fourones_shared.errors import Retry
from fourones_submission import bootstrap
from fourones_submission.recovery import Progress
from fourones_submission.settings import SubmissionSettings

log = structlog.get_logger(__name__)

TELL_EVERY_S = 2.0


def recover(settings: SubmissionSettings) -> int:
    """Put back, telling the progress as log lines and the outcome as one line of JSON; the exit code."""
    try:
        with _told_to_stop() as stop, bootstrap.recovery(settings) as recovery:
            recovery.progress = _telling()
            recovered = recovery.run(stop)
    except (KafkaError, Retry) as error:
        log.error("the broker is away: run it again, it loses nothing", error=_first_line(error))  # noqa: TRY400
        return 1
    except DBAPIError as error:
        if not is_transient(error):
            raise
        log.error("the database is away: run it again, it loses nothing", error=_first_line(error))  # noqa: TRY400
        return 1
    typer.echo(orjson.dumps(asdict(recovered)).decode())
    if stop.is_set():
        log.warning("stopped before the end: run it again, it goes on with what is missing")
        return 1
    return 0


def _telling() -> Callable[[Progress], None]:
    told_at = time.monotonic()

    def tell(progress: Progress) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= TELL_EVERY_S or progress.done == progress.of:
            told_at = time.monotonic()
            log.info("reading", topic=progress.topic, offsets=progress.done, of=progress.of)

    return tell


@contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set, so that a batch is never broken off."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
