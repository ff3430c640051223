"""A broker that is away delays figures, and refuses, loses and reorders none."""

import itertools
import threading
from contextlib import closing
from decimal import Decimal

import pytest
from faults.posting import ORGANISATIONS, SCALE, Poster, receipt, revisions, verify
from support.system import SystemClient
from support.waiting import eventually

pytestmark = pytest.mark.faults

CLUSTER, PERIOD = "new-materials", "2023-10"
OUTAGE_S = 60.0
# Four organisations at this pace make some forty submissions a second.
PAUSE_S = 0.1


@pytest.fixture
def system(whole_system):
    with closing(SystemClient(whole_system.endpoints)) as client:
        yield client


def test_with_the_broker_away_for_a_minute_every_figure_arrives_once_and_in_order(whole_system, system):
    enough = threading.Event()

    def values():
        for number in itertools.count(1):
            if enough.wait(PAUSE_S):
                return
            yield f"{number}.25"

    posters = [Poster(system, org, CLUSTER, PERIOD, values) for org in ORGANISATIONS]
    for poster in posters:
        poster.start()
    eventually(lambda: all(len(poster.acknowledged) >= 10 for poster in posters), within_s=60)

    whole_system.stop_program("kafka")
    try:
        before = [len(poster.acknowledged) for poster in posters]
        # Both start anew while there is no broker: what they have promised is in the database.
        whole_system.kill("submission-worker")
        whole_system.kill("submission-api")
        enough.wait(OUTAGE_S)
        assert all(poster.failure is None for poster in posters), [poster.failure for poster in posters]
        assert all(len(poster.acknowledged) > was + 50 for poster, was in zip(posters, before, strict=True))
        assert receipt(system, posters[0].acknowledged[-2]) == "accepted"
    finally:
        whole_system.start_program("kafka")
    # Load goes on while the outbox empties.
    eventually(lambda: receipt(system, posters[0].acknowledged[before[0] + 10]) == "applied", within_s=180)
    enough.set()
    for poster in posters:
        poster.join(timeout=120)
        assert poster.failure is None, poster.failure
    whole_system.wait_ready()

    newest = [poster.acknowledged[-1] for poster in posters]
    eventually(lambda: {receipt(system, submission) for submission in newest} == {"applied"}, within_s=180)
    expected = sum(Decimal(poster.last_value) for poster in posters)
    total = system.rollup(indicator=SCALE, org="_T", cluster=CLUSTER, period=PERIOD)
    assert Decimal(total["value"]) == expected
    for poster, org in zip(posters, ORGANISATIONS, strict=True):
        assert revisions(system, org, CLUSTER, PERIOD) == poster.acknowledged
    verify(whole_system)
