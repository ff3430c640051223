"""Who is told by which channels, and when they want to be left alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta

from fourones_alerting.notifying.channels.channel import Channel
from fourones_shared.domain.clock import SHANGHAI


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Every day from `starts` to `ends`, Chinese time; over midnight where `ends` is the earlier."""

    starts: time
    ends: time

    @classmethod
    def between(cls, starts: str, ends: str) -> QuietHours:
        """Quiet hours written as `22:00` and `07:30`."""
        return cls(time.fromisoformat(starts), time.fromisoformat(ends))

    def over_at(self, moment: datetime) -> datetime | None:
        """When the quiet hours that `moment` lies in are over; None outside them."""
        local = moment.astimezone(SHANGHAI)
        now = local.time()
        over_midnight = self.ends <= self.starts
        quiet = now >= self.starts or now < self.ends if over_midnight else self.starts <= now < self.ends
        if not quiet:
            return None
        day = local.date() + timedelta(days=1) if over_midnight and now >= self.starts else local.date()
        return datetime.combine(day, self.ends, SHANGHAI)


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody who is told: a department, the coordinating office, or the operators."""

    channels: tuple[Channel, ...] = ()
    quiet_hours: QuietHours | None = None
    # As many notices waiting for one channel are told as one message.
    digest_from: int | None = None


@dataclass(frozen=True, slots=True)
class Directory:
    """Everybody who is told. Whoever is not in it is told nothing."""

    departments: Mapping[str, Recipient] = field(default_factory=dict)
    operators: Recipient = Recipient()
    coordinator: Recipient = Recipient()

    def department(self, org: str) -> Recipient:
        """How a department is told; no channels where the file does not name it."""
        return self.departments.get(org, Recipient())

    def channels(self) -> Iterator[Channel]:
        """Every channel, each once."""
        for recipient in self.recipients():
            yield from recipient.channels

    def channel(self, channel_id: str) -> Channel | None:
        """The channel of that id; None when the file names it no longer."""
        return next((channel for channel in self.channels() if channel.id == channel_id), None)

    def recipient_of(self, channel_id: str) -> Recipient | None:
        """Who is told by that channel."""
        return next((r for r in self.recipients() if any(c.id == channel_id for c in r.channels)), None)

    def recipients(self) -> Iterator[Recipient]:
        """Departments, then the coordinating office, then the operators."""
        yield from self.departments.values()
        yield self.coordinator
        yield self.operators
