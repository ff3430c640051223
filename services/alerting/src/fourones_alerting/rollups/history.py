"""Reads what a target is judged from: one observation for every period that is expected, the silent ones too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, text

from fourones_alerting.domain.contributions import parts_of
from fourones_alerting.domain.readings import Observation
from fourones_alerting.rollups.store import Subject
from fourones_shared.catalogue.duties import due_at, expected_periods, subjects
from fourones_shared.catalogue.model import TOTAL, Catalogue
from fourones_shared.catalogue.zones import stands_apart
from fourones_shared.domain.periods import Period
from fourones_shared.events.model import State, Status


@dataclass(frozen=True, slots=True)
class StoredRollup:
    """The newest version of a roll-up, as far as judging and showing need it."""

    version: int
    value: Decimal | None
    carried_value: Decimal | None
    status: Status
    reported: int
    expected: int
    missing: tuple[str, ...]
    members: Sequence[Mapping[str, Any]]
    members_total: int
    due_at: datetime
    accepted_at: datetime | None

    def parts(self, by: str | None) -> dict[str, Decimal | None]:
        """Each part's own value: its members' by `org` or `cluster`, None where one has none; empty when not all known.

        A member that need not report is no part. Parts that do not make up the whole (a zone that counts through its
        district) are none either.
        """
        if by is None or self.members_total > len(self.members):
            return {}
        found: dict[str, Decimal | None] = {}
        for member in self.members:
            if member["state"] == State.NOT_APPLICABLE:
                continue
            code, value = member[by], member.get("value")
            before = found.get(code, Decimal(0))
            found[code] = None if value is None or before is None else before + Decimal(value)
        known = sum((Decimal(m["value"]) for m in self.members if m.get("value") is not None), Decimal(0))
        return found if known == (self.value or 0) else {}

    def overdue(self, now: datetime) -> int:
        """How many of its figures are due by now and have not come.

        A figure that was declared missing is not overdue; where the event does not name every member, what is
        missing is counted whole.
        """
        if self.due_at > now:
            return 0
        if self.members_total > len(self.members):
            return self.expected - self.reported
        return sum(1 for m in self.members if m["state"] in {State.OVERDUE, State.NOT_YET_DUE})


Rollups = Mapping[Subject, Mapping[str, StoredRollup]]


def read_rollups(connection: Connection, about: Iterable[Subject]) -> Rollups:
    """The newest roll-ups of these subjects by period key, in one statement."""
    wanted = sorted(set(about))
    found: dict[Subject, dict[str, StoredRollup]] = {subject: {} for subject in wanted}
    parameters = {
        "indicators": [s.indicator for s in wanted],
        "orgs": [s.org for s in wanted],
        "clusters": [s.cluster for s in wanted],
        "tiers": [s.tier for s in wanted],
    }
    for row in connection.execute(_READ, parameters):
        found[Subject(row.indicator, row.org, row.cluster, row.tier)][row.period] = _stored(row)
    return found


@dataclass(frozen=True, slots=True)
class KeptVersion:
    """One version of a roll-up of some subject, and since when it was known."""

    period: str
    recorded_at: datetime
    rollup: StoredRollup


def read_versions(connection: Connection, subject: Subject) -> list[KeptVersion]:
    """All versions of a subject's roll-ups in the order in which they were recorded."""
    parameters = {
        "indicator": subject.indicator,
        "org": subject.org,
        "cluster": subject.cluster,
        "tier": subject.tier,
    }
    rows = connection.execute(_READ_VERSIONS, parameters)
    return [KeptVersion(row.period, row.recorded_at, _stored(row)) for row in rows]


def _stored(row: Row[Any]) -> StoredRollup:
    return StoredRollup(
        version=row.version,
        value=row.value,
        carried_value=row.carried_value,
        status=Status(row.status),
        reported=row.coverage["reported"],
        expected=row.coverage["expected"],
        missing=tuple(row.coverage.get("missing", ())),
        members=row.members,
        members_total=row.members_total,
        due_at=row.due_at,
        accepted_at=row.accepted_at,
    )


def observations(
    catalogue: Catalogue, subject: Subject, rollups: Mapping[str, StoredRollup], until: date
) -> Iterator[Observation]:
    """What is known for every period of the subject's indicator that has opened by `until`, oldest first."""
    indicator = catalogue.indicator[subject.indicator]
    by = parts_of(subject.org, subject.cluster, indicator)
    for period in expected_periods(indicator, until):
        rollup = rollups.get(period.key)
        if rollup is None:
            yield _silent(catalogue, subject, period)
            continue
        yield Observation(
            period=period,
            value=rollup.value,
            complete=rollup.value is not None and rollup.reported >= rollup.expected,
            reported=rollup.reported,
            expected=rollup.expected,
            carried_value=rollup.carried_value,
            status=rollup.status,
            due_at=rollup.due_at,
            version=rollup.version,
            notes=tuple(dict.fromkeys(m["note"] for m in rollup.members if m.get("note"))),
            missing=rollup.missing,
            parts=rollup.parts(by),
        )


def _silent(catalogue: Catalogue, subject: Subject, period: Period) -> Observation:
    # Aggregation publishes silent periods too; until that has arrived, the catalogue tells who owes a figure.
    indicator = catalogue.indicator[subject.indicator]
    bodies = subjects(catalogue, indicator, period)
    present = {o.id for o in bodies}
    # A zone inside its districts is not expected over organisations: they are.
    together = [o.id for o in bodies if not stands_apart(indicator, o, present)]
    orgs = together if subject.org == TOTAL else [subject.org] if subject.org in present else []
    clusters = [c for c in indicator.clusters or (TOTAL,) if _holds(catalogue, subject, c)]
    missing = clusters if subject.org != TOTAL and indicator.clusters else orgs
    expected = len(orgs) * len(clusters)
    if indicator.is_computed:
        # Nobody reports it: what is missing is the one value, until aggregation tells of whom it is made.
        missing, expected = [], 1
    return Observation(
        period=period,
        value=None,
        complete=False,
        reported=0,
        expected=expected,
        carried_value=None,
        status=Status.NORMAL,
        due_at=due_at(indicator, period),
        version=0,
        missing=tuple(missing) if orgs and clusters else (),
    )


def _holds(catalogue: Catalogue, subject: Subject, cluster: str) -> bool:
    if cluster == TOTAL:
        return subject.cluster == TOTAL
    tier = catalogue.cluster[cluster].tier
    return subject.cluster in {TOTAL, cluster} and subject.tier in {TOTAL, tier}


_READ = text(
    """
    SELECT indicator, org, cluster, tier, period, version, v.value, v.carried_value, v.status, v.coverage, v.members,
        v.members_total, v.due_at, v.accepted_at
    FROM unnest(CAST(:indicators AS text[]), CAST(:orgs AS text[]), CAST(:clusters AS text[]), CAST(:tiers AS text[]))
        AS wanted(indicator, org, cluster, tier)
    JOIN rollup_latest USING (indicator, org, cluster, tier)
    JOIN rollup_version v USING (indicator, org, cluster, tier, period, version)
    """
)
_READ_VERSIONS = text(
    """
    SELECT period, version, value, carried_value, status, coverage, members, members_total, due_at, accepted_at,
        recorded_at
    FROM rollup_version WHERE indicator = :indicator AND org = :org AND cluster = :cluster AND tier = :tier
    ORDER BY recorded_at, version
    """
)
