"""The outbox as a table: rows are written in the transaction of what they tell of, and taken by the relay.

The table is the service's own, made of `OutboxColumns`. Rows go in the order of `outbox_id`; two rows whose order
matters must be written under one lock (an organisation's row, a roll-up's row), since numbers are taken before
the commit and may become visible out of order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import orjson
from sqlalchemy import Connection, TextClause, text

from fourones_shared.events.envelope import Wire
from fourones_shared.kafka.outbox import Backlog, OutboxMessage
from fourones_shared.topics import all_topics

# Counting a backlog of millions every second would slow down working it off.
COUNT_AT_MOST = 10_000


class OutboxTable:
    """An `OutboxStore` on a table of `OutboxColumns`.

    Args:
        table: its name.
    """

    def __init__(self, table: str = "outbox") -> None:
        if not table.isidentifier():
            raise ValueError(f"{table!r} is no table's name")
        self._topics = all_topics()
        self._take = _on(table, "SELECT * FROM {t} WHERE set_aside IS NULL ORDER BY outbox_id LIMIT :limit")
        self._sent = _on(table, "DELETE FROM {t} WHERE outbox_id = ANY(:ids)")
        self._aside = _on(table, "UPDATE {t} SET set_aside = :reason WHERE outbox_id = :id")
        self._count = _on(
            table,
            "SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0),"
            " (SELECT count(*) FROM {t} WHERE set_aside IS NOT NULL)"
            " FROM (SELECT created_at FROM {t} WHERE set_aside IS NULL ORDER BY outbox_id LIMIT :most) AS waiting",
        )

    def take(self, connection: Connection, limit: int) -> Sequence[OutboxMessage]:
        """The oldest rows that are not set aside."""
        return [
            OutboxMessage(
                outbox_id=row.outbox_id,
                topic=row.topic,
                key=bytes(row.key),
                value=bytes(row.value),
                headers=[(name, value.encode()) for name, value in row.headers.items()],
                reference=row.reference,
                partition_by=self._partition_by(row.topic, bytes(row.key)),
            )
            for row in connection.execute(self._take, {"limit": limit})
        ]

    def sent(self, connection: Connection, messages: Sequence[OutboxMessage]) -> None:
        """Delete the rows."""
        connection.execute(self._sent, {"ids": [message.outbox_id for message in messages]})

    def set_aside(self, connection: Connection, message: OutboxMessage, reason: str) -> None:
        """Leave the row where it is, with the reason; an operator sees it in the gauge and deletes or mends it."""
        connection.execute(self._aside, {"id": message.outbox_id, "reason": reason})

    def backlog(self, connection: Connection) -> Backlog:
        """What waits, for the relay's `measure`."""
        rows, oldest, aside = connection.execute(self._count, {"most": COUNT_AT_MOST}).one()
        return Backlog(rows=rows, oldest_s=float(oldest), set_aside=aside)

    def _partition_by(self, topic: str, key: bytes) -> bytes | None:
        known = self._topics.get(topic)
        return None if known is None else known.partition_source(key)


def enqueue(
    connection: Connection, wires: Iterable[Wire], *, reference: str | None = None, table: str = "outbox"
) -> None:
    """Write events to the outbox, in order, in the caller's transaction."""
    rows = list(wires)
    if not rows:
        return
    connection.execute(
        _on(
            table,
            "INSERT INTO {t} (topic, key, value, headers, reference, created_at)"
            " SELECT topic, key, value, headers::jsonb, :reference, clock_timestamp()"
            " FROM unnest(CAST(:topics AS text[]), CAST(:keys AS bytea[]), CAST(:values AS bytea[]),"
            " CAST(:headers AS text[])) WITH ORDINALITY AS row (topic, key, value, headers, place) ORDER BY place",
        ),
        {
            "topics": [wire.topic for wire in rows],
            "keys": [wire.key for wire in rows],
            "values": [wire.value for wire in rows],
            "headers": [orjson.dumps({k: v.decode() for k, v in wire.headers}).decode() for wire in rows],
            "reference": reference,
        },
    )


def _on(table: str, statement: str) -> TextClause:
    return text(statement.format(t=table))
