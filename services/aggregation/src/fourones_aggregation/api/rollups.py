"""`GET /v1/rollups`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncEngine

from fourones_aggregation.api import queries
from fourones_aggregation.api.asking import AsOf, checked_filters, only, position, unchanged
from fourones_aggregation.api.models import BesideItem, CoverageItem, RollupItem, RollupPage
from fourones_aggregation.api.selecting import Selected, Selection
from fourones_aggregation.catalogues import PastCatalogues
from fourones_aggregation.domain.beside import Beside
from fourones_shared.http.paging import Cursor, Limit, cut
from fourones_shared.http.service import ERRORS, Caller

PARAMETERS = frozenset({"indicator", "org", "cluster", "tier", "period", "as_of", "limit", "cursor"})

AskedIndicator = Annotated[str | None, Query(description="an indicator's id")]
AskedOrg = Annotated[str | None, Query(description="an organisation's id, or `_T` for the total over them")]
AskedCluster = Annotated[str | None, Query(description="a cluster's id, or `_T`")]
AskedTier = Annotated[str | None, Query(description="a tier's id, or `_T` for rows that are about no tier")]
AskedPeriod = Annotated[
    str | None,
    Query(
        description="a period in any spelling. A quarter, half-year or year of an indicator that is reported more "
        "finely is made of its periods; absent, only reported periods are answered"
    ),
]


def rollup_routes(engine: AsyncEngine, catalogues: PastCatalogues) -> APIRouter:
    """Roll-ups for everybody with a valid key."""
    router = APIRouter()

    @router.get("/v1/rollups", response_model=RollupPage, responses=ERRORS)
    async def rollups(
        *,
        request: Request,
        response: Response,
        caller: Caller,  # noqa: ARG001 - any valid key may read all roll-ups
        indicator: AskedIndicator = None,
        org: AskedOrg = None,
        cluster: AskedCluster = None,
        tier: AskedTier = None,
        period: AskedPeriod = None,
        as_of: AsOf = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Any:
        """Totals with their coverage. An absent filter means all; `_T` is the total over a dimension.

        Every page is of the newest state unless `as_of` is given: pass the first page's to have all of one moment.
        """
        only(request, PARAMETERS)
        filters = await checked_filters(request, engine, queries.Filters(indicator, org, cluster, tier, period))
        after = position(cursor, len(queries.KEY))
        async with queries.at_moment(engine, as_of, request.app.state.clock) as (connection, moment):
            not_modified = unchanged(request, response, moment)
            if not_modified is not None:
                return not_modified
            shapes = await catalogues.at(connection, moment.catalogue_version)
            found = await Selection(connection, moment, shapes, filters).page(after, limit + 1)
        page, next_cursor = cut(found, limit, lambda item: item.key)
        return RollupPage(items=[item_of(item) for item in page], next=next_cursor, as_of=moment.token)

    return router


def item_of(selected: Selected) -> RollupItem:
    """A value as the API shows it."""
    ask, fact = selected.ask, selected.fact
    return RollupItem(
        indicator=ask.indicator,
        org=ask.scope.org,
        cluster=ask.scope.cluster,
        tier=ask.scope.tier,
        period=ask.period,
        value=fact.value,
        unit=selected.unit,
        status=fact.status,
        coverage=CoverageItem(reported=fact.reported, expected=fact.expected, missing=list(fact.missing)),
        version=fact.version,
        recorded_at=fact.recorded_at,
        through=fact.through,
        beside=None if selected.beside is None else _beside(selected.beside),
    )


def _beside(beside: Beside) -> BesideItem:
    return BesideItem(
        org=beside.org,
        source=beside.source,
        value=beside.value,
        status=beside.status,
        coverage=CoverageItem(reported=beside.reported, expected=beside.expected, missing=list(beside.missing)),
        difference=beside.difference,
    )
