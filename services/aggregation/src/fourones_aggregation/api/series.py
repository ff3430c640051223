"""`GET /v1/series`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from fourones_aggregation.api import queries
from fourones_aggregation.api.asking import AsOf, checked_filters, only, refused, unchanged
from fourones_aggregation.api.models import CoverageItem, Exact
from fourones_aggregation.api.reading import read
from fourones_aggregation.asof import Moment
from fourones_aggregation.catalogues import PastCatalogues
from fourones_aggregation.domain.facts import Ask
from fourones_aggregation.domain.scopes import Scope
from fourones_aggregation.domain.series import Measure, Point, Reason, measures, needs, point
from fourones_aggregation.domain.shapes import Shapes
from fourones_aggregation.domain.spans import expected_of, scopes_of, spanned
from fourones_aggregation.domain.stretches import expected_between
from fourones_shared.catalogue.model import TOTAL, Indicator
from fourones_shared.domain.periods import FORMS, Frequency, Period, periods_between, shanghai_date
from fourones_shared.errors import InvalidPeriod
from fourones_shared.events.model import Status
from fourones_shared.http.problems import Fault, Problem
from fourones_shared.http.service import ERRORS, Caller

PARAMETERS = frozenset(
    {"indicator", "org", "cluster", "tier", "from", "to", "measure", "frequency", "as_of"},
)
# Seven years of weeks, and the whole answer still is one page.
MOST_POINTS = 400
# The unit of a pure number (UCUM): growths are fractions.
FRACTION = "1"
_SCOPES_TOLD = 20
NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: ERRORS[422] | {"description": "the indicator is known, and has no value in that scope"}
}

StretchForm = Literal["M", "Q", "S", "A"]


class PointItem(BaseModel):
    """One period of the series."""

    period: str
    covers: str = Field(
        description="what a single period covers: `2026-01-01/P2M` for `2026-02` where January and February are "
        "reported together; elsewhere the period itself"
    )
    value: Exact | None
    status: Status | None
    coverage: CoverageItem = Field(description="of a difference or growth that of the worse of its two periods")
    through: str | None = Field(description="of a stretch: the last period that is in the value; null elsewhere")
    version: int = Field(description="sum over all that the value is made of")
    recorded_at: datetime | None = Field(description="null where nothing has opened")
    reason: Reason | None = Field(description="why there is no value; null with one")


class Series(BaseModel):
    """Points in the order of time: every period that the catalogue expects between `from` and `to`."""

    indicator: str
    org: str
    cluster: str
    tier: str
    measure: Measure
    frequency: Frequency = Field(description="of the points; `R` for a single range")
    unit: str = Field(description="of the values; `1` for growths, which are fractions: 0.05 is 5 %")
    items: list[PointItem]
    next: None = None
    as_of: str = Field(description="token of the moment that the answer shows")


def series_routes(engine: AsyncEngine, catalogues: PastCatalogues) -> APIRouter:
    """Series for everybody with a valid key."""
    router = APIRouter()

    @router.get("/v1/series", response_model=Series, responses=ERRORS | NOT_FOUND)
    async def series(
        *,
        request: Request,
        response: Response,
        caller: Caller,  # noqa: ARG001 - any valid key may read them
        indicator: Annotated[str, Query(description="an indicator's id")],
        org: Annotated[str, Query(description="an organisation's id, or `_T` for the total over them")] = TOTAL,
        cluster: Annotated[str, Query(description="a cluster's id, or `_T`")] = TOTAL,
        tier: Annotated[str, Query(description="a tier's id, or `_T`")] = TOTAL,
        first: Annotated[
            str | None,
            Query(alias="from", description="the first period, in any spelling; absent: since the indicator began"),
        ] = None,
        last: Annotated[
            str | None, Query(alias="to", description="the last period; absent: up to the moment that is shown")
        ] = None,
        measure: Annotated[
            Measure,
            Query(
                description="`single_period`: of a year-to-date indicator by difference; `yoy` 同比: growth on the "
                "same period a year before; `mom` 环比: on the previous one"
            ),
        ] = Measure.VALUE,
        frequency: Annotated[
            StretchForm | None,
            Query(description="quarters (Q), half-years (S) or years (A) made of finer periods; absent: as reported"),
        ] = None,
        as_of: AsOf = None,
    ) -> Any:
        """One value per period, or its growth, with the reason where there is none."""
        only(request, PARAMETERS)
        await checked_filters(request, engine, queries.Filters(indicator, org, cluster, tier))
        scope = Scope(org, cluster, tier)
        question = _Question(indicator, scope, measure, frequency, *_span(first, last))
        async with queries.at_moment(engine, as_of, request.app.state.clock) as (connection, moment):
            not_modified = unchanged(request, response, moment, by_the_clock=last is None)
            if not_modified is not None:
                return not_modified
            shapes = await catalogues.at(connection, moment.catalogue_version)
            asked = _asked(shapes, question, moment)
            wanted = needs(asked.indicator, measure, asked.periods)
            facts = await read(connection, moment, shapes, (Ask(indicator, p.key, scope) for p in wanted))
        by_period = {ask.period: fact for ask, fact in facts.items()}
        points = await asyncio.to_thread(
            lambda: [point(asked.indicator, measure, period, by_period) for period in asked.periods]
        )
        return Series(
            indicator=indicator,
            org=org,
            cluster=cluster,
            tier=tier,
            measure=measure,
            frequency=asked.frequency,
            unit=FRACTION if measure in {Measure.YOY, Measure.MOM} else asked.indicator.unit,
            items=[_item(shapes, indicator, scope, one) for one in points],
            as_of=moment.token,
        )

    return router


@dataclass(frozen=True, slots=True)
class _Question:
    indicator: str
    scope: Scope
    measure: Measure
    frequency: StretchForm | None
    first: date | None
    last: date | None


@dataclass(frozen=True, slots=True)
class _Asked:
    indicator: Indicator
    frequency: Frequency
    periods: Sequence[Period]


def _span(first: str | None, last: str | None) -> tuple[date | None, date | None]:
    faults = []
    found: dict[str, Period] = {}
    for name, text in (("from", first), ("to", last)):
        if text is None:
            continue
        try:
            found[name] = Period.parse(text)
        except InvalidPeriod:
            detail = f"{text!r} 不是有效的报告期;写法如 {FORMS}"
            faults.append(Fault(pointer=f"query:{name}", code="invalid_period", detail=detail))
    if len(found) == 2 and found["to"].end < found["from"].start:
        detail = f"to({last})早于 from({first}):请对调"
        faults.append(Fault(pointer="query:to", code="ends_before_it_begins", detail=detail))
    if faults:
        raise refused(faults)
    return found["from"].start if "from" in found else None, found["to"].end if "to" in found else None


def _asked(shapes: Shapes, question: _Question, moment: Moment) -> _Asked:
    indicator = shapes.catalogue.indicator.get(question.indicator)
    if indicator is None:
        detail = f"该时点的目录(第 {moment.catalogue_version} 版)里没有指标 {question.indicator}"
        raise Problem(HTTPStatus.NOT_FOUND, detail)
    own = indicator.reporting.frequency
    form = own if question.frequency is None else Frequency(question.frequency)
    faults = [*_form_faults(indicator, form), *_measure_faults(indicator, question.measure)]
    if faults:
        raise refused(faults)
    periods = _periods(indicator, form, question, shanghai_date(moment.at))
    if len(periods) > MOST_POINTS:
        detail = f"从 from 到 to 共 {len(periods)} 期,一次最多 {MOST_POINTS} 期:请用 from、to 分段查询"
        raise refused([Fault(pointer="query:from", code="too_many_points", detail=detail)])
    known = {found for period in periods for found in scopes_of(shapes, indicator, period)}
    if periods and question.scope not in known:
        raise Problem(HTTPStatus.NOT_FOUND, _no_such_scope(indicator.id, question.scope, known))
    return _Asked(indicator, form, periods)


def _periods(indicator: Indicator, form: Frequency, question: _Question, today: date) -> list[Period]:
    reporting = indicator.reporting
    begun = Period.parse(reporting.period).start if reporting.period is not None else reporting.first
    first, last = question.first or begun, question.last or today
    if form is reporting.frequency:
        return list(expected_between(indicator, max(first, begun), last))
    # A stretch in which the duty begins is there, though it starts before.
    earliest = max(first, date(begun.year, 1, 1))
    return [stretch for stretch in periods_between(form, earliest, last) if spanned(indicator, stretch)]


def _form_faults(indicator: Indicator, form: Frequency) -> list[Fault]:
    own = indicator.reporting.frequency
    if form is own:
        return []
    # Some year of its duty tells whether its periods make longer ones at all.
    year = Period.parse(f"{indicator.reporting.first.year:04d}")
    longer = [f for f in (Frequency.QUARTER, Frequency.HALF, Frequency.YEAR) if _makes(indicator, f, year)]
    if form in longer:
        return []
    possible = "、".join([own, *longer])
    detail = f"指标 {indicator.id} 按 {own} 报送,不能按 {form} 合成;frequency 可用:{possible}"
    return [Fault(pointer="query:frequency", code="no_such_frequency", detail=detail)]


def _makes(indicator: Indicator, form: Frequency, year: Period) -> bool:
    return any(
        (own := spanned(indicator, stretch)) and own != (stretch,)
        for stretch in periods_between(form, year.start, year.end)
    )


def _measure_faults(indicator: Indicator, measure: Measure) -> list[Fault]:
    possible = measures(indicator)
    if measure in possible:
        return []
    detail = f"指标 {indicator.id} 没有 {measure};measure 可用:{'、'.join(sorted(possible))}"
    return [Fault(pointer="query:measure", code="no_such_measure", detail=detail)]


def _no_such_scope(indicator: str, scope: Scope, known: set[Scope]) -> str:
    asked = f"org={scope.org}、cluster={scope.cluster}、tier={scope.tier}"
    shown = ";".join(f"{s.org}/{s.cluster}/{s.tier}" for s in sorted(known)[:_SCOPES_TOLD])
    more = "等" if len(known) > _SCOPES_TOLD else ""
    return f"指标 {indicator} 在所查报告期没有 {asked} 的数;有的范围(org/cluster/tier):{shown}{more}"


def _item(shapes: Shapes, indicator: str, scope: Scope, one: Point) -> PointItem:
    expected = one.expected
    if one.reason is Reason.NOT_OPEN:
        # The catalogue knows whom it will ask.
        expected = expected_of(shapes, Ask(indicator, one.period.key, scope))
    return PointItem(
        period=one.period.key,
        covers=one.covers.key,
        value=one.value,
        status=one.status,
        coverage=CoverageItem(reported=one.reported, expected=expected, missing=list(one.missing)),
        through=one.through,
        version=one.version,
        recorded_at=one.recorded_at,
        reason=one.reason,
    )
