from datetime import UTC, datetime, timedelta

import pytest

from fourones_shared.domain.clock import SHANGHAI, FixedClock, SystemClock

NOON = datetime(2026, 3, 31, 12, tzinfo=SHANGHAI)


def test_a_fixed_clock_stands_still_until_it_is_moved() -> None:
    clock = FixedClock(NOON)
    assert clock.now() == clock.now() == NOON
    clock.advance(timedelta(hours=1))
    assert clock.now() == NOON + timedelta(hours=1)
    clock.move_to(NOON)
    assert clock.now() == NOON


def test_every_clock_tells_utc() -> None:
    assert FixedClock(NOON).now().tzinfo is UTC
    assert SystemClock().now().tzinfo is UTC


def test_a_moment_without_a_time_zone_is_no_moment() -> None:
    with pytest.raises(ValueError, match="time zone"):
        FixedClock(datetime(2026, 3, 31))  # noqa: DTZ001 -- the very mistake
    with pytest.raises(ValueError, match="time zone"):
        FixedClock(NOON).move_to(datetime(2026, 3, 31))  # noqa: DTZ001
