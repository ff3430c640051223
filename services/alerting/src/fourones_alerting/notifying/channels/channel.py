"""What every channel is, and how it says that a message was not delivered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from fourones_alerting.notifying.message import Message
from fourones_shared.errors import FouronesError

ChannelKind = Literal["email", "wecom", "dingtalk", "feishu", "webhook"]


class Undelivered(FouronesError):
    """The message did not go out, or nobody can know whether it did.

    Attributes:
        reason: What happened, for operators; it holds no address, token or secret.
        retry: Whether the same message may go through later, by itself or once somebody has mended the channel. False
            where its contents are refused.
        after_s: How long the receiver wants to be left alone, where it said so.
    """

    def __init__(self, reason: str, *, retry: bool = True, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry = retry
        self.after_s = after_s


@dataclass(frozen=True, slots=True)
class Allowance:
    """At most `messages` within any `seconds`."""

    messages: int
    seconds: float


Pace = tuple[Allowance, ...]
"""Every allowance holds at once; an empty pace knows no limit."""


class Channel(Protocol):
    """A way to somebody. Sending is synchronous, ends within its own time-outs, and is safe from any thread."""

    @property
    def id(self) -> str:
        """Unique and stable: `<department>/<name>`, `coordinator/<name>` or `operators/<name>`."""

    @property
    def kind(self) -> ChannelKind:
        """What sort of receiver it is."""

    @property
    def pace(self) -> Pace:
        """How often it may be sent to, by the receiver's rules."""

    def send(self, message: Message) -> None:
        """Deliver the message.

        Raises:
            Undelivered: when the receiver did not take it, or cannot be known to have taken it.
        """
