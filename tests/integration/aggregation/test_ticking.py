from datetime import UTC, date, datetime

from integration.aggregation.keeping import Aggregation, a_figure, a_submission, counts
from support.catalogue import CLUSTERS, COUNTIES_AND_ZONES, FIRMS, a_catalogue, an_indicator


def at(month: int, day: int, hour: int = 4) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)


def test_a_period_opens_when_it_begins_in_shanghai(aggregation: Aggregation) -> None:
    aggregation.clock.move_to(at(4, 30, hour=15))
    aggregation.ticker.tick()
    assert aggregation.rollup("2026-05") is None
    aggregation.clock.move_to(at(4, 30, hour=16))
    aggregation.ticker.tick()
    row = aggregation.rollup("2026-05")
    assert counts(row) == (0, 0, 12)
    assert (row.version, row.cause) == (1, "time")
    aggregation.verify()


def test_incomplete_roll_ups_have_a_new_version_at_their_periods_end_and_due_date(aggregation: Aggregation) -> None:
    assert aggregation.rollup("2026-04").version == 1
    aggregation.clock.move_to(at(5, 1))
    aggregation.ticker.tick()
    row = aggregation.rollup("2026-04")
    assert (row.version, row.cause) == (2, "time")
    # Due ten days after the end: overdue from the first moment of the eleventh.
    aggregation.clock.move_to(at(5, 10))
    assert aggregation.ticker.tick() == 0
    aggregation.clock.move_to(at(5, 11))
    assert aggregation.ticker.tick() > 0
    assert aggregation.rollup("2026-04").version == 3
    assert aggregation.rollup("2026-03").version == 1


def test_complete_roll_ups_have_none(aggregation: Aggregation) -> None:
    for org in COUNTIES_AND_ZONES:
        aggregation.apply(a_submission(*(a_figure(cluster=c, period="2026-04") for c in CLUSTERS), org=org))
    version = aggregation.rollup("2026-04").version
    aggregation.clock.move_to(at(5, 20))
    aggregation.ticker.tick()
    assert aggregation.rollup("2026-04").version == version


def test_days_that_were_missed_are_told_in_one_tick(aggregation: Aggregation) -> None:
    aggregation.clock.move_to(at(7, 20))
    aggregation.ticker.tick()
    assert aggregation.rollup("2026-04").version == 2
    assert [counts(aggregation.rollup(f"2026-0{month}")) for month in (5, 6, 7)] == [(0, 0, 12)] * 3
    aggregation.verify()


def test_a_second_tick_on_the_same_day_does_nothing(aggregation: Aggregation) -> None:
    aggregation.clock.move_to(at(5, 1))
    assert aggregation.ticker.tick() > 0
    aggregation.clock.move_to(at(5, 1, hour=8))
    assert aggregation.ticker.tick() == 0


def test_a_clock_that_goes_back_tells_nothing_twice(aggregation: Aggregation) -> None:
    aggregation.clock.move_to(at(5, 1))
    aggregation.ticker.tick()
    aggregation.clock.move_to(at(4, 20))
    assert aggregation.ticker.tick() == 0
    aggregation.clock.move_to(at(5, 2))
    aggregation.ticker.tick()
    assert aggregation.rollup("2026-04").version == 2


def test_without_a_catalogue_time_passes_silently(empty: Aggregation) -> None:
    assert empty.ticker.tick() == 0


def test_a_duty_that_the_catalogue_has_ended_opens_no_more(aggregation: Aggregation) -> None:
    aggregation.put(a_catalogue(indicators=[an_indicator(reporting={"last": date(2026, 4, 30)})]))
    aggregation.clock.move_to(at(6, 1))
    aggregation.ticker.tick()
    assert aggregation.rollup("2026-05") is None
    assert aggregation.rollup("2027", indicator=FIRMS) is None
    aggregation.verify()
