import secrets
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, text
from support.stack import NewDatabase

from fourones_local.errors import LocalStackError
from fourones_local.ports import free_port
from fourones_local.postgres import DURABILITY, PostgresServer, require_durability
from fourones_local.process import ServerProcess

Postgres = ServerProcess[PostgresServer]


def test_a_committed_row_survives_the_death_of_the_server(postgres_server: Postgres, database_url: str) -> None:
    _execute(database_url, "CREATE TABLE figure (value numeric)", "INSERT INTO figure VALUES (123.4)")

    postgres_server.kill()
    assert not postgres_server.running
    postgres_server.start()

    assert _read(database_url, "SELECT value::text FROM figure") == "123.4"


def test_a_clean_stop_ends_the_sessions_of_clients_and_keeps_the_rows(
    postgres_server: Postgres, database_url: str
) -> None:
    _execute(database_url, "CREATE TABLE figure (value numeric)", "INSERT INTO figure VALUES (1)")
    idle = postgres_server.server.connect()

    postgres_server.stop()
    with pytest.raises(psycopg.OperationalError):
        idle.execute("SELECT 1")
    idle.close()
    postgres_server.start()

    assert _read(database_url, "SELECT value::text FROM figure") == "1"


@pytest.mark.parametrize("setting", DURABILITY)
def test_the_running_server_is_set_to_lose_nothing(postgres_server: Postgres, setting: str) -> None:
    with postgres_server.server.connect() as connection:
        assert connection.execute(f"SHOW {setting}").fetchone() == ("on",)


def test_a_server_that_could_lose_commits_is_refused(postgres_server: Postgres) -> None:
    with postgres_server.server.connect() as connection:
        connection.execute("SET synchronous_commit = off")

        with pytest.raises(LocalStackError, match="synchronous_commit=off, not on"):
            require_durability(connection)


def test_only_the_loopback_is_listened_on_and_only_with_a_password(postgres_server: Postgres) -> None:
    server = postgres_server.server
    with server.connect() as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("127.0.0.1",)
        assert connection.execute("SHOW unix_socket_directories").fetchone() == ("",)
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(
            host="127.0.0.1", port=server.port, user="postgres", password=secrets.token_hex(), dbname="postgres"
        )


def test_text_sorts_the_same_everywhere_and_time_is_utc(database_url: str) -> None:
    assert _read(database_url, "SELECT datlocale FROM pg_database WHERE datname = current_database()") == "C.UTF-8"
    assert _read(database_url, "SHOW timezone") == "UTC"
    assert _read(database_url, "SHOW server_encoding") == "UTF8"


def test_every_database_is_fresh_and_gone_afterwards(new_database: NewDatabase, postgres_server: Postgres) -> None:
    with new_database() as first, new_database() as second:
        _execute(first, "CREATE TABLE figure (value numeric)")
        assert _read(second, "SELECT to_regclass('figure')::text") is None
    with postgres_server.server.connect() as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_database WHERE datname = ANY(%s)",
            [[url.rsplit("/", 1)[1] for url in (first, second)]],
        ).fetchone()
    assert row == (0,)


def test_provisioning_again_changes_nothing(postgres_server: Postgres) -> None:
    before = postgres_server.server.url("tests")

    postgres_server.server.provision()

    assert postgres_server.server.url("tests") == before
    assert _read(before, "SELECT current_user::text") == "tests"


def test_a_second_server_on_the_same_data_is_refused(postgres_server: Postgres) -> None:
    with pytest.raises(LocalStackError, match="already serves"):
        postgres_server.server.prepare()


def test_data_below_a_directory_that_only_its_owner_may_enter_are_no_obstacle(tmp_path: Path) -> None:
    # As under /root: PostgreSQL is another user there, and its data then go elsewhere.
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = PostgresServer(closed / "postgres", free_port(), closed / "postgres.json", databases=("tests",))
    process = ServerProcess(server, closed / "postgres.log")
    try:
        process.start()
        server.provision()
        assert _read(server.url("tests"), "SELECT 1") == 1
    finally:
        process.stop()
        server.remove()
    assert not server.data_dir.exists()


def _execute(url: str, *statements: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def _read(url: str, query: str) -> object:
    engine = create_engine(url)
    with engine.connect() as connection:
        value: object = connection.execute(text(query)).scalar()
    engine.dispose()
    return value
