"""Schema migrations with Alembic: each service's own, in its package's `migrations` folder."""

from __future__ import annotations

from importlib.resources import files

from alembic import command, context
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, create_engine, pool, text

from fourones_shared.database import BOARDS_ROLE

# Any number of replicas may run `migrate` at once; one does it, the others wait and find nothing left to do.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('fourones:migrate', 0))")
_ROLE_AND_SCHEMA = text(
    "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :role)"
    " AND EXISTS (SELECT FROM pg_namespace WHERE nspname = 'boards')"
)


def migrate(package: str, url: str) -> str:
    """Bring the database to the package's newest revision, let the boards read their views, and return the revision."""
    config = alembic_config(package, url)
    command.upgrade(config, "head")
    _let_boards_read(url)
    return ScriptDirectory.from_config(config).get_current_head() or ""


def check(package: str, url: str) -> None:
    """Fail when the models say something that the migrations do not (alembic check)."""
    command.check(alembic_config(package, url))


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


def _let_boards_read(url: str) -> None:
    """May be repeated; a role that is made later gets its rights by the next `migrate`."""
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.begin() as connection:
        # Two that grant the same at once would fail on the same row of the catalogue.
        connection.execute(_LOCK)
        if not connection.execute(_ROLE_AND_SCHEMA, {"role": BOARDS_ROLE}).scalar_one():
            return
        quote = connection.dialect.identifier_preparer.quote
        role, database = quote(BOARDS_ROLE), quote(connection.execute(text("SELECT current_database()")).scalar_one())
        for grant in (
            f"CONNECT ON DATABASE {database}",
            "USAGE ON SCHEMA boards",
            # Of tables there are none in this schema.
            "SELECT ON ALL TABLES IN SCHEMA boards",
        ):
            connection.execute(text(f"GRANT {grant} TO {role}"))


def alembic_config(package: str, url: str) -> Config:
    """Alembic's configuration for a package's migrations and a database."""
    config = Config()
    config.set_main_option("script_location", str(files(package) / "migrations"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config
