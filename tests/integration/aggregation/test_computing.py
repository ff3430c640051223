"""Values that differences do not keep: maxima, weighted means, derived values, and the city's two sources."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from integration.aggregation.keeping import Aggregation, a_figure, a_submission, a_withdrawal, counts
from support.catalogue import (
    ADVANTAGE,
    CITY,
    CLUSTERS,
    COUNTIES_AND_ZONES,
    DEPARTMENT,
    DIGITAL,
    ENERGY,
    FIRMS,
    MACHINERY,
    PEI,
    PIZHOU,
    SCALE,
    XINYI,
    ZONE,
    a_catalogue,
    a_city_indicator,
    a_target,
    an_indicator,
)

from fourones_aggregation.verifying import verify
from fourones_shared.catalogue.model import Catalogue

RATE, STAFF, SHARE, GROWTH, COUNT = "pass-rate", "staff", "staff-share", "scale-growth", "large-clusters"
COMPUTED = {"by": "computed"}


def plain(**changes: Any) -> dict[str, Any]:
    return {"clusters": (), "over_clusters": "none"} | changes


def a_rate(**changes: Any) -> dict[str, Any]:
    return an_indicator(RATE, **plain(unit="%", kind="ratio", covers="period", measure="rate") | changes)


def staff(**changes: Any) -> dict[str, Any]:
    return an_indicator(STAFF, **plain(unit="人", kind="stock", covers="period", measure="count") | changes)


def a_count(**changes: Any) -> dict[str, Any]:
    derived = {"kind": "count-at-or-above", "of": [SCALE], "threshold": "100"}
    return a_city_indicator(COUNT, unit="个", decimals=0, derived=derived, **changes)


def weighted() -> Catalogue:
    return a_catalogue(indicators=[a_rate(over_organisations="weighted-mean", weighted_by=STAFF), staff()])


def value(row: Any) -> Decimal | None:
    computed: Decimal | None = row.computed
    return computed


def test_the_highest_member_is_the_maximum_and_the_next_when_it_is_withdrawn(empty: Aggregation) -> None:
    empty.put(a_catalogue(indicators=[a_rate(over_organisations="maximum")]))
    figures = {PEI: "91", XINYI: "97.5", ZONE: "88"}
    empty.apply(*(a_submission(a_figure(v, indicator=RATE, cluster="_T"), org=o) for o, v in figures.items()))
    assert value(empty.rollup(indicator=RATE)) == Decimal("97.5")
    before = empty.rollup(indicator=RATE).version
    empty.apply(a_submission(a_withdrawal(indicator=RATE, cluster="_T"), org=XINYI))
    row = empty.rollup(indicator=RATE)
    assert (value(row), row.reported, row.expected, row.version) == (91, 2, 4, before + 1)
    event = next(e for e in empty.publish_all().values() if (e.indicator, e.org, e.period) == (RATE, "_T", "2026-03"))
    assert (event.value, event.version) == (91, row.version)
    empty.verify()


def test_a_weighted_mean_moves_with_its_weights(empty: Aggregation) -> None:
    empty.put(weighted())
    for org, rate, weight in ((PEI, "90", "100"), (XINYI, "80", "300")):
        empty.apply(a_submission(a_figure(rate, indicator=RATE, cluster="_T"), org=org))
        empty.apply(a_submission(a_figure(weight, indicator=STAFF, cluster="_T"), org=org))
    assert value(empty.rollup(indicator=RATE)) == Decimal("82.5")
    before = empty.rollup(indicator=RATE).version
    empty.apply(a_submission(a_figure("100", indicator=STAFF, cluster="_T"), org=XINYI))
    row = empty.rollup(indicator=RATE)
    assert (value(row), row.version, row.cause) == (85, before + 1, "revision")
    empty.verify()


def test_a_member_without_weight_is_reported_and_weighs_nothing(empty: Aggregation) -> None:
    empty.put(weighted())
    empty.apply(a_submission(a_figure("90", indicator=RATE, cluster="_T")))
    assert value(empty.rollup(indicator=RATE)) is None
    empty.apply(a_submission(a_figure("5", indicator=STAFF, cluster="_T")))
    assert value(empty.rollup(indicator=RATE)) == 90
    empty.verify()


def test_a_ratio_is_computed_in_every_scope_that_both_its_sides_have(empty: Aggregation) -> None:
    share = an_indicator(
        SHARE,
        **plain(unit="%", kind="ratio", covers="period", over_organisations="none", decimals=2),
        derived={"kind": "ratio", "numerator": "experts", "denominator": STAFF},
        reporting=COMPUTED,
    )
    empty.put(a_catalogue(indicators=[staff(), staff() | {"id": "experts"}, share]))
    for org, experts, everybody in ((PEI, "10", "100"), (XINYI, "30", "200")):
        empty.apply(
            a_submission(
                a_figure(experts, indicator="experts", cluster="_T"),
                a_figure(everybody, indicator=STAFF, cluster="_T"),
                org=org,
            )
        )
    assert value(empty.rollup(indicator=SHARE, org=PEI)) == 10
    city = empty.rollup(indicator=SHARE)
    assert (value(city), city.computed_known, city.computed_of) == (Decimal("13.33"), 4, 8)
    assert sorted(city.computed_missing) == sorted({PIZHOU, ZONE})
    assert (
        empty.rows("SELECT count(*) AS n FROM duty d JOIN indicator USING (indicator_id) WHERE code = :c", c=SHARE)[0].n
        == 0
    )
    empty.apply(a_submission(a_withdrawal(indicator=STAFF, cluster="_T")))
    assert value(empty.rollup(indicator=SHARE, org=PEI)) is None
    empty.verify()


def test_growth_moves_when_the_base_is_revised(empty: Aggregation) -> None:
    growth = an_indicator(
        GROWTH,
        **plain(unit="%", kind="ratio", covers="period", over_organisations="none", decimals=1),
        derived={"kind": "growth", "of": STAFF, "over": "previous"},
        reporting=COMPUTED,
    )
    empty.put(a_catalogue(indicators=[staff(), growth]))
    for period, number in (("2026-02", "100"), ("2026-03", "110")):
        empty.apply(a_submission(a_figure(number, indicator=STAFF, cluster="_T", period=period)))
    assert value(empty.rollup("2026-03", indicator=GROWTH, org=PEI)) == 10
    empty.apply(a_submission(a_figure("88", indicator=STAFF, cluster="_T", period="2026-02")))
    assert value(empty.rollup("2026-03", indicator=GROWTH, org=PEI)) == 25
    empty.verify()


def test_a_count_at_or_above_stands_when_every_cluster_is_known_and_else_what_was_reported(empty: Aggregation) -> None:
    empty.put(a_catalogue(indicators=[an_indicator(), a_count()], targets=[a_target(indicator=COUNT, unit="个")]))
    empty.clock.move_to(datetime(2027, 1, 20, tzinfo=UTC))
    empty.ticker.tick()
    empty.apply(a_submission(a_figure("3", indicator=COUNT, cluster="_T", period="2026"), org=CITY))

    def published() -> Any:
        events = empty.publish_all().values()
        return next(e for e in events if (e.indicator, e.org, e.tier, e.period) == (COUNT, "_T", "_T", "2026"))

    event = published()
    assert (event.value, event.coverage.reported, event.coverage.expected) == (3, 1, 1)
    values = {MACHINERY: "30", ENERGY: "25", DIGITAL: "1"}
    for org in COUNTIES_AND_ZONES:
        empty.apply(a_submission(*(a_figure(values[c], cluster=c, period="2026-12") for c in CLUSTERS), org=org))
    event = published()
    assert (event.value, event.coverage.reported, event.coverage.expected) == (2, 3, 3)
    row = empty.rollup("2026", indicator=COUNT, tier=ADVANTAGE)
    assert (value(row), row.computed_of) == (2, 2)
    empty.verify()


def both(stands: str) -> Catalogue:
    return a_catalogue(indicators=[an_indicator(reporting={"city": {"by": DEPARTMENT, "stands": stands}})])


def test_the_counties_sum_stands_beside_the_departments_figure(empty: Aggregation) -> None:
    empty.put(both("counties"))
    empty.apply(
        a_submission(a_figure("4")), a_submission(a_figure("5"), org=ZONE), a_submission(a_figure("10"), org=CITY)
    )
    assert counts(empty.rollup(cluster=MACHINERY)) == (9, 2, 4)
    assert counts(empty.rollup(org=CITY)) == (10, 1, 3)
    empty.verify()


def test_the_departments_figure_stands_beside_the_counties_sum_and_a_catalogue_may_change_that(
    empty: Aggregation,
) -> None:
    empty.put(both("department"))
    empty.apply(
        a_submission(a_figure("4")), a_submission(a_figure("5"), org=ZONE), a_submission(a_figure("10"), org=CITY)
    )
    assert empty.rollup(cluster=MACHINERY) is None
    assert counts(empty.rollup()) == (10, 1, 3)
    empty.put(both("counties"))
    assert counts(empty.rollup(cluster=MACHINERY)) == (9, 2, 4)
    assert counts(empty.rollup()) == (9, 2, 12)
    empty.put(both("department"))
    assert counts(empty.rollup()) == (10, 1, 3)
    empty.verify()


def test_a_catalogue_that_changes_an_input_changes_what_is_derived_from_it(empty: Aggregation) -> None:
    targets = [a_target(indicator=COUNT, unit="个")]
    empty.put(a_catalogue(indicators=[an_indicator(minimum="0"), a_count()], targets=targets))
    empty.apply(*(a_submission(a_figure("60", cluster=MACHINERY, period="2025-12"), org=o) for o in (PEI, XINYI)))
    row = empty.rollup("2025", indicator=COUNT)
    assert value(row) is None
    earlier = an_indicator(minimum="0", reporting={"first": "2025-01-01"})
    empty.put(a_catalogue(indicators=[earlier, a_count()], targets=targets))
    row = empty.rollup("2025", indicator=COUNT)
    assert (value(row), row.cause, row.computed_known) == (1, "catalogue", 0)
    empty.verify()


def test_other_indicators_have_no_computed_values(empty: Aggregation) -> None:
    empty.put(a_catalogue())
    empty.apply(
        a_submission(a_figure("4")), a_submission(a_figure("7", indicator=FIRMS, cluster="_T", period="2025"), org=CITY)
    )
    assert not empty.rows("SELECT FROM rollup WHERE computed IS NOT NULL OR computed_of IS NOT NULL")


def test_verify_tells_a_computed_value_that_is_wrong(empty: Aggregation) -> None:
    empty.put(a_catalogue(indicators=[a_rate(over_organisations="weighted-mean", weighted_by=STAFF), staff()]))
    empty.apply(*(a_submission(a_figure("9", indicator=i, cluster="_T")) for i in (RATE, STAFF)))
    empty.verify()
    with empty.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE rollup SET computed = 8 WHERE computed = 9")
        connection.exec_driver_sql("UPDATE rollup_version SET computed = 8 WHERE computed = 9")
    assert [str(d).split(":")[0] for d in verify(empty.engine)] == [f"computed value of {RATE} _T _T _T 2026-03"]
