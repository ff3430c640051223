import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import registry
from sqlmodel import SQLModel

from fourones_shared.database.columns import (
    AccessKeyColumns,
    CatalogueInForceColumns,
    CatalogueVersionColumns,
    DeadLetterColumns,
    DeadLetterLimitColumns,
    DeadLetterStepColumns,
    OutboxColumns,
    PositionColumns,
    dead_letter_indexes,
)
from fourones_shared.database.engine import worker_engine
from fourones_shared.kafka.topics import ensure_topics
from fourones_shared.topics import all_topics


class Table(SQLModel, registry=registry()): ...


class Outbox(OutboxColumns, Table, table=True):
    __tablename__ = "outbox"


class ConsumerPosition(PositionColumns, Table, table=True):
    __tablename__ = "consumer_position"


class DeadLetterRow(DeadLetterColumns, Table, table=True):
    __tablename__ = "dead_letter"
    __table_args__ = dead_letter_indexes()


class DeadLetterStep(DeadLetterStepColumns, Table, table=True):
    __tablename__ = "dead_letter_step"


class DeadLetterLimit(DeadLetterLimitColumns, Table, table=True):
    __tablename__ = "dead_letter_limit"


class CatalogueVersion(CatalogueVersionColumns, Table, table=True):
    __tablename__ = "catalogue_version"


class CatalogueInForce(CatalogueInForceColumns, Table, table=True):
    __tablename__ = "catalogue_in_force"


class AccessKey(AccessKeyColumns, Table, table=True):
    __tablename__ = "access_key"


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A fresh database with the tables that the services share, and `effect`, which admits repetitions."""
    engine = worker_engine(database_url, name="test")
    Table.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(text("CREATE SEQUENCE access_key_changed"))
        connection.execute(
            text("CREATE TABLE effect (number bigserial, event_id text, topic text, partition int, place bigint)")
        )
    yield engine
    engine.dispose()


@dataclass(frozen=True)
class Broker:
    """The real broker with topics of the test's own."""

    bootstrap: str
    prefix: str

    def make(self, *names: str) -> None:
        ensure_topics(self.bootstrap, [all_topics()[name] for name in names], prefix=self.prefix)


@pytest.fixture
def broker(kafka_bootstrap: str, topic_prefix: str) -> Broker:
    return Broker(kafka_bootstrap, topic_prefix)


Running = Callable[[Callable[[threading.Event], None]], AbstractContextManager[threading.Event]]


@pytest.fixture
def running() -> Running:
    """Runs something that lives until it is stopped; an error that ends it comes out at the end of the block."""

    @contextmanager
    def run(work: Callable[[threading.Event], None]) -> Iterator[threading.Event]:
        stop = threading.Event()
        errors: list[BaseException] = []

        def guarded() -> None:
            try:
                work(stop)
            except BaseException as error:
                errors.append(error)
                stop.set()

        thread = threading.Thread(target=guarded, name=f"running-{secrets.token_hex(2)}")
        thread.start()
        try:
            yield stop
        except BaseException as failure:
            if errors:
                # The block failed because what ran beside it did.
                raise errors[0] from failure
            raise
        finally:
            stop.set()
            thread.join(30)
            assert not thread.is_alive(), "it does not stop"
        if errors:
            raise errors[0]

    return run
