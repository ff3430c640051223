"""Receipts: what became of each submission."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from fourones_shared.database.engine import reading


class ReceiptStatus(StrEnum):
    """How far a submission has come."""

    ACCEPTED = "accepted"
    PUBLISHED = "published"
    APPLIED = "applied"
    DEAD_LETTERED = "dead_lettered"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which receipts: about an organisation, sent by one, of a status, received in a time (`until` not included)."""

    org: str | None = None
    reporter: str | None = None
    status: ReceiptStatus | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """A submission as it was sent."""

    media_type: str
    body: bytes


class Receipts:
    """Reads receipts. `reported_by` limits what is seen to one organisation's own submissions; None sees all."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._reading = reading(engine)

    async def one(self, submission_id: UUID, *, reported_by: str | None) -> Row[Any] | None:
        """A submission's receipt with its idempotency key; None when there is none, or it is another's."""
        query = text(f"SELECT {_COLUMNS}, {_KEY} FROM {_RECEIPT} WHERE submission_id = :id{_own(reported_by)}")  # noqa: S608
        async with self._reading.connect() as connection:
            return (await connection.execute(query, {"id": submission_id, "reported_by": reported_by})).one_or_none()

    async def content(self, submission_id: UUID, *, reported_by: str | None) -> Content | None:
        """A submission as it was sent; None when there is none, or it is another's."""
        query = text(f"SELECT media_type, body FROM submission WHERE submission_id = :id{_own(reported_by)}")  # noqa: S608
        async with self._reading.connect() as connection:
            values = {"id": submission_id, "reported_by": reported_by}
            row = (await connection.execute(query, values)).one_or_none()
        return None if row is None else Content(row.media_type, bytes(row.body))

    async def page(
        self, wanted: Wanted, *, reported_by: str | None, before: int | None, limit: int
    ) -> Sequence[Row[Any]]:
        """Receipts, the newest first, of sequence numbers below `before`."""
        conditions = "".join(
            f" AND {condition}"
            for value, condition in (
                (wanted.org, "submission.org = :org"),
                (wanted.reporter, "reported_by = :reporter"),
                (wanted.status, _STATUS[wanted.status] if wanted.status is not None else ""),
                (wanted.since, "received_at >= :since"),
                (wanted.until, "received_at < :until"),
                (before, "sequence < :before"),
            )
            if value is not None
        )
        query = text(
            f"SELECT {_COLUMNS} FROM {_RECEIPT} WHERE true{conditions}{_own(reported_by)}"  # noqa: S608 - of constants
            " ORDER BY sequence DESC LIMIT :limit"
        )
        values = {
            "org": wanted.org,
            "reporter": wanted.reporter,
            "since": wanted.since,
            "until": wanted.until,
            "before": before,
            "reported_by": reported_by,
            "limit": limit,
        }
        async with self._reading.connect() as connection:
            return (await connection.execute(query, values)).all()


def _own(reported_by: str | None) -> str:
    return " AND reported_by = :reported_by" if reported_by is not None else ""


_RECEIPT = "submission LEFT JOIN access_key USING (key_id)"
_COLUMNS = (
    "submission_id, submission.org, reported_by, key_id, label AS key_label, prepared_by, approved_by, figures,"
    " sequence, received_at, media_type, octet_length(body) AS size, catalogue_version, warnings,"
    " published_at, applied_at, applied, superseded, excluded, reason,"
    " coalesce(outcome, CASE WHEN published_at IS NULL THEN 'accepted' ELSE 'published' END) AS status"
)
# Only where one receipt is asked for: the keys are found by organisation, and there may be thousands of them.
_KEY = (
    "(SELECT idempotency_key FROM idempotency AS remembered WHERE remembered.reported_by = submission.reported_by"
    " AND remembered.submission_id = submission.submission_id LIMIT 1) AS idempotency_key"
)
_STATUS = {
    ReceiptStatus.ACCEPTED: "outcome IS NULL AND published_at IS NULL",
    ReceiptStatus.PUBLISHED: "outcome IS NULL AND published_at IS NOT NULL",
    ReceiptStatus.APPLIED: "outcome = 'applied'",
    ReceiptStatus.DEAD_LETTERED: "outcome = 'dead_lettered'",
}
