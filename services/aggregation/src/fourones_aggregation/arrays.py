"""PostgreSQL array literals, on which the hot path's speed rests.

A literal costs a third of what the driver's adaptation of a list does, see docs/decisions/0007.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import TypeVar

Value = TypeVar("Value")


def numbers(values: Iterable[int | Decimal | None]) -> str:
    """An array of integers or decimals."""
    # No number is spelt with the letters of None.
    return "{" + ",".join(map(str, values)).replace("None", "NULL") + "}"


def booleans(values: Iterable[bool]) -> str:
    """An array of booleans."""
    return "{" + ",".join(["t" if v else "f" for v in values]) + "}"


def days(values: Iterable[date | datetime | None]) -> str:
    """An array of days, or of moments with their zone."""
    return _spelt_once(values, lambda v: v.isoformat())


def texts(values: Iterable[str | None]) -> str:
    """An array of texts of any content; PostgreSQL cannot keep U+0000, which becomes U+FFFD."""
    return _spelt_once(values, _quoted)


def _spelt_once(values: Iterable[Value | None], spell: Callable[[Value], str]) -> str:
    # A column of a batch has few different values: statuses, submissions, the moments at which these came.
    listed = list(values)
    spelt = {v: "NULL" if v is None else spell(v) for v in set(listed)}
    return "{" + ",".join([spelt[v] for v in listed]) + "}"


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\0", "\ufffd") + '"'
