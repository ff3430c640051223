"""From the POST of a single figure to the answer of the roll-ups API that has it, at a steady rate.

Some of the submissions are probes: each about a figure of its own indicator and county, whose total over the clusters
is asked for again and again until it is the posted value. The others are what keeps the system busy meanwhile.
"""

from __future__ import annotations

import itertools
import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from urllib.parse import urlencode

from load.posting import Connection
from load.processes import usage
from load.report import Report, Row, quantile
from load.system import System, running_system
from load.workload import CLUSTERS, INDICATORS, Shape, catalogue, decimal_text

_COUNTIES = 20
# The counties that probes are about; nobody else posts about them.
_PROBED = 4
_POSTERS = 16
# Enough probes for a 99th percentile.
_PROBES_A_SECOND = 20
# A probe that asked without a pause would be most of the load itself; what is measured is this much too long at most.
_ASKS_EVERY_S = 0.01
_PAUSE = threading.Event()


@dataclass
class _Seen:
    """What the threads have measured."""

    visible_s: list[float] = field(default_factory=list)
    accepted_s: list[float] = field(default_factory=list)
    late_s: list[float] = field(default_factory=list)
    asked: int = 0
    failures: list[BaseException] = field(default_factory=list)
    guard: threading.Lock = field(default_factory=threading.Lock)


def latency(rate: int, seconds: int) -> Report:
    """Percentiles at so many submissions a second for so long."""
    shape = Shape(_COUNTIES, 1)
    with running_system() as system:
        report = Report("latency", system.require_durability())
        system.put_in_force(catalogue(shape))
        # A few seconds first, so that connections, caches and plans are there.
        _run(system, shape, rate, 5)
        system.settle()
        spent, began = usage(system.stack), time.perf_counter()
        seen = _run(system, shape, rate, seconds)
        elapsed = time.perf_counter() - began
        cpu_s = usage(system.stack).since(spent)
    _tell(report, seen, elapsed, cpu_s)
    return report


def _tell(report: Report, seen: _Seen, elapsed: float, cpu_s: dict[str, float]) -> None:
    report.fact("submissions of one figure", len(seen.accepted_s))
    report.fact("submissions/s", len(seen.accepted_s) / elapsed)
    report.fact("probes", len(seen.visible_s))
    report.fact("questions of probes/s", seen.asked / elapsed)
    rows = []
    for name, measured in (
        ("POST answered", seen.accepted_s),
        ("visible in GET /v1/rollups", seen.visible_s),
        ("behind the schedule when posted", seen.late_s),
    ):
        ordered = sorted(measured)
        cells = {f"p{p:g}, ms": 1000 * quantile(ordered, p / 100) for p in (50, 90, 99)}
        rows.append(Row(name, cells | {"most, ms": 1000 * ordered[-1]}))
    report.table("from the POST", rows)
    rows = [Row(n, {"cores": s / elapsed}) for n, s in sorted(cpu_s.items(), key=lambda item: -item[1])]
    report.table("CPU meanwhile", [*rows, Row("all together", {"cores": sum(cpu_s.values()) / elapsed})])


def _run(system: System, shape: Shape, rate: int, seconds: int) -> _Seen:
    seen = _Seen()
    period = shape.posted[0].key
    background = rate - _PROBES_A_SECOND
    slots = _Schedule(background, seconds)
    probes = _Schedule(_PROBES_A_SECOND, seconds)
    # A probe that waits must not hold up the next one.
    workers = [(_post, slots)] * _POSTERS + [(_probe, probes)] * _POSTERS
    numbers = itertools.count()

    def guarded(work: Callable[..., None], schedule: _Schedule) -> None:
        try:
            work(system, period, schedule, seen, numbers)
        except BaseException as error:
            seen.failures.append(error)
            schedule.end()

    threads = [threading.Thread(target=guarded, args=job, daemon=True) for job in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if seen.failures:
        raise RuntimeError("the run was broken off") from seen.failures[0]
    return seen


class _Schedule:
    """Moments at equal distances, each given to one thread; how late it came for it is told."""

    def __init__(self, rate: int, seconds: int) -> None:
        self._began = time.perf_counter() + 0.2
        self._rate = rate
        self._left = iter(range(rate * seconds))
        self._guard = threading.Lock()

    def next(self) -> float | None:
        """Wait for the next moment; how late it is, or None when there is none."""
        with self._guard:
            number = next(self._left, None)
        if number is None:
            return None
        due = self._began + number / self._rate
        wait = due - time.perf_counter()
        if wait > 0:
            _PAUSE.wait(wait)
        return max(0.0, time.perf_counter() - due)

    def end(self) -> None:
        """No more."""
        with self._guard:
            self._left = iter(())


def _post(system: System, period: str, schedule: _Schedule, seen: _Seen, numbers: itertools.count[int]) -> None:
    connection = Connection(system.stack.url("submission-api"))
    chance = random.Random()  # noqa: S311
    while (late := schedule.next()) is not None:
        org = f"county-{chance.randrange(_PROBED, _COUNTIES)}"
        body = _body(org, chance.choice(INDICATORS), chance.choice(CLUSTERS), period, _new_value(numbers))
        began = time.perf_counter()
        connection.post(body, system.bearer(org))
        with seen.guard:
            seen.accepted_s.append(time.perf_counter() - began)
            seen.late_s.append(late)
    connection.close()


def _probe(system: System, period: str, schedule: _Schedule, seen: _Seen, numbers: itertools.count[int]) -> None:
    posting = Connection(system.stack.url("submission-api"))
    asking = Connection(system.stack.url("aggregation-api"))
    bearer = system.bearer("viewer")
    while (late := schedule.next()) is not None:
        place = next(numbers)
        org = f"county-{place % _PROBED}"
        # A probe's figure is the only one of its indicator and county: two hundred take turns.
        indicator = INDICATORS[place // _PROBED % len(INDICATORS)]
        value = _new_value(numbers)
        query = urlencode({"indicator": indicator, "org": org, "cluster": "_T", "tier": "_T", "period": period})
        began = time.perf_counter()
        posting.post(_body(org, indicator, CLUSTERS[0], period, value), system.bearer(org))
        accepted = time.perf_counter()
        asked = 1
        while not _shows(asking.get(f"/v1/rollups?{query}", bearer), value):
            _PAUSE.wait(_ASKS_EVERY_S)
            asked += 1
        with seen.guard:
            seen.accepted_s.append(accepted - began)
            seen.visible_s.append(time.perf_counter() - began)
            seen.late_s.append(late)
            seen.asked += asked
    posting.close()
    asking.close()


def _shows(page: dict[str, object], value: str) -> bool:
    items = page["items"]
    return isinstance(items, list) and any(i["value"] and Decimal(i["value"]) == Decimal(value) for i in items)


def _new_value(numbers: itertools.count[int]) -> str:
    # Never the same twice, and always near the last one.
    return decimal_text(1_000_000 + next(numbers))


def _body(org: str, indicator: str, cluster: str, period: str, value: str) -> bytes:
    figure = {"indicator": indicator, "cluster": cluster, "period": period, "value": value}
    return json.dumps({"org": org, "figures": [figure]}).encode()
