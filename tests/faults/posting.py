"""Posting under faults: every acknowledged submission is remembered, and later found again, once and in order."""

import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
from support.system import SystemClient
from support.waiting import eventually

from fourones_local.stack import Stack

ORGANISATIONS = ("320302", "320303", "320305", "320311")
SCALE = "cluster-scale"
# What a sender repeats with the same key; anything else but 202 is a failure of the system.
_AGAIN = frozenset({409, 429, 503})


class Poster(threading.Thread):
    """Posts one organisation's revisions of one figure, one after the other, each until it is acknowledged.

    Args:
        values: of the revisions; the thread ends when they end.
    """

    def __init__(
        self, system: SystemClient, org: str, cluster: str, period: str, values: Callable[[], Iterator[str]]
    ) -> None:
        super().__init__(daemon=True)
        self._system, self._org, self._cluster, self._period, self._values = system, org, cluster, period, values
        self.acknowledged: list[str] = []
        self.last_value = ""
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            for value in self._values():
                self.acknowledged.append(self._post(value))
                self.last_value = value
        except BaseException as error:
            self.failure = error

    def _post(self, value: str) -> str:
        figure = {"indicator": SCALE, "cluster": self._cluster, "period": self._period, "value": value}
        key = uuid.uuid4().hex

        def acknowledged() -> str | None:
            try:
                answer = self._system.post(self._org, {"org": self._org, "figures": [figure]}, key)
            except httpx.TransportError:
                return None
            if answer.status_code in _AGAIN:
                return None
            assert answer.status_code == 202, answer.text
            return str(answer.json()["submission_id"])

        return eventually(acknowledged, within_s=120)


def receipt(system: SystemClient, submission: str) -> str:
    """What became of a submission."""
    return str(system.get("submission", f"/v1/submissions/{submission}")["status"])


def revisions(system: SystemClient, org: str, cluster: str, period: str) -> list[str]:
    """The submissions that aggregation knows of a figure, in the order of their numbers."""
    items = system.pages("aggregation", "/v1/figures/history", indicator=SCALE, org=org, cluster=cluster, period=period)
    numbered = sorted((item["sequence"], item["submission_id"]) for item in items)
    return [submission for _, submission in numbered]


def verify(stack: Stack) -> None:
    """`fourones-aggregation verify` recomputes every roll-up from the figures."""
    command = Path(sys.executable).parent / "fourones-aggregation"
    done = subprocess.run(
        [command, "verify"], env=stack.settings("aggregation-api"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
