"""The aggregation worker's decoding and applying by hand: the same code on a real database, without Kafka."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from fourones_aggregation.catalogues import CatalogueVersions
from fourones_aggregation.dimensions import Dimensions
from fourones_aggregation.submissions import SubmissionHandler
from fourones_aggregation.switching import CatalogueSwitch
from fourones_local.ports import free_port
from fourones_local.postgres import PostgresServer
from fourones_local.process import ServerProcess
from fourones_shared.catalogue.duties import due_at
from fourones_shared.catalogue.parsing import parse_document
from fourones_shared.database.engine import assert_durable, worker_engine
from fourones_shared.domain.clock import FixedClock
from fourones_shared.domain.periods import Period
from fourones_shared.events.envelope import Wire, unwrap, wrap
from fourones_shared.events.model import CataloguePublished, FiguresSubmitted, FigureSubmitted
from fourones_shared.kafka.consumer import Received
from fourones_shared.process import OBJECTS_BETWEEN_COLLECTIONS
from fourones_shared.reference import ReferenceCopy, store_catalogue
from load.workload import CLUSTERS, INDICATORS, Shape, Submission, catalogue, decimal_text

_SOURCE = "/bench"


@contextmanager
def running_postgres(*, shared_buffers: str) -> Iterator[PostgresServer]:
    """PostgreSQL alone, with an account for the aggregation service, stopped and removed in the end."""
    with TemporaryDirectory(prefix="fourones-bench-") as name:
        directory = Path(name)
        # PostgreSQL runs as a user of its own.
        directory.chmod(0o755)
        server = PostgresServer(
            directory=directory / "postgres",
            port=free_port(),
            secrets_file=directory / "passwords.json",
            databases=("aggregation",),
            shared_buffers=shared_buffers,
        )
        process = ServerProcess(server, directory / "postgres.log")
        process.start()
        try:
            server.provision()
            yield server
        finally:
            process.stop()
            server.remove()


class Worker:
    """One worker's handler on a database.

    Args:
        until: periods that have begun by then are open from the start; later ones open when they are touched.
    """

    def __init__(self, url: str, shape: Shape, *, until: datetime) -> None:
        # As in the worker's own process.
        gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
        self.engine = worker_engine(url, name="bench", pool_size=4)
        self._clock = FixedClock(until)
        dimensions, versions = Dimensions(self.engine), CatalogueVersions()
        self.dimensions = dimensions
        self.handler = SubmissionHandler(
            dimensions=dimensions, versions=versions, known=ReferenceCopy(self.engine).known, clock=self._clock
        )
        switch = CatalogueSwitch(dimensions=dimensions, versions=versions, clock=self._clock)
        content = parse_document(catalogue(shape))
        self._indicator = content.indicators[0]
        published = CataloguePublished(
            version=1,
            digest=content.digest,
            published_at=until,
            published_by="bench",
            catalogue=content.model_dump(mode="json"),
        )
        with self.engine.begin() as connection:
            assert_durable(connection)
            store_catalogue(connection, published, switch)
        self._clock.move_to(datetime.now(UTC))

    def close(self) -> None:
        """Give its connections back."""
        self.engine.dispose()

    def due_at(self, period: Period) -> datetime:
        """When a period's figures are due."""
        return due_at(self._indicator, period)

    def apply(self, wires: Sequence[Wire]) -> None:
        """One poll's records: decoded, and applied in one transaction."""
        received = []
        for offset, wire in enumerate(wires):
            envelope = unwrap(wire.value, wire.headers)
            received.append(Received(wire.topic, 0, offset, envelope, self.handler.decode(envelope)))
        with self.engine.begin() as connection:
            self.handler.apply(connection, received)


_sequences = itertools.count(1)


def event_of(sent: Submission) -> Wire:
    """The event of a submission, as the submission service makes it."""
    sequence = next(_sequences)
    data = FiguresSubmitted(
        submission_id=f"018f0000-0000-7000-8000-{sequence:012x}",
        org=sent.org_id,
        sequence=sequence,
        catalogue_version=1,
        received_at=datetime.now(UTC) - timedelta(seconds=1),
        reported_by=sent.org_id,
        key_id="bench",
        figures=tuple(
            FigureSubmitted(
                indicator=indicator,
                cluster=cluster,
                period=sent.period.key,
                value=Decimal(decimal_text(sent.value(n, m))).normalize(),
            )
            for n, indicator in enumerate(INDICATORS)
            for m, cluster in enumerate(CLUSTERS)
        ),
    )
    trace = f"00-{sequence:032x}-{sequence:016x}-01"
    return wrap(data, event_id=data.submission_id, source=_SOURCE, time=data.received_at, traceparent=trace)
