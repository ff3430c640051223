"""Engines for the two ways the services use PostgreSQL: synchronously in workers, asynchronously in APIs.

What reads ends with a commit, too (`begin()`, not `connect()`): at a rollback the driver forgets every statement that
the connection has prepared, and the server would plan them all anew, which for most takes longer than to run them.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, InvalidatePoolError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from fourones_shared.database.traced import trace_transactions
from fourones_shared.errors import Stop

# A statement of an API request that runs longer than this would outlive its client's patience.
API_STATEMENT_TIMEOUT_MS = 10_000
CONNECT_TIMEOUT_S = 5
# A connection that has just been used is taken as it is; one that has rested is asked first whether the server still
# knows it. Asking every time, as `pool_pre_ping` does, is a third of the round trips of a small request.
RESTED_AFTER_S = 0.5
# A peer that vanished without a word is noticed within half a minute on both sides, instead of after two hours: on
# ours, so that work goes on elsewhere; on the server's, so that the locks of the dead are freed.
_KEEPALIVE: dict[str, str | int] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
_SERVER_KEEPALIVE = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"


def worker_engine(url: str, *, name: str, pool_size: int = 4) -> Engine:
    """An engine for worker threads."""
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=2,
        connect_args={
            **_KEEPALIVE,
            "application_name": name,
            "connect_timeout": CONNECT_TIMEOUT_S,
            "options": _SERVER_KEEPALIVE,
        },
    )
    _ask_what_has_rested(engine)
    trace_transactions(engine)
    return engine


def api_engine(url: str, *, name: str, pool_size: int = 16) -> AsyncEngine:
    """An engine for an API: enough connections that commits share a flush (group commit)."""
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5,
        connect_args={
            **_KEEPALIVE,
            "application_name": name,
            "connect_timeout": CONNECT_TIMEOUT_S,
            "options": f"{_SERVER_KEEPALIVE} -c statement_timeout={API_STATEMENT_TIMEOUT_MS}",
        },
    )
    _ask_what_has_rested(engine.sync_engine)
    trace_transactions(engine.sync_engine)
    return engine


def reading(engine: AsyncEngine) -> AsyncEngine:
    """The same engine for requests that read with one statement: no round trips to begin and to end a transaction."""
    return engine.execution_options(isolation_level="AUTOCOMMIT")


@contextmanager
def one_state(engine: Engine) -> Iterator[Connection]:
    """A connection for reads by several statements that must all see the same state of the database."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection, connection.begin():
        yield connection


@asynccontextmanager
async def async_one_state(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """The same for an API."""
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        async with connection.begin():
            yield connection


def _ask_what_has_rested(engine: Engine) -> None:
    dialect = engine.dialect

    def rests(_: Any, record: Any) -> None:
        record.info["rests_since"] = time.monotonic()

    def ask(connection: Any, record: Any, _: Any) -> None:
        since = record.info.get("rests_since")
        if since is None or time.monotonic() - since < RESTED_AFTER_S:
            return
        try:
            dialect.do_ping(connection)
        except dialect.loaded_dbapi.Error as error:
            # Those that rest beside it are gone as well.
            raise InvalidatePoolError from error

    event.listen(engine, "checkin", rests)
    event.listen(engine, "checkout", ask)


def assert_durable(connection: Connection) -> None:
    """Refuse to work on a database that may forget what it has committed.

    Raises:
        Stop: when fsync, synchronous_commit or full_page_writes is off.
    """
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        value = connection.execute(text(f"SHOW {setting}")).scalar_one()
        if value == "off":
            raise Stop(f"PostgreSQL runs with {setting} = off: a crash would lose acknowledged figures. Set it on.")


def is_transient(error: BaseException) -> bool:
    """Whether the same work may succeed later: connection lost, server starting, deadlock, serialisation, migration."""
    if not isinstance(error, DBAPIError):
        return False
    code = getattr(error.orig, "sqlstate", None) or ""
    if code[:2] == "54":
        # A program limit, such as a text too long for its index: the driver calls it operational, but it stays.
        return False
    return (
        isinstance(error, OperationalError)
        or error.connection_invalidated
        or _is_about_a_changed_table(error)
        or code[:2] in {"08", "40", "53", "57", "55"}
    )


def _is_about_a_changed_table(error: DBAPIError) -> bool:
    # A migration has added a column under a statement that was prepared; at the rollback the driver forgets it. The
    # server's code for it stands for much else, and its text is in the server's language.
    diagnosis = getattr(error.orig, "diag", None)
    return getattr(diagnosis, "source_function", None) == "RevalidateCachedQuery"
