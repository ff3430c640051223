"""Puts the service's processes together: the only place that knows which part is plugged into which."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import structlog
from fastapi import FastAPI
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from fourones_shared.access.rates import Limiter, Permits, Rate
from fourones_shared.database.engine import api_engine, assert_durable, is_transient, worker_engine
from fourones_shared.dead_letters.gauge import WaitingGauge
from fourones_shared.dead_letters.resolving import DeadLetters, Reader
from fourones_shared.domain.clock import Clock, SystemClock
from fourones_shared.events.model import FiguresApplied
from fourones_shared.http.service import add_health, service_app
from fourones_shared.kafka.consumer import ConsumerLoop
from fourones_shared.kafka.outbox import Relay
from fourones_shared.kafka.reading import topic_reader
from fourones_shared.reference import ReferenceCopy
from fourones_submission.after_restore import AfterRestore
from fourones_submission.api.catalogue import catalogue_routes
from fourones_submission.api.locks import Deciding, lock_routes
from fourones_submission.api.obligations import Obligations, obligation_routes
from fourones_submission.api.posting import Posting
from fourones_submission.api.structure import structure_routes
from fourones_submission.api.submissions import submission_routes
from fourones_submission.api.template import template_routes
from fourones_submission.on_time_rates import OnTimeRates
from fourones_submission.recovery import Recovery
from fourones_submission.settings import SubmissionSettings
from fourones_submission.storage.acceptance import Acceptance
from fourones_submission.storage.applied import AppliedHandler
from fourones_submission.storage.catalogues import Catalogues
from fourones_submission.storage.figures import Figures
from fourones_submission.storage.housekeeping import forget_old_idempotency_keys
from fourones_submission.storage.keys import Keys
from fourones_submission.storage.locks import Locks
from fourones_submission.storage.outbox import SubmissionOutbox
from fourones_submission.storage.receipts import Receipts
from fourones_submission.terms_in_force import TermsInForce

log = structlog.get_logger(__name__)

RELAY = "submission-outbox"
# Nobody asks what became of a figure within a tenth of a second.
RECEIPTS_PACE_S = 0.1
RECEIPTS_GROUP = "submission-receipts"
HOUSEKEEPING_EVERY_S = 3600.0
LOOK_FOR_DATABASE_EVERY_S = 1.0
# Taking permits writes no log and waits for nobody's flush: two keep up with any load that the others can bear.
RATE_CONNECTIONS = 2

DESCRIPTION = (
    "Takes figures in: `POST /v1/submissions` answers 202 once a submission is stored and numbered, or tells "
    "everything that is wrong with it. Every request but those for health needs `Authorization: Bearer <key>`."
)

Thread = Callable[[threading.Event], None]


@dataclass(frozen=True)
class Process:
    """What `process.serve` runs: an application, and the threads beside it; `close` comes after all of them."""

    app: FastAPI
    threads: Mapping[str, Thread]
    close: Callable[[], None]


@dataclass(frozen=True)
class Operations:
    """What the operators' commands work with."""

    keys: Keys
    reference: ReferenceCopy


def api(settings: SubmissionSettings, clock: Clock | None = None) -> Process:
    """The API. It never speaks to Kafka: a broker that is away refuses no figure."""
    clock = clock or SystemClock()
    follower = worker_engine(settings.database_url, name="fourones-submission-api-reference", pool_size=2)
    engine = api_engine(settings.database_url, name="fourones-submission-api", pool_size=settings.database_pool)
    reference = ReferenceCopy(follower)
    permits = api_engine(settings.database_url, name="fourones-submission-api-rates", pool_size=RATE_CONNECTIONS)
    rate = Rate(settings.requests_per_second, settings.request_burst) if settings.requests_per_second else None
    app = service_app(
        title="fourones submission",
        description=DESCRIPTION,
        reference=reference,
        clock=clock,
        limiter=Limiter(rate, Permits(permits)) if rate is not None else None,
    )
    in_force = TermsInForce(reference)
    app.include_router(
        submission_routes(
            posting=Posting(
                acceptance=Acceptance(engine, clock),
                figures=Figures(engine),
                locks=Locks(engine, clock),
                terms=in_force,
                clock=clock,
                max_body_bytes=settings.max_body_bytes,
                body_timeout_s=settings.body_timeout_s,
            ),
            receipts=Receipts(engine),
        )
    )
    app.include_router(
        catalogue_routes(
            catalogues=Catalogues(engine, clock),
            reference=reference,
            max_body_bytes=settings.max_body_bytes,
            body_timeout_s=settings.body_timeout_s,
        )
    )
    app.include_router(obligation_routes(Obligations(Figures(engine), Locks(engine, clock), in_force, clock)))
    app.include_router(lock_routes(Deciding(Locks(engine, clock), in_force, clock)))
    app.include_router(structure_routes(reference=reference, clock=clock))
    app.include_router(
        template_routes(figures=Figures(engine), locks=Locks(engine, clock), terms=in_force, clock=clock)
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await engine.dispose()
        await permits.dispose()

    app.router.lifespan_context = lifespan

    def follow(stop: threading.Event) -> None:
        require_durable_database(follower, stop)
        reference.follow(stop)

    return Process(app, {"reference": follow}, follower.dispose)


def worker(settings: SubmissionSettings, clock: Clock | None = None) -> Process:
    """The worker: carries the outbox to Kafka, completes receipts, forgets what is too old."""
    clock = clock or SystemClock()
    engine = worker_engine(settings.database_url, name="fourones-submission-worker")
    outbox = SubmissionOutbox(clock)
    relay = Relay(
        name=RELAY,
        engine=engine,
        store=outbox,
        bootstrap=settings.kafka,
        topic_prefix=settings.topic_prefix,
        measure=outbox.backlog,
        prepare=_after_restore(settings, clock).look,
    )
    receipts = ConsumerLoop(
        group=RECEIPTS_GROUP,
        topics=[FiguresApplied.TOPIC],
        handler=AppliedHandler(),
        engine=engine,
        pace_s=RECEIPTS_PACE_S,
        bootstrap=settings.kafka,
        topic_prefix=settings.topic_prefix,
        dead_letter_limit=settings.dead_letter_limit,
    )
    app = FastAPI(title="fourones submission worker", openapi_url=None)
    rates = OnTimeRates(engine, ReferenceCopy(engine), clock)
    add_health(app, receipts.is_ready, more_metrics=rates.exposition)

    def after_durable(work: Thread) -> Thread:
        def run(stop: threading.Event) -> None:
            require_durable_database(engine, stop)
            work(stop)

        return run

    return Process(
        app,
        {
            "relay": after_durable(relay.run),
            "receipts": after_durable(receipts.run),
            "receipts-watch": receipts.watch,
            "on-time-rates": after_durable(rates.run),
            "dead-letters": WaitingGauge(engine).follow,
            "housekeeping": _every(HOUSEKEEPING_EVERY_S, lambda: forget_old_idempotency_keys(engine, clock)),
        },
        engine.dispose,
    )


def _after_restore(settings: SubmissionSettings, clock: Clock) -> AfterRestore:
    return AfterRestore(
        bootstrap=settings.kafka,
        topic_prefix=settings.topic_prefix,
        relay=RELAY,
        outbox=SubmissionOutbox(clock),
        clock=clock,
    )


@contextmanager
def recovery(settings: SubmissionSettings, clock: Clock | None = None) -> Iterator[Recovery]:
    """What `recover` needs."""
    clock = clock or SystemClock()
    engine = worker_engine(settings.database_url, name="fourones-submission-recover", pool_size=2)
    try:
        with topic_reader(settings.kafka, settings.topic_prefix) as reader:
            yield Recovery(engine, reader, _after_restore(settings, clock))
    finally:
        engine.dispose()


@contextmanager
def dead_letters(settings: SubmissionSettings) -> Iterator[DeadLetters]:
    """The dead letters of this service, with the worker's own handler to replay them."""
    engine = worker_engine(settings.database_url, name="fourones-submission-deadletters", pool_size=2)
    try:
        yield DeadLetters(
            engine=engine,
            readers=[Reader(RECEIPTS_GROUP, [FiguresApplied.TOPIC], AppliedHandler())],
            topic_prefix=settings.topic_prefix,
            limit=settings.dead_letter_limit,
        )
    finally:
        engine.dispose()


@contextmanager
def operations(settings: SubmissionSettings, clock: Clock | None = None) -> Iterator[Operations]:
    """What one command of the operators needs."""
    engine = worker_engine(settings.database_url, name="fourones-submission-command", pool_size=1)
    try:
        yield Operations(Keys(engine, clock or SystemClock()), ReferenceCopy(engine))
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


def _every(seconds: float, work: Callable[[], None]) -> Thread:
    def run(stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                work()
            except DBAPIError as error:
                if not is_transient(error):
                    raise
            stop.wait(seconds)

    return run
