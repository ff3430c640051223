"""A catalogue version, indexed for checking: each question a figure raises is one look-up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from fourones_shared.catalogue.duties import is_expected, reporter_of
from fourones_shared.catalogue.model import TOTAL, About, Catalogue, Covers, Indicator
from fourones_shared.domain.periods import FORMS, Frequency, Period
from fourones_shared.errors import InvalidPeriod
from fourones_submission.domain.wording import quoted

# Distinct (indicator, spelling) pairs that senders use in a month are some thousands; a flood of others is dropped.
PERIODS_REMEMBERED = 50_000

_FORM = {
    Frequency.YEAR: "年报送,写法如 2026",
    Frequency.HALF: "半年报送,写法如 2026-S1",
    Frequency.QUARTER: "季度报送,写法如 2026-Q1",
    Frequency.MONTH: "月报送,写法如 2026-03",
    Frequency.WEEK: "周报送,写法如 2026-W12",
}


@dataclass(frozen=True, slots=True)
class Admitted:
    """A period that an indicator is reported for, with its two moments."""

    period: Period
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class NotAdmitted:
    """Why a period is not one of the indicator's."""

    code: str
    detail: str


@dataclass(frozen=True)
class IndicatorTerms:
    """What is asked of an indicator's figures; nothing, and of nobody, of one that is computed."""

    indicator: Indicator
    clusters: frozenset[str]
    subjects: frozenset[str]
    may_not_apply: frozenset[str]
    reporters: dict[tuple[str, str], str]
    """Duty-holder by organisation and cluster."""
    _periods: dict[str, Admitted | NotAdmitted] = field(default_factory=dict)

    def period(self, text: str) -> Admitted | NotAdmitted:
        """Whether a figure may be about that period, whatever the time is."""
        known = self._periods.get(text)
        if known is None:
            if len(self._periods) >= PERIODS_REMEMBERED:
                self._periods.clear()
            known = self._periods[text] = _admission(self.indicator, text)
        return known


class Terms:
    """The terms of one catalogue version."""

    def __init__(self, version: int, catalogue: Catalogue) -> None:
        self.version = version
        self.catalogue = catalogue
        self.indicator = {indicator.id: _terms(catalogue, indicator) for indicator in catalogue.indicators}

    @cached_property
    def reports_about(self) -> dict[str, frozenset[str]]:
        """By duty-holder: the organisations about which it reports anything."""
        about: dict[str, set[str]] = {}
        for terms in self.indicator.values():
            for (org, _), reporter in terms.reporters.items():
                about.setdefault(reporter, set()).add(org)
        return {reporter: frozenset(orgs) for reporter, orgs in about.items()}

    @cached_property
    def indicator_names(self) -> dict[str, str]:
        """Chinese names by id."""
        return {i.id: i.name for i in self.catalogue.indicators}

    @cached_property
    def organisation_names(self) -> dict[str, str]:
        """Chinese names by id."""
        return {o.id: o.name for o in self.catalogue.organisations}

    @cached_property
    def cluster_names(self) -> dict[str, str]:
        """Chinese names by id."""
        return {c.id: c.name for c in self.catalogue.clusters}


def _terms(catalogue: Catalogue, indicator: Indicator) -> IndicatorTerms:
    subjects = frozenset(_subjects(catalogue, indicator))
    return IndicatorTerms(
        indicator=indicator,
        clusters=frozenset(indicator.clusters),
        subjects=subjects,
        may_not_apply=frozenset(indicator.reporting.may_not_apply),
        reporters={
            (org, cluster): reporter_of(catalogue, indicator, org, cluster)
            for org in subjects
            for cluster in indicator.clusters or (TOTAL,)
        },
    )


def _subjects(catalogue: Catalogue, indicator: Indicator) -> Iterator[str]:
    """The organisations that figures may be about, whenever."""
    if indicator.is_computed:
        return
    about = indicator.reporting.about
    if about is About.COUNTIES_AND_ZONES:
        yield from (o.id for o in catalogue.counties_and_zones)
    elif about is About.CITY:
        yield catalogue.city.id
    else:
        yield from about
    if indicator.reporting.city is not None:
        yield catalogue.city.id


def unreadable_period(text: str) -> NotAdmitted | None:
    """Why a text is no period of any indicator; None when it is one."""
    try:
        Period.parse(text)
    except InvalidPeriod:
        return NotAdmitted("period_invalid", f"{quoted(text)} 不是有效的报告期;可用的写法:{FORMS}")
    return None


def _admission(indicator: Indicator, text: str) -> Admitted | NotAdmitted:
    unreadable = unreadable_period(text)
    if unreadable is not None:
        return unreadable
    period = _year_to_date(indicator, Period.parse(text))
    if is_expected(indicator, period):
        return Admitted(period, period.starts_at, period.ends_at)
    return _why_not(indicator, period)


def _year_to_date(indicator: Indicator, period: Period) -> Period:
    # The year-to-date value of February is that of January and February together: one figure, one key.
    if (
        indicator.january_february == "together"
        and indicator.covers is Covers.YEAR_TO_DATE
        and period.frequency is Frequency.RANGE
        and (period.start.month, period.end.month) == (1, 2)
        and period.start.year == period.end.year
    ):
        return Period.parse(f"{period.start.year:04d}-02")
    return period


def _why_not(indicator: Indicator, period: Period) -> NotAdmitted:
    reporting = indicator.reporting
    if reporting.frequency is Frequency.RANGE:
        return NotAdmitted("period_not_expected", f"该指标只报一个时段:请写 {reporting.period}")
    if indicator.january_february == "together" and period.frequency is Frequency.MONTH and period.start.month <= 2:
        year = period.start.year
        instead = f"{year}-02" if indicator.covers is Covers.YEAR_TO_DATE else f"{year}-01-01/P2M"
        return NotAdmitted("period_january_february", f"该指标 1、2 月合并报送:请用 {instead} 报两个月的合计")
    if period.frequency is not reporting.frequency:
        form = _FORM[reporting.frequency]
        return NotAdmitted("period_frequency", f"{quoted(period.key)} 的频度不对:该指标按{form}")
    if period.start < reporting.first:
        detail = f"该指标自 {reporting.first.isoformat()} 起报送,{period.key} 早于起始日,不再补报"
        return NotAdmitted("period_before_first", detail)
    last = reporting.last.isoformat() if reporting.last else ""
    return NotAdmitted("period_after_last", f"该指标报送到 {last} 为止,{period.key} 已不需要报送")
