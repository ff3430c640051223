"""A consumer whose effects show: what the tests of the loop have in common."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, text
from support.records import write

from fourones_shared.errors import DeadLetter
from fourones_shared.events.envelope import Envelope, Wire, data_of, wrap
from fourones_shared.events.model import FiguresApplied
from fourones_shared.kafka.consumer import ConsumerLoop, Received, Refused

TOPIC = "figures-applied"
ORGANISATIONS = ("320302", "320303", "320305", "320311", "320312", "320321", "320322")
NOON = datetime(2025, 12, 8, 4, 0, tzinfo=UTC)


def an_event(number: int, *, org: str | None = None, reason: str | None = None) -> Wire:
    data = FiguresApplied(
        submission_id=f"S-{number}",
        org=org or ORGANISATIONS[number % len(ORGANISATIONS)],
        sequence=number,
        applied_at=NOON,
        applied=1,
        superseded=0,
        excluded=0,
        reason=reason,
    )
    return wrap(data, event_id=f"S-{number}/applied", source="/fourones/aggregation", time=NOON)


class Recorder:
    """Writes a row for every event, repetitions too, so that a doubled effect shows; and one for all it must tell."""

    def __init__(self) -> None:
        self.held: set[str] = set()
        self.broken: Callable[[FiguresApplied], None] = lambda _: None
        self.telling: Callable[[Connection, Refused], None] = lambda _, __: None
        self.before_commit: Callable[[Sequence[Received[FiguresApplied]]], None] = lambda _: None

    def decode(self, envelope: Envelope) -> FiguresApplied:
        return data_of(envelope, FiguresApplied)

    def ready_for(self, data: FiguresApplied) -> bool:
        return data.submission_id not in self.held

    def apply(self, connection: Connection, events: Sequence[Received[FiguresApplied]]) -> None:
        for event in events:
            self.broken(event.data)
            if event.data.reason == "refused by the handler":
                raise DeadLetter("no_such_submission", event.data.submission_id)
            connection.execute(
                text("INSERT INTO effect (event_id, topic, partition, place) VALUES (:id, :t, :p, :o)"),
                {"id": event.data.reason or event.data.submission_id, "t": event.topic, "p": event.partition}
                | {"o": event.offset},
            )
        self.before_commit(events)

    def set_aside(self, connection: Connection, refused: Refused) -> None:
        connection.execute(
            text("INSERT INTO effect (event_id, topic, partition, place) VALUES (:id, :t, :p, :o)"),
            {"id": f"told: {refused.refusal.reason}", "t": refused.topic, "p": refused.partition, "o": refused.offset},
        )
        self.telling(connection, refused)


def a_loop(
    engine: Engine, broker: Any, handler: Recorder | None = None, **changes: Any
) -> ConsumerLoop[FiguresApplied]:
    return ConsumerLoop(
        group="receipts",
        topics=[TOPIC],
        handler=handler or Recorder(),
        engine=engine,
        bootstrap=broker.bootstrap,
        topic_prefix=broker.prefix,
        **changes,
    )


def effects(engine: Engine) -> list[str]:
    """What was applied, in order."""
    return [written for written in _written(engine) if not written.startswith("told: ")]


def told(engine: Engine) -> list[str]:
    """The reasons of what the handler was told to be set aside, in order."""
    return [written.removeprefix("told: ") for written in _written(engine) if written.startswith("told: ")]


def _written(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT event_id FROM effect ORDER BY number")).scalars())


def dead_letters(engine: Engine) -> list[tuple[str, str]]:
    with engine.connect() as connection:
        found = connection.execute(text("SELECT reason, detail FROM dead_letter ORDER BY dead_letter_id"))
        return [(row.reason, row.detail) for row in found]


def ids(numbers: Iterable[int]) -> list[str]:
    return [f"S-{number}" for number in numbers]


def publish(broker: Any, *wires: Wire) -> None:
    write(broker.bootstrap, broker.prefix, wires)
