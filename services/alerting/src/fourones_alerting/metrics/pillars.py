"""The pillars' scores as Prometheus series: computed from the stored roll-ups, anew when these or the day change.

Nothing is stored of them, for everything they follow from is: so every replica exposes the whole set, at its start too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

import structlog
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from fourones_alerting.metrics.series import head, label_values
from fourones_shared.catalogue.model import Catalogue, Target
from fourones_shared.database.engine import is_transient, one_state
from fourones_shared.domain.clock import Clock
from fourones_shared.domain.periods import Frequency, Period, shanghai_date
from fourones_shared.domain.pillars import Known, PillarTargets, Terms, latest_due, needed, score
from fourones_shared.errors import Rejected

log = structlog.get_logger(__name__)

NAME = "fourones_pillar_score_ratio"
DESCRIPTION = (
    "Weighted mean of the attainment of the pillar's targets, in the latest ended period of that form in which "
    "something of them was due."
)
# What boards show the four ones by; a week is too short for what is due by month and quarter.
FORMS = (Frequency.MONTH, Frequency.QUARTER, Frequency.YEAR)
# Scores are for boards; a look that finds nothing new counts the versions of some thousand roll-ups.
LOOK_EVERY_S = 1.0


class PillarShown(NamedTuple):
    """A score as it is exposed."""

    cluster: str
    pillar: str
    period_type: str
    score: float


class Key(NamedTuple):
    """A roll-up's identity."""

    indicator: str
    org: str
    cluster: str
    tier: str
    period: str


@dataclass(frozen=True, slots=True)
class _State:
    """What the scores follow from; equal states have equal scores."""

    catalogue: int
    day: date
    versions: Decimal
    judged: frozenset[str]


class PillarWindow:
    """What `/metrics` shows of the four ones.

    A pillar appears when all of its targets have been judged: before that this service has not read what is known,
    and whatever has not arrived would count as overdue. While the database is away it shows what it has seen last.

    Args:
        in_force: version and catalogue in force here; None before the first.
    """

    def __init__(self, engine: Engine, clock: Clock, in_force: Callable[[], tuple[int, Catalogue] | None]) -> None:
        self._engine = engine
        self._clock = clock
        self._in_force = in_force
        self._targets: tuple[int, PillarTargets] | None = None
        self._state: _State | None = None
        self._document = exposition(())

    def text(self) -> bytes:
        """The series."""
        return self._document

    def look(self) -> None:
        """Score anew if anything has changed.

        Raises:
            DBAPIError: when the database is away.
        """
        known = self._in_force()
        if known is None:
            return
        version, catalogue = known
        if self._targets is None or self._targets[0] != version:
            self._targets = (version, PillarTargets(catalogue))
        now, targets = self._clock.now(), self._targets[1]
        # One snapshot, or a roll-up that arrives between the statements would be taken for seen.
        with one_state(self._engine) as connection:
            state = _state(connection, version, targets, shanghai_date(now))
            if state == self._state:
                return
            judged = {
                cell: terms
                for cell, terms in targets.everything().items()
                if all(t.target.id in state.judged for t in terms)
            }
            self._document = exposition(_scores(connection, judged, now))
        self._state = state

    def follow(self, stop: threading.Event) -> None:
        """Look until `stop` is set, through outages of the database."""
        while not stop.is_set():
            try:
                self.look()
            except DBAPIError as error:
                if not is_transient(error):
                    raise
                log.warning("four ones show what was last seen", error=str(error).splitlines()[0])
            stop.wait(LOOK_EVERY_S)


def exposition(scores: Iterable[PillarShown]) -> bytes:
    """The series in Prometheus' text format; a pillar that is not among them has none."""
    lines = [*head(NAME, DESCRIPTION)]
    for shown in scores:
        labels = label_values(cluster=shown.cluster, pillar=shown.pillar, period_type=shown.period_type)
        lines.append(f"{NAME}{{{labels}}} {shown.score!r}")
    return ("\n".join(lines) + "\n").encode()


def _state(connection: Connection, version: int, targets: PillarTargets, day: date) -> _State:
    terms = [t.target for several in targets.everything().values() for t in several]
    indicators, ids = sorted({target.indicator for target in terms}), [target.id for target in terms]
    versions: Decimal = connection.execute(_VERSIONS, {"indicators": indicators}).scalar_one()
    judged = connection.execute(_JUDGED, {"targets": ids}).scalars()
    return _State(version, day, versions, frozenset(judged))


def _scores(
    connection: Connection, pillars: Mapping[tuple[str, str], Sequence[Terms]], now: datetime
) -> Iterator[PillarShown]:
    periods: dict[tuple[str, str, Frequency], Period] = {}
    keys: set[Key] = set()
    for (cluster, pillar), terms in pillars.items():
        try:
            latest = {form: period for form in FORMS if (period := latest_due(terms, form, now)) is not None}
            keys |= {_key(t.target, part) for t in terms for p in latest.values() for part in needed(t, p, now)}
        except Rejected as fault:
            # The catalogue's checks let no such target through; should one come, the other pillars are shown.
            log.warning("pillar cannot be scored", cluster=cluster, pillar=pillar, fault=str(fault))
            continue
        periods |= {(cluster, pillar, form): period for form, period in latest.items()}
    found = _read(connection, sorted(keys))

    def known(target: Target, part: Period) -> Known | None:
        return found.get(_key(target, part))

    for (cluster, pillar, form), period in periods.items():
        result = score(pillars[cluster, pillar], period, now, known)
        if result.score is not None:
            yield PillarShown(cluster, pillar, form.name.lower(), float(result.score))


def _read(connection: Connection, keys: Sequence[Key]) -> dict[Key, Known]:
    columns = list(zip(*keys, strict=True)) or [()] * len(Key._fields)
    rows = connection.execute(_ROLLUPS, {name: list(c) for name, c in zip(Key._fields, columns, strict=True)})
    return {Key(*row[:5]): Known(row.value, row.reported, row.expected) for row in rows}


def _key(target: Target, part: Period) -> Key:
    return Key(target.indicator, target.org, target.cluster, target.tier, part.key)


# Versions only rise and rows are never deleted, so the sum rises with everything that arrives.
_VERSIONS = text("SELECT coalesce(sum(version + 1), 0) FROM rollup_latest WHERE indicator = ANY(:indicators)")
_JUDGED = text("SELECT target FROM assessment WHERE target = ANY(:targets)")
_ROLLUPS = text(
    """
    SELECT indicator, org, cluster, tier, period, v.value, CAST(v.coverage ->> 'reported' AS int) AS reported,
        CAST(v.coverage ->> 'expected' AS int) AS expected
    FROM unnest(CAST(:indicator AS text[]), CAST(:org AS text[]), CAST(:cluster AS text[]), CAST(:tier AS text[]),
        CAST(:period AS text[])) AS wanted(indicator, org, cluster, tier, period)
    JOIN rollup_latest USING (indicator, org, cluster, tier, period)
    JOIN rollup_version v USING (indicator, org, cluster, tier, period, version)
    """
)
