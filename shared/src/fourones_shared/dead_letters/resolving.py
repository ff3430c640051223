"""Resolving dead letters: replay, repair, discard, and letting a consumer that waits at its limit go on.

A replay applies the record with the handler of its topic, in one transaction, under the locks that the handler always
takes. It may come at any time after the record's own place in its topic, and more than once: no handler depends on the
order of arrival. Of two values of a figure the higher sequence wins, of a roll-up, a catalogue or a key the higher
version, and a receipt that says applied stays so. Positions are not touched.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, text

from fourones_shared.dead_letters import stored
from fourones_shared.dead_letters.keeping import Refused, headers_document, kept_text
from fourones_shared.dead_letters.refusing import refusal_of
from fourones_shared.dead_letters.stored import Count, Listed, Selection, State, Step, Stored
from fourones_shared.errors import DeadLetter, Rejected
from fourones_shared.events.envelope import Headers, unwrap
from fourones_shared.events.model import EventData
from fourones_shared.kafka.batches import Handler, Received, retried, tell

Result = TypeVar("Result")


class AlreadyReplayed(Rejected):
    """What was replayed has taken effect; only a later submission changes that."""


class StillWrong(Rejected):
    """A repair after which the record could still not be applied, or would be another one; nothing was kept."""


class Fate(Enum):
    """What became of a replay."""

    REPLAYED = "replayed"
    BEFORE = "was replayed before"
    REFUSED = "refused again"
    NOT_YET = "must wait"


@dataclass(frozen=True, slots=True)
class Replay:
    """What became of one dead letter; `refusal` when it is refused again."""

    dead_letter_id: int
    fate: Fate
    refusal: DeadLetter | None = None


@dataclass(frozen=True, slots=True)
class Reader:
    """A consumer group of the service: its name and its topics without the prefix, and what it does with events."""

    group: str
    topics: Sequence[str]
    handler: Handler[Any]


class DeadLetters:
    """The dead letters of one service.

    Args:
        engine: its database.
        readers: its consumer groups.
        topic_prefix: as the consumers have it.
        limit: at which a consumer waits, to show it.
        before_replay: called once before the first replay; raises `Retry` when it is not the time for any.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        readers: Sequence[Reader],
        topic_prefix: str = "",
        limit: int,
        before_replay: Callable[[], None] | None = None,
    ) -> None:
        self.limit = limit
        self._engine = engine
        self._prefix = topic_prefix
        self._handlers: Mapping[str, Handler[Any]] = {
            topic_prefix + topic: reader.handler for reader in readers for topic in reader.topics
        }
        self._groups = [topic_prefix + reader.group for reader in readers]
        self._before_replay = before_replay

    # -- looking -----------------------------------------------------------------------------------------------

    def topic(self, name: str) -> str:
        """A topic's name with the prefix.

        Raises:
            Rejected: when this service reads no such topic.
        """
        for known in self._handlers:
            if name in {known, known.removeprefix(self._prefix)}:
                return known
        names = ", ".join(topic.removeprefix(self._prefix) for topic in self._handlers)
        raise Rejected(f"this service reads no topic {name}, only {names}")

    def find(self, selection: Selection, *, limit: int, before: int | None = None) -> list[Listed]:
        """The newest first, those with lower numbers than `before`."""
        with self._engine.begin() as connection:
            return stored.find(connection, selection, limit=limit, before=before)

    def numbers(self, selection: Selection) -> Sequence[int]:
        """The numbers of all that are meant, the oldest first."""
        with self._engine.begin() as connection:
            return stored.numbers(connection, selection)

    def read(self, dead_letter_id: int) -> tuple[Stored, list[Step]]:
        """One in full, and what was done with it.

        Raises:
            UnknownDeadLetter: when there is none of this number.
        """
        with self._engine.begin() as connection:
            return stored.read(connection, dead_letter_id), stored.steps(connection, dead_letter_id)

    def counts(self) -> list[Count]:
        """How far each group is from the limit."""
        with self._engine.begin() as connection:
            return stored.counts(connection, self._groups)

    # -- resolving ---------------------------------------------------------------------------------------------

    def replay(self, dead_letter_id: int, *, by: str) -> Replay:
        """Apply a dead letter, as it came or as it was last repaired; twice changes nothing.

        One that was discarded is replayed too: who names it has thought better of it.

        Raises:
            UnknownDeadLetter: when there is none of this number.
            Retry: when the database is away, or it is not the time for a replay.
        """
        if self._before_replay is not None:
            self._before_replay()
            self._before_replay = None
        return self._in_transaction(lambda connection: self._replay(connection, dead_letter_id, by))

    def repair(
        self,
        dead_letter_id: int,
        *,
        value: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        by: str,
        why: str,
    ) -> None:
        """Replace the value, or some headers, for the next replay; the original stays.

        Raises:
            UnknownDeadLetter: when there is none of this number.
            AlreadyReplayed: when it has taken effect.
            StillWrong: when it could still not be read, or would go by another key.
        """

        def work(connection: Connection) -> None:
            letter = self._unresolved(connection, dead_letter_id)
            new = None if not headers else _with(letter.headers, headers)
            self._check(letter, letter.value if value is None else value, letter.headers if new is None else new)
            document = None if new is None else headers_document(new)
            _add_step(connection, dead_letter_id, "repaired", by, why, value=value, headers=document)
            _set_state(connection, dead_letter_id, State.WAITING, why)

        self._in_transaction(work)

    def discard(self, dead_letter_id: int, *, by: str, why: str) -> None:
        """Resolve a dead letter without applying it; the row stays, and whoever was told it is set aside stays so.

        Raises:
            UnknownDeadLetter: when there is none of this number.
            AlreadyReplayed: when it has taken effect.
        """

        def work(connection: Connection) -> None:
            self._unresolved(connection, dead_letter_id)
            _add_step(connection, dead_letter_id, "discarded", by, why)
            _set_state(connection, dead_letter_id, State.DISCARDED, why)

        self._in_transaction(work)

    def allow(self, groups: Sequence[str] = (), *, by: str, why: str) -> Sequence[str]:
        """Count anew from now on, so that groups which wait at their limit go on.

        Args:
            groups: all of the service when none is named.
            by: who does it.
            why: for the record.

        Returns:
            The groups.

        Raises:
            Rejected: when this service has no such group.
        """
        chosen = [self._group(name) for name in groups] or self._groups

        def work(connection: Connection) -> None:
            connection.execute(_ALLOW, {"groups": sorted(chosen), "by": by, "note": kept_text(why)})

        self._in_transaction(work)
        return chosen

    def _group(self, name: str) -> str:
        for known in self._groups:
            if name in {known, known.removeprefix(self._prefix)}:
                return known
        names = ", ".join(group.removeprefix(self._prefix) for group in self._groups)
        raise Rejected(f"this service has no consumer group {name}, only {names}")

    def _unresolved(self, connection: Connection, dead_letter_id: int) -> Stored:
        letter = stored.read(connection, dead_letter_id, hold=True)
        if letter.listed.state is State.REPLAYED:
            raise AlreadyReplayed(f"dead letter {dead_letter_id} was replayed at {letter.listed.resolved_at}")
        return letter

    def _check(self, letter: Stored, value: bytes | None, headers: Headers) -> None:
        try:
            data = self._handler(letter).decode(unwrap(value, headers))
        except Exception as error:
            refusal = refusal_of(error)
            if refusal is None:
                raise
            raise StillWrong(str(refusal)) from error
        key = letter.listed.key
        if key is not None and isinstance(data, EventData) and data.partition_key().encode() != key:
            raise StillWrong(
                f"the record's key is {key.decode('utf-8', 'replace')}, and this would go by {data.partition_key()}: "
                "a repair must leave what the record is about"
            )

    def _replay(self, connection: Connection, dead_letter_id: int, by: str) -> Replay:
        letter = stored.read(connection, dead_letter_id, hold=True)
        if letter.listed.state is State.REPLAYED:
            return Replay(dead_letter_id, Fate.BEFORE)
        handler = self._handler(letter)
        try:
            if not self._apply(connection, handler, letter):
                return Replay(dead_letter_id, Fate.NOT_YET)
        except Exception as error:
            refusal = refusal_of(error)
            if refusal is None:
                raise
            self._refused_again(connection, handler, letter, refusal, by)
            return Replay(dead_letter_id, Fate.REFUSED, refusal)
        _add_step(connection, dead_letter_id, "replayed", by, None)
        _set_state(connection, dead_letter_id, State.REPLAYED, None)
        return Replay(dead_letter_id, Fate.REPLAYED)

    def _apply(self, connection: Connection, handler: Handler[Any], letter: Stored) -> bool:
        envelope = unwrap(letter.value, letter.headers)
        data = handler.decode(envelope)
        if not handler.ready_for(data):
            return False
        place = letter.listed
        with connection.begin_nested():
            handler.apply(connection, [Received(place.topic, place.partition, place.offset, envelope, data)])
        return True

    def _refused_again(
        self, connection: Connection, handler: Handler[Any], letter: Stored, refusal: DeadLetter, by: str
    ) -> None:
        place = letter.listed
        _add_step(connection, place.dead_letter_id, "refused", by, str(refusal))
        connection.execute(
            _REASON,
            {"id": place.dead_letter_id, "reason": refusal.reason, "detail": kept_text(refusal.detail)},
        )
        refused = Refused(place.topic, place.partition, place.offset, place.key, letter.value, letter.headers, refusal)
        tell(handler, connection, refused)

    def _handler(self, letter: Stored) -> Handler[Any]:
        return self._handlers[self.topic(letter.listed.topic)]

    def _in_transaction(self, work: Callable[[Connection], Result]) -> Result:
        def once() -> tuple[Result]:
            with self._engine.begin() as connection:
                return (work(connection),)

        done = retried(once, threading.Event(), "deadletters")
        if done is None:
            raise AssertionError("nobody stops it")
        return done[0]


def _with(headers: Headers, changed: Mapping[str, str]) -> list[tuple[str, bytes | None]]:
    return list((dict(headers) | {name: value.encode() for name, value in changed.items()}).items())


def _add_step(
    connection: Connection,
    dead_letter_id: int,
    action: str,
    by: str,
    note: str | None,
    *,
    value: bytes | None = None,
    headers: str | None = None,
) -> None:
    connection.execute(
        _STEP,
        {
            "id": dead_letter_id,
            "action": action,
            "by": kept_text(by),
            "note": None if note is None else kept_text(note),
            "value": value,
            "headers": headers,
        },
    )


def _set_state(connection: Connection, dead_letter_id: int, state: State, note: str | None) -> None:
    connection.execute(
        _STATE,
        {
            "id": dead_letter_id,
            "state": state,
            "resolved": state is not State.WAITING,
            "note": None if note is None else kept_text(note),
        },
    )


_STEP = text(
    "INSERT INTO dead_letter_step (dead_letter_id, action, taken_at, taken_by, note, value, headers)"
    " VALUES (:id, :action, clock_timestamp(), :by, :note, :value, CAST(:headers AS jsonb))"
)
_STATE = text(
    "UPDATE dead_letter SET state = :state, note = coalesce(CAST(:note AS text), note),"
    " resolved_at = CASE WHEN :resolved THEN clock_timestamp() END WHERE dead_letter_id = :id"
)
_REASON = text("UPDATE dead_letter SET reason = :reason, detail = :detail WHERE dead_letter_id = :id")
_ALLOW = text(
    "INSERT INTO dead_letter_limit AS held (consumer_group, counted_from, allowed_by, note)"
    " SELECT consumer_group, clock_timestamp(), :by, :note"
    " FROM unnest(CAST(:groups AS text[])) AS chosen (consumer_group)"
    " ON CONFLICT (consumer_group) DO UPDATE SET counted_from = excluded.counted_from, reached_at = NULL,"
    " refused_at = NULL, allowed_by = excluded.allowed_by, note = excluded.note"
)
