from typing import Any

import psycopg
import pytest
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InternalError, OperationalError, ProgrammingError

from fourones_shared.database.engine import is_transient


def an_error(kind: type[DBAPIError], original: type[psycopg.Error], **changes: Any) -> DBAPIError:
    return kind("SELECT 1", None, original("words"), **changes)


@pytest.mark.parametrize(
    "error",
    [
        an_error(OperationalError, psycopg.OperationalError),
        an_error(OperationalError, psycopg.errors.DeadlockDetected),
        an_error(OperationalError, psycopg.errors.SerializationFailure),
        an_error(OperationalError, psycopg.errors.AdminShutdown),
        an_error(OperationalError, psycopg.errors.LockNotAvailable),
        an_error(OperationalError, psycopg.errors.DiskFull),
        an_error(InternalError, psycopg.InternalError, connection_invalidated=True),
    ],
    ids=lambda error: type(error.orig).__name__,
)
def test_what_passes_is_transient(error: DBAPIError) -> None:
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        an_error(IntegrityError, psycopg.errors.UniqueViolation),
        an_error(DataError, psycopg.errors.NumericValueOutOfRange),
        an_error(ProgrammingError, psycopg.errors.UndefinedTable),
        an_error(OperationalError, psycopg.errors.ProgramLimitExceeded),
        ZeroDivisionError(),
    ],
    ids=lambda error: type(getattr(error, "orig", error)).__name__,
)
def test_what_stays_is_not(error: BaseException) -> None:
    assert not is_transient(error)
