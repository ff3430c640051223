"""Fixtures with the real broker and database: started when the first test asks, ended with the session.

`kafka_bootstrap`, `topic_prefix`   the session's broker, and a prefix that no other test uses; topics that have it
                                    are gone after the test
`database_url`                      a fresh database for one test
`new_database`                      the same for fixtures of a wider scope: `with new_database() as url:`
`migrated_copy`                     the same with a package's tables: `with migrated_copy("fourones_alerting") as url:`
`kafka_node`, `postgres_server`     the two as processes: `.kill()`, `.stop()`, `.start()`; a test that ends one
                                    starts it again, since the next test counts on it
`whole_system`                      everything, with catalogue, keys and the real figures
`monitored_system`                  the same with Prometheus and Alertmanager
"""

import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache
from pathlib import Path

import pytest
from kafka import KafkaAdminClient
from psycopg import sql
from sqlalchemy import make_url

from fourones_local import monitoring
from fourones_local.kafka import KafkaNode, fetch_jars
from fourones_local.layout import Repository
from fourones_local.ports import free_port
from fourones_local.postgres import PostgresServer
from fourones_local.process import ServerProcess
from fourones_local.stack import Stack
from fourones_shared.database.migrate import migrate

NewDatabase = Callable[[], AbstractContextManager[str]]
MigratedCopy = Callable[[str], AbstractContextManager[str]]

_OWNER = "tests"
# Compiles quickly instead of thoroughly: a test's broker lives for minutes.
_QUICK_START = ("-XX:TieredStopAtLevel=1",)


@pytest.fixture(scope="session")
def servers_dir() -> Iterator[Path]:
    # Not pytest's own temporary folder: that one is closed to other users, and PostgreSQL runs as one under root.
    directory = Path(tempfile.mkdtemp(prefix="fourones-tests-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def kafka_node(servers_dir: Path) -> Iterator[ServerProcess[KafkaNode]]:
    repository = Repository.here()
    fetch_jars(repository.pom, repository.kafka_home)
    port = free_port()
    node = KafkaNode(
        home=repository.kafka_home,
        data_dir=servers_dir / "kafka",
        port=port,
        controller_port=free_port([port]),
        jvm_options=_QUICK_START,
    )
    process = ServerProcess(node, servers_dir / "kafka.log")
    process.start()
    yield process
    process.stop()


@pytest.fixture(scope="session")
def kafka_bootstrap(kafka_node: ServerProcess[KafkaNode]) -> str:
    return kafka_node.server.bootstrap


@pytest.fixture
def topic_prefix(kafka_node: ServerProcess[KafkaNode], kafka_bootstrap: str) -> Iterator[str]:
    prefix = f"test-{secrets.token_hex(6)}-"
    yield prefix
    # Started again where a test has left it stopped; then it does nothing.
    kafka_node.start()
    # A broker opens every partition anew after a kill: thousands of forgotten ones take it a minute.
    admin = KafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    admin.delete_topics([name for name in admin.list_topics() if name.startswith(prefix)])
    admin.close()


@pytest.fixture(scope="session")
def postgres_server(servers_dir: Path) -> Iterator[ServerProcess[PostgresServer]]:
    server = PostgresServer(
        directory=servers_dir / "postgres",
        port=free_port(),
        secrets_file=servers_dir / "postgres.json",
        databases=(_OWNER,),
    )
    process = ServerProcess(server, servers_dir / "postgres.log")
    process.start()
    server.provision()
    yield process
    process.stop()


@pytest.fixture(scope="session")
def postgres_url(postgres_server: ServerProcess[PostgresServer]) -> str:
    return postgres_server.server.url("postgres")


@pytest.fixture(scope="session")
def new_database(postgres_server: ServerProcess[PostgresServer]) -> NewDatabase:
    server = postgres_server.server

    @contextmanager
    def database() -> Iterator[str]:
        name = f"test_{secrets.token_hex(6)}"
        with server.connect() as connection:
            server.create_database(connection, name, owner=_OWNER)
        yield server.url(name, role=_OWNER)
        # Started again where a test has left it stopped; then it does nothing.
        postgres_server.start()
        with server.connect() as connection:
            # A service under test may still be connected.
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    return database


@pytest.fixture(scope="session")
def migrated_template(new_database: NewDatabase) -> Iterator[Callable[[str], str]]:
    """A migrated database of a package's, to be copied: migrating takes a second, copying a fraction of it."""
    with ExitStack() as stack:

        @cache
        def template(package: str) -> str:
            url = stack.enter_context(new_database())
            migrate(package, url)
            return url

        yield template


@pytest.fixture(scope="session")
def migrated_copy(
    migrated_template: Callable[[str], str], postgres_server: ServerProcess[PostgresServer]
) -> MigratedCopy:
    server = postgres_server.server

    @contextmanager
    def copy(package: str) -> Iterator[str]:
        template = make_url(migrated_template(package)).database or ""
        name = f"test_{secrets.token_hex(6)}"
        with server.connect() as connection:
            names = [sql.Identifier(each) for each in (name, template, _OWNER)]
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}").format(*names))
        yield server.url(name, role=_OWNER)
        postgres_server.start()
        with server.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    return copy


@pytest.fixture
def database_url(new_database: NewDatabase) -> Iterator[str]:
    with new_database() as url:
        yield url


@pytest.fixture(scope="session")
def whole_system(request: pytest.FixtureRequest, servers_dir: Path) -> Iterator[Stack]:
    # Prometheus takes its share of two cores, so it runs only when a test of this session looks at it.
    watched = any("monitored_system" in getattr(item, "fixturenames", ()) for item in request.session.items)
    stack = Stack(servers_dir / "system", free_ports=True, with_monitoring=watched, tied=True)
    stack.start()
    yield stack
    stack.stop()
    stack.clean()


@pytest.fixture
def monitored_system(whole_system: Stack) -> Stack:
    if whole_system.endpoints["prometheus"] is None:
        pytest.fail(f"Prometheus and Alertmanager are needed: {monitoring.HOW_TO_INSTALL}")
    return whole_system
