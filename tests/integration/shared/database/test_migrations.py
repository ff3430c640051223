"""Every service's migrations: they make what the models say, and every one of them can be taken back."""

import pytest
from alembic import command
from sqlalchemy import Engine, create_engine, inspect

from fourones_shared.database.migrate import alembic_config, check, migrate

PACKAGES = ["fourones_submission", "fourones_aggregation", "fourones_alerting"]


@pytest.mark.parametrize("package", PACKAGES)
def test_migrations_and_models_say_the_same(package: str, database_url: str) -> None:
    assert migrate(package, database_url) == migrate(package, database_url)
    check(package, database_url)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_migration_can_be_taken_back(package: str, database_url: str) -> None:
    engine = create_engine(database_url)
    migrate(package, database_url)
    there = _what_is_there(engine)
    command.downgrade(alembic_config(package, database_url), "base")
    assert _what_is_there(engine) == {"public.alembic_version"}

    migrate(package, database_url)
    assert _what_is_there(engine) == there
    engine.dispose()


def _what_is_there(engine: Engine) -> set[str]:
    inspector = inspect(engine)
    names = {
        f"{schema}.{name}"
        for schema in inspector.get_schema_names()
        if schema != "information_schema"
        for name in (
            *inspector.get_table_names(schema),
            *inspector.get_view_names(schema),
            *inspector.get_sequence_names(schema),
        )
    }
    with engine.connect() as connection:
        functions = connection.exec_driver_sql(
            "SELECT n.nspname || '.' || p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
            " WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')"
        ).scalars()
        return names | set(functions)
