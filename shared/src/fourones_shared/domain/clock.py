"""Time as an input: whoever needs the present asks a `Clock`, and tests hand in a fixed one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")


class Clock(Protocol):
    """Tells the present moment, always with a time zone."""

    def now(self) -> datetime:
        """The present, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present, in UTC."""
        return datetime.now(UTC)


class FixedClock:
    """A clock that stands still until it is moved."""

    def __init__(self, moment: datetime) -> None:
        self.move_to(moment)

    def now(self) -> datetime:
        """The moment it was last set to, in UTC."""
        return self._moment

    def move_to(self, moment: datetime) -> None:
        """Set the present.

        Raises:
            ValueError: when the moment has no time zone.
        """
        if moment.tzinfo is None:
            raise ValueError("a clock needs a moment with a time zone")
        self._moment = moment.astimezone(UTC)

    def advance(self, by: timedelta) -> None:
        """Let time pass."""
        self._moment += by
