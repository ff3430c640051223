import asyncio

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from fourones_shared.database.engine import api_engine, assert_durable, async_one_state, is_transient, worker_engine
from fourones_shared.errors import Stop


def test_a_server_that_forgets_nothing_is_accepted(engine: Engine) -> None:
    with engine.connect() as connection:
        assert_durable(connection)


def test_a_server_that_may_forget_a_commit_is_refused(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("SET synchronous_commit = off"))
        with pytest.raises(Stop, match="synchronous_commit = off"):
            assert_durable(connection)


def test_both_sides_notice_a_peer_that_vanished(database_url: str) -> None:
    async def of_the_api() -> tuple[str, str]:
        engine = api_engine(database_url, name="test-api")
        try:
            async with engine.connect() as connection:
                rows = await connection.execute(text("SHOW tcp_keepalives_idle"))
                limit = await connection.execute(text("SHOW statement_timeout"))
                return str(rows.scalar_one()), str(limit.scalar_one())
        finally:
            await engine.dispose()

    worker = worker_engine(database_url, name="test-worker")
    with worker.connect() as connection:
        assert connection.execute(text("SHOW tcp_keepalives_idle")).scalar_one() == "10"
        assert connection.execute(text("SHOW application_name")).scalar_one() == "test-worker"
    worker.dispose()
    assert asyncio.run(of_the_api()) == ("10", "10s")


def test_a_statement_of_an_api_that_runs_too_long_is_ended_and_may_be_repeated(database_url: str) -> None:
    async def too_long() -> None:
        engine = api_engine(database_url, name="test-api")
        try:
            async with engine.connect() as connection:
                await connection.execute(text("SET statement_timeout = 10"))
                await connection.execute(text("SELECT pg_sleep(60)"))
        finally:
            await engine.dispose()

    with pytest.raises(OperationalError) as ended:
        asyncio.run(too_long())
    assert is_transient(ended.value)


def test_reads_of_one_state_see_no_later_commit_and_keep_what_is_prepared(database_url: str) -> None:
    async def read_again_and_again() -> tuple[set[int], int]:
        engine = api_engine(database_url, name="test-api", pool_size=1)
        writer = worker_engine(database_url, name="test-worker")
        with writer.begin() as connection:
            connection.execute(text("CREATE TABLE grows (n int)"))
        try:
            for _ in range(10):
                async with async_one_state(engine) as connection:
                    counts = {(await connection.execute(text("SELECT count(*) FROM grows"))).scalar_one()}
                    with writer.begin() as writing:
                        writing.execute(text("INSERT INTO grows VALUES (1)"))
                    counts.add((await connection.execute(text("SELECT count(*) FROM grows"))).scalar_one())
                    assert len(counts) == 1
            async with engine.begin() as connection:
                prepared = text("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%FROM grows'")
                return counts, (await connection.execute(prepared)).scalar_one()
        finally:
            await engine.dispose()
            writer.dispose()

    assert asyncio.run(read_again_and_again()) == ({9}, 1)


def test_a_table_that_is_migrated_under_a_prepared_statement_is_read_at_the_next_trial(database_url: str) -> None:
    reader = worker_engine(database_url, name="test-reader", pool_size=1)
    migration = worker_engine(database_url, name="test-migration")

    def read() -> int:
        with reader.begin() as connection:
            return len(connection.execute(text("SELECT * FROM changes")).keys())

    try:
        with migration.begin() as connection:
            connection.execute(text("CREATE TABLE changes (n int)"))
        assert {read() for _ in range(10)} == {1}
        with migration.begin() as connection:
            connection.execute(text("ALTER TABLE changes ADD COLUMN more int"))
        with pytest.raises(DBAPIError) as refused:
            read()
        assert is_transient(refused.value)
        assert read() == 2
    finally:
        reader.dispose()
        migration.dispose()
