"""`/v1/obligations`: who owes which figure by when, and what has come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from http import HTTPStatus
from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from fourones_shared.access.keys import Principal
from fourones_shared.catalogue.duties import Duty
from fourones_shared.domain.clock import Clock
from fourones_shared.domain.numbers import format_decimal
from fourones_shared.events.model import State, Status
from fourones_shared.http.paging import Page, decode_cursor, encode_cursor
from fourones_shared.http.problems import Fault, Problem
from fourones_shared.http.service import Caller
from fourones_submission.api.asking import bad_cursor, each_once, known_filters
from fourones_submission.api.documentation import documented
from fourones_submission.domain.known import KnownFigure
from fourones_submission.domain.obligations import (
    Asked,
    Obligation,
    Place,
    obligation,
    owed,
    parties,
    place_of,
    series_of,
    state_of,
)
from fourones_submission.domain.terms import Terms, unreadable_period
from fourones_submission.storage.figures import Figures
from fourones_submission.storage.locks import Locks
from fourones_submission.terms_in_force import TermsInForce

# With a state to look for, so many duties are looked at together (20 ms, in which the process does nothing else), and
# at most so many for one page: less than half a second, after which the next page goes on.
LOOKED_AT_TOGETHER = 500
LOOKED_AT_AT_MOST = 10_000


_Found = tuple[Duty, KnownFigure | None]
Exact = Annotated[Decimal, PlainSerializer(format_decimal, return_type=str)]


class ObligationsAsked(BaseModel):
    """The filters; an absent one means all."""

    model_config = ConfigDict(extra="forbid")

    org: str | None = Field(None, max_length=80, description="whom the figures are about")
    reporter: str | None = Field(None, max_length=80, description="the duty-holder")
    period: str | None = Field(
        None, max_length=40, description="exactly this period, in any spelling: 2026, 2026-Q1, 2026-03, 2026-01-01/P2M"
    )
    indicator: str | None = Field(None, max_length=80)
    cluster: str | None = Field(None, max_length=80, description="`_T`: without cluster")
    state: State | None = None
    limit: int = Field(100, ge=1, le=1000, description="items a page; with `state` a page may hold fewer")
    cursor: str | None = Field(None, max_length=2000, description="`next` of the page before")


class ObligationItem(BaseModel):
    """A duty and how it stands."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "indicator": "cluster-scale",
                    "indicator_name": "集群产业规模",
                    "unit": "亿元",
                    "org": "320382",
                    "reporter": "320382",
                    "cluster": "construction-machinery",
                    "period": "2025-11",
                    "due": "2025-12-15T16:00:00Z",
                    "state": "reported",
                    "late": False,
                    "locked": False,
                    "value": "123.4",
                    "status": "A",
                    "since": "2025-12-08T04:00:00Z",
                }
            ]
        }
    )

    indicator: str
    indicator_name: str
    unit: str
    org: str = Field(description="whom the figure is about")
    reporter: str = Field(description="who has the duty")
    cluster: str = Field(description="`_T`: without cluster")
    period: str
    due: datetime = Field(description="overdue from this moment: the end, in Shanghai, of the day on which it is due")
    state: State
    late: bool = Field(description="reported, and a value first stood after `due`; one that has not come is overdue")
    locked: bool = Field(description="figures of this period are refused now")
    value: Exact | None
    status: Status | None = Field(description="of the current figure; null where there is none")
    since: datetime | None = Field(description="when a value first stood; a revision does not change it")


@dataclass(frozen=True, slots=True)
class Obligations:
    """Answers `GET /v1/obligations`."""

    figures: Figures
    locks: Locks
    terms: TermsInForce
    clock: Clock

    async def page(self, asked: ObligationsAsked, caller: Principal) -> Page[ObligationItem]:
        """A page of the duties that the caller is shown.

        Raises:
            Problem: 403 for a filter that names somebody else's, 422 for one that the catalogue does not know.
        """
        terms, now = self.terms.now(), self.clock.now()
        filters = _filters(asked, terms, caller)
        duties = _duties(terms, filters, now, asked.cursor)
        found: list[_Found] = []
        looked_at = 0
        together = asked.limit + 1 if asked.state is None else max(asked.limit + 1, LOOKED_AT_TOGETHER)
        while batch := list(islice(duties, together)):
            known = await self.figures.known({series_of(duty) for duty in batch})
            for duty in batch:
                figure = known.get(series_of(duty), {}).get(duty.cluster)
                if asked.state is None or state_of(duty, terms, figure, now) is asked.state:
                    found.append((duty, figure))
            looked_at += len(batch)
            if len(found) > asked.limit:
                shown = found[: asked.limit]
                return await self._page(shown, terms, now, shown[-1][0])
            if looked_at >= LOOKED_AT_AT_MOST:
                return await self._page(found, terms, now, batch[-1])
        return await self._page(found, terms, now, None)

    async def _page(
        self, shown: Sequence[_Found], terms: Terms, now: datetime, last: Duty | None
    ) -> Page[ObligationItem]:
        decisions = await self.locks.decisions({series_of(duty) for duty, _ in shown})
        standing = (obligation(duty, terms, figure, decisions.get(series_of(duty)), now) for duty, figure in shown)
        return Page(items=[_item(one, terms) for one in standing], next=encode_cursor(place_of(last)) if last else None)


def obligation_routes(obligations: Obligations) -> APIRouter:
    """The route, over what it needs."""
    router = APIRouter(tags=["obligations"])

    @router.get("/v1/obligations", responses=documented(401, 403, 422), dependencies=[Depends(each_once)])
    async def listed(caller: Caller, asked: Annotated[ObligationsAsked, Query()]) -> Page[ObligationItem]:
        """Duties of the periods that have begun, the newest period first, then by indicator, organisation, cluster.

        A reporter's or department's key is shown the duties that its organisation holds and those about it; the
        offices' keys are shown all. The order stays while figures change, so that no duty is listed twice or left
        out between two pages.
        """
        return await obligations.page(asked, caller)

    return router


def _filters(asked: ObligationsAsked, terms: Terms, caller: Principal) -> Asked:
    known_filters(
        terms,
        orgs={"org": asked.org, "reporter": asked.reporter},
        indicator=asked.indicator,
        cluster=asked.cluster,
        period=asked.period,
    )
    party = None if caller.reads_everything else caller.org or ""
    if party is not None:
        _only_theirs(asked, terms, party)
    return Asked(asked.org, asked.reporter, asked.period, asked.indicator, asked.cluster, asked.state, party)


def _only_theirs(asked: ObligationsAsked, terms: Terms, party: str) -> None:
    theirs = parties(terms, party)
    faults = []
    if asked.org is not None and asked.org not in theirs.orgs:
        detail = f"本密钥属于 {party},看不到 {asked.org} 的报送任务:请去掉 org,或改为 {party}"
        faults.append(Fault(pointer="query:org", code="org_not_yours", detail=detail))
    if asked.reporter is not None and asked.reporter not in theirs.reporters:
        detail = f"本密钥属于 {party},看不到 {asked.reporter} 负责的报送任务:请去掉 reporter,或改为 {party}"
        faults.append(Fault(pointer="query:reporter", code="reporter_not_yours", detail=detail))
    if faults:
        raise Problem(HTTPStatus.FORBIDDEN, "只能查看本单位的报送任务:请看 errors", errors=faults)


def _duties(terms: Terms, filters: Asked, now: datetime, cursor: str | None) -> Iterator[Duty]:
    key = decode_cursor(cursor, len(Place._fields))
    if key is None:
        return owed(terms, filters, now)
    place = Place(*(str(part) for part in key))
    if unreadable_period(place.period) is not None:
        bad_cursor()
    return owed(terms, filters, now, place)


def _item(one: Obligation, terms: Terms) -> ObligationItem:
    duty, figure = one.duty, one.figure
    indicator = terms.indicator[duty.indicator].indicator
    return ObligationItem(
        indicator=duty.indicator,
        indicator_name=indicator.name,
        unit=indicator.unit,
        org=duty.org,
        reporter=duty.reporter,
        cluster=duty.cluster,
        period=duty.period.key,
        due=duty.due_at,
        state=one.state,
        late=one.late,
        locked=one.locked,
        value=figure.value if figure is not None else None,
        status=figure.status if figure is not None else None,
        since=figure.since if figure is not None else None,
    )
