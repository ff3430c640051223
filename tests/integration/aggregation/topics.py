"""The topics of one test on the real broker."""

from __future__ import annotations

import uuid
from typing import Any

from integration.aggregation.keeping import TODAY
from support.records import read_committed, write

from fourones_shared.events.envelope import Wire, wrap
from fourones_shared.events.model import EventData, FiguresSubmitted
from fourones_shared.kafka.topics import ensure_topics
from fourones_shared.topics import all_topics

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Kafka:
    """What other services would have written, and what the worker writes."""

    def __init__(self, bootstrap_servers: str, prefix: str) -> None:
        self.bootstrap = bootstrap_servers
        self.prefix = prefix
        ensure_topics(bootstrap_servers, all_topics().values(), prefix=prefix)

    def write(self, *events: EventData | Wire) -> None:
        write(self.bootstrap, self.prefix, [e if isinstance(e, Wire) else wire_of(e) for e in events])

    def read(self, topic: str) -> list[Any]:
        return read_committed(self.bootstrap, self.prefix, topic).records


def wire_of(event: EventData) -> Wire:
    """As its own service would send it: a submission's event has the submission's id."""
    event_id = event.submission_id if isinstance(event, FiguresSubmitted) else uuid.uuid4().hex
    return wrap(event, event_id=event_id, source="/test", time=TODAY, traceparent=TRACE)
