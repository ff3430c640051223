"""What a template asks for: the figures that one organisation's reporters owe for a period. Values in, values out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from fourones_shared.catalogue.duties import Duty, duties, expected_periods, is_expected
from fourones_shared.catalogue.model import TOTAL, Catalogue, Covers, Direction, Indicator, Kind, Stands
from fourones_shared.domain.numbers import format_decimal
from fourones_shared.domain.periods import Period, shanghai_date
from fourones_shared.events.model import Status
from fourones_submission.domain.known import Known, KnownFigure, Series
from fourones_submission.domain.locking import Decision, is_locked
from fourones_submission.domain.terms import Terms
from fourones_submission.formats.workbook_words import STATUS_WORDS, status_entry

Admits = Callable[[str, str], bool]
"""Whether a key's scope holds an indicator and a cluster."""

_COVERS = {Covers.YEAR_TO_DATE: "年初至本期末累计数", Covers.PERIOD: "本期数"}
_KINDS = {Kind.STOCK: "期末数", Kind.RATIO: "比率"}
_DIRECTIONS = {Direction.UP: "越高越好", Direction.DOWN: "越低越好", Direction.NEITHER: "不分高低"}
_NO_CLUSTER = "—"


@dataclass(frozen=True, slots=True)
class Asked:
    """A duty, with the periods that its figure is held beside."""

    duty: Duty
    indicator: Indicator
    previous: Period | None
    year_before: Period | None

    @property
    def series(self) -> Series:
        """Where its own figure stands."""
        return self.series_in(self.duty.period)

    def series_in(self, period: Period) -> Series:
        """Where the same figure stands in another period."""
        return Series(self.duty.org, self.duty.indicator, period.key)

    @property
    def all_series(self) -> Iterator[Series]:
        """Everything that its row shows."""
        for period in (self.duty.period, self.previous, self.year_before):
            if period is not None:
                yield self.series_in(period)


@dataclass(frozen=True, slots=True)
class Row:
    """One figure that is asked for.

    Attributes:
        may_not_apply: whether status M is admitted.
        present, previous, year_before: what is known of it, now and in those periods.
        due: the last day on which it is in time.
        remark: what its reporter should know, Chinese.
    """

    indicator: Indicator
    cluster: str | None
    cluster_name: str
    period: Period
    reporter_name: str
    may_not_apply: bool
    locked: bool
    present: KnownFigure | None
    previous: KnownFigure | None
    year_before: KnownFigure | None
    due: date
    remark: str


@dataclass(frozen=True, slots=True)
class Template:
    """Everything that a template says.

    Attributes:
        title: of the sheet, Chinese.
        reporters: who owes the figures, id and name.
        rows: by indicator as the catalogue lists them, then period, then cluster.
        indicators: of the rows, with their explanation, Chinese.
        made_at: when its known values were read.
    """

    title: str
    org: str
    org_name: str
    period: str
    catalogue_version: int
    reporters: Sequence[tuple[str, str]]
    rows: Sequence[Row]
    indicators: Sequence[tuple[Indicator, str]]
    made_at: datetime


def asked(
    catalogue: Catalogue, within: Period, now: datetime, *, org: str, reporter: str | None, admits: Admits
) -> tuple[Asked, ...]:
    """The duties about an organisation whose period ends within a period and has begun.

    So March asks for the monthly figures of March, for the weeks that end in it, and for the first quarter; December
    for the year, too.

    Args:
        catalogue: in force.
        within: the period that is asked about.
        now: periods that begin later are left out.
        org: whom the figures are about.
        reporter: the duty-holder; all of them when None.
        admits: leaves out what the caller's key may not report.
    """
    until = min(within.end, shanghai_date(now))
    return tuple(
        Asked(duty, indicator, previous, year_before)
        for indicator in catalogue.indicators
        for period, previous, year_before in _periods(indicator, within, until)
        for duty in duties(catalogue, indicator, period)
        if duty.org == org and reporter in {None, duty.reporter} and admits(duty.indicator, duty.cluster)
    )


def template_of(
    terms: Terms,
    within: Period,
    now: datetime,
    *,
    org: str,
    wanted: Sequence[Asked],
    known: Known,
    decisions: Mapping[Series, Decision],
) -> Template:
    """Put together what a template says.

    Args:
        terms: of the catalogue in force.
        within: the period that was asked about.
        now: the moment it is made.
        org: whom it is about.
        wanted: what `asked` found.
        known: the current figures of all its series.
        decisions: the locks that stand for its own series.
    """
    names = terms.organisation_names
    indicators = {a.indicator.id: a.indicator for a in wanted}
    reporters = dict.fromkeys(a.duty.reporter for a in wanted)
    return Template(
        title=f"{terms.catalogue.city.name}指标报送表",
        org=org,
        org_name=names[org],
        period=within.key,
        catalogue_version=terms.version,
        reporters=[(reporter, names.get(reporter, reporter)) for reporter in reporters],
        rows=[_row(terms, a, known, decisions.get(a.series), now) for a in wanted],
        indicators=[(indicator, _explanation(indicator)) for indicator in indicators.values()],
        made_at=now,
    )


def _periods(
    indicator: Indicator, within: Period, until: date
) -> Iterator[tuple[Period, Period | None, Period | None]]:
    """The periods to report, each with the one before and that of the year before, where those are reported."""
    previous = None
    for period in expected_periods(indicator, until):
        if within.start <= period.end <= within.end:
            year_before = period.year_before()
            yield period, previous, year_before if is_expected(indicator, year_before) else None
        previous = period


def _row(terms: Terms, wanted: Asked, known: Known, decision: Decision | None, now: datetime) -> Row:
    duty, indicator = wanted.duty, wanted.indicator

    def figure(period: Period | None) -> KnownFigure | None:
        return None if period is None else known.get(wanted.series_in(period), {}).get(duty.cluster)

    present = figure(duty.period)
    locked = is_locked(indicator, duty.period, decision, now)
    return Row(
        indicator=indicator,
        cluster=None if duty.cluster == TOTAL else duty.cluster,
        cluster_name=_NO_CLUSTER if duty.cluster == TOTAL else terms.cluster_names[duty.cluster],
        period=duty.period,
        reporter_name=terms.organisation_names.get(duty.reporter, duty.reporter),
        may_not_apply=duty.org in indicator.reporting.may_not_apply,
        locked=locked,
        present=present,
        previous=figure(wanted.previous),
        year_before=figure(wanted.year_before),
        # The due moment is the first one after that day.
        due=shanghai_date(duty.due_at - timedelta(microseconds=1)),
        remark=";".join(
            (
                *_remarks(indicator, duty, present, decision if locked else None, now, locked=locked),
                *_what_stands(indicator, about_the_city=duty.org == terms.catalogue.city.id),
            )
        ),
    )


def _remarks(
    indicator: Indicator,
    duty: Duty,
    present: KnownFigure | None,
    decision: Decision | None,
    now: datetime,
    *,
    locked: bool,
) -> Iterator[str]:
    if locked:
        why = f"({decision.reason})" if decision is not None else ""
        yield f"【已锁定{why},不能填报;如需修改请向协调办公室申请解锁】"
    if present is not None and present.value is None:
        yield f"【已报:{STATUS_WORDS[present.status]}】"
    elif present is not None and present.status is not Status.NORMAL:
        yield f"【已报数为{STATUS_WORDS[present.status]}】"
    if duty.period.ends_at > now:
        choices = "、".join(status_entry(s) for s in (Status.PROVISIONAL, Status.ESTIMATED, Status.FORECAST))
        yield f"【本期尚未结束:填数时状态须选 {choices}】"
    yield _meaning(indicator)
    if indicator.note:
        yield indicator.note


def _what_stands(indicator: Indicator, *, about_the_city: bool) -> Iterator[str]:
    """Whose value counts where there is another beside the figure."""
    city = indicator.reporting.city
    if city is not None and about_the_city:
        counties_stand = city.stands is Stands.COUNTIES
        yield "部门报送的全市数:" + ("以各县(市、区)汇总数为准,本数并列对照" if counties_stand else "以本数为准")
    if indicator.derived is not None:
        yield f"{'、'.join(indicator.inputs)} 报齐后由系统计算,以计算数为准;算不出时以本数为准"


def _meaning(indicator: Indicator) -> str:
    """What a value covers."""
    meaning = _KINDS.get(indicator.kind) or _COVERS[indicator.covers]
    if indicator.january_february == "together":
        meaning += "(1、2 月合并报送)"
    return meaning


def _explanation(indicator: Indicator) -> str:
    return ";".join(part for part in _explanations(indicator) if part)


def _explanations(indicator: Indicator) -> Iterator[str | None]:
    yield _meaning(indicator)
    yield f"最多 {indicator.decimals} 位小数" if indicator.decimals else "整数"
    yield bounds_of(indicator)
    yield _DIRECTIONS[indicator.direction]
    reporting = indicator.reporting
    if reporting.due_working_days is not None:
        yield f"期末后 {reporting.due_working_days} 个工作日内报送"
    else:
        yield f"期末后 {reporting.due_days} 天内报送"
    if reporting.lock_days is not None:
        yield f"截止后 {reporting.lock_days} 天锁定"
    if indicator.synthetic:
        yield "模拟指标,非真实数据"
    yield indicator.note


def bounds_of(indicator: Indicator) -> str | None:
    """The bounds of an indicator's values, Chinese; None without any."""
    low = None if indicator.minimum is None else format_decimal(indicator.minimum)
    high = None if indicator.maximum is None else format_decimal(indicator.maximum)
    if low is not None and high is not None:
        return f"{low} 至 {high}"
    if low is not None:
        return f"不小于 {low}"
    return None if high is None else f"不大于 {high}"
