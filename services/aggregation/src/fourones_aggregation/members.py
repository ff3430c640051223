"""SQL that joins a roll-up with its members: every duty in its scope, and the figure that fulfils it."""

from __future__ import annotations

from sqlalchemy import text

from fourones_aggregation.opening import INSIDE


def duty_in_scope(rollup: str) -> str:
    """The condition that duty `d` is a member of the roll-up with that alias; number 0 is `_T`.

    The same as `domain.scopes.holds`, for a duty of the roll-up's indicator and period.
    """
    return (
        f"d.indicator_id = {rollup}.indicator_id AND d.period_id = {rollup}.period_id"
        f" AND ({rollup}.org_id = d.org_id OR ({rollup}.org_id = 0 AND d.repeats & {INSIDE} = 0))"
        f" AND ({rollup}.cluster_id = 0 OR {rollup}.cluster_id = d.cluster_id)"
        f" AND ({rollup}.tier_id = 0 OR {rollup}.tier_id = d.tier_id)"
    )


# To follow a roll-up named `r`. A withdrawn figure is none; an excluded one has no duty and so never meets this join.
MEMBER_JOIN = (
    f"JOIN duty d ON {duty_in_scope('r')}"
    " JOIN organisation o ON o.org_id = d.org_id JOIN cluster c ON c.cluster_id = d.cluster_id"
    " LEFT JOIN figure f ON f.indicator_id = d.indicator_id AND f.org_id = d.org_id"
    " AND f.cluster_id = d.cluster_id AND f.period_id = d.period_id AND NOT f.withdrawn"
)
# Expected and not reported: nothing there, declared missing, or "does not apply" without the catalogue's leave.
MISSING = "(f.value IS NULL AND NOT (f.status IS NOT DISTINCT FROM 'M' AND d.may_not_apply))"
MISSING_AT_MOST = 50
# By cluster where the roll-up is about one organisation, else by organisation.
NAME = "CASE WHEN r.org_id <> 0 AND d.cluster_id <> 0 THEN c.code ELSE o.code END"
MISSING_NAMES = text(
    f"SELECT r.rollup_id, (array_agg(DISTINCT {NAME}) FILTER (WHERE {MISSING}))[1:{MISSING_AT_MOST}] AS missing"  # noqa: S608
    f" FROM rollup r {MEMBER_JOIN} WHERE r.live AND r.reported < r.expected"
    " AND r.rollup_id = ANY(CAST(:ids AS bigint[])) GROUP BY r.rollup_id"
)
