"""`GET /v1/four-ones` and `GET /v1/four-ones/{cluster}`: the pillars of the clusters, scored."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from fractions import Fraction
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from fourones_aggregation.api import queries
from fourones_aggregation.api.asking import AsOf, only, position, refused, unchanged
from fourones_aggregation.api.models import Exact
from fourones_aggregation.asof import Moment
from fourones_aggregation.catalogues import PastCatalogues
from fourones_aggregation.domain.four_ones import Cell, Count, FourOnes, PillarShown
from fourones_aggregation.facts import fetch_facts
from fourones_shared.domain.numbers import MAX_DECIMALS
from fourones_shared.domain.periods import FORMS, Period
from fourones_shared.domain.pillars import Outcome, PillarScore, PillarState, TargetScore, month_shown
from fourones_shared.domain.ways import to_decimal
from fourones_shared.errors import InvalidPeriod
from fourones_shared.events.model import State
from fourones_shared.http.paging import Cursor, Limit, cut
from fourones_shared.http.problems import Fault, Problem
from fourones_shared.http.service import ERRORS, Caller

MATRIX_PARAMETERS = frozenset({"cluster", "pillar", "period", "as_of", "limit", "cursor"})
CLUSTER_PARAMETERS = frozenset({"pillar", "period", "as_of"})
# As many as a roll-up names.
MISSING_AT_MOST = 50
_NOT_FOUND: dict[int | str, dict[str, object]] = {404: ERRORS[422] | {"description": "no such cluster"}}

AskedPeriod = Annotated[
    str | None,
    Query(
        description="the period to score, in any spelling: what ends in it (a week by its Thursday) and is due counts. "
        "Absent: the latest month that has ended; when all plans with targets for the pillars are over, their last"
    ),
]
AskedPillar = Annotated[str | None, Query(description="a pillar's id")]


class DueCoverage(BaseModel):
    """How many of the figures that are due have come, and up to 50 of those that have not."""

    reported: int
    expected: int
    missing: list[str] = Field(description="`indicator:period`, such as `dispatch-meetings:2025-W12`")


class InstanceItem(BaseModel):
    """A value of a target that was to be known in the period."""

    period: str = Field(description="the reporting period at whose end it counts")
    value: Exact | None
    due_value: Exact
    attainment: Exact = Field(description="0 to 1")
    state: State


class MadeOfItem(BaseModel):
    """A target's part in the score."""

    target: str
    indicator: str
    unit: str
    reached: Exact | None = Field(
        description="what counts of what is due; for an `at least` per period without what lies above a period's due"
    )
    due: Exact | None
    attainment: Exact | None = Field(description="0 to 1; null where nothing counts")
    weight: Exact
    state: State = Field(description="the worst among its instances: overdue, declared_missing, reported")
    instances: list[InstanceItem]


class CountItem(BaseModel):
    """An indicator of the pillar that no target asks for in the period, by its latest value."""

    indicator: str
    period: str = Field(description="the reporting period of the value")
    value: Exact | None
    unit: str
    state: State


class FourOnesItem(BaseModel):
    """A cluster's pillar."""

    cluster: str
    pillar: str
    period: str
    score: Exact | None = Field(description="0 to 1, six decimals; null unless the state is `scored`")
    coverage: DueCoverage
    state: PillarState = Field(
        description="`no_target`: no target of the pillar runs in the period, see its counts; `not_yet_due`: nothing "
        "of its targets is due in the period, or by now; `not_applicable`: whatever was due did not apply"
    )
    counts: list[CountItem]


class PillarItem(FourOnesItem):
    """A cluster's pillar with what its score is made of, and all of its counts."""

    made_of: list[MadeOfItem]


class FourOnesPage(BaseModel):
    """The matrix: every cluster by every pillar, in the catalogue's order."""

    items: list[FourOnesItem]
    next: str | None = None
    period: str
    as_of: str = Field(description="token of the moment that the answer shows")


class ClusterPage(BaseModel):
    """The four ones of a cluster."""

    items: list[PillarItem]
    next: str | None = None
    period: str
    as_of: str = Field(description="token of the moment that the answer shows")


def four_ones_routes(engine: AsyncEngine, catalogues: PastCatalogues) -> APIRouter:
    """The four ones for everybody with a valid key."""
    router = APIRouter()

    @router.get("/v1/four-ones", response_model=FourOnesPage, responses=ERRORS)
    async def matrix(
        *,
        request: Request,
        response: Response,
        caller: Caller,  # noqa: ARG001 - any valid key may read them
        cluster: Annotated[str | None, Query(description="a cluster's id")] = None,
        pillar: AskedPillar = None,
        period: AskedPeriod = None,
        as_of: AsOf = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Any:
        """Every cluster's pillars with their scores, each with how many of the due figures it rests on."""
        only(request, MATRIX_PARAMETERS)
        asked = _period(period)
        after = position(cursor, 1)
        async with _moment(engine, request, as_of) as (connection, moment):
            not_modified = unchanged(request, response, moment, by_the_clock=True)
            if not_modified is not None:
                return not_modified
            board = FourOnes(await catalogues.at(connection, moment.catalogue_version))
            cells = _cells(board, cluster, pillar)
            numbered = list(enumerate(cells))[after[0] + 1 if after else 0 :]
            page, next_cursor = cut(numbered[: limit + 1], limit, lambda cell: [cell[0]])
            asked = asked or month_shown(board.targets, moment.at)
            shown = await _shown(connection, moment, board, [cell for _, cell in page], asked, all_counts=False)
        items = [FourOnesItem(**_item(one, asked)) for one in shown]
        return FourOnesPage(items=items, next=next_cursor, period=asked.key, as_of=moment.token)

    @router.get("/v1/four-ones/{cluster}", response_model=ClusterPage, responses=ERRORS | _NOT_FOUND)
    async def of_cluster(
        *,
        request: Request,
        response: Response,
        caller: Caller,  # noqa: ARG001 - any valid key may read them
        cluster: Annotated[str, Path(description="a cluster's id", max_length=200)],
        pillar: AskedPillar = None,
        period: AskedPeriod = None,
        as_of: AsOf = None,
    ) -> Any:
        """One cluster's pillars: their scores, what each is made of, and the counts that no target asks for."""
        only(request, CLUSTER_PARAMETERS)
        asked = _period(period)
        async with _moment(engine, request, as_of) as (connection, moment):
            shapes = await catalogues.at(connection, moment.catalogue_version)
            if cluster not in shapes.catalogue.cluster:
                known = "、".join(shapes.catalogue.cluster)
                raise Problem(HTTPStatus.NOT_FOUND, f"没有编码为 {cluster!r} 的集群;可用的有:{known}")
            not_modified = unchanged(request, response, moment, by_the_clock=True)
            if not_modified is not None:
                return not_modified
            board = FourOnes(shapes)
            asked = asked or month_shown(board.targets, moment.at)
            cells = _cells(board, cluster, pillar)
            shown = await _shown(connection, moment, board, cells, asked, all_counts=True)
        items = [PillarItem(**_item(one, asked), made_of=[_part(t) for t in one.score.made_of]) for one in shown]
        return ClusterPage(items=items, period=asked.key, as_of=moment.token)

    return router


def _moment(
    engine: AsyncEngine, request: Request, as_of: str | None
) -> AbstractAsyncContextManager[tuple[AsyncConnection, Moment]]:
    return queries.at_moment(engine, as_of, request.app.state.clock)


async def _shown(
    connection: AsyncConnection,
    moment: Moment,
    board: FourOnes,
    cells: Sequence[Cell],
    period: Period,
    *,
    all_counts: bool,
) -> list[PillarShown]:
    # A year of weeks takes too long for the loop that serves all requests.
    asks = await asyncio.to_thread(board.asks, cells, period, moment.at, all_counts=all_counts)
    facts = await fetch_facts(connection, board.shapes, asks, moment.as_of)
    return await asyncio.to_thread(board.shown, cells, period, moment.at, facts, all_counts=all_counts)


def _period(text: str | None) -> Period | None:
    if text is None:
        return None
    try:
        return Period.parse(text)
    except InvalidPeriod:
        detail = f"{text!r} 不是有效的报告期;写法如 {FORMS}"
        raise refused([Fault(pointer="query:period", code="invalid_period", detail=detail)]) from None


def _cells(board: FourOnes, cluster: str | None, pillar: str | None) -> list[Cell]:
    catalogue = board.shapes.catalogue
    known = {
        "cluster": ("集群", cluster, [c.id for c in catalogue.clusters]),
        "pillar": ("支柱(四个一)", pillar, [p.id for p in catalogue.pillars]),
    }
    faults = [
        Fault(
            pointer=f"query:{name}",
            code=f"unknown_{name}",
            detail=f"没有编码为 {given!r} 的{called};可用的有:{'、'.join(ids)}",
        )
        for name, (called, given, ids) in known.items()
        if given is not None and given not in ids
    ]
    if faults:
        raise refused(faults)
    return [cell for cell in board.cells if cluster in {None, cell.cluster} and pillar in {None, cell.pillar}]


def _item(shown: PillarShown, period: Period) -> dict[str, Any]:
    score = shown.score
    return {
        "cluster": shown.cell.cluster,
        "pillar": shown.cell.pillar,
        "period": period.key,
        "score": _exact(score.score),
        "coverage": _coverage(score),
        "state": score.state,
        "counts": [_count(count) for count in shown.counts],
    }


def _coverage(score: PillarScore) -> DueCoverage:
    missing = [f"{indicator}:{period.key}" for indicator, period in score.missing[:MISSING_AT_MOST]]
    return DueCoverage(reported=score.reported, expected=score.expected, missing=missing)


def _count(count: Count) -> CountItem:
    return CountItem(
        indicator=count.indicator.id,
        period=count.period.key,
        value=count.value,
        unit=count.indicator.unit,
        state=count.state,
    )


def _part(part: TargetScore) -> MadeOfItem:
    return MadeOfItem(
        target=part.terms.target.id,
        indicator=part.terms.indicator.id,
        unit=part.terms.indicator.unit,
        reached=_exact(part.reached, MAX_DECIMALS),
        due=_exact(part.due),
        attainment=_exact(part.attainment),
        weight=part.weight,
        state=part.state,
        instances=[_instance(outcome) for outcome in part.outcomes],
    )


def _instance(outcome: Outcome) -> InstanceItem:
    return InstanceItem(
        period=outcome.instance.period.key,
        value=_exact(outcome.value, MAX_DECIMALS),
        due_value=to_decimal(outcome.instance.due),
        attainment=to_decimal(outcome.attainment),
        state=outcome.state,
    )


def _exact(value: Fraction | None, places: int = 6) -> Decimal | None:
    return None if value is None else to_decimal(value, places)
