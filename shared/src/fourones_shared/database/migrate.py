"""Schema migrations with Alembic: each service's own, in its package's `migrations` folder."""

from __future__ import annotations

from importlib.resources import files

from alembic import command, context
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, create_engine, pool, text

# Any number of replicas may run `migrate` at once; one does it, the others wait and find nothing left to do.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('fourones:migrate', 0))")


def migrate(package: str, url: str) -> str:
    """Bring the database to the package's newest revision and return it."""
    config = _config(package, url)
    command.upgrade(config, "head")
    return ScriptDirectory.from_config(config).get_current_head() or ""


def check(package: str, url: str) -> None:
    """Fail when the models say something that the migrations do not (alembic check)."""
    command.check(_config(package, url))


def run_migrations(metadata: MetaData) -> None:
    """The body of a service's `migrations/env.py`."""
    url = context.config.get_main_option("sqlalchemy.url") or ""
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        _run(connection, metadata)


def _run(connection: Connection, metadata: MetaData) -> None:
    context.configure(connection=connection, target_metadata=metadata, compare_type=True)
    with context.begin_transaction():
        connection.execute(_LOCK)
        context.run_migrations()


def _config(package: str, url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files(package) / "migrations"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config
