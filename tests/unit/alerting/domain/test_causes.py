from dataclasses import replace
from decimal import Decimal

from fourones_alerting.domain.causes import changed_by
from fourones_alerting.domain.readings import Basis
from fourones_shared.events.model import Cause, Status

MARCH = Basis("2025-03", 4, Decimal(70), 13, Status.NORMAL)
APRIL = Basis("2025-04", 1, Decimal(80), 13, Status.NORMAL)
SILENT_APRIL = Basis("2025-04", 1, None, 0, Status.NORMAL)


def test_a_first_figure_and_a_new_period_are_new_data() -> None:
    assert changed_by([], [MARCH]) is Cause.NEW_DATA
    assert changed_by([MARCH], [APRIL]) is Cause.NEW_DATA
    assert changed_by([SILENT_APRIL], [APRIL]) is Cause.NEW_DATA


def test_more_reporters_are_new_data() -> None:
    assert changed_by([replace(MARCH, reported=11)], [replace(MARCH, version=5)]) is Cause.NEW_DATA


def test_another_value_of_the_same_period_is_a_revision() -> None:
    assert changed_by([MARCH], [replace(MARCH, value=Decimal(60), version=5)]) is Cause.REVISION
    assert changed_by([MARCH], [replace(MARCH, status=Status.PROVISIONAL, version=5)]) is Cause.REVISION


def test_a_withdrawal_is_a_revision() -> None:
    assert changed_by([APRIL], [replace(APRIL, value=None, reported=0, version=2)]) is Cause.REVISION
    assert changed_by([APRIL], [MARCH]) is Cause.REVISION


def test_silence_that_becomes_overdue_is_time() -> None:
    assert changed_by([MARCH], [MARCH, SILENT_APRIL]) is Cause.TIME
    assert changed_by([SILENT_APRIL], [replace(SILENT_APRIL, version=2)]) is Cause.TIME
    assert changed_by([MARCH], [MARCH]) is Cause.TIME


def test_a_moved_goal_is_never_taken_for_progress() -> None:
    assert changed_by([MARCH], [APRIL], catalogue_changed=True) is Cause.CATALOGUE


def test_a_correction_between_the_parts_of_a_sum_is_a_revision() -> None:
    swapped = [Basis("2025-06", 2, Decimal(40), 2, Status.NORMAL, parts="b")]
    assert changed_by([Basis("2025-06", 1, Decimal(40), 2, Status.NORMAL, parts="a")], swapped) is Cause.REVISION
    # An earlier release has not noted the parts.
    assert changed_by([Basis("2025-06", 1, Decimal(40), 2, Status.NORMAL)], swapped) is Cause.TIME


def test_an_input_that_arrives_is_new_data_and_one_that_comes_into_play_is_none() -> None:
    own = Basis("2025", 1, Decimal(4), 1, Status.NORMAL)
    joined = Basis("2024-12", 1, Decimal(480), 1, Status.NORMAL, subject="scale|machinery")
    silent = replace(joined, value=None, reported=0)
    assert changed_by([own, silent], [own, joined]) is Cause.NEW_DATA
    assert changed_by([own, joined], [own, replace(joined, value=Decimal(481))]) is Cause.REVISION
    assert changed_by([own], [own, joined]) is Cause.TIME
