"""Alertmanager's configuration, held against Alertmanager's own tool."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from unit.alerting.builders import DEPARTMENT, a_catalogue

from fourones_alerting.notifying.routing import Intervals, Mail, configuration

AMTOOL = shutil.which("amtool")
needs_amtool = pytest.mark.skipif(
    AMTOOL is None and os.environ.get("CI") != "true", reason="amtool (Debian: apt-get install prometheus-alertmanager)"
)
MAIL = Mail("duty@example.cn", "mail.example.cn:25", "fourones@example.cn", "fourones", "/run/secrets/mail")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "alertmanager.yml"
    file.write_text(_made(), encoding="utf-8")
    return file


def _made(mail: Mail | None = MAIL) -> str:
    return configuration(a_catalogue(), webhook="http://alerting/v1/alertmanager", token_file="/run/token", mail=mail)  # noqa: S106


def _amtool(*arguments: str) -> str:
    assert AMTOOL is not None, "amtool is not installed"
    done = subprocess.run([AMTOOL, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@needs_amtool
@pytest.mark.parametrize("mail", [None, MAIL])
def test_alertmanager_reads_it(tmp_path: Path, mail: Mail | None) -> None:
    file = tmp_path / "alertmanager.yml"
    file.write_text(_made(mail), encoding="utf-8")
    _amtool("check-config", str(file))


@needs_amtool
@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        (("audience=department", f"department={DEPARTMENT}", "alertname=TargetOffTrack"), "departments"),
        (("audience=operators", "alertname=DeadLetters"), "operators"),
        # What may mean that nobody is told by the service itself goes out beside it, too.
        (("audience=operators", "alertname=ServiceDown"), "operators-direct,operators"),
        (("audience=operators", "alertname=NoticesGivenUp"), "operators-direct,operators"),
        # The ledger would pass these over, so that somebody must hear of them.
        (("audience=department", "department=nobody", "alertname=TargetOffTrack"), "operators-direct"),
        (("alertname=Stray",), "operators-direct"),
    ],
)
def test_each_alert_goes_to_whom_it_is_for(file: Path, labels: tuple[str, ...], receivers: str) -> None:
    assert _amtool("config", "routes", "test", f"--config.file={file}", *labels) == receivers


def test_departments_are_called_about_one_by_one_and_repeats_are_held_back() -> None:
    route = yaml.safe_load(_made())["route"]
    assert route["group_by"] == ["alertname", "department"]
    assert (route["group_wait"], route["group_interval"], route["repeat_interval"]) == ("30s", "5m", "4h")


def test_a_target_that_deteriorates_is_called_about_once() -> None:
    first = yaml.safe_load(_made())["inhibit_rules"][0]
    assert first["source_matchers"] == ['alertname="TargetDeteriorating"']
    assert first["target_matchers"] == ['alertname="TargetOffTrack"']
    assert first["equal"] == ["target", "department"]


def test_it_holds_no_secret_and_names_the_files_that_do() -> None:
    document = yaml.safe_load(_made())
    assert document["global"]["smtp_auth_password_file"] == MAIL.password_file
    [call] = document["receivers"][0]["webhook_configs"]
    assert call["http_config"]["authorization"] == {"type": "Bearer", "credentials_file": "/run/token"}
    assert call["send_resolved"]


def test_intervals_can_be_shorter() -> None:
    made = configuration(
        a_catalogue(),
        webhook="http://a",
        token_file="/t",  # noqa: S106
        intervals=Intervals("1s", "2s", "3s"),
    )
    assert yaml.safe_load(made)["route"]["group_wait"] == "1s"
