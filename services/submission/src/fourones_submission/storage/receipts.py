"""Receipts: what became of each submission."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine


class ReceiptStatus(StrEnum):
    """How far a submission has come."""

    ACCEPTED = "accepted"
    PUBLISHED = "published"
    APPLIED = "applied"
    DEAD_LETTERED = "dead_lettered"


class Receipts:
    """Reads receipts. `reported_by` limits what is seen to one organisation's own submissions; None sees all."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def one(self, submission_id: UUID, *, reported_by: str | None) -> Row[Any] | None:
        """A submission's receipt; None when there is none, or it is another's."""
        query = text(f"SELECT {_COLUMNS} FROM submission WHERE submission_id = :id{_own(reported_by)}")  # noqa: S608
        async with self._engine.connect() as connection:
            return (await connection.execute(query, {"id": submission_id, "reported_by": reported_by})).one_or_none()

    async def page(
        self,
        *,
        org: str | None,
        status: ReceiptStatus | None,
        reported_by: str | None,
        before: int | None,
        limit: int,
    ) -> Sequence[Row[Any]]:
        """Receipts, the newest first, of sequence numbers below `before`."""
        conditions = (
            (" AND org = :org" if org is not None else "")
            + (f" AND {_STATUS[status]}" if status is not None else "")
            + (" AND sequence < :before" if before is not None else "")
            + _own(reported_by)
        )
        query = text(
            f"SELECT {_COLUMNS} FROM submission WHERE true{conditions}"  # noqa: S608 - built of constants only
            " ORDER BY sequence DESC LIMIT :limit"
        )
        values = {"org": org, "before": before, "reported_by": reported_by, "limit": limit}
        async with self._engine.connect() as connection:
            return (await connection.execute(query, values)).all()


def _own(reported_by: str | None) -> str:
    return " AND reported_by = :reported_by" if reported_by is not None else ""


_COLUMNS = (
    "submission_id, org, reported_by, key_id, prepared_by, approved_by, figures, sequence, received_at,"
    " catalogue_version, warnings, published_at, applied_at, applied, superseded, excluded, reason,"
    " coalesce(outcome, CASE WHEN published_at IS NULL THEN 'accepted' ELSE 'published' END) AS status"
)
_STATUS = {
    ReceiptStatus.ACCEPTED: "outcome IS NULL AND published_at IS NULL",
    ReceiptStatus.PUBLISHED: "outcome IS NULL AND published_at IS NOT NULL",
    ReceiptStatus.APPLIED: "outcome = 'applied'",
    ReceiptStatus.DEAD_LETTERED: "outcome = 'dead_lettered'",
}
