"""Channels: each delivers one message to one receiver, and says when it did not."""

from fourones_alerting.notifying.channels.channel import Allowance, Channel, ChannelKind, Pace, Undelivered
from fourones_alerting.notifying.channels.directory import Directory, QuietHours, Recipient
from fourones_alerting.notifying.message import Level, Message

__all__ = [
    "Allowance",
    "Channel",
    "ChannelKind",
    "Directory",
    "Level",
    "Message",
    "Pace",
    "QuietHours",
    "Recipient",
    "Undelivered",
]
