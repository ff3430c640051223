import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import wraps
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from fourones_shared.access.rates import LARGEST_LEASE, UNLIMITED_FOR_S, Limiter, Rate

START = datetime(2025, 12, 8, 4, 0, tzinfo=UTC)
AWAY = OperationalError("take", {}, Exception("connection refused"))

rates = st.builds(Rate, per_second=st.integers(1, 2000), burst=st.integers(1, 300))
# From a flood to pauses in which every lease ends, in microseconds.
pauses = st.one_of(st.integers(0, 2_000), st.integers(0, 200_000), st.integers(900_000, 3_000_000))


def in_a_loop(test: Callable[..., Coroutine[None, None, None]]) -> Callable[..., None]:
    """A test that awaits."""

    @wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        asyncio.run(test(*arguments, **named))

    return run


class Passing:
    """Time that passes only when it is told to."""

    def __init__(self) -> None:
        self.us = 0

    @property
    def moment(self) -> datetime:
        return START + timedelta(microseconds=self.us)

    def monotonic(self) -> float:
        return self.us / 1e6


class Store:
    """The moments in memory, common to several limiters."""

    def __init__(self, time: Passing) -> None:
        self.time = time
        self.until: dict[str, datetime] = {}
        self.asked: list[int] = []
        self.failure: Exception | None = None

    async def take(self, key_id: str, permits: int, rate: Rate) -> bool:
        self.asked.append(permits)
        # Others go on meanwhile, as they do while a database answers.
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        until = rate.taken(self.until.get(key_id), self.time.moment, permits)
        if until is not None:
            self.until[key_id] = until
        return until is not None


class Instances:
    def __init__(self, rate: Rate, count: int = 1) -> None:
        self.time = Passing()
        self.store = Store(self.time)
        self.limiters = [Limiter(rate, self.store, self.time.monotonic) for _ in range(count)]

    async def admits(self, instance: int = 0, key: str = "k") -> bool:
        return await self.limiters[instance].admits(key)

    async def at_once(self, count: int, key: str = "k") -> int:
        """So many requests at the same moment, spread over the instances: how many of them are admitted."""
        return sum(await asyncio.gather(*(self.admits(n % len(self.limiters), key) for n in range(count))))


def most_in_a_window(moments: Sequence[int], rate: Rate) -> float:
    """By how much the admitted requests of any stretch of time exceed what the rate gives in it."""
    excess, lowest = float("-inf"), float("inf")
    for number, moment in enumerate(moments):
        given_by_rate = moment / 1e6 * rate.per_second
        lowest = min(lowest, number - given_by_rate)
        excess = max(excess, number + 1 - given_by_rate - lowest)
    return excess


async def outcomes(instances: Instances, requests: Iterable[tuple[int, int]]) -> list[int]:
    """The moments (microseconds) of the requests that were admitted; each is (pause before it, instance)."""
    admitted = []
    for pause, instance in requests:
        instances.time.us += pause
        if await instances.admits(instance):
            admitted.append(instances.time.us)
    return admitted


@given(rates, st.lists(st.tuples(pauses, st.integers(1, 20)), max_size=80))
def test_permits_never_exceed_burst_and_rate_in_any_stretch_of_time(rate: Rate, takes: list[tuple[int, int]]) -> None:
    until: datetime | None = None
    now, taken = 0, []
    for pause, permits in takes:
        now += pause
        after = rate.taken(until, START + timedelta(microseconds=now), permits)
        if after is not None:
            until = after
            taken += [now] * permits
    if taken:
        assert most_in_a_window(taken, rate) <= rate.burst + 1e-6


@given(rates, st.integers(1, 40))
def test_a_pause_gives_back_the_burst_and_no_more(rate: Rate, permits: int) -> None:
    full = rate.taken(None, START, rate.burst)
    assert full is not None
    assert rate.taken(full, START, 1) is None
    later = START + permits * rate.interval
    assert rate.taken(full, later, min(permits, rate.burst)) is not None
    assert rate.taken(full, later, min(permits, rate.burst) + 1) is None


@given(rates, st.integers(1, 3), st.data())
def test_instances_together_keep_the_rate_within_one_lease_each(rate: Rate, count: int, data: st.DataObject) -> None:
    instances = Instances(rate, count)
    requests = data.draw(st.lists(st.tuples(pauses, st.integers(0, count - 1)), max_size=200))
    admitted = asyncio.run(outcomes(instances, requests))
    if admitted:
        assert most_in_a_window(admitted, rate) <= rate.burst + count * rate.largest_lease + 1e-6


@given(rates, st.lists(pauses, max_size=120))
def test_a_key_that_stays_below_its_rate_is_never_refused(rate: Rate, more: list[int]) -> None:
    instances = Instances(rate)
    interval = rate.interval // timedelta(microseconds=1)
    requests = [(interval + pause, 0) for pause in more]
    assert asyncio.run(outcomes(instances, requests)) == list(accumulate(pause for pause, _ in requests))


@in_a_loop
async def test_of_a_flood_the_burst_is_admitted_and_then_the_rate() -> None:
    instances = Instances(Rate(100, 50), 2)
    # What one instance has leased, the other cannot spend.
    assert 50 - LARGEST_LEASE <= await instances.at_once(500) <= 50
    instances.time.us += 1_000_000
    assert 50 - LARGEST_LEASE <= await instances.at_once(500) <= 50


@in_a_loop
async def test_other_keys_are_not_touched() -> None:
    instances = Instances(Rate(100, 20))
    assert await instances.at_once(100, "greedy") == 20
    assert await instances.at_once(10, "modest") == 10


@in_a_loop
async def test_a_busy_key_costs_a_fraction_of_a_statement_per_request_and_a_quiet_one_wastes_nothing() -> None:
    instances = Instances(Rate(1000, 1000))
    assert await instances.at_once(500) == 500
    assert len(instances.store.asked) < 500 / LARGEST_LEASE + LARGEST_LEASE
    quiet = Instances(Rate(100, 100))
    assert len(await outcomes(quiet, [(2_000_000, 0)] * 20)) == 20
    assert quiet.store.asked == [1] * 20


@in_a_loop
async def test_a_refused_key_does_not_pass_its_flood_on_to_the_database() -> None:
    instances = Instances(Rate(10, 10))
    await instances.at_once(10)
    instances.store.asked.clear()
    await outcomes(instances, [(100, 0)] * 10_000)
    assert len(instances.store.asked) < 2 * 1_000_000 / 50_000 + 20


@pytest.mark.parametrize("failure", [AWAY, PoolTimeout()])
@in_a_loop
async def test_a_database_that_is_away_refuses_nobody_and_is_left_alone_for_a_while(failure: Exception) -> None:
    instances = Instances(Rate(1, 1))
    instances.store.failure = failure
    assert await instances.at_once(100) == 100
    assert len(instances.store.asked) == 1
    instances.time.us += int(UNLIMITED_FOR_S * 1e6)
    instances.store.failure = None
    assert await instances.at_once(100) == 1


@in_a_loop
async def test_an_error_that_is_no_outage_is_not_hidden() -> None:
    instances = Instances(Rate(1, 1))
    instances.store.failure = ProgrammingError("take", {}, Exception("there is no such table"))
    with pytest.raises(ProgrammingError):
        await instances.admits()


@pytest.mark.parametrize("per_second", [1, 3, 1000])
@in_a_loop
async def test_whoever_is_refused_is_admitted_after_the_whole_seconds_that_it_is_told(per_second: int) -> None:
    instances = Instances(Rate(per_second, 1))
    assert await instances.at_once(5) == 1
    assert not await instances.admits()
    wait = instances.limiters[0].retry_after_s
    assert wait >= 1
    instances.time.us += wait * 1_000_000
    assert await instances.admits()
