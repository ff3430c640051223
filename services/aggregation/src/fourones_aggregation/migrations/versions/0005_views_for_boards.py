"""Views for the boards, in a schema of their own.

Their columns are a contract with the boards (grafana/): a later revision may add some, and changes none. Names are
those of the catalogue in force; a code that it no longer has stands for itself. `time` is the end of the period's last
day in Shanghai, so that a June figure posted in August lies in June.

    boards.organisation  org, org_name, kind, synthetic
    boards.cluster       cluster, cluster_name, tier, position
    boards.indicator     indicator, indicator_name, unit, kind, direction, frequency, synthetic, position
    boards.figure        indicator, indicator_name, unit, org, org_name, org_kind, cluster, cluster_name, period,
                         frequency, time, value, status, excluded, sequence, submission_id, reporter, reporter_name,
                         accepted_at, synthetic
    boards.duty          indicator, indicator_name, org, org_name, org_kind, cluster, cluster_name, period, frequency,
                         time, reporter, reporter_name, due_at, state
    boards.rollup        indicator, indicator_name, unit, org, org_name, cluster, cluster_name, tier, period, frequency,
                         time, value, reported, expected, recorded_at
    boards.revision      indicator, indicator_name, unit, org, org_name, cluster, cluster_name, period, revised_at,
                         reporter, reporter_name, value_before, value, withdrawn, justification, submission_id
    boards.verification  scope, verified_at, differences, seconds
    boards.dead_letter   dead_letter_id, consumer_group, topic, partition, record_offset, reason, detail, recorded_at
    boards.database      as in the submission service
"""

# ruff: noqa: S608 - every name in these statements is written here.
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


# One section of the catalogue in force, read once by whoever names it: never the versions before it.
def _section(name: str) -> str:
    return f"(SELECT v.document -> '{name}' FROM catalogue_version v JOIN catalogue_in_force f USING (version))"


_ORGANISATION = f"""
CREATE VIEW boards.organisation AS
SELECT o.id AS org, o.name AS org_name, o.kind, coalesce(o.synthetic, false) AS synthetic
FROM jsonb_to_recordset({_section("organisations")}) AS o (id text, name text, kind text, synthetic boolean)
"""

_CLUSTER = f"""
CREATE VIEW boards.cluster AS
SELECT c.id AS cluster, c.name AS cluster_name, c.tier, c.position
FROM ROWS FROM (jsonb_to_recordset({_section("clusters")}) AS (id text, name text, tier text))
  WITH ORDINALITY AS c (id, name, tier, position)
"""

_INDICATOR = f"""
CREATE VIEW boards.indicator AS
SELECT i.id AS indicator, i.name AS indicator_name, i.unit, i.kind, i.direction,
  i.reporting ->> 'frequency' AS frequency, coalesce(i.synthetic, false) AS synthetic, i.position
FROM ROWS FROM (jsonb_to_recordset({_section("indicators")})
    AS (id text, name text, unit text, kind text, direction text, reporting jsonb, synthetic boolean))
  WITH ORDINALITY AS i (id, name, unit, kind, direction, reporting, synthetic, position)
"""

# Numbers, their codes and their names, joined to a table of figures, duties or roll-ups called `k`.
_NAMES = """
JOIN indicator i ON i.indicator_id = k.indicator_id
JOIN organisation o ON o.org_id = k.org_id
JOIN cluster c ON c.cluster_id = k.cluster_id
JOIN period p ON p.period_id = k.period_id
LEFT JOIN boards.indicator bi ON bi.indicator = i.code
LEFT JOIN boards.organisation bo ON bo.org = o.code
LEFT JOIN boards.cluster bc ON bc.cluster = c.code
"""
_NAMED = """
i.code AS indicator, coalesce(bi.indicator_name, i.code) AS indicator_name,
o.code AS org, coalesce(bo.org_name, CASE o.code WHEN '_T' THEN '全市' ELSE o.code END) AS org_name,
c.code AS cluster, coalesce(bc.cluster_name, CASE c.code WHEN '_T' THEN '不分集群' ELSE c.code END) AS cluster_name,
p.code AS period
"""
_TIME = "p.frequency, (p.end_day + time '23:59:59') AT TIME ZONE 'Asia/Shanghai' AS time"

_FIGURE = f"""
CREATE VIEW boards.figure AS
SELECT {_NAMED}, coalesce(i.unit, bi.unit) AS unit, bo.kind AS org_kind,
  {_TIME}, k.value, k.status, k.excluded, k.sequence,
  k.submission_id, k.reported_by AS reporter, coalesce(br.org_name, k.reported_by) AS reporter_name, k.accepted_at,
  coalesce(bi.synthetic, false) AS synthetic
FROM figure k
{_NAMES}
LEFT JOIN boards.organisation br ON br.org = k.reported_by
WHERE NOT k.withdrawn
"""

# A figure is late when no value stood at the due moment: a revision makes nothing late, a withdrawn value was never
# there.
_DUTY = f"""
CREATE VIEW boards.duty AS
SELECT {_NAMED}, bo.kind AS org_kind, {_TIME}, r.code AS reporter, coalesce(br.org_name, r.code) AS reporter_name,
  k.due_at,
  CASE
    WHEN x.value IS NOT NULL THEN
      CASE WHEN least(x.accepted_at, (
        SELECT min(e.accepted_at) FROM figure_revision e
        WHERE e.indicator_id = k.indicator_id AND e.org_id = k.org_id AND e.cluster_id = k.cluster_id
          AND e.period_id = k.period_id AND e.value IS NOT NULL AND NOT e.withdrawn
      )) < k.due_at THEN 'on_time' ELSE 'late' END
    WHEN x.status = 'M' AND k.may_not_apply THEN 'not_applicable'
    WHEN x.status IS NOT NULL THEN 'declared_missing'
    WHEN k.due_at <= now() THEN 'overdue'
    ELSE 'not_yet_due'
  END AS state
FROM duty k
{_NAMES}
JOIN organisation r ON r.org_id = k.reporter_id
LEFT JOIN boards.organisation br ON br.org = r.code
LEFT JOIN figure x ON x.indicator_id = k.indicator_id AND x.org_id = k.org_id AND x.cluster_id = k.cluster_id
  AND x.period_id = k.period_id AND NOT x.withdrawn
"""

# Which value stands is decided as in `domain.answers.shown`.
_ROLLUP = f"""
CREATE VIEW boards.rollup AS
SELECT {_NAMED}, t.code AS tier, k.unit, {_TIME},
  CASE
    WHEN k.rule = 'D' AND (
      k.expected <> 1
      OR (k.computed IS NOT NULL AND (k.reported = 0 OR (k.computed_known = k.computed_of AND k.computed_known > 0)))
    ) THEN k.computed
    WHEN k.rule IN ('X', 'W') THEN k.computed
    WHEN k.reported = 0 THEN NULL
    WHEN k.rule = 'M' THEN k.total / k.reported
    ELSE k.total
  END AS value,
  CASE WHEN k.rule = 'D' AND k.expected <> 1 THEN coalesce(k.computed_known, 0) ELSE k.reported END AS reported,
  CASE WHEN k.rule = 'D' AND k.expected <> 1 THEN coalesce(k.computed_of, 0) ELSE k.expected END AS expected,
  k.recorded_at
FROM rollup k
{_NAMES}
JOIN tier t ON t.tier_id = k.tier_id
WHERE k.live
"""

_REVISION_COLUMNS = "sequence, value, withdrawn, accepted_at, reported_by, justification, submission_id"
_OF_THE_SAME = (
    "WHERE s.indicator_id = k.indicator_id AND s.org_id = k.org_id AND s.cluster_id = k.cluster_id"
    " AND s.period_id = k.period_id AND s.sequence > k.sequence"
)
# What took the place of a value; the cost grows with the revisions, not with the figures.
_REVISION = f"""
CREATE VIEW boards.revision AS
SELECT {_NAMED}, coalesce(i.unit, bi.unit) AS unit, n.accepted_at AS revised_at, n.reported_by AS reporter,
  coalesce(br.org_name, n.reported_by) AS reporter_name, k.value AS value_before, n.value, n.withdrawn, n.justification,
  n.submission_id
FROM figure_revision k
CROSS JOIN LATERAL (
  SELECT * FROM (
    SELECT {_REVISION_COLUMNS} FROM figure_revision s {_OF_THE_SAME}
    UNION ALL
    SELECT {_REVISION_COLUMNS} FROM figure s {_OF_THE_SAME}
  ) AS later ORDER BY sequence LIMIT 1
) AS n
{_NAMES}
LEFT JOIN boards.organisation br ON br.org = n.reported_by
"""

_VERIFICATION = """
CREATE VIEW boards.verification AS
SELECT DISTINCT ON (scope) scope, verified_at, differences, seconds
FROM verification
ORDER BY scope, verified_at DESC
"""

_DEAD_LETTER = """
CREATE VIEW boards.dead_letter AS
SELECT dead_letter_id, consumer_group, topic, partition, record_offset, reason, detail, recorded_at
FROM dead_letter
WHERE state = 'waiting'
"""

# What any role may know of the database it is connected to; counters rise from `stats_reset`.
_DATABASE = """
CREATE VIEW boards.database AS
SELECT datname AS database, numbackends AS connections, xact_commit AS commits, xact_rollback AS rollbacks, deadlocks,
  conflicts, temp_bytes, blks_hit::double precision / nullif(blks_hit + blks_read, 0) AS cache_hit_ratio,
  pg_database_size(oid) AS size_bytes,
  (SELECT setting::int FROM pg_settings WHERE name = 'max_connections') AS max_connections, d.stats_reset
FROM pg_database JOIN pg_stat_database d USING (datname)
WHERE datname = current_database()
"""


def upgrade() -> None:
    op.execute("CREATE SCHEMA boards")
    for view in (
        _ORGANISATION,
        _CLUSTER,
        _INDICATOR,
        _FIGURE,
        _DUTY,
        _ROLLUP,
        _REVISION,
        _VERIFICATION,
        _DEAD_LETTER,
        _DATABASE,
    ):
        op.execute(view)


def downgrade() -> None:
    # The schema holds nothing but views and what they call.
    op.execute("DROP SCHEMA boards CASCADE")
