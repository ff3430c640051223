from decimal import Decimal

import pytest
from integration.aggregation.keeping import (
    MARCH,
    Aggregation,
    a_figure,
    a_submission,
    a_withdrawal,
    counts,
    received,
)
from support.catalogue import (
    ADVANTAGE,
    CITY,
    DEPARTMENT,
    DIGITAL,
    ENERGY,
    FIRMS,
    MACHINERY,
    PEI,
    PIZHOU,
    XINYI,
    a_catalogue,
    an_indicator,
)

from fourones_shared.errors import CatalogueBehind, DeadLetter
from fourones_shared.events.model import Status


def test_a_figure_moves_every_roll_up_it_belongs_to(aggregation: Aggregation) -> None:
    aggregation.apply(a_submission(a_figure("12.5")))
    assert counts(aggregation.rollup()) == (Decimal("12.5"), 1, 12)
    assert counts(aggregation.rollup(org=PEI)) == (Decimal("12.5"), 1, 3)
    assert counts(aggregation.rollup(cluster=MACHINERY)) == (Decimal("12.5"), 1, 4)
    assert counts(aggregation.rollup(tier=ADVANTAGE)) == (Decimal("12.5"), 1, 8)
    assert counts(aggregation.rollup(cluster=ENERGY)) == (0, 0, 4)
    assert aggregation.rollup(org=PEI, cluster=MACHINERY) is None
    aggregation.verify()


def test_a_tenth_and_two_tenths_are_three_tenths(aggregation: Aggregation) -> None:
    aggregation.apply(a_submission(a_figure("0.1")), a_submission(a_figure("0.2"), org=XINYI))
    assert aggregation.rollup().total == Decimal("0.3")


def test_the_same_submission_twice_changes_nothing_and_is_answered_twice(aggregation: Aggregation) -> None:
    once = a_submission(a_figure("5"), a_figure("6", cluster=ENERGY))
    aggregation.apply(once)
    before = aggregation.rows("SELECT * FROM rollup ORDER BY rollup_id"), aggregation.rows("SELECT * FROM figure")
    snapshot = aggregation.rows("SELECT * FROM snapshot")
    aggregation.apply(once)
    aggregation.apply(once, once)
    assert before == (
        aggregation.rows("SELECT * FROM rollup ORDER BY rollup_id"),
        aggregation.rows("SELECT * FROM figure"),
    )
    assert aggregation.rows("SELECT * FROM snapshot") == snapshot
    assert [(r.applied, r.superseded, r.excluded) for r in aggregation.receipts()] == [(2, 0, 0)] * 4


def test_a_revision_moves_the_totals_by_exactly_the_difference(aggregation: Aggregation) -> None:
    aggregation.apply(a_submission(a_figure("100")), a_submission(a_figure("7"), org=XINYI))
    version = aggregation.rollup().version
    aggregation.apply(a_submission(a_figure("100.0001", status=Status.PROVISIONAL)))
    row = aggregation.rollup()
    assert counts(row) == (Decimal("107.0001"), 2, 12)
    assert (row.provisional, row.cause, row.version) == (1, "revision", version + 1)
    aggregation.verify()


def test_a_revision_with_the_same_value_is_kept_and_moves_nothing(aggregation: Aggregation) -> None:
    aggregation.apply(a_submission(a_figure("100")))
    before = aggregation.rollup()
    aggregation.apply(a_submission(a_figure("100.0", note="checked")))
    assert aggregation.rollup() == before
    assert len(aggregation.rows("SELECT * FROM figure_revision")) == 1
    assert aggregation.rows("SELECT note FROM figure")[0].note == "checked"


def test_a_withdrawal_leaves_total_and_coverage(aggregation: Aggregation) -> None:
    aggregation.apply(a_submission(a_figure("100")), a_submission(a_figure("7"), org=XINYI))
    aggregation.apply(a_submission(a_withdrawal()))
    assert counts(aggregation.rollup()) == (7, 1, 12)
    aggregation.apply(a_submission(a_figure("3")))
    assert counts(aggregation.rollup()) == (10, 2, 12)
    revisions = aggregation.rows("SELECT withdrawn FROM figure_revision ORDER BY sequence")
    assert [row.withdrawn for row in revisions] == [False, True]
    aggregation.verify()


def test_a_late_lower_sequence_is_kept_beside_the_newer_one(aggregation: Aggregation) -> None:
    early, late = a_submission(a_figure("1")), a_submission(a_figure("2"))
    aggregation.apply(late)
    aggregation.apply(early)
    aggregation.apply(early)
    assert aggregation.rollup().total == 2
    assert [row.sequence for row in aggregation.rows("SELECT * FROM figure_revision")] == [early.sequence]
    assert [(r.applied, r.superseded) for r in aggregation.receipts()] == [(1, 0), (0, 1), (0, 1)]


def test_declared_missing_stays_expected_and_is_published(aggregation: Aggregation) -> None:
    version = aggregation.rollup().version
    aggregation.apply(a_submission(a_figure(None)))
    row = aggregation.rollup()
    assert counts(row) == (0, 0, 12)
    assert row.version == version + 1
    aggregation.verify()


def test_not_applicable_leaves_expected_only_where_the_catalogue_lets_it(aggregation: Aggregation) -> None:
    aggregation.apply(a_submission(a_figure(None, status=Status.NOT_APPLICABLE)))
    assert counts(aggregation.rollup()) == (0, 0, 12)
    aggregation.put(a_catalogue(indicators=[an_indicator(reporting={"may_not_apply": [PEI]})]))
    assert counts(aggregation.rollup()) == (0, 0, 11)
    aggregation.apply(a_submission(a_figure("4")))
    assert counts(aggregation.rollup()) == (4, 1, 12)
    aggregation.verify()


def test_a_figure_that_is_not_admitted_is_kept_and_moves_nothing(aggregation: Aggregation) -> None:
    unknown = a_figure(indicator="unheard-of"), a_figure(cluster="none"), a_figure(period="2020-01"), a_figure("2")
    aggregation.apply(a_submission(*unknown), a_submission(a_figure("9"), org="320999"))
    assert counts(aggregation.rollup()) == (2, 1, 12)
    assert [row.excluded for row in aggregation.rows("SELECT excluded FROM figure ORDER BY excluded")] == [
        False,
        *[True] * 4,
    ]
    assert [(r.applied, r.excluded) for r in aggregation.receipts()] == [(1, 3), (0, 1)]
    aggregation.verify()


def test_a_figure_of_a_period_that_has_not_begun_opens_it(aggregation: Aggregation) -> None:
    assert aggregation.rollup("2026-12") is None
    aggregation.apply(a_submission(a_figure("8", period="2026-12", status=Status.FORECAST)))
    row = aggregation.rollup("2026-12")
    assert counts(row) == (8, 1, 12)
    assert row.forecast == 1
    assert counts(aggregation.rollup("2026-12", cluster=DIGITAL)) == (0, 0, 4)
    aggregation.verify()


def test_a_department_reports_about_the_city_without_a_row(aggregation: Aggregation) -> None:
    aggregation.apply(
        a_submission(a_figure("31", indicator=FIRMS, cluster="_T", period="2025"), org=CITY, reported_by=DEPARTMENT)
    )
    assert aggregation.rollup("2025", indicator=FIRMS) is None
    assert aggregation.rows("SELECT reported_by FROM figure")[0].reported_by == DEPARTMENT
    aggregation.verify()


def test_an_event_waits_for_its_catalogue(empty: Aggregation) -> None:
    submitted = a_submission(a_figure(), catalogue_version=2)
    empty.put(a_catalogue())
    assert not empty.handler.ready_for(submitted)
    with pytest.raises(CatalogueBehind):
        empty.apply(submitted)
    empty.put(a_catalogue(targets=[]))
    assert empty.handler.ready_for(submitted)
    empty.apply(submitted)
    assert empty.rollup().reported == 1


def test_a_crash_before_the_commit_repeats_without_doubling(aggregation: Aggregation) -> None:
    # A period that nobody has opened yet, so that what the handler remembers of the lost transaction would show.
    submitted = a_submission(a_figure("3", period="2026-11"), a_figure("4"))
    aggregation.crash_on(submitted)
    assert aggregation.rows("SELECT * FROM figure") == []
    aggregation.apply(submitted)
    assert counts(aggregation.rollup("2026-11")) == (3, 1, 12)
    assert counts(aggregation.rollup()) == (4, 1, 12)
    aggregation.verify()


def test_notes_of_any_content_are_kept_as_they_are(aggregation: Aggregation) -> None:
    note = 'about "so much", {half}\\of it\nNULL'
    aggregation.apply(a_submission(a_figure(note=note, justification="NULL"), a_figure(cluster=ENERGY)))
    kept = aggregation.rows("SELECT note, justification FROM figure ORDER BY note")
    assert [tuple(row) for row in kept] == [(note, "NULL"), (None, None)]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"figures": [a_figure(period="March")]}, "bad_period"),
        ({"figures": [a_figure("1E+30")]}, "bad_value"),
        ({"figures": [a_figure("0.00000000001")]}, "bad_value"),
        ({"sequence": 0}, "bad_sequence"),
        ({"sequence": 2**63}, "bad_sequence"),
        ({"catalogue_version": 2**31}, "bad_catalogue_version"),
        ({"received_at": "2026-04-15T12:00:00"}, "bad_time"),
    ],
)
def test_what_the_tables_cannot_hold_is_a_dead_letter(
    aggregation: Aggregation, changes: dict[str, object], reason: str
) -> None:
    submitted = a_submission(**changes)  # type: ignore[arg-type]
    with pytest.raises(DeadLetter) as refusal:
        aggregation.handler.decode(received(submitted).envelope)
    assert refusal.value.reason == reason


def test_figures_of_one_batch_share_a_snapshot_and_the_next_has_a_later_one(aggregation: Aggregation) -> None:
    aggregation.apply(
        a_submission(a_figure("1"), a_figure("2", cluster=ENERGY)), a_submission(a_figure("3"), org=PIZHOU)
    )
    first = {row.snapshot for row in aggregation.rows("SELECT snapshot FROM figure")}
    assert len(first) == 1
    aggregation.apply(a_submission(a_figure("4")))
    assert aggregation.rollup(org=PEI).snapshot == first.pop() + 1
    assert aggregation.rollup(org=PIZHOU, period=MARCH).snapshot < aggregation.rollup(org=PEI).snapshot
