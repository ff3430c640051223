"""A submission as it was read, before any rule of the catalogue: the same for every format.

A format's reader makes a `Draft`; what it could not read at all it leaves out of the draft and names in `faults`.
Places are figures and fields, not lines or cells: the format turns them into what its sender can find.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

MOST_FIGURES = 5_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in what was sent: a JSON pointer, or line and column (from 1), or sheet and cell."""

    pointer: str | None = None
    line: int | None = None
    column: int | None = None
    sheet: str | None = None
    cell: str | None = None


Locate = Callable[[int | None, str | None], Place]
"""Finds the place of a figure's field; (None, None) is the submission as a whole."""


def by_pointer(figure: int | None, name: str | None) -> Place:
    """The place in a JSON body."""
    # Sent field names may hold anything, halves of surrogate pairs too, which no answer could carry.
    place = "" if figure is None else f"/figures/{figure}"
    if name is None:
        return Place(pointer=place)
    escaped = name.replace("~", "~0").replace("/", "~1")
    return Place(pointer=f"{place}/{escaped.encode('utf-8', 'backslashreplace').decode()}")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a submission.

    Attributes:
        figure: index of the figure, from 0; None for the submission as a whole.
        field: which part of it; None for the whole.
        code: the rule, for machines.
        detail: what is wrong and how to mend it, Chinese.
        place: where, when the reader knows it better than by figure and field.
    """

    figure: int | None
    field: str | None
    code: str
    detail: str
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class FigureDraft:
    """One figure as written; None where nothing was given.

    Attributes:
        value: the number's own characters, so that no binary floating point ever touches it.
        unreadable: fields that are there but could not be read; their fault is told already.
    """

    indicator: str | None = None
    cluster: str | None = None
    period: str | None = None
    value: str | None = None
    unit: str | None = None
    status: str | None = None
    note: str | None = None
    justification: str | None = None
    withdraw: bool = False
    unreadable: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Draft:
    """A submission as written. `figures` is None when there is no readable list of them.

    `locate` is how the format finds figures and fields again in what was sent.
    """

    org: str | None
    figures: Sequence[FigureDraft] | None
    prepared_by: str | None = None
    approved_by: str | None = None
    faults: Sequence[Fault] = field(default=())
    locate: Locate = by_pointer

    def place_of(self, fault: Fault) -> Place:
        """Where its sender finds what a fault is about."""
        return fault.place or self.locate(fault.figure, fault.field)


def too_many(count: int) -> Fault:
    """The fault of a submission with more than `MOST_FIGURES` figures; a reader tells it before it reads them."""
    detail = f"一次最多报 {MOST_FIGURES} 个数,收到 {count} 个:请分几次报送"
    return Fault(None, "figures", "figures_too_many", detail)
