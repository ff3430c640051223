"""Sequence numbers after a restore: what is accepted from now on must lie above all that the topic holds.

A database that was restored from an older backup goes on numbering where the backup was made. The topic has seen
those numbers already, and everywhere else the figure with the highest number stands: corrections would lose against
the figures that they correct, in silence. So the sequence is raised, and what was accepted since the restore and not
yet published is numbered anew, in its order.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, Row, text

from fourones_shared.events.model import FiguresSubmitted

# Far above what could have been given out unseen, and tells at a glance which numbers came after a restore.
RAISED_BY = 1_000_000
_ROWS_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Raised:
    """What was done: the number that the sequence was raised to, if it was; how many submissions have new numbers."""

    to: int | None
    renumbered: int


def published(connection: Connection, ids: Collection[str]) -> Mapping[str, bool]:
    """Of those submissions that this database has accepted: whether it knows that Kafka has them."""
    rows = connection.execute(_PUBLISHED, {"ids": list(ids)})
    return {row.submission_id: row.published for row in rows}


def raise_above(connection: Connection, highest: int) -> Raised:
    """See that every number given from now on, and every one in the outbox, is above `highest`.

    Runs in the caller's transaction, in which nothing is accepted; the caller is the only one to send from the outbox.
    """
    # Waits for those who have taken a number and have not committed yet, also about a new organisation.
    connection.execute(_HOLD)
    last: int = connection.execute(_LAST).scalar_one()
    to = None
    if last < highest:
        to = highest + RAISED_BY
        connection.execute(_RAISE, {"to": to})
    first: int | None = connection.execute(_FIRST, {"highest": highest}).scalar_one()
    return Raised(to, 0 if first is None else _renumber(connection, first))


def _renumber(connection: Connection, first: int) -> int:
    """Give new numbers to all that waits, from the first row on that needs one: the order of the rows stays theirs."""
    for statement in _NOTES:
        connection.execute(statement)
    count, at = 0, first - 1
    while rows := connection.execute(_WAITING, {"after": at, "limit": _ROWS_AT_ONCE}).all():
        numbers = connection.execute(_NEXT, {"count": len(rows)}).scalars().all()
        anew = [_anew(row, new) for row, new in zip(rows, sorted(numbers), strict=True)]
        for statement in (_REWRITE, _RENUMBER, _NOTE, _NOTE_SERIES):
            connection.execute(statement, anew)
        count += len(rows)
        at = rows[-1].outbox_id
    # Once for all of them: a figure that waits in a hundred revisions has the number of the last.
    connection.execute(_RENUMBER_FIGURES)
    return count


def _anew(row: Row[Any], new: int) -> dict[str, Any]:
    """What the statements need to give a waiting submission its new number."""
    document = orjson.loads(bytes(row.value))
    series = {(figure["indicator"], figure["period"]) for figure in document["figures"]}
    return {
        "outbox_id": row.outbox_id,
        "value": orjson.dumps(document | {"sequence": new}),
        "submission_id": row.reference,
        "org": document["org"],
        "indicators": [indicator for indicator, _ in series],
        "periods": [period for _, period in series],
        "old": document["sequence"],
        "new": new,
    }


_PUBLISHED = text(
    "SELECT CAST(submission_id AS text) AS submission_id, published_at IS NOT NULL AS published"
    " FROM submission WHERE submission_id = ANY (CAST(:ids AS uuid[]))"
)
# Conflicts with the row lock under which numbers are taken.
_HOLD = text("LOCK TABLE organisation_lock IN EXCLUSIVE MODE")
_LAST = text("SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM submission_sequence")
_RAISE = text("SELECT setval('submission_sequence', :to)")
_NEXT = text("SELECT nextval('submission_sequence') FROM generate_series(1, :count)")
_OF_FIGURES = f"topic = '{FiguresSubmitted.TOPIC}' AND reference IS NOT NULL AND set_aside IS NULL"
_FIRST = text(
    "SELECT min(outbox_id) FROM outbox JOIN submission ON submission_id = CAST(reference AS uuid)"  # noqa: S608
    f" WHERE {_OF_FIGURES} AND sequence <= :highest"
)
_WAITING = text(
    f"SELECT outbox_id, reference, value FROM outbox WHERE {_OF_FIGURES} AND outbox_id > :after"  # noqa: S608
    " ORDER BY outbox_id LIMIT :limit"
)
_REWRITE = text("UPDATE outbox SET value = :value WHERE outbox_id = :outbox_id")
_RENUMBER = text("UPDATE submission SET sequence = :new WHERE submission_id = CAST(:submission_id AS uuid)")
_NOTES = (
    text("CREATE TEMPORARY TABLE renumbered (old bigint PRIMARY KEY, new bigint) ON COMMIT DROP"),
    text(
        "CREATE TEMPORARY TABLE series (org text, indicator text, period text, PRIMARY KEY (org, indicator, period))"
        " ON COMMIT DROP"
    ),
)
_NOTE = text("INSERT INTO renumbered (old, new) VALUES (:old, :new)")
_NOTE_SERIES = text(
    "INSERT INTO series (org, indicator, period) SELECT :org, indicator, period"
    " FROM unnest(CAST(:indicators AS text[]), CAST(:periods AS text[])) AS sent (indicator, period)"
    " ON CONFLICT DO NOTHING"
)
_RENUMBER_FIGURES = text(
    "UPDATE figure_current AS known SET figures ="
    " (SELECT jsonb_object_agg(cluster, CASE WHEN new IS NULL THEN figure ELSE jsonb_set(figure, '{2}', to_jsonb(new))"
    " END) FROM jsonb_each(known.figures) AS each (cluster, figure)"
    " LEFT JOIN renumbered ON old = CAST(figure ->> 2 AS bigint))"
    " FROM series WHERE known.org = series.org AND known.indicator = series.indicator"
    " AND known.period = series.period AND known.figures <> '{}'"
)
