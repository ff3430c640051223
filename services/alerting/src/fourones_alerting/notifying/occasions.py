"""Occasions: what Alertmanager has called about and nobody has looked at yet.

A call only says that somebody should look. It is written down by the API, which answers at once, and looked at by the
worker; what is told is decided by the stored verdict and the ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import orjson
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

# More than a city has targets: one look takes them all.
AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Occasion:
    """A reason to look.

    Attributes:
        key: the same for every call about the same.
        audience: `department` or `operators`.
        firing: False where the alert has resolved.
        starts_at: since when the alert fires.
        title, text: what the alert says of itself; only operators are told that.
    """

    key: str
    audience: str
    alert: str
    firing: bool
    target: str | None
    department: str | None
    starts_at: datetime
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Noted(Occasion):
    """An occasion with the moment of the last call about it."""

    received_at: datetime


def operators_key(fingerprint: str, starts_at: datetime, *, firing: bool) -> str:
    """The key of an alert about the system: every time that it fires is told, and once that it is over."""
    return f"operators:{fingerprint}:{starts_at.timestamp():.0f}:{'firing' if firing else 'resolved'}"


def firing_key(key: str) -> str:
    """Of the beginning that belongs to an end."""
    return key.removesuffix(":resolved") + ":firing" if key.endswith(":resolved") else key


async def note(connection: AsyncConnection, occasions: Sequence[Occasion], now: datetime) -> None:
    """Write them down; one that waits already is only called about again."""
    if occasions:
        rows = orjson.dumps([asdict(occasion) for occasion in occasions]).decode()
        await connection.execute(_NOTE, {"rows": rows, "now": now})


def waiting(connection: Connection) -> list[Noted]:
    """Those that nobody has looked at, in the order of the calls."""
    return [Noted(**row) for row in connection.execute(_WAITING, {"limit": AT_ONCE}).mappings()]


def looked_at(connection: Connection, occasions: Sequence[Noted]) -> None:
    """Cross them out; one that was called about once more meanwhile stays."""
    if occasions:
        parameters = {"keys": [o.key for o in occasions], "calls": [o.received_at for o in occasions]}
        connection.execute(_LOOKED_AT, parameters)


# The same twice in one call would be refused by the upsert. In the order of their keys, so that two calls cannot lock
# each other out.
_NOTE = text(
    """
    INSERT INTO occasion
        (occasion_key, audience, alert, firing, target, department, starts_at, title, text, received_at)
    SELECT DISTINCT ON (key) key, audience, alert, firing, target, department, starts_at, title, text, :now
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS called (
        key text, audience text, alert text, firing boolean, target text, department text, starts_at timestamptz,
        title text, text text
    )
    ORDER BY key
    ON CONFLICT (occasion_key) DO UPDATE SET received_at = greatest(occasion.received_at, excluded.received_at)
    """
)
_WAITING = text(
    """
    SELECT occasion_key AS key, audience, alert, firing, target, department, starts_at, title, text, received_at
    FROM occasion ORDER BY received_at, occasion_key LIMIT :limit
    """
)
_LOOKED_AT = text(
    """
    DELETE FROM occasion USING unnest(CAST(:keys AS text[]), CAST(:calls AS timestamptz[])) AS seen (key, received_at)
    WHERE occasion_key = seen.key AND occasion.received_at = seen.received_at
    """
)
