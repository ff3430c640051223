"""An error is an event's own when repeating the event repeats it, and only then is the event set aside."""

import psycopg
import pytest
from kafka.errors import KafkaError
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    NoResultFound,
    OperationalError,
    ProgrammingError,
    StatementError,
)
from sqlalchemy.exc import TimeoutError as NoConnection

from fourones_shared.access.keys import KeyRecord
from fourones_shared.dead_letters.refusing import refusal_of
from fourones_shared.errors import CatalogueBehind, DeadLetter, Stop
from fourones_shared.events.model import AccessGranted


def a_database_error(kind: type[DBAPIError], original: type[psycopg.Error]) -> DBAPIError:
    return kind("INSERT", None, original("first line\nsecond line"))


def test_what_the_handler_refuses_keeps_its_own_reason() -> None:
    error = DeadLetter("bad_period", "/figures/0/period")
    assert refusal_of(error) is error


@pytest.mark.parametrize(
    "error",
    [
        a_database_error(DataError, psycopg.errors.NumericValueOutOfRange),
        a_database_error(DataError, psycopg.DataError),
        a_database_error(IntegrityError, psycopg.errors.NotNullViolation),
        a_database_error(ProgrammingError, psycopg.errors.CardinalityViolation),
        a_database_error(OperationalError, psycopg.errors.ProgramLimitExceeded),
        a_database_error(DBAPIError, psycopg.errors.RaiseException),
    ],
    ids=lambda error: type(error.orig).__name__,
)
def test_what_the_database_refuses_for_its_content_is_the_events_own(error: DBAPIError) -> None:
    refusal = refusal_of(error)
    assert refusal is not None
    assert refusal.reason == "refused_by_database"
    assert refusal.detail.endswith("first line")


@pytest.mark.parametrize(
    "error",
    [KeyError("x"), TypeError("x"), ZeroDivisionError("x"), RecursionError("x"), AssertionError("x")],
    ids=lambda error: type(error).__name__,
)
def test_what_the_code_stumbles_over_is_the_events_own(error: Exception) -> None:
    refusal = refusal_of(error)
    assert refusal is not None
    assert refusal.reason == "unexpected_error"
    assert refusal.detail.startswith(f"{type(error).__name__} in ")


def test_it_is_told_with_the_last_line_of_our_own() -> None:
    with pytest.raises(AttributeError) as caught:
        KeyRecord.of(AccessGranted.model_construct(key_id="k"))  # type: ignore[call-arg]
    refusal = refusal_of(caught.value)
    assert refusal is not None
    assert refusal.detail.startswith("AttributeError in fourones_shared.access.keys:")
    assert "role" in refusal.detail


def test_a_value_that_cannot_be_bound_is_the_events_own() -> None:
    refusal = refusal_of(StatementError("no", "INSERT", None, ValueError("no such value")))
    assert refusal is not None
    assert refusal.reason == "unexpected_error"


@pytest.mark.parametrize(
    "error",
    [
        a_database_error(OperationalError, psycopg.OperationalError),
        a_database_error(OperationalError, psycopg.errors.DeadlockDetected),
        a_database_error(OperationalError, psycopg.errors.DiskFull),
        a_database_error(ProgrammingError, psycopg.errors.UndefinedColumn),
        a_database_error(ProgrammingError, psycopg.errors.InsufficientPrivilege),
        NoConnection("the pool is empty"),
        NoResultFound("no row"),
        StatementError("no", "INSERT", None, None),
        KafkaError("away"),
        CatalogueBehind(2, 1),
        Stop("enough"),
        OSError("no file handle is left"),
        MemoryError(),
        None,
    ],
    ids=lambda error: type(getattr(error, "orig", None) or error).__name__,
)
def test_what_would_strike_the_next_event_too_is_not(error: Exception | None) -> None:
    assert refusal_of(error) is None
