"""Views for the boards, in a schema of their own.

Their columns are a contract with the boards (grafana/): a later revision may add some, and changes none. Names are
those of the catalogue in force.

    boards.organisation  org, org_name, kind, synthetic
    boards.submission    submission_id, sequence, org, org_name, reporter, reporter_name, received_at, figures, status,
                         published_at, applied_at, applied, superseded, excluded, reason, warnings
    boards.warning       submission_id, org, org_name, received_at, code, detail
    boards.dead_letter   dead_letter_id, consumer_group, topic, partition, record_offset, reason, detail, recorded_at
    boards.database      see `_DATABASE`
"""

# ruff: noqa: S608 - every name in these statements is written here.
from alembic import op

revision = "0004"
down_revision = "0003"
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

# `status` is that of the receipt.
_SUBMISSION = """
CREATE VIEW boards.submission AS
SELECT s.submission_id::text AS submission_id, s.sequence, s.org, coalesce(o.org_name, s.org) AS org_name,
  s.reported_by AS reporter, coalesce(r.org_name, s.reported_by) AS reporter_name, s.received_at, s.figures,
  coalesce(s.outcome, CASE WHEN s.published_at IS NULL THEN 'accepted' ELSE 'published' END) AS status,
  s.published_at, s.applied_at, s.applied, s.superseded, s.excluded, s.reason,
  jsonb_array_length(s.warnings) AS warnings
FROM submission s
LEFT JOIN boards.organisation o ON o.org = s.org
LEFT JOIN boards.organisation r ON r.org = s.reported_by
"""

_WARNING = """
CREATE VIEW boards.warning AS
SELECT s.submission_id::text AS submission_id, s.org, coalesce(o.org_name, s.org) AS org_name, s.received_at,
  w ->> 'code' AS code, w ->> 'detail' AS detail
FROM submission s
CROSS JOIN LATERAL jsonb_array_elements(s.warnings) AS w
LEFT JOIN boards.organisation o ON o.org = s.org
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
    for view in (_ORGANISATION, _SUBMISSION, _WARNING, _DEAD_LETTER, _DATABASE):
        op.execute(view)


def downgrade() -> None:
    # The schema holds nothing but views and what they call.
    op.execute("DROP SCHEMA boards CASCADE")
