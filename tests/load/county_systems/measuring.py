"""What was measured, and whether it is good enough."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from load.county_systems.mix import Kind


@dataclass
class Measured:
    """Everything that the calls have shown.

    Attributes:
        latency_s: from the moment at which a call was due to its answer, by kind; calls before the end of the warm-up
            are left out.
        answer_s: from sending to the answer, of the same calls.
        late_s: from the moment at which it was due to sending: what this program, or an answer before it, held up.
        calls: by kind, those of the warm-up among them.
        unintended: what was not as intended, by kind and text.
        reopened: connections that the other side had closed.
    """

    latency_s: dict[Kind, array[float]] = field(default_factory=lambda: {kind: array("d") for kind in Kind})
    answer_s: dict[Kind, array[float]] = field(default_factory=lambda: {kind: array("d") for kind in Kind})
    late_s: array[float] = field(default_factory=lambda: array("d"))
    calls: Counter[Kind] = field(default_factory=Counter)
    unintended: Counter[tuple[Kind, str]] = field(default_factory=Counter)
    reopened: int = 0

    def note(self, kind: Kind, *, due: float, sent: float, answered: float, warming_up: bool) -> None:
        """Take one call's moments, in seconds of the same clock."""
        self.calls[kind] += 1
        if warming_up:
            return
        self.latency_s[kind].append(answered - due)
        self.answer_s[kind].append(answered - sent)
        self.late_s.append(sent - due)

    def by_kind(self) -> dict[str, dict[str, float | int]]:
        """Numbers and percentiles of every kind that occurred."""
        return {kind.value: self._of(kind) for kind in Kind if self.calls[kind]}

    def _of(self, kind: Kind) -> dict[str, float | int]:
        whole, alone = sorted(self.latency_s[kind]), sorted(self.answer_s[kind])
        row: dict[str, float | int] = {
            "calls": self.calls[kind],
            "unintended": sum(times for (of, _), times in self.unintended.items() if of is kind),
        }
        if whole:
            row |= {f"p{share:g} ms": milliseconds(quantile(whole, share / 100)) for share in (50, 90, 99, 99.9)}
            row |= {"most ms": milliseconds(whole[-1]), "p99 ms from sending": milliseconds(quantile(alone, 0.99))}
        return row


@dataclass(frozen=True, slots=True)
class Threshold:
    """Something that must hold.

    Attributes:
        measured: None where it could not be measured, which is a miss.
        limit: the largest that is good; None where nothing was asked for.
    """

    name: str
    unit: str
    measured: float | None
    limit: float | None

    @property
    def missed(self) -> bool:
        """Whether it does not hold."""
        return self.limit is not None and (self.measured is None or self.measured > self.limit)

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.name,
            "unit": self.unit,
            "measured": self.measured,
            "limit": self.limit,
            "missed": self.missed,
        }

    def __str__(self) -> str:
        found = "not measured" if self.measured is None else f"{self.measured:g} {self.unit}".strip()
        if self.limit is None:
            return f"       {self.name}: {found}"
        return f"{'MISSED' if self.missed else 'met':<6} {self.name}: {found} (at most {self.limit:g})"


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which that share of the ordered values lies (nearest rank)."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def milliseconds(seconds: float) -> float:
    """As it is shown."""
    return round(seconds * 1000, 2)
