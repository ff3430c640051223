"""The four ones (四个一) of the clusters: which facts their scores need, and the scores with what they are made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from fourones_aggregation.domain.facts import Ask, Fact
from fourones_aggregation.domain.scopes import Scope
from fourones_aggregation.domain.shapes import Shapes
from fourones_shared.catalogue.duties import due_at
from fourones_shared.catalogue.model import TOTAL, Indicator, Target
from fourones_shared.domain.periods import Period, shanghai_date
from fourones_shared.domain.pillars import Known, PillarScore, PillarTargets, needed, reported_between, runs_in, score
from fourones_shared.events.model import State, Status

# A count is shown by its latest value: that of the last report, or of one before it while the last has not come.
COUNTED_BACK = 3


class Cell(NamedTuple):
    """A place in the matrix."""

    cluster: str
    pillar: str


@dataclass(frozen=True, slots=True)
class Count:
    """An indicator of the pillar without a target in the period, by its latest value.

    Attributes:
        period: the reporting period of the value, or of the latest report while there is no value.
    """

    indicator: Indicator
    period: Period
    value: Decimal | None
    state: State


@dataclass(frozen=True, slots=True)
class PillarShown:
    """A cell with its score, and the counts that no target asks for."""

    cell: Cell
    score: PillarScore
    counts: tuple[Count, ...]


class FourOnes:
    """The four ones of one catalogue version."""

    def __init__(self, shapes: Shapes) -> None:
        self.shapes = shapes
        self.targets = PillarTargets(shapes.catalogue)

    @property
    def cells(self) -> list[Cell]:
        """Every cluster and pillar, in the catalogue's order."""
        return [Cell(c.id, p.id) for c in self.shapes.catalogue.clusters for p in self.shapes.catalogue.pillars]

    def asks(self, cells: Iterable[Cell], period: Period, now: datetime, *, all_counts: bool) -> set[Ask]:
        """The facts that these cells are scored and shown by; counts only of pillars without targets, or all."""
        found = set()
        for cell in cells:
            for terms in self.targets.of(*cell):
                found |= {self._ask(terms.target, part) for part in needed(terms, period, now)}
            for indicator in self._counted(cell, period, all_counts=all_counts):
                found |= {_count_ask(indicator, cell, part) for part in _reports(indicator, period, now)}
        return found

    def shown(
        self, cells: Iterable[Cell], period: Period, now: datetime, facts: Mapping[Ask, Fact], *, all_counts: bool
    ) -> list[PillarShown]:
        """The cells with their scores, of the facts that `asks` names."""

        def known(target: Target, part: Period) -> Known | None:
            fact = facts.get(self._ask(target, part))
            if fact is None:
                return None
            declared = int(fact.value is None and fact.status is Status.MISSING)
            return Known(fact.value, fact.reported, fact.expected, declared)

        return [
            PillarShown(
                cell=cell,
                score=score(self.targets.of(*cell), period, now, known),
                counts=tuple(_counts(self._counted(cell, period, all_counts=all_counts), cell, period, now, facts)),
            )
            for cell in cells
        ]

    def _ask(self, target: Target, part: Period) -> Ask:
        """Where a scope has one member, that member's own: it tells a figure declared missing from one overdue."""
        scope = Scope(target.org, target.cluster, target.tier)
        shape = self.shapes.of(target.indicator, part)
        members = [] if shape is None else shape.members(scope)
        own = Scope(members[0].org, members[0].cluster, TOTAL) if len(members) == 1 else scope
        return Ask(target.indicator, part.key, own if shape is not None and own in shape.repeated else scope)

    def _counted(self, cell: Cell, period: Period, *, all_counts: bool) -> list[Indicator]:
        promised = {t.indicator.id for t in self.targets.of(*cell) if runs_in(t, period)}
        if promised and not all_counts:
            return []
        return [
            indicator
            for indicator in self.shapes.catalogue.indicators
            if indicator.pillar == cell.pillar
            and cell.cluster in indicator.clusters
            and indicator.id not in promised
            and not indicator.synthetic
        ]


def _counts(
    indicators: Iterable[Indicator], cell: Cell, period: Period, now: datetime, facts: Mapping[Ask, Fact]
) -> Iterator[Count]:
    for indicator in indicators:
        known = [
            (part, facts.get(_count_ask(indicator, cell, part))) for part in reversed(_reports(indicator, period, now))
        ]
        valued = ((part, fact.value) for part, fact in known if fact is not None and fact.value is not None)
        part, value = next(valued, (None, None))
        if part is not None:
            yield Count(indicator, part, value, State.REPORTED)
        elif known:
            latest, fact = known[0]
            yield Count(indicator, latest, None, _state(indicator, latest, fact, now))


def _count_ask(indicator: Indicator, cell: Cell, part: Period) -> Ask:
    return Ask(indicator.id, part.key, Scope(TOTAL, cell.cluster, TOTAL))


def _reports(indicator: Indicator, period: Period, now: datetime) -> Sequence[Period]:
    """The last few reports up to the period's end that have ended by now, not from before its year."""
    first = min(period.start, date(period.end.year, 1, 1))
    ended = shanghai_date(now)
    return [p for p in reported_between(indicator, first, period.end) if p.end < ended][-COUNTED_BACK:]


def _state(indicator: Indicator, part: Period, fact: Fact | None, now: datetime) -> State:
    if fact is not None and fact.expected == 0:
        return State.NOT_APPLICABLE
    if fact is not None and fact.status is Status.MISSING:
        return State.DECLARED_MISSING
    return State.OVERDUE if due_at(indicator, part) <= now else State.NOT_YET_DUE
