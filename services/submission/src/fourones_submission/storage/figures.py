"""The current figures, as the service itself has accepted them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from fourones_shared.database.engine import reading
from fourones_shared.events.model import Status
from fourones_submission.domain.known import Known, KnownFigure, Series, Values
from fourones_submission.storage.arrays import array

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STATUS = {status.value: status for status in Status}


class Figures:
    """Reads current figures."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._reading = reading(engine)

    async def known(self, wanted: Iterable[Series]) -> Known:
        """The current figures of these series."""
        listed = list(wanted)
        if not listed:
            return {}
        async with self._reading.connect() as connection:
            return await known(connection, listed)

    async def values(self, wanted: Iterable[Series]) -> Values:
        """The current values alone; several times cheaper, for those who ask about far more than was sent."""
        listed = list(wanted)
        if not listed:
            return {}
        async with self._reading.connect() as connection:
            rows = await connection.execute(_VALUES, _columns(listed))
            return {Series(*names): _values_of(figures) for *names, figures in rows}


async def known(connection: AsyncConnection, wanted: Iterable[Series]) -> Known:
    """The current figures of these series, in the connection's transaction."""
    rows = await connection.execute(_KNOWN, _columns(list(wanted)))
    return {Series(row.org, row.indicator, row.period): _by_cluster(row) for row in rows}


def _columns(wanted: Sequence[Series]) -> dict[str, str]:
    return {
        "orgs": array(series.org for series in wanted),
        "indicators": array(series.indicator for series in wanted),
        "periods": array(series.period for series in wanted),
    }


def _values_of(figures: str) -> Mapping[str, Decimal]:
    return {cluster: Decimal(value) for cluster, (value, _, _) in orjson.loads(figures).items() if value is not None}


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


_WANTED = (
    "FROM figure_current JOIN unnest(CAST(:orgs AS text[]), CAST(:indicators AS text[]), CAST(:periods AS text[]))"
    " AS wanted (org, indicator, period) USING (org, indicator, period)"
)
_KNOWN = text(f"SELECT org, indicator, period, figures, since {_WANTED}")
# As text: the driver's own reading of JSON takes longer than the query.
_VALUES = text(f"SELECT org, indicator, period, CAST(figures AS text) {_WANTED}")
