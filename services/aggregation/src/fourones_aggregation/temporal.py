"""The tables as they are, and as they were: one SQL text reads either, depending on where its tables come from.

Snapshot numbers order everything that is committed here. Figures and their revisions carry the snapshot that wrote
them, roll-ups keep every version, duties keep what a catalogue changed; so what was known at a snapshot is what those
rows say up to it. A figure counts exactly when its duty is there.
"""

from __future__ import annotations

from dataclasses import dataclass

DUTY_COLUMNS = (
    "indicator_id, period_id, org_id, cluster_id, tier_id, reporter_id, due_at, may_not_apply, repeats, opened_at,"
    " since"
)
STATE_COLUMNS = (
    "live, rule, unit, due_at, total, reported, expected, provisional, estimated, forecast, computed, computed_known,"
    " computed_of, computed_missing, computed_status, version, cause, catalogue_version, recorded_at, accepted_at"
)
_FIGURE_COLUMNS = (
    "sequence, value, status, withdrawn, note, justification, submission_id, reported_by, accepted_at, applied_at"
)


@dataclass(frozen=True, slots=True)
class Tables:
    """Where a statement reads from. Texts of ours, never input.

    Attributes:
        duty: duties, with `DUTY_COLUMNS`.
        rollup: roll-ups, with identity, `STATE_COLUMNS` and snapshot; dead ones are not `live`.
    """

    duty: str
    rollup: str

    def figure(self, alias: str, duty: str) -> str:
        """A left join with the figure that fulfils a duty; a withdrawn one is none."""
        key = " AND ".join(
            f"x.{name} = {duty}.{name}" for name in ("indicator_id", "org_id", "cluster_id", "period_id")
        )
        if self is LIVE:
            return f" LEFT JOIN figure {alias} ON {key.replace('x.', f'{alias}.')} AND NOT {alias}.withdrawn"
        parts = " UNION ALL ".join(
            f"SELECT {_FIGURE_COLUMNS} FROM {table} x WHERE {key} AND x.snapshot <= :snapshot"  # noqa: S608
            for table in ("figure", "figure_revision")
        )
        return (
            f" LEFT JOIN LATERAL (SELECT * FROM ({parts}) h ORDER BY sequence DESC LIMIT 1) {alias}"  # noqa: S608
            f" ON NOT {alias}.withdrawn"
        )


LIVE = Tables("duty", "rollup")
"""The newest state."""

AS_OF = Tables(
    f"(SELECT {DUTY_COLUMNS} FROM duty WHERE since <= :snapshot"  # noqa: S608
    f" UNION ALL SELECT {DUTY_COLUMNS} FROM duty_past WHERE since <= :snapshot AND until > :snapshot)",
    "(SELECT i.rollup_id, i.indicator_id, i.period_id, i.org_id, i.cluster_id, i.tier_id, v.*"  # noqa: S608
    " FROM rollup i CROSS JOIN LATERAL"
    f" (SELECT {STATE_COLUMNS}, snapshot FROM rollup_version v WHERE v.rollup_id = i.rollup_id"
    " AND v.snapshot <= :snapshot ORDER BY v.snapshot DESC LIMIT 1) v)",
)
"""The state at the snapshot given as parameter `snapshot`."""
