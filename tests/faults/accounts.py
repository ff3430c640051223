"""What must be there after faults, by plain addition of what senders were told, without any of the services' code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import orjson
import psycopg
from faults.posting import SCALE, Acknowledged, Poster, revisions
from support.records import read_committed
from support.system import SystemClient
from support.waiting import eventually

from fourones_local.stack import Stack

_IDENTITIES = (
    "SELECT concat_ws('|', i.code, o.code, c.code, t.code, p.code), r.version FROM rollup r"
    " JOIN indicator i USING (indicator_id) JOIN organisation o USING (org_id) JOIN cluster c USING (cluster_id)"
    " JOIN tier t USING (tier_id) JOIN period p USING (period_id)"
)
_RECEIVED = "SELECT concat_ws('|', indicator, org, cluster, tier, period), version FROM rollup_latest"
_QUEUES = (
    ("submission", "outbox"),
    ("aggregation", "outbox"),
    ("aggregation", "rollup_pending"),
    ("alerting", "outbox"),
)
_SET_ASIDE = tuple((database, "dead_letter") for database in ("submission", "aggregation", "alerting"))
_READ_SO_FAR = "SELECT sum(next_offset) FROM consumer_position WHERE topic = 'figures-submitted'"
_TOTAL = "_T"
# A broker that was killed three times while it started has been away for half a minute.
_APPLIES_WITHIN_S = 180

Told = tuple[int, str, Decimal | None, bool]
"""A revision as its sender knows it: number, submission, value, whether it withdraws."""


class Accounts:
    """The acknowledged figures of some posters, by place: organisation, cluster and period."""

    def __init__(self, posters: Iterable[Poster]) -> None:
        self.revisions: dict[tuple[str, str, str], list[Told]] = {}
        for poster in posters:
            for sent in poster.acknowledged:
                self._enter(poster.org, sent)
        for told in self.revisions.values():
            told.sort()

    def _enter(self, org: str, sent: Acknowledged) -> None:
        for figure in sent.figures:
            value = None if figure.get("value") is None else Decimal(figure["value"])
            told = (sent.sequence, sent.submission, value, bool(figure.get("withdraw")))
            self.revisions.setdefault((org, figure["cluster"], figure["period"]), []).append(told)

    def current(self, period: str) -> dict[tuple[str, str], Decimal]:
        """The values that count in a period, by organisation and cluster: of each figure the newest, if it has one."""
        newest = {(org, cluster): told[-1][2] for (org, cluster, of), told in self.revisions.items() if of == period}
        return {place: value for place, value in newest.items() if value is not None}

    def check_figures(self, system: SystemClient) -> None:
        """Every acknowledged revision is there once, with its value, and none came from anywhere else."""
        for (org, cluster, period), told in self.revisions.items():
            known = [_told(item) for item in revisions(system, org, cluster, period)]
            assert known == told, (org, cluster, period)

    def check_totals(self, system: SystemClient, period: str) -> None:
        """Every roll-up of the clusters' scale in a period is the sum of its members, and counts them."""
        tiers, reporters = _tiers_and_reporters(system)
        current = self.current(period)
        items = system.pages("aggregation", "/v1/rollups", indicator=SCALE, period=period, limit="1000")
        scopes = [(item["org"], item["cluster"], item["tier"]) for item in items]
        assert Counter(scopes) == Counter(_scopes(tiers, reporters))
        for item, (org, cluster, tier) in zip(items, scopes, strict=True):
            members = [
                (o, c)
                for o in reporters
                for c in tiers
                if org in {_TOTAL, o} and cluster in {_TOTAL, c} and tier in {_TOTAL, tiers[c]}
            ]
            reported = [current[place] for place in members if place in current]
            value = None if item["value"] is None else Decimal(item["value"])
            assert value == (sum(reported) if reported else None), item
            assert item["coverage"]["reported"] == len(reported), item
            assert item["coverage"]["expected"] == len(members), item


def check_nothing_waits(stack: Stack) -> None:
    """The queues of all services run empty, and nothing was set aside on the way."""
    for database, table in _QUEUES:
        eventually(partial(_is_empty, stack, database, table), within_s=120)
    assert {place: count(stack, *place) for place in _SET_ASIDE} == dict.fromkeys(_SET_ASIDE, 0)


def check_published(stack: Stack) -> None:
    """The last record of every roll-up is its newest version; none is ever behind an older one; and it has arrived."""
    kept = _pairs(stack, "aggregation", _IDENTITIES)
    versions = published_versions(stack.kafka.bootstrap)
    assert {key: read[-1] for key, read in versions.items()} == kept
    assert all(read == sorted(read) for read in versions.values())
    eventually(lambda: _pairs(stack, "alerting", _RECEIVED) == kept, within_s=120)


def published_versions(bootstrap: str, prefix: str = "") -> dict[str, list[int]]:
    """The versions of each roll-up in the order in which a reader of committed records sees them."""
    versions: dict[str, list[int]] = {}
    for record in read_committed(bootstrap, prefix, "rollups-changed").records:
        versions.setdefault(record.key.decode(), []).append(int(orjson.loads(record.value)["version"]))
    return versions


def wait_until_more_is_applied(stack: Stack) -> None:
    """Return when aggregation has taken in another submission."""
    before = eventually(partial(_applied, stack), within_s=_APPLIES_WITHIN_S)
    eventually(lambda: (_applied(stack) or 0) > before, within_s=_APPLIES_WITHIN_S)


def count(stack: Stack, database: str, table: str) -> int:
    """The rows of a table."""
    with stack.postgres.connect(database) as connection:
        row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - one of the names above
    assert row is not None
    return int(row[0])


def _applied(stack: Stack) -> int | None:
    """How many records it has read; None while the database is away."""
    try:
        with stack.postgres.connect("aggregation") as connection:
            row = connection.execute(_READ_SO_FAR).fetchone()
    except psycopg.OperationalError:
        return None
    return int(row[0]) if row and row[0] else None


def _is_empty(stack: Stack, database: str, table: str) -> bool:
    return count(stack, database, table) == 0


def _pairs(stack: Stack, database: str, statement: str) -> dict[str, int]:
    with stack.postgres.connect(database) as connection:
        return dict(connection.execute(statement).fetchall())


def _told(item: Mapping[str, Any]) -> Told:
    value = None if item["value"] is None else Decimal(item["value"])
    return int(item["sequence"]), item["submission_id"], value, item["withdrawn"]


def _tiers_and_reporters(system: SystemClient) -> tuple[dict[str, str], list[str]]:
    """The tier of each cluster that has a scale; the counties and zones, each of which reports all of them."""
    catalogue = system.get("submission", "/v1/catalogue")
    [scale] = [indicator for indicator in catalogue["indicators"] if indicator["id"] == SCALE]
    tier_of = {cluster["id"]: cluster["tier"] for cluster in catalogue["clusters"]}
    reporters = [o["id"] for o in catalogue["organisations"] if o["kind"] in {"county", "zone"}]
    return {cluster: tier_of[cluster] for cluster in scale["clusters"]}, reporters


def _scopes(tiers: Mapping[str, str], reporters: Sequence[str]) -> list[tuple[str, str, str]]:
    return [
        *((org, cluster, _TOTAL) for org in reporters for cluster in tiers),
        *((org, _TOTAL, _TOTAL) for org in reporters),
        *((_TOTAL, cluster, _TOTAL) for cluster in tiers),
        *((_TOTAL, _TOTAL, tier) for tier in set(tiers.values())),
        (_TOTAL, _TOTAL, _TOTAL),
    ]
