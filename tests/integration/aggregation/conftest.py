import secrets
from collections.abc import Iterator

import pytest
from integration.aggregation.keeping import Aggregation
from psycopg import connect, sql
from sqlalchemy.engine import make_url
from support.catalogue import a_catalogue
from support.stack import NewDatabase

from fourones_shared.database.migrate import migrate


@pytest.fixture(scope="session")
def migrated_template(new_database: NewDatabase) -> Iterator[str]:
    """A migrated database to copy: migrating takes a second, copying a fraction of it."""
    with new_database() as url:
        migrate("fourones_aggregation", url)
        yield url


@pytest.fixture
def migrated_url(migrated_template: str, postgres_url: str) -> Iterator[str]:
    template = make_url(migrated_template)
    name = f"test_{secrets.token_hex(6)}"
    admin = make_url(postgres_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with connect(admin, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}").format(
                sql.Identifier(name), sql.Identifier(template.database or ""), sql.Identifier(template.username or "")
            )
        )
    yield template.set(database=name).render_as_string(hide_password=False)
    with connect(admin, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def empty(migrated_url: str) -> Iterator[Aggregation]:
    """Without a catalogue."""
    aggregation = Aggregation(migrated_url)
    yield aggregation
    aggregation.engine.dispose()


@pytest.fixture
def aggregation(empty: Aggregation) -> Aggregation:
    """With the default catalogue in force as version 1, on 15 April 2026."""
    empty.put(a_catalogue())
    return empty
