"""Opening a period: its duties and its roll-ups exist from then on, with nobody having reported yet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, text

from fourones_aggregation.arrays import booleans, days, numbers, texts
from fourones_aggregation.dimensions import Dimensions
from fourones_aggregation.domain.scopes import CITY, Place, Scope
from fourones_aggregation.domain.shapes import Shape, Shapes
from fourones_aggregation.temporal import DUTY_COLUMNS
from fourones_shared.catalogue.duties import due_at
from fourones_shared.catalogue.model import TOTAL
from fourones_shared.domain.periods import Period

# Bits of `duty.repeats`: the scopes without a row that are answered from the figure itself.
OWN, OVER_ORGANISATIONS, OVER_CLUSTERS, OVER_TIER, OVER_CITY = 1, 2, 4, 8, 16
# Beside them there: the place is no member of scopes over organisations.
APART = 32

# No snapshot: the duty is being opened by the transaction that sees this.
UNDATED = -1

Pair = tuple[str, Period]
"""An indicator and a period."""


@dataclass(slots=True)
class Wanted:
    """The duties and roll-ups that a catalogue asks for in some periods, as columns, ordered by key."""

    duties: list[tuple[int, int, int, int, int, int, datetime, bool, int]] = field(default_factory=list)
    rollups: list[tuple[int, int, int, int, int, str, str, datetime, int]] = field(default_factory=list)

    def duty_arrays(self) -> dict[str, str]:
        """Parameters of `DUTY_ROWS`."""
        columns = list(zip(*self.duties, strict=True)) or [()] * 9
        return {
            **{f"d{n}": numbers(columns[n]) for n in (0, 1, 2, 3, 4, 5, 8)},
            "d6": days(columns[6]),
            "d7": booleans(columns[7]),
        }

    def rollup_arrays(self) -> dict[str, str]:
        """Parameters of `ROLLUP_ROWS`."""
        columns = list(zip(*self.rollups, strict=True)) or [()] * 9
        return {
            **{f"r{n}": numbers(columns[n]) for n in (0, 1, 2, 3, 4, 8)},
            "r5": texts(columns[5]),
            "r6": texts(columns[6]),
            "r7": days(columns[7]),
        }


def wanted(dimensions: Dimensions, shapes: Shapes, pairs: Iterable[Pair]) -> Wanted:
    """What the catalogue asks for in these periods; pairs that it does not expect ask for nothing."""
    rows = Wanted()
    shaped = [(i, p, shape) for i, p in pairs if (shape := shapes.of(i, p)) is not None]
    numbered = _Numbers(dimensions, shaped)
    for indicator, period, shape in shaped:
        known = shapes.catalogue.indicator[indicator]
        moment = due_at(known, period)
        pair = numbered.indicators[indicator], numbered.periods[period.key]
        for place in shape.places:
            rows.duties.append((*pair, *numbered.duty(shape, place), moment, *_terms(shape, place)))
        for scope, rule in shape.rules.items():
            expected = len(shape.members(scope))
            rows.rollups.append((*pair, *numbered.scope(scope), rule.value, known.unit, moment, expected))
    # One order for everybody who inserts, so that two who open the same period wait instead of deadlocking.
    rows.duties.sort()
    rows.rollups.sort()
    return rows


def open_pairs(
    connection: Connection, dimensions: Dimensions, shapes: Shapes, pairs: Sequence[Pair], now: datetime
) -> list[int]:
    """Make what is missing; idempotent. The new duties want `date_duties`, the new roll-ups a first version.

    Returns:
        The numbers of the roll-up rows that are new, or live again.
    """
    rows = wanted(dimensions, shapes, pairs)
    if rows.duties:
        connection.execute(_OPEN_DUTIES, rows.duty_arrays() | {"now": now})
    if not rows.rollups:
        return []
    arrays = rows.rollup_arrays()
    made = list(connection.execute(_OPEN_ROLLUPS, arrays | {"now": now}).scalars())
    if len(made) < len(rows.rollups):
        made += connection.execute(_REVIVE_ROLLUPS, arrays).scalars()
    return sorted(made)


def date_duties(connection: Connection, dimensions: Dimensions, pairs: Sequence[Pair], snapshot: int) -> None:
    """Say since which snapshot the duties of these periods are there: it is known only once all locks are held."""
    if pairs:
        indicators = dimensions.indicators.ids({indicator for indicator, _ in pairs})
        periods = dimensions.periods.ids({period.key for _, period in pairs})
        columns = list(zip(*((indicators[i], periods[p.key]) for i, p in pairs), strict=True))
        arrays = {"i": numbers(columns[0]), "p": numbers(columns[1])}
        connection.execute(_DATE_DUTIES, arrays | {"snapshot": snapshot, "undated": UNDATED})


class _Numbers:
    def __init__(self, dimensions: Dimensions, shaped: Sequence[tuple[str, Period, Shape]]) -> None:
        shapes = {id(shape): shape for _, _, shape in shaped}.values()
        places = {place for shape in shapes for place in shape.places}
        scopes = {scope for shape in shapes for scope in shape.rules}
        reporters = {reporter for shape in shapes for reporter in shape.reporter.values()}
        both: set[Place | Scope] = places | scopes
        self.indicators = dimensions.indicators.ids({indicator for indicator, _, _ in shaped})
        self.periods = dimensions.periods.ids({period.key for _, period, _ in shaped})
        self._organisations = dimensions.organisations.ids({b.org for b in both} | reporters)
        self._clusters = dimensions.clusters.ids({b.cluster for b in both})
        self._tiers = dimensions.tiers.ids({b.tier for b in both})

    def scope(self, scope: Scope | Place) -> tuple[int, int, int]:
        return self._organisations[scope.org], self._clusters[scope.cluster], self._tiers[scope.tier]

    def duty(self, shape: Shape, place: Place) -> tuple[int, int, int, int]:
        return *self.scope(place), self._organisations[shape.reporter[place.org, place.cluster]]


def _terms(shape: Shape, place: Place) -> tuple[bool, int]:
    bits = APART if place.apart else 0
    for scope in shape.repeats_of[place.org, place.cluster]:
        bits |= _bit(scope, place)
    return place.org in shape.may_not_apply, bits


def _bit(scope: Scope, place: Place) -> int:
    if scope == (place.org, place.cluster, TOTAL):
        return OWN
    if scope == CITY:
        return OVER_CITY
    if scope.tier != TOTAL:
        return OVER_TIER
    return OVER_ORGANISATIONS if scope.org == TOTAL else OVER_CLUSTERS


DUTY_ROWS = (
    "unnest(CAST(:d0 AS int[]), CAST(:d1 AS int[]), CAST(:d2 AS int[]), CAST(:d3 AS int[]), CAST(:d4 AS int[]),"
    " CAST(:d5 AS int[]), CAST(:d6 AS timestamptz[]), CAST(:d7 AS boolean[]), CAST(:d8 AS smallint[])) AS w"
    " (indicator_id, period_id, org_id, cluster_id, tier_id, reporter_id, due_at, may_not_apply, repeats)"
)
ROLLUP_ROWS = (
    "unnest(CAST(:r0 AS int[]), CAST(:r1 AS int[]), CAST(:r2 AS int[]), CAST(:r3 AS int[]), CAST(:r4 AS int[]),"
    " CAST(:r5 AS text[]), CAST(:r6 AS text[]), CAST(:r7 AS timestamptz[]), CAST(:r8 AS int[])) AS w"
    " (indicator_id, period_id, org_id, cluster_id, tier_id, rule, unit, due_at, expected)"
)
ROLLUP_COLUMNS = (
    "(indicator_id, period_id, org_id, cluster_id, tier_id, rule, unit, due_at, expected, live, total, reported,"
    " provisional, estimated, forecast, version, cause, catalogue_version, snapshot, recorded_at)"
)
_OPEN_DUTIES = text(
    f"INSERT INTO duty ({DUTY_COLUMNS}) SELECT w.*, :now, {UNDATED} FROM {DUTY_ROWS} ON CONFLICT DO NOTHING"  # noqa: S608
)
_DATE_DUTIES = text(
    "UPDATE duty d SET since = :snapshot"
    " FROM unnest(CAST(:i AS int[]), CAST(:p AS int[])) AS k (indicator_id, period_id)"
    " WHERE d.indicator_id = k.indicator_id AND d.period_id = k.period_id AND d.since = :undated"
)
# Rows that are there already may be locked by batches that move them, in the order of their numbers; an upsert would
# wait for them in the order of their keys, and both for each other. So it passes them by, and locks only dead ones.
_OPEN_ROLLUPS = text(
    f"INSERT INTO rollup {ROLLUP_COLUMNS} SELECT w.*, true, 0, 0, 0, 0, 0, 0, 'time', 0, 0, :now FROM {ROLLUP_ROWS}"  # noqa: S608
    " ON CONFLICT DO NOTHING RETURNING rollup_id"
)
_REVIVE_ROLLUPS = text(
    "WITH dead AS MATERIALIZED (SELECT r.rollup_id, w.rule, w.unit, w.due_at, w.expected"  # noqa: S608
    f" FROM {ROLLUP_ROWS} JOIN rollup r USING (indicator_id, period_id, org_id, cluster_id, tier_id)"
    " WHERE NOT r.live ORDER BY r.rollup_id FOR UPDATE OF r)"
    " UPDATE rollup r SET live = true, rule = d.rule, unit = d.unit, due_at = d.due_at, expected = d.expected"
    " FROM dead d WHERE r.rollup_id = d.rollup_id RETURNING r.rollup_id"
)
