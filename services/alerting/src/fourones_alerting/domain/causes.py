"""Why an assessment changed: because reality moved, a figure was corrected, time passed, or the yardstick changed."""

from __future__ import annotations

from collections.abc import Sequence

from fourones_alerting.domain.readings import Basis
from fourones_shared.events.model import Cause


def changed_by(previous: Sequence[Basis], new: Sequence[Basis], *, catalogue_changed: bool = False) -> Cause:
    """What made the new assessment differ from the one before.

    A changed target or indicator outranks all else, so that a moved goal is never mistaken for progress. Then a
    figure for a period that had none, or more reporters, is new data; any other difference of the figures is a
    revision, a withdrawal too. A version that repeats the same figures (the clock publishes such at due dates) is
    no change of the figures: then it was time.

    Args:
        previous: what the assessment before rested on; empty for the first.
        new: what the new one rests on.
        catalogue_changed: whether the target, its plan or its indicator differ between the two.
    """
    if catalogue_changed:
        return Cause.CATALOGUE
    before = {(basis.subject, basis.period): basis for basis in previous}
    after = {(basis.subject, basis.period): basis for basis in new}
    reached = _newest_with_figure(previous)
    if any(_is_new_data(before.get(place), basis, reached) for place, basis in after.items()):
        return Cause.NEW_DATA
    if any(_is_revision(before[place], basis) for place, basis in after.items() if place in before):
        return Cause.REVISION
    # Falling back on an earlier period means that the later one's figure was taken away.
    return Cause.REVISION if _newest_with_figure(new) < reached else Cause.TIME


def _newest_with_figure(bases: Sequence[Basis]) -> str:
    # The keys of one indicator's periods sort as the periods do.
    return max((basis.period for basis in bases if basis.value is not None and basis.subject is None), default="")


def _is_new_data(before: Basis | None, now: Basis, reached: str) -> bool:
    if now.value is None:
        return False
    if before is None:
        # An older period that only now comes into play was known all along.
        return now.subject is None and now.period > reached
    return before.value is None or now.reported > before.reported


def _is_revision(before: Basis, now: Basis) -> bool:
    if None not in {before.parts, now.parts} and before.parts != now.parts:
        return True
    return (before.value, before.status, before.reported, before.carried_value) != (
        now.value,
        now.status,
        now.reported,
        now.carried_value,
    )
