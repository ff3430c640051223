"""What is known of an indicator's value in a scope and a period at a moment: what every computed answer is made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from fourones_aggregation.domain.scopes import Scope
from fourones_shared.events.model import Status


class Ask(NamedTuple):
    """Which value; the period by its canonical key."""

    indicator: str
    period: str
    scope: Scope


@dataclass(frozen=True, slots=True)
class Fact:
    """A value with its coverage, of an open period. One that has not opened has no fact.

    Attributes:
        value: in the indicator's unit; None where nothing is reported, or nothing can be computed.
        status: the weakest among what it is made of; None with the value.
        reported, expected: the coverage.
        missing: up to 50 of those expected and not reported.
        version: rises with every change.
        recorded_at: when the latest change was made.
        due_at: when the last of it is due.
        through: key of the last period in the value; None where it is the fact's own, or without a value.
    """

    value: Decimal | None
    status: Status | None
    reported: int
    expected: int
    missing: tuple[str, ...] = ()
    version: int = 0
    recorded_at: datetime | None = None
    due_at: datetime | None = None
    through: str | None = None

    @property
    def complete(self) -> bool:
        """Whether everything expected is reported. Nothing expected (it does not apply) is complete without a value."""
        return self.reported >= self.expected
