"""`GET /v1/export`: the same selection as `/v1/rollups`, whole, as a file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.ext.asyncio import AsyncEngine

from fourones_aggregation.api import queries
from fourones_aggregation.api.asking import AsOf, checked_filters, only, refused, unchanged
from fourones_aggregation.api.delimited import Form, Writer, starts_a_formula
from fourones_aggregation.api.queries import Filters
from fourones_aggregation.api.rollups import AskedCluster, AskedIndicator, AskedOrg, AskedPeriod, AskedTier
from fourones_aggregation.api.selecting import Selected, Selection
from fourones_aggregation.asof import Moment
from fourones_aggregation.catalogues import PastCatalogues
from fourones_aggregation.domain.shapes import Shapes
from fourones_shared.domain.clock import Clock
from fourones_shared.http.problems import Fault, Problem
from fourones_shared.http.service import ERRORS, Caller

PARAMETERS = frozenset({"indicator", "org", "cluster", "tier", "period", "as_of", "format"})
# Lines that are worked out, and held in memory, at a time.
PAGE = 1000
_MEDIA = {"text/csv": Form.CSV, "application/vnd.sdmx.data+csv": Form.SDMX_CSV}
_ANY = {"*/*": Form.CSV, "text/*": Form.CSV, "application/*": Form.SDMX_CSV}
_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "a header and one line per item, UTF-8",
        "content": {media: {"schema": {"type": "string"}} for media in _MEDIA},
        "headers": {
            "Fourones-As-Of": {"schema": {"type": "string"}, "description": "token of the moment that the file shows"},
            "Content-Disposition": {"schema": {"type": "string"}, "description": "a name for the file"},
        },
    },
    406: ERRORS[422] | {"description": "none of the media types in `Accept` can be given"},
}


def export_routes(engine: AsyncEngine, catalogues: PastCatalogues) -> APIRouter:
    """The export for everybody with a valid key."""
    router = APIRouter()

    @router.get("/v1/export", response_class=Response, responses=ERRORS | _FILE)
    async def export(
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
        form: Annotated[
            Form | None,
            Query(
                alias="format", description="`csv` for people and spreadsheets, `sdmx-csv` for programs; over `Accept`"
            ),
        ] = None,
    ) -> Any:
        """Everything that `/v1/rollups` selects, of one moment, in one file: in the form that `Accept` asks for."""
        only(request, PARAMETERS)
        filters = await checked_filters(request, engine, Filters(indicator, org, cluster, tier, period))
        form = form or _accepted(request.headers.get("accept", ""))
        clock = request.app.state.clock
        async with queries.at_moment(engine, as_of, clock) as (connection, moment):
            response.headers["Vary"] = "Accept"
            not_modified = unchanged(request, response, moment, form=form)
            if not_modified is not None:
                return not_modified
            shapes = await catalogues.at(connection, moment.catalogue_version)
            if form is Form.SDMX_CSV:
                _see_that_units_are_safe(shapes, filters)
            first = await Selection(connection, moment, shapes, filters).page(None, PAGE)
        file = _File(engine, clock, moment, shapes, filters, Writer(form, shapes.catalogue))
        name = f"fourones-{filters.indicator or 'rollups'}-{_in_a_name(filters.period or 'all')}-{moment.snapshot}.csv"
        headers = dict(response.headers) | {
            "Content-Disposition": f'attachment; filename="{name}"',
            "Fourones-As-Of": moment.token,
        }
        return StreamingResponse(file.lines(first), media_type=form.media_type, headers=headers)

    return router


@dataclass(frozen=True, slots=True)
class _File:
    engine: AsyncEngine
    clock: Clock
    moment: Moment
    shapes: Shapes
    filters: Filters
    writer: Writer

    async def lines(self, first: list[Selected]) -> AsyncIterator[str]:
        """The file, a page at a time.

        Each page is read as of the moment in a transaction of its own: one who reads slowly holds no connection, and
        nothing in the database.
        """
        yield self.writer.head()
        page = first
        while page:
            yield await asyncio.to_thread(self.writer.page, page)
            page = await self._after(page[-1]) if len(page) == PAGE else []

    async def _after(self, last: Selected) -> list[Selected]:
        async with queries.at_moment(self.engine, self.moment.token, self.clock) as (connection, moment):
            return await Selection(connection, moment, self.shapes, self.filters).page(last.key, PAGE)


def _accepted(accept: str) -> Form:
    """The form that the client likes best.

    Raises:
        Problem: 406 when it likes none.
    """
    if not accept.strip():
        return Form.CSV
    liked: list[tuple[float, Form]] = []
    for written in accept.split(","):
        media, *parameters = (part.strip().lower() for part in written.split(";"))
        form = _MEDIA.get(media) or _ANY.get(media)
        quality = _quality(parameters)
        if form is not None and quality > 0:
            liked.append((quality, form))
    if not liked:
        detail = f"不能提供 {accept!r}:请在 Accept 写 {' 或 '.join(_MEDIA)},或用 format=csv、format=sdmx-csv"
        raise Problem(HTTPStatus.NOT_ACCEPTABLE, detail)
    return max(liked, key=lambda one: one[0])[1]


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0
    return 1


def _see_that_units_are_safe(shapes: Shapes, filters: Filters) -> None:
    """Refuse before the first line what could not be written in the middle.

    Raises:
        Problem: 422 with every unit that begins like a formula.
    """
    faults = [
        Fault(
            pointer="query:format",
            code="unit_like_a_formula",
            detail=f"指标 {known.id} 的计量单位 {known.unit!r} 像公式:请改用 format=csv,或在目录中改正单位",
        )
        for known in shapes.catalogue.indicators
        if filters.indicator in {None, known.id} and starts_a_formula(known.unit)
    ]
    if faults:
        raise refused(faults)


def _in_a_name(period: str) -> str:
    """A range's key holds a slash."""
    return period.replace("/", "-")
