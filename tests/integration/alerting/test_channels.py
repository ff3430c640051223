"""Every channel against a receiver that behaves as the real one documents it."""

from __future__ import annotations

import logging
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from integration.alerting.post_office import Post, post_office
from integration.alerting.robots import HookSystem, Receiver, Robots, Said, robots

from fourones_alerting.notifying.channels import Channel, Message, Undelivered
from fourones_alerting.notifying.channels.dingtalk import DingTalkRobot
from fourones_alerting.notifying.channels.email import Mailbox, MailServer
from fourones_alerting.notifying.channels.feishu import FeishuRobot
from fourones_alerting.notifying.channels.posting import Poster
from fourones_alerting.notifying.channels.webhook import Webhook
from fourones_alerting.notifying.channels.wecom import WeComRobot
from fourones_local.ports import free_port

KINDS = ("wecom", "dingtalk", "feishu", "webhook")
ROBOTS = ("wecom", "dingtalk", "feishu")
LINK = "https://fourones.example.org/v1/assessments/scale-2025"
SENDER = Address("徐州市四个一平台", "fourones", "xz.example")
GXJ = ("gxj@xz.example", "duty@gxj.example")

Kind = Literal["wecom", "dingtalk", "feishu", "webhook"]


class MovableClock:
    def __init__(self) -> None:
        self.moment = time.time()

    def __call__(self) -> float:
        return self.moment


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def office(clock: MovableClock) -> Iterator[Robots]:
    with robots(clock) as made:
        yield made


@pytest.fixture(scope="module")
def poster() -> Poster:
    return Poster()


Connected = Callable[[str], tuple[Channel, Receiver]]


@pytest.fixture
def connected(office: Robots, poster: Poster, clock: MovableClock) -> Connected:
    """A channel of that kind and its receiver."""

    def connect(kind: str) -> tuple[Channel, Receiver]:
        match kind:
            case "wecom":
                wecom = office.wecom()
                return WeComRobot("gxj/group", wecom.url, poster), wecom
            case "dingtalk":
                ding = office.dingtalk()
                return DingTalkRobot("gxj/group", ding.url, ding.secret, poster, clock), ding
            case "feishu":
                feishu = office.feishu()
                return FeishuRobot("gxj/group", feishu.url, feishu.secret, poster, clock), feishu
            case _:
                hook = office.hook()
                return Webhook("gxj/group", hook.url, poster, hook.token), hook

    return connect


def a_message(number: int = 8841, text: str = "第一行\n第二行", **more: Any) -> Message:
    fields = {"title": "装备制造集群规模：亮红灯", "level": "red", "link": LINK, "facts": {"target": "scale-2025"}}
    return Message(number=number, text=text, **(fields | more))


def undelivered(channel: Channel, message: Message | None = None) -> Undelivered:
    with pytest.raises(Undelivered) as raised:
        channel.send(message or a_message())
    # Nothing of it may bring an address into a log, its causes neither.
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
    return raised.value


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_arrives_with_its_title_text_number_and_link(connected: Connected, kind: Kind) -> None:
    channel, receiver = connected(kind)
    channel.send(a_message())
    (received,) = receiver.received
    assert (received.number, received.title) == (8841, "装备制造集群规模：亮红灯")
    assert re.search("第一行\n+第二行", received.text)
    assert LINK in str(received.body)
    assert channel.kind == kind


def test_a_webhook_gets_the_facts_and_a_key_for_the_message(connected: Connected) -> None:
    channel, receiver = connected("webhook")
    channel.send(a_message())
    (received,) = receiver.received
    assert received.body == {
        "number": 8841,
        "channel": "gxj/group",
        "level": "red",
        "title": "装备制造集群规模：亮红灯",
        "text": "第一行\n第二行",
        "link": LINK,
        "facts": {"target": "scale-2025"},
    }
    assert received.headers["idempotency-key"] == '"fourones-8841"'


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_message_and_one_full_of_markup_are_taken(connected: Connected, kind: Kind) -> None:
    channel, receiver = connected(kind)
    channel.send(a_message(1, "\n".join(f"{place}. 县区<@all>“引号”\\ [x](http://y)" for place in range(3000))))
    channel.send(a_message(2, "\n\n一\n\n\n二\n"))
    assert [received.number for received in receiver.received] == [1, 2]


@pytest.mark.parametrize("kind", ROBOTS)
def test_a_200_with_a_refusal_in_it_is_no_delivery(connected: Connected, kind: Kind) -> None:
    channel, receiver = connected(kind)
    busy = {"code": 2200, "msg": "internal error"} if kind == "feishu" else {"errcode": -1, "errmsg": "系统繁忙"}
    receiver.troubles.append(Said(busy))
    refusal = undelivered(channel)
    assert (refusal.retry, refusal.reason.rpartition(": ")[2].split()[1]) == (True, "busy")
    channel.send(a_message())
    assert [received.number for received in receiver.received] == [8841]


@pytest.mark.parametrize(
    ("kind", "limit", "after_s"),
    [("wecom", (20, 60), 60.0), ("dingtalk", (20, 60), 600.0), ("feishu", (5, 1), 60.0)],
)
def test_whoever_is_too_fast_is_told_how_long_to_wait(
    connected: Connected, clock: MovableClock, kind: Kind, limit: tuple[int, float], after_s: float
) -> None:
    messages, seconds = limit
    channel, receiver = connected(kind)
    for number in range(messages):
        channel.send(a_message(number))
    refusal = undelivered(channel)
    assert (refusal.retry, refusal.after_s) == (True, after_s)
    # Whoever keeps to it, and to the pace, is heard.
    clock.moment += after_s
    channel.send(a_message(100))
    assert [received.number for received in receiver.received] == [*range(messages), 100]
    assert any(a.messages == messages and a.seconds >= seconds for a in channel.pace)


@pytest.mark.parametrize("kind", ROBOTS)
def test_at_its_pace_no_robot_finds_a_channel_too_fast(connected: Connected, clock: MovableClock, kind: Kind) -> None:
    channel, receiver = connected(kind)
    sent: list[float] = []
    for number in range(250):
        allowed = [sent[-a.messages] + a.seconds for a in channel.pace if len(sent) >= a.messages]
        clock.moment = max([clock.moment, *allowed])
        sent.append(clock.moment)
        # Each takes a little longer or shorter on its way than the one before.
        clock.moment += 0.2 * (number % 3) / 2
        channel.send(a_message(number))
        clock.moment = sent[-1]
    assert len(receiver.received) == 250


def test_dingtalk_refuses_another_secret_and_a_clock_that_is_an_hour_off(
    office: Robots, poster: Poster, clock: MovableClock
) -> None:
    group = office.dingtalk()
    wrong = undelivered(DingTalkRobot("gxj/group", group.url, "SECother", poster, clock))
    late = undelivered(DingTalkRobot("gxj/group", group.url, group.secret, poster, lambda: clock() - 3700))
    for refusal in (wrong, late):
        assert "310000" in refusal.reason
        assert "clock is wrong" in refusal.reason
        assert refusal.retry
    # The whole hour's width is good.
    DingTalkRobot("gxj/group", group.url, group.secret, poster, lambda: clock() - 3500).send(a_message())
    assert len(group.received) == 1


def test_feishu_refuses_another_secret_and_a_clock_that_is_an_hour_off(
    office: Robots, poster: Poster, clock: MovableClock
) -> None:
    group = office.feishu()
    wrong = undelivered(FeishuRobot("gxj/group", group.url, "other", poster, clock))
    late = undelivered(FeishuRobot("gxj/group", group.url, group.secret, poster, lambda: clock() + 3700))
    for refusal in (wrong, late):
        assert "19021" in refusal.reason
        assert refusal.retry
    FeishuRobot("gxj/group", group.url, group.secret, poster, lambda: clock() + 3500).send(a_message())
    assert len(group.received) == 1


@pytest.mark.parametrize(
    ("kind", "said", "retry"),
    [
        ("wecom", {"errcode": 93000, "errmsg": "invalid webhook url"}, True),
        ("wecom", {"errcode": 40058, "errmsg": "markdown.content exceed max length"}, False),
        ("wecom", {"errcode": 60000, "errmsg": "something new"}, True),
        ("wecom", {"hello": "world"}, True),
        ("wecom", ["errcode", 0], True),
        ("wecom", b"<html>200 from somebody else</html>", True),
        ("dingtalk", {"errcode": 430102, "errmsg": "含有不合适的文本内容"}, False),
        ("dingtalk", {"errcode": 300005, "errmsg": "token is not exist"}, True),
        ("dingtalk", {"errcode": "0"}, True),
        ("feishu", {"code": 19024, "msg": "Key Words Not Found"}, True),
        ("feishu", {"StatusCode": 9499, "StatusMessage": "too Many Request"}, True),
        ("feishu", {"code": 9499, "msg": "Bad Request"}, False),
        ("feishu", b"", True),
    ],
)
def test_only_a_code_of_0_is_delivery_and_only_refused_contents_are_final(
    connected: Connected, kind: Kind, said: object, retry: bool
) -> None:
    channel, receiver = connected(kind)
    receiver.troubles.append(Said(said))
    assert undelivered(channel).retry is retry


def test_an_older_feishu_robot_that_answers_with_a_status_code_has_taken_the_message(connected: Connected) -> None:
    channel, receiver = connected("feishu")
    receiver.troubles.append(Said({"StatusCode": 0, "StatusMessage": "success"}))
    channel.send(a_message())


def test_dingtalks_gateway_says_how_long_it_wants_to_be_left_alone(connected: Connected) -> None:
    channel, receiver = connected("dingtalk")
    receiver.troubles.append(Said({"status": 1111, "wait": 5, "source": "x5", "punish": "deny", "uuid": "u"}))
    assert undelivered(channel).after_s == 5


@pytest.mark.parametrize("kind", KINDS)
def test_a_receiver_in_trouble_is_tried_again_when_it_says(connected: Connected, kind: Kind) -> None:
    channel, receiver = connected(kind)
    receiver.troubles += [
        Said(b"", status=503, headers={"Retry-After": "120"}),
        Said(b"", status=429, headers={"Retry-After": "86400"}),
        Said(b"", status=502),
        Said(b"", status=302, headers={"Location": "http://127.0.0.1:1/elsewhere"}),
    ]
    refusals = [undelivered(channel) for _ in range(4)]
    assert [(refusal.retry, refusal.after_s) for refusal in refusals] == [
        (True, 120),
        # Nobody is obeyed for a day.
        (True, 3600),
        (True, None),
        (True, None),
    ]
    assert not receiver.received


def test_a_retry_after_may_be_a_date(connected: Connected) -> None:
    channel, receiver = connected("webhook")
    receiver.troubles.append(Said(b"", status=503, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}))
    receiver.troubles.append(Said(b"", status=503, headers={"Retry-After": "soon"}))
    assert [undelivered(channel).after_s for _ in range(2)] == [0, None]


@pytest.mark.parametrize(("status", "retry"), [(400, False), (422, False), (413, False), (401, True), (404, True)])
def test_a_webhook_that_cannot_take_a_message_never_will(connected: Connected, status: int, retry: bool) -> None:
    channel, receiver = connected("webhook")
    receiver.troubles.append(Said({}, status=status))
    assert undelivered(channel).retry is retry


@pytest.mark.parametrize("kind", KINDS)
def test_a_receiver_that_hangs_up_may_have_the_message_and_gets_it_again_under_its_number(
    connected: Connected, kind: Kind
) -> None:
    channel, receiver = connected(kind)
    receiver.troubles += ["hang up before", "hang up after"]
    for _ in range(2):
        refusal = undelivered(channel)
        assert refusal.retry
        assert "closed before the answer" in refusal.reason
    channel.send(a_message())
    if isinstance(receiver, HookSystem):
        assert receiver.repeated == [8841]
        assert len(receiver.received) == 1
    else:
        assert [received.number for received in receiver.received] == [8841, 8841]


@pytest.mark.parametrize("kind", KINDS)
def test_what_goes_wrong_is_told_without_addresses_and_secrets(
    connected: Connected, caplog: pytest.LogCaptureFixture, kind: Kind
) -> None:
    caplog.set_level(logging.DEBUG)
    channel, receiver = connected(kind)
    hidden = [receiver.url, *(v for n, v in vars(receiver).items() if n in ("key", "token", "secret"))]
    if kind in ("feishu", "webhook"):
        # Their paths are keys.
        hidden.append(receiver.path.rpartition("/")[2])
    echo = f"no such {receiver.url}, {' '.join(hidden)}"
    receiver.troubles += [
        Said({"errcode": 60000, "code": 60000, "errmsg": echo, "msg": echo}, 401 if kind == "webhook" else 200),
        "hang up before",
        Said(b"", status=500),
    ]
    said = [str(undelivered(channel)) for _ in range(3)]
    channel.send(a_message())
    told = caplog.text + repr(channel) + "".join(said)
    assert not [secret for secret in hidden if secret in told]


def test_nobody_there_is_told(poster: Poster) -> None:
    refusal = undelivered(WeComRobot("gxj/group", f"http://127.0.0.1:{free_port()}/x?key=k", poster))
    assert refusal.retry
    assert "could not connect" in refusal.reason


def test_robots_are_reached_through_the_proxy_of_the_file() -> None:
    with robots() as office, robots() as elsewhere:
        group = office.wecom()
        # Whoever asks a proxy names the whole address; a server that is none sees that as a path of its own.
        proxy = elsewhere.hook()
        refusal = undelivered(WeComRobot("gxj/group", group.url, Poster(proxy.base)))
        assert "93000" in refusal.reason
        assert not group.received


# Mail


def letter(post: Post) -> EmailMessage:
    (received,) = post.received
    return received


def to_gxj(post: Post, **more: Any) -> Mailbox:
    fields: dict[str, Any] = {"security": "none", "sender": SENDER}
    return Mailbox("gxj/mail", GXJ, MailServer(host=post.host, port=post.port, **(fields | more)))


def test_a_letter_arrives_in_chinese_marked_as_sent_by_a_machine() -> None:
    with post_office() as post:
        to_gxj(post).send(a_message())
        got = letter(post)
    assert got["Subject"] == "装备制造集群规模：亮红灯"
    assert got["From"] == "徐州市四个一平台 <fourones@xz.example>"
    assert got["To"] == ", ".join(GXJ)
    assert got["Message-ID"] == "<fourones-8841@xz.example>"
    assert got["Auto-Submitted"] == "auto-generated"
    assert got.get_content_charset() == "utf-8"
    assert got.get_content().splitlines() == ["第一行", "第二行", "", f"查看详情：{LINK}", "编号：8841"]
    assert abs(parsedate_to_datetime(got["Date"]).timestamp() - time.time()) < 3600
    assert post.recipients == [list(GXJ)]


def test_every_attempt_is_the_same_letter() -> None:
    with post_office() as post:
        for _ in range(2):
            to_gxj(post).send(a_message())
    assert {got["Message-ID"] for got in post.received} == {"<fourones-8841@xz.example>"}


def test_a_server_that_is_gone_before_it_says_yes_gets_the_letter_again_under_its_number() -> None:
    with post_office() as post:
        post.hangs_up = True
        refusal = undelivered(to_gxj(post))
        assert refusal.retry
        assert "did not say" in refusal.reason
        to_gxj(post).send(a_message())
    assert [got["Message-ID"] for got in post.received] == ["<fourones-8841@xz.example>"] * 2


def test_a_title_cannot_add_headers_or_recipients() -> None:
    with post_office() as post:
        to_gxj(post).send(
            a_message(title="红灯\r\nBcc: thief@example.org\n\n正文", text="一\r\n.\r\nMAIL FROM:<x>\n二")
        )
        got = letter(post)
    assert got["Bcc"] is None
    assert got["Subject"] == "红灯 Bcc: thief@example.org 正文"
    assert got.get_content().splitlines()[:4] == ["一", ".", "MAIL FROM:<x>", "二"]
    assert post.recipients == [list(GXJ)]


def test_a_long_letter_is_whole() -> None:
    text = "\n".join(f"{place}. " + "数" * 500 for place in range(500))
    with post_office() as post:
        to_gxj(post).send(a_message(text=text))
        assert text in letter(post).get_content().replace("\r\n", "\n")


def test_a_mailbox_that_does_not_exist_keeps_no_other_waiting() -> None:
    with post_office() as post:
        post.refused[GXJ[0]] = "550 5.1.1 No such user"
        to_gxj(post).send(a_message())
        assert post.recipients == [[GXJ[1]]]


def test_a_mailbox_that_is_full_makes_all_wait_so_that_none_is_told_twice() -> None:
    with post_office() as post:
        post.refused[GXJ[1]] = "452 4.2.2 Mailbox full"
        refusal = undelivered(to_gxj(post))
        assert (refusal.retry, post.received) == (True, [])
        post.refused.clear()
        to_gxj(post).send(a_message())
        assert post.recipients == [list(GXJ)]


def test_without_any_mailbox_nothing_is_delivered() -> None:
    with post_office() as post:
        post.refused |= dict.fromkeys(GXJ, "550 5.1.1 No such user")
        refusal = undelivered(to_gxj(post))
    assert refusal.retry
    assert not [address for address in GXJ if address in refusal.reason]


@pytest.mark.parametrize(("said", "retry"), [("451 4.3.0 Try later", True), ("554 5.7.1 Spam", False)])
def test_a_letter_that_is_refused_for_good_is_not_tried_again(said: str, retry: bool) -> None:
    with post_office() as post:
        post.refuses_letters = said
        assert undelivered(to_gxj(post)).retry is retry


def test_a_sender_that_is_refused_is_told() -> None:
    with post_office() as post:
        post.refused[SENDER.addr_spec] = "550 5.7.1 Sender unknown"
        refusal = undelivered(to_gxj(post))
    assert "refused the sender: 550" in refusal.reason
    assert refusal.retry


def test_user_name_and_password_are_shown_only_to_the_server() -> None:
    right, wrong = ({"username": "fourones", "password": word} for word in ("m-password", "wrong-one"))
    with post_office(login=("fourones", "m-password")) as post:
        to_gxj(post, **right).send(a_message())
        assert len(post.received) == 1
        refusal = undelivered(to_gxj(post, **wrong))
        assert "user name or password" in refusal.reason
        assert "wrong-one" not in refusal.reason + repr(to_gxj(post, **wrong))
        assert "530" in undelivered(to_gxj(post)).reason


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", "both.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=mail"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_bytes(both.read_bytes() + (folder / "cert.pem").read_bytes())
    return both


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_an_encrypted_server_is_spoken_to_only_when_its_certificate_is_trusted(
    certificate: Path, security: Literal["starttls", "tls"]
) -> None:
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=certificate.with_name("cert.pem"))
    with post_office(security=security, tls=own, login=("fourones", "m-password")) as post:
        login = {"security": security, "username": "fourones", "password": "m-password"}
        to_gxj(post, tls=trusting, **login).send(a_message())
        assert len(post.received) == 1
        refusal = undelivered(to_gxj(post, tls=httpx.create_ssl_context(), **login))
        assert "certificate is not trusted" in refusal.reason
        assert len(post.received) == 1


def test_a_server_without_starttls_is_not_spoken_to_in_clear() -> None:
    with post_office() as post:
        refusal = undelivered(to_gxj(post, security="starttls", tls=ssl.create_default_context()))
    assert "no STARTTLS" in refusal.reason
    assert post.received == []


def test_a_mail_server_that_is_not_there_or_hangs_up_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        gone = Post(listening.getsockname()[1], None)

        def hang_up() -> None:
            connection, _ = listening.accept()
            connection.close()

        server = threading.Thread(target=hang_up)
        server.start()
        refusal = undelivered(to_gxj(gone))
        server.join(10)
    assert refusal.retry
    assert "cannot be spoken to" in refusal.reason
    assert "cannot be spoken to" in undelivered(to_gxj(gone)).reason
