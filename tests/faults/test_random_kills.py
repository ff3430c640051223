"""SIGKILL to any process at any moment, again and again under load, loses nothing and doubles nothing."""

import os
import random
import secrets
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest
from faults.accounts import Accounts, check_nothing_waits, check_published, wait_until_more_is_applied
from faults.killing import SECOND_WORKER, Victims
from faults.posting import SCALE, Figure, Poster, a_figure, join, verify, wait_applied
from support.system import SystemClient
from support.waiting import eventually

from fourones_local.stack import Stack

pytestmark = pytest.mark.faults

# `make faults` kills two hundred times; here every program once, and the ones that carry figures once more.
KILLS = int(os.environ.get("FOURONES_KILLS") or 14)
SEED = int(os.environ.get("FOURONES_SEED") or secrets.randbits(32))

CARRIERS = ("aggregation-worker", SECOND_WORKER, "submission-worker", "kafka", "postgres")
OTHERS = ("submission-api", "aggregation-api", "alerting-worker", "alerting-api")
# A zone among them, whose figures count beside those of the counties.
ORGANISATIONS = ("320302", "320303", "320312", "320381", "320382", "xz-hidz")
# One of each tier.
CLUSTERS = ("new-materials", "ic-and-ict", "quality-steel")
# Their own months, so that this test and its neighbours do not meet in a total.
PERIODS = ("2023-11", "2023-12")
# Six organisations at this pace make some forty submissions a second and leave the machine time to recover.
PAUSE_S = 0.1
BETWEEN_KILLS_S = (0.1, 2.0)
STARTED_WITHIN_S = 180


def test_kills_at_random_lose_and_double_nothing(whole_system: Stack, system: SystemClient, victims: Victims) -> None:
    say(f"SEED={SEED}, {KILLS} kills")
    enough = threading.Event()
    posters = [Poster(system, org, Load(org, enough).submissions) for org in ORGANISATIONS]
    for poster in posters:
        poster.start()
    try:
        eventually(lambda: all(len(poster.acknowledged) >= 5 for poster in posters))
        kill_at_random(whole_system, victims, posters)
    finally:
        enough.set()
    join(posters)
    say(f"{sum(len(poster.acknowledged) for poster in posters)} submissions acknowledged; looking for them")
    victims.wait_ready()

    wait_applied(system, posters)
    check_nothing_waits(whole_system)
    accounts = Accounts(posters)
    accounts.check_figures(system)
    for period in PERIODS:
        accounts.check_totals(system, period)
    check_published(whole_system)
    verify(whole_system)


def kill_at_random(stack: Stack, victims: Victims, posters: list[Poster]) -> None:
    """One half of the kills strikes while figures flow, the other whatever is still recovering from the last one."""
    chance = random.Random(f"{SEED} kills")  # noqa: S311
    began = time.monotonic()
    for number, name in enumerate(_names(chance), start=1):
        pause, in_flow = chance.uniform(*BETWEEN_KILLS_S), chance.random() < 0.5
        threading.Event().wait(pause)
        if in_flow:
            wait_until_more_is_applied(stack)
        # It may be about to be started.
        eventually(partial(victims.kill, name), within_s=STARTED_WITHIN_S)
        assert all(poster.failure is None for poster in posters), [poster.failure for poster in posters]
        when = "in the flow" if in_flow else "while recovering"
        acknowledged = sum(len(poster.acknowledged) for poster in posters)
        after_s = time.monotonic() - began
        say(f"{number:>3}/{KILLS} {after_s:5.0f} s  {name:<21} {when:<16} {acknowledged:>6} acknowledged")


class Load:
    """What an organisation sends: revisions of the same few figures, withdrawals and declared gaps among them."""

    def __init__(self, org: str, enough: threading.Event) -> None:
        self._chance = random.Random(f"{SEED} {org}")  # noqa: S311
        self._enough = enough
        self._reported: set[tuple[str, str]] = set()

    def submissions(self) -> Iterator[list[Figure]]:
        places = [(cluster, period) for cluster in CLUSTERS for period in PERIODS]
        while not self._enough.wait(self._chance.uniform(0, 2 * PAUSE_S)):
            chosen = self._chance.sample(places, self._chance.randint(1, len(places)))
            yield [self._figure(*place) for place in chosen]

    def _figure(self, cluster: str, period: str) -> Figure:
        kind = self._chance.random()
        if kind < 0.15 and (cluster, period) in self._reported:
            self._reported.discard((cluster, period))
            return {"indicator": SCALE, "cluster": cluster, "period": period, "withdraw": True}
        self._reported.add((cluster, period))
        if kind > 0.9:
            return a_figure(cluster, period, None, status="O")
        value = f"{self._chance.randint(0, 99_999)}.{self._chance.randint(0, 9_999):04}"
        return a_figure(cluster, period, value, status=self._chance.choice("AAPE"))


def say(line: str) -> None:
    """Shown as it happens by `pytest -s`, and where the test fails."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _names(chance: random.Random) -> Iterator[str]:
    first = [*CARRIERS, *OTHERS]
    chance.shuffle(first)
    # Two of three strike what a figure passes on its way to a roll-up.
    rest = chance.choices([*CARRIERS, *OTHERS], [8] * len(CARRIERS) + [5] * len(OTHERS), k=max(0, KILLS - len(first)))
    yield from (first + rest)[:KILLS]
