"""Targets, plans, indicators and observations with defaults, so that a test names only what it is about."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from fourones_alerting.domain.assessment import Assessment, assess
from fourones_alerting.domain.readings import Observation
from fourones_shared.catalogue.model import Baseline, Covers, Indicator, Kind, Plan, Reporting, Responsible, Target
from fourones_shared.domain.clock import SHANGHAI
from fourones_shared.domain.periods import Frequency, Period, end_of_day
from fourones_shared.events.model import Status

NAMES = {"320321": "丰县", "320322": "沛县", "320382": "邳州市", "xz-hidz": "徐州高新区"}


def a_plan(**changes: Any) -> Plan:
    given: dict[str, Any] = {
        "id": "p",
        "name": "方案",
        "start": date(2023, 1, 1),
        "end": date(2025, 12, 31),
        "source": "t",
    }
    return Plan(**(given | changes))


def an_indicator(frequency: str = "M", **changes: Any) -> Indicator:
    reporting = Reporting(about="city", frequency=Frequency(frequency), first=date(2020, 1, 1), due_days=10)
    given: dict[str, Any] = {
        "id": "i",
        "name": "指标",
        "name_en": "indicator",
        "unit": "家",
        "measure": "count",
        "kind": Kind.STOCK,
        "reporting": reporting,
        "source": "t",
    }
    return Indicator(**(given | changes))


def a_year_to_date_indicator(**changes: Any) -> Indicator:
    return an_indicator(kind=Kind.FLOW, covers=Covers.YEAR_TO_DATE, unit="亿元", **changes)


def a_target(**changes: Any) -> Target:
    """By the end of 2025, at least 100, from 0 at the end of 2024, by plan curve."""
    given: dict[str, Any] = {
        "id": "t",
        "plan": "p",
        "indicator": "i",
        "name": "某某企业数",
        "value": Decimal(100),
        "unit": "家",
        "by": "2025",
        "baseline": Baseline(period="2024", value=Decimal(0)),
        "responsible": Responsible(lead="gxj"),
        "source": "t",
    }
    if "per" in changes:
        given |= {"by": None, "baseline": None}
    return Target(**(given | changes))


def seen(period: str, value: str | int | None = None, **changes: Any) -> Observation:
    """A complete observation of that value, or with None a silent one, due ten days after the period's end."""
    parsed = Period.parse(period)
    given: dict[str, Any] = {
        "period": parsed,
        "value": None if value is None else Decimal(value),
        "complete": value is not None,
        "reported": 0 if value is None else 1,
        "expected": 1,
        "carried_value": None,
        "status": Status.NORMAL,
        "due_at": end_of_day(parsed.end + timedelta(days=10)),
        "version": 1,
    }
    return Observation(**(given | changes))


def partly_seen(period: str, value: str | int, carried: str | int | None, **changes: Any) -> Observation:
    """An observation of 11 out of 13, with the value that the two missing ones' last figures make it."""
    given: dict[str, Any] = {
        "complete": False,
        "reported": 11,
        "expected": 13,
        "carried_value": None if carried is None else Decimal(carried),
        "missing": ("320321", "320322"),
    }
    return seen(period, value, **(given | changes))


def on(day: str) -> datetime:
    """Noon of that day in Shanghai."""
    return datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=SHANGHAI)


def judged(
    *history: Observation,
    now: str,
    target: Target | None = None,
    indicator: Indicator | None = None,
    plan: Plan | None = None,
) -> Assessment:
    return assess(target or a_target(), plan or a_plan(), indicator or an_indicator(), history, on(now), names=NAMES)
