from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from integration.aggregation.keeping import Aggregation, a_figure, a_submission, a_withdrawal
from sqlalchemy import text
from support.catalogue import (
    CLUSTERS,
    DIGITAL,
    ENERGY,
    MACHINERY,
    PEI,
    PIZHOU,
    XINYI,
    ZONE,
    a_catalogue,
    an_indicator,
)

from fourones_aggregation import publishing
from fourones_shared.events.model import State, Status

CITY_IN_MARCH = "cluster-scale|_T|_T|_T|2026-03"


def test_several_versions_become_one_event(aggregation: Aggregation) -> None:
    aggregation.publish_all()
    for value in ("1", "2", "3"):
        aggregation.apply(a_submission(a_figure(value)))
    events = [event for _, event in aggregation.take() if event.partition_key() == CITY_IN_MARCH]
    assert [(event.value, event.version) for event in events] == [(Decimal(3), 4)]


def test_a_version_that_came_meanwhile_is_published_next(aggregation: Aggregation) -> None:
    aggregation.publish_all()
    aggregation.apply(a_submission(a_figure("1")))
    taken = aggregation.take()
    aggregation.apply(a_submission(a_figure("2")))
    with aggregation.engine.begin() as connection:
        aggregation.store.sent(connection, [message for message, _ in taken])
    again = aggregation.publish_all()
    assert (again[CITY_IN_MARCH].value, again[CITY_IN_MARCH].version) == (2, 3)
    assert aggregation.rows("SELECT * FROM rollup_pending") == []


def test_members_come_with_their_states_the_missing_first(aggregation: Aggregation) -> None:
    aggregation.apply(
        a_submission(a_figure("1", status=Status.ESTIMATED, note="about")),
        a_submission(a_figure(None), org=XINYI),
        a_submission(a_figure("0"), org=PIZHOU),
    )
    event = aggregation.publish_all()[f"cluster-scale|_T|{MACHINERY}|_T|2026-03"]
    assert [(m.org, m.state) for m in event.members] == [
        (XINYI, State.DECLARED_MISSING),
        (ZONE, State.OVERDUE),
        (PEI, State.REPORTED),
        (PIZHOU, State.REPORTED),
    ]
    assert (event.members[2].note, event.members[2].value) == ("about", 1)
    assert (event.status, event.coverage.missing) == (Status.ESTIMATED, (XINYI, ZONE))
    assert event.due_at == datetime(2026, 4, 10, 16, tzinfo=UTC)
    april = aggregation.rows("SELECT count(*) FROM rollup_pending")
    assert april[0].count == 0


def test_a_period_that_has_not_ended_is_not_yet_due(aggregation: Aggregation) -> None:
    event = aggregation.publish_all()[f"cluster-scale|_T|{MACHINERY}|_T|2026-04"]
    assert {member.state for member in event.members} == {State.NOT_YET_DUE}
    assert (event.value, event.carried_value) == (None, None)


def test_an_organisations_roll_up_names_the_missing_clusters(aggregation: Aggregation) -> None:
    aggregation.apply(a_submission(a_figure("1")))
    event = aggregation.publish_all()[f"cluster-scale|{PEI}|_T|_T|2026-03"]
    assert event.coverage.missing == (DIGITAL, ENERGY)


def test_a_withdrawn_figure_is_overdue_again(aggregation: Aggregation) -> None:
    aggregation.apply(a_submission(a_figure("1")))
    aggregation.apply(a_submission(a_withdrawal()))
    event = aggregation.publish_all()[f"cluster-scale|_T|{MACHINERY}|_T|2026-03"]
    pei = next(member for member in event.members if member.org == PEI)
    assert (pei.state, pei.value, pei.status) == (State.OVERDUE, None, None)


def test_missing_year_to_date_values_are_carried_with_their_last_single_period(aggregation: Aggregation) -> None:
    for period, value in (("2026-01", "10"), ("2026-02", "25")):
        aggregation.apply(a_submission(a_figure(value, period=period)))
    aggregation.apply(a_submission(a_figure("7"), org=XINYI))
    event = aggregation.publish_all()[f"cluster-scale|_T|{MACHINERY}|_T|2026-03"]
    # Pei had 25 by the end of February, 15 of it in February: 40 by the end of March, beside Xinyi's 7.
    assert (event.value, event.carried_value) == (7, 47)


def test_a_carried_mean_divides_by_those_put_in_too(empty: Aggregation) -> None:
    empty.put(a_catalogue(indicators=[an_indicator(covers="period", kind="stock", over_organisations="mean")]))
    empty.apply(a_submission(a_figure("10", period="2026-02")), a_submission(a_figure("20"), org=XINYI))
    event = empty.publish_all()[f"cluster-scale|_T|{MACHINERY}|_T|2026-03"]
    assert (event.value, event.carried_value) == (20, 15)


def test_the_whole_is_told_up_to_fifty_members(empty: Aggregation) -> None:
    clusters = [
        {"id": f"cluster-{n}", "name": str(n), "tier": "advantage", "lead": "gxj", "source": "test"} for n in range(20)
    ]
    many = [cluster["id"] for cluster in clusters]
    empty.put(a_catalogue(clusters=clusters, indicators=[an_indicator(clusters=many)]))
    event = empty.publish_all()[CITY_IN_MARCH]
    assert (len(event.members), event.members_total, event.coverage.expected) == (50, 80, 80)
    assert event.coverage.missing == (PEI, XINYI, PIZHOU, ZONE)


def test_what_is_set_aside_comes_again_with_its_next_version(aggregation: Aggregation) -> None:
    aggregation.publish_all()
    aggregation.apply(a_submission(a_figure("1")))
    message = next(message for message, event in aggregation.take() if event.partition_key() == CITY_IN_MARCH)
    with aggregation.engine.begin() as connection:
        aggregation.store.set_aside(connection, message, "too large")
    assert CITY_IN_MARCH not in aggregation.publish_all()
    aggregation.apply(a_submission(a_figure("2")))
    assert CITY_IN_MARCH in aggregation.publish_all()


def test_every_identity_of_the_first_catalogue_is_published(aggregation: Aggregation) -> None:
    events = aggregation.publish_all()
    assert len(events) == len(aggregation.rows("SELECT * FROM rollup WHERE live"))
    assert {event.coverage.reported for event in events.values()} == {0}
    assert {event.members_total for key, event in events.items() if "|_T|_T|_T|" in key} == {4 * len(CLUSTERS)}


def test_missing_members_never_meet_their_earlier_values_in_a_loop_of_loops(aggregation: Aggregation) -> None:
    # Without statistics, as here, the planner takes everything for one row; a month-end night brings tens of thousands.
    with aggregation.engine.connect() as connection:
        values = {"settles_after": 0.0, "limit": 500, "most": 50}
        (plan,) = connection.execute(text(f"EXPLAIN (FORMAT JSON) {publishing._TAKE}"), values).scalar_one()
    joins = [node for node in _nodes(plan["Plan"]) if {"member", "known"} <= _read_by(node)]
    assert joins
    assert {node["Node Type"] for node in joins} <= {"Hash Join", "Merge Join"}


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)


def _read_by(join: dict[str, Any]) -> set[str]:
    """The common table expressions that a join reads by itself, with nothing but sorting and hashing between."""
    read = set()
    for inner in join.get("Plans", ()):
        node = inner
        while node["Node Type"] in {"Hash", "Sort", "Materialize", "Subquery Scan"}:
            (node,) = node["Plans"]
        read.add(node.get("CTE Name"))
    return read
