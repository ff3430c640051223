"""Puts the service's processes together: the only place that knows which part is plugged into which."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass

import structlog
from fastapi import FastAPI
from kafka import KafkaAdminClient
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from fourones_aggregation.api.export import export_routes
from fourones_aggregation.api.four_ones import four_ones_routes
from fourones_aggregation.api.history import history_routes
from fourones_aggregation.api.rollups import rollup_routes
from fourones_aggregation.api.series import series_routes
from fourones_aggregation.api.versions import version_routes
from fourones_aggregation.catalogues import CatalogueVersions, PastCatalogues
from fourones_aggregation.dimensions import Dimensions
from fourones_aggregation.publishing import RollupStore, measure
from fourones_aggregation.rebuilding import Rebuild
from fourones_aggregation.replaying import Log, Progress
from fourones_aggregation.submissions import SubmissionHandler
from fourones_aggregation.switching import CatalogueSwitch
from fourones_aggregation.ticking import Ticker
from fourones_aggregation.verification import VerificationGauge
from fourones_shared.access.rates import Limiter, Permits, Rate
from fourones_shared.database.engine import api_engine, assert_durable, is_transient, worker_engine
from fourones_shared.dead_letters.gauge import WaitingGauge
from fourones_shared.dead_letters.resolving import DeadLetters, Reader
from fourones_shared.domain.clock import Clock, SystemClock
from fourones_shared.events.model import AccessGranted, CataloguePublished, EventData, FiguresSubmitted
from fourones_shared.http.service import add_health, service_app
from fourones_shared.kafka.connection import client_options
from fourones_shared.kafka.consumer import ConsumerLoop
from fourones_shared.kafka.outbox import Relay
from fourones_shared.kafka.outbox_table import OutboxTable
from fourones_shared.kafka.positions import Identity
from fourones_shared.kafka.reading import BOOTSTRAP_TIMEOUT_MS, topic_reader
from fourones_shared.kafka.topics import topic_identities
from fourones_shared.reference import ReferenceCopy, ReferenceHandler
from fourones_shared.settings import ServiceSettings

log = structlog.get_logger(__name__)

LOOK_FOR_DATABASE_EVERY_S = 1.0
# One each for two consumers, two relays, clock, reference copy, count of dead letters, verification, and for who
# numbers codes.
WORKER_CONNECTIONS = 12
# Taking permits writes no log and waits for nobody's flush: two keep up with any load that the others can bear.
RATE_CONNECTIONS = 2
# The answers of the API do not wait for publication, and metrics are scraped every few seconds.
PUBLISHING_PACE_S = 0.1
# What this process writes wakes its relays; they look for what others have written, and for what has settled.
PUBLISHING_IDLE_S = 0.25
FIGURES_GROUP = "aggregation"
REFERENCE_GROUP = "aggregation-reference"
REFERENCE_TOPICS = (CataloguePublished.TOPIC, AccessGranted.TOPIC)

DESCRIPTION = (
    "Totals over organisations, clusters and time, always with how many of how many have reported, and every value "
    "that a figure or a total has had. Every answer names its moment; `as_of` gives the same answer again. Every "
    "request but those for health needs `Authorization: Bearer <key>`."
)

Thread = Callable[[threading.Event], None]


@dataclass(frozen=True)
class Process:
    """What `process.serve` runs: an application, and the threads beside it; `close` comes after all of them."""

    app: FastAPI
    threads: Mapping[str, Thread]
    close: Callable[[], None]


@dataclass(frozen=True)
class Parts:
    """The worker's parts, plugged together."""

    engine: Engine
    reference: ReferenceCopy
    figures: ConsumerLoop[FiguresSubmitted]
    catalogue: ConsumerLoop[EventData]
    receipts: Relay
    rollups: Relay
    ticker: Ticker


def worker(settings: ServiceSettings, clock: Clock | None = None) -> Process:
    """The worker: applies submissions and catalogues, publishes receipts and roll-ups, minds the clock."""
    parts = worker_parts(settings, clock or SystemClock())
    app = FastAPI(title="fourones aggregation worker", openapi_url=None)
    add_health(app, lambda: parts.figures.is_ready() and parts.catalogue.is_ready())

    def after_durable(work: Thread) -> Thread:
        def run(stop: threading.Event) -> None:
            require_durable_database(parts.engine, stop)
            work(stop)

        return run

    threads: dict[str, Thread] = {
        "figures": parts.figures.run,
        "figures-watch": parts.figures.watch,
        "reference": parts.catalogue.run,
        "reference-watch": parts.catalogue.watch,
        "receipts": parts.receipts.run,
        "rollups": parts.rollups.run,
        "clock": parts.ticker.run,
        "dead-letters": WaitingGauge(parts.engine).follow,
        "verification": VerificationGauge(parts.engine).follow,
    }
    return Process(app, {name: after_durable(work) for name, work in threads.items()}, parts.engine.dispose)


def worker_parts(settings: ServiceSettings, clock: Clock) -> Parts:
    """The worker's parts, each of which can be run alone."""
    engine = worker_engine(settings.database_url, name="fourones-aggregation-worker", pool_size=WORKER_CONNECTIONS)
    dimensions = Dimensions(engine)
    versions = CatalogueVersions()
    reference = ReferenceCopy(engine)
    receipts_wake, rollups_wake = threading.Event(), threading.Event()

    def wake() -> None:
        receipts_wake.set()
        rollups_wake.set()

    switch = CatalogueSwitch(dimensions=dimensions, versions=versions, clock=clock)
    bootstrap, prefix = settings.kafka, settings.topic_prefix
    return Parts(
        engine=engine,
        reference=reference,
        figures=ConsumerLoop(
            group=FIGURES_GROUP,
            topics=[FiguresSubmitted.TOPIC],
            handler=SubmissionHandler(dimensions=dimensions, versions=versions, known=reference.known, clock=clock),
            engine=engine,
            after_commit=wake,
            bootstrap=bootstrap,
            topic_prefix=prefix,
            dead_letter_limit=settings.dead_letter_limit,
        ),
        catalogue=ConsumerLoop(
            group=REFERENCE_GROUP,
            topics=REFERENCE_TOPICS,
            handler=ReferenceHandler(on_switch=switch),
            engine=engine,
            after_commit=wake,
            bootstrap=bootstrap,
            topic_prefix=prefix,
            dead_letter_limit=settings.dead_letter_limit,
        ),
        receipts=Relay(
            name="aggregation-receipts",
            engine=engine,
            store=OutboxTable(),
            wake=receipts_wake,
            measure=measure,
            pace_s=PUBLISHING_PACE_S,
            idle_s=PUBLISHING_IDLE_S,
            bootstrap=bootstrap,
            topic_prefix=prefix,
        ),
        rollups=Relay(
            name="aggregation-rollups",
            engine=engine,
            store=RollupStore(versions=versions, clock=clock),
            wake=rollups_wake,
            pace_s=PUBLISHING_PACE_S,
            idle_s=PUBLISHING_IDLE_S,
            bootstrap=bootstrap,
            topic_prefix=prefix,
        ),
        ticker=Ticker(
            engine=engine, dimensions=dimensions, versions=versions, clock=clock, after_tick=rollups_wake.set
        ),
    )


def api(settings: ServiceSettings, clock: Clock | None = None) -> Process:
    """The API. It reads the database only: a broker that is away takes nothing from the answers."""
    follower = worker_engine(settings.database_url, name="fourones-aggregation-api-reference", pool_size=2)
    engine = api_engine(settings.database_url, name="fourones-aggregation-api", pool_size=8)
    reference = ReferenceCopy(follower)
    permits = api_engine(settings.database_url, name="fourones-aggregation-api-rates", pool_size=RATE_CONNECTIONS)
    rate = Rate(settings.requests_per_second, settings.request_burst) if settings.requests_per_second else None
    app = service_app(
        title="fourones aggregation",
        description=DESCRIPTION,
        reference=reference,
        clock=clock or SystemClock(),
        limiter=Limiter(rate, Permits(permits)) if rate is not None else None,
    )
    catalogues = PastCatalogues()
    app.include_router(rollup_routes(engine, catalogues))
    app.include_router(version_routes(engine, catalogues))
    app.include_router(series_routes(engine, catalogues))
    app.include_router(export_routes(engine, catalogues))
    app.include_router(history_routes(engine))
    app.include_router(four_ones_routes(engine, catalogues))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await engine.dispose()
        await permits.dispose()

    app.router.lifespan_context = lifespan
    return Process(app, {"reference": reference.follow}, follower.dispose)


def operators_engine(settings: ServiceSettings) -> Engine:
    """A small engine for one command."""
    return worker_engine(settings.database_url, name="fourones-aggregation-command", pool_size=1)


@contextmanager
def dead_letters(settings: ServiceSettings, clock: Clock | None = None) -> Iterator[DeadLetters]:
    """The dead letters of this service, with the worker's own handlers to replay them."""
    clock = clock or SystemClock()
    # One connection for the replay, one for what the handler looks up beside it.
    engine = worker_engine(settings.database_url, name="fourones-aggregation-deadletters", pool_size=2)
    dimensions, versions = Dimensions(engine), CatalogueVersions()
    submissions = SubmissionHandler(
        dimensions=dimensions, versions=versions, known=ReferenceCopy(engine).known, clock=clock
    )
    switch = CatalogueSwitch(dimensions=dimensions, versions=versions, clock=clock)
    try:
        yield DeadLetters(
            engine=engine,
            readers=[
                Reader(FIGURES_GROUP, [FiguresSubmitted.TOPIC], submissions),
                Reader(REFERENCE_GROUP, REFERENCE_TOPICS, ReferenceHandler(on_switch=switch)),
            ],
            topic_prefix=settings.topic_prefix,
            limit=settings.dead_letter_limit,
        )
    finally:
        engine.dispose()


@contextmanager
def log_of_figures(settings: ServiceSettings, engine: Engine) -> Iterator[tuple[Log, Dimensions]]:
    """The topic of figures, read outside of the workers' group, and the numbers of the codes in it.

    Raises:
        Retry, KafkaError: when the broker is away.
    """
    bootstrap, topic = settings.kafka, settings.topic_prefix + FiguresSubmitted.TOPIC
    dimensions = Dimensions(engine)
    submissions = SubmissionHandler(
        dimensions=dimensions,
        versions=CatalogueVersions(),
        known=ReferenceCopy(engine).known,
        clock=SystemClock(),
    )
    with closing(KafkaAdminClient(**client_options(bootstrap), bootstrap_timeout_ms=BOOTSTRAP_TIMEOUT_MS)) as admin:
        identity = Identity(*topic_identities(admin, [topic]))
    with topic_reader(bootstrap, settings.topic_prefix) as reader:
        group = settings.topic_prefix + FIGURES_GROUP
        yield Log(reader, identity, group, topic, submissions.decode), dimensions


@contextmanager
def rebuild(
    settings: ServiceSettings, progress: Callable[[Progress], None] = lambda _: None, clock: Clock | None = None
) -> Iterator[Rebuild]:
    """What rebuilds the figures from their log.

    Raises:
        Retry, KafkaError: when the broker is away.
    """
    clock = clock or SystemClock()
    engine = operators_engine(settings)
    try:
        with log_of_figures(settings, engine) as (topic, dimensions):
            switch = CatalogueSwitch(dimensions=dimensions, versions=CatalogueVersions(), clock=clock)
            yield Rebuild(
                engine=engine, log=topic, dimensions=dimensions, switch=switch, clock=clock, progress=progress
            )
    finally:
        engine.dispose()


def require_durable_database(engine: Engine, stop: threading.Event) -> None:
    """Wait for the database, then see that it keeps what it commits.

    Raises:
        Stop: when it may forget.
    """
    while not stop.is_set():
        try:
            with engine.begin() as connection:
                assert_durable(connection)
        except DBAPIError as error:
            if not is_transient(error):
                raise
            log.warning("database is away", error=str(error).splitlines()[0])
            stop.wait(LOOK_FOR_DATABASE_EVERY_S)
        else:
            return
