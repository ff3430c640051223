"""The boards are those of the files, and keep to the rules."""

import copy
import json
import re
from pathlib import Path

import pytest
import yaml

from fourones_grafana import generating, layout, linting, provisioned, sheet
from fourones_grafana.boards import boards
from fourones_grafana.errors import NotCurrent
from fourones_grafana.sources import PROMETHEUS
from fourones_local.layout import Repository

DOCUMENTS = [json.loads(generating.as_json(board)) for board in boards()]
ROOT = Repository.here().root


def test_the_files_are_what_the_code_makes():
    generating.require_current(boards(), layout.dashboards())
    sheet.require_current(boards(), layout.sheet())


def test_a_file_that_somebody_has_edited_or_left_behind_is_told(tmp_path: Path):
    files = generating.write(boards(), tmp_path)
    generating.require_current(boards(), tmp_path)
    files[0].write_text(files[0].read_text().replace("总览", "概览"))
    (tmp_path / "fourones-old.json").write_text("{}")
    with pytest.raises(NotCurrent, match=r"fourones-old\.json, fourones-overview\.json"):
        generating.require_current(boards(), tmp_path)
    generating.write(boards(), tmp_path)
    generating.require_current(boards(), tmp_path)


def test_the_boards_keep_to_the_rules_and_name_only_what_is_provisioned():
    assert linting.faults(DOCUMENTS) == []
    assert provisioned.faults(layout.provisioning()) == []


def test_the_six_boards_are_there_and_home_is_the_first():
    assert [(d["uid"], d["title"]) for d in DOCUMENTS] == [
        ("fourones-overview", "总览"),
        ("fourones-cluster", "集群"),
        ("fourones-county", "县区"),
        ("fourones-department", "牵头部门"),
        ("fourones-quality", "报送质量"),
        ("fourones-system", "系统"),
    ]
    readme = (ROOT / "grafana" / "provisioning" / "dashboards" / "fourones.yml").read_text()
    assert f"{DOCUMENTS[0]['uid']}.json" in readme


def test_every_metric_that_is_asked_for_is_one_that_somebody_makes():
    """A board that is rightly empty would hide a slip of the pen."""
    exprs = [
        target["expr"]
        for document in DOCUMENTS
        for panel in document["panels"]
        for target in panel.get("targets", [])
        if target["datasource"]["uid"] == PROMETHEUS.uid
    ]
    rules = [yaml.safe_load(file.read_text()) for file in Repository.here().prometheus_rules.glob("*.yml")]
    recorded = {
        rule["record"] for file in rules for group in file["groups"] for rule in group["rules"] if "record" in rule
    }
    code = "".join(file.read_text() for folder in ("shared", "services") for file in (ROOT / folder).rglob("*.py"))
    for expr in exprs:
        for name in re.findall(r"[a-z_]+:fourones_\w+:\w+", expr):
            assert name in recorded, name
        for name in re.findall(r"(?<![:\w])fourones_\w+", expr):
            made = re.sub(r"_(bucket|count|sum)$", "", name)
            # The reports' series are named by a prefix and a word.
            assert made in code or (made.startswith("fourones_reports_") and "fourones_reports_{" in code), name


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda d: d["panels"][1].update(id=d["panels"][0]["id"]), "same number"),
        (lambda d: d["panels"][1]["gridPos"].update(x=0), "overlap"),
        (lambda d: d["panels"][0].update(description=""), "no description"),
        (lambda d: d["panels"][0]["fieldConfig"]["defaults"].update(unit="percentage"), "no unit percentage"),
        (lambda d: d["panels"][0]["targets"][0].update(expr='up{job="$nobody"}'), "does not have: ['nobody']"),
        (lambda d: d["panels"][0]["targets"][0].update(expr="rate(fourones_x_total[5m])"), "take $__rate_interval"),
        (lambda d: d["panels"][0]["targets"][0].update(instant=False, range=True), "must be instant"),
        (lambda d: d["panels"][0]["targets"][0]["datasource"].update(uid="mine"), "not provisioned: ['mine']"),
        (lambda d: d["panels"][0].update(type="piechart"), "needs a plugin"),
        (lambda d: d["panels"][0].update(title="红灯,黄灯"), "full-width"),
        (lambda d: d["panels"][0]["options"].update(colour="red"), "does not read back"),
        (lambda d: d.update(timezone="browser"), "time zone"),
        (lambda d: d.update(uid="fourones-system"), "same uid"),
    ],
)
def test_what_breaks_a_rule_is_told(change, fault):
    broken = copy.deepcopy(DOCUMENTS)
    change(broken[0])
    assert any(fault in told for told in linting.faults(broken)), linting.faults(broken)


def test_a_link_to_a_board_or_a_choice_that_is_not_there_is_told():
    text = json.dumps(DOCUMENTS)
    gone = json.loads(text.replace("/d/fourones-county?var-county", "/d/fourones-village?var-village"))
    assert any("a board that is not there" in fault for fault in linting.faults(gone))
    other = json.loads(text.replace("/d/fourones-county?var-county", "/d/fourones-county?var-village"))
    assert any("has no variables ['village']" in fault for fault in linting.faults(other))


def test_a_password_that_is_written_down_is_told(tmp_path: Path):
    for file in layout.provisioning().rglob("*.yml"):
        copied = tmp_path / file.relative_to(layout.provisioning())
        copied.parent.mkdir(exist_ok=True)
        copied.write_text(file.read_text().replace("password: $FOURONES_BOARDS_PASSWORD", "password: geheim"))
    assert [f for f in provisioned.faults(tmp_path) if "password" in f]


def test_another_city_has_its_own_address_of_explanations():
    [overview, *_] = boards("https://alerting.example/v1/assessments/")
    assert "https://alerting.example/v1/assessments/" in generating.as_json(overview)
