"""`/v1/template.xlsx`: the workbook that asks an organisation for just what it must report."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote

from anyio import to_thread
from fastapi import APIRouter, Query
from fastapi.responses import Response

from fourones_shared.access.keys import Principal
from fourones_shared.domain.clock import Clock
from fourones_shared.domain.periods import Period
from fourones_shared.http.problems import Fault, Problem
from fourones_shared.http.service import Caller
from fourones_submission.api.documentation import documented
from fourones_submission.domain.draft import MOST_FIGURES
from fourones_submission.domain.terms import Terms, unreadable_period
from fourones_submission.domain.wording import Suggestions, quoted
from fourones_submission.formats import template as workbook
from fourones_submission.formats.template_content import Asked, asked, template_of
from fourones_submission.formats.workbook_words import MEDIA_TYPE
from fourones_submission.storage.figures import Figures
from fourones_submission.storage.locks import Locks
from fourones_submission.terms_in_force import TermsInForce

Org = Annotated[
    str | None,
    Query(
        description="whom the figures are about; without it the city for a department that reports about it, "
        "else the key's own organisation",
        max_length=80,
        examples=["320382"],
    ),
]
Reporter = Annotated[
    str | None,
    Query(
        description="the duty-holder; without it the key's own organisation, or all of them for office roles",
        max_length=80,
    ),
]
OfPeriod = Annotated[
    str,
    Query(
        alias="period",
        description="all figures whose period ends within this one and has begun: 2026-03 asks for March, for the "
        "weeks that end in it, and for the first quarter",
        max_length=40,
        examples=["2026-03"],
    ),
]
_BINARY = {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}


def template_routes(*, figures: Figures, locks: Locks, terms: TermsInForce, clock: Clock) -> APIRouter:
    """The route, over what it needs."""
    router = APIRouter(tags=["submissions"])

    @router.get(
        "/v1/template.xlsx",
        response_class=Response,
        responses=documented(401, 403, 404, 422)
        | {
            200: {
                "description": "the workbook; filled in, it is posted back as it is",
                "content": _BINARY,
                "headers": {"Content-Disposition": {"schema": {"type": "string"}}},
            }
        },
    )
    async def template(caller: Caller, period: OfPeriod, org: Org = None, reporter: Reporter = None) -> Response:
        """A workbook with one row per figure that must be reported, with names, units and earlier values."""
        in_force = terms.now()
        within = _period(period)
        reporter = _reporter(caller, reporter, in_force)
        org = _organisation(caller, org, in_force)
        now = clock.now()
        if within.starts_at > now:
            raise _wrong("period", "period_in_future", f"{within.key} 尚未开始,还没有要报送的数")

        def found() -> tuple[Asked, ...]:
            return asked(in_force.catalogue, within, now, org=org, reporter=reporter, admits=caller.admits)

        wanted = await to_thread.run_sync(found)
        if not wanted:
            raise Problem(HTTPStatus.NOT_FOUND, _nothing(org, reporter, within, in_force))
        if len(wanted) > MOST_FIGURES:
            detail = f"{within.key} 内共有 {len(wanted)} 个应报数,一份最多 {MOST_FIGURES} 个:请选短一些的报告期"
            raise _wrong("period", "figures_too_many", detail)
        known = await figures.known({series for one in wanted for series in one.all_series})
        decisions = await locks.decisions({one.series for one in wanted})

        def written() -> bytes:
            content = template_of(in_force, within, now, org=org, wanted=wanted, known=known, decisions=decisions)
            return workbook.write(content)

        return Response(
            await to_thread.run_sync(written),
            media_type=MEDIA_TYPE,
            headers={
                "Content-Disposition": _attachment(org, in_force.organisation_names[org], within),
                # It shows figures of its reporter, as they are now.
                "Cache-Control": "private, no-store",
                "X-Content-Type-Options": "nosniff",
            },
        )

    return router


def _period(text: str) -> Period:
    unreadable = unreadable_period(text)
    if unreadable is not None:
        raise _wrong("period", unreadable.code, unreadable.detail)
    return Period.parse(text)


def _reporter(caller: Principal, reporter: str | None, terms: Terms) -> str | None:
    if reporter is not None and reporter not in terms.catalogue.organisation:
        raise _unknown("reporter", reporter, terms)
    if caller.reads_everything:
        return reporter
    if reporter not in {None, caller.org}:
        detail = f"本密钥属于 {caller.org},不能下载 {reporter}({terms.organisation_names[reporter or '']})的报送表"
        raise Problem(HTTPStatus.FORBIDDEN, detail)
    return caller.org


def _organisation(caller: Principal, org: str | None, terms: Terms) -> str:
    if org is not None:
        if org not in terms.catalogue.organisation:
            raise _unknown("org", org, terms)
        return org
    about = terms.reports_about.get(caller.org or "", frozenset())
    if terms.catalogue.city.id in about:
        return terms.catalogue.city.id
    if caller.org is None or (about and caller.org not in about):
        which = ":" + "、".join(sorted(about)[:10]) if about else ",如 320382"
        raise _wrong("org", "org_missing", f"请用 org 指定数据所属单位的编码{which}")
    return caller.org


def _unknown(name: str, org: str, terms: Terms) -> Problem:
    detail = f"没有编码为 {quoted(org)} 的单位;" + Suggestions(terms.organisation_names).near(org)
    return _wrong(name, "org_unknown", detail)


def _nothing(org: str, reporter: str | None, within: Period, terms: Terms) -> str:
    about = f"{org}({terms.organisation_names.get(org, org)})"
    if reporter is None:
        return f"{within.key} 内没有关于 {about} 的应报数:请核对单位和报告期"
    by = f"{reporter}({terms.organisation_names.get(reporter, reporter)})"
    return f"{within.key} 内 {by} 没有关于 {about} 的应报数:请核对单位、报告期和密钥范围"


def _wrong(name: str, code: str, detail: str) -> Problem:
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=[Fault(pointer=f"query:{name}", code=code, detail=detail)]
    )


def _attachment(org: str, name: str, within: Period) -> str:
    # A range holds a slash, which no file name may.
    period = within.key.replace("/", "_")
    return (
        f'attachment; filename="template-{org}-{period}.xlsx"; '
        f"filename*=UTF-8''{quote(f'指标报送表-{name}-{period}.xlsx')}"
    )
