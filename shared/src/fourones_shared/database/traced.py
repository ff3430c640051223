"""A span for each transaction that is part of a trace; none for what the machinery asks by itself."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext

from fourones_shared.tracing import Traced, is_recording, is_within_a_recorded_span, names, started
from fourones_shared.tracing.names import Attributes

_OPEN = "fourones_span"


def trace_transactions(engine: Engine) -> None:
    """Record the engine's transactions, if this process records spans at all; otherwise nothing listens to it.

    A span ends with the return of its connection to the pool: SQLAlchemy tells of a commit before it happens. Reading
    without a transaction is part of the span around it.
    """
    if not is_recording():
        return
    url = engine.url
    spans = _Transactions(
        {
            names.DB_SYSTEM: names.POSTGRESQL,
            names.DB_OPERATION: "transaction",
            names.DB_NAMESPACE: url.database or "",
            names.SERVER_ADDRESS: url.host or "localhost",
            names.SERVER_PORT: url.port or 5432,
        }
    )
    event.listen(engine, "begin", spans.begin)
    event.listen(engine, "handle_error", spans.fail)
    event.listen(engine, "checkin", spans.returned)


class _Transactions:
    """Keeps the open span of each connection with what the pool keeps about it."""

    def __init__(self, attributes: Attributes) -> None:
        self._attributes = attributes

    def begin(self, connection: Connection) -> None:
        _end(connection.info)
        if is_within_a_recorded_span() and connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            connection.info[_OPEN] = started(names.TRANSACTION, self._attributes)

    def fail(self, context: ExceptionContext) -> None:
        connection = context.connection
        if connection is None or connection.closed or connection.invalidated:
            return
        traced: Traced | None = connection.info.get(_OPEN)
        if traced is None:
            return
        state = getattr(context.original_exception, "sqlstate", None)
        traced.fail(context.original_exception if state is None else state)
        if state is not None:
            traced.add({names.DB_STATUS: state})
        if context.is_disconnect:
            # What the pool keeps about the connection goes with it.
            _end(connection.info)

    def returned(self, _: Any, record: Any) -> None:
        _end(record.info)


def _end(info: dict[Any, Any]) -> None:
    traced: Traced | None = info.pop(_OPEN, None)
    if traced is not None:
        traced.end()
