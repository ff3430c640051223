"""The local overlay's Job makes roles and databases on a real server, as often as it is run."""

import subprocess
from pathlib import Path

import psycopg
import pytest

from fourones_local.layout import Repository
from fourones_local.ports import LOOPBACK
from fourones_local.postgres import SUPERUSER, PostgresServer
from fourones_local.process import ServerProcess, server_environment

SCRIPT = Repository.here().root / "deploy" / "k8s" / "overlays" / "local" / "databases.sh"
SERVICES = ("submission", "aggregation", "alerting")


def test_each_service_gets_its_own_and_nobody_another_s(
    postgres_server: ServerProcess[PostgresServer], tmp_path: Path
) -> None:
    server = postgres_server.server
    superuser = server.url(SUPERUSER).partition("//postgres:")[2].partition("@")[0]
    give(tmp_path, {"postgres": superuser} | {name: f"first '{name}'" for name in (*SERVICES, "boards")})
    run(server, tmp_path)
    give(tmp_path, {name: f"second ${name}" for name in (*SERVICES, "boards")})
    run(server, tmp_path)

    for service in SERVICES:
        with connect(server, service, service, f"second ${service}") as connection:
            connection.execute("CREATE TABLE figure (a int)")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            connect(server, service, service, f"first '{service}'")
        other = SERVICES[SERVICES.index(service) - 1]
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            connect(server, other, service, f"second ${service}")
    with connect(server, "postgres", "fourones_boards", "second $boards") as connection:
        assert connection.execute("SHOW default_transaction_read_only").fetchone() == ("on",)
        assert connection.execute("SHOW statement_timeout").fetchone() == ("10s",)


def give(folder: Path, passwords: dict[str, str]) -> None:
    for name, password in passwords.items():
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "password").write_text(password, encoding="utf-8")


def run(server: PostgresServer, secrets: Path) -> None:
    environment = server_environment() | {
        "PATH": f"{server.programs}:/usr/bin:/bin",
        "PGHOST": LOOPBACK,
        "PGPORT": str(server.port),
        "SECRETS": str(secrets),
    }
    done = subprocess.run(["/bin/sh", str(SCRIPT)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    # Nothing is shown but what it says.
    assert "second" not in done.stdout + done.stderr


def connect(server: PostgresServer, database: str, role: str, password: str) -> psycopg.Connection:
    return psycopg.connect(
        host=LOOPBACK, port=server.port, dbname=database, user=role, password=password, autocommit=True
    )
