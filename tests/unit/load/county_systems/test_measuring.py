import pytest
from load.county_systems.measuring import Measured, Threshold
from load.county_systems.mix import Kind


def test_a_late_call_counts_from_the_moment_it_was_due():
    measured = Measured()
    measured.note(Kind.SINGLE, due=10.0, sent=10.4, answered=10.5, warming_up=False)
    row = measured.by_kind()[Kind.SINGLE.value]
    assert (row["p99 ms"], row["p99 ms from sending"]) == (500, 100)
    assert list(measured.late_s) == [pytest.approx(0.4)]


def test_calls_of_the_warm_up_are_counted_and_not_timed():
    measured = Measured()
    measured.note(Kind.SINGLE, due=1, sent=1, answered=9, warming_up=True)
    assert measured.by_kind()[Kind.SINGLE.value] == {"calls": 1, "unintended": 0}


@pytest.mark.parametrize(
    ("measured", "limit", "missed"),
    [
        (100.0, 100.0, False),
        (100.1, 100.0, True),
        (0.0, 0, False),
        (1.0, 0, True),
        (None, 10.0, True),
        (7.0, None, False),
    ],
)
def test_a_threshold_is_missed_beyond_its_limit_or_when_nothing_was_measured(measured, limit, missed):
    threshold = Threshold("p99", "ms", measured, limit)
    assert threshold.missed is missed
    assert ("MISSED" in str(threshold)) is missed
