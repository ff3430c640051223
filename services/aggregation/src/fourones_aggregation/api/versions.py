"""`GET /v1/rollups/history`: every version that a roll-up has had, and why there was a new one."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from fourones_aggregation.api import queries
from fourones_aggregation.api.asking import AsOf, checked_filters, only, position, refused, unchanged
from fourones_aggregation.api.models import Exact
from fourones_aggregation.api.past import past_of
from fourones_aggregation.api.past import versions as kept_versions
from fourones_aggregation.api.series import NOT_FOUND
from fourones_aggregation.asof import token
from fourones_aggregation.catalogues import PastCatalogues
from fourones_aggregation.domain.answers import shown
from fourones_aggregation.domain.scopes import Scope
from fourones_aggregation.domain.shapes import Shapes
from fourones_aggregation.domain.spans import scopes_of, spanned
from fourones_shared.catalogue.model import TOTAL
from fourones_shared.domain.periods import Period
from fourones_shared.events.model import Cause, Status
from fourones_shared.http.paging import Cursor, Limit, cut
from fourones_shared.http.problems import Fault, Problem
from fourones_shared.http.service import ERRORS, Caller

PARAMETERS = frozenset({"indicator", "org", "cluster", "tier", "period", "as_of", "limit", "cursor"})


class CountItem(BaseModel):
    """How many of how many had reported. Who was missing: ask for the roll-up with the version's `as_of`."""

    reported: int
    expected: int


class VersionItem(BaseModel):
    """What a roll-up said from one snapshot on."""

    version: int = Field(
        description="rises with every change; while the scope repeats a single figure, the sequence of its revision"
    )
    value: Exact | None
    status: Status | None
    coverage: CountItem
    cause: Cause = Field(
        description="`new_data`: somebody reported for the first time; `revision`: what was reported was corrected; "
        "`time`: a period opened or ended, or a due date passed; `catalogue`: the catalogue changed"
    )
    live: bool = Field(description="false: from here on the catalogue no longer has this roll-up")
    catalogue_version: int | None = Field(description="under which it was worked out; null for a single figure's")
    recorded_at: datetime
    as_of: str | None = Field(description="names the moment; null for one from before histories were kept")


class VersionPage(BaseModel):
    """Versions, oldest first."""

    items: list[VersionItem]
    next: str | None = None
    as_of: str = Field(description="token of the moment that the answer shows")


def version_routes(engine: AsyncEngine, catalogues: PastCatalogues) -> APIRouter:
    """The histories of roll-ups for everybody with a valid key."""
    router = APIRouter()

    @router.get("/v1/rollups/history", response_model=VersionPage, responses=ERRORS | NOT_FOUND)
    async def versions(
        *,
        request: Request,
        response: Response,
        caller: Caller,  # noqa: ARG001 - any valid key may read all roll-ups
        indicator: Annotated[str, Query(description="an indicator's id")],
        period: Annotated[str, Query(description="one of the indicator's own periods, in any spelling")],
        org: Annotated[str, Query(description="an organisation's id, or `_T` for the total over them")] = TOTAL,
        cluster: Annotated[str, Query(description="a cluster's id, or `_T`")] = TOTAL,
        tier: Annotated[str, Query(description="a tier's id, or `_T`")] = TOTAL,
        as_of: AsOf = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Any:
        """Every version with its cause: whether it changed because of news or because somebody corrected a figure."""
        only(request, PARAMETERS)
        filters = queries.Filters(indicator, org, cluster, tier, period)
        filters = await checked_filters(request, engine, filters)
        asked = Period.parse(filters.period or period)
        after = position(cursor, 1)
        async with queries.at_moment(engine, as_of, request.app.state.clock) as (connection, moment):
            not_modified = unchanged(request, response, moment)
            if not_modified is not None:
                return not_modified
            rollup = {"indicator": indicator, "org": org, "cluster": cluster, "tier": tier, "period": asked.key}
            past = await past_of(connection, moment, rollup)
            if past is None:
                shapes = await catalogues.at(connection, moment.catalogue_version)
                _see_that_there_is_one(shapes, indicator, Scope(org, cluster, tier), asked)
                return VersionPage(items=[], as_of=moment.token)
            rows = await kept_versions(connection, moment, past, after[0] if after else 0, limit + 1)
        page, next_cursor = cut(rows, limit, lambda row: [row.snapshot])
        items = [_item(row, may_not_apply=past.may_not_apply) for row in page]
        return VersionPage(items=items, next=next_cursor, as_of=moment.token)

    return router


def _see_that_there_is_one(shapes: Shapes, indicator: str, scope: Scope, period: Period) -> None:
    """Nothing of it has been kept: it has not opened, is a stretch, or is not there."""
    known = shapes.catalogue.indicator.get(indicator)
    own = spanned(known, period) if known is not None else ()
    if own and own != (period,):
        detail = (
            f"指标 {indicator} 不按 {period.key} 报送,该期的数是由 {own[0].key} 至 {own[-1].key} 合成的,没有自己的版本:"
            "请查询其中各期的版本,或用 as_of 查询当时的数"
        )
        raise refused([Fault(pointer="query:period", code="made_of_finer_periods", detail=detail)])
    if known is None or scope not in scopes_of(shapes, known, period):
        asked = f"org={scope.org}、cluster={scope.cluster}、tier={scope.tier}"
        raise Problem(HTTPStatus.NOT_FOUND, f"指标 {indicator} 在 {period.key} 没有 {asked} 的汇总")


def _item(row: Any, *, may_not_apply: bool) -> VersionItem:
    moment = None if row.taken_at is None else token(row.snapshot, row.taken_at)
    if row.sequence is None:
        fact = shown(row)
        return VersionItem(
            version=row.version,
            value=fact.value,
            status=fact.status,
            coverage=CountItem(reported=fact.reported, expected=fact.expected),
            cause=Cause(row.cause),
            live=row.live,
            catalogue_version=row.catalogue_version,
            recorded_at=row.recorded_at,
            as_of=moment,
        )
    reported = row.value is not None
    does_not_apply = row.status == Status.NOT_APPLICABLE and may_not_apply and not row.withdrawn and not reported
    return VersionItem(
        version=row.sequence,
        value=row.value,
        status=None if row.withdrawn else Status(row.status),
        coverage=CountItem(reported=int(reported), expected=int(not does_not_apply)),
        cause=Cause.REVISION if row.revises else Cause.NEW_DATA,
        live=True,
        catalogue_version=None,
        recorded_at=row.applied_at,
        as_of=moment,
    )
