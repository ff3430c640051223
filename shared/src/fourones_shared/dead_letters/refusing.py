"""Which errors are an event's own: raised again by every repetition, and only by this event.

Everything else – a database that is away, a table that a migration has yet to make, a process out of memory – would
strike the next event too, and setting events aside for it would only empty the topic.
"""

from __future__ import annotations

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError

from fourones_shared.errors import DeadLetter

# What code raises on data that it did not expect; a slip of a release, which may strike one event or all of them, and
# the limit of dead letters tells the two apart.
_OF_DATA = (ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
# SQLSTATE classes: cardinality, data and integrity violations, check options, program limits, raised by a trigger.
_STATES = frozenset({"21", "22", "23", "44", "54", "P0"})
# The reason is for a person; a schema's complaints about five thousand figures would be megabytes.
LONGEST_DETAIL = 2_000


def refusal_of(error: BaseException | None) -> DeadLetter | None:
    """Why the event can never be applied; None when the error is not the event's own."""
    if isinstance(error, DeadLetter):
        return error
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None) or ""
        if isinstance(error, DataError | IntegrityError) or state[:2] in _STATES:
            return DeadLetter("refused_by_database", first_line(error))
        return None
    if isinstance(error, StatementError):
        # The driver never saw it: a value that cannot be bound.
        return refusal_of(error.orig)
    if isinstance(error, _OF_DATA):
        words = " ".join(str(error).split())
        return DeadLetter("unexpected_error", f"{type(error).__name__} in {_place_of(error)}: {words}")
    return None


def first_line(error: BaseException) -> str:
    """What an error says, in one line."""
    return (str(error).splitlines() or [""])[0] or type(error).__name__


def _place_of(error: BaseException) -> str:
    # The last line of our own is what must be mended, not the library's that it called.
    place = "no place"
    at = error.__traceback__
    while at is not None:
        module = str(at.tb_frame.f_globals.get("__name__"))
        if module.startswith("fourones"):
            place = f"{module}:{at.tb_lineno}"
        at = at.tb_next
    return place
