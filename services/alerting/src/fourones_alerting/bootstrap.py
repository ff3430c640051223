"""Puts the processes of this service together: the only file that knows every concrete part."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass

import structlog
from fastapi import FastAPI
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from fourones_alerting.api.assessments import assessments_router
from fourones_alerting.judging.handlers import RollupHandler, rejudge_on_switch
from fourones_alerting.judging.judges import Judges
from fourones_alerting.judging.start import Start
from fourones_alerting.judging.timekeeper import Timekeeper
from fourones_alerting.metrics.pillars import PillarWindow
from fourones_alerting.metrics.window import Window
from fourones_alerting.settings import API_PORT, WORKER_PORT, AlertingSettings
from fourones_shared.database.engine import api_engine, assert_durable, is_transient, worker_engine
from fourones_shared.dead_letters.gauge import WaitingGauge
from fourones_shared.dead_letters.resolving import DeadLetters, Reader
from fourones_shared.domain.clock import Clock, SystemClock
from fourones_shared.errors import Retry
from fourones_shared.events.model import AccessGranted, CataloguePublished, RollupChanged
from fourones_shared.http.service import add_health, service_app
from fourones_shared.kafka.consumer import ConsumerLoop
from fourones_shared.logs import configure_logging
from fourones_shared.process import serve
from fourones_shared.reference import ReferenceCopy, ReferenceHandler
from fourones_shared.tracing import configure_tracing

log = structlog.get_logger(__name__)

PACKAGE = "fourones_alerting"
ROLLUP_GROUP = "alerting"
REFERENCE_GROUP = "alerting-reference"
REFERENCE_TOPICS = (CataloguePublished.TOPIC, AccessGranted.TOPIC)
# A worker that runs has read everything within moments; a command does not wait longer to find that it has not.
CAUGHT_UP_WITHIN_S = 15.0

Thread = Callable[[threading.Event], None]


@dataclass(frozen=True)
class Process:
    """What `process.serve` runs: an application, and the threads beside it; `close` when all of them have ended."""

    app: FastAPI
    threads: Mapping[str, Thread]
    close: Callable[[], None]


def run_api(settings: AlertingSettings, clock: Clock | None = None) -> int:
    """Serve the HTTP API and the verdicts' metrics until told to stop; the process's exit code."""
    _begin(settings, "alerting-api")
    return _serve(api(settings, clock or SystemClock()), settings, API_PORT)


def run_worker(settings: AlertingSettings, clock: Clock | None = None) -> int:
    """Consume, judge and keep time until told to stop; the process's exit code."""
    _begin(settings, "alerting-worker")
    return _serve(worker(settings, clock or SystemClock()), settings, WORKER_PORT)


def api(settings: AlertingSettings, clock: Clock) -> Process:
    """The API: it never speaks to Kafka, so that stored verdicts are served while the broker is away."""
    engine = worker_engine(settings.database_url, name="alerting-api", pool_size=3)
    reference = ReferenceCopy(engine)
    window = Window(engine, clock)
    pillars = PillarWindow(engine, clock, lambda: reference.in_force)
    app = service_app(
        title="Fourones alerting",
        description="What became of every target: verdict, light, and why.",
        reference=reference,
        clock=clock,
        more_metrics=lambda: window.text() + pillars.text(),
    )
    queries = api_engine(settings.database_url, name="alerting-api", pool_size=settings.database_pool)
    app.state.engine = queries
    app.include_router(assessments_router())
    app.router.lifespan_context = _disposing(queries.dispose)
    return Process(
        app, {"reference": reference.follow, "metrics": window.follow, "four-ones": pillars.follow}, engine.dispose
    )


def worker(settings: AlertingSettings, clock: Clock) -> Process:
    """The worker: it consumes, judges and keeps time; its application has health and its own metrics."""
    engine = worker_engine(settings.database_url, name="alerting-worker", pool_size=6)
    reference = ReferenceCopy(engine)
    judges = Judges(reference, clock)
    start = _start(settings)
    rollups = ConsumerLoop(
        group=ROLLUP_GROUP,
        topics=[RollupChanged.TOPIC],
        handler=RollupHandler(judges=judges, start=start, clock=clock, knows=reference.known),
        engine=engine,
        bootstrap=settings.kafka_bootstrap,
        topic_prefix=settings.topic_prefix,
        max_records=settings.batch_records,
        dead_letter_limit=settings.dead_letter_limit,
    )
    references = ConsumerLoop(
        group=REFERENCE_GROUP,
        topics=REFERENCE_TOPICS,
        handler=ReferenceHandler(rejudge_on_switch(start, clock)),
        engine=engine,
        bootstrap=settings.kafka_bootstrap,
        topic_prefix=settings.topic_prefix,
        dead_letter_limit=settings.dead_letter_limit,
    )
    timekeeper = Timekeeper(
        engine=engine, judges=judges, start=start, clock=clock, lock=f"{settings.topic_prefix}alerting:clock"
    )
    app = FastAPI(title="Fourones alerting worker", docs_url=None, redoc_url=None, openapi_url=None)
    add_health(app, lambda: start.is_reached and rollups.is_ready() and references.is_ready())
    durable = _Durable(engine)
    return Process(
        app,
        {
            "catalogue": durable.before(reference.follow),
            "references": durable.before(references.run),
            "references-watch": references.watch,
            "rollups": durable.before(rollups.run),
            "rollups-watch": rollups.watch,
            "clock": durable.before(timekeeper.run),
            "dead-letters": WaitingGauge(engine).follow,
        },
        engine.dispose,
    )


@contextmanager
def dead_letters(settings: AlertingSettings, clock: Clock | None = None) -> Iterator[DeadLetters]:
    """The dead letters of this service, with the worker's own handlers to replay them."""
    clock = clock or SystemClock()
    # One connection for the replay, one for what the handler looks up beside it.
    engine = worker_engine(settings.database_url, name="alerting-deadletters", pool_size=2)
    reference = ReferenceCopy(engine)
    start = _start(settings)
    rollups = RollupHandler(judges=Judges(reference, clock), start=start, clock=clock, knows=reference.known)
    try:
        yield DeadLetters(
            engine=engine,
            readers=[
                Reader(ROLLUP_GROUP, [RollupChanged.TOPIC], rollups),
                Reader(REFERENCE_GROUP, REFERENCE_TOPICS, ReferenceHandler(rejudge_on_switch(start, clock))),
            ],
            topic_prefix=settings.topic_prefix,
            limit=settings.dead_letter_limit,
            before_replay=lambda: _require_caught_up(start, engine),
        )
    finally:
        engine.dispose()


def _start(settings: AlertingSettings) -> Start:
    return Start(
        read_by={RollupChanged.TOPIC: ROLLUP_GROUP} | dict.fromkeys(REFERENCE_TOPICS, REFERENCE_GROUP),
        bootstrap=settings.kafka_bootstrap,
        topic_prefix=settings.topic_prefix,
    )


def _require_caught_up(start: Start, engine: Engine) -> None:
    """What a replay brings is judged with all that came before it, or a verdict would rest on half a history.

    Raises:
        Retry: when the worker has not read everything yet, or the broker is away.
    """
    start.ask_where_topics_end()
    deadline = time.monotonic() + CAUGHT_UP_WITHIN_S
    while True:
        with engine.connect() as connection:
            if start.look(connection):
                return
        if time.monotonic() > deadline:
            raise Retry(
                "the worker has not read everything yet: start it, or let it go on with `deadletters allow` if it "
                "waits at its limit; then replay again"
            )
        time.sleep(0.2)


def _disposing(dispose: Callable[[], Awaitable[None]]) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await dispose()

    return lifespan


class _Durable:
    """Lets work begin only on a database that answers and forgets nothing."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._asserted = False

    def before(self, work: Thread) -> Thread:
        def asserted(stop: threading.Event) -> None:
            while not stop.is_set() and not self._assert():
                stop.wait(0.5)
            if not stop.is_set():
                work(stop)

        return asserted

    def _assert(self) -> bool:
        with self._lock:
            if not self._asserted:
                try:
                    with self._engine.connect() as connection:
                        assert_durable(connection)
                except DBAPIError as error:
                    if not is_transient(error):
                        raise
                    log.warning("database is away", error=str(error).splitlines()[0])
                    return False
                self._asserted = True
            return True


def _serve(process: Process, settings: AlertingSettings, default_port: int) -> int:
    try:
        return serve(process.app, host=settings.host, port=settings.port or default_port, threads=process.threads)
    finally:
        process.close()


def _begin(settings: AlertingSettings, service: str) -> None:
    configure_logging(settings, service)
    configure_tracing(service)
    log.info("starting", settings=settings.described())
