"""What every read of this API asks of its request, and says of the moment it shows."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated

from fastapi import Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncEngine

from fourones_aggregation.api.queries import Filters, known_codes
from fourones_aggregation.asof import Moment
from fourones_shared.catalogue.model import TOTAL, Catalogue
from fourones_shared.domain.periods import FORMS, Period, shanghai_date
from fourones_shared.errors import InvalidPeriod
from fourones_shared.http.paging import decode_cursor
from fourones_shared.http.problems import Fault, Problem
from fourones_shared.reference import ReferenceCopy

_NAMES = {"indicator": "指标", "org": "单位", "cluster": "集群", "tier": "梯队"}


def position(cursor: str | None, length: int) -> list[int] | None:
    """The numbers in a cursor; None for the first page.

    Raises:
        Problem: 422 when it is none of ours.
    """
    key = decode_cursor(cursor, length)
    if key is None:
        return None
    numbers = [part for part in key if isinstance(part, int) and 0 <= part < 2**63]
    if len(numbers) != length:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "cursor 无效:请原样使用上一页返回的 next")
    return numbers


AsOf = Annotated[
    str | None,
    Query(
        description="what was known then: an `as_of` that this service has answered, or an RFC 3339 time",
        examples=["aggregation:42@1776211200000", "2026-04-15T18:00:00+08:00"],
        max_length=64,
    ),
]


def only(request: Request, allowed: Collection[str]) -> None:
    """Refuse parameters that nobody would heed: an ignored filter looks like an answer.

    Raises:
        Problem: 422 with every one of them.
    """
    faults = [
        Fault(
            pointer=f"query:{name}",
            code="unknown_parameter",
            detail=f"不支持参数 {name};可用的参数:{'、'.join(sorted(allowed))}",
        )
        for name in sorted(set(request.query_params) - set(allowed))
    ]
    faults += [
        Fault(pointer=f"query:{name}", code="repeated_parameter", detail=f"参数 {name} 只能给一次")
        for name in sorted(allowed)
        if len(request.query_params.getlist(name)) > 1
    ]
    if faults:
        raise refused(faults)


def refused(faults: Sequence[Fault]) -> Problem:
    """422 with every fault of a question."""
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "查询参数有误,请按 errors 逐条修改", errors=faults)


async def checked_filters(request: Request, engine: AsyncEngine, filters: Filters) -> Filters:
    """The filters with the period in its canonical spelling.

    Raises:
        Problem: 422 with every code that neither the catalogue nor the past knows, and a period that is none.
    """
    reference: ReferenceCopy = request.app.state.reference
    faults = []
    for dimension in _NAMES:
        code = getattr(filters, dimension)
        if code is None or (code == TOTAL and dimension != "indicator") or _in(reference.catalogue, dimension, code):
            continue
        if "\0" in code or not await known_codes(engine, dimension, code):
            faults.append(_unknown(dimension, code))
    period = filters.period
    if period is not None:
        try:
            period = Period.parse(period).key
        except InvalidPeriod:
            detail = f"{period!r} 不是有效的报告期;写法如 {FORMS}"
            faults.append(Fault(pointer="query:period", code="invalid_period", detail=detail))
    if faults:
        raise refused(faults)
    return replace(filters, period=period)


def unchanged(
    request: Request, response: Response, moment: Moment, *, by_the_clock: bool = False, form: str = ""
) -> Response | None:
    """Mark the answer with its entity tag; a 304 when the client has it already.

    Args:
        request: the question is part of the tag.
        response: what gets the headers.
        moment: what this service shows changes only with its snapshot.
        by_the_clock: whether it also changes when a day passes in Shanghai, with due dates.
        form: in which of several the answer is given.
    """
    # With the snapshot's time: after a restore its number is given again, to other data.
    shown = f"{request.url.query}\n{form}\n{moment.taken_at.isoformat()}"
    question = hashlib.sha256(shown.encode()).hexdigest()[:16]
    day = f"-{shanghai_date(moment.at):%Y%m%d}" if by_the_clock else ""
    tag = f'W/"{moment.snapshot}{day}-{question}"'
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = "private, no-cache"
    given = [candidate.strip() for candidate in request.headers.get("if-none-match", "").split(",")]
    if tag in given or "*" in given:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=dict(response.headers))
    return None


def _in(catalogue: Catalogue | None, dimension: str, code: str) -> bool:
    if catalogue is None:
        return False
    known: Mapping[str, Mapping[str, object]] = {
        "indicator": catalogue.indicator,
        "org": catalogue.organisation,
        "cluster": catalogue.cluster,
        "tier": {tier.id: tier for tier in catalogue.tiers} if dimension == "tier" else {},
    }
    return code in known[dimension]


def _unknown(dimension: str, code: str) -> Fault:
    name = _NAMES[dimension]
    total = "" if dimension == "indicator" else f";合计请写 {TOTAL}"
    return Fault(
        pointer=f"query:{dimension}",
        code=f"unknown_{dimension}",
        detail=f"没有编码为 {code!r} 的{name};请在目录(submission 服务的 GET /v1/catalogue)中查找正确的编码{total}",
    )
