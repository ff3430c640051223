"""What is to be told, whatever the channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Level = Literal["red", "recovered", "info", "operators"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `title` is one line, `text` plain lines; both are Chinese.

    `number` is the ledger's: the same at every attempt, so that whoever gets a message twice sees that it is one.
    The channels show number (编号) and link by themselves, so neither belongs into `text`. `facts` are for machines
    (the webhook) and must be what JSON can carry.
    """

    number: int
    title: str
    text: str
    level: Level
    link: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
