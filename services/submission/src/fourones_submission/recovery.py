"""Putting a restored database's losses back from the topics, while the system runs.

    1. see that the sequence lies above the topic's numbers, and that keys and catalogue versions are there: the relay
       does so at its start, or else this does (`after_restore`).
    2. read `figures-submitted` from its beginning up to where it ends now: the receipts that are missing, and what
       their figures change.
    3. let the withdrawals that were accepted meanwhile be seen by the figures that came back: those of the outbox, and
       what the topic has got since.
    4. read `figures-applied`: what became of the submissions.

Every batch is one transaction that changes only what is missing, so that a break costs nothing but time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Engine, text

from fourones_shared.errors import DeadLetter
from fourones_shared.events.envelope import data_of, unwrap
from fourones_shared.events.model import FiguresApplied, FiguresSubmitted
from fourones_shared.kafka.reading import Reach, TopicReader
from fourones_submission.after_restore import AfterRestore
from fourones_submission.storage.applied import complete
from fourones_submission.storage.recovery import PutBack, Told, put_back_submissions

log = structlog.get_logger(__name__)

WAIT_FOR_RELAY_S = 0.5
OUTBOX_ROWS_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a topic has been read: offsets, of how many."""

    topic: str
    done: int
    of: int


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was put back: receipts, figures that have changed, outcomes."""

    receipts: int = 0
    figures: int = 0
    outcomes: int = 0


class Recovery:
    """Puts back, and tells how far it is.

    Args:
        engine: of the restored database.
        reader: of the topics.
        after_restore: sees to numbers, keys and catalogue first.
        progress: told after every batch.
    """

    def __init__(
        self,
        engine: Engine,
        reader: TopicReader,
        after_restore: AfterRestore,
        progress: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self._engine = engine
        self._reader = reader
        self._after_restore = after_restore
        self.progress = progress

    def run(self, stop: threading.Event) -> Recovered:
        """Put back all that is missing; told to stop, what was put back so far.

        Raises:
            Retry, KafkaError, DBAPIError: when broker or database is away; run it again.
        """
        if not self._looked(stop):
            return Recovered()
        begins = {n: reach.begin for n, reach in self._reader.reaches(FiguresSubmitted.TOPIC).items()}
        back, reached = self._submissions(begins, stop)
        # Now every figure is back. A withdrawal of it was seen above, or waits in the outbox, or has left it since.
        for told in self._waiting():
            back += self._put_back(told)
        later, _ = self._submissions(reached, stop)
        back += later
        return Recovered(back.receipts, back.figures, self._outcomes(stop))

    def _looked(self, stop: threading.Event) -> bool:
        with self._engine.connect() as connection:
            while not stop.is_set():
                if self._after_restore.look_unless_the_relay_has(connection, stop):
                    return True
                log.info("waiting for the worker's relay to look at the topics")
                stop.wait(WAIT_FOR_RELAY_S)
        return False

    def _submissions(self, begins: Mapping[int, int], stop: threading.Event) -> tuple[PutBack, dict[int, int]]:
        """Read on from these offsets to where the topic ends now; what came back, and where it has come to."""
        back = PutBack()
        ends = {n: reach.end for n, reach in self._reader.reaches(FiguresSubmitted.TOPIC).items()}
        spans = {n: Reach(begins.get(n, 0), end) for n, end in ends.items()}
        for records in self._records(FiguresSubmitted.TOPIC, spans, stop):
            back += self._put_back([told for told in map(_told, records) if told is not None])
        return back, ends

    def _put_back(self, told: list[Told]) -> PutBack:
        if not told:
            return PutBack()
        with self._engine.begin() as connection:
            return put_back_submissions(connection, told)

    def _waiting(self) -> Iterator[list[Told]]:
        after = 0
        while True:
            with self._engine.begin() as connection:
                values = {"topic": FiguresSubmitted.TOPIC, "after": after, "limit": OUTBOX_ROWS_AT_ONCE}
                rows = connection.execute(_WAITING, values).all()
            if not rows:
                return
            values_of = (bytes(row.value) for row in rows)
            yield [Told(FiguresSubmitted.model_validate_json(value), value) for value in values_of]
            after = rows[-1].outbox_id

    def _outcomes(self, stop: threading.Event) -> int:
        count = 0
        spans = self._reader.reaches(FiguresApplied.TOPIC)
        for records in self._records(FiguresApplied.TOPIC, spans, stop):
            outcomes = [outcome for outcome in map(_outcome, records) if outcome is not None]
            with self._engine.begin() as connection:
                count += complete(connection, outcomes)
        return count

    def _records(self, topic: str, spans: Mapping[int, Reach], stop: threading.Event) -> Iterator[list[Any]]:
        of = sum(span.end - span.begin for span in spans.values())
        done = 0
        for partition, span in spans.items():
            for records in self._reader.stretch(topic, partition, span.begin, span.end):
                if stop.is_set():
                    return
                yield records
                self.progress(Progress(topic, done + records[-1].offset + 1 - span.begin, of))
            done += span.end - span.begin
            if span.end > span.begin:
                self.progress(Progress(topic, done, of))


def _told(record: Any) -> Told | None:
    try:
        data = data_of(unwrap(record.value, record.headers), FiguresSubmitted)
        UUID(data.submission_id)
    except (DeadLetter, ValueError) as error:
        log.warning("a record that is no submission", topic=record.topic, offset=record.offset, error=str(error))
        return None
    return Told(data, record.value, datetime.fromtimestamp(record.timestamp / 1000, UTC))


def _outcome(record: Any) -> FiguresApplied | None:
    try:
        data = data_of(unwrap(record.value, record.headers), FiguresApplied)
        UUID(data.submission_id)
    except (DeadLetter, ValueError):
        # The worker's consumer has told of it.
        return None
    return data


_WAITING = text(
    "SELECT outbox_id, value FROM outbox WHERE topic = :topic AND reference IS NOT NULL AND set_aside IS NULL"
    " AND outbox_id > :after ORDER BY outbox_id LIMIT :limit"
)
