import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fourones_alerting.__main__ import app

POVERTY = {
    "id": "poverty",
    "direction": "down",
    "baseline": {"period": "2015", "value": 14.5},
    "current": {"period": "2023", "value": 10.2},
    "target": {"period": "2030", "value": 7.25},
    "limit": None,
}


def test_cases_from_a_file_are_answered_line_by_line(tmp_path: Path) -> None:
    cases = tmp_path / "cases.jsonl"
    lagging = POVERTY | {"id": "later", "current": {"period": "2023", "value": "10.4"}}
    cases.write_text(f"{json.dumps(POVERTY)}\n\n{json.dumps(lagging)}\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["judge", str(cases), "--method", "required-growth"])
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert [(a["id"], round(a["ratio"], 4), a["verdict"]) for a in answers] == [
        ("poverty", 0.9526, "on_track"),
        ("later", 0.9011, "lagging"),
    ]


def test_a_line_that_is_no_case_is_told_and_the_others_are_judged() -> None:
    text = f"{json.dumps(POVERTY)}\n{{\n{json.dumps(POVERTY | {'id': 'again'})}\n"
    result = CliRunner().invoke(app, ["judge", "-", "--method", "required-growth"], input=text)
    assert result.exit_code == 1
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == ["poverty", "again"]
    assert "line 2" in result.stderr


def test_a_file_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A short name, since what is told is wrapped at the terminal's width.
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["judge", "none.jsonl"])
    assert result.exit_code == 2
    assert "none.jsonl" in result.stderr
