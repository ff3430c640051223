"""`/v1/submissions`: taking figures in, and telling what became of them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response
from sqlalchemy import Row

from fourones_shared.access.keys import Principal
from fourones_shared.http.paging import Cursor, Limit, Page, cut, decode_cursor
from fourones_shared.http.problems import Problem
from fourones_shared.http.service import Caller
from fourones_submission.api.documentation import documented
from fourones_submission.api.models import (
    SUBMISSION_EXAMPLES,
    SUBMISSION_SCHEMA,
    Receipt,
    SubmissionAccepted,
    SubmissionChecked,
)
from fourones_submission.api.posting import Posting
from fourones_submission.storage.receipts import Receipts, ReceiptStatus

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="quoted or not; the same key and body get the first answer again; county systems always send one",
        examples=['"8e03978e-40d5-43dd-bc93-6894a57f9324"'],
    ),
]
DryRun = Annotated[bool, Query(description="check everything, store nothing, answer 200")]


def submission_routes(*, posting: Posting, receipts: Receipts) -> APIRouter:
    """The routes, over what they need."""
    router = APIRouter(tags=["submissions"])

    @router.post(
        "/v1/submissions",
        status_code=HTTPStatus.ACCEPTED,
        response_model=SubmissionAccepted,
        responses=documented(400, 401, 403, 409, 413, 415, 422, 503)
        | {
            200: {"model": SubmissionChecked, "description": "a dry run without faults"},
            202: {"headers": {"Location": {"schema": {"type": "string"}, "description": "of the receipt"}}},
        },
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": SUBMISSION_SCHEMA, "examples": SUBMISSION_EXAMPLES}},
            }
        },
    )
    async def submit(
        request: Request, caller: Caller, idempotency_key: IdempotencyKey = None, dry_run: DryRun = False
    ) -> Response:
        """Report, revise or withdraw figures of one organisation. Accepted whole, or refused with every fault."""
        return await posting.answer(request, caller, idempotency_key=idempotency_key, dry_run=dry_run)

    @router.get("/v1/submissions/{submission_id}", responses=documented(401, 404, 503))
    async def receipt(submission_id: str, caller: Caller) -> Receipt:
        """What became of a submission: accepted, published, applied, or dead-lettered."""
        try:
            wanted = UUID(submission_id)
        except ValueError:
            wanted = None
        row = await receipts.one(wanted, reported_by=_seen_by(caller)) if wanted else None
        if row is None:
            raise Problem(HTTPStatus.NOT_FOUND, "没有这份报送,或它不属于本单位:请核对编号")
        return _receipt(row)

    @router.get("/v1/submissions", responses=documented(401, 422, 503))
    async def submissions(
        caller: Caller,
        org: Annotated[str | None, Query(description="whom the figures are about", max_length=80)] = None,
        status: ReceiptStatus | None = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Page[Receipt]:
        """Submissions, the newest first; a reporter's or department's key sees its own."""
        before = decode_cursor(cursor, 1)
        if before is not None and not _is_sequence(before[0]):
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "cursor 无效:请原样使用上一页返回的 next")
        rows = await receipts.page(
            org=org,
            status=status,
            reported_by=_seen_by(caller),
            before=int(before[0]) if before is not None else None,
            limit=limit + 1,
        )
        page, following = cut(rows, limit, lambda row: (row.sequence,))
        return Page(items=[_receipt(row) for row in page], next=following)

    return router


def _seen_by(caller: Principal) -> str | None:
    if caller.reads_everything:
        return None
    return caller.org or ""


def _is_sequence(key: str | int) -> bool:
    return isinstance(key, int) and 0 <= key < 2**63


def _receipt(row: Row[Any]) -> Receipt:
    return Receipt.model_validate(dict(row._mapping) | {"submission_id": str(row.submission_id)})  # noqa: SLF001
