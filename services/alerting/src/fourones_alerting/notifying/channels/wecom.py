"""Group robots of WeCom (企业微信群机器人).

https://developer.work.weixin.qq.com/document/path/91770 and, for the codes, /document/path/90313.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from fourones_alerting.notifying.channels.channel import Allowance, ChannelKind, Pace, Undelivered
from fourones_alerting.notifying.channels.posting import Poster, as_json, quoted, require_ok
from fourones_alerting.notifying.channels.wording import (
    fitting,
    lines_of,
    markdown_link,
    number_of,
    title_of,
    unmarked,
    utf8,
)
from fourones_alerting.notifying.message import Level, Message

# "markdown内容，最长不超过4096个字节"; text messages may have half of it.
LONGEST = 4096
# "每个机器人发送的消息不能超过20条/分钟". The minute has three seconds more, since messages do not take equally long.
PACE: Pace = (Allowance(messages=20, seconds=63.0),)

_OK = 0
_TOO_OFTEN = frozenset({45009, 45033})
_WAIT_S = 60.0
_CONTENT_REFUSED = frozenset({40008, 40033, 40058, 44004, 45002})
_ADVICE = {
    93000: "the robot is gone, or its address is wrong: copy it anew into the channels file",
    45009: "too often",
    45033: "too many at once",
    -1: "busy",
}
_COLOURS: Mapping[Level, str] = {"red": "warning", "recovered": "info", "info": "comment", "operators": "warning"}


@dataclass(frozen=True, slots=True)
class WeComRobot:
    """A robot of one WeCom group; its address holds its key."""

    id: str
    address: str = field(repr=False)
    poster: Poster = field(repr=False)

    kind: ClassVar[ChannelKind] = "wecom"
    pace: ClassVar[Pace] = PACE

    def send(self, message: Message) -> None:
        """Send as Markdown; a 200 with an `errcode` other than 0 is a refusal."""
        content = {"msgtype": "markdown", "markdown": {"content": markdown(message)}}
        answer = self.poster.post(self.address, as_json(content))
        require_ok(answer, "WeCom")
        fields = answer.fields()
        code = fields.get("errcode")
        if code == _OK:
            return
        if not isinstance(code, int):
            raise Undelivered("what answered is not WeCom: no errcode")
        said = _ADVICE.get(code) or quoted(fields.get("errmsg", ""), self.address)
        raise Undelivered(
            f"WeCom refused: {code} {said}",
            retry=code not in _CONTENT_REFUSED,
            after_s=_WAIT_S if code in _TOO_OFTEN else None,
        )


def markdown(message: Message) -> str:
    """The message in at most 4,096 bytes."""
    head = f'**<font color="{_COLOURS[message.level]}">{unmarked(title_of(message))}</font>**'
    foot = f'<font color="comment">{number_of(message)}</font>'
    if message.link:
        foot += "　" + markdown_link("查看详情", message.link)
    lines = [unmarked(line) for line in lines_of(message)]
    room = LONGEST - utf8(head) - utf8(foot) - 1
    kept = fitting(lines, room, lambda line: utf8(line) + 1, has_link=message.link is not None)
    return "\n".join([head, *kept, foot])
