"""The outbox as the relay sees it, and the receipts that its progress completes."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, text

from fourones_shared.domain.clock import Clock
from fourones_shared.events.model import FiguresSubmitted
from fourones_shared.kafka.outbox import Backlog, OutboxMessage
from fourones_shared.kafka.outbox_table import OutboxTable
from fourones_submission.storage.arrays import array


class SubmissionOutbox:
    """Hands events to the relay in the order of their rows; per organisation that is the order of acceptance."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._table = OutboxTable()

    def take(self, connection: Connection, limit: int) -> Sequence[OutboxMessage]:
        """The oldest rows that may be sent."""
        return self._table.take(connection, limit)

    def sent(self, connection: Connection, messages: Sequence[OutboxMessage]) -> None:
        """Kafka has them: the receipts say so, the rows go; both or neither."""
        submissions = [m.reference for m in messages if m.topic == FiguresSubmitted.TOPIC and m.reference]
        if submissions:
            connection.execute(_PUBLISHED, {"ids": array(submissions), "now": self._clock.now()})
        self._table.sent(connection, messages)

    def found_in_kafka(self, connection: Connection, submissions: Collection[str]) -> None:
        """Kafka has these submissions, though nobody was told when it took them: as `sent`, by their ids."""
        connection.execute(_PUBLISHED, {"ids": array(submissions), "now": self._clock.now()})
        connection.execute(_FOUND, {"topic": FiguresSubmitted.TOPIC, "ids": array(submissions)})

    def set_aside(self, connection: Connection, message: OutboxMessage, reason: str) -> None:
        """It stays in the table with the reason, and no longer blocks the others."""
        self._table.set_aside(connection, message, reason)

    def backlog(self, connection: Connection) -> Backlog:
        """What waits, for the gauges."""
        return self._table.backlog(connection)


_PUBLISHED = text(
    "UPDATE submission SET published_at = :now"
    " WHERE submission_id = ANY (CAST(:ids AS uuid[])) AND published_at IS NULL"
)
_FOUND = text(
    "DELETE FROM outbox WHERE topic = :topic AND reference = ANY (CAST(:ids AS text[])) AND set_aside IS NULL"
)
