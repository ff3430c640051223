"""`fourones-alerting backtest` over stored roll-ups: known then, known now, judged on a day."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine
from typer.testing import CliRunner
from unit.alerting.builders import NOW, SMES_TARGET, a_catalogue, a_rollup, a_target

from fourones_alerting.__main__ import app
from fourones_alerting.backtesting import Asked, NothingToReplay, backtest
from fourones_alerting.domain.backtest import Spell, red_spells
from fourones_alerting.rollups.store import store_rollups
from fourones_shared.catalogue.model import Catalogue, Method
from fourones_shared.domain.clock import SHANGHAI
from fourones_shared.events.envelope import Envelope
from fourones_shared.events.model import CataloguePublished, RollupChanged
from fourones_shared.kafka.consumer import Received
from fourones_shared.reference import store_catalogue

CATALOGUE = a_catalogue(targets=[a_target(baseline={"period": "2025", "value": "100"}, value="220")])


def at(text: str) -> datetime:
    """A moment in Shanghai."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)


# Due: ten more a month. January 108 was in time and a little behind; February came late and low; in May it was
# corrected: it had been on track all along. March came in time.
STORY = [
    a_rollup(None, period="2026-01", version=1, recorded_at=at("2026-02-01T00:00")),
    a_rollup("108", period="2026-01", version=2, recorded_at=at("2026-02-05T10:00")),
    a_rollup(None, period="2026-02", version=1, recorded_at=at("2026-03-01T00:00")),
    a_rollup("102", period="2026-02", version=2, recorded_at=at("2026-03-20T10:00")),
    a_rollup("130", period="2026-03", version=1, recorded_at=at("2026-04-06T10:00")),
    a_rollup("120", period="2026-02", version=3, recorded_at=at("2026-05-03T10:00")),
    a_rollup("119", period="2026-04", version=1, recorded_at=at("2026-05-08T10:00")),
]


def _received(rollup: RollupChanged) -> Received[RollupChanged]:
    return Received("rollups-changed", 0, 0, Envelope("1", rollup.TYPE, "/t", NOW, None, b"{}"), rollup)


@pytest.fixture
def engine(migrated_url: str) -> Iterator[Engine]:
    made = create_engine(migrated_url)
    with made.begin() as connection:
        published = CataloguePublished(
            version=1, digest="1", published_at=NOW, published_by="t", catalogue=CATALOGUE.model_dump(mode="json")
        )
        store_catalogue(connection, published)
        store_rollups(connection, [_received(rollup) for rollup in STORY], NOW)
    yield made
    made.dispose()


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as made:
        yield made


def _verdicts(connection: Connection, catalogue: Catalogue = CATALOGUE, **asked: Any) -> list[tuple[str, str]]:
    scenes = backtest(connection, catalogue, Asked(SMES_TARGET, **asked), NOW)
    return [(f"{s.at.astimezone(SHANGHAI):%m-%d %H:%M}", s.by_method[Method.PLAN_CURVE].verdict.value) for s in scenes]


def test_known_then_it_turned_red_when_the_low_figure_came(connection: Connection) -> None:
    assert _verdicts(connection) == [
        ("01-01 00:00", "no_data"),
        # January is over and awaited.
        ("02-01 00:00", "no_data"),
        ("02-05 10:00", "lagging"),
        # February is due on the tenth of March at the end of the day, and silent.
        ("03-11 00:00", "no_data"),
        ("03-20 10:00", "off_track"),
        ("04-06 10:00", "on_track"),
        ("05-08 10:00", "off_track"),
    ]
    scenes = backtest(connection, CATALOGUE, Asked(SMES_TARGET), NOW)
    assert red_spells(scenes, Method.PLAN_CURVE) == [
        Spell(at("2026-03-20T10:00"), at("2026-04-06T10:00"), "2026-02"),
        Spell(at("2026-05-08T10:00"), None, "2026-04"),
    ]


def test_known_now_it_never_was_red_before_april_fell_due(connection: Connection) -> None:
    assert _verdicts(connection, known_now=True) == [
        ("01-01 00:00", "no_data"),
        ("02-11 00:00", "lagging"),
        ("03-11 00:00", "on_track"),
        ("04-11 00:00", "on_track"),
        ("05-11 00:00", "off_track"),
    ]


def test_between_two_days_it_begins_with_what_was_known_by_the_first(connection: Connection) -> None:
    found = _verdicts(connection, first=date(2026, 3, 21), last=date(2026, 4, 30))
    assert found == [("03-21 00:00", "off_track"), ("04-06 10:00", "on_track")]


def test_judged_on_a_day_later_periods_are_left_out(connection: Connection) -> None:
    # Today's knowledge: February as corrected, March not yet over.
    day = date(2026, 3, 15)
    [scene] = backtest(connection, CATALOGUE, Asked(SMES_TARGET, judged_on=day), NOW)
    assessment = scene.by_method[Method.PLAN_CURVE]
    assert (assessment.period, assessment.verdict.value, assessment.value) == ("2026-02", "on_track", 120)


def test_what_is_known_then_is_what_was_judged_then(connection: Connection) -> None:
    for scene in backtest(connection, CATALOGUE, Asked(SMES_TARGET), NOW):
        known = {}
        for rollup in STORY:
            if rollup.recorded_at <= scene.at:
                known[rollup.period] = rollup
        value = scene.by_method[Method.PLAN_CURVE].value
        assert value is None or value in {rollup.value for rollup in known.values()}


def test_days_out_of_order_are_refused(connection: Connection) -> None:
    asked = Asked(SMES_TARGET, first=date(2026, 3, 1), last=date(2026, 2, 1))
    with pytest.raises(NothingToReplay, match="in order"):
        backtest(connection, CATALOGUE, asked, NOW)


@dataclass(frozen=True)
class Said:
    """What the command printed."""

    code: int
    table: list[str]
    lines: list[dict[str, Any]]
    fault: str


def _command(url: str, *arguments: str) -> Said:
    environment = {"FOURONES_DATABASE_URL": url, "FOURONES_KAFKA_BOOTSTRAP": "127.0.0.1:1"}
    result = CliRunner().invoke(app, ["backtest", *arguments], env=environment)
    printed = result.stdout.splitlines()
    lines = [json.loads(line) for line in printed if line.startswith("{")]
    return Said(result.exit_code, [line for line in printed if line and line[0] != "{"], lines, result.stderr)


def test_the_command_prints_a_table_and_a_line_for_each_method(engine: Engine, migrated_url: str) -> None:
    said = _command(migrated_url, SMES_TARGET, "--to", "2026-05-20")
    assert said.code == 0
    assert said.table[0].split() == ["since", "period", "value", "due", "plan-curve", "required-growth", "projection"]
    assert [row.split()[:2] for row in said.table[1:4:2]] == [["2026-01-01", "00:00"], ["2026-02-05", "10:00"]]
    assert any("off_track!" in row for row in said.table)
    by_method = {line["method"]: line for line in said.lines}
    assert set(by_method) == {method.value for method in Method}
    curve = by_method["plan-curve"]
    assert (curve["is_headline"], curve["first_red"], curve["ends_as"]) == (
        True, "2026-03-20T02:00:00+00:00", "off_track"
    )  # fmt: skip
    assert len(curve["red"]) == 2
    only = _command(migrated_url, SMES_TARGET, "--known-now", "--jsonl")
    assert (only.table, len(only.lines)) == ([], 3)


def test_the_command_names_what_it_takes_for_a_slip(engine: Engine, migrated_url: str) -> None:
    said = _command(migrated_url, "technology-sme-2026")
    assert said.code == 2
    assert SMES_TARGET in said.fault.replace("│", "").replace("\n", "").replace(" ", "")
