"""Current figures, when accepted submissions are read again, in the order in which they were accepted.

Some of the submissions are known: what stands has seen them already. The others are missing. A withdrawn figure leaves
no trace in what stands, so that one that is absent comes back only with a missing submission: a known one that
reported it was followed by a withdrawal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from fourones_shared.domain.numbers import format_decimal
from fourones_shared.events.model import FigureSubmitted


@dataclass(slots=True)
class Standing:
    """The figures of one organisation, indicator and period by cluster, as `figure_current` has them.

    Attributes:
        figures: value (or None), status and sequence.
        since: when a value first stood there, milliseconds since 1970.
    """

    figures: dict[str, list[Any]] = field(default_factory=dict)
    since: dict[str, int] = field(default_factory=dict)


def replay(
    standing: Standing, figures: Iterable[FigureSubmitted], *, sequence: int, received_ms: int, missing: bool
) -> int:
    """Let what stands see a submission (again).

    Args:
        standing: of the figures' organisation, indicator and period; changed in place.
        figures: of the submission, as accepted.
        sequence: of the submission.
        received_ms: when it was received, milliseconds since 1970.
        missing: whether what stands has never seen it.

    Returns:
        How many figures have changed.
    """
    return sum(_replay(standing, figure, sequence, received_ms, missing) for figure in figures)


def _replay(standing: Standing, figure: FigureSubmitted, sequence: int, received_ms: int, missing: bool) -> bool:
    cluster = figure.cluster
    known = standing.figures.get(cluster)
    if figure.withdrawn:
        if known is None or known[2] >= sequence:
            return False
        del standing.figures[cluster]
        standing.since.pop(cluster, None)
        return True
    if known is None and not missing:
        return False
    if known is not None and known[2] >= sequence:
        if missing and figure.value is not None:
            # A later value stands already, but this one was there first.
            standing.since[cluster] = min(standing.since.get(cluster, received_ms), received_ms)
        return False
    value = None if figure.value is None else format_decimal(figure.value)
    standing.figures[cluster] = [value, figure.status.value, sequence]
    if value is not None:
        standing.since.setdefault(cluster, received_ms)
    return True
