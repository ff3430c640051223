"""Publication of roll-ups: several versions of one that wait together become one event, the newest.

A row of `rollup_pending` goes only when the version that was published is still the one that waits. One statement
reads rows, members and the catalogue version, so an event never mixes two states of the database; one relay at a time
publishes, and what it reads later is never older.

What a target names goes first and at once. The rest waits a few seconds, in which a month-end night's many versions of
a roll-up become one: nobody is judged by them, and an event with its members costs more than the figures in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from fourones_aggregation.arrays import numbers
from fourones_aggregation.catalogues import CatalogueVersions
from fourones_aggregation.domain.answers import Earlier, carried, shown, state_of, with_carried
from fourones_aggregation.domain.facts import Fact
from fourones_aggregation.domain.scopes import Rule
from fourones_aggregation.members import MISSING, MISSING_AT_MOST, member_join, member_name
from fourones_aggregation.receipts import SOURCE
from fourones_aggregation.temporal import LIVE
from fourones_shared.domain.clock import Clock
from fourones_shared.domain.periods import Period
from fourones_shared.events.envelope import wrap
from fourones_shared.events.model import Cause, Coverage, Member, RollupChanged, Status
from fourones_shared.kafka.outbox import Backlog, OutboxMessage

# As many members as DESIGN section 2 puts into an event; the missing come first.
MEMBERS_AT_MOST = 50
# Long enough that the figures of many counties meet in one event, short for whoever looks at a topic.
SETTLES_AFTER_S = 5.0
# A roll-up over all places reads a hundred members: this many keep one publication well under a second.
ROLLUPS_AT_MOST = 500


class RollupStore:
    """The pending roll-ups, for their relay.

    Args:
        versions: shapes of catalogue versions.
        clock: the time by which members are due.
        settles_after_s: how long a roll-up waits that no target names.
    """

    def __init__(self, *, versions: CatalogueVersions, clock: Clock, settles_after_s: float = SETTLES_AFTER_S) -> None:
        self._versions = versions
        self._clock = clock
        self._settles_after_s = settles_after_s

    def take(self, connection: Connection, limit: int) -> Sequence[OutboxMessage]:
        """What targets name, then what has settled, longest waiting first; each as an event of its newest version."""
        # Asked many times a second while nothing waits; the whole statement is dear to plan.
        settled = {"settles_after": self._settles_after_s}
        if not connection.execute(_WAITS, settled).scalar_one():
            return []
        bounds = {"limit": min(limit, ROLLUPS_AT_MOST), "most": MEMBERS_AT_MOST}
        rows = connection.execute(_TAKE, settled | bounds).all()
        now = self._clock.now()
        return [_message(row, self._put_in(connection, row), now) for row in rows]

    def sent(self, connection: Connection, messages: Sequence[OutboxMessage]) -> None:
        """Forget those that have no newer version by now."""
        connection.execute(
            _SENT,
            {
                "ids": numbers(message.outbox_id for message in messages),
                "versions": numbers(int(message.reference or 0) for message in messages),
            },
        )

    def set_aside(self, connection: Connection, message: OutboxMessage, reason: str) -> None:
        """Keep it apart until it has a newer version."""
        connection.execute(_SET_ASIDE, {"id": message.outbox_id, "reason": reason})

    def _put_in(self, connection: Connection, row: Any) -> list[Decimal]:
        """The missing members' last values carried to the roll-up's period."""
        indicator = self._versions.at(connection, row.in_force).catalogue.indicator.get(row.indicator)
        if indicator is None:
            return []
        values = []
        for known in row.earlier or ():
            history = [Earlier(Period.parse(period), Decimal(value)) for period, value in known]
            value = carried(indicator, Period.parse(row.period), history)
            if value is not None:
                values.append(value)
        return values


def measure(connection: Connection) -> Backlog:
    """What waits for Kafka in both queues of this service."""
    row = connection.execute(_BACKLOG).one()
    return Backlog(row.rows, float(row.oldest_s), row.set_aside)


def _message(row: Any, put_in: Sequence[Decimal], now: datetime) -> OutboxMessage:
    rule = Rule(row.rule)
    fact = shown(row)
    event = RollupChanged(
        indicator=row.indicator,
        org=row.org,
        cluster=row.cluster,
        tier=row.tier,
        period=row.period,
        version=row.version,
        value=fact.value,
        unit=row.unit,
        status=fact.status or Status.NORMAL,
        coverage=Coverage(reported=fact.reported, expected=fact.expected, missing=_missing(fact, row.missing or ())),
        carried_value=None if rule.is_computed else with_carried(rule, row.total, row.reported, put_in),
        due_at=row.due_at,
        members=tuple(_member(member, row.due_at, now) for member in row.members or ()),
        members_total=row.members_total or 0,
        cause=Cause(row.cause),
        catalogue_version=row.catalogue_version,
        snapshot=row.snapshot,
        recorded_at=row.recorded_at,
        accepted_at=row.accepted_at,
    )
    wire = wrap(
        event,
        event_id=f"{row.rollup_id}-{row.version}",
        source=SOURCE,
        time=row.recorded_at,
        traceparent=row.traceparent,
    )
    return OutboxMessage(
        row.rollup_id, wire.topic, wire.key, wire.value, wire.headers, str(row.version), event.indicator.encode()
    )


def _missing(fact: Fact, members: Sequence[str]) -> tuple[str, ...]:
    """A derived value names who lacks in its inputs; who has not reported it does not lack where it is computed."""
    if fact.missing or fact.complete:
        return fact.missing
    return tuple(members)


def _member(columns: Sequence[Any], due_at: datetime, now: datetime) -> Member:
    org, cluster, may_not_apply, number, code, note, sequence = columns
    value = None if number is None else Decimal(number)
    status = None if code is None else Status(code)
    state = state_of(value, status, may_not_apply=may_not_apply, due_at=due_at, now=now)
    return Member(org=org, cluster=cluster, state=state, value=value, status=status, note=note, sequence=sequence)


_NEXT = (
    "set_aside IS NULL AND"
    " (is_judged OR since <= clock_timestamp() - make_interval(secs => CAST(:settles_after AS double precision)))"
)
_WAITS = text(f"SELECT EXISTS (SELECT FROM rollup_pending WHERE {_NEXT})")  # noqa: S608
# Decimals travel as text inside JSON, so that nobody reads them as binary numbers.
# The last two values of each missing member in earlier periods of the same form are asked once per member, however
# many roll-ups lack it. They are brought together by a full join, though each finds its own, since it is never a loop
# in a loop: without statistics the planner takes either side for one row, and they are tens of thousands.
_TAKE = text(
    "WITH taken AS MATERIALIZED (SELECT r.*,"  # noqa: S608
    " (SELECT code FROM indicator i WHERE i.indicator_id = r.indicator_id) AS indicator,"
    " (SELECT code FROM organisation o WHERE o.org_id = r.org_id) AS org,"
    " (SELECT code FROM cluster c WHERE c.cluster_id = r.cluster_id) AS cluster,"
    " (SELECT code FROM tier t WHERE t.tier_id = r.tier_id) AS tier,"
    " (SELECT code FROM period p WHERE p.period_id = r.period_id) AS period"
    f" FROM (SELECT rollup_id FROM rollup_pending WHERE {_NEXT}"
    " ORDER BY is_judged DESC, since, rollup_id LIMIT :limit) q JOIN rollup r USING (rollup_id)),"
    " member AS MATERIALIZED (SELECT r.rollup_id, d.indicator_id, d.org_id, d.cluster_id, d.period_id,"
    " o.code AS org, c.code AS cluster, d.may_not_apply, f.value, f.status, f.note, f.sequence,"
    f" {member_name('o.code', 'c.code')} AS name, {MISSING} AS is_missing,"
    f" row_number() OVER (PARTITION BY r.rollup_id ORDER BY {MISSING} DESC, o.code, c.code) AS place"
    f" FROM taken r {member_join(LIVE)} JOIN organisation o ON o.org_id = d.org_id"
    " JOIN cluster c ON c.cluster_id = d.cluster_id WHERE r.live),"
    " known AS MATERIALIZED (SELECT m.*, l.earlier"
    " FROM (SELECT DISTINCT indicator_id, org_id, cluster_id, period_id FROM member WHERE is_missing) m"
    " JOIN period this ON this.period_id = m.period_id"
    " CROSS JOIN LATERAL (SELECT json_agg(json_build_array(h.code, CAST(h.value AS text)) ORDER BY h.end_day DESC)"
    " AS earlier FROM (SELECT p.code, p.end_day, f.value FROM figure f JOIN period p ON p.period_id = f.period_id"
    " WHERE f.indicator_id = m.indicator_id AND f.org_id = m.org_id AND f.cluster_id = m.cluster_id"
    " AND f.value IS NOT NULL AND NOT f.withdrawn AND NOT f.excluded"
    " AND p.frequency = this.frequency AND p.end_day < this.start_day ORDER BY p.end_day DESC LIMIT 2) h) l"
    " WHERE l.earlier IS NOT NULL),"
    " counted AS (SELECT rollup_id, count(*) AS members_total,"
    " json_agg(json_build_array(org, cluster, may_not_apply, CAST(value AS text), status, note, sequence)"
    " ORDER BY place) FILTER (WHERE place <= :most) AS members FROM member GROUP BY rollup_id),"
    f" lacking AS (SELECT m.rollup_id, (array_agg(DISTINCT m.name))[1:{MISSING_AT_MOST}] AS missing,"
    " json_agg(known.earlier) FILTER (WHERE known.earlier IS NOT NULL) AS earlier"
    " FROM (SELECT rollup_id, indicator_id, org_id, cluster_id, period_id, name FROM member WHERE is_missing) m"
    " FULL JOIN known USING (indicator_id, org_id, cluster_id, period_id) GROUP BY m.rollup_id)"
    " SELECT taken.*, members_total, missing, members, earlier,"
    " (SELECT version FROM catalogue_in_force) AS in_force"
    " FROM taken LEFT JOIN counted USING (rollup_id) LEFT JOIN lacking USING (rollup_id)"
)
_SENT = text(
    "DELETE FROM rollup_pending WHERE rollup_id IN (SELECT p.rollup_id FROM rollup_pending p"
    " JOIN unnest(CAST(:ids AS bigint[]), CAST(:versions AS bigint[])) AS s (rollup_id, version)"
    " ON s.rollup_id = p.rollup_id AND s.version = p.version ORDER BY p.rollup_id FOR UPDATE OF p)"
)
_SET_ASIDE = text("UPDATE rollup_pending SET set_aside = :reason WHERE rollup_id = :id")
# Counted up to a bound: after an outage a queue can be long, and its length is asked every second.
_BACKLOG = text(
    "SELECT count(*) FILTER (WHERE set_aside IS NULL) AS rows,"
    " count(*) FILTER (WHERE set_aside IS NOT NULL) AS set_aside,"
    " coalesce(extract(epoch FROM clock_timestamp() - min(since) FILTER (WHERE set_aside IS NULL)), 0) AS oldest_s"
    " FROM ((SELECT set_aside, created_at AS since FROM outbox ORDER BY outbox_id LIMIT 10000)"
    " UNION ALL (SELECT set_aside, since FROM rollup_pending ORDER BY rollup_pending.since LIMIT 10000)) q"
)
