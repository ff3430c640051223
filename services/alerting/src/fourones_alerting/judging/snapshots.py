"""Snapshots: every transaction that changes what the API says takes the next number, and its rows carry it.

The number is taken last, under the lock of one row that stays until the commit, so that of two numbers the greater one
is also the later to be seen. What was known as of a snapshot is what carries its number or a lower one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class Stamp:
    """The snapshot of a transaction.

    Attributes:
        number: its number, without gaps.
        version: of the verdicts that it tells; rises from one snapshot to the next, and over the loss of a database.
    """

    number: int
    version: int


def take(connection: Connection, now: datetime, catalogue_version: int) -> Stamp:
    """Take the next snapshot; every other transaction that wants one waits for this one to end.

    Args:
        connection: the transaction; what it reads in order to judge it has read before.
        now: the moment of judging; a clock that is behind the last snapshot's does not turn it back.
        catalogue_version: the version that is in force once the transaction has ended.
    """
    parameters = {"now": now, "version": int(now.timestamp() * 1000), "catalogue_version": catalogue_version}
    return Stamp(*connection.execute(_TAKE, parameters).one())


_TAKE = text(
    """
    WITH next AS (
        UPDATE snapshot SET number = number + 1, taken_at = greatest(taken_at, :now),
            version = greatest(version + 1, :version)
        RETURNING number, taken_at, version
    ), noted AS (
        INSERT INTO snapshot_taken (number, taken_at, catalogue_version)
        SELECT number, taken_at, :catalogue_version FROM next
    )
    SELECT number, version FROM next
    """
)
