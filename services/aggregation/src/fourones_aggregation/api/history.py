"""`GET /v1/figures/history`."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncEngine

from fourones_aggregation.api import queries
from fourones_aggregation.api.asking import AsOf, checked_filters, only, position, unchanged
from fourones_aggregation.api.models import RevisionItem, RevisionPage
from fourones_shared.access.keys import Principal
from fourones_shared.catalogue.duties import reporter_of
from fourones_shared.catalogue.model import TOTAL
from fourones_shared.http.paging import Cursor, Limit, cut
from fourones_shared.http.problems import Problem
from fourones_shared.http.service import ERRORS, Caller
from fourones_shared.reference import ReferenceCopy

PARAMETERS = frozenset({"indicator", "org", "cluster", "period", "as_of", "limit", "cursor"})


def history_routes(engine: AsyncEngine) -> APIRouter:
    """A figure's revisions, for those who read everything, whom it is about, and who has its duty."""
    router = APIRouter()

    @router.get("/v1/figures/history", response_model=RevisionPage, responses=ERRORS)
    async def history(
        *,
        request: Request,
        response: Response,
        caller: Caller,
        indicator: Annotated[str, Query(description="an indicator's id")],
        org: Annotated[str, Query(description="whom the figure is about")],
        period: Annotated[str, Query(description="a period in any spelling")],
        cluster: Annotated[str, Query(description="a cluster's id; `_T` for a figure without cluster")] = TOTAL,
        as_of: AsOf = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Any:
        """Every value the figure has had, by sequence, with who reported it, when, and in which submission."""
        only(request, PARAMETERS)
        asked = queries.Filters(indicator=indicator, org=org, cluster=cluster, period=period)
        filters = await checked_filters(request, engine, asked)
        _allow(caller, request.app.state.reference, indicator, org, cluster)
        after = position(cursor, 1)
        figure = {"indicator": indicator, "org": org, "cluster": cluster, "period": filters.period or period}
        clock = request.app.state.clock
        async with queries.at_moment(engine, as_of, clock) as (connection, moment):
            not_modified = unchanged(request, response, moment)
            if not_modified is not None:
                return not_modified
            rows = await queries.history(connection, moment, figure, after[0] if after else 0, limit + 1)
            excluded = await queries.is_excluded(connection, moment, figure)
        page, next_cursor = cut(rows, limit, lambda row: [row.sequence])
        items = [RevisionItem.model_validate(dict(row._mapping)) for row in page]  # noqa: SLF001 - SQLAlchemy's public name
        return RevisionPage(items=items, next=next_cursor, as_of=moment.token, excluded=excluded)

    return router


def _allow(caller: Principal, reference: ReferenceCopy, indicator: str, org: str, cluster: str) -> None:
    if caller.reads_everything or caller.org == org or caller.org == _duty_holder(reference, indicator, org, cluster):
        return
    detail = "没有权限查看该数据的修订记录:只能查看本单位的,或由本单位负责报送的数据"
    raise Problem(HTTPStatus.FORBIDDEN, detail)


def _duty_holder(reference: ReferenceCopy, indicator: str, org: str, cluster: str) -> str | None:
    catalogue = reference.catalogue
    known = catalogue.indicator.get(indicator) if catalogue is not None else None
    if catalogue is None or known is None or cluster not in (known.clusters or (TOTAL,)):
        return None
    return reporter_of(catalogue, known, org, cluster)
