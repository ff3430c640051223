"""Whether something grows that should not: the verdict on a soak."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, linear_regression
from typing import Any

MEASURES = ("memory_mib", "open_files", "children", "outbox", "lag")
# Caches, pools and plans fill up in the beginning.
_LEFT_OUT = 0.25
_FEWEST = 8
_HOUR_S = 3600.0
# What is too little to be told from chance, over the whole time that was looked at, by measure.
_NOTHING = {"memory_mib": 16.0, "open_files": 8.0, "children": 8.0, "outbox": 100.0, "lag": 100.0}


@dataclass(frozen=True, slots=True)
class Sample:
    """What one process held at a moment, by measure."""

    at_s: float
    process: str
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Growth:
    """The straight line through one measure of one process.

    Attributes:
        mean: over the time that was looked at.
        an_hour: how much more of it after an hour.
        share_an_hour: the same as a share of the mean.
        grows: more than the limit, and more than chance.
    """

    process: str
    measure: str
    mean: float
    an_hour: float
    share_an_hour: float
    grows: bool

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def growths(samples: Sequence[Sample], *, limit: float) -> list[Growth]:
    """Every measure of every process that there are enough samples of.

    Args:
        samples: of a run at a steady rate.
        limit: the share of the mean by which it may grow in an hour.
    """
    if not samples:
        return []
    first = min(sample.at_s for sample in samples)
    last = max(sample.at_s for sample in samples)
    kept = [sample for sample in samples if sample.at_s >= first + _LEFT_OUT * (last - first)]
    found = []
    for process in dict.fromkeys(sample.process for sample in kept):
        for measure in MEASURES:
            line = [(s.at_s, s.values[measure]) for s in kept if s.process == process and measure in s.values]
            if len(line) >= _FEWEST:
                found.append(_growth(process, measure, line, limit))
    return found


def _growth(process: str, measure: str, line: Iterable[tuple[float, float]], limit: float) -> Growth:
    times, values = zip(*line, strict=True)
    slope = linear_regression(times, values).slope
    mean = fmean(values)
    share = slope * _HOUR_S / mean if mean else 0.0
    by_now = slope * (times[-1] - times[0])
    grows = share > limit and by_now > _NOTHING[measure]
    return Growth(process, measure, round(mean, 2), round(slope * _HOUR_S, 3), round(share, 5), grows)
