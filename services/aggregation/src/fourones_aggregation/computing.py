"""Values that differences do not keep: maxima, weighted means and derived values, from the few rows they are made of.

Their rows are locked with all others that a batch touches, in one order; only then is what they are made of read, in a
later statement, so that of two transactions that move different inputs the second sees the first's (READ COMMITTED).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, text

from fourones_aggregation.arrays import numbers, texts
from fourones_aggregation.domain.answers import quotient
from fourones_aggregation.domain.derived import Computed, evaluate, inputs
from fourones_aggregation.domain.differences import Movement
from fourones_aggregation.domain.facts import Ask
from fourones_aggregation.domain.scopes import Rule, Scope
from fourones_aggregation.domain.shapes import Shapes
from fourones_aggregation.facts import read_facts
from fourones_aggregation.members import duty_in_scope
from fourones_aggregation.rollups import QUEUE_AGAIN, Stamp
from fourones_shared.domain.numbers import format_decimal
from fourones_shared.domain.periods import Period
from fourones_shared.events.model import Cause


class Derivation(NamedTuple):
    """A derived roll-up, and the facts that it is computed from."""

    row: Ask
    inputs: tuple[Ask, ...]


def compute(
    connection: Connection,
    shapes: Shapes,
    moved: Mapping[int, Movement],
    mark: Stamp,
    cause: Cause | None = None,
) -> int:
    """Compute the values of those rows among `moved` that are computed; one that differs has a version of this batch.

    Args:
        connection: in the transaction that has the rows locked.
        shapes: of the catalogue in force.
        moved: the rows' numbers, each with what moved what it is made of.
        mark: the batch's snapshot.
        cause: why, where no figure did.

    Returns:
        How many differ.
    """
    if not moved:
        return 0
    rows = connection.execute(_ROWS, {"ids": numbers(sorted(moved))}).all()
    # What is derived may be derived from a maximum or a weighted mean, and reads it from its row.
    of_members = _of_members(connection, shapes, [row for row in rows if row.rule != Rule.DERIVED])
    differ = _write(connection, [_put(i, value, moved[i], cause) for i, value in sorted(of_members.items())], mark)
    of_inputs = _of_inputs(connection, shapes, [row for row in rows if row.rule == Rule.DERIVED])
    return differ + _write(
        connection, [_put(i, value, moved[i], cause) for i, value in sorted(of_inputs.items())], mark
    )


def derivation_of(shapes: Shapes, row: Ask) -> Derivation:
    """What a derived roll-up is computed from."""
    known = shapes.catalogue.indicator[row.indicator]
    return Derivation(row, tuple(inputs(shapes.catalogue, known, Period.parse(row.period), row.scope)))


def _of_inputs(connection: Connection, shapes: Shapes, rows: Sequence[Any]) -> dict[int, Computed]:
    derivations = {row.rollup_id: derivation_of(shapes, _ask(row)) for row in rows}
    needed: Iterable[Ask] = (ask for derivation in derivations.values() for ask in derivation.inputs)
    facts = read_facts(connection, shapes, needed)
    return {
        rollup_id: evaluate(
            shapes.catalogue,
            shapes.catalogue.indicator[row.indicator],
            Period.parse(row.period),
            row.scope,
            facts,
            expected=shapes.expected,
        )
        for rollup_id, (row, _) in derivations.items()
    }


def _of_members(connection: Connection, shapes: Shapes, rows: Sequence[Any]) -> dict[int, Computed | None]:
    if not rows:
        return {}
    weights = [shapes.catalogue.indicator[row.indicator].weighted_by for row in rows]
    found = connection.execute(_MEMBERS, {"ids": numbers(r.rollup_id for r in rows), "weights": texts(weights)})
    made = {}
    for row in found:
        value = row.highest
        if row.rule == Rule.WEIGHTED:
            value = quotient(row.weighted, row.weight) if row.weight else None
        made[row.rollup_id] = None if value is None else Computed(value, 0, 0, (), None)
    return made


def _write(connection: Connection, values: Sequence[Mapping[str, object]], mark: Stamp) -> int:
    if not values:
        return 0
    return connection.execute(
        _PUT,
        {
            "values": orjson.dumps(values).decode(),
            "catalogue_version": mark.catalogue_version,
            "snapshot": mark.snapshot,
            "at": mark.at,
        },
    ).rowcount


def _put(rollup_id: int, value: Computed | None, movement: Movement, cause: Cause | None) -> dict[str, object]:
    why = cause or (Cause.REVISION if movement.only_revisions else Cause.NEW_DATA)
    put: dict[str, object] = {
        "rollup_id": rollup_id,
        "cause": why.value,
        "accepted_at": movement.accepted_at,
        "traceparent": movement.traceparent,
    }
    if value is None:
        return put
    put["value"] = None if value.value is None else format_decimal(value.value)
    if value.of:
        put |= {"known": value.known, "of": value.of, "missing": value.missing, "status": value.status}
    return put


def _ask(row: Any) -> Ask:
    return Ask(row.indicator, row.period, Scope(row.org, row.cluster, row.tier))


_ROWS = text(
    "SELECT r.rollup_id, r.rule, i.code AS indicator, p.code AS period, o.code AS org, c.code AS cluster,"
    " t.code AS tier FROM rollup r JOIN indicator i USING (indicator_id) JOIN period p USING (period_id)"
    " JOIN organisation o USING (org_id) JOIN cluster c USING (cluster_id) JOIN tier t USING (tier_id)"
    " WHERE r.rollup_id = ANY(CAST(:ids AS bigint[])) AND r.live AND r.rule IN ('X', 'W', 'D')"
)
_MEMBERS = text(
    "SELECT r.rollup_id, r.rule, max(f.value) AS highest, sum(f.value * w.value) AS weighted,"  # noqa: S608
    " sum(w.value) FILTER (WHERE f.value IS NOT NULL) AS weight"
    " FROM unnest(CAST(:ids AS bigint[]), CAST(:weights AS text[])) AS k (rollup_id, weighted_by)"
    f" JOIN rollup r ON r.rollup_id = k.rollup_id JOIN duty d ON {duty_in_scope('r')}"
    " LEFT JOIN figure f ON f.indicator_id = d.indicator_id AND f.org_id = d.org_id"
    " AND f.cluster_id = d.cluster_id AND f.period_id = d.period_id AND NOT f.withdrawn"
    " LEFT JOIN indicator wi ON wi.code = k.weighted_by"
    # A weight counts only where its own duty is there, as every figure does.
    " LEFT JOIN duty wd ON wd.indicator_id = wi.indicator_id AND wd.org_id = d.org_id"
    " AND wd.cluster_id = d.cluster_id AND wd.period_id = d.period_id"
    " LEFT JOIN figure w ON w.indicator_id = wd.indicator_id AND w.org_id = wd.org_id"
    " AND w.cluster_id = wd.cluster_id AND w.period_id = wd.period_id AND NOT w.withdrawn"
    " GROUP BY r.rollup_id, r.rule"
)
# A row that the batch has given a version already keeps that one: one version per snapshot.
_PUT = text(
    "WITH changed AS (UPDATE rollup r SET computed = d.value, computed_known = d.known, computed_of = d.of,"  # noqa: S608
    " computed_missing = d.missing, computed_status = d.status,"
    " version = r.version + CASE WHEN r.snapshot = :snapshot THEN 0 ELSE 1 END,"
    " cause = CASE WHEN r.snapshot = :snapshot THEN r.cause ELSE d.cause END,"
    " accepted_at = greatest(r.accepted_at, d.accepted_at), traceparent = coalesce(d.traceparent, r.traceparent),"
    " catalogue_version = :catalogue_version, snapshot = :snapshot, recorded_at = :at"
    " FROM jsonb_to_recordset(CAST(:values AS jsonb)) AS d (rollup_id bigint, value numeric, known int, of int,"
    " missing text[], status text, cause text, accepted_at timestamptz, traceparent text)"
    " WHERE r.rollup_id = d.rollup_id AND"
    " (r.computed, r.computed_known, r.computed_of, r.computed_missing, r.computed_status)"
    " IS DISTINCT FROM (d.value, d.known, d.of, d.missing, d.status) RETURNING r.*)" + QUEUE_AGAIN
)
