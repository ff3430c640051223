"""`fourones-alerting backtest`: a target over the roll-ups stored of it, as they were known then or are known now."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from difflib import get_close_matches

from sqlalchemy import Connection

from fourones_alerting.domain.backtest import HistoryAt, Scene, red_spells, replay
from fourones_alerting.domain.readings import Observation
from fourones_alerting.domain.verdicts import Verdict
from fourones_alerting.rollups.history import KeptVersion, StoredRollup, observations, read_versions
from fourones_alerting.rollups.store import Subject
from fourones_shared.catalogue.duties import due_at, expected_periods
from fourones_shared.catalogue.model import Catalogue, Method, Target
from fourones_shared.domain.clock import SHANGHAI
from fourones_shared.domain.numbers import format_decimal
from fourones_shared.domain.periods import end_of_day, shanghai_date
from fourones_shared.domain.ways import due_day
from fourones_shared.errors import Rejected

_WIDTH = 16


class NothingToReplay(Rejected):
    """What was asked for is no target, or no stretch of time."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What to replay.

    Attributes:
        target: its id.
        first, last: days, both whole; by default from the plan's start to today.
        judged_on: only the end of this day instead, with today's knowledge and without periods that end later.
        known_now: judge with what is known today, each period known from its due date on; else with what was known.
    """

    target: str
    first: date | None = None
    last: date | None = None
    judged_on: date | None = None
    known_now: bool = False


def told(connection: Connection, catalogue: Catalogue, asked: Asked, now: datetime, *, table: bool) -> Iterator[str]:
    """What a command prints: the table, an empty line, and a JSON object a line for each method.

    Raises:
        NothingToReplay: when the catalogue has no such target, or the days are in no order.
    """
    target = catalogue.target.get(asked.target)
    if target is None:
        near = get_close_matches(asked.target, catalogue.target, n=3)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        raise NothingToReplay(f"the catalogue in force has no target {asked.target}{hint}")
    scenes = backtest(connection, catalogue, asked, now)
    if table:
        yield from as_table(scenes)
        yield ""
    yield from as_lines(target, scenes)


def backtest(connection: Connection, catalogue: Catalogue, asked: Asked, now: datetime) -> list[Scene]:
    """Replay a target.

    Known then: at every moment at which a version of its roll-ups was recorded or a due date passed, with the newest
    versions recorded by then. Known now: at every due date, with today's versions of the periods due by then.

    Raises:
        NothingToReplay: when the days are in no order.
    """
    target = catalogue.target[asked.target]
    indicator, plan = catalogue.indicator[target.indicator], catalogue.plan[target.plan]
    subject = Subject(target.indicator, target.org, target.cluster, target.tier)
    versions = read_versions(connection, subject)
    newest = {kept.period: kept.rollup for kept in sorted(versions, key=lambda kept: kept.rollup.version)}
    if asked.judged_on is not None:
        known = _known_by_end(catalogue, subject, newest, asked.judged_on)
        return replay(target, plan, indicator, [end_of_day(asked.judged_on)], known)
    first, last = asked.first or plan.start, asked.last or shanghai_date(now)
    if last < first:
        raise NothingToReplay(f"{last} is before {first}: give --from and --to in order")
    begins, ends = end_of_day(first - timedelta(days=1)), min(end_of_day(last), now)
    periods = list(expected_periods(indicator, last))
    dues = [due_at(indicator, period) for period in periods] + [rollup.due_at for rollup in newest.values()]
    # The last day of a target turns what is unmet into a miss; of a cadence every stretch has one.
    dues += [end_of_day(due_day(target, period)) for period in periods]
    history_at: HistoryAt = (
        _known_now(catalogue, subject, newest) if asked.known_now else _KnownThen(catalogue, subject, versions)
    )
    moments = dues if asked.known_now else dues + [kept.recorded_at for kept in versions]
    return replay(target, plan, indicator, [begins, *(m for m in moments if begins < m <= ends)], history_at)


def as_table(scenes: Sequence[Scene]) -> Iterator[str]:
    """What each method said since when, for people: a line for every change."""
    methods = list(Method)
    yield "  ".join([f"{'since':<{_WIDTH}}", f"{'period':<{_WIDTH}}", f"{'value':>12}", f"{'due':>12}", *methods])
    for scene in scenes:
        headline = scene.by_method[Method.PLAN_CURVE]
        numbers = (headline.value, headline.due_value)
        shown = ["-" if number is None else format_decimal(number) for number in numbers]
        cells = [_marked(scene.by_method[method].verdict).ljust(len(method)) for method in methods]
        line = [f"{_local(scene.at):<{_WIDTH}}", f"{headline.period:<{_WIDTH}}", *(f"{s:>12}" for s in shown), *cells]
        yield "  ".join(line).rstrip()


def as_lines(target: Target, scenes: Sequence[Scene]) -> Iterator[str]:
    """When each method would have turned red, one JSON object a method."""
    for method in Method:
        spells = red_spells(scenes, method)
        yield json.dumps(
            {
                "target": target.id,
                "method": method.value,
                "is_headline": method is target.method,
                "first_red": spells[0].since.isoformat() if spells else None,
                "red": [
                    {
                        "since": spell.since.isoformat(),
                        "until": None if spell.until is None else spell.until.isoformat(),
                        "period": spell.period,
                    }
                    for spell in spells
                ],
                "ends_as": scenes[-1].by_method[method].verdict.value if scenes else None,
            },
            ensure_ascii=False,
        )


def _known_by_end(catalogue: Catalogue, subject: Subject, newest: Mapping[str, StoredRollup], day: date) -> HistoryAt:
    def at(_: datetime) -> Sequence[Observation]:
        return [seen for seen in observations(catalogue, subject, newest, day) if seen.period.end <= day]

    return at


def _known_now(catalogue: Catalogue, subject: Subject, newest: Mapping[str, StoredRollup]) -> HistoryAt:
    def at(moment: datetime) -> Sequence[Observation]:
        day = shanghai_date(moment)
        return [seen for seen in observations(catalogue, subject, newest, day) if seen.due_at <= moment]

    return at


class _KnownThen:
    """Plays the versions forward; moments are asked for in order."""

    def __init__(self, catalogue: Catalogue, subject: Subject, versions: Sequence[KeptVersion]) -> None:
        self._catalogue = catalogue
        self._subject = subject
        self._coming = iter(versions)
        self._next = next(self._coming, None)
        self._known: dict[str, StoredRollup] = {}

    def __call__(self, moment: datetime) -> Sequence[Observation]:
        while self._next is not None and self._next.recorded_at <= moment:
            before = self._known.get(self._next.period)
            if before is None or before.version < self._next.rollup.version:
                self._known[self._next.period] = self._next.rollup
            self._next = next(self._coming, None)
        return list(observations(self._catalogue, self._subject, self._known, shanghai_date(moment)))


def _marked(verdict: Verdict) -> str:
    return f"{verdict.value}!" if verdict.is_red else verdict.value


def _local(moment: datetime) -> str:
    return f"{moment.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"
