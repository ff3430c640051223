"""What a verification finds: told to whoever asked for it, kept in the database, and shown by every worker."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import structlog
from prometheus_client import Gauge
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from fourones_shared.database.engine import is_transient

log = structlog.get_logger(__name__)

DIFFERENCES = Gauge(
    "fourones_verification_differences",
    "What the last `verify` found to differ: figures from all that is kept of them, or the log from the figures.",
    ["scope"],
)
VERIFIED_AT = Gauge(
    "fourones_verification_timestamp_seconds", "When the last `verify` began, seconds since the epoch.", ["scope"]
)

# Nobody reads more; the number of all is told beside them.
MOST_TOLD = 1_000

# A verification takes seconds to minutes and somebody has asked for it.
LOOK_EVERY_S = 5.0


class Scope(StrEnum):
    """What is held against what."""

    FIGURES = "figures"
    """The figures against all that is made of them."""
    LOG = "log"
    """The log against the figures."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not as it should be."""

    what: str
    kept: object
    should_be: object

    def __str__(self) -> str:
        return f"{self.what}: {self.kept}, should be {self.should_be}"


@dataclass(slots=True)
class Findings:
    """What a verification has found.

    Attributes:
        snapshot: the number of the last batch that it has seen.
        number: how many differences.
        first: the first of them.
    """

    snapshot: int
    number: int = 0
    first: list[Difference] = field(default_factory=list)

    def add(self, differences: Iterable[Difference], *, at_most: int = MOST_TOLD) -> None:
        """Count differences, and keep the first."""
        for difference in differences:
            self.number += 1
            if len(self.first) < at_most:
                self.first.append(difference)


def keep(connection: Connection, scope: Scope, findings: Findings, *, verified_at: datetime, seconds: float) -> None:
    """Note the outcome of a verification.

    Args:
        connection: an open transaction.
        scope: what was held against what.
        findings: what differed.
        verified_at: when it began.
        seconds: how long it took.
    """
    connection.execute(
        _KEEP,
        {
            "scope": scope,
            "at": verified_at,
            "snapshot": findings.snapshot,
            "differences": findings.number,
            "seconds": seconds,
        },
    )


class VerificationGauge:
    """Shows the newest outcome of each scope, read from the database; one thread of a worker."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def follow(self, stop: threading.Event) -> None:
        """Look until `stop` is set, through outages of the database."""
        while not stop.is_set():
            try:
                self.look()
            except DBAPIError as error:
                if not is_transient(error):
                    raise
                log.warning("verification not read", error=str(error).splitlines()[0])
            stop.wait(LOOK_EVERY_S)

    def look(self) -> None:
        """Look once."""
        with self._engine.begin() as connection:
            newest = connection.execute(_NEWEST).all()
        for row in newest:
            DIFFERENCES.labels(row.scope).set(row.differences)
            VERIFIED_AT.labels(row.scope).set(row.verified_at.timestamp())


SNAPSHOT = text("SELECT number FROM snapshot")
_KEEP = text(
    "INSERT INTO verification (scope, verified_at, snapshot, differences, seconds)"
    " VALUES (:scope, :at, :snapshot, :differences, :seconds)"
)
_NEWEST = text(
    "SELECT DISTINCT ON (scope) scope, differences, verified_at FROM verification ORDER BY scope, verification_id DESC"
)
