"""SIGKILL to any one process in the middle of posting loses nothing and doubles nothing."""

import threading
from contextlib import closing
from decimal import Decimal

import pytest
from faults.posting import ORGANISATIONS, SCALE, Poster, receipt, revisions, verify
from support.system import SystemClient
from support.waiting import eventually

pytestmark = pytest.mark.faults

SUBMISSIONS = 40
# Each run has a month of its own, so that runs do not meet in a total.
CLUSTER = "new-materials"
RUNS = {
    "kafka": "2023-02",
    "postgres": "2023-03",
    "submission-api": "2023-04",
    "submission-worker": "2023-05",
    "aggregation-api": "2023-06",
    "aggregation-worker": "2023-07",
    "alerting-api": "2023-08",
    "alerting-worker": "2023-09",
}


@pytest.fixture
def system(whole_system):
    with closing(SystemClient(whole_system.endpoints)) as client:
        yield client


@pytest.mark.parametrize("program", RUNS)
def test_a_killed_process_loses_and_doubles_nothing(whole_system, system, program):
    period = RUNS[program]
    half_way = threading.Barrier(len(ORGANISATIONS) + 1)

    def values():
        for number in range(1, SUBMISSIONS + 1):
            if number == SUBMISSIONS // 2:
                half_way.wait(timeout=120)
            yield f"{number}.0001"

    posters = [Poster(system, org, CLUSTER, period, values) for org in ORGANISATIONS]
    for poster in posters:
        poster.start()
    half_way.wait(timeout=120)
    whole_system.kill(program)
    for poster in posters:
        poster.join(timeout=240)
        assert poster.failure is None, poster.failure
        assert len(poster.acknowledged) == SUBMISSIONS
    whole_system.wait_ready()

    expected = Decimal(f"{SUBMISSIONS}.0001") * len(ORGANISATIONS)

    def total():
        return system.rollup(indicator=SCALE, org="_T", cluster=CLUSTER, period=period)

    eventually(lambda: total()["value"] is not None and Decimal(total()["value"]) == expected, within_s=120)
    assert total()["coverage"]["reported"] == len(ORGANISATIONS)
    for poster, org in zip(posters, ORGANISATIONS, strict=True):
        # Every acknowledged submission is one revision, in the order of acceptance, and none came from anywhere else.
        assert revisions(system, org, CLUSTER, period) == poster.acknowledged
    newest = [poster.acknowledged[-1] for poster in posters]
    eventually(lambda: {receipt(system, submission) for submission in newest} == {"applied"}, within_s=120)
    verify(whole_system)
