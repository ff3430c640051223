"""Lists page by keyset: the cursor is the key of the last item, so that pages stay right while rows come and go."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Annotated, Generic, TypeVar

import orjson
from fastapi import Query
from pydantic import BaseModel

from fourones_shared.http.problems import Problem

Item = TypeVar("Item")

Limit = Annotated[int, Query(ge=1, le=1000, description="items a page")]
Cursor = Annotated[str | None, Query(description="`next` of the page before", max_length=2000)]


class Page(BaseModel, Generic[Item]):
    """A page of a list; `next` is null on the last."""

    items: list[Item]
    next: str | None = None


def encode_cursor(key: Sequence[str | int]) -> str:
    """A cursor out of a row's key."""
    return base64.urlsafe_b64encode(orjson.dumps(list(key))).decode().rstrip("=")


def decode_cursor(cursor: str | None, length: int) -> list[str | int] | None:
    """The key in a cursor; None for the first page.

    Raises:
        Problem: 422 when it is none of ours.
    """
    if cursor is None:
        return None
    try:
        key = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):
        key = None
    if not isinstance(key, list) or len(key) != length or not all(isinstance(k, str | int) for k in key):
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "cursor 无效:请原样使用上一页返回的 next")
    return key


def cut(rows: Sequence[Item], limit: int, key: Callable[[Item], Sequence[str | int]]) -> tuple[list[Item], str | None]:
    """Make a page out of `limit + 1` rows: the row too many only tells that there is a next page."""
    page = list(rows[:limit])
    return page, encode_cursor(key(page[-1])) if len(rows) > limit else None
