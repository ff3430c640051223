"""Custom robots of Feishu (飞书自定义机器人), signed (签名校验).

https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from fourones_alerting.notifying.channels.channel import Allowance, ChannelKind, Pace, Undelivered
from fourones_alerting.notifying.channels.posting import Poster, as_json, json_size, quoted, require_ok
from fourones_alerting.notifying.channels.wording import fitting, lines_of, number_of, title_of
from fourones_alerting.notifying.message import Message

# "请求体的数据大小不能超过 20 KB", counted in thousands to be safe.
LONGEST = 20_000
# "单租户单机器人 100 次/分钟，5 次/秒", with some more time, since messages do not take equally long.
PACE: Pace = (Allowance(messages=100, seconds=63.0), Allowance(messages=5, seconds=1.5))

_OK = 0
_TOO_OFTEN = 11232
_BAD_REQUEST = 9499
_WAIT_S = 60.0
_CONTENT_REFUSED = frozenset({19002, 11246})
_ADVICE = {
    11232: "too often, or many others send at this moment",
    19001: "no such robot: copy its address anew into the channels file",
    19021: "signature refused: another secret, or this machine's clock is wrong",
    19022: "this machine's address is not on the robot's list",
    19024: "the message holds none of the robot's keywords",
    2200: "busy",
}


@dataclass(frozen=True, slots=True)
class FeishuRobot:
    """A robot of one Feishu group; its address holds its token, and its secret signs every message."""

    id: str
    address: str = field(repr=False)
    secret: str = field(repr=False)
    poster: Poster = field(repr=False)
    # A signature is good for an hour by the robot's clock: the real time, whatever day is being judged.
    now: Callable[[], float] = field(default=time.time, repr=False)

    kind: ClassVar[ChannelKind] = "feishu"
    pace: ClassVar[Pace] = PACE

    def send(self, message: Message) -> None:
        """Send as rich text (post); an answer whose `code` is not 0 is a refusal, with status 200 or 400."""
        timestamp = str(int(self.now()))
        signed = {"timestamp": timestamp, "sign": signature(timestamp, self.secret)}
        answer = self.poster.post(self.address, body(message, signed))
        fields = answer.fields()
        code = fields.get("code", fields.get("StatusCode"))
        if not isinstance(code, int):
            require_ok(answer, "Feishu")
            raise Undelivered("what answered is not Feishu: no code")
        if code != _OK:
            raise self._undelivered(code, str(fields.get("msg", fields.get("StatusMessage", ""))))
        require_ok(answer, "Feishu")

    def _undelivered(self, code: int, said: str) -> Undelivered:
        # 9499 is a request that is malformed, and also one too many.
        too_often = code == _TOO_OFTEN or "too many" in said.lower() or "frequency" in said.lower()
        refused = code in _CONTENT_REFUSED or (code == _BAD_REQUEST and not too_often)
        words = _ADVICE.get(code) or quoted(said, self.address, self.secret)
        return Undelivered(f"Feishu refused: {code} {words}", retry=not refused, after_s=_WAIT_S if too_often else None)


def signature(timestamp: str, secret: str) -> str:
    """HMAC-SHA256 of nothing, keyed by the timestamp (s) and the secret; in Base64."""
    digest = hmac.new(f"{timestamp}\n{secret}".encode(), b"", hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def body(message: Message, signed: Mapping[str, str]) -> bytes:
    """The message in at most 20,000 bytes; rich text takes every word literally, so that it can mention nobody."""
    foot: list[dict[str, str]] = [{"tag": "text", "text": number_of(message)}]
    if message.link:
        foot += [{"tag": "text", "text": "　"}, {"tag": "a", "text": "查看详情", "href": message.link}]

    def made(kept: list[str]) -> bytes:
        paragraphs: list[Any] = [[{"tag": "text", "text": line}] for line in kept if line.strip()]
        post = {"zh_cn": {"title": title_of(message), "content": [*paragraphs, foot]}}
        return as_json({**signed, "msg_type": "post", "content": {"post": post}})

    around = len(as_json([{"tag": "text", "text": ""}])) + 1
    room = LONGEST - len(made([]))
    lines = lines_of(message)
    return made(fitting(lines, room, lambda line: json_size(line) + around, has_link=message.link is not None))
