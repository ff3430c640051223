"""SQL that joins a roll-up with its members: every duty in its scope, and the figure that fulfils it."""

from __future__ import annotations

from sqlalchemy import TextClause, text

from fourones_aggregation.opening import APART
from fourones_aggregation.temporal import AS_OF, LIVE, Tables

MISSING_AT_MOST = 50
# Expected and not reported: nothing there, declared missing, or "does not apply" without the catalogue's leave.
MISSING = "(f.value IS NULL AND NOT (f.status IS NOT DISTINCT FROM 'M' AND d.may_not_apply))"
# Number 0 is the total, and every other number is greater: all of them, or one.
_ORG_RANGE = "BETWEEN r.org_id AND coalesce(nullif(r.org_id, 0), 2147483647)"


def member_name(org: str, cluster: str) -> str:
    """What a member is called: by its cluster where the roll-up is about one organisation, else by its organisation.

    Args:
        org: SQL for the code of its organisation.
        cluster: SQL for the code of its cluster.
    """
    return f"CASE WHEN r.org_id <> 0 AND d.cluster_id <> 0 THEN {cluster} ELSE {org} END"


def duty_in_scope(rollup: str) -> str:
    """The condition that duty `d` is a member of the roll-up with that alias; number 0 is `_T`.

    The same as `domain.scopes.holds`, for a duty of the roll-up's indicator and period.
    """
    return (
        f"d.indicator_id = {rollup}.indicator_id AND d.period_id = {rollup}.period_id"
        f" AND ({rollup}.org_id = d.org_id OR ({rollup}.org_id = 0 AND d.repeats & {APART} = 0))"
        f" AND ({rollup}.cluster_id = 0 OR {rollup}.cluster_id = d.cluster_id)"
        f" AND ({rollup}.tier_id = 0 OR {rollup}.tier_id = d.tier_id)"
    )


def member_join(tables: Tables) -> str:
    """To follow a roll-up named `r`. A withdrawn figure is none; an excluded one has no duty and never meets this.

    The range of organisations says nothing that the scope does not say, but an index can be searched by it: by the
    scope alone every roll-up of one organisation reads the duties of all.
    """
    return f"JOIN {tables.duty} d ON {duty_in_scope('r')} AND d.org_id {_ORG_RANGE}{tables.figure('f', 'd')}"


def missing_names(tables: Tables) -> TextClause:
    """The statement that names up to 50 of those missing from each incomplete roll-up among `ids`."""
    return _MISSING_NAMES if tables is LIVE else _MISSING_NAMES_AS_OF


def _missing_names(tables: Tables) -> TextClause:
    # Codes by subselects, which only the missing need: joins would be made for all members, and planned for longer.
    name = member_name(
        "(SELECT code FROM organisation o WHERE o.org_id = d.org_id)",
        "(SELECT code FROM cluster c WHERE c.cluster_id = d.cluster_id)",
    )
    return text(
        f"SELECT r.rollup_id, (array_agg(DISTINCT {name}) FILTER (WHERE {MISSING}))[1:{MISSING_AT_MOST}] AS missing"  # noqa: S608
        f" FROM {tables.rollup} r {member_join(tables)} WHERE r.live AND r.reported < r.expected"
        " AND r.rollup_id = ANY(CAST(:ids AS bigint[])) GROUP BY r.rollup_id"
    )


_MISSING_NAMES = _missing_names(LIVE)
_MISSING_NAMES_AS_OF = _missing_names(AS_OF)
