"""What the service knows of figures that are there already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from fourones_shared.events.model import Status


class Series(NamedTuple):
    """One organisation's indicator and period (canonical); its figures stand by cluster, `_T` without."""

    org: str
    indicator: str
    period: str


@dataclass(frozen=True, slots=True)
class KnownFigure:
    """A current figure.

    Attributes:
        value: None when it is declared missing or not applicable.
        sequence: of the submission it came with.
        since: when a value first stood here; None before there was one.
    """

    value: Decimal | None
    status: Status
    sequence: int
    since: datetime | None


Known = Mapping[Series, Mapping[str, KnownFigure]]
"""Current figures by cluster; series without any are absent."""

Values = Mapping[Series, Mapping[str, Decimal]]
"""Current values by cluster; what is declared missing or not applicable is absent."""
