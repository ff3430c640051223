"""After the run: everything that was accepted counts, and the totals are made of it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from load.county_systems.duties import TOTAL, Cell
from load.county_systems.ledger import Ledger
from load.county_systems.places import Places

_AGAIN_AFTER_S = 1.0
_PAUSE = threading.Event()
# Totals over organisations, with which nothing that lies in another is counted twice.
_ADDED = {"over_organisations": "sum", "zones": "beside"}


@dataclass(frozen=True, slots=True)
class Receipts:
    """What became of the accepted submissions.

    Attributes:
        applied: how many are.
        others: numbers and states of some that are not.
        not_applied: how many.
    """

    applied: int
    not_applied: int
    others: Sequence[str]


def receipts(places: Places, ledger: Ledger, *, since: datetime, at_most_s: float) -> Receipts:
    """Look at every submission's receipt until all of them are applied, but not longer than `at_most_s`."""
    deadline = time.monotonic() + at_most_s
    applied = 0
    waiting: dict[tuple[str, int], str] = {}
    for org, sequences in ledger.sequences.items():
        # Those that are not among the listed were lost.
        ours = dict.fromkeys(sequences, "no receipt")
        while True:
            query = {"org": org, "from": since.isoformat()}
            for receipt in places.pages("submission", "/v1/submissions", key=org, **query):
                if receipt["sequence"] in ours:
                    ours[receipt["sequence"]] = _state(receipt)
            done = [sequence for sequence, state in ours.items() if state == "applied"]
            applied += len(done)
            for sequence in done:
                del ours[sequence]
            if not ours or time.monotonic() > deadline:
                break
            _PAUSE.wait(_AGAIN_AFTER_S)
        waiting |= {(org, sequence): state for sequence, state in ours.items()}
    some = [f"{org} {sequence}: {state}" for (org, sequence), state in list(waiting.items())[:10]]
    return Receipts(applied, len(waiting), some)


def _state(receipt: Mapping[str, Any]) -> str:
    if receipt["status"] != "applied":
        return str(receipt["status"])
    counted = (receipt["applied"] or 0) + (receipt["superseded"] or 0) + (receipt["excluded"] or 0)
    return "applied" if counted == receipt["figures"] else f"applied, {counted} of {receipt['figures']} figures"


@dataclass(frozen=True, slots=True)
class Compared:
    """Roll-ups held against what was posted.

    Attributes:
        figures: counties' values that were compared.
        totals: sums over the counties that were.
        differences: what was found.
    """

    figures: int
    totals: int
    differences: Sequence[str]


def rollups(
    places: Places, ledger: Ledger, catalogue: Mapping[str, Any], *, most: int, chance: random.Random
) -> Compared:
    """Compare so many cells: each county's value with what was sent last, the city's with the sum of the counties'."""
    standing = ledger.standing()
    cells = sorted({cell for _, cell in standing}, key=lambda cell: (cell.period, cell.indicator, cell.cluster))
    counties = {org["id"] for org in catalogue["organisations"] if org["kind"] in {"county", "zone"}}
    indicators = {indicator["id"]: indicator for indicator in catalogue["indicators"]}
    connection_key = "viewer" if "viewer" in places.keys else next(iter(ledger.sequences))
    figures = totals = 0
    differences: list[str] = []
    for cell in chance.sample(cells, min(most, len(cells))):
        rows = _rows(places, cell, connection_key)
        for org in ledger.sequences:
            sent = standing.get((org, cell))
            if sent is not None:
                figures += 1
                differences += _difference(f"{cell} of {org}", rows.get(org), Decimal(sent))
        indicator = indicators[cell.indicator]
        if TOTAL in rows and all(indicator.get(name) == value for name, value in _ADDED.items()):
            totals += 1
            total = sum((value for org, value in rows.items() if org in counties), Decimal())
            differences += _difference(f"{cell} in total", rows[TOTAL], total)
    return Compared(figures, totals, differences)


def _rows(places: Places, cell: Cell, key: str) -> dict[str, Decimal]:
    asked = {"indicator": cell.indicator, "cluster": cell.cluster, "period": cell.period, "tier": TOTAL}
    items = places.pages("aggregation", "/v1/rollups", key=key, **asked)
    return {item["org"]: Decimal(item["value"]) for item in items if item["value"] is not None}


def _difference(what: str, found: Decimal | None, expected: Decimal) -> list[str]:
    return [] if found == expected else [f"{what}: {found} instead of {expected}"]
