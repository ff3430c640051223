"""One run: the counties and their schedule, what is measured meanwhile, and what is found afterwards."""

from __future__ import annotations

import json
import platform
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import cycle
from pathlib import Path
from typing import Any

from load.county_systems import checking, growing, watching
from load.county_systems.arrivals import PROFILES, Profile, arrivals
from load.county_systems.counties import VirtualCounty
from load.county_systems.ledger import Ledger
from load.county_systems.measuring import Measured, Threshold, milliseconds, quantile
from load.county_systems.mix import Kind, arrivals_for, figures_a_submission
from load.county_systems.options import Options
from load.county_systems.places import duties_by_organisation, wait_for_answers

# Users of locust are started at this speed, and calls begin when all are there.
STARTED_A_SECOND = 500
# The clock of the APIs may be a little behind.
_CLOCKS_APART = timedelta(minutes=1)
# What is still unanswered so long after the last call was due stays so.
_OVERDUE_S = 60.0
# How much longer than the threshold is waited, to say by how much it was missed.
_WAITED_S = 300.0


class Campaign:
    """A run against a system that answers; made before the first call.

    Args:
        options: as they were given.

    Raises:
        NotUsable: it cannot run with these.
        Unreachable: the system does not answer.
    """

    def __init__(self, options: Options) -> None:
        options.require_consent()
        self.options = options
        self.places = options.places()
        wait_for_answers(self.places, at_most_s=options.wait_s)
        duties, self._catalogue = duties_by_organisation(self.places)
        self.profile = Profile(PROFILES[options.course], arrivals_for(options.rate), options.seconds)
        self.ledger = Ledger()
        self.measured = Measured()
        self._last_answer = 0.0
        self._chance = random.Random(options.seed)  # noqa: S311 - drawn alike every time
        self.counties: int = options.counties
        self._calling = self.counties
        self.organisations = len(duties)
        # The organisations take turns, so that none of their keys has more than its share of the rate.
        self._turns = enumerate(cycle(duties.items()))
        self.thresholds: list[Threshold] = []
        self._sampler: watching.Sampler | None = None

    @cached_property
    def began(self) -> float:
        """The moment, of `time.monotonic`, from which the schedule counts; set when it is first asked for."""
        self._started_at = datetime.now(UTC)
        return time.monotonic() + float(self.counties) / STARTED_A_SECOND + 0.5

    @property
    def over(self) -> bool:
        """Whether everybody has called and been answered."""
        return not self._calling or time.monotonic() > self.began + self.profile.seconds + _OVERDUE_S

    def newcomer(self) -> tuple[VirtualCounty, Iterator[float]]:
        """The next of the virtual counties, and the moments, of `time.monotonic`, at which it calls."""
        number, (org, owed) = next(self._turns)
        chance = random.Random(f"{self.options.seed} {number}")  # noqa: S311 - drawn alike every time
        return VirtualCounty(org, owed, self.ledger, chance), self._moments(number)

    def _moments(self, number: int) -> Iterator[float]:
        # Apart from what it does, so that a slow answer changes nothing about the calls that follow.
        chance = random.Random(f"{self.options.seed} moments {number}")  # noqa: S311
        for moment in arrivals(self.profile, 1 / self.counties, chance):
            yield self.began + moment
        self._calling -= 1

    def answered(self, kind: Kind, *, due: float, sent: float, answered: float, complaint: str | None) -> None:
        """Note a call, by moments of `time.monotonic`."""
        warming_up = due < self.began + self.options.warm_up
        self.measured.note(kind, due=due, sent=sent, answered=answered, warming_up=warming_up)
        self._last_answer = max(self._last_answer, answered)
        if complaint is not None:
            self.measured.unintended[kind, complaint[:300]] += 1

    def sample(self) -> None:
        """Write down what every process holds until all is over; returns at once when nobody has asked for it."""
        if not self.options.sample_s:
            return
        output = Path(self.options.output)
        output.mkdir(parents=True, exist_ok=True)
        services, servers = self.options.watched()
        self._sampler = watching.Sampler(services, servers, every_s=self.options.sample_s, file=output / "samples.csv")
        self._sampler.follow(lambda: self.over)

    def conclude(self) -> dict[str, Any]:
        """See what has become of it all, and write it down; everything there is to say."""
        settled = self._settled_after()
        became = checking.receipts(
            self.places, self.ledger, since=self._started_at - _CLOCKS_APART, at_most_s=_WAITED_S
        )
        compared = checking.rollups(
            self.places, self.ledger, self._catalogue, most=self.options.compared, chance=self._chance
        )
        growth = growing.growths(self._sampler.samples, limit=self.options.growth) if self._sampler else []
        self.thresholds = self._thresholds(settled, became, compared, growth)
        late = sorted(self.measured.late_s)
        summary = {
            "at": self._started_at.isoformat(timespec="seconds"),
            "python": platform.python_version(),
            "submissions a second": self.options.rate,
            "seconds": self.options.seconds,
            "course": self.options.course,
            "virtual counties": self.counties,
            "organisations": self.organisations,
            "figures a submission, mean of the mix": round(figures_a_submission(), 1),
            "calls": sum(self.measured.calls.values()),
            "calls expected": round(self.profile.calls),
            "submissions accepted": self.ledger.submissions,
            "figures accepted": self.ledger.figures,
            "connections closed by the other side": self.measured.reopened,
            "behind the schedule, p99 ms": milliseconds(quantile(late, 0.99)) if late else None,
            "by kind": self.measured.by_kind(),
            "unintended": [
                {"kind": kind.value, "what": what, "times": times}
                for (kind, what), times in self.measured.unintended.most_common(20)
            ],
            "not applied": list(became.others),
            "figures compared": compared.figures,
            "totals compared": compared.totals,
            "differences": list(compared.differences[:20]),
            "growth": [one.document() for one in growth],
            "thresholds": [threshold.document() for threshold in self.thresholds],
            "passed": not any(threshold.missed for threshold in self.thresholds),
        }
        self._write(summary)
        return summary

    def _settled_after(self) -> float | None:
        backlog: watching.Backlog
        if self.places.workers:
            backlog = watching.OfWorkers(self.places.workers)
        elif self.places.prometheus:
            backlog = watching.OfPrometheus(self.places.prometheus)
        else:
            return None
        return watching.settled_after(
            backlog, since=self._last_answer or time.monotonic(), at_most_s=self.options.lag_s + _WAITED_S
        )

    def _thresholds(
        self,
        settled: float | None,
        became: checking.Receipts,
        compared: checking.Compared,
        growth: list[growing.Growth],
    ) -> list[Threshold]:
        single = sorted(self.measured.latency_s[Kind.SINGLE])
        options = self.options
        thresholds = [
            Threshold(
                "answer to a single figure, p99 from the moment it was due",
                "ms",
                milliseconds(quantile(single, 0.99)) if single else None,
                options.p99_ms or None,
            ),
            Threshold("answers not as intended", "", float(sum(self.measured.unintended.values())), options.errors),
            Threshold("workers had nothing left after the last answer", "s", settled, options.lag_s or None),
            Threshold("accepted submissions that were not applied", "", float(became.not_applied), 0),
            Threshold("roll-ups that differ from what was posted", "", float(len(compared.differences)), 0),
        ]
        if options.growth:
            growing_ones = float(sum(one.grows for one in growth)) if growth else None
            thresholds.append(Threshold("processes' measures that grow", "", growing_ones, 0))
        return thresholds

    def _write(self, summary: dict[str, Any]) -> None:
        output = Path(self.options.output)
        output.mkdir(parents=True, exist_ok=True)
        text = json.dumps(summary, ensure_ascii=False, indent=2) + "\n"
        (output / "summary.json").write_text(text, encoding="utf-8")
        (output / "summary.md").write_text(markdown(summary, self.thresholds), encoding="utf-8")


def markdown(summary: dict[str, Any], thresholds: list[Threshold]) -> str:
    """The same for people, and for docs/benchmarks.md."""
    lines = [
        f"- {name}: {value:,}" if isinstance(value, int) else f"- {name}: {value}" for name, value in _facts(summary)
    ]
    columns = list(dict.fromkeys(name for row in summary["by kind"].values() for name in row))
    lines += ["", f"| | {' | '.join(columns)} |", "|---|" + "---:|" * len(columns)]
    for kind, row in summary["by kind"].items():
        cells = (f"{row[name]:,}" if name in row else "" for name in columns)
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    if summary["growth"]:
        lines += ["", "| | mean | an hour | share an hour |", "|---|---:|---:|---:|"]
        for one in summary["growth"]:
            name = f"{one['process']} {one['measure']}{', grows' if one['grows'] else ''}"
            lines.append(f"| {name} | {one['mean']:,} | {one['an_hour']:+,} | {one['share_an_hour']:+.2%} |")
    lines += ["", *(f"    {threshold}" for threshold in thresholds)]
    lines += [f"    {found}" for name in ("unintended", "not applied", "differences") for found in summary[name]]
    return "\n".join(lines) + "\n"


def _facts(summary: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in summary.items() if not isinstance(value, (list, dict, bool))]
