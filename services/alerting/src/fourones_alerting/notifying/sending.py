"""Sends what the ledger holds: in order, at each channel's pace, outside quiet hours, again until it is taken.

A notice is put to `sending`, and that is committed, before its channel is called; to `sent` after. A kill in between
leaves it in `sending`, and who leads next sends it once more, with the same number. Nothing else is sent twice.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from prometheus_client import Counter
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from fourones_alerting.notifying.channels import Channel, Directory, Undelivered
from fourones_alerting.notifying.ledger import OnTold, OnToldOfProblem
from fourones_alerting.notifying.messages import digest, fits_a_digest
from fourones_alerting.notifying.notices import GIVE_UP_AFTER, Kind, message_of
from fourones_shared.database.engine import is_transient
from fourones_shared.domain.clock import Clock
from fourones_shared.tracing import Traced, contexts, is_recording, names, span

log = structlog.get_logger(__name__)

SENT = Counter("fourones_notices_sent_total", "Messages that a channel has taken.", ["kind", "channel_kind"])
FAILED = Counter("fourones_notices_failed_total", "Attempts that a channel has not taken.", ["channel_kind"])

# A slip of the network is over in a second; a receiver that is down for the night is asked four times an hour.
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 900.0
# Attempts older than any pace looks back.
FORGET_ATTEMPTS_AFTER = timedelta(hours=1)
# Channels that are called at the same moment; each call ends within its own ten seconds.
AT_ONCE = 16
# So many of a channel's notices are looked at for a digest.
LOOKED_AT = 200
# An orderly end waits for the calls that are under way, within what a process gets (`process.THREADS_END_S`): whoever
# leads next sends once more what was left under way.
LAST_CALLS_S = 17.0
SETTLE_AGAIN_S = 0.5

Pause = Callable[[int], float]


def pause_s(failures: int) -> float:
    """How long to wait after so many failures in a row: doubled every time, and never quite the same."""
    longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(failures - 1, 20))
    # Channels that failed together must not come back together.
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spread, not secrecy


class Sender:
    """Sends for whoever leads; every channel has at most one call under way.

    Args:
        told: hears that a department knows of an episode, in the transaction that notes the sending.
        told_of_problem: the same of a problem.
        pause: seconds to wait after a number of failures.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        directory: Directory,
        clock: Clock,
        told: OnTold,
        told_of_problem: OnToldOfProblem,
        pause: Pause = pause_s,
    ) -> None:
        self._engine = engine
        self._directory = directory
        self._clock = clock
        self._told = told
        self._told_of_problem = told_of_problem
        self._pause = pause
        self._may_send = threading.Event()
        self._ending = threading.Event()
        # Between reading what is under way here and taking over all the rest, nothing may come under way.
        self._taking = threading.Lock()
        # Set when a transaction may have been committed and may not: its notice could lie in `sending` for ever.
        self._unsure = threading.Event()
        self._calls: dict[str, Future[None]] = {}
        self._under_way: set[int] = set()
        self._pool = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="notice")

    def begin(self) -> None:
        """Take over from whoever led before: what it left in `sending` may or may not have gone out.

        Raises:
            DBAPIError: when the database is away.
        """
        self._take_over()
        self._may_send.set()

    def pause(self) -> None:
        """Take nothing more: somebody else may lead."""
        self._may_send.clear()

    def dispatch(self) -> None:
        """Let every channel send that has something due and is not sending.

        Raises:
            DBAPIError: when the database is away.
        """
        if self._unsure.is_set():
            self._unsure.clear()
            self._take_over()
        now = self._clock.now()
        with self._engine.begin() as connection:
            due = [row.channel for row in connection.execute(_DUE, {"now": now})]
        for channel_id in due:
            channel = self._directory.channel(channel_id)
            if channel is None or self._is_quiet(channel_id, now) or self._calls_already(channel_id):
                continue
            self._calls[channel_id] = self._pool.submit(self._drain, channel)

    def give_up_unknown(self, connection: Connection, now: datetime) -> None:
        """Give up what waits for channels that have been missing from the channels file for days."""
        known = [channel.id for channel in self._directory.channels()]
        parameters = {"known": known, "now": now, "reason": "the channels file names this channel no more"}
        connection.execute(_GIVE_UP_UNKNOWN, parameters)

    def end(self) -> None:
        """Take nothing more and wait for the calls that are under way."""
        self._may_send.clear()
        self._ending.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        wait(self._calls.values(), timeout=LAST_CALLS_S)

    def _take_over(self) -> None:
        with self._taking, self._engine.begin() as connection:
            left = connection.execute(_TAKE_OVER, {"under_way": list(self._under_way)}).all()
        for row in left:
            log.warning("a notice is sent once more: its sender ended before it knew", number=row.number)

    def _calls_already(self, channel_id: str) -> bool:
        call = self._calls.get(channel_id)
        if call is not None and call.done():
            del self._calls[channel_id]
            # A fault of ours, not of the channel or the database: it must not be quiet.
            call.result()
            return False
        return call is not None

    def _is_quiet(self, channel_id: str, now: datetime) -> bool:
        recipient = self._directory.recipient_of(channel_id)
        quiet = recipient.quiet_hours if recipient else None
        return quiet is not None and quiet.over_at(now) is not None

    def _drain(self, channel: Channel) -> None:
        try:
            while self._may_send.is_set() and (taken := self._take(channel)) is not None:
                try:
                    self._send(channel, taken)
                finally:
                    self._under_way.discard(taken.number)
        except DBAPIError as error:
            if not is_transient(error):
                raise
            self._unsure.set()
            log.warning("sending held up", channel=channel.id, error=str(error).splitlines()[0])

    def _take(self, channel: Channel) -> Any | None:
        taken: Any | None = None
        try:
            with self._taking, self._engine.begin() as connection:
                taken = self._take_in(connection, channel)
        except BaseException:
            if taken is not None:
                self._under_way.discard(taken.number)
            raise
        return taken

    def _take_in(self, connection: Connection, channel: Channel) -> Any | None:
        now = self._clock.now()
        connection.execute(_STANDING_EXISTS, {"channel": channel.id})
        standing = connection.execute(_STANDING, {"channel": channel.id}).one()
        held = standing.held_until is not None and standing.held_until > now
        if held or self._is_quiet(channel.id, now) or not _keeps_pace(connection, channel, now):
            return None
        parameters = {"channel": channel.id, "now": now, "limit": LOOKED_AT}
        waiting = connection.execute(_WAITING, parameters).mappings().all()
        if not waiting:
            return None
        number = self._bundled(connection, channel, waiting, now) or waiting[0]["number"]
        taken = connection.execute(_TAKE, {"number": number, "now": now}).one()
        connection.execute(_ATTEMPT, {"channel": channel.id, "now": now})
        # Before the commit, so that whoever takes over again here finds it among ours.
        self._under_way.add(taken.number)
        return taken

    def _bundled(self, connection: Connection, channel: Channel, waiting: Sequence[Any], now: datetime) -> int | None:
        """The number of a digest of what nobody has tried to send yet; None where there is too little for one."""
        recipient = self._directory.recipient_of(channel.id)
        enough = recipient.digest_from if recipient else None
        fresh = [row for row in waiting if row["attempts"] == 0]
        if not enough or len(fresh) < max(enough, 2):
            return None
        parts = fresh[: fits_a_digest(fresh)]
        title, said = digest(parts)
        number = connection.execute(
            _BUNDLE,
            {
                "channel": channel.id,
                "channel_kind": channel.kind,
                "recipient": parts[0]["recipient"],
                "fact": f"{Kind.DIGEST.value}:{parts[0]['number']}",
                "level": "red" if any(part["level"] == "red" for part in parts) else "info",
                "title": title,
                "text": said,
                "parts": [part["number"] for part in parts],
                "now": now,
                "try_until": now + GIVE_UP_AFTER,
            },
        ).scalar_one()
        connection.execute(_INTO_DIGEST, {"digest": number, "parts": [part["number"] for part in parts]})
        return int(number)

    def _send(self, channel: Channel, taken: Any) -> None:
        attributes = {
            names.NOTICE_NUMBER: taken.number,
            names.NOTICE_KIND: taken.kind,
            names.CHANNEL_KIND: channel.kind,
        }
        parts = self._traces_of_parts(taken)
        with span(names.SEND_NOTICE, attributes, parent=taken.traceparent, links=contexts(parts)) as traced:
            self._send_in(traced, channel, taken)

    def _send_in(self, traced: Traced, channel: Channel, taken: Any) -> None:
        try:
            channel.send(message_of(taken))
        except Undelivered as failure:
            undelivered: Undelivered | None = failure
        except Exception as error:
            # A channel that stumbles over one message must not keep the others from theirs.
            log.exception("a channel stumbled", channel=channel.id, number=taken.number)
            undelivered = Undelivered(f"unexpected {type(error).__name__}", retry=True)
        else:
            undelivered = None
        if undelivered is not None:
            traced.fail("undelivered")
        self._settle(channel, taken, undelivered)

    def _traces_of_parts(self, taken: Any) -> list[str | None]:
        if taken.kind != Kind.DIGEST.value or not is_recording():
            return []
        with self._engine.begin() as connection:
            return [row.traceparent for row in connection.execute(_TRACES_OF_PARTS, {"digest": taken.number})]

    def _settle(self, channel: Channel, taken: Any, undelivered: Undelivered | None) -> None:
        """Note the outcome, whatever becomes of the database meanwhile: forgetting it would repeat the message."""
        while True:
            try:
                with self._engine.begin() as connection:
                    if undelivered is None:
                        self._note_sent(connection, channel, taken)
                    else:
                        self._note_failed(connection, channel, taken, undelivered)
            except DBAPIError as error:
                if not is_transient(error):
                    raise
                log.warning("outcome not noted yet", number=taken.number, error=str(error).splitlines()[0])
                if self._ending.wait(SETTLE_AGAIN_S):
                    return
            else:
                return

    def _note_sent(self, connection: Connection, channel: Channel, taken: Any) -> None:
        now = self._clock.now()
        parameters = {"number": taken.number, "attempts": taken.attempts, "now": now}
        settled = connection.execute(_SENT, parameters).all()
        connection.execute(_TOOK_ONE, {"channel": channel.id})
        numbers = [row.number for row in settled if row.kind == Kind.OFF_TRACK.value]
        for row in connection.execute(_EPISODES, {"numbers": numbers}).all():
            self._tell(connection, partial(self._told, connection, row.target, row.episode, now))
        for problem in sorted({row.problem for row in settled if row.problem is not None}):
            self._tell(connection, partial(self._told_of_problem, connection, problem, now))
        SENT.labels(taken.kind, channel.kind).inc()
        log.info("notice sent", number=taken.number, kind=taken.kind, channel=channel.id, attempts=taken.attempts)

    @staticmethod
    def _tell(connection: Connection, hear: partial[object]) -> None:
        try:
            # What others make of it must not undo the note that it was sent.
            with connection.begin_nested():
                hear()
        except Exception as error:
            if isinstance(error, DBAPIError) and is_transient(error):
                raise
            log.exception("not taken in that somebody was told", about=hear.args[1:])

    def _note_failed(self, connection: Connection, channel: Channel, taken: Any, failure: Undelivered) -> None:
        now = self._clock.now()
        FAILED.labels(channel.kind).inc()
        over = now > taken.try_until
        parameters = {"number": taken.number, "attempts": taken.attempts, "now": now, "reason": failure.reason}
        if over or not failure.retry:
            connection.execute(_GIVEN_UP, parameters)
            log.error("notice given up", number=taken.number, channel=channel.id, reason=failure.reason)
        else:
            again = now + timedelta(seconds=self._pause(taken.attempts))
            connection.execute(_AGAIN, parameters | {"again": again})
            log.warning("notice not taken", number=taken.number, channel=channel.id, reason=failure.reason)
        if failure.retry:
            failures = connection.execute(_FAILURES, {"channel": channel.id}).scalar_one()
            held = now + timedelta(seconds=max(failure.after_s or 0.0, self._pause(failures)))
            connection.execute(_HOLD, {"channel": channel.id, "held_until": held})


def _keeps_pace(connection: Connection, channel: Channel, now: datetime) -> bool:
    connection.execute(_FORGET_ATTEMPTS, {"channel": channel.id, "before": now - FORGET_ATTEMPTS_AFTER})
    for allowance in channel.pace:
        since = now - timedelta(seconds=allowance.seconds)
        made = connection.execute(_ATTEMPTS, {"channel": channel.id, "since": since}).scalar_one()
        if made >= allowance.messages:
            return False
    return True


_TAKE_OVER = text(
    "UPDATE notice SET state = 'waiting' WHERE state = 'sending' AND number <> ALL(CAST(:under_way AS bigint[]))"
    " RETURNING number"
)
_DUE = text(
    """
    SELECT DISTINCT notice.channel FROM notice LEFT JOIN channel_standing USING (channel)
    WHERE state = 'waiting' AND next_attempt_at <= :now AND (held_until IS NULL OR held_until <= :now)
    """
)
_GIVE_UP_UNKNOWN = text(
    """
    UPDATE notice SET state = 'given_up', settled_at = :now, reason = :reason
    WHERE state = 'waiting' AND try_until < :now AND channel <> ALL(CAST(:known AS text[]))
    """
)
_STANDING_EXISTS = text(
    "INSERT INTO channel_standing (channel, failures) VALUES (:channel, 0) ON CONFLICT (channel) DO NOTHING"
)
_STANDING = text("SELECT held_until FROM channel_standing WHERE channel = :channel FOR UPDATE")
# What was never tried goes first: a message that the channel stumbles over does not stand in the way of the others.
_WAITING = text(
    """
    SELECT number, recipient, kind, level, title, text, attempts FROM notice
    WHERE channel = :channel AND state = 'waiting' AND next_attempt_at <= :now
    ORDER BY attempts, number LIMIT :limit FOR UPDATE SKIP LOCKED
    """
)
_TAKE = text(
    """
    UPDATE notice SET state = 'sending', attempts = attempts + 1, attempted_at = :now
    WHERE number = :number RETURNING *
    """
)
_ATTEMPT = text("INSERT INTO channel_attempt (channel, attempted_at) VALUES (:channel, :now)")
_ATTEMPTS = text("SELECT count(*) FROM channel_attempt WHERE channel = :channel AND attempted_at > :since")
_FORGET_ATTEMPTS = text("DELETE FROM channel_attempt WHERE channel = :channel AND attempted_at < :before")
_BUNDLE = text(
    """
    INSERT INTO notice (recipient, channel, channel_kind, kind, fact, level, title, text, facts, state, made_at,
        next_attempt_at, try_until, attempts)
    VALUES (:recipient, :channel, :channel_kind, 'digest', :fact, :level, :title, :text,
        jsonb_build_object('parts', (
            SELECT jsonb_agg(
                facts || jsonb_build_object('number', number, 'kind', kind, 'title', title) ORDER BY number
            ) FROM notice WHERE number = ANY(:parts)
        )), 'waiting', :now, :now, :try_until, 0)
    RETURNING number
    """
)
_INTO_DIGEST = text("UPDATE notice SET state = 'bundled', part_of = :digest WHERE number = ANY(:parts)")
_TRACES_OF_PARTS = text(
    "SELECT DISTINCT traceparent FROM notice WHERE part_of = :digest AND traceparent IS NOT NULL ORDER BY traceparent"
)
# Whoever took over has put it back to `waiting`, and has not taken it again while the attempts are the same.
_OURS = "number = :number AND attempts = :attempts AND state IN ('sending', 'waiting')"
_WITH_PARTS = f"""
    WITH settled AS (UPDATE notice SET {{change}} WHERE {_OURS} RETURNING number, kind, problem),
    parts AS (
        UPDATE notice SET {{change}} WHERE part_of IN (SELECT number FROM settled) AND state = 'bundled'
        RETURNING number, kind, problem
    )
    SELECT * FROM settled UNION ALL SELECT * FROM parts
"""  # noqa: S608
_SENT = text(_WITH_PARTS.format(change="state = 'sent', settled_at = :now, reason = NULL"))
_GIVEN_UP = text(_WITH_PARTS.format(change="state = 'given_up', settled_at = :now, reason = :reason"))
# What carries on a notice that was still waiting becomes known with it.
_EPISODES = text(
    """
    SELECT DISTINCT carried.target, carried.episode
    FROM notice AS told JOIN notice AS carried USING (channel, target, period, kind)
    WHERE told.number = ANY(CAST(:numbers AS bigint[])) AND carried.number >= told.number
    AND (carried.number = told.number OR carried.state = 'carried')
    ORDER BY 1, 2
    """
)
_AGAIN = text(f"UPDATE notice SET state = 'waiting', next_attempt_at = :again, reason = :reason WHERE {_OURS}")  # noqa: S608
_TOOK_ONE = text("UPDATE channel_standing SET failures = 0, held_until = NULL WHERE channel = :channel")
_FAILURES = text("UPDATE channel_standing SET failures = failures + 1 WHERE channel = :channel RETURNING failures")
_HOLD = text("UPDATE channel_standing SET held_until = :held_until WHERE channel = :channel")
