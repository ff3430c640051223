"""A release and the schema of its database: which of them is ahead, and waiting until they fit.

Schemas change by expanding first: a release's migration only adds, so that the release before it goes on working beside
it; what nobody uses any more is taken away by a later release. So a database may be ahead of a release – while pods of
the old one still run, or after going back to it – but never behind.
"""

from __future__ import annotations

import time
from enum import Enum

import structlog
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import create_engine, pool
from sqlalchemy.exc import OperationalError

from fourones_shared.database.engine import CONNECT_TIMEOUT_S
from fourones_shared.database.migrate import alembic_config, migrate
from fourones_shared.errors import Retry

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 2.0


class Schema(Enum):
    """What a database's schema is to a release."""

    BEHIND = "behind"
    CURRENT = "current"
    AHEAD = "ahead"


def schema_of(package: str, url: str) -> Schema:
    """How the database stands to the package's migrations.

    Raises:
        OperationalError: when it does not answer, or does not let us in.
    """
    script = ScriptDirectory.from_config(alembic_config(package, url))
    engine = create_engine(url, poolclass=pool.NullPool, connect_args={"connect_timeout": CONNECT_TIMEOUT_S})
    with engine.connect() as connection:
        revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None:
        return Schema.BEHIND
    if revision == script.get_current_head():
        return Schema.CURRENT
    try:
        script.get_revision(revision)
    except CommandError:
        # No revision of ours: only a later release can have put it there.
        return Schema.AHEAD
    return Schema.BEHIND


def bring_up(package: str, url: str, *, wait_s: float = 0.0) -> str:
    """Migrate the database unless it is ahead, and return the release's revision.

    Raises:
        Retry: when the database did not answer within `wait_s`.
    """
    found = _answer(package, url, time.monotonic() + wait_s)
    if found is Schema.AHEAD:
        log.warning("the database belongs to a later release; nothing to migrate", package=package)
        return ScriptDirectory.from_config(alembic_config(package, url)).get_current_head() or ""
    return migrate(package, url)


def wait_until_fit(package: str, url: str, *, wait_s: float = 0.0) -> None:
    """Return when the database is not behind; changes nothing.

    Raises:
        Retry: when it still is after `wait_s`, or did not answer.
    """
    deadline = time.monotonic() + wait_s
    while _answer(package, url, deadline) is Schema.BEHIND:
        if time.monotonic() >= deadline:
            raise Retry(f"the database is behind this release: run `migrate` of {package}")
        log.info("waiting for the migration", package=package)
        time.sleep(LOOK_EVERY_S)


def _answer(package: str, url: str, deadline: float) -> Schema:
    while True:
        try:
            return schema_of(package, url)
        except OperationalError as error:
            reason = str(error.orig).splitlines()[0] if str(error.orig) else type(error.orig).__name__
            if time.monotonic() >= deadline:
                raise Retry(f"the database does not let us in: {reason}") from error
            log.warning("waiting for the database", error=reason)
            time.sleep(LOOK_EVERY_S)
