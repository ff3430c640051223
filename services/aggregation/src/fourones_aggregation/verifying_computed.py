"""`verify` of computed values: maxima and weighted means from the figures, derived values from their inputs' roll-ups.

The inputs' own rows are held against the figures elsewhere, so each link of the chain is looked at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import Connection, text

from fourones_aggregation.computing import derivation_of
from fourones_aggregation.domain.answers import quotient
from fourones_aggregation.domain.derived import evaluate
from fourones_aggregation.domain.facts import Ask
from fourones_aggregation.domain.scopes import Rule, Scope, holds
from fourones_aggregation.domain.shapes import Shape, Shapes
from fourones_aggregation.facts import read_facts
from fourones_aggregation.verification import Difference
from fourones_shared.domain.periods import Period

Values = Mapping[tuple[str, str, str], Decimal]
"""By organisation, cluster, period: the figures that count and have a value."""


class _Computed(NamedTuple):
    value: Decimal | None
    known: int | None = None
    of: int | None = None
    missing: tuple[str, ...] | None = None
    status: str | None = None


def verify_computed(
    connection: Connection, shapes: Shapes, indicator: str, shaped: Mapping[str, Shape]
) -> Iterator[Difference]:
    """The computed values of one indicator that are not as they should be.

    Args:
        connection: whose transaction shows one snapshot.
        shapes: of the catalogue in force.
        indicator: whose roll-ups.
        shaped: its open periods.
    """
    rules = {
        (scope, period): rule
        for period, shape in shaped.items()
        for scope, rule in shape.rules.items()
        if rule.is_computed
    }
    due = _of_members(connection, shapes, indicator, shaped, rules) | _of_inputs(connection, shapes, indicator, rules)
    kept = {
        (Scope(row.org, row.cluster, row.tier), row.period): _Computed(
            row.computed,
            row.computed_known,
            row.computed_of,
            None if row.computed_missing is None else tuple(row.computed_missing),
            row.computed_status,
        )
        for row in connection.execute(_KEPT, {"indicator": indicator})
    }
    for key in sorted(due.keys() | kept.keys()):
        # A row that is not there at all is told where rows are held against figures.
        if key in kept and kept[key] != due.get(key, _Computed(None)):
            scope, period = key
            what = f"computed value of {indicator} {' '.join(scope)} {period}"
            yield Difference(what, tuple(kept[key]), tuple(due.get(key, _Computed(None))))


def _of_members(
    connection: Connection,
    shapes: Shapes,
    indicator: str,
    shaped: Mapping[str, Shape],
    rules: Mapping[tuple[Scope, str], Rule],
) -> dict[tuple[Scope, str], _Computed]:
    rules = {key: rule for key, rule in rules.items() if rule is not Rule.DERIVED}
    if not rules:
        return {}
    values = _values(connection, indicator)
    weighted_by = shapes.catalogue.indicator[indicator].weighted_by
    weights = _values(connection, weighted_by) if weighted_by is not None else {}
    due = {}
    for (scope, period), rule in rules.items():
        places = [(p.org, p.cluster, period) for p in shaped[period].places if holds(scope, p)]
        reported = [place for place in places if place in values]
        if rule is Rule.MAXIMUM:
            value = max((values[place] for place in reported), default=None)
        else:
            heavy = [place for place in reported if place in weights]
            weight = sum((weights[place] for place in heavy), Decimal(0))
            total = sum((values[place] * weights[place] for place in heavy), Decimal(0))
            value = quotient(total, weight) if weight else None
        due[scope, period] = _Computed(value)
    return due


def _of_inputs(
    connection: Connection, shapes: Shapes, indicator: str, rules: Mapping[tuple[Scope, str], Rule]
) -> dict[tuple[Scope, str], _Computed]:
    rows = [Ask(indicator, period, scope) for (scope, period), rule in rules.items() if rule is Rule.DERIVED]
    if not rows:
        return {}
    facts = read_facts(connection, shapes, (ask for row in rows for ask in derivation_of(shapes, row).inputs))
    known = shapes.catalogue.indicator[indicator]
    due = {}
    for row in rows:
        made = evaluate(shapes.catalogue, known, Period.parse(row.period), row.scope, facts, expected=shapes.expected)
        due[row.scope, row.period] = (
            _Computed(made.value, made.known, made.of, made.missing, made.status) if made.of else _Computed(made.value)
        )
    return due


def _values(connection: Connection, indicator: str) -> Values:
    found = connection.execute(_VALUES, {"indicator": indicator})
    return {(row.org, row.cluster, row.period): row.value for row in found}


_CODES = (
    " JOIN indicator i USING (indicator_id) JOIN organisation o USING (org_id) JOIN cluster c USING (cluster_id)"
    " JOIN period p USING (period_id)"
)
_VALUES = text(
    f"SELECT o.code AS org, c.code AS cluster, p.code AS period, value FROM figure {_CODES}"  # noqa: S608
    " WHERE i.code = :indicator AND value IS NOT NULL AND NOT withdrawn AND NOT excluded"
)
_KEPT = text(
    "SELECT o.code AS org, c.code AS cluster, t.code AS tier, p.code AS period, computed, computed_known, computed_of,"  # noqa: S608
    f" computed_missing, computed_status FROM rollup {_CODES} JOIN tier t USING (tier_id)"
    " WHERE live AND i.code = :indicator"
)
