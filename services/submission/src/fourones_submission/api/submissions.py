"""`/v1/submissions`: taking figures in, and telling what became of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response
from sqlalchemy import Row

from fourones_shared.access.keys import Principal
from fourones_shared.domain.clock import SHANGHAI
from fourones_shared.http.paging import Cursor, Limit, Page, cut, decode_cursor
from fourones_shared.http.problems import Fault, Problem
from fourones_shared.http.service import Caller
from fourones_submission.api.documentation import documented
from fourones_submission.api.models import (
    CSV_EXAMPLES,
    CSV_SCHEMA,
    SUBMISSION_EXAMPLES,
    SUBMISSION_SCHEMA,
    WORKBOOK_SCHEMA,
    Receipt,
    ReceiptInFull,
    SubmissionAccepted,
    SubmissionChecked,
)
from fourones_submission.api.posting import Posting
from fourones_submission.formats import READERS, json_format, sdmx_csv, workbook
from fourones_submission.storage.receipts import Receipts, ReceiptStatus, Wanted

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="quoted or not; the same key and body get the first answer again; county systems always send one",
        examples=['"8e03978e-40d5-43dd-bc93-6894a57f9324"'],
    ),
]
# PostgreSQL's text holds no NUL.
_CODE: dict[str, Any] = {"max_length": 80, "pattern": r"^[^\x00]*$"}
_MOMENT = "RFC 3339, or a date in Shanghai: `from` its beginning, `to` its end"
_ENDINGS = {sdmx_csv.MEDIA_TYPE: "csv", sdmx_csv.PLAIN_MEDIA_TYPE: "csv", workbook.MEDIA_TYPE: "xlsx"}
DryRun = Annotated[bool, Query(description="check everything, store nothing, answer 200")]


def submission_routes(*, posting: Posting, receipts: Receipts) -> APIRouter:
    """The routes, over what they need."""
    router = APIRouter(tags=["submissions"])

    @router.post(
        "/v1/submissions",
        status_code=HTTPStatus.ACCEPTED,
        response_model=SubmissionAccepted,
        responses=documented(400, 401, 403, 408, 409, 413, 415, 422)
        | {
            200: {"model": SubmissionChecked, "description": "a dry run without faults"},
            202: {"headers": {"Location": {"schema": {"type": "string"}, "description": "of the receipt"}}},
        },
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {"schema": SUBMISSION_SCHEMA, "examples": SUBMISSION_EXAMPLES},
                    sdmx_csv.MEDIA_TYPE: {"schema": CSV_SCHEMA, "examples": CSV_EXAMPLES},
                    sdmx_csv.PLAIN_MEDIA_TYPE: {"schema": CSV_SCHEMA, "examples": CSV_EXAMPLES},
                    workbook.MEDIA_TYPE: {"schema": WORKBOOK_SCHEMA},
                },
            }
        },
    )
    async def submit(
        request: Request, caller: Caller, idempotency_key: IdempotencyKey = None, dry_run: DryRun = False
    ) -> Response:
        """Report, revise or withdraw figures of one organisation. Accepted whole, or refused with every fault."""
        return await posting.answer(request, caller, idempotency_key=idempotency_key, dry_run=dry_run)

    @router.get("/v1/submissions/{submission_id}", responses=documented(401, 404))
    async def receipt(submission_id: str, caller: Caller) -> ReceiptInFull:
        """What became of a submission: accepted, published, applied, or dead-lettered."""
        wanted = _id(submission_id)
        row = await receipts.one(wanted, reported_by=_seen_by(caller)) if wanted else None
        if row is None:
            raise _no_such_submission()
        return ReceiptInFull.model_validate(_fields(row))

    @router.get(
        "/v1/submissions/{submission_id}/content",
        response_class=Response,
        responses=documented(401, 404)
        | {
            200: {
                "description": "byte for byte",
                "content": {
                    # Bytes as they came, of which a client reads JSON as JSON.
                    name: {"schema": {} if name == json_format.MEDIA_TYPE else {"type": "string", "format": "binary"}}
                    for name in READERS
                },
            }
        },
    )
    async def content(submission_id: str, caller: Caller) -> Response:
        """A submission as it was sent."""
        wanted = _id(submission_id)
        sent = await receipts.content(wanted, reported_by=_seen_by(caller)) if wanted else None
        if sent is None:
            raise _no_such_submission()
        # What a browser would open as a page of this service, or guess to be one, is somebody else's text.
        headers = {"Content-Type": sent.media_type, "X-Content-Type-Options": "nosniff"}
        ending = _ENDINGS.get(sent.media_type)
        if ending is not None:
            headers["Content-Disposition"] = f'attachment; filename="{wanted}.{ending}"'
        return Response(sent.body, headers=headers)

    @router.get("/v1/submissions", responses=documented(401, 422))
    async def submissions(
        caller: Caller,
        *,
        org: Annotated[str | None, Query(description="whom the figures are about", **_CODE)] = None,
        reporter: Annotated[str | None, Query(description="whose key they were sent with", **_CODE)] = None,
        status: ReceiptStatus | None = None,
        since: Annotated[str | None, Query(alias="from", description=f"received at or after; {_MOMENT}")] = None,
        until: Annotated[str | None, Query(alias="to", description=f"received before; {_MOMENT}")] = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Page[Receipt]:
        """Submissions, the newest first; a reporter's or department's key sees its own."""
        before = decode_cursor(cursor, 1)
        if before is not None and not _is_sequence(before[0]):
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "cursor 无效:请原样使用上一页返回的 next")
        wanted = Wanted(org, reporter, status, _moment("from", since), _moment("to", until, ends=True))
        rows = await receipts.page(
            wanted,
            reported_by=_seen_by(caller),
            before=int(before[0]) if before is not None else None,
            limit=limit + 1,
        )
        page, following = cut(rows, limit, lambda row: (row.sequence,))
        return Page(items=[Receipt.model_validate(_fields(row)) for row in page], next=following)

    return router


def _seen_by(caller: Principal) -> str | None:
    if caller.reads_everything:
        return None
    return caller.org or ""


def _is_sequence(key: str | int) -> bool:
    return isinstance(key, int) and 0 <= key < 2**63


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _no_such_submission() -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "没有这份报送,或它不属于本单位:请核对编号")


def _moment(name: str, text: str | None, *, ends: bool = False) -> datetime | None:
    """A moment, or the beginning or the end of a day in Shanghai."""
    if text is None:
        return None
    try:
        if len(text) == len("2026-03-01"):
            day = date.fromisoformat(text) + timedelta(days=int(ends))
            return datetime.combine(day, time(), SHANGHAI).astimezone(UTC)
        # A plus sign that was not escaped has become a space.
        moment = datetime.fromisoformat(text.replace(" ", "+"))
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    detail = f"{text!r} 不是日期或带时区的时间:写法如 2026-03-01 或 2026-03-01T08:00:00+08:00"
    fault = Fault(pointer=f"query:{name}", code="moment_invalid", detail=detail)
    raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "查询参数有误,请按 errors 逐条修改", errors=[fault])


def _fields(row: Row[Any]) -> dict[str, Any]:
    return dict(row._mapping) | {"submission_id": str(row.submission_id)}  # noqa: SLF001
