"""How targets stand: their stored verdicts with the last stretch of red, read in one statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from fourones_alerting.domain.verdicts import Light, Verdict


@dataclass(frozen=True, slots=True)
class Standing:
    """What is stored about a target.

    Attributes:
        departments: who answers for it.
        latest_period: the latest period that should be known; `period` is the judged one.
        overdue: figures of the latest due period that have not come.
        traceparent: trace context of the request that moved its verdict last.
        episode: number of its last stretch of red; None when it was never red.
        began_at, ended_at: of that stretch; it goes on while `ended_at` is None.
    """

    target: str
    verdict: Verdict
    light: Light
    period: str
    latest_period: str
    departments: tuple[str, ...]
    explanation: str
    overdue: int
    missing: tuple[str, ...]
    value: Decimal | None
    due_value: Decimal | None
    target_value: Decimal
    gap: Decimal | None
    months_behind: Decimal | None
    forecast: Decimal | None
    contributions: Any
    episode: int | None
    began_at: datetime | None
    began_in: str | None
    ended_at: datetime | None
    traceparent: str | None = None

    @property
    def is_red(self) -> bool:
        """Whether it is red now."""
        return self.light is Light.RED and self.episode is not None and self.ended_at is None

    @property
    def has_recovered(self) -> bool:
        """Whether it is green or yellow now; grey is neither red nor recovered."""
        return self.light in {Light.GREEN, Light.YELLOW}


def read_standings(connection: Connection, targets: Sequence[str]) -> dict[str, Standing]:
    """How these targets stand, by target; one that is not judged, or no longer, is left out."""
    return {row["target"]: _standing(row) for row in connection.execute(_READ, {"targets": targets}).mappings()}


def red_for(connection: Connection, now: datetime, long: timedelta) -> dict[str, Standing]:
    """The targets that have been red for so long with the verdict of the period they are judged at."""
    found = connection.execute(_RED_SINCE_BEFORE, {"before": now - long}).mappings()
    return {row["target"]: _standing(row) for row in found}


def _standing(row: Mapping[Any, Any]) -> Standing:
    return Standing(
        target=row["target"],
        verdict=Verdict(row["verdict"]),
        light=Light(row["light"]),
        period=row["period"],
        latest_period=row["inputs"].get("latest_period", row["period"]),
        departments=tuple(row["departments"]),
        explanation=row["explanation"],
        overdue=row["overdue"],
        missing=tuple(row["missing"]),
        value=row["value"],
        due_value=row["due_value"],
        target_value=row["target_value"],
        gap=row["gap"],
        months_behind=row["months_behind"],
        forecast=row["forecast"],
        contributions=row["contributions"],
        episode=row["episode"],
        began_at=row["began_at"],
        began_in=row["began_in"],
        ended_at=row["ended_at"],
        traceparent=row["traceparent"],
    )


_STANDING = """
    SELECT assessment.*, episode.number AS episode, episode.began_at, episode.began_in, episode.ended_at
    FROM assessment
    LEFT JOIN LATERAL (
        SELECT * FROM episode WHERE episode.target = assessment.target ORDER BY number DESC LIMIT 1
    ) AS episode ON true
"""
_READ = text(f"{_STANDING} WHERE assessment.target = ANY(:targets)")
# A verdict that says it of an earlier period, or says something else, ended when another replaced it; since then the
# present period has been red, whatever figures have moved meanwhile.
_RED_SINCE_BEFORE = text(
    f"""
    {_STANDING}
    WHERE assessment.light = 'red' AND episode.ended_at IS NULL AND episode.began_at <= :before
    AND NOT EXISTS (
        SELECT FROM assessment_revision AS past
        WHERE past.target = assessment.target AND past.replaced_at > :before
        AND NOT (past.light = 'red' AND past.period = assessment.period)
    )
    ORDER BY assessment.target
    """
)
