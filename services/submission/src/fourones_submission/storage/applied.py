"""Completes receipts with what aggregation says became of the figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import Connection, text

from fourones_shared.errors import DeadLetter
from fourones_shared.events.envelope import Envelope, data_of
from fourones_shared.events.model import FiguresApplied
from fourones_shared.kafka.consumer import Received, Refused

APPLIED = "applied"


class AppliedHandler:
    """Applies `figures-applied` to the receipts; repetitions change nothing."""

    def decode(self, envelope: Envelope) -> FiguresApplied:
        """The event's data.

        Raises:
            DeadLetter: when it is another event, or about no submission of ours.
        """
        data = data_of(envelope, FiguresApplied)
        try:
            UUID(data.submission_id)
        except ValueError as error:
            raise DeadLetter("bad_data", f"{data.submission_id!r} is no submission's id") from error
        return data

    def ready_for(self, data: FiguresApplied) -> bool:  # noqa: ARG002
        """Receipts wait for nothing."""
        return True

    def apply(self, connection: Connection, events: Sequence[Received[FiguresApplied]]) -> None:
        """Complete the receipts."""
        complete(connection, [event.data for event in events])

    def set_aside(self, connection: Connection, refused: Refused) -> None:
        """The receipt stays as it is until the dead letter is replayed: what became of the figures is not known."""


def complete(connection: Connection, told: Iterable[FiguresApplied]) -> int:
    """Complete receipts; how many were not complete before.

    A submission that was set aside may be applied once it has been mended; what was applied stays as it was, even
    when aggregation is rebuilt and tells it all again with other counts.
    """
    outcomes: dict[str, FiguresApplied] = {}
    for data in told:
        known = outcomes.get(data.submission_id)
        if known is None or known.outcome != APPLIED:
            outcomes[data.submission_id] = data
    if not outcomes:
        return 0
    return connection.execute(_COMPLETE, [outcome.model_dump(mode="python") for outcome in outcomes.values()]).rowcount


_COMPLETE = text(
    "UPDATE submission SET outcome = CAST(:outcome AS text),"
    " applied_at = CASE WHEN CAST(:outcome AS text) = 'applied' THEN CAST(:applied_at AS timestamptz) END,"
    " applied = :applied, superseded = :superseded, excluded = :excluded, reason = :reason"
    " WHERE submission_id = CAST(:submission_id AS uuid) AND outcome IS DISTINCT FROM 'applied'"
)
