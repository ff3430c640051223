"""The boards' views say what the service says, and whoever reads boards reads nothing else."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb
from sqlalchemy import make_url
from support.stack import NewDatabase

from fourones.demo_catalogue import demo_of
from fourones_alerting.bootstrap import PACKAGE
from fourones_alerting.domain.readings import Observation, readings_of
from fourones_grafana.boards.county import board as county_board
from fourones_grafana.queries import SqlQuery
from fourones_local.layout import Repository
from fourones_local.postgres import BOARDS_SETTINGS, PostgresServer
from fourones_local.process import ServerProcess
from fourones_shared.catalogue.duties import expected_periods
from fourones_shared.catalogue.files import load
from fourones_shared.catalogue.model import Cadence, Catalogue, Covers, Indicator, Milestone, Target
from fourones_shared.database import BOARDS_ROLE
from fourones_shared.database.migrate import migrate
from fourones_shared.domain.periods import Frequency, Period, period_of
from fourones_shared.domain.ways import way_of
from fourones_shared.events.model import Status

TODAY = date(2026, 5, 20)
# Every form of period, with the ends that are easily missed: leap years, years of 53 weeks, turns of the year.
PERIODS = (
    *("2026", "2024-S1", "2026-S2", "2026-Q1", "2026-Q4", "2024-02", "2026-02", "2026-12", "2026-W01", "2026-W53"),
    *("2020-W53", "2026-01-01/P2M", "2021-01-01/P5Y", "2026-03-16/P2W"),
)
# More than rounding of the share; the values are compared as the database has them.
CLOSE = Decimal("1e-9")
# Targets whose values are added up, by how often they are reported: over a year, a quarter, a range, a half-year.
ADDED_UP: Mapping[str, tuple[Frequency, dict[str, Any]]] = {
    "weeks-of-a-year": (Frequency.WEEK, {"per": Cadence.YEAR}),
    "months-of-a-quarter": (Frequency.MONTH, {"per": Cadence.QUARTER}),
    "months-of-two-years": (Frequency.MONTH, {"by": "2025-01-01/P2Y"}),
    "weeks-of-two-years": (Frequency.WEEK, {"by": "2025-01-01/P2Y"}),
    "months-of-a-half": (Frequency.MONTH, {"by": "2026-S2"}),
    "weeks-of-a-half": (Frequency.WEEK, {"by": "2026-S2"}),
}
DUE_AT = datetime(2026, 4, 10, tzinfo=UTC)
# In counties' figures: each cluster's enterprises (simulated) and scale (real), and the scale by single months.
SIMULATED, REAL, BY_MONTHS = "simulated", "real", "real-by-months"
CLUSTER = "construction-machinery"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """The real one, the demonstration's, and two targets that begin anew every year with milestones."""
    real = load(Repository.here().catalogue)
    demo = demo_of(real, TODAY)
    both = Catalogue(**{name: (*getattr(real, name), *getattr(demo, name, ())) for name in Catalogue.model_fields})
    yearly = next(t for t in both.targets if t.per is Cadence.YEAR)
    stepped = [
        _with_milestones(yearly, "of-one-year", {"2025-Q1": "0.2", "2025-02": "0.1", "2025-Q3": "0.7"}),
        _with_milestones(yearly, "of-two-years", {"2025-Q2": "0.4", "2026-06": "0.6"}),
    ]
    # Looked up by hand: what `both` has indexed would go into its copy.
    counts, scale = (
        next(i for i in both.indicators if i.id == wanted) for wanted in ("dispatch-meetings", "cluster-scale")
    )
    added = [
        (_of_counts(counts, f"counts-of-{name}", frequency), _judged(yearly, name, f"counts-of-{name}", **terms))
        for name, (frequency, terms) in ADDED_UP.items()
    ]
    by_months = scale.model_copy(update={"id": "scale-by-months", "covers": Covers.PERIOD})
    over_counties = [
        _judged(yearly, SIMULATED, "demo-cluster-enterprises", by="2026", cluster=CLUSTER, synthetic=True),
        _judged(yearly, REAL, scale.id, by="2026", cluster=CLUSTER, synthetic=False),
        _judged(yearly, BY_MONTHS, by_months.id, per=Cadence.YEAR, cluster=CLUSTER, synthetic=False),
    ]
    return both.model_copy(
        update={
            "indicators": (*both.indicators, *(indicator for indicator, _ in added), by_months),
            "targets": (*both.targets, *stepped, *(target for _, target in added), *over_counties),
        }
    )


def _of_counts(counts: Indicator, name: str, frequency: Frequency) -> Indicator:
    reporting = counts.reporting.model_copy(update={"frequency": frequency})
    return counts.model_copy(update={"id": name, "reporting": reporting})


def _judged(like: Target, name: str, indicator: str, **terms: Any) -> Target:
    changes = {"id": name, "plan": "demo-growth", "indicator": indicator, "per": None, "by": None, "baseline": None}
    return like.model_copy(update=changes | {"curve": ()} | terms)


def _with_milestones(target: Target, name: str, shares: dict[str, str]) -> Target:
    curve = tuple(Milestone(period=period, share=Decimal(share)) for period, share in shares.items())
    return target.model_copy(update={"id": name, "curve": curve})


@pytest.fixture(scope="module")
def database(new_database: NewDatabase, catalogue: Catalogue) -> Iterator[str]:
    with new_database() as url:
        migrate(PACKAGE, url)
        with psycopg.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)) as c:
            c.execute(
                "INSERT INTO catalogue_version (version, digest, document, published_at, published_by)"
                " VALUES (7, 'd', %s, now(), 'test')",
                [catalogue.document.decode()],
            )
            c.execute("INSERT INTO catalogue_in_force (singleton, version) VALUES (true, 7)")
        yield url


@pytest.fixture
def boards(database: str, postgres_server: ServerProcess[PostgresServer]) -> Iterator[psycopg.Connection]:
    """As Grafana is connected."""
    password = make_url(postgres_server.server.url("postgres", role=BOARDS_ROLE)).password
    url = make_url(database).set(drivername="postgresql", username=BOARDS_ROLE, password=password)
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
        yield connection


@pytest.fixture
def owner(database: str) -> Iterator[psycopg.Connection]:
    """As the service is connected; what it has written goes."""
    address = make_url(database).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as connection:
        yield connection
        connection.execute("TRUNCATE assessment, rollup_latest, rollup_version")


@pytest.mark.parametrize("period", PERIODS)
def test_a_period_begins_on_the_same_day_in_the_database(boards: psycopg.Connection, period: str) -> None:
    assert boards.execute("SELECT boards.period_start(%s)", [period]).fetchone() == (Period.parse(period).start,)


@pytest.mark.parametrize("period", PERIODS)
def test_a_period_ends_on_the_same_day_in_the_database(boards: psycopg.Connection, period: str) -> None:
    [(end, before)] = boards.execute("SELECT boards.period_end(%s), boards.year_before(%s)", [period, period])
    assert end == Period.parse(period).end
    assert before == (None if "W" in period else Period.parse(period).year_before().key)


def test_a_june_figure_lies_in_june_in_shanghai(boards: psycopg.Connection) -> None:
    [(moment,)] = boards.execute("SELECT boards.end_of_day(boards.period_end('2026-06'))")
    assert moment.astimezone(UTC) == datetime(2026, 6, 30, 15, 59, 59, tzinfo=UTC)


def test_the_plan_curve_is_that_by_which_targets_are_judged(boards: psycopg.Connection, catalogue: Catalogue) -> None:
    rows = boards.execute(
        "SELECT w.target, d.day::date, w.base_value + (w.goal - w.base_value)"
        " * boards.share_due(d.day::date, w.start_day, w.due_day, w.days, w.shares)"
        " FROM generate_series(timestamp '2023-01-31', '2029-01-31', interval '1 month') AS g (month)"
        " CROSS JOIN LATERAL (SELECT g.month - interval '11 days' AS day) AS d"
        " JOIN boards.way w ON d.day::date > w.start_day AND (d.day::date <= w.due_day OR w.is_only)"
    ).fetchall()
    compared = set()
    for target_id, day, due_value in rows:
        target = catalogue.target[target_id]
        period = period_of(Frequency.WEEK if target.per is Cadence.WEEK else Frequency.MONTH, day)
        way = way_of(target, catalogue.indicator[target.indicator], catalogue.plan[target.plan], period)
        assert way is not None, target_id
        assert abs(Fraction(due_value) - way.due_value(day)) < Fraction(CLOSE), (target_id, day)
        compared.add(target_id)
    with_a_way = {t.id for t in catalogue.targets if t.per is not None or t.baseline is not None or t.curve}
    assert compared == with_a_way


def test_the_drawn_curve_goes_from_the_baseline_to_the_goal(boards: psycopg.Connection, catalogue: Catalogue) -> None:
    target = next(t for t in catalogue.targets if t.baseline is not None and t.by is not None)
    points = boards.execute(
        "SELECT time, due_value FROM boards.plan_curve WHERE target = %s ORDER BY time", [target.id]
    ).fetchall()
    assert target.baseline is not None
    assert (points[0][1], points[-1][1]) == (target.baseline.value, target.value)
    assert points[0][0] == Period.parse(target.baseline.period).ends_at
    assert points[-1][0] == Period.parse(target.by or "").ends_at - timedelta(seconds=1)


@pytest.mark.parametrize("name", ADDED_UP)
def test_the_history_adds_up_what_the_service_adds_up(
    owner: psycopg.Connection, boards: psycopg.Connection, catalogue: Catalogue, name: str
) -> None:
    target = catalogue.target[name]
    indicator, plan = catalogue.indicator[target.indicator], catalogue.plan[target.plan]
    # From a year before the range to the week that ends in the year after.
    periods = [p for p in expected_periods(indicator, date(2027, 1, 1)) if p.end >= date(2024, 1, 1)]
    values = {period: Decimal(2**place % 1009) for place, period in enumerate(periods)}
    for period, value in values.items():
        _rolled_up(owner, target, period, value, {})
    shown = {
        period: (value, due_value)
        for period, value, due_value in boards.execute(
            "SELECT period, value, due_value FROM boards.target_history WHERE target = %s", [name]
        )
    }
    assert len(shown) == len(periods)
    readings = readings_of(target, indicator, plan, [_observed(p, v) for p, v in values.items()])
    assert len(readings) > 24
    assert {r.period.key: shown[r.period.key][0] for r in readings} == {r.period.key: r.value for r in readings}
    for period in periods:
        way, due_value = way_of(target, indicator, plan, period), shown[period.key][1]
        assert (due_value is None) == (way is None), period.key
        if way is not None:
            assert abs(Fraction(due_value) - way.due_value(period.end)) < Fraction(CLOSE), period.key


def test_a_silent_county_has_achieved_nothing_once_its_report_is_due(
    owner: psycopg.Connection, boards: psycopg.Connection, catalogue: Catalogue
) -> None:
    now = {"320302": "60", "320303": None, "320305": None, "320311": "20", "320312": None}
    states = {"320303": "overdue", "320305": "declared_missing", "320312": "not_applicable"}
    _counties(owner, catalogue.target[SIMULATED], now, states, due_value=160)
    assert _attainments(boards, SIMULATED) == {
        "320302": (60, Decimal("1.5")),
        "320303": (None, 0),
        "320305": (None, 0),
        "320311": (20, Decimal("0.5")),
    }
    # The one is cut at 120 %; who reports nothing is last, who has no part in any target has no rank.
    ranks = _ranks(boards)
    assert {org: ranks[org][:2] for org in now} == {
        "320302": (1.2, 1),
        "320303": (0, 1),
        "320305": (0, 1),
        "320311": (0.5, 1),
        "320312": (None, 0),
    }
    assert ranks["320322"] == (None, 0, None)


def test_before_its_report_is_due_a_silent_county_has_no_attainment(
    owner: psycopg.Connection, boards: psycopg.Connection, catalogue: Catalogue
) -> None:
    now, states = {"320302": "60", "320303": None}, {"320303": "not_yet_due"}
    _counties(owner, catalogue.target[SIMULATED], now, states, due_at=datetime(2999, 1, 1, tzinfo=UTC))
    assert _attainments(boards, SIMULATED)["320303"] == (None, None)
    assert _ranks(boards)["320303"][:2] == (None, 0)


def test_nobody_is_ranked_by_one_month_of_what_adds_up_over_a_year(
    owner: psycopg.Connection, boards: psycopg.Connection, catalogue: Catalogue
) -> None:
    for name in (BY_MONTHS, REAL):
        _counties(owner, catalogue.target[name], {"320302": "30", "320303": "50"})
    assert _attainments(boards, BY_MONTHS) == {}
    assert _attainments(boards, REAL) == {"320302": (30, Decimal("0.3")), "320303": (50, Decimal("0.5"))}


def test_counties_are_ranked_by_simulated_targets_only_where_there_are_no_real_ones(
    owner: psycopg.Connection, boards: psycopg.Connection, catalogue: Catalogue
) -> None:
    _counties(owner, catalogue.target[SIMULATED], {"320302": "90", "320303": "110", "320305": "10"})
    assert boards.execute("SELECT DISTINCT synthetic FROM boards.attainment").fetchall() == [(True,)]
    # Each owes a third of 200.
    assert _ranks(boards)["320305"] == (pytest.approx(0.15), 1, "【演示】")
    _counties(owner, catalogue.target[REAL], {"320302": "30", "320303": "50"})
    ranks = _ranks(boards)
    assert (ranks["320302"], ranks["320303"]) == ((0.3, 1, None), (0.5, 1, None))
    assert ranks["320305"] == (None, 0, None)


def _counties(
    owner: psycopg.Connection,
    target: Target,
    now: dict[str, str | None],
    states: Mapping[str, str] | None = None,
    *,
    due_value: int = 200,
    due_at: datetime = DUE_AT,
) -> None:
    """What counties have reported for March or its quarter; a year before all have reported the same."""
    last = {org: None if (states or {}).get(org) == "not_applicable" else "10" for org in now}
    period = Period.parse("2026-03") if target.indicator != "demo-cluster-enterprises" else Period.parse("2026-Q1")
    _rolled_up(owner, target, period.year_before(), _sum(last), _members(target, last, states), due_at=due_at)
    _rolled_up(owner, target, period, _sum(now), _members(target, now, states), due_at=due_at)
    fields = {
        "target": target.id,
        "plan": target.plan,
        "indicator": target.indicator,
        "org": target.org,
        "cluster": target.cluster,
        "tier": target.tier,
        "period_type": "M",
        "period": period.key,
        "verdict": "lagging",
        "light": "yellow",
        "method": "plan-curve",
        "value": _sum(now),
        "due_value": due_value,
        "target_value": 400,
        **dict.fromkeys(("final", "provisional", "stale", "incomplete", "disagreement"), False),
        **dict.fromkeys(("by_method", "departments", "inputs", "rests_on", "missing"), Jsonb([])),
        **dict.fromkeys(("explanation", "changed_by", "said", "digest", "terms"), ""),
        **dict.fromkeys(("reported", "expected", "overdue", "catalogue_version", "changed", "snapshot", "version"), 0),
        "judged_at": datetime(2026, 4, 11, tzinfo=UTC),
    }
    _insert(owner, "assessment", fields)


def _members(
    target: Target, values: Mapping[str, str | None], states: Mapping[str, str] | None
) -> dict[str, dict[str, Any]]:
    return {
        org: {
            "org": org,
            "cluster": target.cluster,
            "state": "reported" if value is not None else (states or {})[org],
            "value": value,
        }
        for org, value in values.items()
    }


def _sum(values: Mapping[str, str | None]) -> Decimal:
    return sum((Decimal(value) for value in values.values() if value is not None), Decimal(0))


def _rolled_up(
    owner: psycopg.Connection,
    target: Target,
    period: Period,
    value: Decimal,
    members: Mapping[str, dict[str, Any]],
    *,
    due_at: datetime = DUE_AT,
) -> None:
    about = {
        "indicator": target.indicator,
        "org": target.org,
        "cluster": target.cluster,
        "tier": target.tier,
        "period": period.key,
        "version": 1,
        "due_at": due_at,
    }
    parts = [member for member in members.values() if member["state"] != "not_applicable"]
    reported = sum(member["value"] is not None for member in parts)
    _insert(owner, "rollup_latest", about)
    fields = {
        "value": value,
        "unit": target.unit,
        "status": "A",
        "coverage": Jsonb({"reported": reported, "expected": len(parts)}),
        "members": Jsonb(list(members.values())),
        "members_total": len(members),
        "cause": "new_data",
        "catalogue_version": 7,
        "snapshot": 1,
        "recorded_at": due_at,
        "received_at": due_at,
    }
    _insert(owner, "rollup_version", about | fields)


def _insert(owner: psycopg.Connection, table: str, fields: Mapping[str, Any]) -> None:
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, fields)),
        sql.SQL(", ").join(sql.Placeholder() * len(fields)),
    )
    owner.execute(statement, [*fields.values()])


def _observed(period: Period, value: Decimal) -> Observation:
    return Observation(period, value, True, 1, 1, None, Status.NORMAL, DUE_AT, 1)


def _attainments(boards: psycopg.Connection, target: str) -> dict[str, tuple[Decimal | None, Decimal | None]]:
    found = boards.execute("SELECT org, value, attainment FROM boards.attainment WHERE target = %s", [target])
    return {org: (value, attainment) for org, value, attainment in found}


def _ranks(boards: psycopg.Connection) -> dict[str, tuple[float | None, int, str | None]]:
    """As the county board asks: attainment, how many targets, and whether they are simulated."""
    panel = next(p for p in county_board().panels() if p.model.title == "完成率榜")
    [asked] = [query.model.raw_sql for query in panel.queries if isinstance(query.model, SqlQuery)]
    return {org: (attainment, targets, note) for org, _, attainment, targets, note in boards.execute(asked)}


def test_the_boards_role_reads_views_and_nothing_else(boards: psycopg.Connection) -> None:
    views = [name for (name,) in boards.execute("SELECT viewname FROM pg_views WHERE schemaname = 'boards'")]
    assert "target" in views
    for view in views:
        boards.execute(sql.SQL("SELECT * FROM boards.{} LIMIT 1").format(sql.Identifier(view)))
    tables = [name for (name,) in boards.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    assert "assessment" in tables
    for table in tables:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            boards.execute(sql.SQL("SELECT * FROM public.{} LIMIT 1").format(sql.Identifier(table)))


def test_the_boards_role_can_write_nowhere_and_asks_for_seconds_at_most(boards: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        boards.execute("CREATE TABLE boards.mine (value int)")
    boards.execute("SET default_transaction_read_only = off")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        boards.execute("CREATE TABLE boards.mine (value int)")
    for setting, value in BOARDS_SETTINGS.items():
        if setting != "default_transaction_read_only":
            assert boards.execute(sql.SQL("SHOW {}").format(sql.Identifier(setting))).fetchone() == (value,)


def test_the_role_gets_its_rights_from_a_later_migration_too(database: str) -> None:
    """As after a restore, where the database is there before the role."""
    address = make_url(database).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as owner:
        owner.execute(sql.SQL("REVOKE ALL ON SCHEMA boards FROM {}").format(sql.Identifier(BOARDS_ROLE)))
        migrate(PACKAGE, database)
        row = owner.execute("SELECT has_schema_privilege(%s, 'boards', 'USAGE')", [BOARDS_ROLE]).fetchone()
    assert row == (True,)
