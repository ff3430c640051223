"""One leader among the replicas, by a PostgreSQL advisory lock that goes with its connection."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, text


class Leadership:
    """Held by one process at a time; lost with the database connection that holds it.

    Args:
        name: of what is led.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._name = name
        self._connection: Connection | None = None

    def is_held(self) -> bool:
        """Whether this process leads now; tries to when nobody does.

        Raises:
            DBAPIError: when the database does not answer; leadership is given up then.
        """
        try:
            if self._connection is None:
                return self._try()
            with self._connection.begin():
                self._connection.execute(text("SELECT 1"))
        except BaseException:
            self.give_up()
            raise
        return True

    def give_up(self) -> None:
        """Let another lead."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _try(self) -> bool:
        connection = self._engine.connect()
        try:
            # Out of the pool: closing it really ends the session, and the lock goes with the session.
            connection.detach()
            with connection.begin():
                led = bool(connection.execute(_TRY_LOCK, {"name": self._name}).scalar_one())
        except BaseException:
            connection.close()
            raise
        if led:
            self._connection = connection
        else:
            connection.close()
        return led


_TRY_LOCK = text("SELECT pg_try_advisory_lock(hashtextextended(:name, 0))")
