"""Receivers of notices that behave as the real ones document it: signatures, lengths, pacing, and 200 for a refusal.

WeCom: https://developer.work.weixin.qq.com/document/path/91770; DingTalk:
https://open.dingtalk.com/document/robots/custom-robot-access; Feishu:
https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import socket
import threading
import time
import uuid
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, TypeVar
from urllib.parse import parse_qs, urlsplit

from fourones_local.ports import free_port

_HOUR_S = 3600
_MINUTE_S = 60
_NUMBER = re.compile(r"编号：(\d+)")

Made = TypeVar("Made", bound="Receiver")


@dataclass(frozen=True)
class Posted:
    """One request as it came."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Received:
    """One message that a receiver took; `body` is all that it was sent."""

    number: int
    title: str
    text: str
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Said:
    """What a receiver answers."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Trouble = Said | Literal["hang up before", "hang up after"]


class Receiver(ABC):
    """A receiver at an address of its own; `received` is what reached people, in order."""

    def __init__(self, base: str, path: str, now: Callable[[], float]) -> None:
        self.path = path
        self.base = base
        self.received: list[Received] = []
        self.asked = 0
        # What goes wrong with the next requests, one each: an answer instead of its own, or none at all, before or
        # after it took the message.
        self.troubles: deque[Trouble] = deque()
        self._now = now
        self._arrived: deque[float] = deque()
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"{self.base}{self.path}"

    def take(self, posted: Posted) -> Said | None:
        """The answer; None hangs up."""
        with self._lock:
            self.asked += 1
            trouble = self.troubles.popleft() if self.troubles else None
            if isinstance(trouble, Said):
                return trouble
            if trouble == "hang up before":
                return None
            said = self._answer(posted)
            return None if trouble == "hang up after" else said

    @abstractmethod
    def _answer(self, posted: Posted) -> Said: ...

    def _too_often(self, messages: int, seconds: float) -> bool:
        now = self._now()
        return sum(now - moment < seconds for moment in self._arrived) >= messages

    def _keep(self, title: str, text: str, posted: Posted, number: int | None = None) -> None:
        self._arrived.append(self._now())
        if number is None:
            found = _NUMBER.search(text)
            assert found, f"no number in {text!r}"
            number = int(found[1])
        self.received.append(Received(number, title, text, posted.json, posted.headers))


class WeComGroup(Receiver):
    """A WeCom group robot: markdown of at most 4,096 bytes, 20 a minute."""

    def __init__(self, base: str, now: Callable[[], float]) -> None:
        super().__init__(base, "/cgi-bin/webhook/send", now)
        self.key = str(uuid.uuid4())

    @property
    def url(self) -> str:
        return f"{super().url}?key={self.key}"

    def _answer(self, posted: Posted) -> Said:
        content = posted.json
        if content.get("msgtype") != "markdown":
            return self._refuse(40008, "invalid message type")
        text = content["markdown"]["content"]
        if len(text.encode()) > 4096:
            return self._refuse(40058, "markdown.content exceed max length 4096. invalid Request Parameter")
        if self._too_often(20, _MINUTE_S):
            return self._refuse(45009, "api freq out of limit")
        # <@userid> mentions somebody, <@all> everybody.
        assert "<@" not in text
        self._keep(re.sub(r"<[^>]*>|\*\*", "", text.split("\n")[0]), text, posted)
        return Said({"errcode": 0, "errmsg": "ok"})

    @staticmethod
    def _refuse(code: int, said: str) -> Said:
        hint = "more info at https://open.work.weixin.qq.com/devtool/query?e="
        return Said({"errcode": code, "errmsg": f"{said}, hint: [1784000000], from ip: 127.0.0.1, {hint}{code}"})


class DingTalkGroup(Receiver):
    """A signed DingTalk robot: 20,000 bytes, 20 a minute, and ten minutes of silence for whoever sends more."""

    def __init__(self, base: str, now: Callable[[], float]) -> None:
        super().__init__(base, "/robot/send", now)
        self.token = hashlib.sha256(uuid.uuid4().bytes).hexdigest()
        self.secret = f"SEC{uuid.uuid4().hex}"
        self._silenced_until = 0.0

    @property
    def url(self) -> str:
        return f"{super().url}?access_token={self.token}"

    def _answer(self, posted: Posted) -> Said:
        if refused := self._signature_fault(posted.query):
            return self._refuse(310000, refused)
        if len(posted.body) > 20_000:
            return self._refuse(460101, "message too long, exceed 20000 bytes")
        now = self._now()
        if now < self._silenced_until or self._too_often(20, _MINUTE_S):
            self._silenced_until = max(self._silenced_until, now + 600)
            return self._refuse(130101, "send too fast, exceed 20 times per minute")
        content = posted.json
        if content.get("msgtype") != "markdown":
            return self._refuse(400105, "unsupported msg type")
        if not content["markdown"]["title"] or not content["markdown"]["text"]:
            return self._refuse(40035, "miss param : markdown->title or text")
        self._keep(content["markdown"]["title"], content["markdown"]["text"], posted)
        return Said({"errcode": 0, "errmsg": "ok"})

    def _signature_fault(self, query: Mapping[str, str]) -> str | None:
        timestamp = query.get("timestamp", "")
        if not timestamp.isdecimal() or abs(int(timestamp) / 1000 - self._now()) > _HOUR_S:
            return "invalid timestamp"
        signed = hmac.new(self.secret.encode(), f"{timestamp}\n{self.secret}".encode(), hashlib.sha256).digest()
        return None if query.get("sign") == base64.b64encode(signed).decode() else "sign not match"

    @staticmethod
    def _refuse(code: int, said: str) -> Said:
        return Said({"errcode": code, "errmsg": f"{said}, more: [https://ding-doc.dingtalk.com/doc]"})


class FeishuGroup(Receiver):
    """A signed Feishu robot: 20 KB, 100 a minute and 5 a second."""

    def __init__(self, base: str, now: Callable[[], float]) -> None:
        super().__init__(base, f"/open-apis/bot/v2/hook/{uuid.uuid4()}", now)
        self.secret = uuid.uuid4().hex[:22]

    def _answer(self, posted: Posted) -> Said:
        content = posted.json
        if not self._is_signed(content):
            return self._refuse(19021, "sign match fail or timestamp is not within one hour from current time")
        if len(posted.body) > 20 * 1024 or content.get("msg_type") != "post":
            return self._refuse(9499, "Bad Request")
        if self._too_often(100, _MINUTE_S) or self._too_often(5, 1):
            return self._refuse(11232, "frequency limited psm[lark.oapi.app_platform_runtime]appID[1500]")
        post = content["content"]["post"]["zh_cn"]
        # An element without text is no element.
        if any(not element["text"] for paragraph in post["content"] for element in paragraph):
            return self._refuse(9499, "Bad Request")
        text = "\n".join("".join(element["text"] for element in paragraph) for paragraph in post["content"])
        self._keep(post["title"], text, posted)
        return Said({"code": 0, "msg": "success", "data": {}, "StatusCode": 0, "StatusMessage": "success"})

    def _is_signed(self, content: Mapping[str, Any]) -> bool:
        timestamp = str(content.get("timestamp"))
        if not timestamp.isdecimal() or abs(int(timestamp) - self._now()) > _HOUR_S:
            return False
        signed = hmac.new(f"{timestamp}\n{self.secret}".encode(), b"", hashlib.sha256).digest()
        return bool(content.get("sign") == base64.b64encode(signed).decode())

    @staticmethod
    def _refuse(code: int, said: str) -> Said:
        return Said({"code": code, "data": {}, "msg": said})


class HookSystem(Receiver):
    """A system of somebody's own, behind a token; it keeps a number's first message only."""

    def __init__(self, base: str, now: Callable[[], float]) -> None:
        super().__init__(base, f"/notices/{uuid.uuid4().hex}", now)
        self.token = uuid.uuid4().hex
        self.repeated: list[int] = []

    def _answer(self, posted: Posted) -> Said:
        if posted.headers.get("authorization") != f"Bearer {self.token}":
            return Said({"title": "unknown token"}, status=401)
        content = posted.json
        if posted.headers.get("idempotency-key") != f'"fourones-{content["number"]}"':
            return Said({"title": "no key"}, status=400)
        if content["number"] in [message.number for message in self.received]:
            self.repeated.append(content["number"])
        else:
            self._keep(content["title"], content["text"], posted, content["number"])
        return Said({}, status=202)


class Robots:
    """A server on loopback with as many receivers as are asked for."""

    def __init__(self, base: str, now: Callable[[], float]) -> None:
        self.base = base
        self._now = now
        self._by_path: dict[str, list[Receiver]] = {}

    def wecom(self) -> WeComGroup:
        return self._with(WeComGroup(self.base, self._now))

    def dingtalk(self) -> DingTalkGroup:
        return self._with(DingTalkGroup(self.base, self._now))

    def feishu(self) -> FeishuGroup:
        return self._with(FeishuGroup(self.base, self._now))

    def hook(self) -> HookSystem:
        return self._with(HookSystem(self.base, self._now))

    def take(self, posted: Posted) -> Said | None:
        for receiver in self._by_path.get(posted.path, []):
            if isinstance(receiver, WeComGroup) and posted.query.get("key") != receiver.key:
                continue
            if isinstance(receiver, DingTalkGroup) and posted.query.get("access_token") != receiver.token:
                continue
            return receiver.take(posted)
        return self._unknown(posted.path)

    @staticmethod
    def _unknown(path: str) -> Said:
        if path.startswith("/cgi-bin"):
            return Said({"errcode": 93000, "errmsg": "invalid webhook url, hint: [1784000000]"})
        if path.startswith("/robot"):
            return Said({"errcode": 300005, "errmsg": "token is not exist"})
        if path.startswith("/open-apis"):
            return Said({"code": 19001, "data": {}, "msg": "param invalid: incoming webhook access token invalid"})
        return Said({"title": "not found"}, status=404)

    def _with(self, receiver: Made) -> Made:
        self._by_path.setdefault(receiver.path, []).append(receiver)
        return receiver


@contextmanager
def robots(now: Callable[[], float] = time.time) -> Iterator[Robots]:
    """Robots, by `now`'s clock."""
    port = free_port()
    made = Robots(f"http://127.0.0.1:{port}", now)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            url = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", "0")))
            assert headers.get("content-type", "").startswith("application/json")
            said = made.take(Posted(url.path, query, headers, body))
            if said is None:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            answer = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="robots")
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
