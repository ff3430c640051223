"""Tells when everything that was accepted has been rolled up, published and judged."""

import time
from collections.abc import Sequence

import httpx
from prometheus_client.parser import text_string_to_metric_families

from fourones_local import loopback
from fourones_local.errors import NotReady

# What a worker has yet to do: events to send, records to apply.
_BACKLOGS = frozenset({"fourones_outbox_depth", "fourones_consumer_lag_records"})
# The gauges are taken about once a second, and what leaves one worker appears at the next a moment later.
_QUIET_SECONDS = 2.0
_LOOK_EVERY_SECONDS = 0.25


def wait_settled(workers: Sequence[str], *, timeout: float) -> None:
    """Returns when the workers at these addresses have had nothing to do for a while.

    Raises:
        NotReady: they still had after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    quiet_since: float | None = None
    while quiet_since is None or time.monotonic() - quiet_since < _QUIET_SECONDS:
        if time.monotonic() > deadline:
            raise NotReady(f"there was still work to do after {timeout:.0f} s")
        if any(_backlog(worker) for worker in workers):
            quiet_since = None
        elif quiet_since is None:
            quiet_since = time.monotonic()
        time.sleep(_LOOK_EVERY_SECONDS)


def _backlog(worker: str) -> float:
    try:
        text = loopback.get(f"{worker}/metrics", timeout=5.0).raise_for_status().text
    except httpx.HTTPError:
        # It cannot say that it is done.
        return 1.0
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return sum(sample.value for sample in samples if sample.name in _BACKLOGS)
