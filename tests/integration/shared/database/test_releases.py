"""A release waits for its schema, and an older one does not stumble over a newer."""

import secrets
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import create_engine, text

from fourones_local.ports import free_port
from fourones_shared.database.migrate import alembic_config
from fourones_shared.database.releases import Schema, bring_up, schema_of, wait_until_fit
from fourones_shared.errors import Retry

ENV = """
from sqlalchemy import MetaData
from fourones_shared.database.migrate import run_migrations
run_migrations(MetaData())
"""
MIGRATION = """
from alembic import op
revision, down_revision = {revision!r}, {after!r}
def upgrade():
    op.execute("CREATE TABLE t{revision} (a int)")
"""


@dataclass(frozen=True)
class Service:
    """A package with one migration, to which others can be added."""

    package: str
    versions: Path

    def add(self, revision: str, after: str | None) -> None:
        self.file(revision).write_text(MIGRATION.format(revision=revision, after=after), encoding="utf-8")

    def file(self, revision: str) -> Path:
        return self.versions / f"{revision}.py"


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    # A name of its own: Python remembers where it found a package.
    package = f"service_{secrets.token_hex(4)}"
    versions = tmp_path / package / "migrations" / "versions"
    versions.mkdir(parents=True)
    (tmp_path / package / "__init__.py").touch()
    (versions.parent / "env.py").write_text(ENV, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    service = Service(package, versions)
    service.add("0001", None)
    return service


def test_a_database_is_behind_until_it_is_migrated(service: Service, database_url: str) -> None:
    assert schema_of(service.package, database_url) is Schema.BEHIND
    with pytest.raises(Retry, match="behind this release"):
        wait_until_fit(service.package, database_url)

    assert bring_up(service.package, database_url) == "0001"
    assert schema_of(service.package, database_url) is Schema.CURRENT
    wait_until_fit(service.package, database_url)

    service.add("0002", "0001")
    assert schema_of(service.package, database_url) is Schema.BEHIND


def test_who_waits_goes_on_when_somebody_else_has_migrated(service: Service, database_url: str) -> None:
    waiting = threading.Thread(target=wait_until_fit, args=[service.package, database_url], kwargs={"wait_s": 60})
    waiting.start()
    command.upgrade(alembic_config(service.package, database_url), "head")
    waiting.join(30)

    assert not waiting.is_alive()


def test_going_back_to_an_older_release_leaves_the_newer_schema_alone(service: Service, database_url: str) -> None:
    service.add("0002", "0001")
    bring_up(service.package, database_url)
    service.file("0002").unlink()

    assert schema_of(service.package, database_url) is Schema.AHEAD
    wait_until_fit(service.package, database_url)
    assert bring_up(service.package, database_url) == "0001"
    engine = create_engine(database_url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "0002"
    engine.dispose()


def test_a_database_that_does_not_answer_is_told(service: Service) -> None:
    nobody = f"postgresql+psycopg://nobody:secret@127.0.0.1:{free_port()}/x"
    with pytest.raises(Retry, match="does not let us in") as refused:
        bring_up(service.package, nobody)
    assert "secret" not in str(refused.value)
