"""Rate limits per key that hold over all instances of an API.

The generic cell rate algorithm (GCRA, ITU-T I.371): of each key one moment is kept, up to which its requests are spoken
for. A request moves it on by the interval of the rate, and is refused when it would lie further ahead than a burst.

The moments are in the service's database, hence common to all instances. An instance takes a lease of a few permits
in one statement and spends them within a second, so that a busy key costs a fraction of a round trip per request. A
lease grows only while its predecessors are used up: a quiet key takes single permits and wastes none.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from prometheus_client import Counter
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

from fourones_shared.database.engine import is_transient

log = structlog.get_logger(__name__)

LIMITED = Counter("fourones_http_requests_limited_total", "Requests refused because their key had used up its rate.")

# A tenth of a second's worth: instances may together exceed the rate by one lease each, for LEASE_S.
LARGEST_LEASE = 10
LEASE_S = 1.0
# However often a refused key asks, the database is asked at most twice in this time.
REFUSED_FOR_S = 0.05
# With the database away every request fails by itself; asking it here too would double the wait.
UNLIMITED_FOR_S = 1.0


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests per second on average, and up to `burst` of them at once."""

    per_second: int
    burst: int

    @property
    def interval(self) -> timedelta:
        """Between two requests at the rate; rounded up to microseconds, so that the rate is never exceeded."""
        return timedelta(microseconds=-(-1_000_000 // self.per_second))

    @property
    def largest_lease(self) -> int:
        """Permits that an instance may take at once."""
        return max(1, min(LARGEST_LEASE, self.per_second // 10, self.burst))

    def taken(self, spoken_for_until: datetime | None, now: datetime, permits: int) -> datetime | None:
        """Up to when requests are spoken for once these permits are taken; None when they are not to be had."""
        start = now if spoken_for_until is None else max(spoken_for_until, now)
        until = start + permits * self.interval
        return until if until <= now + self.burst * self.interval else None


class PermitStore(Protocol):
    """Where the moments are kept, for all instances."""

    async def take(self, key_id: str, permits: int, rate: Rate) -> bool:
        """Take permits: all of them, or none."""
        ...


@dataclass(slots=True)
class _Lease:
    permits: int = 0
    size: int = 1
    spent_by: float = float("-inf")
    refused_until: float = float("-inf")
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    def spend(self, now: float) -> bool:
        if self.permits == 0 or now >= self.spent_by:
            return False
        self.permits -= 1
        return True

    def renew(self, now: float, size: int) -> None:
        """Hold a new lease, one permit of which is spent at once."""
        self.size, self.permits, self.spent_by = size, size - 1, now + LEASE_S

    def wanted(self, now: float, largest: int) -> int:
        """How much to take next: twice as much as before while that was used up in time, else one."""
        return min(largest, 2 * self.size) if self.permits == 0 and now < self.spent_by else 1


class Limiter:
    """Says of each request whether its key may make it now. One per process, on one event loop.

    Args:
        rate: of every key.
        store: common to all instances.
        monotonic: seconds, for the leases' ends.
    """

    def __init__(self, rate: Rate, store: PermitStore, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self._store = store
        self._monotonic = monotonic
        self._leases: dict[str, _Lease] = {}
        self._unlimited_until = float("-inf")

    @property
    def retry_after_s(self) -> int:
        """When it is worth while to ask again, whole seconds."""
        return max(1, -(-self.rate.interval // timedelta(seconds=1)))

    async def admits(self, key_id: str) -> bool:
        """Whether the key may make one more request. A database that is away refuses nobody."""
        lease = self._leases.setdefault(key_id, _Lease())
        known = self._known(lease)
        if known is None:
            # One request asks for all that wait.
            async with lease.asking:
                known = self._known(lease)
                if known is None:
                    known = await self._ask(key_id, lease)
        if not known:
            LIMITED.inc()
        return known

    def _known(self, lease: _Lease) -> bool | None:
        now = self._monotonic()
        if now < self._unlimited_until or lease.spend(now):
            return True
        return False if now < lease.refused_until else None

    async def _ask(self, key_id: str, lease: _Lease) -> bool:
        wanted = lease.wanted(self._monotonic(), self.rate.largest_lease)
        try:
            for size in dict.fromkeys((wanted, 1)):
                if await self._store.take(key_id, size, self.rate):
                    lease.renew(self._monotonic(), size)
                    return True
        except (DBAPIError, PoolTimeout) as error:
            if isinstance(error, DBAPIError) and not is_transient(error):
                raise
            self._unlimited_until = self._monotonic() + UNLIMITED_FOR_S
            return True
        now = self._monotonic()
        if now - lease.refused_until > 1:
            log.info("key has used up its rate", key_id=key_id, per_second=self.rate.per_second)
        lease.size = 1
        lease.refused_until = now + REFUSED_FOR_S
        return False


class Permits:
    """A `PermitStore` on a table of `RequestRateColumns`, by the database's clock.

    Args:
        engine: of its own, so that a flood of requests does not queue for the connections that it is to spare.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        # One statement: a transaction around it would be two more round trips.
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    async def take(self, key_id: str, permits: int, rate: Rate, now: datetime | None = None) -> bool:
        """Take permits: all of them, or none. `now` stands in for the database's clock."""
        lease = permits * rate.interval
        values = {"key_id": key_id, "lease": lease, "burst": rate.burst * rate.interval, "now": now}
        async with self._engine.connect() as connection:
            return (await connection.execute(_TAKE, values)).first() is not None


# `Rate.taken` as one statement: the row that is proposed says what the moment would be if nothing were spoken for.
_TAKE = text(
    "INSERT INTO request_rate AS rate (key_id, spoken_for_until)"
    " VALUES (:key_id, coalesce(CAST(:now AS timestamptz), clock_timestamp()) + CAST(:lease AS interval))"
    " ON CONFLICT (key_id) DO UPDATE SET spoken_for_until ="
    " greatest(rate.spoken_for_until + CAST(:lease AS interval), excluded.spoken_for_until)"
    " WHERE greatest(rate.spoken_for_until + CAST(:lease AS interval), excluded.spoken_for_until)"
    " <= excluded.spoken_for_until - CAST(:lease AS interval) + CAST(:burst AS interval)"
    " RETURNING true"
)
