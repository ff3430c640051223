"""Doubts about values that keep every rule: what looks like a slip, said before it becomes a total.

A doubt is a warning; where the catalogue asks for it, the reporter must answer it with a justification.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fourones_shared.catalogue.model import Doubt
from fourones_submission.domain.checking import Checked
from fourones_submission.domain.draft import Fault
from fourones_submission.domain.known import Known, Series
from fourones_submission.domain.terms import Terms


@dataclass(frozen=True, slots=True)
class Doubtful:
    """A doubt about one figure of a submission.

    Attributes:
        figure: its index, from 0.
        detail: what is doubtful and how to check it, Chinese.
    """

    figure: int
    doubt: Doubt
    detail: str


def compared_with(checked: Checked, terms: Terms) -> frozenset[Series]:
    """The series whose current figures the doubts are judged by."""
    return frozenset()


def doubts(checked: Checked, terms: Terms, known: Known) -> tuple[Doubtful, ...]:
    """Everything doubtful about a submission, by figure."""
    return ()


def unanswered(checked: Checked, terms: Terms, found: Sequence[Doubtful]) -> tuple[Fault, ...]:
    """The faults of figures whose doubt must be justified and is not."""
    return ()
