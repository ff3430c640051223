"""What a clerk looks up, asked of the real service."""

import json
from pathlib import Path

from integration.cli.commands import Command
from unit.submission.formats.workbooks import filled_in

from fourones.senders import senders_of_workbook

COUNTY = "sim-county-0001"
FIGURE = {"indicator": "sim-indicator-02", "period": "2024-05", "value": "31", "unit": "个"}


def a_file(folder: Path, **changes: object) -> Path:
    path = folder / "report.json"
    path.write_text(json.dumps({"org": COUNTY, "prepared_by": "张三", "figures": [FIGURE | changes]}))
    return path


def test_a_submission_is_followed_by_its_receipt(fourones: Command, tmp_path: Path):
    sent = fourones("submit", a_file(tmp_path))
    assert sent.returncode == 0, sent.stderr
    submission_id = sent.stdout.split()[-1]
    receipt = json.loads(fourones("status", submission_id, "--org", COUNTY, "--json").stdout)
    assert (receipt["submission_id"], receipt["prepared_by"]) == (submission_id, "张三")
    shown = fourones("status", submission_id, "--org", COUNTY)
    for words in (submission_id, receipt["key_id"], "张三", "已受理"):
        assert words in shown.stdout
    listed = fourones("status", "--org", COUNTY, "--limit", "5")
    assert submission_id in listed.stdout
    # Nothing carries it on here: there is no worker.
    assert fourones("status", submission_id, "--org", COUNTY, "--wait", "0.5").returncode == 3
    assert fourones("status", "019b8a4e-3f10-7c2a-9d51-6f2f0f5c1a77").returncode == 1


def test_what_is_owed_is_listed_and_counted(fourones: Command, tmp_path: Path):
    assert fourones("submit", a_file(tmp_path, period="2024-06", value="40")).returncode == 0
    owed = fourones("obligations", "--org", COUNTY, "--period", "2024-06")
    assert owed.returncode == 0, owed.stderr
    # The report came years after it was due.
    assert owed.stdout.splitlines()[-1] == (
        "共 3 项,已到期 3:已报 1 未到期 0 逾期未报 2 声明缺报 0 不适用 0 迟报 1 锁定 0"
    )
    assert "40 个" in owed.stdout
    assert "2024-07-15" in owed.stdout
    overdue = fourones("obligations", "--org", COUNTY, "--period", "2024-06", "--state", "overdue", "--json")
    assert {item["indicator"] for item in json.loads(overdue.stdout)} == {"sim-indicator-01", "sim-indicator-03"}


def test_the_template_comes_down_says_whose_it_is_and_is_taken_back_filled_in(fourones: Command, tmp_path: Path):
    place = tmp_path / "t.xlsx"
    done = fourones("template", "--org", COUNTY, "--period", "2024-06", "-o", place)
    assert done.returncode == 0, done.stderr
    assert senders_of_workbook(place.read_bytes()) == (COUNTY, COUNTY)
    # Nothing is filled in: the service says so, and the key was found by the file.
    empty = fourones("submit", place)
    assert empty.returncode == 1
    assert "figures_empty" in empty.stderr
    place.write_bytes(filled_in(place.read_bytes(), {1: {"value": 44}}, prepared_by="李四"))
    sent = fourones("submit", place)
    assert sent.returncode == 0, sent.stderr
    receipt = json.loads(fourones("status", sent.stdout.split()[-1], "--json").stdout)
    assert (receipt["org"], receipt["figures"], receipt["prepared_by"]) == (COUNTY, 1, "李四")
