"""What a reader raises.

Unreadable    the body is not of its format at all: nothing in it can be checked
Unusable      one cell holds something else than it should: told as a fault, and the others are read
"""

from __future__ import annotations

from fourones_shared.errors import Rejected


class Unreadable(Rejected):
    """A body that cannot be parsed. Line and column count from 1; a body without lines has none."""

    def __init__(self, detail: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.line = line
        self.column = column


class Unusable(Rejected):
    """A cell whose content cannot be taken as what it should be."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
