"""What is made up: so many counties with so many indicators over so many years, and what their values truly are.

A value depends on the seed, its county, its indicator and its month, and on nothing else: more counties, more years or
a later day only add to what was there. All arithmetic is on integers, so that the same seed gives the same bytes on
every machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from itertools import accumulate

from fourones_shared.domain.periods import Frequency, Period, period_of

PREFIX = "sim-"
MARK = "「模拟」"
NOTE = "模拟数据"
PREPARED_BY = "模拟"

MILLE = 1000
_MILLION = 1_000_000
# Growth is counted from here, whatever years are asked for.
_EPOCH = 2020

# Shares of the year by month, in thousandths: a slow start, quarter-ends, a strong December.
_SEASON = (66, 58, 87, 79, 82, 93, 80, 81, 91, 84, 90, 109)
# In thousandths: counties are of unlike size, and strong in unlike things; years and months differ by chance.
_SIZE, _MIX, _GROWTH, _YEAR, _MONTH = (200, 3000), (600, 1400), (-20, 140), (-30, 30), (-80, 80)
# The mean of size and mix, for what a target may ask of all counties together.
_MEAN_SIZE = (_SIZE[0] + _SIZE[1]) // 2


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of indicator.

    Attributes:
        typical: a year's value of a middling county, in the unit.
        together: whether January and February are reported together.
    """

    name: str
    name_en: str
    unit: str
    decimals: int
    typical: int
    together: bool

    @property
    def typical_units(self) -> int:
        """The same in smallest units."""
        return self.typical * int(10**self.decimals)


_KINDS = (
    Kind("规上工业产值", "industrial output", "亿元", 2, 420, together=True),
    Kind("新签约项目", "projects signed", "个", 0, 60, together=False),
    Kind("研发投入", "research and development expenditure", "亿元", 4, 9, together=False),
    Kind("技术合同成交额", "technology contracts", "万元", 2, 52_000, together=False),
    Kind("固定资产投资", "fixed-asset investment", "亿元", 2, 180, together=True),
    Kind("新增规上企业", "new enterprises above the threshold", "家", 0, 36, together=False),
    Kind("集群产品出口额", "exports of the clusters", "万美元", 2, 8_600, together=False),
    Kind("发明专利授权", "invention patents granted", "件", 0, 240, together=False),
)


@dataclass(frozen=True, slots=True)
class Shares:
    """How often something is not as it should be, as fractions.

    Attributes:
        revised: figures that are first reported provisionally, and otherwise.
        late: reports of a county for a month that come one or two months late.
        missing: figures that are declared missing.
    """

    revised: Decimal = Decimal("0.03")
    late: Decimal = Decimal("0.05")
    missing: Decimal = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class World:
    """One simulation.

    Attributes:
        last: the last month that is reported.
        years: how many calendar years, that of the last month among them.
        today: a month that has not ended by then is reported provisionally.
    """

    seed: int
    counties: int
    indicators: int
    years: int
    last: Period
    today: date
    shares: Shares = Shares()

    @property
    def first(self) -> date:
        """The day the first month begins."""
        return date(self.last.year - self.years + 1, 1, 1)

    @property
    def county_ids(self) -> Iterator[str]:
        """`sim-county-0001` and so on."""
        return (f"{PREFIX}county-{number:04d}" for number in range(1, self.counties + 1))

    @property
    def measured(self) -> Sequence[Measured]:
        """What is reported."""
        return [Measured(place, _KINDS[place % len(_KINDS)]) for place in range(self.indicators)]

    @property
    def seen_from(self) -> Period:
        """The month by which everything that is in it was sent; what came later is not there yet."""
        return self.last if self.last.end >= self.today else self.last.next()


@dataclass(frozen=True, slots=True)
class Measured:
    """One synthetic indicator, by its place from 0."""

    place: int
    kind: Kind

    @property
    def id(self) -> str:
        """`sim-indicator-01` and so on."""
        return f"{PREFIX}indicator-{self.place + 1:02d}"

    def typical_year(self, year: int) -> int:
        """What a middling county makes of it in a year, in smallest units."""
        growth = MILLE + sum(_GROWTH) // 2
        grown = _powered(growth, year - _EPOCH)
        return self.kind.typical_units * _MEAN_SIZE * grown // (MILLE * _MILLION)


def month_of(day: date) -> Period:
    """The month that a day lies in."""
    return period_of(Frequency.MONTH, day)


@lru_cache(maxsize=4096)
def months_of(seed: int, county: str, measured: Measured, year: int) -> tuple[int, ...]:
    """The true values of a year's twelve months, in smallest units."""
    about = (seed, county, measured.id)
    size = between(_SIZE, seed, county, "size") * between(_MIX, *about, "mix")
    growth = MILLE + between(_GROWTH, *about, "growth")
    shock = MILLE + between(_YEAR, *about, year)
    whole = measured.kind.typical_units * size * _powered(growth, year - _EPOCH) * shock
    # Size and mix are thousandths, growth millionths, the shock thousandths; season and month are thousandths again.
    return tuple(
        whole * season * (MILLE + between(_MONTH, *about, year, month)) // MILLE**7
        for month, season in enumerate(_SEASON, start=1)
    )


def year_to_date(seed: int, county: str, measured: Measured, period: Period) -> tuple[int, int]:
    """The true value from January to the end of a month, and the month's own part of it, in smallest units."""
    months = months_of(seed, county, measured, period.year)
    return tuple(accumulate(months))[period.start.month - 1], months[period.start.month - 1]


def between(limits: tuple[int, int], *about: object) -> int:
    """A number within the limits, inclusive, that depends on what it is about."""
    low, high = limits
    return low + _drawn(about) % (high - low + 1)


def happens(share: Decimal, *about: object) -> bool:
    """Whether something of that likelihood is the case."""
    return _drawn(about) % _MILLION < int(share * _MILLION)


def _drawn(about: tuple[object, ...]) -> int:
    return int.from_bytes(blake2b(":".join(map(str, about)).encode(), digest_size=8).digest())


@lru_cache(maxsize=4096)
def _powered(mille: int, years: int) -> int:
    """A growth in thousandths over some years, in millionths."""
    value = _MILLION
    for _ in range(abs(years)):
        value = value * mille // MILLE if years > 0 else value * MILLE // mille
    return value
