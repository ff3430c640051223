"""What must hold between the present and what is kept of the past: revisions, versions, duties, snapshots.

An answer as of a moment rests on these: of each identity one state at every snapshot, and the newest is the present.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

from fourones_aggregation.temporal import STATE_COLUMNS
from fourones_aggregation.verification import Difference


def verify_histories(connection: Connection) -> Iterator[Difference]:
    """What does not hold, in the snapshot of the connection's transaction."""
    for row in connection.execute(_REVISIONS):
        what = f"revision {row.indicator} {row.org} {row.cluster} {row.period} {row.sequence}"
        if row.current is None:
            yield Difference(what, "kept without a figure", "a figure's")
        else:
            yield Difference(what, f"not older than the figure's {row.current}", "older")
    for row in connection.execute(_NEWEST_VERSIONS):
        what = f"newest version of roll-up {row.indicator} {row.org} {row.cluster} {row.tier} {row.period}"
        kept = "missing" if row.kept is None else f"version {row.kept} of snapshot {row.kept_snapshot}"
        yield Difference(what, kept, f"version {row.version} of snapshot {row.snapshot}, as the roll-up says")
    for row in connection.execute(_RISING_VERSIONS):
        what = f"version of roll-up number {row.rollup_id} at snapshot {row.snapshot}"
        yield Difference(what, row.version, f"above {row.before}")
    for row in connection.execute(_PAST_DUTIES):
        what = f"past duty {row.indicator} {row.org} {row.cluster} {row.period} since snapshot {row.since}"
        yield Difference(what, f"until {row.until}", f"until {row.next} at most, and longer than nothing")
    for row in connection.execute(_SNAPSHOTS):
        yield Difference(f"snapshot {row.number}", f"taken at {row.taken_at}", f"taken at {row.due} or later")
    for row in connection.execute(_AHEAD):
        yield Difference(f"newest snapshot of {row.what}", row.number, f"{row.newest} at most")


_CODES = (
    " JOIN indicator i USING (indicator_id) JOIN organisation o USING (org_id) JOIN cluster c USING (cluster_id)"
    " JOIN period p USING (period_id)"
)
_NAMES = "i.code AS indicator, o.code AS org, c.code AS cluster, p.code AS period"
_REVISIONS = text(
    f"SELECT {_NAMES}, r.sequence, f.sequence AS current"  # noqa: S608
    f" FROM figure_revision r LEFT JOIN figure f USING (indicator_id, org_id, cluster_id, period_id) {_CODES}"
    " WHERE f.sequence IS NULL OR r.sequence >= f.sequence"
)
_STATE = STATE_COLUMNS.split(", ")
_NEWEST_VERSIONS = text(
    f"SELECT {_NAMES}, t.code AS tier, r.version, r.snapshot, v.version AS kept, v.snapshot AS kept_snapshot"  # noqa: S608
    " FROM rollup r LEFT JOIN LATERAL (SELECT * FROM rollup_version v WHERE v.rollup_id = r.rollup_id"
    f" ORDER BY v.snapshot DESC LIMIT 1) v ON true {_CODES} JOIN tier t USING (tier_id)"
    f" WHERE (r.snapshot, {', '.join(f'r.{name}' for name in _STATE)})"
    f" IS DISTINCT FROM (v.snapshot, {', '.join(f'v.{name}' for name in _STATE)})"
)
_RISING_VERSIONS = text(
    "SELECT * FROM (SELECT rollup_id, snapshot, version,"
    " lag(version) OVER (PARTITION BY rollup_id ORDER BY snapshot) AS before FROM rollup_version) v"
    " WHERE version <= before"
)
_PAST_DUTIES = text(
    f"SELECT {_NAMES}, past.since, past.until, past.next FROM (SELECT d.*,"  # noqa: S608
    " coalesce(lead(d.since) OVER (PARTITION BY indicator_id, period_id, org_id, cluster_id ORDER BY d.since),"
    " (SELECT n.since FROM duty n WHERE (n.indicator_id, n.period_id, n.org_id, n.cluster_id)"
    " = (d.indicator_id, d.period_id, d.org_id, d.cluster_id)), (SELECT number FROM snapshot)) AS next"
    f" FROM duty_past d) past {_CODES} WHERE past.until <= past.since OR past.until > past.next"
)
_SNAPSHOTS = text(
    "SELECT number, taken_at, due FROM (SELECT number, taken_at, lag(taken_at) OVER (ORDER BY number) AS due"
    " FROM snapshot_taken) s WHERE taken_at < due"
)
_AHEAD = text(
    "SELECT h.what, h.number, s.number AS newest FROM snapshot s CROSS JOIN ("
    "SELECT 'snapshot_taken' AS what, max(number) AS number FROM snapshot_taken"
    " UNION ALL SELECT 'figure', max(snapshot) FROM figure"
    " UNION ALL SELECT 'figure_revision', max(snapshot) FROM figure_revision"
    " UNION ALL SELECT 'rollup_version', max(snapshot) FROM rollup_version"
    " UNION ALL SELECT 'duty', max(since) FROM duty) h WHERE h.number > s.number"
)
