"""Posting under faults: everything that was acknowledged is remembered, and later looked for, once and in order."""

from __future__ import annotations

import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
from support.system import SystemClient
from support.waiting import eventually

from fourones_local.layout import Repository
from fourones_local.process import server_environment
from fourones_local.stack import Stack

ORGANISATIONS = ("320302", "320303", "320305", "320311")
SCALE = "cluster-scale"
# What a sender repeats with the same key; anything else but 202 is a failure of the system.
_AGAIN = frozenset({409, 429, 503})
# Every so many submissions the last one is sent a second time, as by a sender that has missed the answer.
_DOUBLE_EVERY = 10
# The longest that the servers may be away together, and a slow start of the API after it.
_GIVE_UP_S = 180.0
_PAUSE_S = 0.1

Figure = dict[str, Any]


@dataclass(frozen=True)
class Acknowledged:
    """A submission that was answered with 202: what was sent, and the number it got."""

    submission: str
    sequence: int
    figures: tuple[Figure, ...]


class Poster(threading.Thread):
    """Posts the submissions of one organisation, one after the other, each until it is acknowledged.

    Args:
        submissions: the figures of each; the thread ends when they end.
    """

    def __init__(self, system: SystemClient, org: str, submissions: Callable[[], Iterator[list[Figure]]]) -> None:
        super().__init__(daemon=True)
        self._system, self._submissions = system, submissions
        self._pause = threading.Event()
        self.org = org
        self.acknowledged: list[Acknowledged] = []
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            for figures in self._submissions():
                key = uuid.uuid4().hex
                answer = self._post(figures, key)
                self.acknowledged.append(Acknowledged(answer["submission_id"], answer["sequence"], tuple(figures)))
                if len(self.acknowledged) % _DOUBLE_EVERY == 0:
                    assert self._post(figures, key) == answer, "the same key was answered otherwise"
        except BaseException as error:
            self.failure = error

    def _post(self, figures: Sequence[Figure], key: str) -> dict[str, Any]:
        body = {"org": self.org, "figures": figures}

        def acknowledged() -> dict[str, Any] | None:
            try:
                answer = self._system.post(self.org, body, key)
            except httpx.TransportError:
                self._pause.wait(_PAUSE_S)
                return None
            if answer.status_code in _AGAIN:
                self._pause.wait(_PAUSE_S)
                return None
            assert answer.status_code == 202, answer.text
            return dict(answer.json())

        return eventually(acknowledged, within_s=_GIVE_UP_S)


def join(posters: Sequence[Poster]) -> None:
    """Wait for all to end; none may have failed."""
    for poster in posters:
        poster.join(timeout=_GIVE_UP_S)
        assert not poster.is_alive(), f"{poster.org} is still posting"
    assert all(poster.failure is None for poster in posters), [poster.failure for poster in posters]


def a_figure(cluster: str, period: str, value: str | None, **more: Any) -> Figure:
    """A value of the clusters' scale; None declares it missing when the status says so."""
    return {"indicator": SCALE, "cluster": cluster, "period": period, "value": value} | more


def receipt(system: SystemClient, submission: str) -> str:
    """What became of a submission."""
    return str(system.get("submission", f"/v1/submissions/{submission}")["status"])


def wait_applied(system: SystemClient, posters: Sequence[Poster]) -> None:
    """Return when the receipt of every acknowledged submission says that each of its figures was applied."""
    for poster in posters:
        # The newest last: what is before it in the topic is applied before it.
        eventually(partial(_is_applied, system, poster.acknowledged[-1].submission), within_s=_GIVE_UP_S)
        _check_receipts(system, poster)


def _check_receipts(system: SystemClient, poster: Poster) -> None:
    receipts = {
        item["submission_id"]: item
        for item in system.pages("submission", "/v1/submissions", org=poster.org, limit="1000")
    }
    for sent in poster.acknowledged:
        found = receipts[sent.submission]
        said = (found["status"], found["applied"], found["superseded"], found["excluded"])
        if said != ("applied", len(sent.figures), 0, 0):
            # Whether the figure or only its receipt is missing is what one must know first.
            first = sent.figures[0]
            known = revisions(system, poster.org, str(first["cluster"]), str(first["period"]))
            numbers = [item["sequence"] for item in known]
            raise AssertionError(f"{found}; aggregation {'knows' if sent.sequence in numbers else 'LACKS'} the figure")


def _is_applied(system: SystemClient, submission: str) -> bool:
    return receipt(system, submission) == "applied"


def revisions(system: SystemClient, org: str, cluster: str, period: str) -> list[dict[str, Any]]:
    """Every value that aggregation knows of a figure, in the order of the numbers."""
    items = system.pages(
        "aggregation", "/v1/figures/history", indicator=SCALE, org=org, cluster=cluster, period=period, limit="1000"
    )
    return sorted(items, key=lambda item: int(item["sequence"]))


def verify(stack: Stack) -> None:
    """`fourones-aggregation verify` recomputes every roll-up from the figures."""
    done = subprocess.run(
        [Repository.command("fourones-aggregation"), "verify"],
        env=server_environment() | stack.settings("aggregation-api"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
