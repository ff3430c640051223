"""When county systems call: an open loop, in which nobody waits for anybody else's answer.

Every virtual county has a Poisson process of its own; together they are one of the whole rate. A moment at which
somebody should have called stays where it is when the answer before it is late, and the latency counts from that
moment: a slow server is not spared the calls that it holds up (coordinated omission).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

Points = Sequence[tuple[float, float]]
"""Shares of the run's length, from 0 to 1, with shares of the highest rate; straight lines in between."""

PROFILES: dict[str, Points] = {
    "constant": ((0.0, 1.0), (1.0, 1.0)),
    # The evening before the day on which all is due: it builds up, stays until the office closes, and trickles off.
    "month-end": ((0.0, 0.1), (0.25, 1.0), (0.7, 1.0), (0.85, 0.3), (1.0, 0.1)),
}


@dataclass(frozen=True, slots=True)
class Profile:
    """A rate over time.

    Attributes:
        points: its course.
        rate: calls a second at the highest.
        seconds: how long it goes on.
    """

    points: Points
    rate: float
    seconds: float

    def at(self, second: float) -> float:
        """Calls a second then; 0 before the beginning and after the end."""
        share = second / self.seconds
        for (left, low), (right, high) in pairwise(self.points):
            if left <= share <= right:
                return self.rate * (low + (high - low) * (share - left) / (right - left))
        return 0.0

    @property
    def calls(self) -> float:
        """How many are to be expected in the whole."""
        area = sum((right - left) * (low + high) / 2 for (left, low), (right, high) in pairwise(self.points))
        return area * self.rate * self.seconds


def arrivals(profile: Profile, share: float, chance: random.Random) -> Iterator[float]:
    """The moments, in seconds from the beginning, at which one of many calls.

    Moments of the highest rate are drawn, and each is kept with the probability that the profile gives it then
    (P. A. W. Lewis, G. S. Shedler, Simulation of nonhomogeneous Poisson processes by thinning, 1979).

    Args:
        profile: of all together.
        share: of the one.
        chance: draws.
    """
    highest = profile.rate * max(factor for _, factor in profile.points)
    now = chance.expovariate(highest * share)
    while now < profile.seconds:
        if chance.random() * highest < profile.at(now):
            yield now
        now += chance.expovariate(highest * share)
