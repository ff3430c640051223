"""The current figures, as the service itself has accepted them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from fourones_shared.events.model import Status
from fourones_submission.domain.known import Known, KnownFigure, Series
from fourones_submission.storage.arrays import array

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STATUS = {status.value: status for status in Status}


class Figures:
    """Reads current figures."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def known(self, wanted: Iterable[Series]) -> Known:
        """The current figures of these series."""
        listed = list(wanted)
        if not listed:
            return {}
        async with self._engine.connect() as connection:
            return await known(connection, listed)


async def known(connection: AsyncConnection, wanted: Iterable[Series]) -> Known:
    """The current figures of these series, in the connection's transaction."""
    listed = list(wanted)
    values = {
        "orgs": array(series.org for series in listed),
        "indicators": array(series.indicator for series in listed),
        "periods": array(series.period for series in listed),
    }
    rows = await connection.execute(_KNOWN, values)
    return {Series(row.org, row.indicator, row.period): _by_cluster(row) for row in rows}


def _by_cluster(row: Row[Any]) -> Mapping[str, KnownFigure]:
    since: Mapping[str, int] = row.since
    return {
        cluster: KnownFigure(
            None if value is None else Decimal(value), _STATUS[status], sequence, _moment(since.get(cluster))
        )
        for cluster, (value, status, sequence) in row.figures.items()
    }


def _moment(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else _EPOCH + timedelta(milliseconds=milliseconds)


def milliseconds_of(moment: datetime) -> int:
    """Since 1970, as `since` keeps a moment."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


_KNOWN = text(
    "SELECT org, indicator, period, figures, since FROM figure_current JOIN unnest(CAST(:orgs AS text[]),"
    " CAST(:indicators AS text[]), CAST(:periods AS text[])) AS wanted (org, indicator, period)"
    " USING (org, indicator, period)"
)
