"""Moments: what was known then. A moment fixes figures, duties, roll-ups, catalogue and clock.

A token `aggregation:<snapshot>@<unix ms>` names one exactly; a time (RFC 3339) names the last snapshot taken by then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fourones_shared import asof
from fourones_shared.asof import Asked, NotAMoment, whole_milliseconds

__all__ = ["SERVICE", "Asked", "Moment", "NotAMoment", "read_as_of", "token", "whole_milliseconds"]

SERVICE = "aggregation"


@dataclass(frozen=True, slots=True)
class Moment:
    """A state of this service.

    Attributes:
        snapshot: the number of the last batch in it.
        taken_at: when that batch was stamped. After a restore a number is given again, at another time.
        at: the clock by which due dates are judged (UTC, whole milliseconds).
        catalogue_version: the version in force; 0 before the first.
        is_past: whether there is a later one, so that it is read from what is kept of the past.
    """

    snapshot: int
    taken_at: datetime
    at: datetime
    catalogue_version: int
    is_past: bool

    @property
    def token(self) -> str:
        """Names this moment; asking with it gives the same answer again."""
        return token(self.snapshot, self.at)

    @property
    def as_of(self) -> int | None:
        """The snapshot for readers of the past; None reads the newest state."""
        return self.snapshot if self.is_past else None


def read_as_of(text: str) -> Asked:
    """Read a token of this service, or a time.

    Raises:
        NotAMoment: when it is neither, or another service's token.
    """
    return asof.read_as_of(text, SERVICE)


def token(snapshot: int, at: datetime) -> str:
    """The name of the moment with that snapshot and clock."""
    return asof.token(SERVICE, snapshot, at)
