"""The Chinese sentence that goes with an assessment: what was reached, what was due, how far behind, and why so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from fourones_alerting.domain.comparators import beyond
from fourones_alerting.domain.contributions import Ground
from fourones_alerting.domain.verdicts import Verdict
from fourones_shared.catalogue.model import TOTAL, Cadence, Comparator, Covers, Indicator, Target
from fourones_shared.domain.numbers import format_decimal
from fourones_shared.domain.periods import Frequency, Period
from fourones_shared.domain.ways import sense_of, to_decimal
from fourones_shared.events.model import Status

if TYPE_CHECKING:
    from fourones_alerting.domain.assessment import Assessment
    from fourones_alerting.domain.cadences import Tally
    from fourones_alerting.domain.contributions import Contribution, Contributions

# A message has room for a handful of names; the whole list is in the answer's own field.
MOST_NAMES = 8
# Three are enough to know whom to call; all are in the answer's own field.
MOST_PARTS = 3

_VERDICTS = {
    Verdict.ACHIEVED: "绿灯，已达成",
    Verdict.ON_TRACK: "绿灯，按序时推进",
    Verdict.LAGGING: "黄灯，进度滞后",
    Verdict.OFF_TRACK: "红灯，偏离目标",
    Verdict.DETERIORATING: "红灯，与目标背道而行",
    Verdict.NO_DATA: "灰灯，无数据",
    Verdict.NOT_ASSESSABLE: "灰灯，暂不研判",
}
_COMPARATORS = {
    Comparator.AT_LEAST: "不低于{}",
    Comparator.MORE_THAN: "超过{}",
    Comparator.AT_MOST: "不超过{}",
    Comparator.LESS_THAN: "低于{}",
    Comparator.ABOUT: "{}左右",
}
_CADENCES = {Cadence.YEAR: "每年", Cadence.QUARTER: "每季度", Cadence.MONTH: "每月", Cadence.WEEK: "每周"}
_CADENCE_UNITS = {Cadence.QUARTER: "个季度", Cadence.MONTH: "个月", Cadence.WEEK: "周"}
_SOFTNESS = {Status.PROVISIONAL: "暂定数", Status.ESTIMATED: "估计数", Status.FORECAST: "预计数"}


@dataclass(frozen=True, slots=True)
class Telling:
    """What the sentence needs beside the assessment.

    Attributes:
        judged: the period judged.
        latest: the latest period that should be known.
        reported_value: what was reported for the judged period, before missing reporters' values were put in.
        names: Chinese names by id.
        contributions: what the gap is made of.
        inputs: the indicators that a derived one is computed from, by id.
        fault: what is wrong with the target itself.
    """

    target: Target
    indicator: Indicator
    judged: Period
    latest: Period
    reported_value: Decimal | None = None
    status: Status = Status.NORMAL
    tally: Tally | None = None
    notes: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    contributions: Contributions | None = None
    inputs: Mapping[str, Indicator] = field(default_factory=dict)
    fault: str | None = None


def explain(assessment: Assessment, telling: Telling) -> str:
    """One paragraph in Chinese, complete sentences, numbers with units."""
    return "".join(f"{sentence}。" for sentence in _sentences(assessment, telling))


def period_in_chinese(period: Period, covers: Covers = Covers.PERIOD) -> str:
    """`2025-10` as 2025年10月; for a year-to-date value 2025年1—10月."""
    year = period.year
    match period.frequency:
        case Frequency.YEAR:
            return f"{year}年"
        case Frequency.HALF:
            return f"{year}年{'上' if period.start.month == 1 else '下'}半年"
        case Frequency.QUARTER if covers is Covers.PERIOD or period.start.month == 1:
            return f"{year}年第{period.end.month // 3}季度"
        case Frequency.WEEK:
            return f"{year}年第{int(period.key[-2:])}周"
        case Frequency.RANGE if period.start.year != period.end.year:
            return f"{period.start.year}年{period.start.month}月—{period.end.year}年{period.end.month}月"
    first = 1 if covers is Covers.YEAR_TO_DATE else period.start.month
    months = f"{period.end.month}月" if first == period.end.month else f"{first}—{period.end.month}月"
    return f"{year}年{months}"


def _sentences(assessment: Assessment, telling: Telling) -> Iterator[str]:
    yield f"【{_VERDICTS[assessment.verdict]}】{_subject(telling)}：{_reached(assessment, telling)}"
    yield f"目标：{_promise(telling)}"
    if assessment.final:
        outcome = "按期达成" if assessment.verdict is Verdict.ACHIEVED else "到期未达成"
        yield f"已过目标期限，{outcome}，此为最终结论"
    if telling.contributions is not None:
        yield from _made_of(telling.contributions, telling)
    yield from _doubts(assessment, telling)
    if telling.tally is not None and telling.target.per in _CADENCE_UNITS:
        unit, count = _CADENCE_UNITS[telling.target.per], telling.tally
        yield f"当年应评{count.judged}{unit}，达标{count.met}{unit}，最长连续{count.longest_gap}{unit}未达标"
    if assessment.disagreement:
        yield "不同研判方法的结论不一致，见分方法结果"
    if telling.target.remark:
        yield f"备注：{_ended(telling.target.remark)}"
    if telling.notes:
        yield f"报送说明：{_ended('；'.join(_ended(note) for note in telling.notes))}"
    if telling.target.synthetic:
        yield "演示数据，非真实情况"


def _subject(telling: Telling) -> str:
    parts = [telling.names.get(code, code) for code in (telling.target.org, telling.target.cluster) if code != TOTAL]
    scope = "、".join(part for part in parts if part not in telling.target.name)
    return f"{telling.target.name}（{scope}）" if scope else telling.target.name


def _reached(assessment: Assessment, telling: Telling) -> str:
    when = period_in_chinese(telling.judged, telling.indicator.covers)
    if telling.fault is not None:
        return f"目标设定有误，不能研判（{telling.fault}）"
    if assessment.value is None:
        owed = "尚无数据" if assessment.verdict is Verdict.NO_DATA else "无须报送"
        return f"{when}{owed}"
    said = f"{when}完成{_amount(assessment.value, telling)}"
    if assessment.verdict is Verdict.NO_DATA:
        return f"{said}，报送不全，不作研判"
    return said + _against_the_curve(assessment, telling)


def _against_the_curve(assessment: Assessment, telling: Telling) -> str:
    said = ""
    if assessment.attainment is not None:
        said += f"，完成进度{_percent(assessment.attainment)}"
    by_curve = assessment.due_value is not None and assessment.due_value != assessment.target_value
    if by_curve and assessment.due_value is not None:
        said += f"，按序时进度应为{_amount(assessment.due_value, telling)}"
    elif assessment.verdict is Verdict.NOT_ASSESSABLE:
        said += "，无可比基期，到期前不作研判"
    if assessment.gap:
        line = "序时进度" if by_curve else "目标"
        amount = _amount(abs(assessment.gap), telling)
        said += f"，距{line}还差{amount}" if assessment.gap > 0 else f"，优于{line}{amount}"
    if assessment.value is not None:
        said += _too_far(assessment.value, telling)
    if assessment.months_behind:
        said += f"，落后约{format_decimal(assessment.months_behind)}个月"
    if assessment.forecast is not None and not assessment.final and assessment.verdict is not Verdict.ACHIEVED:
        said += f"，照此趋势到期约为{_amount(assessment.forecast, telling)}"
        if assessment.forecast_low is not None and assessment.forecast_high is not None:
            low, high = (_amount(bound, telling) for bound in (assessment.forecast_low, assessment.forecast_high))
            said += f"（八成可能在{low}至{high}之间）"
    return said


def _made_of(found: Contributions, telling: Telling) -> Iterator[str]:
    behind = [part for part in found.parts if part.gap is not None and part.gap > 0]
    named = behind[:MOST_PARTS]
    more = f"等{len(behind)}{_counted(telling)}" if len(behind) > len(named) else ""
    match found.ground:
        case Ground.LAST_YEAR_SHARES if named:
            yield f"按上年同期占比分解，差距主要来自：{'、'.join(_lacking(p, telling) for p in named)}{more}"
        case Ground.OWN_LAST_VALUES:
            if named:
                falls = "、".join(_fallen(part, telling) for part in named)
                yield f"上年同期分项数据不全，不作占比分解；比自身上期退步最多的：{falls}{more}"
            if found.missing:
                codes = "、".join(telling.names.get(code, code) for code in found.missing[:MOST_NAMES])
                yield f"尚缺数据、未能分解的：{codes}"
        case Ground.BELOW_THRESHOLD if named:
            count = f"等{len(behind)}个" if more else ""
            yield f"未达标的集群中最接近的：{'、'.join(_below(part, telling) for part in named)}{count}"
        case Ground.CHANGE_OF_INPUTS if found.parts:
            yield f"与上年同期相比，{'，'.join(_changed(part, telling) for part in found.parts)}"


def _lacking(part: Contribution, telling: Telling) -> str:
    share = "" if part.share is None else f"，占{_percent(to_decimal(part.share))}"
    return (
        f"{telling.names.get(part.code, part.code)}（差{_amount(to_decimal(part.gap or Fraction(0)), telling)}{share}）"
    )


def _fallen(part: Contribution, telling: Telling) -> str:
    now, before = (_amount(to_decimal(value or Fraction(0)), telling) for value in (part.value, part.before))
    return f"{telling.names.get(part.code, part.code)}（上期{before}，本期{now}）"


def _below(part: Contribution, telling: Telling) -> str:
    unit = next((i.unit for i in telling.inputs.values() if part.code in i.clusters), "")
    lacking = format_decimal(to_decimal(part.gap or Fraction(0), 2))
    return f"{telling.names.get(part.code, part.code)}（差{lacking}{unit}）"


def _changed(part: Contribution, telling: Telling) -> str:
    indicator = telling.inputs.get(part.code)
    called = f"“{part.code if indicator is None else indicator.name}”"
    if not part.before or part.value is None or part.value == part.before:
        return f"{called}持平"
    growth = to_decimal(part.value / part.before - 1)
    return f"{called}{'增长' if growth > 0 else '下降'}{_percent(abs(growth))}"


def _too_far(value: Decimal, telling: Telling) -> str:
    sense = sense_of(telling.target, telling.indicator)
    past = beyond(value, telling.target.value, telling.target.band, sense=sense)
    return f"，越过允许范围{_amount(past, telling)}" if past else ""


def _promise(telling: Telling) -> str:
    target = telling.target
    value = _COMPARATORS[target.comparator].format(_amount(target.value, telling))
    if target.band is not None:
        value += f"（允许低{_percent(target.band.below)}、高{_percent(target.band.above)}以内）"
    if target.per is not None:
        return f"{_CADENCES[target.per]}{value}"
    return f"到{period_in_chinese(Period.parse(target.by or ''))}{value}"


def _doubts(assessment: Assessment, telling: Telling) -> Iterator[str]:
    latest, each = period_in_chinese(telling.latest, telling.indicator.covers), _counted(telling)
    if assessment.stale and telling.judged != telling.latest:
        how = "尚未报齐" if assessment.incomplete else "逾期未报"
        if assessment.reported == assessment.expected:
            how = "的累计数不能与全年目标直接比较"
        yield f"{latest}{how}，沿用{period_in_chinese(telling.judged, telling.indicator.covers)}的结论"
    if assessment.missing:
        coverage = f"应报{assessment.expected}{each}、已报{assessment.reported}{each}"
        yield f"{latest}{coverage}，未报：{_named(assessment, telling)}"
    elif assessment.reported < assessment.expected and assessment.value is not None:
        yield f"{latest}应报{assessment.expected}{each}、已报{assessment.reported}{each}"
    if assessment.verdict.is_red and assessment.value != telling.reported_value and telling.reported_value is not None:
        yield f"已报合计{_amount(telling.reported_value, telling)}，以未报单位上期数补入后仍为红灯"
    if assessment.provisional:
        yield f"依据{_SOFTNESS[telling.status]}，结论待定"


def _counted(telling: Telling) -> str:
    # Where the value is about one organisation, it is clusters that are missing.
    across_clusters = telling.target.org != TOTAL and telling.target.cluster == TOTAL and telling.indicator.clusters
    return "个集群" if across_clusters else "家"


def _named(assessment: Assessment, telling: Telling) -> str:
    names = "、".join(telling.names.get(code, code) for code in assessment.missing[:MOST_NAMES])
    # The roll-up names at most fifty of the missing; the count is the true one.
    total = max(len(assessment.missing), assessment.expected - assessment.reported)
    return f"{names}等{total}{_counted(telling)}" if total > min(len(assessment.missing), MOST_NAMES) else names


def _amount(value: Decimal, telling: Telling) -> str:
    # What was reported is told as reported; what was computed no finer than a reader can use, but never as 0.
    rounded = value.quantize(Decimal("0.01"), ROUND_HALF_EVEN)
    exact = value in {telling.reported_value, telling.target.value} or rounded == 0
    return f"{format_decimal(value if exact else rounded)}{telling.target.unit}"


def _percent(share: Decimal) -> str:
    return f"{format_decimal((share * 100).quantize(Decimal('0.1'), ROUND_HALF_EVEN))}%"


def _ended(text: str) -> str:
    return text.strip().rstrip("。.；;")
