"""A broker that is away delays figures, and refuses, loses and reorders none."""

import itertools
import threading

import pytest
from faults.accounts import Accounts, check_nothing_waits
from faults.posting import ORGANISATIONS, Poster, a_figure, join, receipt, verify, wait_applied
from support.waiting import eventually

pytestmark = pytest.mark.faults

CLUSTER, PERIOD = "new-materials", "2023-10"
OUTAGE_S = 60.0
# Four organisations at this pace make some forty submissions a second.
PAUSE_S = 0.1


def test_with_the_broker_away_for_a_minute_every_figure_arrives_once_and_in_order(whole_system, system):
    enough = threading.Event()

    def submissions():
        for number in itertools.count(1):
            if enough.wait(PAUSE_S):
                return
            yield [a_figure(CLUSTER, PERIOD, f"{number}.25")]

    posters = [Poster(system, org, submissions) for org in ORGANISATIONS]
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
        assert receipt(system, posters[0].acknowledged[-2].submission) == "accepted"
    finally:
        whole_system.start_program("kafka")
    # Load goes on while the outbox empties.
    first_after = posters[0].acknowledged[before[0] + 10].submission
    eventually(lambda: receipt(system, first_after) == "applied", within_s=180)
    enough.set()
    join(posters)
    whole_system.wait_ready()

    wait_applied(system, posters)
    check_nothing_waits(whole_system)
    accounts = Accounts(posters)
    accounts.check_figures(system)
    accounts.check_totals(system, PERIOD)
    verify(whole_system)
