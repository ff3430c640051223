"""Boards: a report is late and a roll-up complete as the services say.

    boards.duty     A value counts as reported since the last withdrawal: one that was withdrawn before the due moment
                    and reported again after it is late, as the submission service has it.
    boards.rollup   `reported` and `expected` are those of the value that is shown: beside a computed value those of
                    its inputs, also where one reporter owes the same figure and has not reported it.
    boards.year_before   function, new: the same period a year before, by its code. A day's distance finds nothing for
                    a February beside a leap year.

The other views are those of 0005.
"""

# ruff: noqa: S608, SLF001 - every name in these statements is written here; what was before is read where it was made.
from importlib import import_module

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_BEFORE = import_module("fourones_aggregation.migrations.versions.0005_views_for_boards")

# The same period a year before; null for weeks, which do not repeat.
_YEAR_BEFORE = r"""
CREATE FUNCTION boards.year_before(period text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN CASE
  WHEN period LIKE '%W%' THEN NULL
  ELSE lpad((left(period, 4)::int - 1)::text, 4, '0') || substr(period, 5)
END
"""

# Joins and columns that have not changed.
_NAMES, _NAMED, _TIME = _BEFORE._NAMES, _BEFORE._NAMED, _BEFORE._TIME

# A figure is late when the value that stands, or one that it has replaced, was not there by the due moment: a revision
# makes nothing late; what was withdrawn was never there, nor what had been there before it.
_DUTY = f"""
CREATE OR REPLACE VIEW boards.duty AS
SELECT {_NAMED}, bo.kind AS org_kind, {_TIME}, r.code AS reporter, coalesce(br.org_name, r.code) AS reporter_name,
  k.due_at,
  CASE
    WHEN x.value IS NOT NULL THEN
      CASE WHEN least(x.accepted_at, (
        SELECT min(e.accepted_at) FROM figure_revision e
        WHERE e.indicator_id = k.indicator_id AND e.org_id = k.org_id AND e.cluster_id = k.cluster_id
          AND e.period_id = k.period_id AND e.value IS NOT NULL AND NOT e.withdrawn
          AND NOT EXISTS (
            SELECT FROM figure_revision g
            WHERE g.indicator_id = e.indicator_id AND g.org_id = e.org_id AND g.cluster_id = e.cluster_id
              AND g.period_id = e.period_id AND g.withdrawn AND g.sequence > e.sequence
          )
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

# Which value stands, and who has reported of whom, is decided as in `domain.answers.shown`.
_ROLLUP = f"""
CREATE OR REPLACE VIEW boards.rollup AS
SELECT {_NAMED}, t.code AS tier, k.unit, {_TIME},
  CASE
    WHEN s.is_computed OR k.rule IN ('X', 'W') THEN k.computed
    WHEN k.reported = 0 THEN NULL
    WHEN k.rule = 'M' THEN k.total / k.reported
    ELSE k.total
  END AS value,
  CASE WHEN s.is_computed THEN coalesce(k.computed_known, 0) ELSE k.reported END AS reported,
  CASE WHEN s.is_computed THEN coalesce(k.computed_of, 0) ELSE k.expected END AS expected,
  k.recorded_at
FROM rollup k
{_NAMES}
JOIN tier t ON t.tier_id = k.tier_id
CROSS JOIN LATERAL (
  SELECT k.rule = 'D' AND (
    k.expected <> 1
    OR (k.computed IS NOT NULL AND (k.reported = 0 OR (k.computed_known = k.computed_of AND k.computed_known > 0)))
  ) AS is_computed
) AS s
WHERE k.live
"""


def upgrade() -> None:
    # Replaced, not dropped: who may read them still may.
    for statement in (_YEAR_BEFORE, _DUTY, _ROLLUP):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP VIEW boards.duty, boards.rollup")
    op.execute("DROP FUNCTION boards.year_before")
    for statement in (_BEFORE._DUTY, _BEFORE._ROLLUP):
        op.execute(statement)
