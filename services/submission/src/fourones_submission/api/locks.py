"""`/v1/locks`: a coordinator's decisions to lock a period or to lift a lock, with who, when and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Row

from fourones_shared.access.keys import Principal
from fourones_shared.domain.clock import Clock
from fourones_shared.domain.periods import Period
from fourones_shared.events.model import Role
from fourones_shared.http.paging import Page, cut, decode_cursor
from fourones_shared.http.problems import Fault as PublicFault
from fourones_shared.http.problems import Problem
from fourones_shared.http.service import Caller
from fourones_submission.api.asking import bad_cursor, each_once, known_filters
from fourones_submission.api.bodies import body_of, media_type_of, not_parseable
from fourones_submission.api.documentation import documented
from fourones_submission.domain.deciding import LONGEST_REASON, Proposal, decided_about
from fourones_submission.domain.draft import by_pointer
from fourones_submission.domain.obligations import reports_for_others
from fourones_submission.domain.terms import Admitted, Terms
from fourones_submission.formats import json_format
from fourones_submission.formats.errors import Unreadable
from fourones_submission.storage.locks import About, Locks, Seen
from fourones_submission.terms_in_force import TermsInForce

# A reason of the greatest length in escapes of six bytes each, and the rest.
LARGEST_BODY = 16 * 1024


class LockProposed(BaseModel):
    """A decision."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "org": "320382",
                    "indicator": "cluster-scale",
                    "period": "2025-11",
                    "locked": False,
                    "reason": "统计局核查后同意修订",
                }
            ]
        },
    )

    org: str = Field(max_length=80, description="whom the figures are about")
    indicator: str = Field(max_length=80)
    period: str = Field(max_length=40, description="in any spelling; one that the indicator is reported for")
    locked: bool = Field(description="true: figures are refused from now on; false: they are accepted")
    until: AwareDatetime | None = Field(
        None, description="from this moment the catalogue's own rule stands again; without it the decision is for ever"
    )
    reason: str = Field(min_length=1, max_length=LONGEST_REASON, description="told to whoever is refused for it")


class LocksAsked(BaseModel):
    """The filters; an absent one means all."""

    model_config = ConfigDict(extra="forbid")

    org: str | None = Field(None, max_length=80, description="whom the figures are about")
    indicator: str | None = Field(None, max_length=80)
    period: str | None = Field(None, max_length=40, description="exactly this period, in any spelling")
    limit: int = Field(100, ge=1, le=1000, description="items a page")
    cursor: str | None = Field(None, max_length=2000, description="`next` of the page before")


class LockItem(BaseModel):
    """A decision as it was taken."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "org": "320382",
                    "indicator": "cluster-scale",
                    "period": "2025-11",
                    "locked": False,
                    "until": "2026-01-30T16:00:00Z",
                    "reason": "统计局核查后同意修订",
                    "decided_by": "6f1d0c9a7b3e",
                    "decided_by_label": "协调办公室",
                    "decided_at": "2026-01-20T01:30:00Z",
                    "stands": True,
                }
            ]
        }
    )

    org: str
    indicator: str
    period: str
    locked: bool
    until: datetime | None
    reason: str
    decided_by: str = Field(description="id of the key")
    decided_by_label: str | None = Field(description="the key's label")
    decided_at: datetime
    stands: bool = Field(description="the last one on its period, and not past `until`: it is what decides now")


@dataclass(frozen=True, slots=True)
class Deciding:
    """Takes decisions and lists them."""

    locks: Locks
    terms: TermsInForce
    clock: Clock

    async def decide(self, request: Request, caller: Principal) -> LockItem:
        """Keep a decision; it holds for every figure that is posted after the answer, whatever the instance.

        Raises:
            Problem: 403 for any key but a coordinator's, 400 and 422 with everything that is wrong.
        """
        if caller.role is not Role.COORDINATOR:
            detail = f"只有 coordinator 密钥可以锁定或解锁,本密钥是 {caller.role.value}:请联系协调办公室"
            raise Problem(HTTPStatus.FORBIDDEN, detail)
        media_type_of(request, (json_format.MEDIA_TYPE,))
        proposed = _proposed(await body_of(request, LARGEST_BODY))
        terms = self.terms.now()
        proposal = Proposal(**dict(proposed))
        about, faults = decided_about(proposal, terms, self.clock.now())
        if about is None:
            errors = [
                PublicFault(pointer=by_pointer(fault.figure, fault.field).pointer, code=fault.code, detail=fault.detail)
                for fault in faults
            ]
            detail = f"共 {len(errors)} 处有误,未生效:请按 errors 逐条修改(数据字典第 {terms.version} 版)"
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=errors)
        row = await self.locks.decide(
            about,
            locked=proposal.locked,
            until=proposal.until,
            reason=proposal.reason.strip(),
            decided_by=caller.key_id,
        )
        return _item(row)

    async def page(self, asked: LocksAsked, caller: Principal) -> Page[LockItem]:
        """A page of the decisions that the caller is shown, the newest first.

        Raises:
            Problem: 422 for a filter that the catalogue does not know.
        """
        terms = self.terms.now()
        known_filters(terms, orgs={"org": asked.org}, indicator=asked.indicator, period=asked.period)
        key = decode_cursor(asked.cursor, 1)
        before = key[0] if key is not None else None
        if before is not None and not (isinstance(before, int) and 0 <= before < 2**63):
            bad_cursor()
        rows = await self.locks.page(
            org=asked.org,
            indicator=asked.indicator,
            about=_about(asked, terms),
            seen=None if caller.reads_everything else _seen(caller.org or "", terms),
            before=before if isinstance(before, int) else None,
            limit=asked.limit + 1,
        )
        page, following = cut(rows, asked.limit, lambda row: (row.period_lock_id,))
        return Page(items=[_item(row) for row in page], next=following)


def lock_routes(deciding: Deciding) -> APIRouter:
    """The routes, over what they need."""
    router = APIRouter(tags=["locks"])

    @router.post(
        "/v1/locks",
        status_code=HTTPStatus.CREATED,
        responses=documented(400, 401, 403, 408, 413, 415, 422),
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": LockProposed.model_json_schema()}},
            }
        },
    )
    async def decide(request: Request, caller: Caller) -> LockItem:
        """Lock a period for an organisation's indicator, or lift its lock. Of several decisions the last stands."""
        return await deciding.decide(request, caller)

    @router.get("/v1/locks", responses=documented(401, 422), dependencies=[Depends(each_once)])
    async def listed(caller: Caller, asked: Annotated[LocksAsked, Query()]) -> Page[LockItem]:
        """Decisions, the newest first, also those that stand no more.

        A reporter's or department's key is shown those about its organisation or on indicators that it reports.
        What the catalogue locks by itself is no decision: `GET /v1/obligations` shows both.
        """
        return await deciding.page(asked, caller)

    return router


def _proposed(body: bytes) -> LockProposed:
    try:
        json_format.parse(body)
    except Unreadable as error:
        raise not_parseable(error.detail, error.line, error.column) from error
    try:
        return LockProposed.model_validate_json(body.removeprefix(b"\xef\xbb\xbf"), strict=True)
    except ValidationError as error:
        faults: list[Any] = error.errors(include_url=False)
        raise RequestValidationError([fault | {"loc": ("body", *fault["loc"])} for fault in faults]) from error


def _about(asked: LocksAsked, terms: Terms) -> About | None:
    """What the period's spelling means: for some indicators January and February together are February."""
    if asked.period is None:
        return None
    key = Period.parse(asked.period).key
    admissions = ((name, of_indicator.period(asked.period)) for name, of_indicator in terms.indicator.items())
    return About(key, {name: a.period.key for name, a in admissions if isinstance(a, Admitted) and a.period.key != key})


def _seen(party: str, terms: Terms) -> Seen:
    return Seen(party, reports_for_others(terms, party))


def _item(row: Row[Any]) -> LockItem:
    return LockItem.model_validate(dict(row._mapping))  # noqa: SLF001 - SQLAlchemy's public name
