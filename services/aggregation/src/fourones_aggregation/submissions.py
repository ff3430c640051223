"""Applying submissions: one transaction per batch, in which figures, roll-ups, receipts and position move together.

    1. hold the catalogue in force (shared) and the organisations;
    2. read the current figures, decide every revision, and sum what each roll-up changes by;
    3. open the periods that are touched for the first time;
    4. lock the roll-ups that move, and those computed from them, in the order of their numbers, then take the snapshot
       number and the time;
    5. write figures and revisions, roll-ups and their queue; compute what differences do not keep; write receipts.

The number of statements does not depend on the number of figures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from fourones_aggregation.arrays import numbers
from fourones_aggregation.catalogues import CatalogueVersions
from fourones_aggregation.computing import compute
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
from fourones_aggregation.domain.scopes import Scope
from fourones_aggregation.domain.shapes import Dependent, Shape, Shapes
from fourones_aggregation.figures import FigureKey, Winner, lock_organisations, read_figures, write_figures
from fourones_aggregation.opening import Pair, date_duties, open_pairs
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


Candidates = dict[Place, list[tuple[int, Revision]]]
"""The revisions that arrived for each place, in order, each with the index of its event."""
Movements = dict[tuple[str, str], dict[Scope, Movement]]
"""By indicator and period, then by scope."""


@dataclass(slots=True)
class _Batch:
    """What a batch comes to, before anything is written."""

    winners: list[Winner] = field(default_factory=list)
    replaced: list[FigureKey] = field(default_factory=list)
    late: list[tuple[FigureKey, Revision]] = field(default_factory=list)
    pairs: set[tuple[str, str]] = field(default_factory=set)
    movements: Movements = field(default_factory=dict)
    dependents: Movements = field(default_factory=dict)
    receipts: list[Receipt] = field(default_factory=list)


class _InPeriod(NamedTuple):
    """What the figures of one indicator and period have in common, and what they come to."""

    shape: Shape
    has_dependents: bool
    movements: dict[Scope, Movement]


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
            pairs, opened = self._open_what_is_not(connection, shapes, batch.pairs, now)
            moved, dependent = self._by_key(batch.movements), self._by_key(batch.dependents)
            locked = lock_rollups(connection, moved, dependent)
            mark = stamp(connection, self._clock, version)
            now = mark.at
            write_figures(connection, batch.winners, batch.replaced, batch.late, mark)
            date_duties(connection, self._dimensions, pairs, mark.snapshot)
            moved_rows = {locked[key]: movement for key, movement in moved.items()}
            apply_movements(connection, moved_rows, mark)
            announce(connection, sorted(set(opened) - moved_rows.keys()), mark, Cause.TIME)
            computed = {locked[key]: movement for key, movement in dependent.items() if key in locked}
            compute(connection, shapes, dict.fromkeys(opened, Movement()) | computed, mark)
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

    def _numbered(self, candidates: Candidates) -> dict[Place, FigureKey]:
        known = self._dimensions
        dimensions = (known.indicators, known.organisations, known.clusters, known.periods)
        columns = zip(*candidates, strict=True)
        numbered = [
            map(dimension.ids(set(column)).__getitem__, column)
            for dimension, column in zip(dimensions, columns, strict=True)
        ]
        return dict(zip(candidates, zip(*numbered, strict=True), strict=True))

    def _open_what_is_not(
        self, connection: Connection, shapes: Shapes, pairs: set[tuple[str, str]], now: datetime
    ) -> tuple[Sequence[Pair], Sequence[int]]:
        indicators = self._dimensions.indicators.ids({i for i, _ in pairs})
        periods = self._dimensions.periods.ids({p for _, p in pairs})
        unseen: dict[tuple[int, int], Pair] = {(indicators[i], periods[p]): (i, Period.parse(p)) for i, p in pairs}
        unseen = {ids: pair for ids, pair in unseen.items() if ids not in self._open}
        if not unseen:
            return (), ()
        columns = list(zip(*unseen, strict=True))
        rows = connection.execute(_OPEN_ALREADY, {"i": numbers(columns[0]), "p": numbers(columns[1])})
        # Only what others have committed is remembered: what is opened below may yet be rolled back.
        found = {(row.indicator_id, row.period_id) for row in rows}
        self._open |= found
        new = [pair for ids, pair in unseen.items() if ids not in found]
        return new, open_pairs(connection, self._dimensions, shapes, new, now) if new else ()

    def _by_key(self, movements: Movements) -> dict[RollupKey, Movement]:
        scopes = {scope for of_pair in movements.values() for scope in of_pair}
        indicators = self._dimensions.indicators.ids({indicator for indicator, _ in movements})
        periods = self._dimensions.periods.ids({period for _, period in movements})
        organisations = self._dimensions.organisations.ids({scope.org for scope in scopes})
        clusters = self._dimensions.clusters.ids({scope.cluster for scope in scopes})
        tiers = self._dimensions.tiers.ids({scope.tier for scope in scopes})
        numbered = {s: (organisations[s.org], clusters[s.cluster], tiers[s.tier]) for s in scopes}
        return {
            (indicators[indicator], periods[period], *numbered[scope]): movement
            for (indicator, period), of_pair in movements.items()
            for scope, movement in of_pair.items()
        }


def _candidates(events: Sequence[Event]) -> Candidates:
    candidates: Candidates = {}
    for number, event in enumerate(events):
        submitted = event.data
        org, sequence, submission_id = submitted.org, submitted.sequence, submitted.submission_id
        reported_by, received_at = submitted.reported_by, submitted.received_at
        keys = {spelling: Period.parse(spelling).key for spelling in {f.period for f in submitted.figures}}
        for f in submitted.figures:
            revision = Revision(
                sequence,
                None if f.withdrawn else f.value,
                f.status,
                f.withdrawn,
                submission_id,
                reported_by,
                received_at,
                f.note,
                f.justification,
            )
            candidates.setdefault((f.indicator, org, f.cluster, keys[f.period]), []).append((number, revision))
    return candidates


def _work_out(
    events: Sequence[Event],
    candidates: Candidates,
    keys: dict[Place, FigureKey],
    current: dict[FigureKey, Known],
    shapes: Shapes,
) -> _Batch:
    batch = _Batch()
    traces = {event.data.submission_id: trace_context(event.envelope.traceparent) for event in events}
    counts = [[0, 0, 0] for _ in events]
    in_period: dict[tuple[str, str], _InPeriod | None] = {}
    for place, arrived in candidates.items():
        indicator, org, cluster, period = place
        pair = (indicator, period)
        if pair not in in_period:
            shape = shapes.of(indicator, Period.parse(period))
            in_period[pair] = _InPeriod(shape, shapes.has_dependents(indicator), {}) if shape is not None else None
        known, key = current.get(keys[place]), keys[place]
        decision = decide(known, [revision for _, revision in arrived])
        found = in_period[pair]
        admitted = found is not None and (org, cluster) in found.shape.rows_of
        for (number, _), was_newest in zip(arrived, decision.fates, strict=True):
            counts[number][2 if not admitted else 0 if was_newest else 1] += 1
        if decision.superseded:
            batch.late.extend((key, revision) for revision in decision.superseded)
        winner = decision.winner
        if winner is None:
            continue
        batch.winners.append((key, winner, not admitted))
        if known is not None:
            batch.replaced.append(key)
        if found is not None and admitted:
            batch.pairs.add(pair)
            dependents = shapes.dependents(*place) if found.has_dependents else ()
            trace = traces[winner.submission_id]
            _move(batch, place, known, winner, found, dependents=dependents, traceparent=trace)
    batch.movements = {pair: found.movements for pair, found in in_period.items() if found and found.movements}
    batch.receipts = [Receipt(e.data, traces[e.data.submission_id], *c) for e, c in zip(events, counts, strict=True)]
    return batch


def _move(
    batch: _Batch,
    place: Place,
    known: Known | None,
    winner: Revision,
    found: _InPeriod,
    *,
    dependents: Sequence[Dependent],
    traceparent: str | None,
) -> None:
    indicator, org, cluster, period = place
    before = seen(known, excluded=known is not None and known.excluded)
    after = seen(winner, excluded=False)
    if before == after:
        return
    shape, _, movements = found
    may_not_apply = org in shape.may_not_apply
    change = difference(
        contribution(before, may_not_apply=may_not_apply), contribution(after, may_not_apply=may_not_apply)
    )
    revision = before is not None and before.value is not None
    for scope in shape.rows_of[org, cluster]:
        movement = movements.get(scope)
        if movement is None:
            movement = movements[scope] = Movement()
            if scope in shape.computed:
                batch.dependents.setdefault((indicator, period), {})[scope] = movement
        movement.add(change)
        movement.witness(winner.accepted_at, traceparent, revision=revision)
    for other, when, scope in dependents:
        movement = batch.dependents.setdefault((other, when), {}).setdefault(scope, Movement())
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
