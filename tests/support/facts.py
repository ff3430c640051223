"""Facts with defaults: one reporter of one, complete and normal."""

from datetime import datetime
from decimal import Decimal

from fourones_aggregation.domain.facts import Fact
from fourones_shared.domain.periods import Period
from fourones_shared.events.model import Status


def a_fact(
    value: str | int | Decimal | None,
    *,
    reported: int | None = None,
    expected: int = 1,
    missing: tuple[str, ...] | None = None,
    status: Status | None = Status.NORMAL,
    version: int = 1,
    recorded_at: datetime | None = None,
    due_at: datetime | None = None,
    through: str | None = None,
) -> Fact:
    """A fact; without other word everybody has reported, or nobody where there is no value."""
    reported = (0 if value is None else expected) if reported is None else reported
    names = tuple(f"county-{i}" for i in range(expected - reported)) if missing is None else missing
    return Fact(
        value=None if value is None else Decimal(value),
        status=None if value is None else status,
        reported=reported,
        expected=expected,
        missing=names,
        version=version,
        recorded_at=recorded_at,
        due_at=due_at,
        through=through,
    )


def months(*keys: str) -> tuple[Period, ...]:
    """Periods by their keys."""
    return tuple(Period.parse(key) for key in keys)
