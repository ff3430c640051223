"""What is posted: every county's months, each a submission with every indicator and cluster, some of them sent again.

Values are integers of ten-thousandths, so that what must come out is known exactly and at little cost.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from fourones_shared.catalogue.model import TOTAL
from fourones_shared.domain.periods import Frequency, Period, period_of

CLUSTERS = tuple(f"cluster-{n}" for n in range(10))
TIERS = ("advantage", "emerging", "characteristic")
INDICATORS = tuple(f"indicator-{n}" for n in range(50))
FIGURES_A_SUBMISSION = len(INDICATORS) * len(CLUSTERS)
CITY, DEPARTMENT = "320300", "lead"
MOST_ORGANISATIONS = 50
REVISED_SHARE = 0.05
# Nobody corrects what he has not sent yet: a month comes again when so many others have come in between.
REVISED_AFTER = 100
_SCALE = 10_000


@dataclass(frozen=True)
class Shape:
    """How many counties report on how many months.

    Attributes:
        organisations: the counties.
        months: that are posted.
        spare_months: expected besides, before those, for what comes after the measurement.
    """

    organisations: int
    months: int
    spare_months: int = 0

    @classmethod
    def of(cls, figures: int, *, spare_months: int = 0) -> Shape:
        """The shape whose figures and revisions come nearest to so many."""
        submissions = max(2, round(figures * (1 - REVISED_SHARE) / FIGURES_A_SUBMISSION))
        organisations = min(MOST_ORGANISATIONS, submissions)
        return cls(organisations, max(1, round(submissions / organisations)), spare_months)

    @property
    def orgs(self) -> tuple[str, ...]:
        """The counties' ids."""
        return tuple(f"county-{n}" for n in range(self.organisations))

    @cached_property
    def posted(self) -> tuple[Period, ...]:
        """The months that are posted, oldest first; the last of them has ended."""
        return self._expected[self.spare_months :]

    @cached_property
    def spare(self) -> tuple[Period, ...]:
        """The other months."""
        return self._expected[: self.spare_months]

    @cached_property
    def _expected(self) -> tuple[Period, ...]:
        months = [period_of(Frequency.MONTH, date.today()).previous()]  # noqa: DTZ011 - a month more or less
        while len(months) < self.months + self.spare_months:
            months.append(months[-1].previous())
        return tuple(reversed(months))

    @property
    def first_day(self) -> date:
        """From which periods are expected."""
        return self._expected[0].start


def catalogue(shape: Shape) -> dict[str, Any]:
    """The document: every county reports every indicator for every cluster, every month; sums over both."""
    return {
        "sources": [_named("bench", title="made for a benchmark")],
        "organisations": [
            _named(CITY, kind="city"),
            _named(DEPARTMENT, kind="department"),
            *(_named(org, kind="county") for org in shape.orgs),
        ],
        "tiers": [_named(tier) for tier in TIERS],
        "clusters": [
            _named(cluster, tier=TIERS[n % len(TIERS)], lead=DEPARTMENT) for n, cluster in enumerate(CLUSTERS)
        ],
        "plans": [_named("plan", start="1990-01-01", end="2040-12-31")],
        "indicators": [_indicator(indicator, shape.first_day) for indicator in INDICATORS],
        "targets": [_target(target, *of) for target, of in TARGETS.items()],
    }


def _target_id(indicator: str, cluster: str) -> str:
    return f"{indicator}-of-{'the-city' if cluster == TOTAL else cluster}"


# About as many as Xuzhou's plans name: the city's value of every indicator, and ten indicators by cluster.
TARGETS = {
    _target_id(indicator, cluster): (indicator, cluster)
    for indicator, cluster in [
        *((indicator, TOTAL) for indicator in INDICATORS),
        *((indicator, cluster) for indicator in INDICATORS[:10] for cluster in CLUSTERS),
    ]
}
"""Indicator and cluster by the target's id."""


@dataclass(frozen=True, slots=True)
class Submission:
    """One body to post: an organisation's month, for the first time (round 0) or again."""

    org: int
    period: Period
    round: int

    @property
    def org_id(self) -> str:
        """The county's id."""
        return f"county-{self.org}"

    def body(self) -> bytes:
        """As it is posted."""
        figures = ",".join(
            f'{{"indicator":"{indicator}","cluster":"{cluster}","period":"{self.period.key}",'
            f'"value":"{decimal_text(self.value(n, m))}","unit":"亿元"}}'
            for n, indicator in enumerate(INDICATORS)
            for m, cluster in enumerate(CLUSTERS)
        )
        return f'{{"org":"{self.org_id}","figures":[{figures}]}}'.encode()

    def value(self, indicator: int, cluster: int) -> int:
        """In ten-thousandths; near enough to its neighbours that nobody doubts it."""
        month = self.period.start.year * 12 + self.period.start.month
        mixed = self.org * 7919 + month * 104_729 + self.round * 1_299_709 + indicator * 15_485_863
        return (100 + indicator) * _SCALE + (mixed + cluster * 32_452_843) % (4 * _SCALE)


def submissions(shape: Shape, periods: Sequence[Period]) -> list[Submission]:
    """Every county's months, the oldest first, and between them those that come again with other values."""
    made: list[Submission] = []
    first: list[Submission] = []
    rounds: dict[Submission, int] = {}
    # Which ones come again is the same every time.
    chance = random.Random(4101)  # noqa: S311
    every = round(1 / REVISED_SHARE)
    for period in periods:
        for org in range(shape.organisations):
            first.append(Submission(org, period, 0))
            made.append(first[-1])
            if len(made) % every == every - 1:
                again = first[chance.randrange(max(1, len(first) - REVISED_AFTER))]
                rounds[again] = rounds.get(again, 0) + 1
                made.append(Submission(again.org, again.period, rounds[again]))
    return made


@dataclass(frozen=True)
class Standing:
    """What must come out once everything that was accepted has been applied."""

    current: tuple[Submission, ...]

    @classmethod
    def of(cls, accepted: Iterable[tuple[Submission, int]]) -> Standing:
        """Of each county's month the submission with the highest sequence stands."""
        newest: dict[tuple[int, str], tuple[int, Submission]] = {}
        for sent, sequence in accepted:
            place = sent.org, sent.period.key
            if place not in newest or sequence > newest[place][0]:
                newest[place] = sequence, sent
        return cls(tuple(sent for _, sent in newest.values()))

    @property
    def figures(self) -> int:
        """How many figures there are, each counted once."""
        return len(self.current) * FIGURES_A_SUBMISSION

    def total(self) -> int:
        """The sum of them all, in ten-thousandths."""
        return sum(
            sent.value(n, m) for sent in self.current for n in range(len(INDICATORS)) for m in range(len(CLUSTERS))
        )

    def of_targets(self, period: Period) -> dict[str, float]:
        """The value of every target in that period."""
        there = [sent for sent in self.current if sent.period == period]
        return {target: self._of(there, *of) / _SCALE for target, of in TARGETS.items()}

    @staticmethod
    def _of(there: Sequence[Submission], indicator: str, cluster: str) -> int:
        clusters = range(len(CLUSTERS)) if cluster == TOTAL else [CLUSTERS.index(cluster)]
        return sum(sent.value(INDICATORS.index(indicator), m) for sent in there for m in clusters)


def decimal_text(scaled: int) -> str:
    """Ten-thousandths as a decimal."""
    return f"{scaled // _SCALE}.{scaled % _SCALE:04d}"


def _named(id: str, **fields: Any) -> dict[str, Any]:  # noqa: A002 - the catalogue's word
    named = {"id": id} if "title" in fields else {"id": id, "name": id, "source": "bench"}
    return named | fields


def _indicator(indicator: str, first: date) -> dict[str, Any]:
    return _named(
        indicator,
        name_en=indicator,
        unit="亿元",
        measure=indicator,
        kind="flow",
        clusters=CLUSTERS,
        over_organisations="sum",
        over_clusters="sum",
        reporting={
            "about": "counties-and-zones",
            "by": "self",
            "frequency": "M",
            "first": first.isoformat(),
            "due_days": 15,
        },
    )


def _target(target: str, indicator: str, cluster: str) -> dict[str, Any]:
    return _named(
        target,
        plan="plan",
        indicator=indicator,
        cluster=cluster,
        value="5000",
        unit="亿元",
        per="month",
        responsible={"lead": DEPARTMENT},
    )
