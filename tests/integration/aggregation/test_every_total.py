"""Every total, coverage and pillar score equals a plain reckoning, whatever happens and in whatever order.

Random submissions, repetitions, reorderings, revisions, withdrawals, catalogues back and forth, days that pass,
workers that die, restart and hand partitions to one another, and transactions side by side. After each step all that
is kept and all that is said is held against `support.plainly`, which knows nothing of the service's code.

`FOURONES_PROPERTY_EXAMPLES=500` looks for longer.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from integration.aggregation.keeping import a_figure, a_submission, a_withdrawal
from integration.aggregation.varying import (
    CHANGES,
    ORGANISATIONS,
    TASK_FORCE,
    Choices,
    catalogue_of,
    changed,
    reported_by,
)
from integration.aggregation.working import Log, Worker, meanwhile
from support.catalogue import CLUSTERS
from support.plainly import Books, Question, Reckoning, Row, Said, Score
from support.stack import MigratedCopy

from fourones_aggregation.api import queries
from fourones_aggregation.catalogues import PastCatalogues
from fourones_aggregation.domain.facts import Ask, Fact
from fourones_aggregation.domain.four_ones import Cell, FourOnes
from fourones_aggregation.domain.scopes import Scope
from fourones_aggregation.domain.shapes import Shapes
from fourones_aggregation.domain.stretches import combine, parts
from fourones_aggregation.facts import fetch_facts
from fourones_aggregation.verifying import verify
from fourones_shared.catalogue.checks import check
from fourones_shared.catalogue.model import Catalogue
from fourones_shared.database.engine import api_engine, worker_engine
from fourones_shared.domain.clock import FixedClock
from fourones_shared.domain.periods import Period, shanghai_date
from fourones_shared.domain.pillars import PillarScore
from fourones_shared.events.model import FiguresSubmitted, FigureSubmitted, RollupChanged, Status

# January's figures are due, February has just begun to be reported.
BEGIN = datetime(2026, 3, 5, 4, tzinfo=UTC)
PARTITIONS = 3
# These end within a minute on a machine of their own, and no two runs are alike; long runs are for finding more.
LONG = "FOURONES_PROPERTY_EXAMPLES" in os.environ
EXAMPLES = int(os.environ["FOURONES_PROPERTY_EXAMPLES"]) if LONG else 6
STEPS = 25
SPANS = tuple(Period.parse(key) for key in ("2026-Q1", "2026-S1", "2025", "2026"))
SCORED = tuple(Period.parse(key) for key in ("2026-02", "2026-03", "2026-Q1", "2026-Q2", "2026"))
STATUSES = (Status.NORMAL, Status.NORMAL, Status.PROVISIONAL, Status.ESTIMATED, Status.FORECAST)

Value = TypeVar("Value")


@dataclass(frozen=True)
class Place:
    """What a figure is about, but for the organisation."""

    indicator: str
    cluster: str
    period: str


def places_of(org: str) -> list[Place]:
    return [
        Place(indicator, cluster, period)
        for indicator, reported in reported_by(org).items()
        for cluster in reported.clusters
        for period in reported.periods
    ]


# What everybody submits, and most revisions are about: totals must be complete before much can be derived from them.
FREQUENT = ("2026-01", "2026-02", "2026-01-01/P2M", "2026-03", "2025-Q1", "2026-Q1", "2023", "2025")
# Not begun at first: figures open them.
EARLY = ("2026-04", "2026-05", "2026-12", "2026-Q2")
PLACES: Mapping[str, list[Place]] = {org: places_of(org) for org in ORGANISATIONS}


@st.composite
def some_figure(draw: st.DrawFn, place: Place) -> FigureSubmitted:
    where = {"indicator": place.indicator, "cluster": place.cluster, "period": place.period}
    match draw(st.sampled_from(("value", "value", "value", "value", "silence", "withdrawal"))):
        case "value":
            value = draw(st.one_of(st.integers(0, 250), st.integers(-99_999, 99_999).map(lambda n: Decimal(n) / 100)))
            return a_figure(str(value), status=draw(st.sampled_from(STATUSES)), **where)
        case "silence":
            return a_figure(None, status=draw(st.sampled_from((Status.MISSING, Status.NOT_APPLICABLE))), **where)
        case _:
            return a_withdrawal(**where)


@st.composite
def some_figures(draw: st.DrawFn) -> tuple[str, list[FigureSubmitted]]:
    org = draw(st.sampled_from(ORGANISATIONS))
    often = [place for place in PLACES[org] if place.period in FREQUENT]
    places = st.one_of(st.sampled_from(often), st.sampled_from(often), st.sampled_from(PLACES[org]))
    chosen = draw(st.lists(places, min_size=1, max_size=6, unique=True))
    return org, [draw(some_figure(place)) for place in chosen]


@dataclass(frozen=True)
class Seen:
    """All that the service says at a moment."""

    token: str
    facts: Mapping[Ask, Fact]
    stretches: Mapping[Ask, Fact]
    pillars: Mapping[tuple[Cell, Period], PillarScore]


class Reader:
    """Reads as the API does: one snapshot, of now or of the past."""

    def __init__(self, url: str, clock: FixedClock) -> None:
        self._engine = api_engine(url, name="test", pool_size=2)
        self._clock = clock
        self._catalogues = PastCatalogues()
        self._runner = asyncio.Runner()

    def look(self, as_of: str | None = None) -> Seen:
        return self._runner.run(self._look(as_of))

    def close(self) -> None:
        self._runner.run(self._engine.dispose())
        self._runner.close()

    async def _look(self, as_of: str | None) -> Seen:
        async with queries.at_moment(self._engine, as_of, self._clock) as (connection, moment):
            shapes = await self._catalogues.at(connection, moment.catalogue_version)
            rows = await queries.rollups(connection, moment, queries.Filters(), None, 100_000)
            asks = [Ask(row.indicator, row.period, Scope(row.org, row.cluster, row.tier)) for row in rows]
            facts = await fetch_facts(connection, shapes, asks, moment.as_of)
            assert facts.keys() == set(asks)
            four_ones = FourOnes(shapes)
            wanted = {
                ask for period in SCORED for ask in four_ones.asks(four_ones.cells, period, moment.at, all_counts=False)
            }
            known = facts | await fetch_facts(connection, shapes, wanted - facts.keys(), moment.as_of)
        pillars = {
            (shown.cell, period): shown.score
            for period in SCORED
            for shown in four_ones.shown(four_ones.cells, period, moment.at, known, all_counts=False)
        }
        return Seen(moment.token, facts, dict(_stretches(shapes, facts)), pillars)


def _stretches(shapes: Shapes, facts: Mapping[Ask, Fact]) -> Iterator[tuple[Ask, Fact]]:
    for indicator in shapes.catalogue.indicators:
        scopes = {ask.scope for ask in facts if ask.indicator == indicator.id}
        for span in SPANS:
            made_of = parts(indicator, span)
            for scope in scopes if made_of else ():
                asks = {part: Ask(indicator.id, part.key, scope) for part in made_of}
                known = {part.key: facts[ask] for part, ask in asks.items() if ask in facts}
                fact = combine(indicator, made_of, known, lambda part, asks=asks: shapes.expected(asks[part]))  # type: ignore[misc]
                if fact is not None:
                    yield Ask(indicator.id, span.key, scope), fact


class EveryTotal(RuleBasedStateMachine):
    """Two workers over one log and one database, and the books beside them."""

    def __init__(self, url: str, dropped: Callable[[], None]) -> None:
        super().__init__()
        self.url, self.dropped = url, dropped
        self.clock = FixedClock(BEGIN)
        self.log = Log(PARTITIONS)
        self.workers = [Worker(url, self.clock, self.log) for _ in range(2)]
        self.reader = Reader(url, self.clock)
        self.watching = worker_engine(url, name="test", pool_size=1)
        for partition in range(PARTITIONS):
            self.workers[partition % 2].assign(partition)
        self.books = Books()
        self.sequences = itertools.count(1)
        self.held_back: list[FiguresSubmitted] = []
        self.lingering: list[tuple[int, Sequence[Any]]] = []
        self.choices = [Choices()]
        self.catalogue = Catalogue()
        self.version = 0
        self.opened_until = shanghai_date(BEGIN)
        self.topic: dict[str, RollupChanged] = {}
        self.remembered: list[tuple[str, Seen]] = []

    # -- what happens -------------------------------------------------------------------------------------------------

    @initialize(changes=st.lists(st.sampled_from(sorted(CHANGES)), max_size=3), data=st.data())
    def begin(self, changes: list[str], data: st.DataObject) -> None:
        for change in changes:
            self._choose(change, data)
        self._put(self.choices[-1])
        self.opened_until = shanghai_date(self.clock.now())

    @rule(
        submissions=st.lists(some_figures(), min_size=1, max_size=3),
        late=st.sampled_from((False, False, False, True)),
        applied=st.sampled_from((True, True, False)),
    )
    def submit(self, submissions: list[tuple[str, list[FigureSubmitted]]], *, late: bool, applied: bool) -> None:
        """Somebody reports; `late` reaches the topic only after others, as a replayed dead letter does."""
        for org, figures in submissions:
            submission = self._submission(org, figures)
            if late:
                self.held_back.append(submission)
            else:
                self.log.append(submission)
        if applied:
            self._work_off()

    @rule(
        periods=st.sets(st.sampled_from(FREQUENT), min_size=1),
        factor=st.integers(1, 96),
        silent=st.sampled_from((*ORGANISATIONS, None, None, None)),
        applied=st.sampled_from((True, True, False)),
    )
    def everybody_submits(self, periods: set[str], factor: int, silent: str | None, *, applied: bool) -> None:
        """All figures of some periods, of everybody but one."""
        self._report(periods, factor, silent)
        if applied:
            self._work_off()

    @rule(data=st.data())
    def the_topic_repeats(self, data: st.DataObject) -> None:
        """A relay that died has sent a submission twice; one that was held back comes at last."""
        known = [*self.held_back, *self.log.submissions()]
        if known:
            submission = data.draw(st.sampled_from(known))
            self.log.append(submission)
            if submission in self.held_back:
                self.held_back.remove(submission)

    @rule(worker=st.integers(0, 1), at_most=st.sampled_from((1, 3, 20)))
    def work(self, worker: int, at_most: int) -> None:
        batch = self.workers[worker].poll(at_most)
        self.workers[worker].commit(batch)
        self._note(batch)

    @rule(
        worker=st.integers(0, 1),
        statements=st.integers(0, 16),
        survives=st.booleans(),
        period=st.sampled_from((*FREQUENT, *EARLY)),
    )
    def work_is_cut_off(self, worker: int, statements: int, period: str, *, survives: bool) -> None:
        """In the middle of a batch the process dies, or only its connection."""
        self._report({period}, 1 + statements, None)
        one = self.workers[worker]
        batch = one.poll(20)
        with one.dying(statements):
            one.commit(batch)
            self._note(batch)
        if survives:
            one.commit(batch)
            self._note(batch)
        else:
            self._restart(worker)

    @rule(
        first=st.integers(0, 1),
        statements=st.integers(0, 16),
        meanwhile_=st.sampled_from(("batch", "catalogue", "catalogue", "day")),
        period=st.sampled_from((*FREQUENT, *EARLY)),
        factor=st.integers(1, 96),
        data=st.data(),
    )
    def side_by_side(
        self, *, first: int, statements: int, meanwhile_: str, period: str, factor: int, data: st.DataObject
    ) -> None:
        """In the middle of one transaction another one begins, and goes on as far as it can."""
        self._report({period}, factor, None)
        one, other = self.workers[first], self.workers[1 - first]
        batch, theirs = one.poll(20), other.poll(20)
        with self.watching.connect().execution_options(isolation_level="AUTOCOMMIT") as watcher:
            join = None
            with one.holding(batch, statements):
                if meanwhile_ == "batch":
                    join = meanwhile(watcher, lambda: other.commit(theirs))
                elif meanwhile_ == "catalogue":
                    self._choose(data.draw(st.sampled_from(sorted(CHANGES))), data)
                    join = meanwhile(watcher, lambda: self._put(self.choices[-1], by=1 - first))
                else:
                    self.clock.advance(timedelta(days=data.draw(st.integers(1, 12))))
                    join = meanwhile(watcher, lambda: self._tick(1 - first))
            join()
        if meanwhile_ != "batch":
            other.commit(theirs)
        self._note([*batch, *theirs])

    @rule(partition=st.integers(0, PARTITIONS - 1), lingers=st.booleans())
    def rebalance(self, partition: int, *, lingers: bool) -> None:
        """A partition goes to the other worker; the one who had it may still be busy with what it has polled."""
        old = next(n for n, worker in enumerate(self.workers) if partition in worker.next)
        if lingers:
            self.lingering.append((old, self.workers[old].poll(4)))
        self.workers[1 - old].assign(partition)
        del self.workers[old].next[partition]
        for mine in list(self.workers[old].next) if lingers else ():
            self.workers[old].assign(mine)

    @rule()
    def who_lingers_ends(self) -> None:
        for worker, batch in self.lingering:
            self.workers[worker].commit(batch)
            self._note(batch)
        self.lingering.clear()

    @rule(worker=st.integers(0, 1))
    def restart(self, worker: int) -> None:
        self._restart(worker)

    @rule(worker=st.integers(0, 1), change=st.sampled_from(sorted(CHANGES)), data=st.data())
    def change_the_catalogue(self, worker: int, change: str, data: st.DataObject) -> None:
        self._choose(change, data)
        self._put(self.choices[-1], by=worker)

    @rule(worker=st.integers(0, 1), data=st.data())
    def go_back_to_a_catalogue(self, worker: int, data: st.DataObject) -> None:
        self.choices.append(data.draw(st.sampled_from(self.choices)))
        self._put(self.choices[-1], by=worker)

    @rule(worker=st.integers(0, 1), days=st.integers(1, 20), told=st.sampled_from((True, True, False)))
    def days_pass(self, worker: int, days: int, *, told: bool) -> None:
        """Told by the leading clock, or not yet."""
        self.remembered.append((self.clock.now().isoformat(), self.reader.look()))
        self.clock.advance(timedelta(days=days))
        if told:
            self._tick(worker)

    # -- what is published --------------------------------------------------------------------------------------------

    @rule(
        worker=st.integers(0, 1),
        at_most=st.sampled_from((20, 200)),
        dies=st.booleans(),
        overtaken_by=st.one_of(st.none(), some_figures()),
    )
    def publish(
        self, worker: int, at_most: int, *, dies: bool, overtaken_by: tuple[str, list[FigureSubmitted]] | None
    ) -> None:
        """A relay sends some of what waits; before it has noted that, newer versions may wait, or it dies."""
        taken = self.workers[worker].parts.take(at_most)
        for _, event in taken:
            self._receive(event)
        if overtaken_by is not None:
            self.log.append(self._submission(*overtaken_by))
            self._work_off()
        if not dies:
            with self.workers[worker].parts.engine.begin() as connection:
                self.workers[worker].parts.store.sent(connection, [message for message, _ in taken])

    @rule(worker=st.integers(0, 1))
    def publish_everything(self, worker: int) -> None:
        """Then the last event of each identity is what its row says."""
        for event in self.workers[worker].parts.publish_all().values():
            self._receive(event)
        seen = self.reader.look()
        live = {}
        for (indicator, scope, period), version in self._versions().items():
            fact = seen.facts[Ask(indicator, period, Scope(*scope))]
            live["|".join((indicator, *scope, period))] = (
                version,
                fact.value,
                fact.status or Status.NORMAL,
                fact.reported,
                fact.expected,
                fact.missing,
                fact.due_at,
            )
        last = {key: event for key, event in self.topic.items() if key in live}
        told = {
            key: (
                event.version,
                event.value,
                event.status,
                event.coverage.reported,
                event.coverage.expected,
                event.coverage.missing,
                event.due_at,
            )
            for key, event in last.items()
        }
        _same("published", told, live)
        gone = [event for key, event in self.topic.items() if key not in live]
        assert [e for e in gone if e.value is not None or e.coverage.expected or e.members] == []

    # -- what was known -----------------------------------------------------------------------------------------------

    @rule()
    def remember(self) -> None:
        seen = self.reader.look()
        self.remembered.append((seen.token, seen))

    @rule(data=st.data())
    def look_back(self, data: st.DataObject) -> None:
        """What was said then is said again, of figures, catalogue and clock."""
        if self.remembered:
            as_of, then = data.draw(st.sampled_from(self.remembered))
            now = self.reader.look(as_of)
            _same(f"facts as of {as_of}", now.facts, then.facts)
            _same(f"stretches as of {as_of}", now.stretches, then.stretches)
            _same(f"scores as of {as_of}", now.pillars, then.pillars)

    # -- what must hold -----------------------------------------------------------------------------------------------

    @invariant()
    def everything_is_as_reckoned(self) -> None:
        if not self.version:
            return
        due = Reckoning(self.books, self.catalogue, self.opened_until, self.clock.now())
        seen = self.reader.look()
        _same("kept", self._rows(), due.rows())
        _same("said", _as_said(seen.facts, through=False), due.everything())
        _same("over time", _as_said(seen.stretches, through=True), due.stretches(SPANS))
        scores = {
            (cluster, period.key): due.pillar(cluster, TASK_FORCE, period) for cluster in CLUSTERS for period in SCORED
        }
        _same("scores", {(c.cluster, p.key): _as_score(s) for (c, p), s in seen.pillars.items()}, scores)

    def teardown(self) -> None:
        try:
            if self.version:
                self.who_lingers_ends()
                self.publish_everything(0)
                assert [str(difference) for difference in verify(self.workers[0].parts.engine)] == []
                self._every_revision_is_kept_once()
        finally:
            for worker in self.workers:
                worker.close()
            self.reader.close()
            self.watching.dispose()
            self.dropped()

    def _every_revision_is_kept_once(self) -> None:
        kept = self.workers[0].parts.rows(
            "SELECT i.code AS indicator, o.code AS org, c.code AS cluster, p.code AS period, sequence FROM"
            " (SELECT indicator_id, org_id, cluster_id, period_id, sequence FROM figure UNION ALL"
            " SELECT indicator_id, org_id, cluster_id, period_id, sequence FROM figure_revision) r"
            " JOIN indicator i USING (indicator_id) JOIN organisation o USING (org_id)"
            " JOIN cluster c USING (cluster_id) JOIN period p USING (period_id)"
        )
        assert len(kept) == len(self.books.revisions)
        assert {(tuple(row[:4]), row.sequence) for row in kept} == self.books.revisions

    # -- by hand ------------------------------------------------------------------------------------------------------

    def _submission(self, org: str, figures: Sequence[FigureSubmitted]) -> FiguresSubmitted:
        return a_submission(*figures, org=org, sequence=next(self.sequences), received_at=self.clock.now())

    def _note(self, batch: Sequence[Any]) -> None:
        for taken in batch:
            self.books.note(taken.event.data)

    def _report(self, periods: Collection[str], factor: int, silent: str | None) -> None:
        for org in ORGANISATIONS:
            places = [place for place in PLACES[org] if place.period in periods]
            if places and org != silent:
                values = [1 + (factor * (7 * n + int(org[-1], 36))) % 97 for n, _ in enumerate(places)]
                figures = [
                    a_figure(str(v), indicator=p.indicator, cluster=p.cluster, period=p.period)
                    for p, v in zip(places, values, strict=True)
                ]
                self.log.append(self._submission(org, figures))

    def _work_off(self) -> None:
        for worker in self.workers:
            batch = worker.poll(100)
            worker.commit(batch)
            self._note(batch)

    def _choose(self, change: str, data: st.DataObject) -> None:
        others = [value for value in CHANGES[change] if value != getattr(self.choices[-1], change)]
        value = data.draw(st.sampled_from(others), label=change)
        self.choices.append(changed(self.choices[-1], change, value))

    def _put(self, choices: Choices, by: int = 0) -> None:
        catalogue = catalogue_of(choices)
        parts = self.workers[by].parts
        parts.version = self.version
        parts.put(catalogue)
        self.version, self.catalogue = parts.version, catalogue

    def _tick(self, by: int) -> None:
        self.workers[by].parts.ticker.tick()
        self.opened_until = shanghai_date(self.clock.now())

    def _restart(self, number: int) -> None:
        old = self.workers[number]
        old.close()
        new = self.workers[number] = Worker(self.url, self.clock, self.log)
        for partition in old.next:
            new.assign(partition)
        self.lingering = [(worker, batch) for worker, batch in self.lingering if worker != number]

    def _receive(self, event: RollupChanged) -> None:
        before = self.topic.get(event.partition_key())
        if before is not None:
            assert event.version >= before.version, event
            if event.version == before.version:
                assert (event.value, event.coverage) == (before.value, before.coverage)
        self.topic[event.partition_key()] = event

    def _rows(self) -> dict[Question, Row]:
        found = self.workers[0].parts.rows(_ROWS)
        return {
            (row.indicator, (row.org, row.cluster, row.tier), row.period): Row(
                rule=row.rule,
                total=row.total,
                reported=row.reported,
                expected=row.expected,
                provisional=row.provisional,
                estimated=row.estimated,
                forecast=row.forecast,
                computed=row.computed,
                computed_known=row.computed_known,
                computed_of=row.computed_of,
                computed_missing=None if row.computed_missing is None else tuple(row.computed_missing),
            )
            for row in found
        }

    def _versions(self) -> dict[Question, int]:
        found = self.workers[0].parts.rows(_ROWS)
        return {(row.indicator, (row.org, row.cluster, row.tier), row.period): row.version for row in found}


def _as_said(facts: Mapping[Ask, Fact], *, through: bool) -> dict[Question, Said]:
    return {
        (ask.indicator, (*ask.scope,), ask.period): Said(
            fact.value, fact.status, fact.reported, fact.expected, fact.missing, fact.through if through else None
        )
        for ask, fact in facts.items()
    }


def _as_score(score: PillarScore) -> Score:
    return Score(str(score.state), score.score, score.reported, score.expected)


def _same(what: str, found: Mapping[Any, object], due: Mapping[Any, object]) -> None:
    different = [
        f"{key}\n  is  {found.get(key)}\n  due {due.get(key)}"
        for key in sorted(found.keys() | due.keys(), key=str)
        if found.get(key) != due.get(key)
    ]
    assert not different, "\n".join([f"{len(different)} {what} differ", *different[:6]])


_ROWS = (
    "SELECT i.code AS indicator, o.code AS org, c.code AS cluster, t.code AS tier, p.code AS period,"
    " rule, total, reported, expected, provisional, estimated, forecast, computed, computed_known, computed_of,"
    " computed_missing, r.version FROM rollup r JOIN indicator i USING (indicator_id)"
    " JOIN organisation o USING (org_id) JOIN cluster c USING (cluster_id) JOIN tier t USING (tier_id)"
    " JOIN period p USING (period_id) WHERE live"
)


@pytest.fixture
def copies(migrated_copy: MigratedCopy) -> Callable[[], tuple[str, Callable[[], None]]]:
    """A migrated database for each example, and how to drop it."""

    def copy() -> tuple[str, Callable[[], None]]:
        database = ExitStack()
        return database.enter_context(migrated_copy("fourones_aggregation")), database.close

    return copy


@pytest.mark.timeout(0 if LONG else 300)
def test_every_total_equals_a_plain_reckoning(copies: Callable[[], tuple[str, Callable[[], None]]]) -> None:
    run_state_machine_as_test(
        lambda: EveryTotal(*copies()),  # type: ignore[arg-type]
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            # Making a failure smaller takes minutes, since every try has a database of its own.
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_every_catalogue_that_is_drawn_may_be_applied(change: str) -> None:
    for value in CHANGES[change]:
        assert [str(fault) for fault in check(catalogue_of(changed(Choices(), change, value)))] == []
