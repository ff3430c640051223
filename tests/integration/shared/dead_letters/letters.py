"""Dead letters without a broker: records that a consumer of `figures-applied` has set aside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from integration.shared.kafka.consuming import TOPIC, Recorder, an_event
from sqlalchemy import Engine

from fourones_shared.dead_letters.keeping import Keeper, Refused
from fourones_shared.dead_letters.resolving import DeadLetters, Reader
from fourones_shared.dead_letters.stored import Selection, State
from fourones_shared.errors import DeadLetter

PREFIX = "test-"
GROUP = "receipts"


def refused(number: int = 1, *, offset: int | None = None, **changes: Any) -> Refused:
    """A good event that somebody refused; `value`, `key` and `headers` may be anything else."""
    wire = an_event(number, reason=changes.pop("says", None))
    fields: dict[str, Any] = {
        "topic": PREFIX + TOPIC,
        "partition": 3,
        "offset": number if offset is None else offset,
        "key": wire.key,
        "value": wire.value,
        "headers": wire.headers,
        "refusal": DeadLetter("bad_data", "as the test has it"),
    }
    return Refused(**(fields | changes))


def set_aside(engine: Engine, *records: Refused, limit: int = 1_000, group: str = GROUP) -> list[int]:
    """Their numbers."""
    with engine.begin() as connection:
        Keeper(PREFIX + group, limit).keep(connection, records)
    return list(the_letters(engine).numbers(Selection(state=State.WAITING)))


def the_letters(
    engine: Engine, handler: Recorder | None = None, before_replay: Callable[[], None] | None = None
) -> DeadLetters:
    return DeadLetters(
        engine=engine,
        readers=[Reader(GROUP, [TOPIC], handler or Recorder())],
        topic_prefix=PREFIX,
        limit=5,
        before_replay=before_replay,
    )
