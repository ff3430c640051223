"""The ledger decides what is told: by the stored verdict, and by what it has told already.

- A target that is red is told once to a channel for every period it is judged at and every episode of red.
- A target that is green or yellow again is told once to the channels that were told of its red, and to no others.
- A red that comes back before its end was told is no news: it carries on what was told of that period.
- Nothing is told of a target that the catalogue no longer has; what was told about it is closed silently.

Alertmanager's calls say when to look. Should none come, the sweep looks by itself, only later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from prometheus_client import Counter
from sqlalchemy import Connection, text

from fourones_alerting.domain.verdicts import Verdict
from fourones_alerting.notifying import messages, notices, occasions, problem_steps
from fourones_alerting.notifying.channels import Channel, Directory, Recipient
from fourones_alerting.notifying.messages import Wording
from fourones_alerting.notifying.notices import Draft, Kind, State, Told
from fourones_alerting.notifying.occasions import Noted
from fourones_alerting.notifying.standing import Standing, read_standings, red_for
from fourones_alerting.problems.opening import opened_by
from fourones_shared.catalogue.model import Catalogue

log = structlog.get_logger(__name__)

MADE = Counter("fourones_notices_made_total", "Notices entered in the ledger to be sent.", ["kind"])

OFF_TRACK_ALERTS = frozenset({"TargetOffTrack", "TargetDeteriorating"})
OVERDUE_ALERT = "ReportsOverdue"
PROBLEMS_ALERT = "ProblemsOverdue"
# What cannot be decided yet waits for a send to end; the sweep comes back to it in any case.
FORGET_OCCASIONS_AFTER = timedelta(hours=6)
OVERTAKEN = "已恢复，尚未通知即撤回"
REMOVED = "目录中已无此目标"
OUTRUN = "问题已有新进展，尚未通知即撤回"

OnTold = Callable[[Connection, str, int, datetime], object]
"""Called last in the transaction that notes that a department knows of a target's episode: target, episode, when."""

OnToldOfProblem = Callable[[Connection, int, datetime], object]
"""The same of a problem: its number, when."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the sweep leaves things to Prometheus.

    Attributes:
        red: a target that has been red for so long is told unasked.
        recovered: a red that has been over for so long is told to be over unasked.
    """

    red: timedelta
    recovered: timedelta


class Ledger:
    """Makes notices, each call inside the caller's transaction. One at a time: its caller leads.

    Args:
        directory: who is told by which channels.
        catalogue: the one in force; None while none is known, and nothing is told then.
        link: where targets are explained, as `Wording` has it.
        problems_link: where problems are listed; a problem's number follows it as `/number`.
        told: hears that a department knows of an episode.
    """

    def __init__(
        self,
        *,
        directory: Directory,
        catalogue: Callable[[], Catalogue | None],
        link: str,
        problems_link: str,
        patience: Patience,
        told: OnTold,
    ) -> None:
        self._directory = directory
        self._catalogue = catalogue
        self._link = link
        self._problems_link = problems_link
        self._patience = patience
        self._told = told
        self._wording: tuple[Catalogue, Wording] | None = None

    def take(self, connection: Connection, now: datetime) -> int:
        """Look at what was called about; how many notices that made."""
        wording = self._words()
        called = occasions.waiting(connection)
        if wording is None or not called:
            return 0
        standings = read_standings(connection, sorted({o.target for o in called if o.target}))
        entry, done = _Entry(connection, wording, now), []
        for occasion in called:
            decided = self._look(entry, occasion, standings.get(occasion.target or ""))
            if decided or now - occasion.received_at > FORGET_OCCASIONS_AFTER:
                done.append(occasion)
        occasions.looked_at(connection, done)
        self._tell_of(entry)
        return entry.made

    def sweep(self, connection: Connection, now: datetime) -> int:
        """Tell what nobody has called about in time; how many notices that made."""
        wording = self._words()
        if wording is None:
            return 0
        entry = _Entry(connection, wording, now)
        self._sweep_red(entry)
        self._sweep_recovered(entry)
        self._close_removed(entry)
        self._tell_of(entry)
        return entry.made

    def follow_problems(self, connection: Connection, now: datetime) -> int:
        """Tell the steps of problems that somebody has to hear of; how many notices that made."""
        wording = self._words()
        if wording is None:
            return 0
        entry = _Entry(connection, wording, now)
        for taken in problem_steps.untold(connection):
            notices.drop_about_problem(connection, taken.problem.id, now, OUTRUN)
            draft = wording.problem(taken.problem, taken.step, taken.number)
            for recipient in taken.recipients:
                for channel in self._recipient(recipient).channels:
                    entry.add(recipient, channel, draft)
        return entry.made

    def _recipient(self, recipient: str) -> Recipient:
        if recipient == problem_steps.COORDINATOR:
            return self._directory.coordinator
        return self._directory.department(recipient)

    def _tell_of(self, entry: _Entry) -> None:
        for target, episode in entry.known:
            self._told(entry.connection, target, episode, entry.now)

    def _words(self) -> Wording | None:
        catalogue = self._catalogue()
        if catalogue is None:
            return None
        if self._wording is None or self._wording[0] is not catalogue:
            self._wording = (catalogue, Wording(catalogue, self._link, self._problems_link))
        return self._wording[1]

    def _look(self, entry: _Entry, occasion: Noted, standing: Standing | None) -> bool:
        """Decide about one occasion; False when it cannot be decided yet."""
        if occasion.audience == "operators":
            self._tell_operators(entry, occasion)
        elif occasion.alert == PROBLEMS_ALERT and occasion.department is not None:
            self._tell_problems(entry, occasion, occasion.department)
        elif standing is None or occasion.department is None:
            # Of a target that was taken away; what was told about it is closed by the sweep.
            pass
        elif occasion.alert == OVERDUE_ALERT:
            self._tell_overdue(entry, standing, occasion.department, firing=occasion.firing)
        elif occasion.alert in OFF_TRACK_ALERTS and occasion.firing:
            # Who answers is what the verdict says; a label may be older than that.
            if occasion.department in standing.departments:
                self._tell_red(entry, standing, [occasion.department])
        elif occasion.alert in OFF_TRACK_ALERTS:
            # Whoever was told hears of the end, even when somebody else answers by now.
            channels = self._directory.department(occasion.department).channels
            known = [self._tell_recovered(entry, occasion.department, each, standing) for each in channels]
            return all(known)
        return True

    def _tell_red(self, entry: _Entry, standing: Standing, departments: Sequence[str]) -> None:
        if not standing.is_red:
            return
        for department in departments:
            for channel in self._directory.department(department).channels:
                self._tell_red_to(entry, department, channel, standing)

    def _tell_red_to(self, entry: _Entry, department: str, channel: Channel, standing: Standing) -> None:
        of_this_period = [
            told
            for told in notices.about(entry.connection, channel.id, standing.target)
            if told.kind not in notices.CLOSING
            and told.state not in {State.DROPPED, State.GIVEN_UP}
            and told.period == standing.period
        ]
        if not of_this_period:
            entry.add(department, channel, entry.wording.off_track(standing))
        elif standing.verdict is Verdict.DETERIORATING and all(
            told.facts.get("verdict") != Verdict.DETERIORATING.value for told in of_this_period
        ):
            entry.add(department, channel, entry.wording.off_track(standing, worse=True))
        if any(told.episode == standing.episode for told in of_this_period):
            return
        if of_this_period:
            entry.add(department, channel, entry.wording.off_track(standing), State.CARRIED)
            if any(told.state is State.SENT for told in of_this_period) and standing.episode is not None:
                self._tell_new_problem(entry, department, channel, standing.target, standing.episode)

    def _tell_new_problem(self, entry: _Entry, department: str, channel: Channel, target: str, episode: int) -> None:
        """The red is no news to the department, but a problem that it has opened anew is: the one before is closed."""
        found = opened_by(entry.connection, target, episode)
        if found is None:
            entry.known.append((target, episode))
            return
        problem, opened = found
        entry.add(department, channel, entry.wording.problem(problem, opened.step, opened.number))

    def _tell_recovered(self, entry: _Entry, department: str, channel: Channel, standing: Standing) -> bool:
        """False while it is not known whether the red was told."""
        if not standing.has_recovered:
            return True
        for told in notices.about(entry.connection, channel.id, standing.target):
            if told.kind in notices.CLOSING:
                return True
            if told.state is State.SENT and told.episode is not None:
                entry.add(department, channel, entry.wording.recovered(standing, told.episode))
                return True
            if told.state in {State.SENDING, State.BUNDLED}:
                return False
            if told.state is State.WAITING and not _dropped(entry, told, OVERTAKEN):
                return False
        return True

    def _tell_overdue(self, entry: _Entry, standing: Standing, department: str, *, firing: bool) -> None:
        if firing and standing.overdue and department in standing.departments:
            for channel in self._directory.department(department).channels:
                entry.add(department, channel, entry.wording.overdue(standing))
        elif not firing and not standing.overdue:
            parameters = {"target": standing.target, "department": department, "now": entry.now, "reason": OVERTAKEN}
            entry.connection.execute(_DROP_OVERDUE, parameters)

    def _tell_operators(self, entry: _Entry, occasion: Noted) -> None:
        fired = occasions.firing_key(occasion.key)
        for channel in self._directory.operators.channels:
            if occasion.firing or notices.has_fact(entry.connection, channel.id, fired):
                entry.add("operators", channel, messages.health(occasion))

    def _tell_problems(self, entry: _Entry, occasion: Noted, department: str) -> None:
        if occasion.firing:
            for channel in self._directory.department(department).channels:
                entry.add(department, channel, entry.wording.problems_overdue(occasion, department))

    def _sweep_red(self, entry: _Entry) -> None:
        red = red_for(entry.connection, entry.now, self._patience.red)
        if not red:
            return
        in_ledger = notices.facts_told(entry.connection, sorted(red))
        for standing in red.values():
            fact = notices.fact_about_red(Kind.OFF_TRACK, standing.target, standing.episode, standing.period)
            for department in standing.departments:
                for channel in self._directory.department(department).channels:
                    # Most of them have been told; those are not looked up one by one.
                    if (channel.id, fact) not in in_ledger or standing.verdict is Verdict.DETERIORATING:
                        self._tell_red_to(entry, department, channel, standing)

    def _sweep_recovered(self, entry: _Entry) -> None:
        before = entry.now - self._patience.recovered
        found = entry.connection.execute(_RECOVERED_UNTOLD, {"before": before}).all()
        standings = read_standings(entry.connection, sorted({row.target for row in found}))
        for row in found:
            channel = self._directory.channel(row.channel)
            if channel is not None and row.target in standings:
                self._tell_recovered(entry, row.recipient, channel, standings[row.target])

    def _close_removed(self, entry: _Entry) -> None:
        for row in entry.connection.execute(_REMOVED_UNCLOSED, {}).all():
            channel = self._directory.channel(row.channel)
            if channel is None:
                continue
            for told in notices.about(entry.connection, row.channel, row.target):
                if told.state is State.WAITING:
                    _dropped(entry, told, REMOVED)
            entry.add(row.recipient, channel, _withdrawn(row.target, row.episode), State.DROPPED)


@dataclass(slots=True)
class _Entry:
    """One turn at the ledger."""

    connection: Connection
    wording: Wording
    now: datetime
    made: int = 0
    # Episodes that continue what a department has been told of.
    known: list[tuple[str, int]] = field(default_factory=list)

    def add(self, recipient: str, channel: Channel, draft: Draft, state: State = State.WAITING) -> None:
        number = notices.add(self.connection, recipient, channel, draft, now=self.now, state=state)
        if number is not None and state is State.WAITING:
            self.made += 1
            MADE.labels(draft.kind.value).inc()
            log.info("notice made", number=number, kind=draft.kind.value, channel=channel.id, target=draft.target)


def _dropped(entry: _Entry, told: Told, reason: str) -> bool:
    return told.attempts == 0 and notices.drop(entry.connection, told.number, entry.now, reason)


def _withdrawn(target: str, episode: int | None) -> Draft:
    return Draft(
        kind=Kind.WITHDRAWN,
        fact=f"{Kind.WITHDRAWN.value}:{target}:{episode}",
        level="info",
        title=REMOVED,
        target=target,
        episode=episode,
    )


# The last red that was told, or was about to be, of targets that are green or yellow by now and have been for long
# enough, and of which the channel has heard no end.
_OPEN_MATTERS = """
    SELECT DISTINCT ON (told.target, told.channel) told.target, told.channel, told.recipient, told.episode
    FROM notice AS told
    WHERE told.kind = 'off_track' AND told.state NOT IN ('dropped', 'given_up')
    AND NOT EXISTS (
        SELECT FROM notice AS closed
        WHERE closed.target = told.target AND closed.channel = told.channel AND closed.number > told.number
        AND closed.kind IN ('recovered', 'withdrawn')
    )
"""
_ORDER = "ORDER BY told.target, told.channel, told.number DESC"
_RECOVERED_UNTOLD = text(
    f"""
    {_OPEN_MATTERS}
    AND EXISTS (
        SELECT FROM assessment WHERE assessment.target = told.target AND assessment.light IN ('green', 'yellow')
    )
    AND NOT EXISTS (
        SELECT FROM episode
        WHERE episode.target = told.target AND (episode.ended_at IS NULL OR episode.ended_at > :before)
    )
    {_ORDER}
    """  # noqa: S608
)
_REMOVED_UNCLOSED = text(
    f"""
    {_OPEN_MATTERS}
    AND NOT EXISTS (SELECT FROM assessment WHERE assessment.target = told.target)
    {_ORDER}
    """
)
# Its fact becomes free: the same report may be missing again, and is to be told then.
_DROP_OVERDUE = text(
    """
    UPDATE notice SET state = 'dropped', settled_at = :now, reason = :reason, fact = fact || ':dropped:' || number
    WHERE kind = 'overdue' AND target = :target AND recipient = :department AND state = 'waiting' AND attempts = 0
    """
)
