"""Custom robots of DingTalk (钉钉自定义机器人), signed (加签).

https://open.dingtalk.com/document/robots/custom-robot-access and /customize-robot-security-settings.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import urlencode

from fourones_alerting.notifying.channels.channel import Allowance, ChannelKind, Pace, Undelivered
from fourones_alerting.notifying.channels.posting import Answer, Poster, as_json, json_size, quoted, require_ok
from fourones_alerting.notifying.channels.wording import (
    fitting,
    lines_of,
    markdown_link,
    number_of,
    title_of,
    unmarked,
)
from fourones_alerting.notifying.message import Message

# "message too long, exceed 20000 bytes": of the whole body.
LONGEST = 20_000
# "每个机器人每分钟最多发送20条消息到群里，如果超过20条，会限流10分钟". The minute has three seconds
# more, since messages do not take equally long.
PACE: Pace = (Allowance(messages=20, seconds=63.0),)

_OK = 0
_TOO_OFTEN = frozenset({130101, 410100})
_WAIT_S = 600.0
# Words, links or pictures that may not be sent (4301..), and too long a message.
_CONTENT_REFUSED = frozenset({430101, 430102, 430103, 430104, 460101})
_ADVICE = {
    130101: "too often",
    410100: "too often",
    300001: "no such robot: copy its address anew into the channels file",
    300005: "no such robot: copy its address anew into the channels file",
    400013: "the group is gone",
    400101: "no such robot: copy its address anew into the channels file",
    400102: "the robot is switched off in the group's settings",
    400106: "no such robot: copy its address anew into the channels file",
    -1: "busy",
}


@dataclass(frozen=True, slots=True)
class DingTalkRobot:
    """A robot of one DingTalk group; its address holds its token, and its secret signs every message."""

    id: str
    address: str = field(repr=False)
    secret: str = field(repr=False)
    poster: Poster = field(repr=False)
    # A signature is good for an hour by the robot's clock: the real time, whatever day is being judged.
    now: Callable[[], float] = field(default=time.time, repr=False)

    kind: ClassVar[ChannelKind] = "dingtalk"
    pace: ClassVar[Pace] = PACE

    def send(self, message: Message) -> None:
        """Send as Markdown; a 200 with an `errcode` other than 0 is a refusal."""
        answer = self.poster.post(self._signed(), body(message))
        require_ok(answer, "DingTalk")
        code = answer.fields().get("errcode")
        if code != _OK:
            raise self._undelivered(answer, code)

    def _signed(self) -> str:
        timestamp = str(round(self.now() * 1000))
        query = urlencode({"timestamp": timestamp, "sign": signature(timestamp, self.secret)})
        return f"{self.address}{'&' if '?' in self.address else '?'}{query}"

    def _undelivered(self, answer: Answer, code: object) -> Undelivered:
        fields = answer.fields()
        if not isinstance(code, int):
            # The gateway before the robots turns away whoever comes too often in its own words.
            wait = fields.get("wait")
            if "punish" in fields:
                return Undelivered("DingTalk's gateway turned the message away", after_s=_seconds(wait))
            return Undelivered("what answered is not DingTalk: no errcode")
        said = _ADVICE.get(code) or quoted(fields.get("errmsg", ""), self.address, self.secret)
        if code == 310000:
            said += " (secret, keyword or address list of the robot; or this machine's clock is wrong)"
        return Undelivered(
            f"DingTalk refused: {code} {said}",
            retry=code not in _CONTENT_REFUSED,
            after_s=_WAIT_S if code in _TOO_OFTEN else None,
        )


def signature(timestamp: str, secret: str) -> str:
    """HMAC-SHA256 of the timestamp (ms) and the secret, keyed by the secret; in Base64, not yet quoted for a URL."""
    digest = hmac.new(secret.encode(), f"{timestamp}\n{secret}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def body(message: Message) -> bytes:
    """The message in at most 20,000 bytes."""
    title = unmarked(title_of(message))
    foot = number_of(message)
    if message.link:
        foot += "　" + markdown_link("查看详情", message.link)
    lines = [unmarked(line) for line in lines_of(message)]

    def made(kept: list[str]) -> bytes:
        # A single line feed is a blank in DingTalk's Markdown.
        text = "\n\n".join([f"### {title}", *filter(str.strip, kept), foot])
        return as_json({"msgtype": "markdown", "markdown": {"title": title, "text": text}})

    # What stands between two lines takes four bytes in JSON.
    room = LONGEST - len(made([])) - 4
    return made(fitting(lines, room, lambda line: json_size(line) + 4, has_link=message.link is not None))


def _seconds(said: object) -> float | None:
    return float(said) if isinstance(said, int) and 0 <= said <= _WAIT_S else None
