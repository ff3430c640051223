"""Any system that takes a message as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from fourones_alerting.notifying.channels.channel import ChannelKind, Pace, Undelivered
from fourones_alerting.notifying.channels.posting import Poster, as_json
from fourones_alerting.notifying.message import Message

# What cannot be read, is too large, or contradicts an earlier message of that number will not be taken later either.
_CONTENT_REFUSED = frozenset({400, 413, 415, 422})


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that takes messages; any status of the 200s is delivery.

    The header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header) is the same at every attempt.
    """

    id: str
    address: str = field(repr=False)
    poster: Poster = field(repr=False)
    token: str | None = field(default=None, repr=False)

    kind: ClassVar[ChannelKind] = "webhook"
    pace: ClassVar[Pace] = ()

    def send(self, message: Message) -> None:
        """Post the message with its facts."""
        content = {
            "number": message.number,
            "channel": self.id,
            "level": message.level,
            "title": message.title,
            "text": message.text,
            "link": message.link,
            "facts": message.facts,
        }
        headers = {"Idempotency-Key": f'"fourones-{message.number}"'}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        answer = self.poster.post(self.address, as_json(content), headers)
        if 200 <= answer.status < 300:
            return
        raise Undelivered(
            f"the webhook answered with HTTP status {answer.status}",
            retry=answer.status not in _CONTENT_REFUSED,
            after_s=answer.retry_after_s,
        )
