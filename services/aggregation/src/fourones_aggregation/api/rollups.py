"""`GET /v1/rollups`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncEngine

from fourones_aggregation.api import queries
from fourones_aggregation.api.asking import as_of_token, checked_filters, only, position, unchanged
from fourones_aggregation.api.models import CoverageItem, RollupItem, RollupPage
from fourones_aggregation.domain.answers import status_of, value_of
from fourones_aggregation.domain.scopes import Rule
from fourones_shared.catalogue.model import TOTAL
from fourones_shared.events.model import Status
from fourones_shared.http.paging import Cursor, Limit, cut
from fourones_shared.http.service import ERRORS, Caller

PARAMETERS = frozenset({"indicator", "org", "cluster", "tier", "period", "limit", "cursor"})


def rollup_routes(engine: AsyncEngine) -> APIRouter:
    """Roll-ups for everybody with a valid key."""
    router = APIRouter()

    @router.get("/v1/rollups", response_model=RollupPage, responses=ERRORS)
    async def rollups(
        *,
        request: Request,
        response: Response,
        caller: Caller,  # noqa: ARG001 - any valid key may read all roll-ups
        indicator: Annotated[str | None, Query(description="an indicator's id")] = None,
        org: Annotated[str | None, Query(description="an organisation's id, or `_T` for the total over them")] = None,
        cluster: Annotated[str | None, Query(description="a cluster's id, or `_T`")] = None,
        tier: Annotated[str | None, Query(description="a tier's id, or `_T` for rows that are about no tier")] = None,
        period: Annotated[str | None, Query(description="a period in any spelling")] = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Any:
        """Totals with their coverage. An absent filter means all; `_T` is the total over a dimension."""
        only(request, PARAMETERS)
        filters = await checked_filters(request, engine, queries.Filters(indicator, org, cluster, tier, period))
        after = position(cursor, len(queries.KEY))
        async with queries.one_snapshot(engine) as (connection, snapshot):
            not_modified = unchanged(request, response, snapshot)
            if not_modified is not None:
                return not_modified
            rows = await queries.rollups(connection, filters, after, limit + 1)
            page, next_cursor = cut(rows, limit, lambda row: [getattr(row, name) for name in queries.KEY])
            incomplete = [row.rollup_id for row in page if row.rollup_id and row.reported < row.expected]
            missing = await queries.missing_names(connection, incomplete)
        items = [_kept(row, missing.get(row.rollup_id, [])) if row.rollup_id else _single(row) for row in page]
        return RollupPage(items=items, next=next_cursor, as_of=as_of_token(snapshot))

    return router


def _kept(row: Any, missing: list[str]) -> RollupItem:
    value = value_of(Rule(row.rule), row.total, row.reported)
    return RollupItem(
        indicator=row.indicator,
        org=row.org,
        cluster=row.cluster,
        tier=row.tier,
        period=row.period,
        value=value,
        unit=row.unit,
        status=None if value is None else status_of(row.provisional, row.estimated, row.forecast),
        coverage=CoverageItem(reported=row.reported, expected=row.expected, missing=missing),
        version=row.version,
        recorded_at=row.recorded_at,
    )


def _single(row: Any) -> RollupItem:
    reported = row.value is not None
    expected = not (not reported and row.status == Status.NOT_APPLICABLE and row.may_not_apply)
    name = row.member_cluster if TOTAL not in {row.org, row.member_cluster} else row.member_org
    return RollupItem(
        indicator=row.indicator,
        org=row.org,
        cluster=row.cluster,
        tier=row.tier,
        period=row.period,
        value=row.value,
        unit=row.unit,
        status=None if row.status is None else Status(row.status),
        coverage=CoverageItem(
            reported=int(reported), expected=int(expected), missing=[name] if expected and not reported else []
        ),
        version=row.sequence or 0,
        recorded_at=row.applied_at or row.opened_at,
    )
