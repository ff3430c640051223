"""Why the store does not take something.

Rejected
├── KeyReused           the idempotency key stands for another body
├── NothingToWithdraw   a withdrawn figure does not exist
├── EventTooLarge       Kafka would not take its event
├── UnknownKey          no API key has this id
├── KeyEnded            the API key is revoked or has expired
└── Stale               the catalogue has changed since its editor read it
Retry
└── KeyBusy             the same request is being worked on
"""

from __future__ import annotations

from collections.abc import Sequence

from fourones_shared.errors import Rejected, Retry
from fourones_submission.domain.draft import Fault


class KeyReused(Rejected):
    """The idempotency key was accepted with another body, as `submission_id`."""

    def __init__(self, submission_id: str) -> None:
        super().__init__(submission_id)
        self.submission_id = submission_id


class NothingToWithdraw(Rejected):
    """Withdrawals of figures that do not exist; `faults` names each."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(f"{len(faults)} withdrawal(s) of nothing")
        self.faults = faults


class EventTooLarge(Rejected):
    """An event of `size` bytes, where its topic admits `limit`."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"{size} bytes, the topic admits {limit}")
        self.size = size
        self.limit = limit


class UnknownKey(Rejected):
    """No API key has this id."""


class KeyEnded(Rejected):
    """The API key is revoked or has expired, for good: another one has to be issued."""


class Stale(Rejected):
    """Another catalogue version is in force than the editor knows: `current`, 0 when there is none."""

    def __init__(self, current: int) -> None:
        super().__init__(f"version {current} is in force")
        self.current = current


class KeyBusy(Retry):
    """Another request with the same idempotency key is being worked on."""
