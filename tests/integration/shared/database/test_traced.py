"""Transactions as spans, on a real PostgreSQL."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from unit.shared.tracing.recording import recording

from fourones_shared.database.engine import api_engine, reading, worker_engine
from fourones_shared.tracing import names, span


def test_a_transaction_within_a_trace_is_a_span_until_its_connection_is_returned(database_url: str) -> None:
    url = make_url(database_url)
    with recording() as recorded:
        engine = worker_engine(database_url, name="test")
        with engine.begin() as connection:
            connection.execute(text("SELECT 1"))
        assert not recorded.spans
        with span(names.JUDGE):
            for _ in range(2):
                with engine.begin() as connection:
                    connection.execute(text("SELECT 1"))
        engine.dispose()

    assert [each.name for each in recorded.spans] == [f"transaction {url.database}"] * 2 + ["judge"]
    assert recorded.edges() == {("-", "judge"), ("judge", f"transaction {url.database}")}
    assert recorded.spans[0].attributes == {
        names.DB_SYSTEM: "postgresql",
        names.DB_NAMESPACE: url.database,
        names.DB_OPERATION: "transaction",
        names.SERVER_ADDRESS: url.host,
        names.SERVER_PORT: url.port,
    }


def test_a_transaction_that_fails_says_by_which_code(database_url: str) -> None:
    with recording() as recorded:
        engine = worker_engine(database_url, name="test")
        with span(names.JUDGE), pytest.raises(DBAPIError), engine.begin() as connection:
            connection.execute(text("SELECT 1 / 0"))
        engine.dispose()

    failed = recorded.spans[0]
    assert failed.failed
    assert (failed.attributes[names.DB_STATUS], failed.attributes[names.ERROR_TYPE]) == ("22012", "22012")


def test_a_lost_connection_ends_the_span_as_failed(database_url: str) -> None:
    with recording() as recorded:
        engine = worker_engine(database_url, name="test")
        with span(names.JUDGE), pytest.raises(DBAPIError), engine.begin() as connection:
            connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        engine.dispose()

    assert [(each.name.split()[0], each.failed) for each in recorded.spans] == [("transaction", True), ("judge", False)]


def test_of_an_api_transactions_are_spans_and_single_statements_are_not(database_url: str) -> None:
    async def ask() -> None:
        engine = api_engine(database_url, name="test")
        with span(names.REQUEST, {names.HTTP_METHOD: "POST"}):
            async with engine.begin() as connection:
                await connection.execute(text("SELECT 1"))
            async with reading(engine).connect() as connection:
                await connection.execute(text("SELECT 1"))
        await engine.dispose()

    with recording() as recorded:
        asyncio.run(ask())

    assert [each.name.split()[0] for each in recorded.spans] == ["transaction", "POST"]
    assert recorded.edges() == {("-", "POST"), ("POST", recorded.spans[0].name)}


def test_where_nothing_is_recorded_nothing_listens_to_the_engine(database_url: str) -> None:
    engine = worker_engine(database_url, name="test")

    assert not list(engine.dispatch.begin)
    engine.dispose()
