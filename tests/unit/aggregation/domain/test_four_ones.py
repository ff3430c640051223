"""The four ones: the worked example of the docs, and which facts a score asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from support.facts import a_fact
from unit.alerting.domain.builders import on
from unit.shared.catalogue.documents import REAL

from fourones_aggregation.domain.facts import Ask, Fact
from fourones_aggregation.domain.four_ones import Cell, FourOnes, PillarShown
from fourones_aggregation.domain.scopes import Scope
from fourones_aggregation.domain.shapes import Shapes
from fourones_shared.catalogue.files import load
from fourones_shared.domain.periods import Period
from fourones_shared.domain.pillars import PillarState
from fourones_shared.domain.ways import to_decimal
from fourones_shared.events.model import State, Status

PAGE = (Path(__file__).parents[4] / "docs" / "four-ones.md").read_text(encoding="utf-8")
CLUSTER = "construction-machinery"
TASK_FORCE = Cell(CLUSTER, "task-force")
DECLARED = replace(a_fact(None), status=Status.MISSING)
EXCUSED = a_fact(None, expected=0)


@pytest.fixture(scope="module")
def board() -> FourOnes:
    return FourOnes(Shapes(load(REAL)))


def fact_of(board: FourOnes, indicator: str, period: str, text: str) -> tuple[Ask, Fact]:
    """What a cell of the page's table says, under the ask that the score makes."""
    own = Scope(board.shapes.catalogue.city.id, CLUSTER, "_T")
    return Ask(indicator, period, own), DECLARED if text == "O" else a_fact(text)


def rows(section: str) -> Iterator[dict[str, str]]:
    """The rows of the section's table by the names of its columns."""
    text = PAGE.partition(section)[2].partition("\n## ")[0]
    names, _, *lines = [
        [cell.strip() for cell in line[1:-1].split("|")] for line in text.splitlines() if line.startswith("|")
    ]
    return (dict(zip(names, cells, strict=True)) for cells in lines)


def target_of(board: FourOnes, row: dict[str, str]) -> tuple[str, str]:
    """The target and its indicator in the delivered catalogue, which has one of each name for every cluster."""
    name = f"{row['target'].strip('`')}-{CLUSTER}"
    [terms] = [t for t in board.targets.of(*TASK_FORCE) if t.target.id == name]
    return terms.target.id, terms.indicator.id


def march(board: FourOnes, now: datetime) -> PillarShown:
    facts = {}
    for row in rows("a task force in March"):
        _, indicator = target_of(board, row)
        for column, text in row.items():
            if column.startswith("2025-") and text not in {"", "–"}:
                ask, fact = fact_of(board, indicator, column, text)
                facts[ask] = fact
    [shown] = board.shown([TASK_FORCE], Period.parse("2025-03"), now, facts, all_counts=False)
    return shown


def numbers(pattern: str) -> tuple[str, ...]:
    """The numbers that the page says, set in bold."""
    found = re.search(pattern, re.sub(r"\s+", " ", PAGE))
    assert found is not None, pattern
    return found.groups()


def test_the_worked_example_is_what_the_code_says(board: FourOnes) -> None:
    shown = march(board, on("2025-04-25")).score
    parts = {part.terms.target.id: part for part in shown.made_of}
    table = list(rows("a task force in March"))
    assert len(table) == len(parts) == 7
    for row in table:
        part = parts[target_of(board, row)[0]]
        for column, value in (("reached", part.reached), ("due", part.due), ("attainment", part.attainment)):
            assert value == (Decimal(row[column]) if row[column] else None), (row["target"], column)
    [stated] = numbers(r"\) ÷ 6 = \*\*([\d.]+)\*\*")
    assert shown.score == Decimal(stated)
    reported, expected, first, second = numbers(r"Coverage: \*\*(\d+) of (\d+)\*\*, missing `(\S+)` and `(\S+)`")
    assert (shown.reported, shown.expected) == (int(reported), int(expected))
    assert [f"{indicator}:{period}" for indicator, period in shown.missing] == [first, second]


def test_the_due_dates_that_pass_move_it_as_the_page_says(board: FourOnes) -> None:
    shown = march(board, on("2025-04-05")).score
    stated, reported, expected = numbers(r"\) ÷ 2 = \*\*([\d.]+)\*\*, coverage \*\*(\d+) of (\d+)\*\*")
    assert shown.score is not None
    assert to_decimal(shown.score) == Decimal(stated)
    assert (shown.reported, shown.expected) == (int(reported), int(expected))


def test_the_excused_week_of_the_page(board: FourOnes) -> None:
    facts = dict(
        fact_of(board, "dispatch-meetings", f"2025-W0{week}", text) for week, text in enumerate(("1", "1", "0", "1"), 1)
    )
    excused = Ask("dispatch-meetings", "2025-W05", Scope("320300", CLUSTER, "_T"))
    [shown] = board.shown(
        [TASK_FORCE], Period.parse("2025-01"), on("2025-03-01"), facts | {excused: EXCUSED}, all_counts=False
    )
    [meetings] = [part for part in shown.score.made_of if part.terms.indicator.id == "dispatch-meetings"]
    reached, due, attainment = numbers(r"January has \*\*(\d+) of (\d+)\*\* .*? attainment of \*\*([\d.]+)\*\*")
    assert (meetings.reached, meetings.due, meetings.attainment) == (int(reached), int(due), Decimal(attainment))
    [silent] = board.shown([TASK_FORCE], Period.parse("2025-01"), on("2025-03-01"), facts, all_counts=False)
    assert silent.score.made_of[0].due == 5


def test_the_delivered_catalogue_has_a_matrix_of_ten_by_four(board: FourOnes) -> None:
    assert len(board.cells) == len(set(board.cells)) == 40
    states = {
        cell.pillar: {
            one.score.state
            for one in board.shown([cell], Period.parse("2025-03"), on("2025-04-25"), {}, all_counts=False)
        }
        for cell in board.cells
    }
    assert states == {
        "task-force": {PillarState.SCORED},
        "alliance": {PillarState.NOT_YET_DUE},
        "innovation-system": {PillarState.NO_TARGET},
        "factor-support": {PillarState.NOT_YET_DUE},
    }


def test_everything_that_a_score_reads_has_been_asked_for(board: FourOnes) -> None:
    period, now = Period.parse("2025"), on("2026-03-01")
    asks = board.asks(board.cells, period, now, all_counts=True)
    read: set[Ask] = set()

    class Recording(dict[Ask, Fact]):
        def get(self, ask: Ask, default: Fact | None = None) -> Fact | None:  # type: ignore[override]
            read.add(ask)
            return default

    board.shown(board.cells, period, now, Recording(), all_counts=True)
    assert read == asks


def test_counts_show_the_latest_value_with_its_period_and_tell_silence_apart(board: FourOnes) -> None:
    cell = Cell(CLUSTER, "innovation-system")
    total = Scope("_T", CLUSTER, "_T")
    facts = {
        Ask("key-laboratories", "2025-Q2", total): a_fact(12),
        Ask("key-laboratories", "2025-Q3", total): a_fact(None),
        Ask("leading-talents", "2025-Q3", total): DECLARED,
        Ask("think-tank-studies", "2025-Q3", total): EXCUSED,
    }
    [shown] = board.shown([cell], Period.parse("2025"), on("2025-10-20"), facts, all_counts=False)
    counts = {c.indicator.id: (c.period.key, c.value, c.state) for c in shown.counts}
    assert counts["key-laboratories"] == ("2025-Q2", 12, State.REPORTED)
    assert counts["leading-talents"] == ("2025-Q3", None, State.DECLARED_MISSING)
    assert counts["think-tank-studies"] == ("2025-Q3", None, State.NOT_APPLICABLE)
    assert counts["shared-data-resources"] == ("2025-Q3", None, State.OVERDUE)
    [early] = board.shown([cell], Period.parse("2025"), on("2025-10-10"), {}, all_counts=False)
    assert {(c.period.key, c.state) for c in early.counts} == {("2025-Q3", State.NOT_YET_DUE)}


def test_counts_beside_targets_are_shown_when_all_are_asked_for(board: FourOnes) -> None:
    cell, period, now = Cell(CLUSTER, "alliance"), Period.parse("2025-Q1"), on("2025-05-01")
    [few] = board.shown([cell], period, now, {}, all_counts=False)
    [all_of_them] = board.shown([cell], period, now, {}, all_counts=True)
    shown = {count.indicator.id for count in all_of_them.counts}
    assert few.counts == ()
    assert "alliance-standards" in shown
    assert "alliance-established" not in shown
