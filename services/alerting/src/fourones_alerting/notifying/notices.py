"""The ledger's rows: one notice is one message to one channel, and one fact is told to a channel once.

A notice's way, each step committed before the next begins:

    waiting → sending → sent
       ↑         ├→ waiting    the channel did not take it: tried again later, with the same number
       │         └→ given_up   it never will, or three days have passed
       ├→ bundled → sent       a digest tells it
       └→ dropped              it was no longer true before anybody had been told

`carried` was never waiting: it continues what an earlier notice has told already. Whoever is killed in `sending` leaves
a notice of which nobody knows whether it went out; it is sent once more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import orjson
from sqlalchemy import Connection, text

from fourones_alerting.notifying.channels import Channel, Level, Message

# After a long weekend nobody wants to be told what was red before it.
GIVE_UP_AFTER = timedelta(days=3)


class Kind(StrEnum):
    """What a notice tells."""

    OFF_TRACK = "off_track"
    DETERIORATING = "deteriorating"
    RECOVERED = "recovered"
    OVERDUE = "overdue"
    PROBLEM = "problem"
    """A step of a problem."""
    PROBLEMS_OVERDUE = "problems_overdue"
    HEALTH = "health"
    DIGEST = "digest"
    WITHDRAWN = "withdrawn"
    """Never sent: it closes what was told about a target that the catalogue no longer has."""


class State(StrEnum):
    """How far a notice has come."""

    WAITING = "waiting"
    SENDING = "sending"
    BUNDLED = "bundled"
    SENT = "sent"
    GIVEN_UP = "given_up"
    DROPPED = "dropped"
    CARRIED = "carried"


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be told, before it has a number and a channel.

    Attributes:
        fact: what makes two notices the same, within a channel.
        facts: the same for machines; what JSON can carry.
        traceparent: trace context of what is told.
    """

    kind: Kind
    fact: str
    level: Level
    title: str
    text: str = ""
    link: str | None = None
    target: str | None = None
    period: str | None = None
    episode: int | None = None
    problem: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What the ledger says of a notice about a target."""

    number: int
    kind: Kind
    state: State
    period: str | None
    episode: int | None
    attempts: int
    facts: Mapping[str, Any]


def fact_about_red(kind: Kind, target: str, episode: int | None, period: str) -> str:
    """The fact of a red light: told anew for every period that it lasts."""
    return f"{kind.value}:{target}:{episode}:{period}"


def add(
    connection: Connection,
    recipient: str,
    channel: Channel,
    draft: Draft,
    *,
    now: datetime,
    state: State = State.WAITING,
) -> int | None:
    """Enter a notice; its number, or None where the channel has that fact already."""
    parameters = {
        "recipient": recipient,
        "channel": channel.id,
        "channel_kind": channel.kind,
        "kind": draft.kind.value,
        "fact": draft.fact,
        "target": draft.target,
        "period": draft.period,
        "episode": draft.episode,
        "problem": draft.problem,
        "level": draft.level,
        "title": draft.title,
        "text": draft.text,
        "link": draft.link,
        "facts": orjson.dumps(dict(draft.facts)).decode(),
        "traceparent": draft.traceparent,
        "state": state.value,
        "now": now,
        "try_until": now + GIVE_UP_AFTER,
    }
    number = connection.execute(_ADD, parameters).scalar_one_or_none()
    return None if number is None else int(number)


def about(connection: Connection, channel: str, target: str) -> list[Told]:
    """What a channel was told about a target's light, the newest first, back to the last that closed the matter."""
    found: list[Told] = []
    for row in connection.execute(_ABOUT, {"channel": channel, "target": target}):
        told = Told(row.number, Kind(row.kind), State(row.state), row.period, row.episode, row.attempts, row.facts)
        found.append(told)
        if told.kind in CLOSING:
            break
    return found


def facts_told(connection: Connection, targets: Sequence[str]) -> set[tuple[str, str]]:
    """(channel, fact) of all that is in the ledger about these targets."""
    return {(row.channel, row.fact) for row in connection.execute(_FACTS, {"targets": list(targets)})}


def has_fact(connection: Connection, channel: str, fact: str) -> bool:
    """Whether that is in the ledger for the channel."""
    return bool(connection.execute(_HAS_FACT, {"channel": channel, "fact": fact}).scalar_one())


def drop(connection: Connection, number: int, now: datetime, reason: str) -> bool:
    """Take back a notice that nobody has been told; False when somebody may have been."""
    parameters = {"number": number, "now": now, "reason": reason}
    return connection.execute(_DROP, parameters).scalar_one_or_none() is not None


def drop_about_problem(connection: Connection, problem: int, now: datetime, reason: str) -> None:
    """Take back what waits about the problem, tried or not.

    What a channel has refused so far would be told after what comes next, and out of order it misleads; should an
    attempt have arrived after all, what comes next is told all the same.
    """
    connection.execute(_DROP_ABOUT_PROBLEM, {"problem": problem, "now": now, "reason": reason})


def again(connection: Connection, number: int, now: datetime) -> bool:
    """Try a notice that was given up for three days more; False when it was not given up."""
    parameters = {"number": number, "now": now, "try_until": now + GIVE_UP_AFTER}
    return bool(connection.execute(_TRY_AGAIN, parameters).all())


def discard(connection: Connection, number: int, now: datetime, reason: str) -> bool:
    """Never send a notice that was given up, or waits; False when it is neither."""
    return bool(connection.execute(_DISCARD, {"number": number, "now": now, "reason": reason}).all())


def message_of(row: Any) -> Message:
    """A notice's row as the message that a channel sends."""
    facts = dict(row.facts) | {"kind": row.kind, "recipient": row.recipient, "made_at": row.made_at.isoformat()}
    return Message(number=row.number, title=row.title, text=row.text, level=row.level, link=row.link, facts=facts)


CLOSING = frozenset({Kind.RECOVERED, Kind.WITHDRAWN})
ABOUT_LIGHTS = (Kind.OFF_TRACK, Kind.DETERIORATING, Kind.RECOVERED, Kind.WITHDRAWN)
_LIGHTS = ", ".join(f"'{kind.value}'" for kind in ABOUT_LIGHTS)

_ADD = text(
    """
    INSERT INTO notice (recipient, channel, channel_kind, kind, fact, target, period, episode, problem, level, title,
        text, link, facts, traceparent, state, made_at, next_attempt_at, try_until, attempts)
    VALUES (:recipient, :channel, :channel_kind, :kind, :fact, :target, :period, :episode, :problem, :level, :title,
        :text, :link, CAST(:facts AS jsonb), :traceparent, :state, :now, :now, :try_until, 0)
    ON CONFLICT (channel, fact) DO NOTHING RETURNING number
    """
)
_ABOUT = text(
    f"""
    SELECT number, kind, state, period, episode, attempts, facts FROM notice
    WHERE target = :target AND channel = :channel AND kind IN ({_LIGHTS}) ORDER BY number DESC
    """  # noqa: S608
)
_FACTS = text("SELECT channel, fact FROM notice WHERE target = ANY(:targets)")
_HAS_FACT = text("SELECT EXISTS (SELECT FROM notice WHERE channel = :channel AND fact = :fact)")
_DROP = text(
    """
    UPDATE notice SET state = 'dropped', settled_at = :now, reason = :reason
    WHERE number = :number AND state = 'waiting' AND attempts = 0 RETURNING number
    """
)
_DROP_ABOUT_PROBLEM = text(
    """
    UPDATE notice SET state = 'dropped', settled_at = :now, reason = :reason
    WHERE problem = :problem AND state = 'waiting'
    """
)
# Those of a digest go with it.
_TRY_AGAIN = text(
    """
    UPDATE notice SET state = CASE WHEN part_of IS NULL THEN 'waiting' ELSE 'bundled' END, settled_at = NULL,
        next_attempt_at = :now, try_until = :try_until, attempts = 0
    WHERE state = 'given_up' AND (number = :number AND part_of IS NULL OR part_of = :number) RETURNING number
    """
)
_DISCARD = text(
    """
    UPDATE notice SET state = 'dropped', settled_at = :now, reason = :reason
    WHERE state IN ('given_up', 'waiting', 'bundled') AND (number = :number AND part_of IS NULL OR part_of = :number)
    RETURNING number
    """
)
