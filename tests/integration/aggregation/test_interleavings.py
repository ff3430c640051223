"""Workers that truly run at the same time leave what a plain reckoning comes to; what does not, `verify` tells.

What any order of events comes to is `test_every_total`'s; here threads race for periods, roll-ups and the catalogue.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from integration.aggregation.keeping import TODAY, Aggregation, a_figure, a_submission, a_withdrawal
from support.catalogue import (
    CLUSTERS,
    COUNTIES_AND_ZONES,
    SCALE,
    a_catalogue,
    a_city_indicator,
    an_indicator,
)
from support.plainly import Books, Reckoning

from fourones_aggregation.verifying import verify
from fourones_shared.events.model import FiguresSubmitted, FigureSubmitted, Status

PERIODS = ("2026-01", "2026-02", "2026-03", "2026-04", "2026-05", "2026-06", "2026-12", "2019-01")


def some_figure(chance: random.Random) -> FigureSubmitted:
    what = chance.random()
    place = {"cluster": chance.choice(CLUSTERS), "period": chance.choice(PERIODS)}
    if what < 0.1:
        return a_withdrawal(**place)
    if what < 0.25:
        return a_figure(None, status=chance.choice([Status.MISSING, Status.NOT_APPLICABLE]), **place)
    value = str(Decimal(chance.randint(-(10**9), 10**9)).scaleb(-4))
    return a_figure(value, status=chance.choice([Status.NORMAL, Status.PROVISIONAL]), **place)


def share(chance: random.Random, orgs: Sequence[str]) -> list[list[FiguresSubmitted]]:
    def of(org: str) -> FiguresSubmitted:
        figures = {(f.cluster, f.period): f for f in (some_figure(chance) for _ in range(6))}
        return a_submission(*figures.values(), org=org)

    return [[of(org) for org in orgs] for _ in range(40)]


def test_workers_side_by_side_stay_exact(aggregation: Aggregation) -> None:
    """Each takes other organisations, as partitions have it; periods that both open and roll-ups that both move."""
    books = Books()
    chance = random.Random(42)  # noqa: S311 - not a secret
    shares = [share(chance, orgs) for orgs in (COUNTIES_AND_ZONES[:2], COUNTIES_AND_ZONES[2:])]
    for submission in (submission for batches in shares for batch in batches for submission in batch):
        books.note(submission)
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
    due = Reckoning(books, a_catalogue(), date(2026, 4, 15), TODAY).rows()
    kept = aggregation.rows(
        "SELECT i.code AS i, o.code AS o, c.code AS c, t.code AS t, p.code AS p, total, reported, expected, provisional"
        " FROM rollup JOIN indicator i USING (indicator_id) JOIN organisation o USING (org_id)"
        " JOIN cluster c USING (cluster_id) JOIN tier t USING (tier_id) JOIN period p USING (period_id) WHERE live"
    )
    assert {(row[0], tuple(row[1:4]), row[4]): tuple(row[5:]) for row in kept} == {
        question: (row.total, row.reported, row.expected, row.provisional) for question, row in due.items()
    }
    aggregation.verify()


def test_verify_tells_a_row_that_is_wrong(aggregation: Aggregation) -> None:
    aggregation.apply(a_submission(a_figure("5")))
    with aggregation.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE rollup SET total = total + 1 WHERE org_id = 0 AND tier_id <> 0 AND total = 5"
        )
        connection.exec_driver_sql("DELETE FROM duty WHERE ctid IN (SELECT ctid FROM duty LIMIT 1)")
    differences = [str(difference) for difference in verify(aggregation.engine)]
    # The duty, the total, and the newest of its versions.
    assert len(differences) == 3
    assert any(SCALE in difference and "2026-03" in difference for difference in differences)
