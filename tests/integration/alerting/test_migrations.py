"""What an earlier release has written is numbered, so that its answers can be had as of their moment too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from alembic import command
from alembic.config import Config
from sqlalchemy import TextClause, create_engine, text

from fourones_alerting import bootstrap
from fourones_shared.database.migrate import migrate

START = datetime(2026, 5, 1, tzinfo=UTC)
# Column by column what both tables had; :name is a test's own.
ROW = {
    **dict.fromkeys(("plan", "indicator", "org", "cluster", "tier", "period_type", "period", "explanation"), "'-'"),
    **dict.fromkeys(("final", "provisional", "stale", "incomplete", "disagreement"), "false"),
    **dict.fromkeys(("by_method", "inputs"), "'{}'"),
    **dict.fromkeys(("departments", "rests_on", "missing"), "'[]'"),
    **dict.fromkeys(("target_value", "reported", "expected", "overdue"), "1"),
    "method": "'plan-curve'",
    "changed_by": "'new_data'",
    "target": "'t'",
    **{name: f":{name}" for name in ("verdict", "light", "judged_at", "catalogue_version")},
}
CURRENT = ROW | {"said": "'s'", "digest": "'d'", "terms": "'x'", "changed": "1"}
REPLACED = ROW | {"replaced_at": ":replaced_at", "replaced_by": "'new_data'"}


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", f"{bootstrap.PACKAGE}:migrations")
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def _insert(table: str, row: dict[str, str]) -> TextClause:
    return text(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(row.values())})")  # noqa: S608


def _after(minutes: int) -> datetime:
    return START + timedelta(minutes=minutes)


def test_the_past_of_an_earlier_release_gets_its_snapshots(database_url: str) -> None:
    command.upgrade(_config(database_url), "0003")
    engine = create_engine(database_url)
    with engine.begin() as connection:
        replaced = [
            {"verdict": "no_data", "light": "grey", "judged_at": _after(0), "replaced_at": _after(5)},
            {"verdict": "off_track", "light": "red", "judged_at": _after(5), "replaced_at": _after(9)},
        ]
        connection.execute(
            _insert("assessment_revision", REPLACED), [row | {"catalogue_version": 1} for row in replaced]
        )
        current = {"verdict": "on_track", "light": "green", "judged_at": _after(9), "catalogue_version": 2}
        connection.execute(_insert("assessment", CURRENT), current)
        connection.exec_driver_sql("INSERT INTO catalogue_in_force VALUES (true, 3)")
    migrate(bootstrap.PACKAGE, database_url)
    with engine.connect() as connection:
        taken = connection.execute(
            text("SELECT number, taken_at, catalogue_version FROM snapshot_taken ORDER BY 1")
        ).all()
        assert [(n, at, v) for n, at, v in taken[:3]] == [
            (1, START, 1),
            (2, _after(5), 1),
            (3, _after(9), 2),
        ]
        # The state that the new release finds, under the catalogue in force.
        assert (taken[3].number, taken[3].catalogue_version, len(taken)) == (4, 3, 4)
        kept = connection.execute(
            text("SELECT verdict, snapshot, replaced_in, said_again FROM assessment_revision ORDER BY revision_id")
        )
        assert [tuple(row) for row in kept] == [("no_data", 1, 2, False), ("off_track", 2, 3, False)]
        [now] = connection.execute(text("SELECT snapshot, version FROM assessment"))
        assert tuple(now) == (3, 0)
        [last] = connection.execute(text("SELECT number, version FROM snapshot"))
        assert tuple(last) == (4, 0)
    engine.dispose()
    command.downgrade(_config(database_url), "0003")
    migrate(bootstrap.PACKAGE, database_url)
