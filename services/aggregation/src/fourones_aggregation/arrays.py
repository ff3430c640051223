"""PostgreSQL array literals, on which the hot path's speed rests.

A literal costs a third of what the driver's adaptation of a list does, see docs/decisions/0007.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal


def numbers(values: Iterable[int | Decimal | None]) -> str:
    """An array of integers or decimals."""
    return "{" + ",".join(["NULL" if v is None else str(v) for v in values]) + "}"


def booleans(values: Iterable[bool]) -> str:
    """An array of booleans."""
    return "{" + ",".join(["t" if v else "f" for v in values]) + "}"


def days(values: Iterable[date | datetime | None]) -> str:
    """An array of days, or of moments with their zone."""
    return "{" + ",".join(["NULL" if v is None else v.isoformat() for v in values]) + "}"


def texts(values: Iterable[str | None]) -> str:
    """An array of texts of any content; PostgreSQL cannot keep U+0000, which becomes U+FFFD."""
    return "{" + ",".join(["NULL" if v is None else _quoted(v) for v in values]) + "}"


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\0", "\ufffd") + '"'
