"""Applying submissions: one transaction per batch, in which figures, roll-ups, receipts and position move together.

    1. hold the catalogue in force (shared) and the organisations;
    2. read the current figures, decide every revision, and sum what each roll-up changes by;
    3. open the periods that are touched for the first time;
    4. lock the roll-ups in the order of their numbers, then take the snapshot number and the time;
    5. write figures and revisions, roll-ups and their queue, receipts.

The number of statements does not depend on the number of figures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from fourones_aggregation.arrays import numbers
from fourones_aggregation.catalogues import CatalogueVersions
from fourones_aggregation.dimensions import Dimensions
from fourones_aggregation.domain.differences import (
    Known,
    Movement,
    Revision,
    contribution,
    decide,
    difference,
    seen,
)
from fourones_aggregation.domain.scopes import Scope, Shape, Shapes
from fourones_aggregation.figures import FigureKey, Winner, lock_organisations, read_figures, write_figures
from fourones_aggregation.opening import Pair, open_pairs
from fourones_aggregation.receipts import Receipt, queue_receipts, queue_refusal, trace_context
from fourones_aggregation.rollups import RollupKey, announce, apply_movements, lock_rollups, stamp
from fourones_shared.database.engine import is_transient
from fourones_shared.domain.clock import Clock
from fourones_shared.domain.numbers import MAX_DECIMALS, MAX_INTEGER_DIGITS
from fourones_shared.domain.periods import Period
from fourones_shared.errors import CatalogueBehind, DeadLetter, InvalidPeriod
from fourones_shared.events.envelope import Envelope, data_of
from fourones_shared.events.model import Cause, FiguresSubmitted
from fourones_shared.kafka.consumer import Received, Refused

Event = Received[FiguresSubmitted]
Place = tuple[str, str, str, str]
"""Indicator, organisation, cluster, period. Keys, since a `Period` is dear to hash a million times."""


@dataclass(slots=True)
class _Candidates:
    revisions: list[Revision] = field(default_factory=list)
    events: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Batch:
    """What a batch comes to, before anything is written."""

    winners: list[Winner] = field(default_factory=list)
    replaced: list[FigureKey] = field(default_factory=list)
    late: list[tuple[FigureKey, Revision]] = field(default_factory=list)
    pairs: set[tuple[str, str]] = field(default_factory=set)
    movements: dict[tuple[tuple[str, str], Scope], Movement] = field(default_factory=dict)
    receipts: list[Receipt] = field(default_factory=list)


class SubmissionHandler:
    """Applies `figures-submitted`.

    Args:
        dimensions: numbers of codes.
        versions: shapes of catalogue versions.
        known: whether a catalogue version, or a later one, is in force here.
        clock: the time that figures are marked with.
    """

    def __init__(
        self, *, dimensions: Dimensions, versions: CatalogueVersions, known: Callable[[int], bool], clock: Clock
    ) -> None:
        self._dimensions = dimensions
        self._versions = versions
        self._known = known
        self._clock = clock
        self._open: set[tuple[int, int]] = set()
        self._open_under = 0

    def decode(self, envelope: Envelope) -> FiguresSubmitted:
        """A submission whose every value the tables can hold.

        Raises:
            DeadLetter: otherwise.
        """
        submitted = data_of(envelope, FiguresSubmitted)
        _check(submitted)
        return submitted

    def ready_for(self, data: FiguresSubmitted) -> bool:
        """Whether the catalogue version that it was checked under has arrived."""
        try:
            return self._known(data.catalogue_version)
        except DBAPIError as error:
            if is_transient(error):
                return False
            raise

    def apply(self, connection: Connection, events: Sequence[Event]) -> None:
        """Write what the submissions change; a repetition changes nothing and is answered all the same."""
        version, shapes = self._hold_catalogue(connection, events)
        candidates = _candidates(events)
        keys = self._numbered(candidates)
        lock_organisations(connection, sorted({key[1] for key in keys.values()}))
        current = read_figures(connection, list(keys.values()))
        batch = _work_out(events, candidates, keys, current, shapes)
        now = self._clock.now()
        if batch.winners or batch.late:
            opened = self._open_what_is_not(connection, shapes, batch.pairs, now)
            by_key = self._movements_by_key(batch)
            locked = lock_rollups(connection, list(by_key))
            mark = stamp(connection, self._clock, version)
            now = mark.at
            write_figures(connection, batch.winners, batch.replaced, batch.late, mark)
            apply_movements(connection, {locked[key]: movement for key, movement in by_key.items()}, mark)
            announce(connection, sorted(set(opened) - set(locked.values())), mark, Cause.TIME)
        queue_receipts(connection, batch.receipts, now)

    def set_aside(self, connection: Connection, refused: Refused) -> None:
        """Say on the submission's receipt that it is set aside, and why, as far as its id can be read."""
        queue_refusal(connection, refused, self._clock.now())

    def _hold_catalogue(self, connection: Connection, events: Sequence[Event]) -> tuple[int, Shapes]:
        needed = max(event.data.catalogue_version for event in events)
        held = self._versions.hold(connection)
        if held is None or held[0] < needed:
            raise CatalogueBehind(needed, held[0] if held else 0)
        if held[0] != self._open_under:
            self._open_under, self._open = held[0], set()
        return held

    def _numbered(self, candidates: dict[Place, _Candidates]) -> dict[Place, FigureKey]:
        indicators = self._dimensions.indicators.ids({p[0] for p in candidates})
        organisations = self._dimensions.organisations.ids({p[1] for p in candidates})
        clusters = self._dimensions.clusters.ids({p[2] for p in candidates})
        periods = self._dimensions.periods.ids({p[3] for p in candidates})
        return {p: (indicators[p[0]], organisations[p[1]], clusters[p[2]], periods[p[3]]) for p in candidates}

    def _open_what_is_not(
        self, connection: Connection, shapes: Shapes, pairs: set[tuple[str, str]], now: datetime
    ) -> Sequence[int]:
        indicators = self._dimensions.indicators.ids({i for i, _ in pairs})
        periods = self._dimensions.periods.ids({p for _, p in pairs})
        unseen: dict[tuple[int, int], Pair] = {(indicators[i], periods[p]): (i, Period.parse(p)) for i, p in pairs}
        unseen = {ids: pair for ids, pair in unseen.items() if ids not in self._open}
        if not unseen:
            return ()
        columns = list(zip(*unseen, strict=True))
        rows = connection.execute(_OPEN_ALREADY, {"i": numbers(columns[0]), "p": numbers(columns[1])})
        # Only what others have committed is remembered: what is opened below may yet be rolled back.
        found = {(row.indicator_id, row.period_id) for row in rows}
        self._open |= found
        new = [pair for ids, pair in unseen.items() if ids not in found]
        return open_pairs(connection, self._dimensions, shapes, new, now) if new else ()

    def _movements_by_key(self, batch: _Batch) -> dict[RollupKey, Movement]:
        indicators = self._dimensions.indicators.ids({pair[0] for pair, _ in batch.movements})
        periods = self._dimensions.periods.ids({pair[1] for pair, _ in batch.movements})
        organisations = self._dimensions.organisations.ids({scope.org for _, scope in batch.movements})
        clusters = self._dimensions.clusters.ids({scope.cluster for _, scope in batch.movements})
        tiers = self._dimensions.tiers.ids({scope.tier for _, scope in batch.movements})
        return {
            (
                indicators[indicator],
                periods[period],
                organisations[scope.org],
                clusters[scope.cluster],
                tiers[scope.tier],
            ): movement
            for ((indicator, period), scope), movement in batch.movements.items()
        }


def _candidates(events: Sequence[Event]) -> dict[Place, _Candidates]:
    candidates: dict[Place, _Candidates] = {}
    for number, event in enumerate(events):
        submitted = event.data
        for f in submitted.figures:
            place = (f.indicator, submitted.org, f.cluster, Period.parse(f.period).key)
            held = candidates.get(place)
            if held is None:
                held = candidates[place] = _Candidates()
            held.events.append(number)
            held.revisions.append(
                Revision(
                    submitted.sequence,
                    None if f.withdrawn else f.value,
                    f.status.value,
                    f.withdrawn,
                    submitted.submission_id,
                    submitted.reported_by,
                    submitted.received_at,
                    f.note,
                    f.justification,
                )
            )
    return candidates


def _work_out(
    events: Sequence[Event],
    candidates: dict[Place, _Candidates],
    keys: dict[Place, FigureKey],
    current: dict[FigureKey, Known],
    shapes: Shapes,
) -> _Batch:
    batch = _Batch()
    traces = {event.data.submission_id: trace_context(event.envelope.traceparent) for event in events}
    counts = [[0, 0, 0] for _ in events]
    for place, arrived in candidates.items():
        key = keys[place]
        known = current.get(key)
        decision = decide(known, arrived.revisions)
        shape = shapes.of(place[0], Period.parse(place[3]))
        admitted = shape is not None and place[1:3] in shape.rows_of
        for number, was_newest in zip(arrived.events, decision.fates, strict=True):
            counts[number][2 if not admitted else 0 if was_newest else 1] += 1
        batch.late.extend((key, revision) for revision in decision.superseded)
        if decision.winner is None:
            continue
        batch.winners.append((key, decision.winner, not admitted))
        if known is not None:
            batch.replaced.append(key)
        if shape is not None and admitted:
            batch.pairs.add((place[0], place[3]))
            _move(batch, place, known, decision.winner, shape, traceparent=traces[decision.winner.submission_id])
    batch.receipts = [Receipt(e.data, traces[e.data.submission_id], *c) for e, c in zip(events, counts, strict=True)]
    return batch


def _move(
    batch: _Batch, place: Place, known: Known | None, winner: Revision, shape: Shape, *, traceparent: str | None
) -> None:
    indicator, org, cluster, period = place
    before = seen(known, excluded=known is not None and known.excluded)
    after = seen(winner, excluded=False)
    if before == after:
        return
    may_not_apply = org in shape.may_not_apply
    change = difference(
        contribution(before, may_not_apply=may_not_apply), contribution(after, may_not_apply=may_not_apply)
    )
    revision = before is not None and before.value is not None
    pair = (indicator, period)
    for scope in shape.rows_of[org, cluster]:
        movement = batch.movements.get((pair, scope))
        if movement is None:
            movement = batch.movements[pair, scope] = Movement()
        movement.add(change)
        movement.witness(winner.accepted_at, traceparent, revision=revision)


def _check(submitted: FiguresSubmitted) -> None:
    if "\0" in submitted.submission_id or "\0" in submitted.org:
        raise DeadLetter("bad_id", "an identifier holds U+0000, which PostgreSQL cannot keep")
    if not 0 < submitted.sequence < 2**63:
        raise DeadLetter("bad_sequence", f"sequence {submitted.sequence} is not between 1 and 2^63")
    if not 0 <= submitted.catalogue_version < 2**31:
        # Its partition would wait for it for ever.
        raise DeadLetter("bad_catalogue_version", f"no catalogue has version {submitted.catalogue_version}")
    if submitted.received_at.tzinfo is None:
        raise DeadLetter("bad_time", f"received_at {submitted.received_at.isoformat()} has no time zone")
    for place, figure in enumerate(submitted.figures):
        try:
            Period.parse(figure.period)
        except InvalidPeriod as error:
            raise DeadLetter("bad_period", f"/figures/{place}/period: {error}") from error
        if figure.value is not None:
            exponent = figure.value.as_tuple().exponent
            if (
                not isinstance(exponent, int)
                or exponent < -MAX_DECIMALS
                or figure.value.adjusted() >= MAX_INTEGER_DIGITS
            ):
                raise DeadLetter("bad_value", f"/figures/{place}/value has more digits than are kept")


_OPEN_ALREADY = text(
    "SELECT k.indicator_id, k.period_id"
    " FROM unnest(CAST(:i AS int[]), CAST(:p AS int[])) AS k (indicator_id, period_id)"
    " WHERE EXISTS (SELECT FROM duty d WHERE d.indicator_id = k.indicator_id AND d.period_id = k.period_id)"
)
