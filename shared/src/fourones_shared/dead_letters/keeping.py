"""Keeping what cannot be applied, up to a limit: the consumer loop's side of the dead letters.

A stray record is set aside so that it does not hold up the others. A release that can read nothing, or a producer gone
wild, would sweep a whole topic aside; so there is a limit per consumer group and hour. At the limit a record stays
where it is and its partition waits, until an operator has resolved some of them or allowed more, or until the record
can be applied after all. The count lives in the database: restarts and other workers change nothing about it. While
records are refused at the limit the hour stands still; after an hour in which none was it moves on.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Connection, text

from fourones_shared.dead_letters.refusing import LONGEST_DETAIL
from fourones_shared.errors import DeadLetter
from fourones_shared.events.envelope import Headers

# Whoever changes it changes the words of the setting, the commands and the alert.
WINDOW = "interval '1 hour'"


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that cannot be applied, as it came, and why."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    refusal: DeadLetter

    @property
    def place(self) -> tuple[str, int]:
        """Its partition."""
        return self.topic, self.partition

    def header(self, name: str) -> str | None:
        """A header's text; None when it is missing or no text."""
        value = dict(self.headers).get(name)
        try:
            return None if value is None else value.decode()
        except UnicodeDecodeError:
            return None


@dataclass(slots=True)
class Kept:
    """What became of refused records: set aside, or, past the limit, the first of each partition that must wait."""

    set_aside: list[Refused] = field(default_factory=list)
    waiting: dict[tuple[str, int], Refused] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Keeper:
    """Sets records of one consumer group aside.

    Args:
        group: the group, with its prefix.
        limit: how many within an hour, unresolved.
    """

    group: str
    limit: int

    def keep(self, connection: Connection, refused: Sequence[Refused]) -> Kept:
        """Set records aside, in order, as far as the limit allows.

        A record that is here already (its topic is read again) is not counted anew. One that was replayed waits
        again: whoever has reset the position may have lost what the replay had done, and replaying is idempotent.
        """
        kept = Kept()
        if not refused:
            return kept
        connection.execute(_FIRST, {"group": self.group})
        # Locked in one statement and counted in the next, which sees what the one before us has committed.
        connection.execute(_HOLD, {"group": self.group})
        room = self.limit - connection.execute(_COUNT, {"group": self.group}).scalar_one()
        for one in refused:
            if one.place in kept.waiting:
                continue
            if self._is_known(connection, one):
                kept.set_aside.append(one)
            elif room > 0:
                connection.execute(_SET_ASIDE, self._row(one))
                kept.set_aside.append(one)
                room -= 1
            else:
                kept.waiting[one.place] = one
        if kept.waiting:
            connection.execute(_REACHED, {"group": self.group})
        return kept

    def _is_known(self, connection: Connection, one: Refused) -> bool:
        known = connection.execute(_KNOWN, self._row(one)).first()
        if known is None:
            return False
        if known.state != "discarded":
            connection.execute(_WAITS_AGAIN, self._row(one) | {"id": known.dead_letter_id})
            connection.execute(_READ_AGAIN, {"id": known.dead_letter_id, "group": self.group})
        return True

    def _row(self, one: Refused) -> dict[str, Any]:
        return {
            "group": self.group,
            "topic": one.topic,
            "partition": one.partition,
            "offset": one.offset,
            "key": one.key,
            "value": one.value,
            "headers": headers_document(one.headers),
            "reason": kept_text(one.refusal.reason),
            "detail": kept_text(one.refusal.detail),
        }


def kept_text(words: str) -> str:
    """A text that PostgreSQL can hold and a person will read; it may quote a record of any content."""
    cut = words if len(words) <= LONGEST_DETAIL else words[: LONGEST_DETAIL - 1] + "…"
    return cut.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def headers_document(headers: Headers) -> str:
    """Headers as JSON that gives them back exactly."""
    return orjson.dumps({name.replace("\0", "\ufffd"): _json(value) for name, value in headers}).decode()


def headers_of(document: Mapping[str, Any]) -> list[tuple[str, bytes | None]]:
    """The headers in such a document."""
    return [(name, _bytes(value)) for name, value in document.items()]


def _json(value: bytes | None) -> object:
    if value is None:
        return None
    try:
        words = value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}
    return {"base64": base64.b64encode(value).decode()} if "\0" in words else words


def _bytes(value: Any) -> bytes | None:
    if value is None:
        return None
    return base64.b64decode(value["base64"]) if isinstance(value, Mapping) else str(value).encode()


# Names of the schema and a constant, not input.
COUNTED = (
    "dead_letter_limit AS held LEFT JOIN dead_letter AS letter"
    " ON letter.consumer_group = held.consumer_group AND letter.state = 'waiting'"
    " AND letter.recorded_at > greatest(held.counted_from,"
    f" CASE WHEN held.refused_at > clock_timestamp() - {WINDOW} THEN held.reached_at ELSE clock_timestamp() END"
    f" - {WINDOW})"
)
_FIRST = text("INSERT INTO dead_letter_limit (consumer_group) VALUES (:group) ON CONFLICT DO NOTHING")
_HOLD = text("SELECT FROM dead_letter_limit WHERE consumer_group = :group FOR UPDATE")
_COUNT = text(f"SELECT count(letter.dead_letter_id) FROM {COUNTED} WHERE held.consumer_group = :group")  # noqa: S608
_REACHED = text(
    "UPDATE dead_letter_limit SET refused_at = clock_timestamp(),"  # noqa: S608
    f" reached_at = CASE WHEN refused_at > clock_timestamp() - {WINDOW} THEN reached_at ELSE clock_timestamp() END"
    " WHERE consumer_group = :group"
)
_KNOWN = text(
    "SELECT dead_letter_id, state FROM dead_letter WHERE consumer_group = :group AND topic = :topic"
    " AND partition = :partition AND record_offset = :offset AND key IS NOT DISTINCT FROM CAST(:key AS bytea)"
    " AND value IS NOT DISTINCT FROM CAST(:value AS bytea) ORDER BY dead_letter_id DESC LIMIT 1 FOR UPDATE"
)
_WAITS_AGAIN = text(
    "UPDATE dead_letter SET state = 'waiting', resolved_at = NULL, reason = :reason, detail = :detail"
    " WHERE dead_letter_id = :id"
)
_READ_AGAIN = text(
    "INSERT INTO dead_letter_step (dead_letter_id, action, taken_at, taken_by)"
    " VALUES (:id, 'read_again', clock_timestamp(), :group)"
)
_SET_ASIDE = text(
    "INSERT INTO dead_letter (consumer_group, topic, partition, record_offset, key, value, headers, reason, detail,"
    " recorded_at, state) VALUES (:group, :topic, :partition, :offset, :key, :value, CAST(:headers AS jsonb), :reason,"
    " :detail, clock_timestamp(), 'waiting')"
)
