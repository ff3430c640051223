"""`verify`: recompute everything that is kept from figures, catalogue and clock, and tell every difference.

Figures are added up one by one in Python, from the definition of a scope, in one snapshot of the database: neither
the differences of the hot path nor the statement of a catalogue switch is used.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import TypeVar

from sqlalchemy import Connection, Engine, text

from fourones_aggregation.catalogues import CatalogueVersions
from fourones_aggregation.domain.differences import (
    NOTHING,
    Contribution,
    Known,
    Movement,
    contribution,
    seen,
)
from fourones_aggregation.domain.scopes import Scope, holds
from fourones_aggregation.domain.shapes import Shape, Shapes
from fourones_aggregation.histories import verify_histories
from fourones_aggregation.opening import APART
from fourones_aggregation.verification import MOST_TOLD, SNAPSHOT, Difference, Findings
from fourones_aggregation.verifying_computed import verify_computed
from fourones_shared.catalogue.duties import due_at, expected_periods
from fourones_shared.database.engine import one_state
from fourones_shared.domain.periods import Period

Place = tuple[str, str, str]
"""Organisation, cluster, period."""
Key = TypeVar("Key", bound=tuple[str, ...])


def verify(engine: Engine) -> list[Difference]:
    """All differences; none is the only good answer."""
    return verify_figures(engine, at_most=sys.maxsize).first


def verify_figures(
    engine: Engine,
    *,
    at_most: int = MOST_TOLD,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> Findings:
    """Hold all that is made of the figures against them. Reads one snapshot, so the system may run meanwhile.

    Args:
        engine: the service's database.
        at_most: how many differences are told.
        progress: told after every indicator, how many of how many are done.
    """
    with one_state(engine) as connection:
        findings = Findings(connection.execute(SNAPSHOT).scalar_one())
        findings.add(verify_histories(connection), at_most=at_most)
        held = CatalogueVersions().in_force(connection)
        if held is None:
            return findings
        _, shapes = held
        opened_until: date = connection.execute(_OPENED_UNTIL).scalar_one()
        indicators = sorted(set(connection.execute(_INDICATORS).scalars()) | set(shapes.catalogue.indicator))
        for done, indicator in enumerate(indicators, start=1):
            findings.add(_verify_indicator(connection, shapes, indicator, opened_until), at_most=at_most)
            progress(done, len(indicators))
        return findings


def _verify_indicator(
    connection: Connection, shapes: Shapes, indicator: str, opened_until: date
) -> Iterator[Difference]:
    figures = {
        (row.org, row.cluster, row.period): Known(row.sequence, row.value, row.status, row.withdrawn, row.excluded)
        for row in connection.execute(_FIGURES, {"indicator": indicator})
    }
    # A period that has not begun is open where a figure that counts has come early.
    periods = {p for org, cluster, p in figures if shapes.admits(indicator, org, cluster, Period.parse(p))}
    known = shapes.catalogue.indicator.get(indicator)
    if known is not None:
        periods |= {p.key for p in expected_periods(known, opened_until)}
    shaped = {p: shape for p in periods if (shape := shapes.of(indicator, Period.parse(p))) is not None}
    yield from _verify_duties(connection, shapes, indicator, shaped)
    for (org, cluster, period), figure in figures.items():
        admitted = shapes.admits(indicator, org, cluster, Period.parse(period))
        if figure.excluded is admitted:
            yield Difference(f"excluded of {indicator} {org} {cluster} {period}", figure.excluded, not admitted)
    yield from _verify_rollups(connection, shapes, indicator, shaped, figures)
    yield from verify_computed(connection, shapes, indicator, shaped)


def _verify_duties(
    connection: Connection, shapes: Shapes, indicator: str, shaped: dict[str, Shape]
) -> Iterator[Difference]:
    due: dict[Place, tuple[object, ...]] = {}
    for period, shape in shaped.items():
        moment = due_at(shapes.catalogue.indicator[indicator], Period.parse(period))
        for place in shape.places:
            reporter = shape.reporter[place.org, place.cluster]
            terms = (reporter, place.tier, moment, place.org in shape.may_not_apply, place.apart)
            due[place.org, place.cluster, period] = terms
    kept = {
        (row.org, row.cluster, row.period): (row.reporter, row.tier, row.due_at, row.may_not_apply, row.apart)
        for row in connection.execute(_DUTIES, {"indicator": indicator})
    }
    yield from _compare(f"duty {indicator}", kept, due)


def _verify_rollups(
    connection: Connection,
    shapes: Shapes,
    indicator: str,
    shaped: dict[str, Shape],
    figures: dict[Place, Known],
) -> Iterator[Difference]:
    due: dict[tuple[str, ...], tuple[object, ...]] = {}
    for period, shape in shaped.items():
        known = shapes.catalogue.indicator[indicator]
        for scope, rule in shape.rules.items():
            counts = recomputed(shape, scope, period, figures)
            moment = due_at(known, Period.parse(period))
            due[*scope, period] = (rule.value, known.unit, moment, *counts)
    kept: dict[tuple[str, ...], tuple[object, ...]] = {
        (row.org, row.cluster, row.tier, row.period): (row.rule, row.unit, row.due_at, *row[-6:])
        for row in connection.execute(_ROLLUPS, {"indicator": indicator})
    }
    yield from _compare(f"roll-up {indicator}", kept, due)


def recomputed(shape: Shape, scope: Scope, period: str, figures: dict[Place, Known]) -> Contribution:
    """What the members of a scope add up to, those expected counted in full."""
    movement = Movement()
    for place in shape.places:
        if holds(scope, place):
            figure = figures.get((place.org, place.cluster, period))
            movement.add(contribution(seen(figure, excluded=False), may_not_apply=place.org in shape.may_not_apply))
            movement.add(NOTHING._replace(expected=1))
    return Contribution(
        movement.total,
        movement.reported,
        movement.expected,
        movement.provisional,
        movement.estimated,
        movement.forecast,
    )


def _compare(what: str, kept: Mapping[Key, object], due: Mapping[Key, object]) -> Iterator[Difference]:
    for key in sorted(kept.keys() | due.keys()):
        if kept.get(key) != due.get(key):
            yield Difference(f"{what} {' '.join(key)}", kept.get(key), due.get(key))


_OPENED_UNTIL = text("SELECT opened_until FROM clock_position")
_INDICATORS = text("SELECT code FROM indicator")
_CODES = (
    " JOIN indicator i USING (indicator_id) JOIN organisation o USING (org_id) JOIN cluster c USING (cluster_id)"
    " JOIN period p USING (period_id)"
)
_FIGURES = text(
    "SELECT o.code AS org, c.code AS cluster, p.code AS period, sequence, value, status, withdrawn, excluded"  # noqa: S608
    f" FROM figure {_CODES} WHERE i.code = :indicator"
)
_DUTIES = text(
    "SELECT o.code AS org, c.code AS cluster, p.code AS period, t.code AS tier, r.code AS reporter, due_at,"  # noqa: S608
    f" may_not_apply, repeats & {APART} <> 0 AS apart FROM duty d {_CODES} JOIN tier t USING (tier_id)"
    " JOIN organisation r ON r.org_id = d.reporter_id WHERE i.code = :indicator"
)
_ROLLUPS = text(
    "SELECT o.code AS org, c.code AS cluster, t.code AS tier, p.code AS period, rule, rollup.unit, due_at,"  # noqa: S608
    f" total, reported, expected, provisional, estimated, forecast FROM rollup {_CODES}"
    " JOIN tier t USING (tier_id) WHERE live AND i.code = :indicator"
)
