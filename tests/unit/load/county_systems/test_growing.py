import random

import pytest
from load.county_systems.growing import Sample, growths


def drawing(seed):
    return random.Random(seed)  # noqa: S311


def samples(memory, *, hours=4, every_s=60):
    return [Sample(at, "worker", {"memory_mib": memory(at / 3600)}) for at in range(0, hours * 3600, every_s)]


@pytest.mark.parametrize(
    ("memory", "grows"),
    [
        (lambda hour: 200 + 20 * hour, True),
        (lambda _: 200.0, False),
        # Caches that fill up in the beginning.
        (lambda hour: 150 + min(hour, 0.9) * 100, False),
        (lambda hour: 200 - 20 * hour, False),
        # 4 MiB in all are chance.
        (lambda hour: 20 + 1.3 * hour, False),
    ],
)
def test_what_grows_is_told_from_what_fills_up_once(memory, grows):
    [found] = growths(samples(memory), limit=0.05)
    assert found.grows is grows


def test_noise_is_no_growth_and_does_not_hide_it():
    chance = drawing(3)
    [noise] = growths(samples(lambda _: 200 + chance.gauss(0, 10)), limit=0.05)
    assert not noise.grows
    [growth] = growths(samples(lambda hour: 200 + 30 * hour + chance.gauss(0, 10)), limit=0.05)
    assert growth.grows
    assert growth.an_hour == pytest.approx(30, rel=0.2)


def test_too_few_samples_say_nothing():
    assert growths(samples(lambda hour: 1000 * hour, hours=1, every_s=600), limit=0.05) == []
    assert growths([], limit=0.05) == []
