"""Views for the boards, in a schema of their own.

Their columns are a contract with the boards (grafana/): a later revision may add some, and changes none. Names are
those of the catalogue in force; a code that it no longer has stands for itself. `time` is the end of the period's last
day in Shanghai, so that a June figure posted in August lies in June.

    boards.organisation    org, org_name, kind, synthetic
    boards.cluster         cluster, cluster_name, tier, lead, lead_name, position
    boards.plan            plan, plan_name, synthetic, position
    boards.target          target, target_name, plan, plan_name, indicator, indicator_name, unit, direction, org,
                           org_name, cluster, cluster_name, tier, pillar, pillar_name, comparator, target_value,
                           due_period, cadence, synthetic, position
    boards.plan_curve      target, time, due_value: by months, from where the way begins to where it ends
    boards.target_history  target, period, time, value, due_value, target_value, reported, expected
    boards.assessment      target, target_name, plan, plan_name, indicator_name, unit, cluster, cluster_name,
                           pillar_name, departments, department_names, period, verdict, light, value, due_value,
                           target_value, attainment, gap, months_behind, forecast, explanation, missing_names, reported,
                           expected, overdue, final, provisional, stale, judged_at, changed_by, synthetic
    boards.gap_part        target, part_of, part, part_name, value, due_value, gap, share, position
    boards.attainment      target, target_name, cluster, cluster_name, org, org_name, period, unit, value, due_value,
                           attainment: a county's part of a target that is summed over them
    boards.problem         problem_id, title, description, kind, origin, subject, org, org_name, cluster, cluster_name,
                           target, plan, departments, department_names, state, level, due, overdue, opened_at,
                           changed_at, days_open, days_late, reported_at, closed_at, closed_on_time, synthetic
    boards.problem_step    problem_id, step, action, state, level, due, taken_at, role, org, org_name, note
    boards.notice          number, recipient, recipient_name, channel_kind, kind, target, period, level, title, text,
                           state, made_at, settled_at, attempts, reason
    boards.dead_letter     dead_letter_id, consumer_group, topic, partition, record_offset, reason, detail, recorded_at
    boards.database        as in the submission service
"""

# ruff: noqa: S608 - every name in these statements is written here.
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# The end of the day in Shanghai, still within the day: a June figure is shown on the 30th of June.
_END_OF_DAY = """
CREATE FUNCTION boards.end_of_day(day date) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN (day + time '23:59:59') AT TIME ZONE 'Asia/Shanghai'
"""

# The last day of a period in its canonical spelling (`fourones_shared.domain.periods`).
_PERIOD_END = r"""
CREATE FUNCTION boards.period_end(period text) RETURNS date LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN CASE
  WHEN period ~ '^\d{4}$' THEN make_date(period::int, 12, 31)
  WHEN period ~ '^\d{4}-\d{2}$'
    THEN (make_date(left(period, 4)::int, right(period, 2)::int, 1) + interval '1 month')::date - 1
  WHEN period ~ '^\d{4}-Q\d$'
    THEN (make_date(left(period, 4)::int, 1, 1) + make_interval(months => 3 * right(period, 1)::int))::date - 1
  WHEN period ~ '^\d{4}-S\d$'
    THEN (make_date(left(period, 4)::int, 1, 1) + make_interval(months => 6 * right(period, 1)::int))::date - 1
  WHEN period ~ '^\d{4}-W\d{2}$' THEN to_date(left(period, 4) || right(period, 2), 'IYYYIW') + 6
  WHEN period ~ '^\d{4}-\d{2}-\d{2}/P\d+Y$'
    THEN (left(period, 10)::date + make_interval(years => substring(period FROM 'P(\d+)')::int))::date - 1
  WHEN period ~ '^\d{4}-\d{2}-\d{2}/P\d+M$'
    THEN (left(period, 10)::date + make_interval(months => substring(period FROM 'P(\d+)')::int))::date - 1
  WHEN period ~ '^\d{4}-\d{2}-\d{2}/P\d+W$'
    THEN left(period, 10)::date + 7 * substring(period FROM 'P(\d+)')::int - 1
END
"""

# The same period a year before; null for weeks, which do not repeat.
_YEAR_BEFORE = r"""
CREATE FUNCTION boards.year_before(period text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN CASE
  WHEN period LIKE '%W%' THEN NULL
  ELSE lpad((left(period, 4)::int - 1)::text, 4, '0') || substr(period, 5)
END
"""

# The share of the way that is due by the end of a day, as `fourones_shared.domain.curves.PlanCurve.share_due`.
_SHARE_DUE = """
CREATE FUNCTION boards.share_due(day date, start date, due date, days date[], shares numeric[]) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
  WHEN day <= start THEN 0
  WHEN day >= due THEN 1
  ELSE (
    SELECT p.share + (p.next_share - p.share) * (share_due.day - p.day) / (p.next_day - p.day)
    FROM (
      SELECT m.day, m.share, lead(m.day) OVER w AS next_day, lead(m.share) OVER w AS next_share
      FROM (
        SELECT start, 0::numeric UNION ALL SELECT due, 1
        UNION ALL SELECT x.day, x.share FROM unnest(days, shares) AS x (day, share) WHERE x.day < due
      ) AS m (day, share)
      WINDOW w AS (ORDER BY m.day)
    ) AS p
    WHERE p.day < share_due.day AND share_due.day <= p.next_day
  )
END
"""


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
SELECT c.id AS cluster, c.name AS cluster_name, c.tier, c.lead, coalesce(o.org_name, c.lead) AS lead_name, c.position
FROM ROWS FROM (jsonb_to_recordset({_section("clusters")}) AS (id text, name text, tier text, lead text))
  WITH ORDINALITY AS c (id, name, tier, lead, position)
LEFT JOIN boards.organisation o ON o.org = c.lead
"""

_PLAN = f"""
CREATE VIEW boards.plan AS
SELECT p.id AS plan, p.name AS plan_name, coalesce(p.synthetic, false) AS synthetic, p.position
FROM ROWS FROM (jsonb_to_recordset({_section("plans")}) AS (id text, name text, synthetic boolean))
  WITH ORDINALITY AS p (id, name, synthetic, position)
"""

# Everything that the catalogue says of a target; the other views take from it what they need.
_TERMS = f"""
CREATE VIEW boards.terms AS
SELECT t.id AS target, t.name AS target_name, t.plan, p.name AS plan_name, p.start AS plan_start, p."end" AS plan_end,
  t.indicator, i.name AS indicator_name, t.unit, i.direction, i.kind, i.covers,
  i.reporting ->> 'frequency' AS frequency,
  t.org, t.cluster, t.tier, t.pillar, l.name AS pillar_name, t.comparator, t.value AS target_value, t.by AS due_period,
  t.per AS cadence, t.baseline ->> 'period' AS base_period, (t.baseline ->> 'value')::numeric AS base_value,
  ARRAY(SELECT boards.period_end(m ->> 'period') FROM jsonb_array_elements(t.curve) AS m) AS days,
  ARRAY(SELECT (m ->> 'share')::numeric FROM jsonb_array_elements(t.curve) AS m) AS shares,
  coalesce(t.synthetic, false) AS synthetic, t.position
FROM ROWS FROM (jsonb_to_recordset({_section("targets")}) AS (
    id text, name text, plan text, indicator text, unit text, org text, cluster text, tier text, pillar text,
    comparator text, value numeric, by text, per text, baseline jsonb, curve jsonb, synthetic boolean
  )) WITH ORDINALITY AS t (
    id, name, plan, indicator, unit, org, cluster, tier, pillar, comparator, value, by, per, baseline, curve, synthetic,
    position
  )
JOIN jsonb_to_recordset({_section("plans")}) AS p (id text, name text, start date, "end" date)
  ON p.id = t.plan
JOIN jsonb_to_recordset({_section("indicators")})
  AS i (id text, name text, direction text, kind text, covers text, reporting jsonb) ON i.id = t.indicator
LEFT JOIN jsonb_to_recordset({_section("pillars")}) AS l (id text, name text) ON l.id = t.pillar
"""

_TARGET = """
CREATE VIEW boards.target AS
SELECT t.target, t.target_name, t.plan, t.plan_name, t.indicator, t.indicator_name, t.unit, t.direction, t.org,
  coalesce(o.org_name, '全市') AS org_name, t.cluster, coalesce(c.cluster_name, '不分集群') AS cluster_name, t.tier,
  t.pillar, t.pillar_name, t.comparator, t.target_value, t.due_period, t.cadence, t.synthetic, t.position
FROM boards.terms t
LEFT JOIN boards.organisation o ON o.org = t.org
LEFT JOIN boards.cluster c ON c.cluster = t.cluster
"""

# After its due date a by-date target's one way says that all is due; of a cadence every day has a way of its own.
# The ways of a target: one for a by-date target that has one, one for every stretch of a cadence; as
# `fourones_shared.domain.ways.way_of`. Milestones of a cadence are given for one year and hold for all.
_WAY = """
CREATE VIEW boards.way AS
SELECT t.target,
  CASE WHEN t.base_period IS NOT NULL THEN boards.period_end(t.base_period) ELSE t.plan_start - 1 END AS start_day,
  boards.period_end(t.due_period) AS due_day, coalesce(t.base_value, 0) AS base_value, t.target_value AS goal, t.days,
  t.shares, true AS is_only
FROM boards.terms t
WHERE t.due_period IS NOT NULL AND (t.base_period IS NOT NULL OR cardinality(t.days) > 0)
UNION ALL
SELECT t.target, s.first_day - 1, s.last_day, 0, t.target_value,
  CASE WHEN t.kind = 'ratio' THEN ARRAY[s.first_day] ELSE y.days END,
  CASE WHEN t.kind = 'ratio' THEN ARRAY[1::numeric] ELSE y.shares END, false
FROM boards.terms t
CROSS JOIN LATERAL (
  -- Duties may outlive their plan.
  SELECT g::date AS first_day, (g + e.length)::date - 1 AS last_day
  FROM (
      SELECT CASE t.cadence WHEN 'quarter' THEN interval '3 months' ELSE ('1 ' || t.cadence)::interval END AS length
    ) AS e,
    generate_series(
      date_trunc(t.cadence, t.plan_start::timestamp),
      greatest(t.plan_end::timestamp, now() AT TIME ZONE 'Asia/Shanghai'), e.length
    ) AS g
) AS s
CROSS JOIN LATERAL (
  SELECT array_agg(m.day) AS days, array_agg(m.share) AS shares
  FROM (
    SELECT x.year, x.share,
      -- The end of a month stays one in every year.
      CASE WHEN (x.day + 1) = date_trunc('month', x.day + 1)::date
        THEN (make_date(s.year, extract(month FROM x.day)::int, 1) + interval '1 month')::date - 1
        ELSE (x.day + make_interval(years => s.year - x.year))::date END AS day
    FROM
      (SELECT d AS day, h AS share, extract(year FROM d)::int AS year FROM unnest(t.days, t.shares) AS z (d, h)) AS x,
      (SELECT extract(year FROM s.last_day)::int AS year) AS s
  ) AS m
  WHERE m.day BETWEEN s.first_day AND s.last_day AND m.year = (
    SELECT coalesce(max(e) FILTER (WHERE e <= extract(year FROM s.last_day)), min(e))
    FROM (SELECT extract(year FROM d)::int AS e FROM unnest(t.days) AS d) AS years
  )
) AS y
WHERE t.cadence IS NOT NULL
"""

_PLAN_CURVE = """
CREATE VIEW boards.plan_curve AS
SELECT w.target,
  -- The first point of a way is the first moment of its first day: the way before it may end on the same evening.
  CASE WHEN p.day = w.start_day THEN (p.day + 1)::timestamp AT TIME ZONE 'Asia/Shanghai' ELSE boards.end_of_day(p.day)
  END AS time,
  w.base_value + (w.goal - w.base_value) * boards.share_due(p.day, w.start_day, w.due_day, w.days, w.shares)
    AS due_value
FROM boards.way w
CROSS JOIN LATERAL (
  SELECT w.start_day UNION SELECT w.due_day UNION SELECT unnest(w.days)
  UNION SELECT (g + interval '1 month')::date - 1
  FROM generate_series(date_trunc('month', w.start_day + 1), w.due_day, interval '1 month') AS g
) AS p (day)
WHERE p.day BETWEEN w.start_day AND w.due_day
"""

# What a target's value is held against, period by period: what is reported for parts of a stretch is added up from
# where the stretch begins, as `fourones_shared.domain.ways.adds_up` says.
_TARGET_HISTORY = """
CREATE VIEW boards.target_history AS
SELECT h.target, h.period, boards.end_of_day(h.day) AS time,
  CASE WHEN h.adds_up THEN sum(h.value) OVER (PARTITION BY h.target, h.stretch ORDER BY h.day) ELSE h.value END
    AS value,
  w.base_value + (w.goal - w.base_value) * boards.share_due(h.day, w.start_day, w.due_day, w.days, w.shares)
    AS due_value,
  h.target_value, h.reported, h.expected
FROM (
  SELECT t.target, l.period, boards.period_end(l.period) AS day, v.value, t.target_value,
    (v.coverage ->> 'reported')::int AS reported, (v.coverage ->> 'expected')::int AS expected,
    t.kind = 'flow' AND t.covers = 'period' AND (t.cadence IS NOT NULL OR s.form IS NOT NULL) AS adds_up,
    CASE WHEN t.due_period LIKE '%/P%' THEN t.plan_start::timestamp
      ELSE date_trunc(
        coalesce(t.cadence, s.form, 'year'),
        -- A week belongs to a longer stretch by its Thursday.
        boards.period_end(l.period)::timestamp - CASE WHEN l.period LIKE '%-W%' THEN interval '3 days' ELSE '0' END
      ) END AS stretch
  FROM boards.terms t
  JOIN rollup_latest l ON l.indicator = t.indicator AND l.org = t.org AND l.cluster = t.cluster AND l.tier = t.tier
  JOIN rollup_version v ON v.indicator = l.indicator AND v.org = l.org AND v.cluster = l.cluster AND v.tier = l.tier
    AND v.period = l.period AND v.version = l.version
  CROSS JOIN LATERAL (
    SELECT CASE
      WHEN t.due_period LIKE '%/P%' AND t.frequency <> 'R' THEN 'year'
      WHEN t.due_period ~ '^\\d{4}$' AND t.frequency <> 'A' THEN 'year'
      WHEN t.due_period ~ '-Q' AND t.frequency IN ('M', 'W') THEN 'quarter'
      WHEN t.due_period ~ '^\\d{4}-\\d{2}$' AND t.frequency = 'W' THEN 'month'
    END AS form
  ) AS s
) AS h
LEFT JOIN boards.way w ON w.target = h.target AND h.day > w.start_day AND (h.day <= w.due_day OR w.is_only)
WHERE h.value IS NOT NULL
"""

_ASSESSMENT = """
CREATE VIEW boards.assessment AS
SELECT a.target, coalesce(t.target_name, a.target) AS target_name, a.plan, t.plan_name, t.indicator_name, t.unit,
  a.cluster, t.cluster_name, t.pillar_name, ARRAY(SELECT jsonb_array_elements_text(a.departments)) AS departments,
  (SELECT string_agg(coalesce(o.org_name, d.org), '、' ORDER BY d.position)
    FROM jsonb_array_elements_text(a.departments) WITH ORDINALITY AS d (org, position)
    LEFT JOIN boards.organisation o ON o.org = d.org) AS department_names,
  a.period, a.verdict, a.light, a.value, a.due_value, a.target_value, a.attainment, a.gap, a.months_behind, a.forecast,
  a.explanation,
  (SELECT string_agg(coalesce(o.org_name, d.org), '、' ORDER BY d.position)
    FROM jsonb_array_elements_text(a.missing) WITH ORDINALITY AS d (org, position)
    LEFT JOIN boards.organisation o ON o.org = d.org) AS missing_names,
  a.reported, a.expected, a.overdue, a.final, a.provisional, a.stale, a.judged_at, a.changed_by,
  coalesce(t.synthetic, false) AS synthetic
FROM assessment a
LEFT JOIN boards.target t ON t.target = a.target
"""

_GAP_PART = """
CREATE VIEW boards.gap_part AS
SELECT a.target, a.contributions ->> 'of' AS part_of, p.part ->> 'code' AS part,
  coalesce(o.org_name, c.cluster_name, p.part ->> 'code') AS part_name, (p.part ->> 'value')::numeric AS value,
  (p.part ->> 'due')::numeric AS due_value, (p.part ->> 'gap')::numeric AS gap, (p.part ->> 'share')::numeric AS share,
  p.position
FROM assessment a
CROSS JOIN LATERAL jsonb_array_elements(a.contributions -> 'parts') WITH ORDINALITY AS p (part, position)
LEFT JOIN boards.organisation o ON o.org = p.part ->> 'code'
LEFT JOIN boards.cluster c ON c.cluster = p.part ->> 'code'
"""

# Each county and zone owes of the due value the share that it had of the same period a year before, as in the
# explanation of a gap; where a year before is not known of every one of them, nobody's share is made up.
_ATTAINMENT = """
CREATE VIEW boards.attainment AS
SELECT s.target, s.target_name, s.cluster, s.cluster_name, s.org, coalesce(o.org_name, s.org) AS org_name,
  s.period, s.unit, s.value, s.due_value, s.value / nullif(s.due_value, 0) AS attainment
FROM (
  SELECT t.target, t.target_name, t.cluster, t.cluster_name, t.unit, a.period, m.org, m.value,
    a.due_value * b.value / nullif(sum(b.value) OVER (PARTITION BY t.target), 0) AS due_value,
    bool_and(b.value IS NOT NULL) OVER (PARTITION BY t.target) AS is_known
  FROM assessment a
  JOIN boards.target t ON t.target = a.target
  JOIN rollup_latest l ON l.indicator = a.indicator AND l.org = a.org AND l.cluster = a.cluster AND l.tier = a.tier
    AND l.period = a.period
  JOIN rollup_version v ON v.indicator = l.indicator AND v.org = l.org AND v.cluster = l.cluster AND v.tier = l.tier
    AND v.period = l.period AND v.version = l.version
  JOIN rollup_latest e ON e.indicator = a.indicator AND e.org = a.org AND e.cluster = a.cluster AND e.tier = a.tier
    AND e.period = boards.year_before(a.period)
  JOIN rollup_version w ON w.indicator = e.indicator AND w.org = e.org AND w.cluster = e.cluster AND w.tier = e.tier
    AND w.period = e.period AND w.version = e.version
  CROSS JOIN jsonb_to_recordset(v.members) AS m (org text, cluster text, value numeric)
  LEFT JOIN LATERAL (
    SELECT b.value FROM jsonb_to_recordset(w.members) AS b (org text, cluster text, value numeric)
    WHERE b.org = m.org AND b.cluster = m.cluster
  ) AS b ON true
  WHERE a.org = '_T' AND a.cluster <> '_T' AND t.direction = 'up' AND a.due_value > 0
    AND v.members_total > 1 AND v.members_total <= jsonb_array_length(v.members)
    AND (SELECT sum((x ->> 'value')::numeric) FROM jsonb_array_elements(v.members) AS x) = v.value
) AS s
LEFT JOIN boards.organisation o ON o.org = s.org
WHERE s.is_known
"""

# Overdue as in `domain.problems`: a remedy is still to be reported, and the day on which it is due has ended.
_PROBLEM = """
CREATE VIEW boards.problem AS
SELECT p.problem_id, p.title, p.description, p.kind, p.origin, p.subject, p.org, o.org_name, p.cluster, c.cluster_name,
  p.target, p.plan, ARRAY(SELECT jsonb_array_elements_text(p.held_by || p.responsible)) AS departments,
  (SELECT string_agg(coalesce(d.org_name, x.org), '、' ORDER BY x.position)
    FROM jsonb_array_elements_text(p.responsible) WITH ORDINALITY AS x (org, position)
    LEFT JOIN boards.organisation d ON d.org = x.org) AS department_names,
  p.state, p.level, p.due, y.is_overdue AS overdue, p.opened_at, p.changed_at,
  extract(epoch FROM coalesce(p.closed_at, now()) - p.opened_at)::double precision / 86400 AS days_open,
  CASE WHEN y.is_overdue THEN y.today - p.due ELSE 0 END AS days_late, p.reported_at, p.closed_at,
  p.closed_at IS NOT NULL AND p.reported_at IS NOT NULL AND p.reported_at <= boards.end_of_day(p.due) AS closed_on_time,
  p.synthetic
FROM problem p
CROSS JOIN LATERAL (SELECT (now() AT TIME ZONE 'Asia/Shanghai')::date AS today) AS z
CROSS JOIN LATERAL (
  SELECT z.today, p.due < z.today AND p.state NOT IN ('reported_done', 'verified', 'closed') AS is_overdue
) AS y
LEFT JOIN boards.organisation o ON o.org = p.org
LEFT JOIN boards.cluster c ON c.cluster = p.cluster
"""

_PROBLEM_STEP = """
CREATE VIEW boards.problem_step AS
SELECT s.problem_id, s.step, s.action, s.state, s.level, s.due, s.taken_at, s.role, s.org, o.org_name, s.note
FROM problem_step s
LEFT JOIN boards.organisation o ON o.org = s.org
"""

_NOTICE = """
CREATE VIEW boards.notice AS
SELECT n.number, n.recipient, coalesce(o.org_name, n.recipient) AS recipient_name, n.channel_kind, n.kind, n.target,
  n.period, n.level, n.title, n.text, n.state, n.made_at, n.settled_at, n.attempts, n.reason
FROM notice n
LEFT JOIN boards.organisation o ON o.org = n.recipient
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
    for statement in (
        _END_OF_DAY,
        _PERIOD_END,
        _YEAR_BEFORE,
        _SHARE_DUE,
        _ORGANISATION,
        _CLUSTER,
        _PLAN,
        _TERMS,
        _TARGET,
        _WAY,
        _PLAN_CURVE,
        _TARGET_HISTORY,
        _ASSESSMENT,
        _GAP_PART,
        _ATTAINMENT,
        _PROBLEM,
        _PROBLEM_STEP,
        _NOTICE,
        _DEAD_LETTER,
        _DATABASE,
    ):
        op.execute(statement)


def downgrade() -> None:
    # The schema holds nothing but views and what they call.
    op.execute("DROP SCHEMA boards CASCADE")
