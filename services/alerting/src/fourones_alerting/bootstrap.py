"""Puts the processes of this service together: the only file that knows every concrete part."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from fastapi import FastAPI
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from fourones_alerting.api.alertmanager import alertmanager_router
from fourones_alerting.api.assessments import assessments_router
from fourones_alerting.api.moments import Moments
from fourones_alerting.api.notices import notices_router
from fourones_alerting.api.problem_list import ProblemList
from fourones_alerting.api.problems import problems_router
from fourones_alerting.judging.handlers import RollupHandler, rejudge_on_switch
from fourones_alerting.judging.judges import Judges
from fourones_alerting.judging.start import Start
from fourones_alerting.judging.timekeeper import Timekeeper
from fourones_alerting.metrics.names import NameWindow
from fourones_alerting.metrics.pillars import PillarWindow
from fourones_alerting.metrics.problems import ProblemWindow
from fourones_alerting.metrics.window import Window
from fourones_alerting.notifying.channels import Directory
from fourones_alerting.notifying.channels.file import read_channels
from fourones_alerting.notifying.gauges import NoticeGauges
from fourones_alerting.notifying.ledger import Ledger, Patience
from fourones_alerting.notifying.sending import Sender
from fourones_alerting.notifying.telling import Teller
from fourones_alerting.problems.clock import ProblemClock
from fourones_alerting.problems.opening import notified, problem_notified
from fourones_alerting.settings import API_PORT, WORKER_PORT, AlertingSettings
from fourones_shared.access.rates import Limiter, Permits, Rate
from fourones_shared.catalogue.model import Catalogue
from fourones_shared.database.engine import api_engine, assert_durable, is_transient, one_state, worker_engine
from fourones_shared.dead_letters.gauge import WaitingGauge
from fourones_shared.dead_letters.resolving import DeadLetters, Reader
from fourones_shared.domain.clock import Clock, SystemClock
from fourones_shared.errors import Retry
from fourones_shared.events.model import AccessGranted, CataloguePublished, RollupChanged
from fourones_shared.http.service import add_health, service_app
from fourones_shared.kafka.consumer import ConsumerLoop
from fourones_shared.kafka.outbox import Relay
from fourones_shared.kafka.outbox_table import OutboxTable
from fourones_shared.logs import configure_logging
from fourones_shared.process import serve
from fourones_shared.reference import ReferenceCopy, ReferenceHandler
from fourones_shared.tracing import configure_tracing

log = structlog.get_logger(__name__)

PACKAGE = "fourones_alerting"
ROLLUP_GROUP = "alerting"
# What belongs together is judged once, and metrics are scraped every few seconds.
JUDGING_PACE_S = 0.1
REFERENCE_GROUP = "alerting-reference"
REFERENCE_TOPICS = (CataloguePublished.TOPIC, AccessGranted.TOPIC)
RELAY = "alerting"
# Taking permits writes no log and waits for nobody's flush: two keep up with any load that the others can bear.
RATE_CONNECTIONS = 2
# The ledger, its leader, the counting, and the moments before and after a call; no call holds one.
NOTICE_CONNECTIONS = 6
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
    return _serve(api(settings, clock or SystemClock()), settings, API_PORT, drain_s=settings.drain_s)


def run_worker(settings: AlertingSettings, clock: Clock | None = None) -> int:
    """Consume, judge and keep time until told to stop; the process's exit code."""
    _begin(settings, "alerting-worker")
    return _serve(worker(settings, clock or SystemClock()), settings, WORKER_PORT, gives_way=True)


def api(settings: AlertingSettings, clock: Clock) -> Process:
    """The API: it never speaks to Kafka, so that stored verdicts are served while the broker is away."""
    engine = worker_engine(settings.database_url, name="alerting-api", pool_size=3)
    reference = ReferenceCopy(engine)
    in_force = _in_force(reference)
    window = Window(engine, clock)
    pillars = PillarWindow(engine, clock, in_force)
    problems = ProblemWindow(engine, clock)
    names = NameWindow(in_force)
    permits = api_engine(settings.database_url, name="alerting-api-rates", pool_size=RATE_CONNECTIONS)
    rate = Rate(settings.requests_per_second, settings.request_burst) if settings.requests_per_second else None
    app = service_app(
        title="Fourones alerting",
        description="What became of every target: verdict, light, and why.",
        reference=reference,
        clock=clock,
        more_metrics=lambda: window.text() + pillars.text() + problems.text() + names.text(),
        limiter=Limiter(rate, Permits(permits)) if rate is not None else None,
    )
    queries = api_engine(settings.database_url, name="alerting-api", pool_size=settings.database_pool)
    app.state.engine = queries
    app.include_router(assessments_router(Moments(queries, clock)))
    app.include_router(problems_router(ProblemList(queries, reference, clock, settings.problem_terms)))
    app.include_router(alertmanager_router(settings.alertmanager_token))
    app.include_router(notices_router())
    app.router.lifespan_context = _disposing(queries.dispose, permits.dispose)
    return Process(
        app,
        {
            "reference": reference.follow,
            "metrics": window.follow,
            "four-ones": pillars.follow,
            "problems": problems.follow,
        },
        engine.dispose,
    )


def worker(settings: AlertingSettings, clock: Clock) -> Process:
    """The worker: it consumes, judges and keeps time; its application has health and its own metrics."""
    engine = worker_engine(settings.database_url, name="alerting-worker", pool_size=10)
    reference = ReferenceCopy(engine)
    judges = Judges(reference, clock, settings.problem_terms)
    start = _start(settings)
    wake = threading.Event()
    rollups = ConsumerLoop(
        group=ROLLUP_GROUP,
        topics=[RollupChanged.TOPIC],
        handler=RollupHandler(judges=judges, start=start, clock=clock, knows=reference.known),
        engine=engine,
        pace_s=JUDGING_PACE_S,
        after_commit=wake.set,
        bootstrap=settings.kafka,
        topic_prefix=settings.topic_prefix,
        max_records=settings.batch_records,
        dead_letter_limit=settings.dead_letter_limit,
    )
    outbox = OutboxTable()
    relay = Relay(
        name=RELAY,
        engine=engine,
        store=outbox,
        wake=wake,
        measure=outbox.backlog,
        bootstrap=settings.kafka,
        topic_prefix=settings.topic_prefix,
    )
    references = ConsumerLoop(
        group=REFERENCE_GROUP,
        topics=REFERENCE_TOPICS,
        handler=ReferenceHandler(rejudge_on_switch(start, clock, settings.problem_terms)),
        engine=engine,
        after_commit=wake.set,
        bootstrap=settings.kafka,
        topic_prefix=settings.topic_prefix,
        dead_letter_limit=settings.dead_letter_limit,
    )
    timekeeper = Timekeeper(
        engine=engine, judges=judges, start=start, clock=clock, lock=f"{settings.topic_prefix}alerting:clock"
    )
    problems = ProblemClock(
        engine=engine,
        in_force=lambda: reference.catalogue,
        may_judge=lambda: start.is_reached,
        clock=clock,
        terms=settings.problem_terms,
        lock=f"{settings.topic_prefix}alerting:problems",
    )
    # Apart from the others', so that slow channels and long nights of messages never hold up judging.
    notices_engine = worker_engine(settings.database_url, name="alerting-notices", pool_size=NOTICE_CONNECTIONS)
    directory = _directory(settings)
    teller = _teller(settings, clock, directory, engine=notices_engine, reference=reference, start=start)
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
            "problems": durable.before(problems.run),
            "relay": durable.before(relay.run),
            "notices": durable.before(teller.run),
            "notices-count": NoticeGauges(notices_engine, directory, clock).follow,
            "dead-letters": WaitingGauge(engine).follow,
        },
        _both(engine.dispose, notices_engine.dispose),
    )


@contextmanager
def problem_history(settings: AlertingSettings) -> Iterator[Connection]:
    """A connection that sees one moment of the problem list, for whoever verifies it."""
    engine = worker_engine(settings.database_url, name="alerting-problems", pool_size=1)
    try:
        with one_state(engine) as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def judged_history(
    settings: AlertingSettings, clock: Clock | None = None
) -> Iterator[tuple[Connection, Catalogue, datetime]]:
    """One moment of the database, the catalogue in force, and now, for whoever replays what was known.

    Raises:
        Retry: before the first catalogue.
    """
    engine = worker_engine(settings.database_url, name="alerting-history", pool_size=2)
    try:
        reference = ReferenceCopy(engine)
        reference.refresh()
        if reference.catalogue is None:
            raise Retry("no catalogue has arrived yet: apply one, or start the worker; then try again")
        with one_state(engine) as connection:
            yield connection, reference.catalogue, (clock or SystemClock()).now()
    finally:
        engine.dispose()


@contextmanager
def dead_letters(settings: AlertingSettings, clock: Clock | None = None) -> Iterator[DeadLetters]:
    """The dead letters of this service, with the worker's own handlers to replay them."""
    clock = clock or SystemClock()
    # One connection for the replay, one for what the handler looks up beside it.
    engine = worker_engine(settings.database_url, name="alerting-deadletters", pool_size=2)
    reference = ReferenceCopy(engine)
    start = _start(settings)
    rollups = RollupHandler(
        judges=Judges(reference, clock, settings.problem_terms), start=start, clock=clock, knows=reference.known
    )
    try:
        yield DeadLetters(
            engine=engine,
            readers=[
                Reader(ROLLUP_GROUP, [RollupChanged.TOPIC], rollups),
                Reader(
                    REFERENCE_GROUP,
                    REFERENCE_TOPICS,
                    ReferenceHandler(rejudge_on_switch(start, clock, settings.problem_terms)),
                ),
            ],
            topic_prefix=settings.topic_prefix,
            limit=settings.dead_letter_limit,
            before_replay=lambda: _require_caught_up(start, engine),
        )
    finally:
        engine.dispose()


def _in_force(reference: ReferenceCopy) -> Callable[[], tuple[int, Catalogue] | None]:
    """Version and catalogue for `/metrics`, whose very first scrape shows everything, names as well as verdicts."""

    def in_force() -> tuple[int, Catalogue] | None:
        if reference.in_force is None:
            with suppress(OperationalError):
                reference.refresh()
        return reference.in_force

    return in_force


def _both(first: Callable[[], None], second: Callable[[], None]) -> Callable[[], None]:
    def both() -> None:
        first()
        second()

    return both


def _directory(settings: AlertingSettings) -> Directory:
    """Who is told by which channels.

    Raises:
        ChannelsRefused: with every fault of the channels file.
    """
    if settings.channels_file is None:
        log.warning("nobody is told of anything: FOURONES_CHANNELS_FILE names no file")
        return Directory()
    return read_channels(settings.channels_file)


def _teller(
    settings: AlertingSettings,
    clock: Clock,
    directory: Directory,
    *,
    engine: Engine,
    reference: ReferenceCopy,
    start: Start,
) -> Teller:
    ledger = Ledger(
        directory=directory,
        catalogue=lambda: reference.catalogue,
        link=settings.link_base,
        problems_link=settings.problem_link_base,
        patience=Patience(
            red=timedelta(seconds=settings.tell_unasked_after_s),
            recovered=timedelta(seconds=settings.tell_recovered_after_s),
        ),
        told=notified,
    )
    return Teller(
        engine=engine,
        ledger=ledger,
        sender=Sender(engine=engine, directory=directory, clock=clock, told=notified, told_of_problem=problem_notified),
        start=start,
        clock=clock,
        lock=f"{settings.topic_prefix}alerting:notices",
        sweep_every_s=settings.notice_sweep_s,
    )


def _start(settings: AlertingSettings) -> Start:
    return Start(
        read_by={RollupChanged.TOPIC: ROLLUP_GROUP} | dict.fromkeys(REFERENCE_TOPICS, REFERENCE_GROUP),
        bootstrap=settings.kafka,
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
        with engine.begin() as connection:
            if start.look(connection):
                return
        if time.monotonic() > deadline:
            raise Retry(
                "the worker has not read everything yet: start it, or let it go on with `deadletters allow` if it "
                "waits at its limit; then replay again"
            )
        time.sleep(0.2)


def _disposing(*disposals: Callable[[], Awaitable[None]]) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        for dispose in disposals:
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
                    with self._engine.begin() as connection:
                        assert_durable(connection)
                except DBAPIError as error:
                    if not is_transient(error):
                        raise
                    log.warning("database is away", error=str(error).splitlines()[0])
                    return False
                self._asserted = True
            return True


def _serve(
    process: Process,
    settings: AlertingSettings,
    default_port: int,
    *,
    drain_s: float = 0,
    gives_way: bool = False,
) -> int:
    try:
        return serve(
            process.app,
            host=settings.host,
            port=settings.port or default_port,
            threads=process.threads,
            drain_s=drain_s,
            gives_way=gives_way,
        )
    finally:
        process.close()


def _begin(settings: AlertingSettings, service: str) -> None:
    configure_logging(settings, service)
    configure_tracing(service)
    log.info("starting", settings=settings.described())
