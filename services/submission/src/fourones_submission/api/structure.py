"""`/v1/structure`: the structure definition that SDMX-CSV files are written by."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

import orjson
from fastapi import APIRouter, Header
from fastapi.responses import Response

from fourones_shared.catalogue.model import Catalogue
from fourones_shared.domain.clock import Clock
from fourones_shared.http.problems import Problem
from fourones_shared.http.service import Caller
from fourones_shared.reference import ReferenceCopy
from fourones_submission.api.documentation import documented
from fourones_submission.formats.sdmx_structure import LANGUAGES, MEDIA_TYPE, structure_message

IfNoneMatch = Annotated[str | None, Header(alias="If-None-Match")]
_ETAG = {"ETag": {"schema": {"type": "string"}, "description": "changes with the catalogue in force"}}
_MESSAGE = {MEDIA_TYPE: {"schema": {"type": "object", "description": "an SDMX-JSON 2.0 structure message"}}}


@dataclass(frozen=True, slots=True)
class _Written:
    version: int
    etag: str
    content: bytes


def structure_routes(*, reference: ReferenceCopy, clock: Clock) -> APIRouter:
    """The route, over what it needs."""
    router = APIRouter(tags=["catalogue"])
    messages = _Messages(clock)

    @router.get(
        "/v1/structure",
        response_class=Response,
        responses=documented(401, 404)
        | {
            200: {"description": "structure, dataflow, concepts and code lists", "content": _MESSAGE, "headers": _ETAG},
            304: {"description": "still the one that If-None-Match names"},
        },
    )
    async def structure(caller: Caller, if_none_match: IfNoneMatch = None) -> Response:  # noqa: ARG001 - any key may
        """The SDMX data structure definition with the code lists of the catalogue in force."""
        if reference.in_force is None:
            raise Problem(HTTPStatus.NOT_FOUND, "尚未发布数据字典:请管理员先执行 fourones catalogue apply")
        message = messages.of(*reference.in_force)
        headers = {"ETag": message.etag, "Cache-Control": "no-cache"}
        if if_none_match is not None and _names(if_none_match, message.etag):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        headers["Content-Language"] = ", ".join(LANGUAGES)
        return Response(message.content, headers=headers, media_type=MEDIA_TYPE)

    return router


class _Messages:
    """Keeps the message of the newest catalogue version."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: _Written | None = None

    def of(self, version: int, catalogue: Catalogue) -> _Written:
        if self._last is None or self._last.version != version:
            message = structure_message(version, catalogue, self._clock.now())
            # Without the moment it was made, so that every instance gives the same; and not the version alone, which
            # a release that words something differently leaves as it is.
            digest = hashlib.sha256(orjson.dumps(message["data"])).hexdigest()[:12]
            self._last = _Written(version, f'"{version}-{digest}"', orjson.dumps(message))
        return self._last


def _names(header: str, etag: str) -> bool:
    tags = {tag.strip().removeprefix("W/") for tag in header.split(",")}
    return etag in tags or header.strip() == "*"
