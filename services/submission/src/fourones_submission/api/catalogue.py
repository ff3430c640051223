"""`/v1/catalogue`: the catalogue in force, and putting another one in force."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Header, Request
from fastapi.responses import Response

from fourones_shared.catalogue.faults import CatalogueHasFaults
from fourones_shared.catalogue.model import Catalogue
from fourones_shared.catalogue.parsing import parse_document
from fourones_shared.events.model import Role
from fourones_shared.http.problems import Fault, Problem
from fourones_shared.http.service import Caller
from fourones_shared.reference import ReferenceCopy
from fourones_submission.api.bodies import BODY_TIMEOUT_S, body_of, media_type_of, not_parseable
from fourones_submission.api.documentation import documented
from fourones_submission.api.models import CatalogueInForce
from fourones_submission.formats import json_format
from fourones_submission.formats.errors import Unreadable
from fourones_submission.storage.catalogues import Catalogues
from fourones_submission.storage.errors import EventTooLarge, Stale

IfMatch = Annotated[str | None, Header(alias="If-Match", description='the ETag that was read, such as "3"')]
IfNoneMatch = Annotated[str | None, Header(alias="If-None-Match")]
_ETAG = {"ETag": {"schema": {"type": "string"}, "description": 'the version, such as "3"'}}
_DOCUMENT = {"application/json": {"schema": {"type": "object", "description": "a catalogue document"}}}


def catalogue_routes(
    *,
    catalogues: Catalogues,
    reference: ReferenceCopy,
    max_body_bytes: int,
    body_timeout_s: float = BODY_TIMEOUT_S,
) -> APIRouter:
    """The routes, over what they need."""
    router = APIRouter(tags=["catalogue"])

    @router.get(
        "/v1/catalogue",
        response_class=Response,
        responses=documented(401, 404)
        | {
            200: {"description": "the catalogue in force", "content": _DOCUMENT, "headers": _ETAG},
            304: {"description": "still the version that If-None-Match names"},
        },
    )
    async def catalogue(caller: Caller, if_none_match: IfNoneMatch = None) -> Response:  # noqa: ARG001 - any key may
        """The catalogue in force: indicators, organisations, clusters, plans, targets."""
        if reference.in_force is None:
            raise Problem(HTTPStatus.NOT_FOUND, "尚未发布数据字典:请管理员先执行 fourones catalogue apply")
        version, content = reference.in_force
        headers = {"ETag": _etag(version), "Cache-Control": "no-cache"}
        if if_none_match is not None and (if_none_match.strip() == "*" or version in _versions(if_none_match)):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return Response(content.document, headers=headers, media_type="application/json")

    @router.put(
        "/v1/catalogue",
        response_model=CatalogueInForce,
        responses=documented(400, 401, 403, 408, 412, 413, 415, 422, 428)
        | {
            200: {"description": "in force already: the content has not changed", "headers": _ETAG},
            201: {"model": CatalogueInForce, "description": "in force as a new version", "headers": _ETAG},
        },
        openapi_extra={"requestBody": {"required": True, "content": _DOCUMENT}},
    )
    async def put_catalogue(
        request: Request, caller: Caller, if_match: IfMatch = None, if_none_match: IfNoneMatch = None
    ) -> Response:
        """Put a catalogue in force, as a new version unless its content is the present one's."""
        if caller.role is not Role.ADMIN:
            raise Problem(HTTPStatus.FORBIDDEN, "只有 admin 密钥可以发布数据字典")
        media_type_of(request, (json_format.MEDIA_TYPE,))
        admitted = _precondition(if_match, if_none_match)
        body = await body_of(request, max_body_bytes, timeout_s=body_timeout_s)
        content = await to_thread.run_sync(_parsed, body)
        try:
            put = await catalogues.put(content, admitted=admitted, published_by=caller.key_id)
        except Stale as error:
            raise _stale(error.current) from error
        except EventTooLarge as error:
            detail = f"数据字典过大:{error.size} 字节,上限为 {error.limit} 字节"
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail) from error
        # Whoever has been told that it is in force finds it so at the next request.
        await to_thread.run_sync(reference.refresh)
        answer = CatalogueInForce(version=put.version, changed=put.changed)
        status = HTTPStatus.CREATED if put.changed else HTTPStatus.OK
        headers = {"ETag": _etag(put.version)}
        return Response(answer.model_dump_json(), status, headers=headers, media_type="application/json")

    return router


def _parsed(body: bytes) -> Catalogue:
    try:
        return parse_document(_document(body))
    except Unreadable as error:
        raise not_parseable(error.detail, error.line, error.column) from error
    except CatalogueHasFaults as error:
        faults = [Fault(pointer=f.pointer, code=f.code, detail=f.detail) for f in error.found]
        detail = f"数据字典有 {len(faults)} 处错误,未发布:请按 errors 逐条修改"
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=faults) from error


def _document(body: bytes) -> Mapping[str, Any]:
    document: Mapping[str, Any] = json_format.parse(body, number=_number)
    return document


def _number(text: str) -> int | Decimal | str:
    if text.lstrip("-").isdigit():
        # More digits than any field takes stay text, which the field's own rule refuses.
        return int(text) if len(text) < 30 else text
    try:
        return Decimal(text)
    except ArithmeticError:
        return text


def _etag(version: int) -> str:
    return f'"{version}"'


def _versions(header: str) -> frozenset[int]:
    tags = (tag.strip().removeprefix("W/").strip('"') for tag in header.split(","))
    return frozenset(int(tag) for tag in tags if tag.isascii() and tag.isdigit() and len(tag) < 10)


def _precondition(if_match: str | None, if_none_match: str | None) -> frozenset[int]:
    """The versions that may be in force when the new one takes over; 0 stands for none at all."""
    if if_match is not None:
        return _versions(if_match)
    if if_none_match is not None and if_none_match.strip() == "*":
        return frozenset({0})
    detail = '缺少前提:请在 If-Match 写 GET /v1/catalogue 返回的 ETag(如 "3"),首次发布写 If-None-Match: *'
    raise Problem(HTTPStatus.PRECONDITION_REQUIRED, detail)


def _stale(current: int) -> Problem:
    now = f"现行为第 {current} 版" if current else "尚未发布过数据字典"
    headers = {"ETag": _etag(current)} if current else None
    return Problem(
        HTTPStatus.PRECONDITION_FAILED, f"{now},与前提不符:请重新读取 GET /v1/catalogue 后再改", headers=headers
    )
