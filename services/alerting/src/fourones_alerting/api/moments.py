"""The moment that an answer is of: the newest, or the one that `as_of` names."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import Query, Request
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from fourones_shared.asof import Asked, NotAMoment, read_as_of, token, whole_milliseconds
from fourones_shared.catalogue.model import Catalogue
from fourones_shared.database.engine import async_one_state
from fourones_shared.domain.clock import Clock
from fourones_shared.http.problems import Fault, Problem
from fourones_shared.reference import ReferenceCopy

SERVICE = "alerting"
# A client whose clock is a little ahead asks for "now", not for the future.
CLOCKS_DIFFER_AT_MOST = timedelta(minutes=1)
# One board compares a few moments; a version takes some megabytes.
KEPT_OF_THE_PAST = 4

AsOf = Annotated[
    str | None,
    Query(
        description="what was known then: an `as_of` that this service has answered, or an RFC 3339 time",
        examples=["alerting:42@1776211200000", "2026-04-15T18:00:00+08:00"],
        max_length=64,
    ),
]


@dataclass(frozen=True, slots=True)
class Moment:
    """A state of this service.

    Attributes:
        snapshot: the number of the last transaction in it that changed what is said.
        at: the clock under which it was asked for (UTC, whole milliseconds).
        catalogue: the version in force then.
        catalogue_version: its number.
        is_past: whether there is a later one, so that it is read from what is kept of the past.
    """

    snapshot: int
    at: datetime
    catalogue: Catalogue
    catalogue_version: int
    is_past: bool

    @property
    def token(self) -> str:
        """Names this moment; asking with it gives the same answer again."""
        return token(SERVICE, self.snapshot, self.at)


class Moments:
    """Opens moments for readers.

    Args:
        engine: the API's.
        clock: tells now.
    """

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._catalogues: OrderedDict[int, Catalogue] = OrderedDict()

    @asynccontextmanager
    async def open(self, request: Request, as_of: str | None) -> AsyncIterator[tuple[AsyncConnection, Moment]]:
        """A connection whose reads all show the same state of the database, and the moment that the answer is of.

        Args:
            request: leads to the copy of the catalogue in force.
            as_of: a token or a time, as the client gave it; None for now.

        Raises:
            Problem: 422 when `as_of` names no moment that is known here, 503 before the first catalogue.
        """
        try:
            asked = None if as_of is None else read_as_of(as_of, SERVICE)
        except NotAMoment as error:
            raise _no_moment(str(error)) from error
        async with async_one_state(self._engine) as connection:
            newest = (await connection.execute(_NEWEST)).one()
            now = whole_milliseconds(self._clock.now())
            if asked is None:
                # An API whose clock is behind the worker's shows nothing from before it was known.
                number, at, version = newest.number, max(now, whole_milliseconds(newest.taken_at)), newest.version
            else:
                number, at, version = await _named(connection, asked, newest.number, now)
            if not version:
                raise Problem(
                    HTTPStatus.SERVICE_UNAVAILABLE, "尚未收到指标目录，请稍后再试", headers={"Retry-After": "2"}
                )
            catalogue = await self._catalogue(connection, request.app.state.reference, version)
            yield connection, Moment(number, at, catalogue, version, is_past=number < newest.number)

    async def _catalogue(self, connection: AsyncConnection, reference: ReferenceCopy, version: int) -> Catalogue:
        at_hand = reference.in_force
        if at_hand is not None and at_hand[0] == version:
            return at_hand[1]
        if version not in self._catalogues:
            document = (await connection.execute(_DOCUMENT, {"version": version})).scalar_one()
            # Reading hundreds of indicators takes too long for the loop that serves all requests.
            self._catalogues[version] = await asyncio.to_thread(_read, document)
        self._catalogues.move_to_end(version)
        catalogue = self._catalogues[version]
        while len(self._catalogues) > KEPT_OF_THE_PAST:
            self._catalogues.popitem(last=False)
        return catalogue


async def _named(connection: AsyncConnection, asked: Asked, newest: int, now: datetime) -> tuple[int, datetime, int]:
    if asked.at is not None and asked.at > now + CLOCKS_DIFFER_AT_MOST:
        raise _no_moment("as_of 是将来的时间：请写不晚于当前的时间")
    if asked.snapshot is not None and asked.snapshot > newest:
        raise _no_moment(f"没有编号为 {asked.snapshot} 的快照：本服务目前到 {newest}")
    statement = _BY_TIME if asked.snapshot is None else _BY_NUMBER
    taken = (await connection.execute(statement, {"number": asked.snapshot, "at": asked.at})).one_or_none()
    if taken is None:
        first = (await connection.execute(_FIRST)).one_or_none()
        since = "还没有历史" if first is None else f"最早可查 {first.taken_at.isoformat()}（快照 {first.number}）"
        raise _no_moment(f"该时点早于本服务保存的历史：{since}")
    at = whole_milliseconds(asked.at or taken.taken_at)
    if at < whole_milliseconds(taken.taken_at):
        raise _no_moment(
            f"编号为 {taken.number} 的快照当时还没有：数据库可能已从备份恢复，编号重新用过。请改用时间查询"
        )
    return taken.number, at, taken.catalogue_version


def _no_moment(detail: str) -> Problem:
    fault = Fault(pointer="query:as_of", code="unknown_moment", detail=detail)
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "查询参数有误，请按 errors 逐条修改", errors=[fault])


def _read(document: object) -> Catalogue:
    return Catalogue.model_validate(document, extra="ignore")


_NEWEST = text(
    "SELECT number, taken_at, coalesce((SELECT version FROM catalogue_in_force), 0) AS version FROM snapshot"
)
_BY_NUMBER = text(
    "SELECT number, taken_at, catalogue_version FROM snapshot_taken WHERE number = :number AND number > 0"
)
_BY_TIME = text(
    "SELECT number, taken_at, catalogue_version FROM snapshot_taken WHERE taken_at <= :at"
    " ORDER BY taken_at DESC, number DESC LIMIT 1"
)
_FIRST = text("SELECT number, taken_at FROM snapshot_taken ORDER BY number LIMIT 1")
_DOCUMENT = text("SELECT document FROM catalogue_version WHERE version = :version")
