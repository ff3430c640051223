"""How commands that read the log end when they cannot do what was asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
import typer
from kafka.errors import KafkaError
from sqlalchemy.exc import DBAPIError

from fourones_aggregation.replaying import Progress
from fourones_shared.database.engine import is_transient
from fourones_shared.dead_letters.refusing import first_line
from fourones_shared.errors import Rejected, Retry

log = structlog.get_logger(__name__)

TELL_EVERY_S = 2.0


@contextmanager
def ending_well() -> Iterator[None]:
    """Say in a line what stands against it, and end with 1; other errors are faults of ours and stay what they are."""
    try:
        yield
    except Rejected as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except (KafkaError, Retry) as error:
        log.error("the broker is away: run it again, nothing has changed", error=first_line(error))  # noqa: TRY400
        raise typer.Exit(1) from error
    except DBAPIError as error:
        if not is_transient(error):
            raise
        log.error("the database is away: run it again, nothing has changed", error=first_line(error))  # noqa: TRY400
        raise typer.Exit(1) from error


def telling() -> Callable[[Progress], None]:
    """Tells how far the log has been read, every few seconds."""
    told_at = time.monotonic()

    def tell(progress: Progress) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= TELL_EVERY_S or progress.done == progress.of:
            told_at = time.monotonic()
            log.info("reading the log", offsets=progress.done, of=progress.of, figures=progress.figures)

    return tell
