"""What a county can be asked to report, as the APIs tell it, and values that nobody doubts."""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

TOTAL = "_T"
# A value moves by up to one percent when it is sent again: less than what a month adds to a year.
_VARIANTS = 1_000
_A_VARIANT = 1e-5
_MONTHS_BY_LETTER = {"S": 6, "Q": 3, "M": 1}
_PERIOD = re.compile(
    r"(?P<year>\d{4})(?:-(?P<letter>[SQM])(?P<number>\d{1,2})|-W(?P<week>\d{2})|-(?P<month>\d{2})|"
    r"-(?P<first>\d{2})-\d{2}/P(?P<months>\d+)M)?"
)


@dataclass(frozen=True, slots=True)
class Cell:
    """What identifies a figure within its organisation."""

    indicator: str
    cluster: str
    period: str


@dataclass(frozen=True, slots=True)
class Duty:
    """A figure that an organisation has to report about itself.

    Attributes:
        year_to_date: it covers its year from January on.
        maximum: the largest value that is admitted.
        justified: some doubts about it must be answered.
    """

    org: str
    cell: Cell
    unit: str
    decimals: int
    year_to_date: bool
    maximum: float | None
    justified: bool

    def value(self, chance: random.Random) -> str:
        """A decimal: near the one of every other call, in line with the periods before and after it."""
        spread = zlib.crc32(f"{self.org} {self.cell.indicator} {self.cell.cluster}".encode()) % 1000 / 1000
        level = 100 + 400 * spread if self.maximum is None else self.maximum * (0.3 + 0.3 * spread)
        if self.year_to_date:
            level *= share_of_the_year(self.cell.period)
        scaled = round(level * (1 + chance.randrange(_VARIANTS) * _A_VARIANT) * 10**self.decimals)
        if not self.decimals:
            return str(scaled)
        return f"{scaled // 10**self.decimals}.{scaled % 10**self.decimals:0{self.decimals}d}"

    def figure(self, value: str) -> dict[str, Any]:
        """As it is posted."""
        figure: dict[str, Any] = {"indicator": self.cell.indicator, "period": self.cell.period, "value": value}
        if self.cell.cluster != TOTAL:
            figure["cluster"] = self.cell.cluster
        if self.justified:
            figure["justification"] = "负荷测试的虚拟数据"
        return figure | {"unit": self.unit, "note": "负荷测试"}


def duties_of(org: str, obligations: Iterable[Mapping[str, Any]], catalogue: Mapping[str, Any]) -> list[Duty]:
    """What an organisation reports about itself and may report now, the newest period first.

    Args:
        org: whose obligations they are.
        obligations: items of `GET /v1/obligations?reporter=`.
        catalogue: as `GET /v1/catalogue` tells it.
    """
    indicators = {indicator["id"]: indicator for indicator in catalogue["indicators"]}
    owed = [
        item for item in obligations if item["org"] == org and not item["locked"] and item["state"] != "not_applicable"
    ]
    # The newest period of a series may not have ended yet: a value of it would say nothing.
    newest: dict[tuple[str, str], str] = {}
    for item in owed:
        series = item["indicator"], item["cluster"]
        newest[series] = max(newest.get(series, ""), item["period"])
    return [
        _duty(item, indicators[item["indicator"]])
        for item in sorted(owed, key=lambda item: item["period"], reverse=True)
        if item["period"] != newest[item["indicator"], item["cluster"]]
    ]


def _duty(item: Mapping[str, Any], indicator: Mapping[str, Any]) -> Duty:
    maximum = indicator.get("maximum")
    return Duty(
        org=item["org"],
        cell=Cell(item["indicator"], item["cluster"], item["period"]),
        unit=indicator["unit"],
        decimals=int(indicator["decimals"]),
        year_to_date=indicator["covers"] == "year-to-date",
        maximum=None if maximum is None else float(maximum),
        justified=bool((indicator.get("plausibility") or {}).get("justify")),
    )


def share_of_the_year(period: str) -> float:
    """How much of its year is over at the end of a period: of `2026-03` a quarter."""
    found = _PERIOD.fullmatch(period)
    if found is None:
        return 1.0
    if found["letter"]:
        return int(found["number"]) * _MONTHS_BY_LETTER[found["letter"]] / 12
    if found["week"]:
        return min(1.0, int(found["week"]) / 52)
    if found["month"]:
        return int(found["month"]) / 12
    if found["first"]:
        return min(1.0, (int(found["first"]) - 1 + int(found["months"])) / 12)
    return 1.0
