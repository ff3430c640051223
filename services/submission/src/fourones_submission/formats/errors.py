"""What a reader raises.

Unreadable    the body is not of its format at all: nothing in it can be checked
"""

from __future__ import annotations

from fourones_shared.errors import Rejected


class Unreadable(Rejected):
    """A body that cannot be parsed. Line and column count from 1."""

    def __init__(self, detail: str, line: int, column: int) -> None:
        super().__init__(detail)
        self.detail = detail
        self.line = line
        self.column = column
