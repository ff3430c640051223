"""Who does what at month-end, as data: of a thousand submissions so many of each kind, and what is read beside them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus


class Kind(StrEnum):
    """What a county's system does; the value names it in reports."""

    SINGLE = "POST single figure"
    BATCH = "POST 10 to 200 figures"
    WHOLE = "POST whole months, up to 500 figures"
    REVISION = "POST revision"
    REPEATED = "POST again, same key and body"
    KEY_REUSED = "POST other body, same key (422 intended)"
    WRONG = "POST with faults (422 intended)"
    RECEIPT = "GET receipt"
    OBLIGATIONS = "GET obligations"
    ROLLUPS = "GET roll-ups"


@dataclass(frozen=True, slots=True)
class Share:
    """One line of the mix.

    Attributes:
        weight: how many beside a thousand submissions; those of all submissions add up to a thousand.
        fewest: figures in a submission; small ones are more frequent than large ones.
        most: figures in a submission.
        intended: the only right answer.
    """

    kind: Kind
    weight: int
    fewest: int = 0
    most: int = 0
    intended: HTTPStatus = HTTPStatus.ACCEPTED

    @property
    def is_submission(self) -> bool:
        """Whether it counts into the rate of submissions."""
        return self.most > 0

    @property
    def mean_figures(self) -> float:
        """Of a size whose logarithm is evenly spread."""
        if self.most == self.fewest:
            return float(self.most)
        return (self.most - self.fewest) / math.log(self.most / self.fewest)


# Most calls are a system that sends what a clerk has just entered or corrected. A month of a county is ten figures, so
# the large ones are those who send a year, or all their months because the office has asked for them. Systems that did
# not wait for an answer send again; some number their keys anew after a restart and so use one twice.
MIX = (
    Share(Kind.SINGLE, 620, 1, 1),
    Share(Kind.BATCH, 70, 10, 200),
    Share(Kind.WHOLE, 5, 200, 500),
    Share(Kind.REVISION, 150, 1, 5),
    Share(Kind.REPEATED, 70, 1, 200),
    Share(Kind.KEY_REUSED, 10, 1, 200, HTTPStatus.UNPROCESSABLE_ENTITY),
    Share(Kind.WRONG, 75, 1, 20, HTTPStatus.UNPROCESSABLE_ENTITY),
    Share(Kind.RECEIPT, 150, intended=HTTPStatus.OK),
    Share(Kind.OBLIGATIONS, 20, intended=HTTPStatus.OK),
    Share(Kind.ROLLUPS, 60, intended=HTTPStatus.OK),
)
SHARES = {share.kind: share for share in MIX}
SUBMISSIONS = sum(share.weight for share in MIX if share.is_submission)
"""A thousand; what is read comes on top."""
# What brings figures that count: the other submissions are answered without being stored.
NEW_FIGURES = (Kind.SINGLE, Kind.BATCH, Kind.WHOLE, Kind.REVISION)


def arrivals_for(submissions: float) -> float:
    """So many calls of all kinds there are, when there are so many submissions."""
    return submissions * sum(share.weight for share in MIX) / SUBMISSIONS


def figures_a_submission() -> float:
    """The mean over all submissions, of figures that are stored."""
    return sum(SHARES[kind].weight * SHARES[kind].mean_figures for kind in NEW_FIGURES) / SUBMISSIONS
