import random
from itertools import pairwise

import pytest
from load.county_systems.arrivals import PROFILES, Profile, arrivals


def drawing(seed):
    return random.Random(seed)  # noqa: S311


def of_everybody(profile, counties, seed=1):
    return sorted(
        moment for county in range(counties) for moment in arrivals(profile, 1 / counties, drawing(f"{seed} {county}"))
    )


def test_virtual_counties_together_call_as_often_as_the_profile_says():
    profile = Profile(PROFILES["constant"], rate=100, seconds=100)
    assert profile.calls == pytest.approx(10_000)
    # Four standard deviations of a Poisson count.
    assert len(of_everybody(profile, 50)) == pytest.approx(10_000, abs=400)


def test_gaps_between_calls_are_as_irregular_as_those_of_a_poisson_process():
    moments = of_everybody(Profile(PROFILES["constant"], rate=100, seconds=100), 50)
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert deviation == pytest.approx(mean, rel=0.1)


def test_the_night_of_a_month_end_builds_up_and_trickles_off():
    profile = Profile(PROFILES["month-end"], rate=100, seconds=1_000)
    moments = of_everybody(profile, 10)
    for first, last in ((0, 125), (125, 250), (250, 700), (700, 850), (850, 1_000)):
        expected = sum(profile.at(second + 0.5) for second in range(first, last))
        assert sum(first <= moment < last for moment in moments) == pytest.approx(expected, abs=4 * expected**0.5)
    assert len(moments) == pytest.approx(profile.calls, abs=4 * profile.calls**0.5)


@pytest.mark.parametrize("course", PROFILES)
def test_a_course_goes_from_the_beginning_to_the_end_and_not_beyond_its_rate(course):
    points = PROFILES[course]
    assert (points[0][0], points[-1][0]) == (0, 1)
    assert max(factor for _, factor in points) == 1
    profile = Profile(points, rate=10, seconds=60)
    assert (profile.at(-1), profile.at(61)) == (0, 0)


def test_the_same_seed_gives_the_same_calls():
    profile = Profile(PROFILES["month-end"], rate=20, seconds=20)
    assert of_everybody(profile, 5) == of_everybody(profile, 5)
    assert of_everybody(profile, 5) != of_everybody(profile, 5, seed=2)
