"""A value beside the past of its own series: a falling year to date, a wrong unit, a jump.

Flows are compared by the indicator's own period: a year-to-date value by what has been added since the value before
it, and as a whole by its mean per period since 1 January. A test asks for a lot before it doubts: a warning that comes
every month is soon read by nobody.

Sources: the modified z-score of B. Iglewicz and D. Hoaglin, How to Detect and Handle Outliers (1993); for counts the
normal test of the difference of two Poisson counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from itertools import pairwise, zip_longest
from operator import itemgetter
from statistics import median, median_high, median_low

from fourones_shared.catalogue.model import Covers, Indicator, Kind
from fourones_shared.domain.periods import Frequency
from fourones_submission.domain.neighbours import Stretch
from fourones_submission.domain.units import slips_of
from fourones_submission.domain.wording import amount

# With fewer values there are no habits that could be broken.
FEWEST_FOR_A_JUMP = 4
# A flow may double or halve, and a stock grow by half, whatever the past was like; a share may move by five points.
ORDINARY_FOR_A_FLOW, ORDINARY_FOR_A_STOCK, ORDINARY_POINTS = Decimal(1), Decimal("0.5"), Decimal(5)
# As little as this many units of the last decimal is rounding and small change.
ORDINARY_LAST_DECIMALS = 10
# Two counts differ by chance by up to three standard deviations.
COUNT_DEVIATIONS = 3
# Iglewicz and Hoaglin: over 3.5 times the spread, for which 1.4826 median absolute deviations stand.
SPREAD, MOST_SPREADS = 1.4826, 3.5
# Nearer to the past than any slip of the unit, even if the one value covers a month and the other a year.
SURELY_NO_SLIP = Decimal(20)

_POINTS = frozenset({"%", "‰", "百分点", "分"})
_PER = {
    Frequency.YEAR: "每年",
    Frequency.HALF: "每半年",
    Frequency.QUARTER: "每季",
    Frequency.MONTH: "每月",
    Frequency.WEEK: "每周",
}
# Room for the largest value, ten thousand times as large, with all its decimals.
_ROUNDING = Context(prec=60, rounding=ROUND_HALF_EVEN)


Entry = tuple[Stretch, Decimal]
"""What a value of the series covers, and the value. A plain tuple, since every figure looks at ten of them."""


@dataclass(frozen=True, slots=True)
class Measure:
    """How an indicator's values are compared and shown.

    Attributes:
        may_fall: whether a year-to-date value may be less than the one before.
        is_flow: values are divided by the periods they cover.
        per: "each month" and the like, Chinese.
        points: the difference that is ordinary for shares; None where it is the relation that counts.
    """

    unit: str
    decimals: int
    year_to_date: bool
    may_fall: bool
    is_flow: bool
    per: str
    points: Decimal | None

    def near(self, one: Decimal, other: Decimal) -> bool:
        """Whether a change from the one to the other is ordinary for any series."""
        gap = abs(one - other)
        if self.points is not None:
            return gap <= self.points
        if gap <= min(abs(one), abs(other)) * (ORDINARY_FOR_A_FLOW if self.is_flow else ORDINARY_FOR_A_STOCK):
            return True
        if self.decimals == 0:
            return gap * gap <= COUNT_DEVIATIONS**2 * (abs(one) + abs(other))
        return gap <= Decimal(ORDINARY_LAST_DECIMALS).scaleb(-self.decimals)

    def level(self, entry: Entry) -> Decimal:
        """The value by the indicator's own period."""
        stretch, value = entry
        return value / stretch.parts if self.is_flow and stretch.parts > 1 else value

    def rounded(self, value: Decimal) -> Decimal:
        """As precise as the indicator's values."""
        return value.quantize(Decimal(1).scaleb(-self.decimals), context=_ROUNDING)

    def shown(self, value: Decimal) -> str:
        """A computed value with its unit; a mean of counts has one decimal."""
        return amount(value.quantize(Decimal(1).scaleb(-max(self.decimals, 1)), context=_ROUNDING), self.unit)


def measure_of(indicator: Indicator) -> Measure:
    """How the indicator's values are compared and shown."""
    return Measure(
        unit=indicator.unit,
        decimals=indicator.decimals,
        year_to_date=indicator.covers is Covers.YEAR_TO_DATE,
        may_fall=indicator.minimum is not None and indicator.minimum < 0,
        is_flow=indicator.kind is Kind.FLOW,
        per=_PER.get(indicator.reporting.frequency, ""),
        points=ORDINARY_POINTS if indicator.unit in _POINTS else None,
    )


def falls(this: Entry, past: Sequence[Entry], later: Sequence[Entry], measure: Measure) -> str | None:
    """What contradicts a year-to-date value among the values before and after it in its year; None where nothing does.

    A flow that may be negative may fall.
    """
    stretch, value = this
    if measure.may_fall or value < 0:
        return None
    before = [entry for entry in past if entry[1] > value and entry[0].year == stretch.year]
    if before:
        period, most = max(before, key=itemgetter(1))
        return (
            f"年初累计数 {amount(value, measure.unit)} 小于 {period.key} 已报的 {amount(most, measure.unit)}:"
            f"累计数不应减少,请核对是否误填了当期数,或先更正 {period.key}"
        )
    after = [entry for entry in later if entry[1] < value]
    if after:
        period, least = min(after, key=itemgetter(1))
        return (
            f"年初累计数 {amount(value, measure.unit)} 大于 {period.key} 已报的 {amount(least, measure.unit)}:"
            f"累计数不应减少,请核对本期数,或同时更正 {period.key}"
        )
    return None


def slips(this: Entry, past: Sequence[Entry], measure: Measure) -> str | None:
    """In which unit a value seems to be given, and what was likely meant; None where it seems right."""
    # The first and the last of the past settle nearly every figure.
    if not this[1] or not past or not (_is_far(this, past[0]) or _is_far(this, past[-1])):
        return None
    level = measure.level(this)
    levels = [usual for entry in past if (usual := measure.level(entry))]
    if not levels:
        return None
    # Where half of the past is in another unit, nobody can tell which half is right.
    low, high = median_low(levels), median_high(levels)
    for slip in slips_of(measure.unit):
        if slip.explains(level / low) and slip.explains(level / high) and slip.is_credible(levels):
            mean = f"(折合{measure.per} {measure.shown(level)})" if level != this[1] else " "
            meant = amount(measure.rounded(this[1] / slip.factor), measure.unit)
            return (
                f"{amount(this[1], measure.unit)}{mean}约为近期水平 {measure.shown(low)}(此前 {len(levels)} 期的中位数)"
                f"的 {slip.times},{slip.how},是否应为 {meant}?请核对单位"
            )
    return None


def is_ordinary(this: Entry, past: Sequence[Entry], measure: Measure) -> bool:
    """Whether a value is near the one before it, or there are too few to tell: this settles nearly every figure."""
    if len(past) < FEWEST_FOR_A_JUMP:
        return True
    return measure.near(_rate(this, past[0], measure), _rate(past[0], past[1], measure))


def jumps(this: Entry, past: Sequence[Entry], year_before: Sequence[Entry], measure: Measure) -> str | None:
    """What sets a value that is not ordinary apart from its past; None where nothing does.

    A jump is near none of the past values and not near the one of the year before, and beyond what they let expect.

    Args:
        this: the value in question.
        past: the values before it, the latest first.
        year_before: the same period's value a year before, and for the year to date the one before that.
        measure: of the indicator.
    """
    now, rates = _rate(this, past[0], measure), _rates(past, measure)
    year_ago = _rates(year_before, measure)[:1]
    if any(measure.near(now, rate) for rate in (*rates, *year_ago)) or not _breaks_the_habit(now, rates, measure):
        return None
    ago = f",上年同期为 {measure.shown(year_ago[0])}" if year_ago else ""
    return (
        f"{_what_was_compared(this[0], past[0][0], measure)} {measure.shown(now)} 与近期相差过大:此前 {len(rates)} 期在"
        f" {measure.shown(min(rates))} 至 {measure.shown(max(rates))} 之间,中位数 {measure.shown(median(rates))}{ago};"
        "请核对数值和单位,以及是否填错了行、集群或报告期"
    )


def _what_was_compared(this: Stretch, before: Stretch, measure: Measure) -> str:
    if measure.year_to_date and before.year == this.year:
        return f"自 {before.key} 以来的增加数(折合{measure.per})"
    if measure.is_flow and this.parts > 1:
        return f"本期数(折合{measure.per})"
    return "本期数"


def _is_far(one: Entry, other: Entry) -> bool:
    this, that = abs(one[1]), abs(other[1])
    return this > SURELY_NO_SLIP * that or that > SURELY_NO_SLIP * this


def _rates(past: Sequence[Entry], measure: Measure) -> list[Decimal]:
    """By the indicator's own period, the latest first."""
    return [_rate(entry, before, measure) for entry, before in zip_longest(past, past[1:])]


def _rate(entry: Entry, before: Entry | None, measure: Measure) -> Decimal:
    """The value of a period; for the year to date what was added since the value before, or since 1 January."""
    if not measure.year_to_date or before is None or before[0].year != entry[0].year:
        return measure.level(entry)
    added, parts = entry[1] - before[1], entry[0].parts - before[0].parts
    return added if parts == 1 else added / parts


def _breaks_the_habit(now: Decimal, rates: Sequence[Decimal], measure: Measure) -> bool:
    """Whether `now` is too far from what the past makes one expect, by median and median absolute deviation.

    A flow varies about its level, and what was added to a year to date is a flow; a stock or a share starts from where
    it was, so its changes are compared. Logarithms take binary floating point: it decides nothing but whether to warn.
    """
    relative = measure.points is None and now > 0 and min(rates) > 0
    scale = math.log if relative else float
    series = [scale(rate) for rate in reversed(rates)]
    base, habits = (0.0, series) if measure.is_flow else (series[-1], [b - a for a, b in pairwise(series)])
    usual = median(habits)
    spread = SPREAD * median(abs(habit - usual) for habit in habits)
    expected = base + usual
    if abs(scale(now) - expected) <= MOST_SPREADS * spread:
        return False
    return not measure.near(now, Decimal(math.exp(expected) if relative else expected))
