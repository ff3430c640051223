"""The service's worker by hand: batches, catalogues, ticks and publications on a real database, without Kafka."""

from __future__ import annotations

import contextlib
import itertools
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine, text
from support.catalogue import MACHINERY, PEI, SCALE

from fourones_aggregation.catalogues import CatalogueVersions
from fourones_aggregation.dimensions import Dimensions
from fourones_aggregation.publishing import RollupStore
from fourones_aggregation.submissions import SubmissionHandler
from fourones_aggregation.switching import CatalogueSwitch
from fourones_aggregation.ticking import Ticker
from fourones_aggregation.verifying import verify
from fourones_shared.catalogue.model import Catalogue
from fourones_shared.database.engine import worker_engine
from fourones_shared.domain.clock import FixedClock
from fourones_shared.events.envelope import Envelope, unwrap, wrap
from fourones_shared.events.model import (
    CataloguePublished,
    EventData,
    FiguresApplied,
    FiguresSubmitted,
    FigureSubmitted,
    RollupChanged,
    Status,
)
from fourones_shared.kafka.consumer import Received
from fourones_shared.kafka.outbox import OutboxMessage
from fourones_shared.kafka.outbox_table import OutboxTable
from fourones_shared.reference import ReferenceCopy, store_catalogue

# The fifteenth of April: March has ended and is overdue since the tenth, April has not ended.
TODAY = datetime(2026, 4, 15, 4, tzinfo=UTC)
MARCH = "2026-03"


def a_figure(value: str | None = "10", **changes: Any) -> FigureSubmitted:
    fields: dict[str, Any] = {"indicator": SCALE, "cluster": MACHINERY, "period": MARCH, "value": value}
    if value is None:
        fields["status"] = Status.MISSING
    return FigureSubmitted.model_validate(fields | changes)


def a_withdrawal(**changes: Any) -> FigureSubmitted:
    return a_figure(None, status=Status.NORMAL, withdrawn=True, **changes)


class Crash(Exception):
    """The end of a process before its commit."""


_sequences = itertools.count(1)


def a_submission(*figures: FigureSubmitted, org: str = PEI, **changes: Any) -> FiguresSubmitted:
    fields: dict[str, Any] = {
        "submission_id": uuid.uuid4().hex,
        "org": org,
        "sequence": next(_sequences),
        "catalogue_version": 1,
        "received_at": TODAY,
        "reported_by": org,
        "key_id": "key",
        "figures": figures,
    }
    return FiguresSubmitted.model_validate(fields | changes)


def published(version: int, catalogue: Catalogue) -> CataloguePublished:
    return CataloguePublished(
        version=version,
        digest=catalogue.digest,
        published_at=TODAY,
        published_by="a test",
        catalogue=catalogue.model_dump(mode="json"),
    )


def received(data: EventData) -> Received[Any]:
    wire = wrap(data, event_id=uuid.uuid4().hex, source="/test", time=TODAY)
    envelope: Envelope = unwrap(wire.value, wire.headers)
    return Received(wire.topic, 0, 0, envelope, data)


@dataclass
class Aggregation:
    """One worker's parts on a database of its own."""

    url: str
    clock: FixedClock = field(default_factory=lambda: FixedClock(TODAY))

    def __post_init__(self) -> None:
        self.engine: Engine = worker_engine(self.url, name="test", pool_size=4)
        self.dimensions = Dimensions(self.engine)
        self.versions = CatalogueVersions()
        self.reference = ReferenceCopy(self.engine)
        self.handler = SubmissionHandler(
            dimensions=self.dimensions, versions=self.versions, known=self.reference.known, clock=self.clock
        )
        self.switch = CatalogueSwitch(dimensions=self.dimensions, versions=self.versions, clock=self.clock)
        self.ticker = Ticker(engine=self.engine, dimensions=self.dimensions, versions=self.versions, clock=self.clock)
        self.store = RollupStore(versions=self.versions, clock=self.clock, settles_after_s=0)
        self.version = 0

    def put(self, catalogue: Catalogue) -> None:
        """Put a catalogue in force as the next version."""
        self.version += 1
        with self.engine.begin() as connection:
            store_catalogue(connection, published(self.version, catalogue), self.switch)

    def apply(self, *submissions: FiguresSubmitted) -> None:
        """One batch, in one transaction."""
        with self.engine.begin() as connection:
            self.handler.apply(connection, [received(submission) for submission in submissions])

    def crash_on(self, *submissions: FiguresSubmitted) -> None:
        """The same, up to the moment before the commit, at which the process dies."""
        with contextlib.suppress(Crash), self.engine.begin() as connection:
            self.handler.apply(connection, [received(submission) for submission in submissions])
            raise Crash

    def rollup(self, period: str = MARCH, **codes: str) -> Any:
        """The one row of a roll-up; live or not."""
        asked = {"indicator": SCALE, "org": "_T", "cluster": "_T", "tier": "_T", "period": period} | codes
        with self.engine.connect() as connection:
            return connection.execute(_ROLLUP, asked).one_or_none()

    def rows(self, statement: str, **parameters: Any) -> Sequence[Any]:
        with self.engine.connect() as connection:
            return connection.execute(text(statement), parameters).all()

    def receipts(self) -> list[FiguresApplied]:
        with self.engine.begin() as connection:
            taken = OutboxTable().take(connection, 10_000)
        return [FiguresApplied.model_validate_json(message.value) for message in taken]

    def take(self, limit: int = 10_000) -> list[tuple[OutboxMessage, RollupChanged]]:
        with self.engine.begin() as connection:
            taken = self.store.take(connection, limit)
        return [(message, RollupChanged.model_validate_json(message.value)) for message in taken]

    def publish_all(self) -> dict[str, RollupChanged]:
        """Publish until nothing waits; the newest event of each identity."""
        newest: dict[str, RollupChanged] = {}
        while taken := self.take():
            newest |= {event.partition_key(): event for _, event in taken}
            with self.engine.begin() as connection:
                self.store.sent(connection, [message for message, _ in taken])
        return newest

    def verify(self) -> None:
        assert [str(difference) for difference in verify(self.engine)] == []


def counts(row: Any) -> tuple[Decimal, int, int]:
    """Total, reported, expected of a roll-up's row."""
    return row.total, row.reported, row.expected


_ROLLUP = text(
    "SELECT r.* FROM rollup r JOIN indicator i USING (indicator_id) JOIN organisation o USING (org_id)"
    " JOIN cluster c USING (cluster_id) JOIN tier t USING (tier_id) JOIN period p USING (period_id)"
    " WHERE i.code = :indicator AND o.code = :org AND c.code = :cluster AND t.code = :tier AND p.code = :period"
)
