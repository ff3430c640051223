import re
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from fourones_alerting.notifying.channels import QuietHours
from fourones_alerting.notifying.channels.dingtalk import DingTalkRobot
from fourones_alerting.notifying.channels.email import Mailbox
from fourones_alerting.notifying.channels.feishu import FeishuRobot
from fourones_alerting.notifying.channels.file import ChannelsRefused, read_channels
from fourones_alerting.notifying.channels.webhook import Webhook
from fourones_alerting.notifying.channels.wecom import WeComRobot

WHOLE = """\
    smtp:
      host: mail.xz.example
      security: tls
      sender: 徐州市四个一平台 <fourones@xz.example>
      username: fourones
      password_file: secrets/smtp
    departments:
      gxj:
        channels:
          - {name: mail, kind: email, to: [gxj@xz.example, duty@gxj.example]}
          - {name: group, kind: wecom, url_file: secrets/gxj-wecom}
        quiet_hours: {from: "22:00", until: "07:30"}
        digest_from: 4
      "320382":
        channels:
          - {name: group, kind: dingtalk, url: "${PIZHOU_DING}", secret: "${PIZHOU_SECRET}"}
    coordinator:
      channels:
        - {name: group, kind: feishu, url: https://open.feishu.cn/open-apis/bot/v2/hook/f-token, secret: f-secret}
    operators:
      channels:
        - {name: pager, kind: webhook, url: https://ops.example/notices, token: o-token}
    """
SECRETS = {
    "smtp": "m-password\n",
    "gxj-wecom": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=w-key\n",
}
ENVIRONMENT = {
    "PIZHOU_DING": "https://oapi.dingtalk.com/robot/send?access_token=d-token",
    "PIZHOU_SECRET": "SECd-secret",
}
HIDDEN = ("m-password", "w-key", "d-token", "d-secret", "f-token", "f-secret", "o-token")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secrets").mkdir()
    for name, content in SECRETS.items():
        (tmp_path / "secrets" / name).write_text(content, encoding="utf-8")
    return tmp_path


def written(folder: Path, text: str) -> Path:
    path = folder / "channels.yaml"
    path.write_text(dedent(text), encoding="utf-8")
    return path


def faults_of(folder: Path, text: str, environment: Mapping[str, str] = ENVIRONMENT) -> list[str]:
    with pytest.raises(ChannelsRefused) as refused:
        read_channels(written(folder, text), environment)
    assert not [secret for secret in HIDDEN if secret in str(refused.value)]
    return [fault.removeprefix(f"{folder}/channels.yaml:") for fault in refused.value.faults]


def of_gxj(*channels: str) -> str:
    lines = "".join(f"\n      - {channel}" for channel in channels)
    return f"departments:\n  gxj:\n    channels:{lines}\n"


def test_a_whole_file_makes_every_channel_with_what_files_and_environment_hold(folder: Path) -> None:
    directory = read_channels(written(folder, WHOLE), ENVIRONMENT)
    gxj = directory.department("gxj")
    mail, group = gxj.channels
    assert isinstance(mail, Mailbox)
    assert (mail.id, mail.kind, mail.to) == ("gxj/mail", "email", ("gxj@xz.example", "duty@gxj.example"))
    assert (mail.server.port, mail.server.password) == (465, "m-password")
    assert (mail.server.sender.display_name, mail.server.sender.addr_spec) == (
        "徐州市四个一平台",
        "fourones@xz.example",
    )
    assert isinstance(group, WeComRobot)
    assert group.address == SECRETS["gxj-wecom"].strip()
    assert (gxj.quiet_hours, gxj.digest_from) == (QuietHours.between("22:00", "07:30"), 4)
    (ding,) = directory.department("320382").channels
    assert isinstance(ding, DingTalkRobot)
    assert (ding.address, ding.secret) == (ENVIRONMENT["PIZHOU_DING"], "SECd-secret")
    (feishu,) = directory.coordinator.channels
    assert isinstance(feishu, FeishuRobot)
    (pager,) = directory.operators.channels
    assert isinstance(pager, Webhook)
    assert (pager.id, pager.token) == ("operators/pager", "o-token")


def test_nothing_secret_shows_when_channels_are_printed(folder: Path) -> None:
    printed = repr(read_channels(written(folder, WHOLE), ENVIRONMENT))
    assert not [secret for secret in HIDDEN if secret in printed]
    assert "gxj/mail" in printed


def test_an_empty_file_tells_nobody(folder: Path) -> None:
    assert list(read_channels(written(folder, ""), {}).channels()) == []


def test_all_faults_are_told_at_once_each_with_its_line_and_place(folder: Path) -> None:
    found = faults_of(
        folder,
        """\
        departments:
          gxj:
            channels:
              - {name: Mail, kind: email, to: [gxj]}
              - {name: group, kind: wechat, url: https://x.example}
              - {name: ding, kind: dingtalk, url: "https://oapi.dingtalk.com/robot/send?access_token=d-token"}
            quiet_hours: {from: "22:00", until: "7:30"}
            digest_form: 4
          fgw:
            channels: []
        operators:
          channels:
            - {name: pager, kind: webhook, url: ftp://o-token@ops.example}
          quiet_hours: {from: "22:00", until: "07:30"}
        """,
    )
    places = {fault.partition(": ")[0] + " " + fault.split(": ")[1] for fault in found}
    assert places == {
        "4 departments.gxj.channels.0.name",
        "5 departments.gxj.channels.1",
        "6 departments.gxj.channels.2.secret",
        "7 departments.gxj.quiet_hours.until",
        "8 departments.gxj.digest_form",
        "10 departments.fgw.channels",
        "13 operators.channels.0",
        "14 operators.quiet_hours",
    }


@pytest.mark.parametrize(
    ("channel", "said"),
    [
        ("{name: group, kind: wecom, url: https://qyapi.weixin.qq.com/cgi-bin/webhook/send}", "no `key=…`"),
        ("{name: group, kind: wecom, url: 'http://qyapi.weixin.qq.com/x?key=w-key'}", "begins with https://"),
        ("{name: group, kind: feishu, url: 'https://[f-token', secret: s}", "no http(s) address"),
        ("{name: group, kind: webhook, url: 'x.example/o-token'}", "no http(s) address"),
        ("{name: group, kind: webhook, url: 'https://x.example', token: ''}", "at least 1"),
        ("{name: group, kind: webhook, url: 'https://x.example', token: o-token 令牌}", "must be ASCII"),
        ("{name: mail, kind: email, to: []}", "names nobody"),
        ("{name: mail, kind: email, to: ['张三 <a@xz.example>']}", "`to[0]` is no mail address"),
        ('{name: mail, kind: email, to: ["a@xz.example\\nBcc: b@xz.example"]}', "`to[0]` is no mail address"),
        ("{name: mail, kind: email, to: [a@xz.example, a@xz.example]}", "names a mailbox twice"),
        ("{name: mail, kind: email, to: [a@xz.example]}", "needs `smtp`"),
        ("{kind: email, to: [a@xz.example]}", "Field required"),
        ("{name: a}", "kind"),
        ("{name: a, kind: webhook, url: https://x.example, url_file: secrets/smtp}", "not both"),
        ("{name: a, kind: webhook, url_file: secrets/none}", "No such file"),
        ("{name: a, kind: webhook, url_file: secrets}", "Is a directory"),
        ("{name: a, kind: webhook, url: '${NOWHERE}'}", "the environment has no NOWHERE"),
    ],
)
def test_a_wrong_channel_is_told_once(folder: Path, channel: str, said: str) -> None:
    found = faults_of(folder, of_gxj(channel))
    assert len(found) == 1, found
    assert said in found[0]
    assert found[0].startswith("4: ")


def test_a_secret_of_two_lines_or_of_none_is_told(folder: Path) -> None:
    (folder / "secrets" / "two").write_text("a\nb\n", encoding="utf-8")
    (folder / "secrets" / "none").write_text("\n", encoding="utf-8")
    for name in ("two", "none"):
        (found,) = faults_of(folder, of_gxj(f"{{name: a, kind: webhook, url_file: secrets/{name}}}"))
        assert "one line and nothing else" in found


def test_a_name_and_a_robot_are_used_once(folder: Path) -> None:
    robot = "kind: wecom, url_file: secrets/gxj-wecom"
    found = faults_of(folder, of_gxj(f"{{name: a, {robot}}}", f"{{name: a, {robot}}}"))
    assert found == [
        "5: departments.gxj.channels.1.name: another channel of theirs has that name",
        "5: departments.gxj.channels.1: the same robot as gxj/a: each needs a robot of its own",
    ]


def test_one_system_may_take_the_webhooks_of_all(folder: Path) -> None:
    hook = "kind: webhook, url: https://x.example"
    directory = read_channels(written(folder, of_gxj(f"{{name: a, {hook}}}", f"{{name: b, {hook}}}")), {})
    assert [channel.id for channel in directory.channels()] == ["gxj/a", "gxj/b"]


def test_the_operators_are_no_department(folder: Path) -> None:
    text = of_gxj("{name: a, kind: webhook, url: https://x.example}").replace("gxj", "operators")
    assert faults_of(folder, text) == ["2: departments.operators: is no department: write it beside `departments`"]


@pytest.mark.parametrize(
    ("smtp", "said"),
    [
        ("{host: m.example, security: none, sender: a@b.example, username: u, password: m-password}", "readable"),
        ("{host: m.example, security: tls, sender: a@b.example, username: u}", "or neither"),
        ("{host: m.example, security: tls, sender: a@b.example, username: u, password: m-password密}", "must be ASCII"),
        ("{host: m.example, security: tls, sender: 徐州}", "`sender` is no mail address"),
        ("{host: m.example, security: ssl, sender: a@b.example}", "'none', 'starttls' or 'tls'"),
        ("{host: m.example, security: tls, sender: a@b.example, port: 0}", "greater than or equal to 1"),
    ],
)
def test_a_wrong_mail_server_is_told(folder: Path, smtp: str, said: str) -> None:
    (found,) = faults_of(folder, f"smtp: {smtp}\n")
    assert said in found


@pytest.mark.parametrize(("security", "port"), [("none", 25), ("starttls", 587), ("tls", 465)])
def test_a_mail_server_has_the_port_of_its_security(folder: Path, security: str, port: int) -> None:
    smtp = f"smtp: {{host: 127.0.0.1, security: {security}, sender: a@b.example}}\n"
    mail = read_channels(written(folder, smtp + of_gxj("{name: a, kind: email, to: [c@d.example]}")), {})
    (channel,) = mail.channels()
    assert isinstance(channel, Mailbox)
    assert channel.server.port == port


def test_what_is_no_yaml_or_no_mapping_or_not_there_is_told(folder: Path) -> None:
    assert "not YAML" in faults_of(folder, "departments: [\n")[0]
    assert "dictionary" in faults_of(folder, "- gxj\n")[0]
    with pytest.raises(ChannelsRefused, match="No such file"):
        read_channels(folder / "none.yaml", {})


def test_a_key_given_twice_is_told(folder: Path) -> None:
    (found,) = faults_of(folder, "departments: {}\ndepartments: {}\n")
    assert found.startswith("2: `departments` is already given on line 1")


def test_the_example_of_the_guide_is_right(folder: Path) -> None:
    guide = (Path(__file__).parents[4] / "docs" / "notifications.md").read_text(encoding="utf-8")
    example = guide.partition("```yaml\n")[2].partition("```")[0]
    for name in re.findall(r"_file: ([^,}\s]+)", example):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key={name}\n", encoding="utf-8")
    environment = {"GXJ_DINGTALK": ENVIRONMENT["PIZHOU_DING"]}
    directory = read_channels(written(folder, example), environment)
    assert {channel.kind for channel in directory.channels()} == {"email", "wecom", "dingtalk", "feishu", "webhook"}
    assert directory.operators.channels
    assert directory.coordinator.channels
