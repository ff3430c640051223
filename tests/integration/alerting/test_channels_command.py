"""`fourones-alerting channels` with real files and receivers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from integration.alerting.post_office import post_office
from integration.alerting.robots import Robots, robots
from typer.testing import CliRunner

from fourones_alerting.__main__ import app

CATALOGUE = Path(__file__).parents[3] / "catalogue"


def run(*arguments: str, file: Path | None = None) -> tuple[int, str, str]:
    result = CliRunner().invoke(
        app, ["channels", *arguments], env={"FOURONES_CHANNELS_FILE": str(file) if file else None}
    )
    return result.exit_code, result.stdout, result.stderr


def written(folder: Path, content: object) -> Path:
    path = folder / "channels.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return path


def everybody(office: Robots, mail_port: int) -> dict[str, object]:
    wecom, dingtalk, feishu, hook = office.wecom(), office.dingtalk(), office.feishu(), office.hook()
    return {
        "smtp": {"host": "127.0.0.1", "port": mail_port, "security": "none", "sender": "fourones@xz.example"},
        "departments": {
            "gxj": {
                "channels": [
                    {"name": "mail", "kind": "email", "to": ["gxj@xz.example"]},
                    {"name": "wecom", "kind": "wecom", "url": wecom.url},
                    {"name": "ding", "kind": "dingtalk", "url": dingtalk.url, "secret": dingtalk.secret},
                ],
                "quiet_hours": {"from": "22:00", "until": "07:30"},
                "digest_from": 4,
            }
        },
        "coordinator": {"channels": [{"name": "g", "kind": "feishu", "url": feishu.url, "secret": feishu.secret}]},
        "operators": {"channels": [{"name": "pager", "kind": "webhook", "url": hook.url, "token": hook.token}]},
    }


def test_check_tells_who_is_told_by_what_and_no_address(tmp_path: Path) -> None:
    with robots() as office:
        file = written(tmp_path, everybody(office, 25))
    code, out, _ = run("check", file=file)
    assert code == 0
    assert out.splitlines() == [
        "gxj: mail (email), wecom (wecom), ding (dingtalk); quiet from 22:00 until 07:30; one message of 4 and more",
        "coordinator: g (feishu)",
        "operators: pager (webhook)",
    ]


def test_check_against_the_catalogue_finds_strangers_and_whoever_cannot_be_told(tmp_path: Path) -> None:
    hook = {"channels": [{"name": "a", "kind": "webhook", "url": "https://x.example"}]}
    code, _, err = run("check", str(written(tmp_path, {"departments": {"gxj": hook}})), "--catalogue", str(CATALOGUE))
    assert code == 0
    assert "note: fgw answers for targets and has no channel" in err
    assert "gxj" not in err
    code, _, err = run("check", str(written(tmp_path, {"departments": {"gxjj": hook}})), "--catalogue", str(CATALOGUE))
    assert code == 1
    assert "gxjj: the catalogue has no such organisation" in err


def test_a_file_with_faults_ends_with_1_and_all_of_them(tmp_path: Path) -> None:
    code, out, err = run("check", file=written(tmp_path, {"departments": {"gxj": {"channels": []}}, "operator": {}}))
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 2


def test_send_test_reaches_every_channel(tmp_path: Path) -> None:
    with robots() as office, post_office() as post:
        file = written(tmp_path, everybody(office, post.port))
        code, out, _ = run("send-test", "--all", file=file)
        assert out.splitlines() == [
            "gxj/mail (email): delivered",
            "gxj/wecom (wecom): delivered",
            "gxj/ding (dingtalk): delivered",
            "coordinator/g (feishu): delivered",
            "operators/pager (webhook): delivered",
        ]
        assert code == 0
        assert post.received[0]["Subject"] == "四个一预警通知：测试"


def test_send_test_tells_what_did_not_go_out_and_goes_on(tmp_path: Path) -> None:
    with robots() as office, post_office() as post:
        content = everybody(office, post.port)
        content["operators"] = {"channels": [{"name": "pager", "kind": "webhook", "url": f"{office.base}/nowhere"}]}
        code, out, _ = run("send-test", "--to", "operators", "--to", "gxj/mail", file=written(tmp_path, content))
    assert code == 1
    assert out.splitlines() == [
        "operators/pager (webhook): not delivered: the webhook answered with HTTP status 404",
        "gxj/mail (email): delivered",
    ]
    assert len(post.received) == 1


@pytest.mark.parametrize("arguments", [[], ["--to", "fgw/mail"]])
def test_send_test_sends_nothing_unless_it_is_told_to_whom(tmp_path: Path, arguments: list[str]) -> None:
    with robots() as office, post_office() as post:
        code, _, err = run("send-test", *arguments, file=written(tmp_path, everybody(office, post.port)))
    assert code == 2
    assert "--to" in err
    assert post.received == []


def test_without_a_file_the_command_says_how_to_name_one() -> None:
    assert "FOURONES_CHANNELS_FILE" not in os.environ
    code, _, err = run("check")
    assert code == 2
    assert "FILE" in err


def test_a_worker_does_not_start_with_a_file_that_has_faults(tmp_path: Path) -> None:
    file = written(tmp_path, {"departments": {"gxj": {"channels": [{"name": "a", "kind": "wecom", "url": "s3cret"}]}}})
    environment = os.environ | {
        "FOURONES_CHANNELS_FILE": str(file),
        # Never asked: the file is read before anything is connected to.
        "FOURONES_DATABASE_URL": "postgresql+psycopg://nobody@127.0.0.1:1/nothing",
    }
    command = [sys.executable, "-m", "fourones_alerting", "worker"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert "departments.gxj.channels.0: `url` is no http(s) address" in ended.stderr
    assert "s3cret" not in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
