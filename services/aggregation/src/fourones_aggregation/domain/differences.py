"""What a batch of revisions changes: exact differences, whatever the order, the repetition and the batching.

A figure's current value is the revision with the highest sequence. What a figure adds to a roll-up depends on its
current revision alone, so the difference between two states of a roll-up is the sum of new minus old over the
figures that moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal, Inexact
from typing import NamedTuple

from fourones_shared.events.model import Status

# More digits than any sum of figures can have; should one have more all the same, this raises instead of rounding.
EXACT = Context(prec=200, traps=[Inexact])
_ZERO = Decimal(0)


class Revision(NamedTuple):
    """One accepted value of a figure. `value` is None for O, M and a withdrawal."""

    sequence: int
    value: Decimal | None
    status: str
    withdrawn: bool
    submission_id: str = ""
    reported_by: str = ""
    accepted_at: datetime | None = None
    note: str | None = None
    justification: str | None = None


class Known(NamedTuple):
    """A figure as it is stored: as much of its current revision as decides what it adds."""

    sequence: int
    value: Decimal | None
    status: str
    withdrawn: bool
    excluded: bool


class Seen(NamedTuple):
    """What a figure shows to its roll-ups."""

    value: Decimal | None
    status: str


class Contribution(NamedTuple):
    """What a figure adds to each roll-up that holds its place, beside the duty that is counted anyway.

    Attributes:
        expected: −1 where the indicator does not apply (status M), else 0.
    """

    total: Decimal = _ZERO
    reported: int = 0
    expected: int = 0
    provisional: int = 0
    estimated: int = 0
    forecast: int = 0


NOTHING = Contribution()


class Decision(NamedTuple):
    """What becomes of a figure's revisions.

    Attributes:
        winner: the revision that becomes current; None when the stored one stays.
        superseded: revisions to be kept beside it, the stored one not among them.
        fates: for each candidate in order of arrival whether it was the newest when it came.
    """

    winner: Revision | None
    superseded: tuple[Revision, ...]
    fates: tuple[bool, ...]


def decide(current: Known | None, candidates: Sequence[Revision]) -> Decision:
    """Choose the current revision among the stored one and the candidates, in any order, with duplicates."""
    newest = current.sequence if current is not None else -1
    if len(candidates) == 1 and candidates[0].sequence > newest:
        # Nearly always: one value, newer than what is stored.
        return Decision(candidates[0], (), (True,))
    winner: Revision | None = None
    beside: dict[int, Revision] = {}
    fates = []
    for candidate in candidates:
        fates.append(candidate.sequence >= newest)
        if candidate.sequence > newest:
            if winner is not None:
                beside[winner.sequence] = winner
            winner, newest = candidate, candidate.sequence
        elif candidate.sequence < newest and (current is None or candidate.sequence != current.sequence):
            beside.setdefault(candidate.sequence, candidate)
    return Decision(winner, tuple(beside.values()), tuple(fates))


def seen(figure: Known | Revision | None, *, excluded: bool) -> Seen | None:
    """What the roll-ups see of a figure; None of one that is missing, withdrawn or excluded."""
    if figure is None or figure.withdrawn or excluded:
        return None
    return Seen(figure.value, figure.status)


def contribution(figure: Seen | None, *, may_not_apply: bool) -> Contribution:
    """What a figure adds. M without the catalogue's leave stays expected and unreported."""
    if figure is None:
        return NOTHING
    value, status = figure
    if value is None:
        return Contribution(expected=-1) if status == Status.NOT_APPLICABLE and may_not_apply else NOTHING
    return Contribution(value, 1, 0, *_COUNTED_AS.get(status, (0, 0, 0)))


# Provisional, estimated, forecast.
_COUNTED_AS = {
    Status.PROVISIONAL.value: (1, 0, 0),
    Status.ESTIMATED.value: (0, 1, 0),
    Status.FORECAST.value: (0, 0, 1),
}


def difference(old: Contribution, new: Contribution) -> Contribution:
    """New minus old."""
    if old is NOTHING:
        return new
    return Contribution(
        EXACT.subtract(new.total, old.total),
        new.reported - old.reported,
        new.expected - old.expected,
        new.provisional - old.provisional,
        new.estimated - old.estimated,
        new.forecast - old.forecast,
    )


@dataclass(slots=True)
class Movement:
    """The sum of what a batch changes in one roll-up.

    Attributes:
        only_revisions: every figure that moved had shown a value before.
        accepted_at: when the newest figure that moved was accepted.
        traceparent: trace context of the last event that moved it.
    """

    total: Decimal = _ZERO
    reported: int = 0
    expected: int = 0
    provisional: int = 0
    estimated: int = 0
    forecast: int = 0
    only_revisions: bool = True
    accepted_at: datetime | None = None
    traceparent: str | None = None

    def add(self, difference: Contribution) -> None:
        """Take in what one figure's contribution has changed by."""
        total, reported, expected, provisional, estimated, forecast = difference
        self.total = EXACT.add(self.total, total)
        self.reported += reported
        self.expected += expected
        self.provisional += provisional
        self.estimated += estimated
        self.forecast += forecast

    def witness(self, accepted_at: datetime | None, traceparent: str | None, *, revision: bool) -> None:
        """Note what moved it."""
        self.only_revisions = self.only_revisions and revision
        self.traceparent = traceparent or self.traceparent
        if accepted_at is not None and (self.accepted_at is None or accepted_at > self.accepted_at):
            self.accepted_at = accepted_at
