"""What was accepted during the run, and what must stand because of it."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from load.county_systems.duties import Cell

Place = tuple[str, Cell]
"""An organisation and one of its figures."""


@dataclass
class Ledger:
    """Of each organisation the numbers of what was accepted, and of each figure what was sent with the highest."""

    sequences: dict[str, array[int]] = field(default_factory=dict)
    figures: int = 0
    _standing: dict[Place, tuple[int, str]] = field(default_factory=dict)
    _in_doubt: set[Place] = field(default_factory=set)

    def accepted(self, org: str, sequence: int, values: Mapping[Cell, str]) -> None:
        """Note a submission by its number."""
        # Eight bytes each: a soak has millions of them.
        self.sequences.setdefault(org, array("Q")).append(sequence)
        self.figures += len(values)
        for cell, value in values.items():
            before = self._standing.get((org, cell))
            if before is None or before[0] < sequence:
                self._standing[org, cell] = sequence, value

    def unanswered(self, org: str, cells: Iterable[Cell]) -> None:
        """Note figures of which nobody knows whether they were accepted."""
        self._in_doubt.update((org, cell) for cell in cells)

    @property
    def submissions(self) -> int:
        """How many were accepted."""
        return sum(map(len, self.sequences.values()))

    def standing(self) -> dict[Place, str]:
        """The values that must be the current ones, unless somebody else reports beside us."""
        return {place: value for place, (_, value) in self._standing.items() if place not in self._in_doubt}
