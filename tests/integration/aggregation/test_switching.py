from datetime import UTC, datetime

from integration.aggregation.keeping import Aggregation, a_figure, a_submission, counts
from support.catalogue import (
    ADVANTAGE,
    CITY,
    DEPARTMENT,
    EMERGING,
    ENERGY,
    FIRMS,
    MACHINERY,
    PEI,
    XINYI,
    a_catalogue,
    a_city_indicator,
    a_target,
    an_indicator,
    an_organisation,
    default_organisations,
)

NEW_COUNTY = "320399"


def test_the_first_catalogue_opens_every_period_that_has_begun(aggregation: Aggregation) -> None:
    assert {
        row.code for row in aggregation.rows("SELECT DISTINCT p.code FROM duty JOIN period p USING (period_id)")
    } == {
        "2025",
        "2026",
        "2026-01",
        "2026-02",
        "2026-03",
        "2026-04",
    }
    row = aggregation.rollup()
    assert counts(row) == (0, 0, 12)
    assert (row.version, row.cause, row.catalogue_version) == (1, "catalogue", 1)
    aggregation.verify()


def test_an_organisation_more_is_expected_and_its_early_figure_counts(aggregation: Aggregation) -> None:
    aggregation.apply(a_submission(a_figure("5"), org=NEW_COUNTY), a_submission(a_figure("1")))
    assert counts(aggregation.rollup()) == (1, 1, 12)
    aggregation.put(a_catalogue(organisations=[*default_organisations(), an_organisation(NEW_COUNTY)]))
    row = aggregation.rollup()
    assert counts(row) == (6, 2, 15)
    assert (row.cause, row.catalogue_version) == ("catalogue", 2)
    aggregation.verify()


def test_an_old_period_keeps_the_organisations_of_its_time(aggregation: Aggregation) -> None:
    ended = [o | {"valid_until": "2026-02-28"} if o["id"] == PEI else o for o in default_organisations()]
    aggregation.apply(a_submission(a_figure("5"), a_figure("3", period="2026-02")))
    aggregation.put(a_catalogue(organisations=ended))
    assert counts(aggregation.rollup("2026-02")) == (3, 1, 12)
    assert counts(aggregation.rollup("2026-03")) == (0, 0, 9)
    assert [row.excluded for row in aggregation.rows("SELECT excluded FROM figure ORDER BY excluded")] == [False, True]
    aggregation.verify()


def test_a_new_indicator_takes_in_what_was_reported_for_it_already(aggregation: Aggregation) -> None:
    aggregation.apply(a_submission(a_figure("5", indicator="jobs", cluster="_T")))
    aggregation.put(a_catalogue(indicators=[an_indicator(), a_city_indicator(), an_indicator("jobs", clusters=())]))
    assert counts(aggregation.rollup(indicator="jobs")) == (5, 1, 4)
    aggregation.verify()


def test_what_did_not_change_keeps_its_versions(aggregation: Aggregation) -> None:
    before = aggregation.rows("SELECT * FROM rollup ORDER BY rollup_id")
    aggregation.put(a_catalogue(indicators=[an_indicator(), a_city_indicator(), an_indicator("jobs", clusters=())]))
    after = aggregation.rows(
        "SELECT r.* FROM rollup r JOIN indicator i USING (indicator_id) WHERE code = 'cluster-scale' ORDER BY rollup_id"
    )
    assert before == after


def test_an_identity_that_goes_is_published_empty_and_goes_on_from_its_version(aggregation: Aggregation) -> None:
    aggregation.apply(a_submission(a_figure("5")))
    aggregation.publish_all()
    last = aggregation.rollup().version
    aggregation.put(a_catalogue(indicators=[an_indicator(over_clusters="none"), a_city_indicator()]))
    gone = aggregation.publish_all()["cluster-scale|_T|_T|_T|2026-03"]
    assert (gone.version, gone.value, gone.coverage.expected, gone.members) == (last + 1, None, 0, ())
    assert not aggregation.rollup().live
    aggregation.apply(a_submission(a_figure("6")))
    assert aggregation.rollup().version == last + 1
    aggregation.verify()

    aggregation.put(a_catalogue())
    back = aggregation.publish_all()["cluster-scale|_T|_T|_T|2026-03"]
    assert (back.version, back.value, back.coverage.expected) == (last + 2, 6, 12)
    aggregation.verify()


def test_one_organisation_for_another_is_a_new_version_even_when_no_number_moves(aggregation: Aggregation) -> None:
    last = aggregation.rollup().version
    others = [o for o in default_organisations() if o["id"] != PEI]
    aggregation.put(a_catalogue(organisations=[*others, an_organisation(NEW_COUNTY)]))
    assert counts(aggregation.rollup()) == (0, 0, 12)
    assert aggregation.rollup().version == last + 1
    aggregation.verify()


def test_a_cluster_in_another_tier_moves_its_figures_there(aggregation: Aggregation) -> None:
    aggregation.apply(a_submission(a_figure("5")))
    moved = a_catalogue().model_dump(mode="json")["clusters"]
    moved[0]["tier"] = EMERGING
    aggregation.put(a_catalogue(clusters=moved))
    assert counts(aggregation.rollup(tier=EMERGING)) == (5, 1, 8)
    # One cluster is left in the other tier: its total repeats the cluster's and needs no row, but four organisations.
    assert counts(aggregation.rollup(tier=ADVANTAGE)) == (0, 0, 4)
    assert counts(aggregation.rollup(cluster=MACHINERY)) == (5, 1, 4)
    aggregation.verify()


def test_a_target_gives_its_scope_a_row_with_what_is_known(aggregation: Aggregation) -> None:
    aggregation.apply(
        a_submission(a_figure("31", indicator=FIRMS, cluster="_T", period="2025"), org=CITY, reported_by=DEPARTMENT)
    )
    aggregation.put(a_catalogue(targets=[a_target(indicator=FIRMS, unit="家", org=CITY)]))
    assert counts(aggregation.rollup("2025", indicator=FIRMS, org=CITY)) == (31, 1, 1)
    assert counts(aggregation.rollup("2026", indicator=FIRMS, org=CITY)) == (0, 0, 1)
    aggregation.verify()


def test_an_indicator_that_goes_leaves_its_figures_excluded(aggregation: Aggregation) -> None:
    aggregation.apply(a_submission(a_figure("5"), a_figure("6", cluster=ENERGY)))
    aggregation.put(a_catalogue(indicators=[a_city_indicator()]))
    assert all(row.excluded for row in aggregation.rows("SELECT excluded FROM figure"))
    assert not any(row.live for row in aggregation.rows("SELECT live FROM rollup"))
    aggregation.verify()
    aggregation.put(a_catalogue())
    assert counts(aggregation.rollup()) == (11, 2, 12)
    aggregation.verify()


def test_a_worker_whose_clock_is_behind_closes_no_period(aggregation: Aggregation) -> None:
    aggregation.clock.move_to(datetime(2026, 3, 20, tzinfo=UTC))
    aggregation.put(a_catalogue(indicators=[an_indicator(over_clusters="none"), a_city_indicator()]))
    assert aggregation.rollup("2026-04", org=PEI).expected == 0
    assert aggregation.rollup("2026-04", cluster=ENERGY).expected == 4
    aggregation.verify()


def test_an_early_figure_that_is_not_admitted_opens_nothing(aggregation: Aggregation) -> None:
    aggregation.apply(a_submission(a_figure("5", period="2026-12"), org="320999"))
    aggregation.put(a_catalogue(indicators=[an_indicator(note="changed"), a_city_indicator()]))
    assert aggregation.rollup("2026-12") is None
    aggregation.apply(a_submission(a_figure("5", period="2026-12"), org=XINYI))
    assert counts(aggregation.rollup("2026-12")) == (5, 1, 12)
    aggregation.verify()
