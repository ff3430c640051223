"""Judges targets out of what is stored and writes what has changed, inside the caller's transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson
from sqlalchemy import Connection

from fourones_alerting.domain.assessment import Assessment, assess
from fourones_alerting.domain.causes import changed_by
from fourones_alerting.domain.contributions import Input
from fourones_alerting.domain.problem_terms import DEFAULT_TERMS, Terms
from fourones_alerting.domain.readings import Observation
from fourones_alerting.judging.announcing import announce, announce_removed
from fourones_alerting.judging.assessments import Row, Stored, digests, others, read_stored, remove, row_of, write
from fourones_alerting.judging.episodes import end_removed, follow
from fourones_alerting.judging.snapshots import Stamp, take
from fourones_alerting.problems.opening import follow_lights
from fourones_alerting.rollups.history import Rollups, StoredRollup, observations, read_rollups
from fourones_alerting.rollups.store import Subject
from fourones_shared.catalogue.model import TOTAL, Catalogue, CountAtOrAbove, Ratio, Target
from fourones_shared.domain.clock import Clock
from fourones_shared.domain.periods import shanghai_date
from fourones_shared.events.model import Cause


@dataclass(frozen=True, slots=True)
class Change:
    """A target that has another verdict than before; `before` is None for its first."""

    target: str
    subject: Subject
    before: str | None
    verdict: str
    changed_by: str


class Judge:
    """Judges under one catalogue version. Safe to use from several threads.

    Args:
        catalogue: that version, whole.
        version: its number.
        clock: tells the moment of judging.
        problem_terms: the due date of the problems that red lights open.
    """

    def __init__(self, catalogue: Catalogue, version: int, clock: Clock, problem_terms: Terms = DEFAULT_TERMS) -> None:
        self.catalogue = catalogue
        self.version = version
        self._clock = clock
        self._problem_terms = problem_terms
        self._names = {o.id: o.name for o in catalogue.organisations} | {c.id: c.name for c in catalogue.clusters}
        self._terms: dict[str, str] = {}
        self._by_subject: dict[Subject, list[Target]] = {}
        self._inputs: dict[str, list[Subject]] = {}
        for target in catalogue.targets:
            self._inputs[target.id] = list(_inputs_of(catalogue, target))
            for subject in (_subject_of(target), *self._inputs[target.id]):
                self._by_subject.setdefault(subject, []).append(target)

    def judge_about(
        self, connection: Connection, subjects: Iterable[Subject], traces: Mapping[Subject, str | None] | None = None
    ) -> list[Change]:
        """Judge the targets that these roll-ups are about; `traces` are those of the requests that moved them."""
        about = {target.id: target for subject in subjects for target in self._by_subject.get(subject, ())}
        return self.judge(connection, list(about.values()), traces) if about else []

    def concerned(self, subjects: Iterable[Subject]) -> list[Subject]:
        """Those of these roll-ups that a target is judged by."""
        return [subject for subject in subjects if subject in self._by_subject]

    def judge_everything(self, connection: Connection) -> list[Change]:
        """Judge every target of the catalogue and take away what the catalogue no longer has."""
        self.remove_others(connection)
        return self.judge(connection, self.catalogue.targets)

    def remove_others(self, connection: Connection) -> None:
        """Take away the assessments of targets that are not in the catalogue."""
        removed = others(connection, [target.id for target in self.catalogue.targets])
        if not removed:
            return
        now, targets = self._clock.now(), [row["target"] for row in removed]
        stamp = take(connection, self._clock.now(), self.version)
        remove(connection, targets, stamp.number, now)
        end_removed(connection, targets, now)
        announce_removed(connection, removed, stamp.version, self.version, now)
        follow_lights(connection, self.catalogue, now, self._problem_terms, targets=targets)

    def judge(
        self,
        connection: Connection,
        targets: Sequence[Target],
        traces: Mapping[Subject, str | None] | None = None,
    ) -> list[Change]:
        """Judge these targets, write and tell what is new; what has another verdict now is returned."""
        now = self._clock.now()
        stored = read_stored(connection, [target.id for target in targets])
        rollups = read_rollups(
            connection, {subject for target in targets for subject in (_subject_of(target), *self._inputs[target.id])}
        )
        rows = [row for target in targets if (row := self._row(target, rollups, stored.get(target.id), now))]
        if not rows:
            return []
        stamp = take(connection, self._clock.now(), self.version)
        found = self._traces_of(rows, traces or {})
        rows = [
            row | _stamped(row, stored.get(row["target"]), stamp) | {"traceparent": found.get(row["target"])}
            for row in rows
        ]
        write(connection, rows, now)
        follow(connection, rows, now)
        told = [(row, _verdict(stored, row["target"])) for row in rows if row["version"] == stamp.version]
        announce(connection, told, now, found)
        # Last: it may take the end of the problem list's history, for which every other transaction then waits.
        judged = [row["target"] for row in rows]
        follow_lights(connection, self.catalogue, now, self._problem_terms, targets=judged, traces=found)
        return [change for row in rows if (change := self._change(row, stored.get(row["target"])))]

    def _row(self, target: Target, rollups: Rollups, before: Stored | None, now: datetime) -> Row | None:
        subject = _subject_of(target)
        indicator, plan = self.catalogue.indicator[target.indicator], self.catalogue.plan[target.plan]
        today = shanghai_date(now)
        history = list(observations(self.catalogue, subject, rollups[subject], today))
        inputs = [
            Input(
                self.catalogue.indicator[one.indicator],
                one.cluster,
                tuple(observations(self.catalogue, one, rollups[one], today)),
                compares=isinstance(indicator.derived, Ratio),
            )
            for one in self._inputs[target.id]
        ]
        assessment = assess(target, plan, indicator, history, now, names=self._names, inputs=inputs)
        row = row_of(assessment) | {
            "plan": target.plan,
            "indicator": target.indicator,
            "org": target.org,
            "cluster": target.cluster,
            "tier": target.tier,
            "pillar": target.pillar,
            "period_type": indicator.reporting.frequency.name.lower(),
            "overdue": _overdue(history, rollups[subject], now),
            "accepted_at": _newest(assessment, rollups[subject]),
        }
        said, digest = digests(row)
        terms = self._terms_of(target)
        if before is not None and before.version and (before.digest, before.terms) == (digest, terms):
            return None
        says_the_same = before is not None and before.said == said
        cause = before.changed_by if before and says_the_same else self._cause(before, assessment, terms)
        return row | {
            "said": said,
            "digest": digest,
            "terms": terms,
            "changed_by": cause,
            "judged_at": before.judged_at if before and says_the_same else now,
            "catalogue_version": self.version,
        }

    def _cause(self, before: Stored | None, assessment: Assessment, terms: str) -> str:
        if before is None:
            cause = changed_by((), assessment.rests_on)
        else:
            cause = changed_by(before.rests_on, assessment.rests_on, catalogue_changed=before.terms != terms)
        if cause is Cause.TIME and (before is None or before.catalogue_version != self.version):
            # Neither figures nor terms moved: the target is new, or names or duties are, which a catalogue does.
            cause = Cause.CATALOGUE
        return cause.value

    def _traces_of(self, rows: Iterable[Row], traces: Mapping[Subject, str | None]) -> dict[str, str]:
        """By target, the trace that moved its own roll-up; else that of what its value is computed from."""
        found = {}
        for row in rows:
            target = row["target"]
            subjects = (_subject_of(self.catalogue.target[target]), *self._inputs[target])
            trace = next((trace for subject in subjects if (trace := traces.get(subject))), None)
            if trace is not None:
                found[target] = trace
        return found

    def _change(self, row: Row, before: Stored | None) -> Change | None:
        verdict_before = None if before is None else before.verdict
        if verdict_before == row["verdict"]:
            return None
        subject = _subject_of(self.catalogue.target[row["target"]])
        return Change(row["target"], subject, verdict_before, row["verdict"], row["changed_by"])

    def _terms_of(self, target: Target) -> str:
        if target.id not in self._terms:
            parts = (target, self.catalogue.plan[target.plan], self.catalogue.indicator[target.indicator])
            document = orjson.dumps([part.model_dump(mode="json") for part in parts], option=orjson.OPT_SORT_KEYS)
            self._terms[target.id] = hashlib.sha256(document).hexdigest()
        return self._terms[target.id]


def _subject_of(target: Target) -> Subject:
    return Subject(target.indicator, target.org, target.cluster, target.tier)


def _stamped(row: Row, before: Stored | None, stamp: Stamp) -> Row:
    """The snapshot that writes it, and the version of the event that tells it: what is told already stays told."""
    is_told = before is not None and before.version > 0 and before.said == row["said"]
    return {"snapshot": stamp.number, "version": before.version if before and is_told else stamp.version}


def _verdict(stored: Mapping[str, Stored], target: str) -> str | None:
    return stored[target].verdict if target in stored else None


def _inputs_of(catalogue: Catalogue, target: Target) -> Iterator[Subject]:
    """The roll-ups that a derived target's value is computed from, of its own scope or, counted, of each cluster."""
    indicator = catalogue.indicator[target.indicator]
    for name in indicator.inputs:
        if not isinstance(indicator.derived, CountAtOrAbove):
            yield Subject(name, target.org, target.cluster, target.tier)
            continue
        for cluster in catalogue.indicator[name].clusters:
            if target.tier in {TOTAL, catalogue.cluster[cluster].tier}:
                yield Subject(name, TOTAL, cluster, TOTAL)


def _overdue(history: Sequence[Observation], rollups: Mapping[str, StoredRollup], now: datetime) -> int:
    """The figures of the latest due period that have not come; 0 while nothing has been due."""
    for seen in reversed(history):
        if seen.due_at <= now and not seen.does_not_apply:
            rollup = rollups.get(seen.period.key)
            return seen.expected if rollup is None else rollup.overdue(now)
    return 0


def _newest(assessment: Assessment, rollups: Mapping[str, StoredRollup]) -> datetime | None:
    """When the newest of the figures that an assessment rests on was accepted."""
    own = [basis.period for basis in assessment.rests_on if basis.subject is None]
    used = [rollups[period].accepted_at for period in own if period in rollups]
    return max((moment.astimezone(UTC) for moment in used if moment is not None), default=None)
