"""Exact decimals from the request to the answer; binary floating point appears only in the metrics."""

from __future__ import annotations

import re
from decimal import Decimal

from fourones_shared.errors import InvalidNumber

# PostgreSQL's numeric keeps far more; a figure with more digits than this is a slip, and bounding it
# keeps every sum of ten million figures exact in Python's default 28-digit context and beyond.
MAX_INTEGER_DIGITS = 18
MAX_DECIMALS = 10

_DECIMAL = re.compile(r"^[+-]?(\d+)(?:\.(\d+))?\Z", re.ASCII)


def parse_decimal(text: str) -> Decimal:
    """Read an exact decimal such as `"123.4"`; no exponent, no separators, no infinities.

    Raises:
        InvalidNumber: when the text is anything else, or has more than 18 digits before or 10 after the point.
    """
    match = _DECIMAL.match(text)
    if match is None:
        raise InvalidNumber(f"{text!r} is not a decimal number")
    if len(match[1].lstrip("0")) > MAX_INTEGER_DIGITS or len(match[2] or "") > MAX_DECIMALS:
        raise InvalidNumber(
            f"{text!r} has more than {MAX_INTEGER_DIGITS} digits before or {MAX_DECIMALS} after the point"
        )
    return Decimal(text)


def format_decimal(value: Decimal) -> str:
    """Write a decimal in its one canonical form: no exponent, no trailing zeros, no negative zero."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def decimals_of(value: Decimal) -> int:
    """How many decimal places the value needs, trailing zeros not counted."""
    _, _, fraction = format_decimal(value).partition(".")
    return len(fraction)
