"""Channels that only remember, and the running service with channels whose receivers are on this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import yaml
from integration.alerting.robots import HookSystem, Robots, robots
from integration.alerting.service import Reader, Service
from pydantic import SecretStr
from support.waiting import eventually

from fourones_alerting.notifying.channels import ChannelKind, Message, Pace, Undelivered
from fourones_local import loopback

OFFICES = frozenset({"coordinator", "operators"})
TOKEN = "what-alertmanager-bears"  # noqa: S105 - of the tests


@dataclass
class Remembering:
    """A channel that remembers what it was sent, and fails as it is told to."""

    id: str
    kind: ChannelKind = "webhook"
    pace: Pace = ()
    sent: list[Message] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    """What goes wrong with the next sends, one each."""
    open: threading.Event = field(default_factory=threading.Event)
    called: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.open.set()

    def send(self, message: Message) -> None:
        self.called.set()
        assert self.open.wait(60)
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append(message)

    @property
    def numbers(self) -> list[int]:
        return [message.number for message in self.sent]

    @property
    def titles(self) -> list[str]:
        return [message.title for message in self.sent]


def busy(after_s: float | None = None) -> Undelivered:
    return Undelivered("busy", retry=True, after_s=after_s)


@dataclass
class Told:
    """The service with its API, and one receiver for each department, the coordinating office and the operators."""

    service: Service
    reader: Reader
    hooks: dict[str, HookSystem]

    def call(self, *alerts: dict[str, Any], token: str = TOKEN) -> httpx.Response:
        body = {"version": "4", "groupKey": "{}", "status": "firing", "receiver": "departments", "alerts": alerts}
        headers = {"Authorization": f"Bearer {token}"}
        return loopback.post(f"{self.reader.url}/v1/alertmanager", json=body, headers=headers)

    def alert(
        self, target: str | None, department: str, *, name: str = "TargetOffTrack", firing: bool = True
    ) -> dict[str, Any]:
        labels = {"alertname": name, "audience": "department", "department": department}
        return an_alert(labels | ({"target": target} if target else {}), self.service.clock.now(), firing=firing)

    def looked_at(self) -> None:
        """Wait until every call so far was looked at."""
        eventually(lambda: not self.service.rows("SELECT 1 FROM occasion"))

    def swept(self) -> None:
        """Wait until a sweep has begun and ended that sees all that is so far."""
        # Two of them: one may have begun before.
        for _ in range(2):
            before = self._sweeps()
            eventually(lambda before=before: self._sweeps() > before)  # type: ignore[misc]

    def _sweeps(self) -> float:
        [value] = self.reader.series("fourones_notice_sweeps_total")
        return value

    def ledger(self, **about: Any) -> list[tuple[str, str, str]]:
        """(recipient, kind, state) in the order of their numbers."""
        rows = self.service.rows("SELECT recipient, kind, state, target FROM notice ORDER BY number")
        return [
            (row.recipient, row.kind, row.state)
            for row in rows
            if all(getattr(row, name) == value for name, value in about.items())
        ]

    def titles(self, who: str) -> list[str]:
        return [message.title for message in self.hooks[who].received]

    def arrived(self, who: str, count: int) -> list[str]:
        eventually(lambda: len(self.hooks[who].received) >= count)
        return self.titles(who)


def an_alert(labels: dict[str, str], since: datetime, *, firing: bool = True, summary: str = "") -> dict[str, Any]:
    return {
        "status": "firing" if firing else "resolved",
        "labels": labels,
        "annotations": {"summary": summary, "description": "说明"},
        "startsAt": since.isoformat(),
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "",
        "fingerprint": f"{abs(hash(tuple(sorted(labels.items())))):x}",
    }


@contextmanager
def telling(
    service: Service,
    folder: Path,
    departments: tuple[str, ...],
    department: dict[str, Any] | None = None,
    **changes: Any,
) -> Iterator[Told]:
    """The service at work; `department` is what stands beside each department's channels, `changes` are settings."""
    with robots() as receivers:
        hooks = {who: receivers.hook() for who in (*departments, "coordinator", "operators")}
        file = channels_file(folder, receivers, hooks, department or {})
        settings = {
            "channels_file": file,
            "alertmanager_token": SecretStr(TOKEN),
            "notice_sweep_s": 0.2,
            "tell_unasked_after_s": 1800.0,
        }
        service.settings = service.settings.model_copy(update=settings | changes)
        with service.worker(), service.api() as reader:
            eventually(lambda: reader.get("/v1/assessments").status_code == 200)
            yield Told(service, reader, hooks)


def channels_file(folder: Path, _: Robots, hooks: dict[str, HookSystem], department: dict[str, Any]) -> Path:
    channels = {
        who: {"channels": [{"name": "hook", "kind": "webhook", "url": hook.url, "token": hook.token}]}
        for who, hook in hooks.items()
    }
    document = {
        "departments": {who: told | department for who, told in channels.items() if who not in OFFICES},
        "coordinator": channels["coordinator"],
        "operators": channels["operators"],
    }
    file = folder / "channels.yaml"
    file.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    return file
