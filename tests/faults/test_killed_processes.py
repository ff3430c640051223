"""SIGKILL to any one process in the middle of posting loses nothing and doubles nothing."""

import subprocess
import sys
import threading
import uuid
from collections import Counter
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from support.system import SystemClient
from support.waiting import eventually

pytestmark = pytest.mark.faults

ORGANISATIONS = ("320302", "320303", "320305", "320311")
SUBMISSIONS = 40
SCALE = "cluster-scale"
# Each run has a month and a cluster of its own, so that runs do not meet in a total.
RUNS = {
    "kafka": ("2023-02", "new-materials"),
    "postgres": ("2023-03", "new-materials"),
    "submission-api": ("2023-04", "new-materials"),
    "submission-worker": ("2023-05", "new-materials"),
    "aggregation-api": ("2023-06", "new-materials"),
    "aggregation-worker": ("2023-07", "new-materials"),
    "alerting-api": ("2023-08", "new-materials"),
    "alerting-worker": ("2023-09", "new-materials"),
}


class Poster(threading.Thread):
    """Posts one organisation's revisions of one figure, one after the other, each until it is acknowledged."""

    def __init__(self, system, org, period, cluster, go_on):
        super().__init__(daemon=True)
        self._system, self._org, self._period, self._cluster, self._go_on = system, org, period, cluster, go_on
        self.acknowledged = []
        self.failure = None

    def run(self):
        try:
            for number in range(1, SUBMISSIONS + 1):
                self._go_on(number)
                self.acknowledged.append(self._post(number))
        except BaseException as error:
            self.failure = error

    def _post(self, number):
        figure = {
            "indicator": SCALE,
            "cluster": self._cluster,
            "period": self._period,
            "value": f"{number}.0001",
        }
        key = uuid.uuid4().hex

        def acknowledged():
            try:
                answer = self._system.post(self._org, {"org": self._org, "figures": [figure]}, key)
            except httpx.TransportError:
                return None
            if answer.status_code in {409, 503}:
                return None
            assert answer.status_code == 202, answer.text
            return answer.json()["submission_id"]

        return eventually(acknowledged, within_s=120)


@pytest.fixture
def system(whole_system):
    with closing(SystemClient(whole_system.endpoints)) as client:
        yield client


@pytest.mark.parametrize("program", RUNS)
def test_a_killed_process_loses_and_doubles_nothing(whole_system, system, program):
    period, cluster = RUNS[program]
    half_way = threading.Barrier(len(ORGANISATIONS) + 1)

    def go_on(number):
        if number == SUBMISSIONS // 2:
            half_way.wait(timeout=120)

    posters = [Poster(system, org, period, cluster, go_on) for org in ORGANISATIONS]
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
        return system.rollup(indicator=SCALE, org="_T", cluster=cluster, period=period)

    eventually(lambda: total()["value"] is not None and Decimal(total()["value"]) == expected, within_s=120)
    assert total()["coverage"]["reported"] == len(ORGANISATIONS)
    histories = {org: revisions(system, org, cluster, period) for org in ORGANISATIONS}
    for poster, org in zip(posters, ORGANISATIONS, strict=True):
        # Every acknowledged submission is one revision, and no revision came from anywhere else.
        assert sorted(histories[org]) == sorted(poster.acknowledged)
    newest = [poster.acknowledged[-1] for poster in posters]
    eventually(lambda: {receipt(system, submission) for submission in newest} == {"applied"}, within_s=120)
    verify(whole_system)


def receipt(system, submission):
    return system.get("submission", f"/v1/submissions/{submission}")["status"]


def revisions(system, org, cluster, period):
    items = system.pages("aggregation", "/v1/figures/history", indicator=SCALE, org=org, cluster=cluster, period=period)
    per_submission = Counter(item["submission_id"] for item in items)
    assert set(per_submission.values()) == {1}
    return list(per_submission)


def verify(stack):
    """`fourones-aggregation verify` recomputes every roll-up from the figures."""
    command = Path(sys.executable).parent / "fourones-aggregation"
    done = subprocess.run(
        [command, "verify"], env=stack.settings("aggregation-api"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
