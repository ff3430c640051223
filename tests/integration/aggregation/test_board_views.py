"""The boards' views say what the services say: what is late, what is complete, what a year before was."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from integration.aggregation.keeping import Aggregation, a_figure, a_submission, a_withdrawal
from support.catalogue import (
    CITY,
    CLUSTERS,
    COUNTIES_AND_ZONES,
    MACHINERY,
    PEI,
    a_catalogue,
    a_city_indicator,
    a_target,
    an_indicator,
)

from fourones_grafana.boards.county import board as county_board
from fourones_grafana.checking.interpolating import Choice, Range, into_sql
from fourones_grafana.queries import SqlQuery
from fourones_shared.events.model import FigureSubmitted

COUNT = "large-clusters"


def test_what_was_withdrawn_and_came_again_after_the_due_moment_is_late(aggregation: Aggregation) -> None:
    """March is due by the tenth of April: as the submission service, which forgets since when there was a value."""
    _report(aggregation, 5, a_figure("1"))
    assert _state(aggregation) == "on_time"
    _report(aggregation, 8, a_withdrawal())
    assert _state(aggregation) == "overdue"
    _report(aggregation, 12, a_figure("2"))
    assert _state(aggregation) == "late"
    # Neither what was before the withdrawal nor a later revision changes that.
    _report(aggregation, 14, a_figure("3"))
    assert _state(aggregation) == "late"


def test_what_was_withdrawn_and_came_again_in_time_or_was_only_revised_is_on_time(aggregation: Aggregation) -> None:
    _report(aggregation, 3, a_figure("1"))
    _report(aggregation, 5, a_withdrawal())
    _report(aggregation, 8, a_figure("2"))
    _report(aggregation, 12, a_figure("3"))
    assert _state(aggregation) == "on_time"


def test_beside_a_computed_value_stands_how_much_of_it_is_known(empty: Aggregation) -> None:
    derived = {"kind": "count-at-or-above", "of": ["cluster-scale"], "threshold": "100"}
    count = a_city_indicator(COUNT, unit="个", decimals=0, derived=derived)
    empty.put(a_catalogue(indicators=[an_indicator(), count], targets=[a_target(indicator=COUNT, unit="个")]))
    empty.clock.move_to(datetime(2027, 1, 20, tzinfo=UTC))
    empty.ticker.tick()
    assert _count(empty) == (None, 0, 1)
    for org in COUNTIES_AND_ZONES:
        empty.apply(a_submission(*(a_figure("30", cluster=c, period="2026-12") for c in CLUSTERS), org=org))
    # The department has not reported its own count.
    published = _published_count(empty)
    assert published == (3, 3, 3)
    assert _count(empty) == published
    # Once an input is incomplete, the department's figure stands with its own coverage.
    empty.apply(a_submission(a_figure("2", indicator=COUNT, cluster="_T", period="2026"), org=CITY))
    empty.apply(*(a_submission(a_withdrawal(cluster=MACHINERY, period="2026-12"), org=o) for o in COUNTIES_AND_ZONES))
    published = _published_count(empty)
    assert published == (2, 1, 1)
    assert _count(empty) == published


def test_a_february_has_a_year_before_beside_a_leap_year(empty: Aggregation) -> None:
    empty.put(a_catalogue(indicators=[an_indicator(reporting={"first": date(2024, 1, 1)})]))
    empty.apply(a_submission(a_figure("80", period="2024-02"), a_figure("100", period="2025-02")))
    panel = next(p for p in county_board().panels() if p.model.title == "最新数据")
    [asked] = [query.model.raw_sql for query in panel.queries if isinstance(query.model, SqlQuery)]
    span = Range(datetime(2024, 6, 1, tzinfo=UTC), datetime(2025, 12, 31, tzinfo=UTC))
    with empty.engine.connect() as connection:
        [row] = connection.exec_driver_sql(into_sql(asked, {"county": Choice(PEI, (PEI,))}, span)).mappings()
    assert (row["报告期"], row["数值"], row["同比"]) == ("2025-02", 100, 0.25)


def _report(aggregation: Aggregation, day: int, figure: FigureSubmitted) -> None:
    aggregation.apply(a_submission(figure, received_at=datetime(2026, 4, day, 4, tzinfo=UTC)))


def _state(aggregation: Aggregation) -> str:
    [(state,)] = aggregation.rows(
        "SELECT state FROM boards.duty WHERE org = :org AND cluster = :cluster AND period = '2026-03'",
        org=PEI,
        cluster=MACHINERY,
    )
    return str(state)


def _count(aggregation: Aggregation) -> tuple[Decimal | None, int, int]:
    [row] = aggregation.rows(
        "SELECT value, reported, expected FROM boards.rollup"
        " WHERE indicator = :indicator AND org = '_T' AND tier = '_T' AND period = '2026'",
        indicator=COUNT,
    )
    return row.value, row.reported, row.expected


def _published_count(aggregation: Aggregation) -> tuple[Any, int, int]:
    events = aggregation.publish_all().values()
    told = next(e for e in events if (e.indicator, e.org, e.tier, e.period) == (COUNT, "_T", "_T", "2026"))
    return told.value, told.coverage.reported, told.coverage.expected
