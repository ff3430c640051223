"""Boards: who is silent counts as nothing achieved, and sums begin where their stretch does.

    boards.attainment      A county that has not reported, or has declared its figure missing, by the due moment has an
                           attainment of 0, so that silence raises nobody's rank; its value stays null, and who need
                           not report is no part. A total that nobody has reported divides like any other.
                           Targets whose values are added up (a month's figure under a year's or a quarter's target)
                           are left out: one month of a county was held against what is due since the stretch began.
                           Only what is summed over organisations is divided, and a year before that is not complete
                           divides nothing, as in `domain.contributions`.
                           New at the end: synthetic, the target's.
    boards.target_history  Of a target for several years only periods within them are added up, and what lies before
                           the plan is added to nothing within; for a target by a half-year values are added up too; a
                           week is due what its Thursday's stretch is due, even when it ends in the next.
    boards.period_start, boards.adds_up_over   functions, new.

The other views are those of 0007.
"""

# ruff: noqa: SLF001 - what was before is read where it was made.
from importlib import import_module

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# The first day of a period in its canonical spelling, beside `boards.period_end`.
_PERIOD_START = r"""
CREATE FUNCTION boards.period_start(period text) RETURNS date LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN CASE
  WHEN period ~ '^\d{4}$' THEN make_date(period::int, 1, 1)
  WHEN period ~ '^\d{4}-\d{2}$' THEN make_date(left(period, 4)::int, right(period, 2)::int, 1)
  WHEN period ~ '^\d{4}-Q\d$' THEN make_date(left(period, 4)::int, 3 * right(period, 1)::int - 2, 1)
  WHEN period ~ '^\d{4}-S\d$' THEN make_date(left(period, 4)::int, 6 * right(period, 1)::int - 5, 1)
  WHEN period ~ '^\d{4}-W\d{2}$' THEN to_date(left(period, 4) || right(period, 2), 'IYYYIW')
  WHEN period ~ '^\d{4}-\d{2}-\d{2}/P\d+[YMW]$' THEN left(period, 10)::date
END
"""

# Over which stretch a target's values are added up; null where each stands for itself. As
# `fourones_shared.domain.ways.adds_up` and `cell_of`.
_ADDS_UP_OVER = r"""
CREATE FUNCTION boards.adds_up_over(kind text, covers text, frequency text, cadence text, due_period text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
  WHEN kind <> 'flow' OR covers <> 'period' THEN NULL
  WHEN (cadence, frequency) IN (('year', 'A'), ('quarter', 'Q'), ('month', 'M'), ('week', 'W')) THEN NULL
  WHEN cadence IS NOT NULL THEN cadence
  WHEN due_period LIKE '%/P%' AND frequency <> 'R' THEN 'range'
  WHEN due_period ~ '^\d{4}$' AND frequency <> 'A' THEN 'year'
  WHEN due_period LIKE '%-S_' AND frequency IN ('Q', 'M', 'W') THEN 'half-year'
  WHEN due_period LIKE '%-Q_' AND frequency IN ('M', 'W') THEN 'quarter'
  WHEN due_period ~ '^\d{4}-\d{2}$' AND frequency = 'W' THEN 'month'
END
"""

# What a target's value is held against, period by period: what is reported for parts of a stretch is added up from
# where the stretch begins.
_TARGET_HISTORY = """
CREATE OR REPLACE VIEW boards.target_history AS
SELECT h.target, h.period, boards.end_of_day(h.day) AS time,
  CASE WHEN h.stretch IS NULL THEN h.value
    ELSE sum(h.value) OVER (PARTITION BY h.target, h.stretch, h.is_in_plan ORDER BY h.day) END AS value,
  w.base_value + (w.goal - w.base_value) * boards.share_due(h.day, w.start_day, w.due_day, w.days, w.shares)
    AS due_value,
  h.target_value, h.reported, h.expected
FROM (
  SELECT t.target, l.period, d.day, d.belongs, v.value, t.target_value, (v.coverage ->> 'reported')::int AS reported,
    (v.coverage ->> 'expected')::int AS expected, d.day >= t.plan_start AS is_in_plan,
    -- The first day of what a value is added up over.
    CASE s.form
      WHEN 'range' THEN
        CASE WHEN boards.period_start(l.period) >= boards.period_start(t.due_period)
          AND d.day <= boards.period_end(t.due_period) THEN boards.period_start(t.due_period) END
      WHEN 'half-year' THEN
        make_date(extract(year FROM d.belongs)::int, CASE WHEN extract(month FROM d.belongs) < 7 THEN 1 ELSE 7 END, 1)
      ELSE date_trunc(s.form, d.belongs::timestamp)::date
    END AS stretch
  FROM boards.terms t
  JOIN rollup_latest l ON l.indicator = t.indicator AND l.org = t.org AND l.cluster = t.cluster AND l.tier = t.tier
  JOIN rollup_version v ON v.indicator = l.indicator AND v.org = l.org AND v.cluster = l.cluster AND v.tier = l.tier
    AND v.period = l.period AND v.version = l.version
  CROSS JOIN LATERAL (
    SELECT boards.adds_up_over(t.kind, t.covers, t.frequency, t.cadence, t.due_period) AS form
  ) AS s
  CROSS JOIN LATERAL (
    -- A week belongs to a longer stretch by its Thursday.
    SELECT e.day, CASE WHEN l.period LIKE '%-W%' THEN e.day - 3 ELSE e.day END AS belongs
    FROM (SELECT boards.period_end(l.period) AS day) AS e
  ) AS d
) AS h
LEFT JOIN boards.way w ON w.target = h.target
  AND CASE WHEN w.is_only THEN h.day > w.start_day ELSE h.belongs > w.start_day AND h.belongs <= w.due_day END
WHERE h.value IS NOT NULL
"""

# Each county and zone owes of the due value the share that it had of the same period a year before, as in the
# explanation of a gap; where the year before is not complete, nobody's share is made up.
_ATTAINMENT = """
CREATE OR REPLACE VIEW boards.attainment AS
SELECT s.target, s.target_name, s.cluster, s.cluster_name, s.org, coalesce(o.org_name, s.org) AS org_name,
  s.period, s.unit, s.value, s.due_value,
  -- Who owes nothing has no attainment, silent or not.
  CASE WHEN s.is_silent THEN 0 ELSE s.value END / nullif(s.due_value, 0) AS attainment, s.synthetic
FROM (
  SELECT t.target, t.target_name, t.cluster, coalesce(c.cluster_name, t.cluster) AS cluster_name, t.unit, a.period,
    m.org, m.value, m.value IS NULL AND v.due_at <= now() AS is_silent,
    a.due_value * coalesce(b.value, 0) / nullif(sum(b.value) OVER parts, 0) AS due_value,
    count(*) OVER parts > 1 AND sum(b.value) OVER parts > 0 AND min(b.value) OVER parts >= 0 AS is_divided,
    t.synthetic
  FROM assessment a
  JOIN boards.terms t ON t.target = a.target
  LEFT JOIN boards.cluster c ON c.cluster = t.cluster
  JOIN (
    SELECT i.id FROM jsonb_to_recordset(
      (SELECT d.document -> 'indicators' FROM catalogue_version d JOIN catalogue_in_force f USING (version))
    ) AS i (id text, over_organisations text)
    WHERE i.over_organisations = 'sum'
  ) AS i ON i.id = a.indicator
  JOIN rollup_latest l ON l.indicator = a.indicator AND l.org = a.org AND l.cluster = a.cluster AND l.tier = a.tier
    AND l.period = a.period
  JOIN rollup_version v ON v.indicator = l.indicator AND v.org = l.org AND v.cluster = l.cluster AND v.tier = l.tier
    AND v.period = l.period AND v.version = l.version
  JOIN rollup_latest e ON e.indicator = a.indicator AND e.org = a.org AND e.cluster = a.cluster AND e.tier = a.tier
    AND e.period = boards.year_before(a.period)
  JOIN rollup_version w ON w.indicator = e.indicator AND w.org = e.org AND w.cluster = e.cluster AND w.tier = e.tier
    AND w.period = e.period AND w.version = e.version
  CROSS JOIN jsonb_to_recordset(v.members) AS m (org text, cluster text, state text, value numeric)
  LEFT JOIN LATERAL (
    SELECT b.value FROM jsonb_to_recordset(w.members) AS b (org text, cluster text, value numeric)
    WHERE b.org = m.org AND b.cluster = m.cluster
  ) AS b ON true
  WHERE a.org = '_T' AND a.cluster <> '_T' AND t.direction = 'up' AND a.due_value > 0
    AND boards.adds_up_over(t.kind, t.covers, t.frequency, t.cadence, t.due_period) IS NULL
    AND m.state <> 'not_applicable'
    -- Members that are not all named, or do not make up the whole (a zone that counts through its district), are no
    -- parts.
    AND v.members_total <= jsonb_array_length(v.members) AND w.members_total <= jsonb_array_length(w.members)
    AND coalesce((SELECT sum((x ->> 'value')::numeric) FROM jsonb_array_elements(v.members) AS x), 0)
      = coalesce(v.value, 0)
    AND (SELECT sum((x ->> 'value')::numeric) FROM jsonb_array_elements(w.members) AS x) = w.value
    AND (w.coverage ->> 'reported')::int >= (w.coverage ->> 'expected')::int
  WINDOW parts AS (PARTITION BY t.target)
) AS s
LEFT JOIN boards.organisation o ON o.org = s.org
WHERE s.is_divided
"""


def upgrade() -> None:
    # Replaced, not dropped: who may read them still may.
    for statement in (_PERIOD_START, _ADDS_UP_OVER, _TARGET_HISTORY, _ATTAINMENT):
        op.execute(statement)


def downgrade() -> None:
    before = import_module("fourones_alerting.migrations.versions.0007_views_for_boards")
    op.execute("DROP VIEW boards.attainment, boards.target_history")
    op.execute("DROP FUNCTION boards.adds_up_over, boards.period_start")
    for statement in (before._TARGET_HISTORY, before._ATTAINMENT):
        op.execute(statement)
