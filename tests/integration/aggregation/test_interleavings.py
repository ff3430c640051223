"""Every roll-up equals a plain addition of what was submitted, written here without the service's code.

Random submissions, repetitions, reorderings, withdrawals, catalogues back and forth, days that pass, and crashes; held
against the plain addition after every step.
"""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from integration.aggregation.keeping import Aggregation, a_figure, a_submission, a_withdrawal
from support.catalogue import (
    ADVANTAGE,
    CITY,
    CLUSTERS,
    COUNTIES_AND_ZONES,
    DIGITAL,
    EMERGING,
    ENERGY,
    FIRMS,
    MACHINERY,
    PEI,
    SCALE,
    ZONE,
    a_catalogue,
    a_city_indicator,
    a_target,
    an_indicator,
    an_organisation,
    default_organisations,
)

from fourones_aggregation.verifying import verify
from fourones_shared.catalogue.model import Catalogue
from fourones_shared.domain.clock import SHANGHAI
from fourones_shared.events.model import FiguresSubmitted, FigureSubmitted, Status

NEWCOMER = "320399"
PERIODS = ("2026-01", "2026-02", "2026-03", "2026-04", "2026-05", "2026-06", "2026-12", "2019-01")
TIER = {MACHINERY: ADVANTAGE, ENERGY: ADVANTAGE, DIGITAL: EMERGING}


def catalogues() -> list[Catalogue]:
    without_pei = [o for o in default_organisations() if o["id"] != PEI]
    return [
        a_catalogue(),
        a_catalogue(organisations=[*default_organisations(), an_organisation(NEWCOMER, valid_from="2026-03-01")]),
        a_catalogue(organisations=without_pei),
        a_catalogue(indicators=[an_indicator(over_clusters="none"), a_city_indicator()]),
        a_catalogue(indicators=[an_indicator(clusters=(MACHINERY, DIGITAL), reporting={"may_not_apply": [ZONE]})]),
        a_catalogue(indicators=[an_indicator(), a_city_indicator()], targets=[a_target(org=PEI, cluster=MACHINERY)]),
        a_catalogue(indicators=[a_city_indicator()], targets=[a_target(indicator=FIRMS, unit="家")]),
    ]


class Plainly:
    """What was submitted, and what it should come to under a catalogue on a day."""

    def __init__(self) -> None:
        self.newest: dict[tuple[str, str, str, str], tuple[int, FigureSubmitted]] = {}

    def note(self, submission: FiguresSubmitted) -> None:
        for f in submission.figures:
            key = f.indicator, submission.org, f.cluster, f.period
            if key not in self.newest or self.newest[key][0] < submission.sequence:
                self.newest[key] = submission.sequence, f

    def expected(self, catalogue: Catalogue, today: str) -> dict[tuple[str, ...], tuple[object, ...]]:
        """By (indicator, org, cluster, tier, period): total, reported, expected, provisional."""
        totals: dict[tuple[str, ...], list[Any]] = defaultdict(lambda: [Decimal(0), 0, 0, 0])
        members: dict[tuple[str, ...], int] = defaultdict(int)
        for indicator in catalogue.indicators:
            named = {(t.org, t.cluster, t.tier) for t in catalogue.targets if t.indicator == indicator.id}
            yearly = indicator.id == FIRMS
            orgs = [
                o for o in catalogue.organisations if (o.kind == "city" if yearly else o.kind in {"county", "zone"})
            ]
            clusters = indicator.clusters or ("_T",)
            for period in ("2025", "2026") if yearly else PERIODS:
                if not yearly and period < "2026":
                    continue
                places = [
                    (o.id, c)
                    for o in orgs
                    for c in clusters
                    if o.valid_from is None or o.valid_from.isoformat() <= period + "-31"
                ]
                early = any((indicator.id, o, c, period) in self.newest for o, c in places)
                if period > today[: len(period)] and not early:
                    continue
                for org, cluster in places:
                    tier = TIER.get(cluster, "_T")
                    scopes = {
                        (org, cluster, "_T"),
                        (org, "_T", "_T"),
                        ("_T", cluster, "_T"),
                        ("_T", "_T", tier),
                        ("_T", "_T", "_T"),
                    }
                    found = self.newest.get((indicator.id, org, cluster, period))
                    f = None if found is None or found[1].withdrawn else found[1]
                    off = f is not None and f.status is Status.NOT_APPLICABLE
                    for scope in scopes:
                        key = indicator.id, *scope, period
                        members[key] += 1
                        totals[key][2] += 0 if off and org in indicator.reporting.may_not_apply else 1
                        if f is not None and f.value is not None:
                            totals[key][0] += f.value
                            totals[key][1] += 1
                            totals[key][3] += f.status is Status.PROVISIONAL
            for identity in [k for k in totals if k[0] == indicator.id]:
                org, cluster, tier = identity[1:4]
                in_scope = [c for c in clusters if cluster in {"_T", c} and (tier == "_T" or TIER.get(c) == tier)]
                refused = len(in_scope) > 1 and indicator.over_clusters == "none"
                single = members[identity] == 1 and (org, cluster, tier) not in named
                if refused or single:
                    del totals[identity]
        return {key: tuple(value) for key, value in totals.items()}


def kept(aggregation: Aggregation) -> dict[tuple[str, ...], tuple[object, ...]]:
    rows = aggregation.rows(
        "SELECT i.code AS i, o.code AS o, c.code AS c, t.code AS t, p.code AS p, total, reported, expected, provisional"
        " FROM rollup JOIN indicator i USING (indicator_id) JOIN organisation o USING (org_id)"
        " JOIN cluster c USING (cluster_id) JOIN tier t USING (tier_id) JOIN period p USING (period_id) WHERE live"
    )
    return {tuple(row[:5]): tuple(row[5:]) for row in rows}


def some_figure(chance: random.Random) -> FigureSubmitted:
    what = chance.random()
    place = {"cluster": chance.choice(CLUSTERS), "period": chance.choice(PERIODS)}
    if what < 0.1:
        return a_withdrawal(**place)
    if what < 0.25:
        return a_figure(None, status=chance.choice([Status.MISSING, Status.NOT_APPLICABLE]), **place)
    value = str(Decimal(chance.randint(-(10**9), 10**9)).scaleb(-4))
    return a_figure(value, status=chance.choice([Status.NORMAL, Status.PROVISIONAL]), **place)


def some_submission(chance: random.Random) -> FiguresSubmitted:
    if chance.random() < 0.1:
        firms = a_figure(
            str(chance.randint(0, 99)), indicator=FIRMS, cluster="_T", period=chance.choice(["2025", "2026"])
        )
        return a_submission(firms, org=CITY)
    figures = {(f.cluster, f.period): f for f in (some_figure(chance) for _ in range(chance.randint(1, 8)))}
    return a_submission(*figures.values(), org=chance.choice([*COUNTIES_AND_ZONES, NEWCOMER]))


@pytest.mark.parametrize("seed", range(6))
def test_every_roll_up_equals_a_plain_addition(empty: Aggregation, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - not a secret
    choices = catalogues()
    in_force = choices[0]
    empty.put(in_force)
    plainly = Plainly()
    waiting: list[FiguresSubmitted] = []
    applied: list[FiguresSubmitted] = []
    versions: dict[tuple[str, ...], int] = {}
    for _ in range(40):
        step = chance.random()
        if step < 0.12:
            in_force = chance.choice(choices)
            empty.put(in_force)
        elif step < 0.2:
            empty.clock.advance(timedelta(days=chance.randint(0, 20)))
            empty.ticker.tick()
        else:
            waiting += [some_submission(chance) for _ in range(chance.randint(1, 6))]
            waiting += chance.sample(applied, min(len(applied), 2))
            chance.shuffle(waiting)
            cut = chance.randint(1, len(waiting))
            batch, waiting = waiting[:cut], waiting[cut:]
            if chance.random() < 0.2:
                empty.crash_on(*batch)
            empty.apply(*batch)
            applied += batch
            for submission in batch:
                plainly.note(submission)
        today = empty.clock.now().astimezone(SHANGHAI).date().isoformat()
        assert kept(empty) == plainly.expected(in_force, today)
        if chance.random() < 0.3:
            for key, event in empty.publish_all().items():
                assert event.version > versions.get((key,), 0)
                versions[key,] = event.version
    empty.verify()
    revisions = empty.rows("SELECT count(*) FROM figure")[0].count
    revisions += empty.rows("SELECT count(*) FROM figure_revision")[0].count
    distinct = {(s.sequence, f.indicator, f.cluster, f.period) for s in applied for f in s.figures}
    assert revisions == len(distinct)


def share(chance: random.Random, orgs: Sequence[str]) -> list[list[FiguresSubmitted]]:
    def of(org: str) -> FiguresSubmitted:
        figures = {(f.cluster, f.period): f for f in (some_figure(chance) for _ in range(6))}
        return a_submission(*figures.values(), org=org)

    return [[of(org) for org in orgs] for _ in range(40)]


def test_workers_side_by_side_stay_exact(aggregation: Aggregation) -> None:
    """Each takes other organisations, as partitions have it; periods that both open and roll-ups that both move."""
    plainly = Plainly()
    chance = random.Random(42)  # noqa: S311 - not a secret
    shares = [share(chance, orgs) for orgs in (COUNTIES_AND_ZONES[:2], COUNTIES_AND_ZONES[2:])]
    for submission in (submission for batches in shares for batch in batches for submission in batch):
        plainly.note(submission)
    workers = [Aggregation(aggregation.url) for _ in shares]
    failures: list[BaseException] = []

    def work(worker: Aggregation, batches: list[list[FiguresSubmitted]]) -> None:
        try:
            for batch in batches:
                # The consumer loop would repeat after a deadlock; the order of locks should leave none.
                worker.apply(*batch)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=pair) for pair in zip(workers, shares, strict=True)]
    for thread in threads:
        thread.start()
    for number in range(2, 6):
        aggregation.put(a_catalogue(indicators=[an_indicator(note=str(number)), a_city_indicator()]))
    for thread in threads:
        thread.join(60)
    for worker in workers:
        worker.engine.dispose()
    assert failures == []
    assert kept(aggregation) == plainly.expected(a_catalogue(), "2026-04-15")
    aggregation.verify()


def test_verify_tells_a_row_that_is_wrong(aggregation: Aggregation) -> None:
    aggregation.apply(a_submission(a_figure("5")))
    with aggregation.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE rollup SET total = total + 1 WHERE org_id = 0 AND tier_id <> 0 AND total = 5"
        )
        connection.exec_driver_sql("DELETE FROM duty WHERE ctid IN (SELECT ctid FROM duty LIMIT 1)")
    differences = [str(difference) for difference in verify(aggregation.engine)]
    assert len(differences) == 2
    assert any(SCALE in difference and "2026-03" in difference for difference in differences)
