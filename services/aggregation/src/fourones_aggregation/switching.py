"""Putting a catalogue version in force: what it changes is worked out anew from the figures, in the same transaction.

The row of the version in force is held alone meanwhile, so no batch sees a half-changed state, and no reader either.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

import structlog
from sqlalchemy import Connection, text

from fourones_aggregation.arrays import numbers, texts
from fourones_aggregation.catalogues import CatalogueVersions
from fourones_aggregation.computing import compute
from fourones_aggregation.dimensions import Dimensions
from fourones_aggregation.domain.differences import Movement
from fourones_aggregation.domain.shapes import Shapes
from fourones_aggregation.members import duty_in_scope
from fourones_aggregation.opening import DUTY_ROWS, ROLLUP_COLUMNS, ROLLUP_ROWS, Pair, wanted
from fourones_aggregation.rollups import QUEUE, Stamp, stamp
from fourones_aggregation.temporal import DUTY_COLUMNS
from fourones_shared.catalogue.duties import expected_periods
from fourones_shared.catalogue.model import Catalogue
from fourones_shared.domain.clock import Clock
from fourones_shared.domain.periods import Period, shanghai_date
from fourones_shared.events.model import Cause

log = structlog.get_logger(__name__)


class CatalogueSwitch:
    """Called by the reference handler in the transaction that switches."""

    def __init__(self, *, dimensions: Dimensions, versions: CatalogueVersions, clock: Clock) -> None:
        self._dimensions = dimensions
        self._versions = versions
        self._clock = clock

    def __call__(self, connection: Connection, old: int | None, new: int, catalogue: Catalogue) -> None:
        """Recompute duties, exclusions and roll-ups of every indicator that the new version changes."""
        before = self._versions.at(connection, old) if old is not None else Shapes(Catalogue())
        after = Shapes(catalogue)
        changed = changed_indicators(connection, before, after)
        # Even where no roll-up moves, as-of answers must know since when this version is in force.
        mark = stamp(connection, self._clock, new)
        self._recompute(connection, after, changed, mark, Cause.CATALOGUE)

    def again(self, connection: Connection, cause: Cause) -> Stamp:
        """Recompute everything under the version in force, which the caller holds alone.

        Only what differs from what is kept has a new version.
        """
        version = connection.execute(_IN_FORCE).scalar_one()
        shapes = self._versions.at(connection, version)
        changed = sorted(
            {i.id for i in shapes.catalogue.indicators} | set(connection.execute(_ALL_INDICATORS).scalars())
        )
        mark = stamp(connection, self._clock, version)
        self._recompute(connection, shapes, changed, mark, cause)
        return mark

    def _recompute(
        self, connection: Connection, shapes: Shapes, changed: Sequence[str], mark: Stamp, cause: Cause
    ) -> None:
        horizon = self._horizon(connection)
        self._name_judged(connection, shapes.catalogue)
        if not changed:
            return
        catalogue, new = shapes.catalogue, mark.catalogue_version
        ids = self._dimensions.indicators.ids(changed)
        rows = wanted(self._dimensions, shapes, self._pairs(connection, shapes, changed, horizon))
        changing = {"changed": numbers(sorted(ids[i] for i in changed))}
        units = {i.id: i.unit for i in catalogue.indicators if i.id in set(changed)}
        connection.execute(_UNITS, {"codes": texts(units), "units": texts(units.values())})
        dated = {"now": mark.at, "snapshot": mark.snapshot}
        connection.execute(_KEEP_DUTIES, rows.duty_arrays() | changing | {"snapshot": mark.snapshot})
        touched = connection.execute(_DUTIES, rows.duty_arrays() | changing | dated).all()
        connection.execute(_EXCLUDED, changing)
        pairs = {"ti": numbers(row.indicator_id for row in touched), "tp": numbers(row.period_id for row in touched)}
        arrays = rows.rollup_arrays()
        connection.execute(_NEW_ROLLUPS, arrays | {"now": mark.at})
        moved = connection.execute(
            _RECOMPUTE,
            arrays
            | changing
            | pairs
            | {"cause": cause.value, "version": new, "snapshot": mark.snapshot, "at": mark.at},
        ).rowcount
        computed = connection.execute(_COMPUTED, changing).scalars()
        compute(connection, shapes, dict.fromkeys(computed, Movement()), mark, cause)
        log.info(
            "recomputed",
            because=cause.value,
            version=new,
            indicators=len(changed),
            duties=len(rows.duties),
            rollups=moved,
        )

    def _name_judged(self, connection: Connection, catalogue: Catalogue) -> None:
        """Note what targets name, for publication."""
        targets, known = catalogue.targets, self._dimensions
        indicators = known.indicators.ids({t.indicator for t in targets})
        organisations = known.organisations.ids({t.org for t in targets})
        clusters = known.clusters.ids({t.cluster for t in targets})
        tiers = known.tiers.ids({t.tier for t in targets})
        columns = {
            "indicators": numbers(indicators[t.indicator] for t in targets),
            "organisations": numbers(organisations[t.org] for t in targets),
            "clusters": numbers(clusters[t.cluster] for t in targets),
            "tiers": numbers(tiers[t.tier] for t in targets),
        }
        connection.execute(_FORGET_JUDGED)
        connection.execute(_NAME_JUDGED, columns)

    def _horizon(self, connection: Connection) -> date:
        """The day up to which periods are open, after making sure that the clock starts from here.

        It is the clock's leader's to open what has begun since, for all indicators alike: a machine whose own clock is
        behind or ahead of it neither leaves periods closed that the leader has passed nor opens others.
        """
        now = self._clock.now()
        connection.execute(_START_CLOCK, {"now": now, "today": shanghai_date(now)})
        opened: date = connection.execute(_OPENED_UNTIL).scalar_one()
        return opened

    def _pairs(self, connection: Connection, shapes: Shapes, changed: Sequence[str], horizon: date) -> Iterable[Pair]:
        begun = {
            (indicator.id, period)
            for indicator in shapes.catalogue.indicators
            if indicator.id in set(changed)
            for period in expected_periods(indicator, horizon)
        }
        ids = self._dimensions.indicators.ids(changed)
        later = connection.execute(_FIGURES_AHEAD, {"changed": numbers(ids[i] for i in changed), "horizon": horizon})
        return begun | {
            (row.indicator, period)
            for row in later
            if shapes.admits(row.indicator, row.org, row.cluster, period := Period.parse(row.period))
        }


def changed_indicators(connection: Connection, before: Shapes, after: Shapes) -> list[str]:
    """Indicators whose duties or roll-ups may differ between two versions."""
    ids = {i.id for i in before.catalogue.indicators} | {i.id for i in after.catalogue.indicators}
    if not before.catalogue.indicators:
        # The first version finds figures only where a database was filled without a catalogue; look all the same.
        ids |= set(connection.execute(_ALL_INDICATORS).scalars())
    return sorted(i for i in ids if before.definition(i) != after.definition(i))


def _of(alias: str, columns: str) -> str:
    return ", ".join(f"{alias}.{column}" for column in columns.split(", "))


_ALL_INDICATORS = text("SELECT code FROM indicator")
_IN_FORCE = text("SELECT version FROM catalogue_in_force")
_START_CLOCK = text(
    "INSERT INTO clock_position (singleton, told_until, opened_until) VALUES (true, :now, :today)"
    " ON CONFLICT DO NOTHING"
)
_OPENED_UNTIL = text("SELECT opened_until FROM clock_position")
_FORGET_JUDGED = text("DELETE FROM judged_scope")
_NAME_JUDGED = text(
    "INSERT INTO judged_scope (indicator_id, org_id, cluster_id, tier_id)"
    " SELECT DISTINCT * FROM unnest(CAST(:indicators AS int[]), CAST(:organisations AS int[]),"
    " CAST(:clusters AS int[]), CAST(:tiers AS int[]))"
)
_FIGURES_AHEAD = text(
    "SELECT i.code AS indicator, o.code AS org, c.code AS cluster, p.code AS period FROM figure f"
    " JOIN indicator i USING (indicator_id) JOIN organisation o USING (org_id) JOIN cluster c USING (cluster_id)"
    " JOIN period p USING (period_id) WHERE f.indicator_id = ANY(CAST(:changed AS int[])) AND p.start_day > :horizon"
)
_UNITS = text(
    "UPDATE indicator i SET unit = u.unit FROM unnest(CAST(:codes AS text[]), CAST(:units AS text[])) AS u (code, unit)"
    " WHERE i.code = u.code AND i.unit IS DISTINCT FROM u.unit"
)
_TERMS = "tier_id, reporter_id, due_at, may_not_apply, repeats"
# What goes or changes stays readable as of the snapshots before.
_KEEP_DUTIES = text(
    f"INSERT INTO duty_past ({DUTY_COLUMNS}, until) SELECT {_of('d', DUTY_COLUMNS)}, :snapshot"  # noqa: S608
    f" FROM duty d LEFT JOIN {DUTY_ROWS} ON w.indicator_id = d.indicator_id AND w.period_id = d.period_id"
    " AND w.org_id = d.org_id AND w.cluster_id = d.cluster_id"
    " WHERE d.indicator_id = ANY(CAST(:changed AS int[]))"
    f" AND (w.org_id IS NULL OR ({_of('d', _TERMS)}) IS DISTINCT FROM ({_of('w', _TERMS)}))"
)
_DUTIES = text(
    f"WITH wanted AS MATERIALIZED (SELECT * FROM {DUTY_ROWS}),"  # noqa: S608
    " gone AS (DELETE FROM duty d WHERE d.indicator_id = ANY(CAST(:changed AS int[])) AND NOT EXISTS"
    " (SELECT FROM wanted w WHERE w.indicator_id = d.indicator_id AND w.period_id = d.period_id"
    " AND w.org_id = d.org_id AND w.cluster_id = d.cluster_id) RETURNING d.indicator_id, d.period_id),"
    f" put AS (INSERT INTO duty AS d ({DUTY_COLUMNS}) SELECT *, :now, :snapshot FROM wanted"
    " ON CONFLICT (indicator_id, period_id, org_id, cluster_id) DO UPDATE SET tier_id = excluded.tier_id,"
    " reporter_id = excluded.reporter_id, due_at = excluded.due_at, may_not_apply = excluded.may_not_apply,"
    " repeats = excluded.repeats, since = excluded.since"
    f" WHERE ({_of('d', _TERMS)}) IS DISTINCT FROM ({_of('excluded', _TERMS)})"
    " RETURNING d.indicator_id, d.period_id)"
    " SELECT indicator_id, period_id FROM gone UNION SELECT indicator_id, period_id FROM put"
)
_EXCLUDED = text(
    "UPDATE figure f SET excluded = NOT f.excluded WHERE f.indicator_id = ANY(CAST(:changed AS int[]))"
    " AND f.excluded = EXISTS (SELECT FROM duty d WHERE d.indicator_id = f.indicator_id"
    " AND d.period_id = f.period_id AND d.org_id = f.org_id AND d.cluster_id = f.cluster_id)"
)
_NEW_ROLLUPS = text(
    f"INSERT INTO rollup {ROLLUP_COLUMNS} SELECT w.*, false, 0, 0, 0, 0, 0, 0, 'catalogue', 0, 0, :now"  # noqa: S608
    f" FROM {ROLLUP_ROWS} ON CONFLICT DO NOTHING"
)
# What is not computed any more must not go on saying what it was: a row that goes is published once more, empty.
_COMPUTED_STILL = [
    f"{column} = CASE WHEN n.live AND n.rule IN ('X', 'W', 'D') THEN r.{column} END"
    for column in ("computed", "computed_known", "computed_of", "computed_missing", "computed_status")
]
# What a figure adds is told once in Python (domain/differences) and once here; `verify` and the tests hold the two
# against each other.
_RECOMPUTE = text(
    f"WITH wanted AS MATERIALIZED (SELECT w.*, r.rollup_id FROM {ROLLUP_ROWS}"  # noqa: S608
    " JOIN rollup r USING (indicator_id, period_id, org_id, cluster_id, tier_id)),"
    " touched AS MATERIALIZED (SELECT * FROM unnest(CAST(:ti AS int[]), CAST(:tp AS int[]))"
    " AS t (indicator_id, period_id)),"
    " counted AS MATERIALIZED (SELECT w.rollup_id,"
    " coalesce(sum(f.value), 0) AS total,"
    " count(f.value) AS reported,"
    " count(*) - count(*) FILTER (WHERE f.value IS NULL AND f.status = 'M' AND d.may_not_apply) AS expected,"
    " count(*) FILTER (WHERE f.value IS NOT NULL AND f.status = 'P') AS provisional,"
    " count(*) FILTER (WHERE f.value IS NOT NULL AND f.status = 'E') AS estimated,"
    " count(*) FILTER (WHERE f.value IS NOT NULL AND f.status = 'F') AS forecast,"
    " max(f.accepted_at) AS accepted_at"
    f" FROM wanted w JOIN duty d ON {duty_in_scope('w')}"
    " LEFT JOIN figure f ON f.indicator_id = d.indicator_id AND f.org_id = d.org_id"
    " AND f.cluster_id = d.cluster_id AND f.period_id = d.period_id AND NOT f.withdrawn AND NOT f.excluded"
    " GROUP BY w.rollup_id),"
    " due AS MATERIALIZED (SELECT r.rollup_id, w.rollup_id IS NOT NULL AS live, coalesce(w.rule, r.rule) AS rule,"
    " coalesce(w.unit, r.unit) AS unit, coalesce(w.due_at, r.due_at) AS due_at, coalesce(c.total, 0) AS total,"
    " coalesce(c.reported, 0) AS reported, coalesce(c.expected, 0) AS expected,"
    " coalesce(c.provisional, 0) AS provisional, coalesce(c.estimated, 0) AS estimated,"
    " coalesce(c.forecast, 0) AS forecast, c.accepted_at,"
    " EXISTS (SELECT FROM touched t WHERE t.indicator_id = r.indicator_id AND t.period_id = r.period_id) AS touched"
    " FROM rollup r LEFT JOIN wanted w ON w.rollup_id = r.rollup_id LEFT JOIN counted c ON c.rollup_id = r.rollup_id"
    " WHERE r.indicator_id = ANY(CAST(:changed AS int[]))),"
    " changed AS (UPDATE rollup r SET live = n.live, rule = n.rule, unit = n.unit, due_at = n.due_at,"
    " total = n.total, reported = n.reported, expected = n.expected, provisional = n.provisional,"
    " estimated = n.estimated, forecast = n.forecast, accepted_at = n.accepted_at, version = r.version + 1,"
    " cause = :cause, catalogue_version = :version, snapshot = :snapshot, recorded_at = :at, traceparent = NULL,"
    f" {', '.join(_COMPUTED_STILL)}"
    " FROM due n WHERE n.rollup_id = r.rollup_id AND ((n.live AND n.touched)"
    " OR (r.live, r.rule, r.unit, r.due_at, r.total, r.reported, r.expected, r.provisional, r.estimated, r.forecast)"
    " IS DISTINCT FROM (n.live, n.rule, n.unit, n.due_at, n.total, n.reported, n.expected, n.provisional,"
    " n.estimated, n.forecast)) RETURNING r.*)" + QUEUE
)
_COMPUTED = text(
    "SELECT rollup_id FROM rollup WHERE live AND rule IN ('X', 'W', 'D')"
    " AND indicator_id = ANY(CAST(:changed AS int[])) ORDER BY rollup_id"
)
