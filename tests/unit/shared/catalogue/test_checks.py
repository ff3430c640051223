"""Every rule of a catalogue: what breaks it, and that only that is told."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.shared.catalogue.documents import (
    a_city_indicator,
    a_cluster,
    a_document,
    a_plan,
    a_target,
    an_indicator,
    an_organisation,
    faults_of,
    places_of,
)

from fourones_shared.catalogue.model import Band


def with_target(**changes):
    return a_document(targets=[a_target(**changes)])


def with_indicator(**changes):
    return a_document(indicators=[an_indicator(**changes), a_city_indicator()], targets=[])


def with_city_target(**changes):
    city = {"indicator": "projects", "cluster": None, "unit": "个", "value": "10"}
    return a_document(targets=[a_target(**city | changes)])


def test_a_sound_document_has_no_faults():
    assert faults_of(a_document()) == []


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"plan": "plam"}, "/targets/0/plan"),
        ({"indicator": "scael"}, "/targets/0/indicator"),
        ({"pillar": "alliances"}, "/targets/0/pillar"),
        ({"org": "320399"}, "/targets/0/org"),
        ({"cluster": "stele"}, "/targets/0/cluster"),
        ({"tier": "heavier", "cluster": None}, "/targets/0/tier"),
        ({"responsible": {"lead": "gxx"}}, "/targets/0/responsible/lead"),
        ({"responsible": {"equal": ["gxj", "fgx"]}}, "/targets/0/responsible/equal/1"),
        ({"total_of": ["steel-2024"]}, "/targets/0/total_of/0"),
        ({"source": "t"}, "/targets/0/source"),
    ],
)
def test_a_target_that_names_what_is_not_there_is_refused_where_it_does_so(changes, pointer):
    assert (pointer, "unknown-reference") in places_of(with_target(**changes))


def test_a_slip_in_an_id_is_told_with_the_id_that_was_meant():
    (fault,) = faults_of(with_target(indicator="scael"))
    assert "scale" in fault.zh.remedy
    assert "scale" in fault.en.remedy


def test_a_task_must_be_one_of_the_plan():
    assert places_of(with_target(task="shrink")) == {("/targets/0/task", "unknown-task")}
    assert not faults_of(with_target(task="grow"))


def test_an_id_may_stand_once_in_its_list():
    assert ("/targets/1/id", "duplicate-id") in places_of(a_document(targets=[a_target(), a_target()]))
    plan = a_plan(tasks=[{"id": "a", "name": "甲"}, {"id": "a", "name": "乙"}])
    assert ("/plans/0/tasks/1/id", "duplicate-id") in places_of(a_document(plans=[plan]))


@pytest.mark.parametrize("cities", [0, 2])
def test_there_is_exactly_one_city(cities):
    bodies = [an_organisation(f"32030{n}", kind="city") for n in range(cities)]
    document = a_document(organisations=[*bodies, an_organisation("gxj", kind="department"), an_organisation()])
    assert "one-city" in {code for _, code in places_of(document)}


def test_only_a_zone_lies_within_and_only_in_a_county():
    document = a_document()
    document["organisations"] += [
        an_organisation("zone", kind="zone", within=["320382"]),
        an_organisation("lost", kind="zone", within=["gxj"]),
        an_organisation("odd", within=["320382"]),
        an_organisation("nowhere", kind="zone", within=["320399"]),
    ]
    assert places_of(document) == {
        ("/organisations/6/within/0", "zones-lie-in-counties"),
        ("/organisations/7/within", "only-zones-lie-within"),
        ("/organisations/8/within/0", "unknown-reference"),
    }


def test_a_cluster_is_led_by_a_department():
    document = a_document(clusters=[a_cluster("steel", lead="320382"), a_cluster("textiles", tier="light")])
    assert places_of(document) == {("/clusters/0/lead", "lead-is-a-department")}


# --- targets --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"unit": "万元"}, ("/targets/0/unit", "unit-differs")),
        ({"value": "1.00001"}, ("/targets/0/value", "too-many-decimals")),
        ({"comparator": "<="}, ("/targets/0/comparator", "against-the-direction")),
        ({"weight": "0"}, ("/targets/0/weight", "weight-not-positive")),
        ({"responsible": {}}, ("/targets/0/responsible", "nobody-answers")),
        ({"responsible": {"lead": "320300"}}, ("/targets/0/responsible", "city-does-not-answer")),
        ({"org": "gxj"}, ("/targets/0/org", "not-a-subject")),
        ({"tier": "heavy"}, ("/targets/0/tier", "no-such-scope")),
        ({"by": "2025-13"}, ("/targets/0/by", "invalid-period")),
        ({"by": "2026"}, ("/targets/0/by", "due-outside-the-plan")),
        ({"by": "2025-W20"}, ("/targets/0/by", "finer-than-the-reports")),
        ({"baseline": {"period": "2025", "value": "1"}}, ("/targets/0/baseline/period", "baseline-not-before-due")),
        ({"baseline": {"period": "x", "value": "1"}}, ("/targets/0/baseline/period", "invalid-period")),
        ({"synthetic": True}, ("/targets/0/plan", "synthetic-and-real")),
    ],
)
def test_a_target_that_cannot_be_judged_is_refused(changes, place):
    assert place in places_of(with_target(**changes))


def test_a_target_is_due_either_once_or_every_period():
    for changes in ({"by": None}, {"per": "year"}):
        (fault,) = faults_of(with_target(**changes))
        assert fault.pointer == "/targets/0"
        assert "exactly one" in fault.en.problem


def test_a_weekly_target_on_a_quarterly_indicator_is_refused():
    document = with_city_target(per="week", by=None)
    assert ("/targets/0/per", "finer-than-the-reports") in places_of(document)


def test_a_year_to_date_value_is_judged_per_year_only():
    assert places_of(with_target(per="quarter", by=None)) == {("/targets/0/per", "year-to-date-per-year")}
    assert not faults_of(with_target(per="year", by=None))


def test_a_target_per_year_has_no_baseline():
    document = with_target(per="year", by=None, baseline={"period": "2022", "value": "1"})
    assert places_of(document) == {("/targets/0/baseline", "cadence-starts-from-zero")}


def test_a_target_of_a_cluster_that_the_indicator_is_not_reported_for_is_refused():
    document = a_document(indicators=[an_indicator(clusters=["textiles"]), a_city_indicator()])
    assert ("/targets/0/cluster", "cluster-not-reported") in places_of(document)
    assert ("/targets/0/cluster", "cluster-not-reported") in places_of(with_city_target(cluster="steel"))


def test_a_value_out_of_the_indicators_bounds_is_refused():
    document = a_document(indicators=[an_indicator(maximum="900"), a_city_indicator()])
    assert places_of(document) == {("/targets/0/value", "out-of-bounds")}


def test_a_target_of_another_pillar_than_its_indicators_is_refused():
    assert places_of(with_target(pillar="alliance")) == {("/targets/0/pillar", "pillar-differs")}


def test_a_total_that_is_not_made_is_refused():
    loose = an_indicator(over_organisations="none", over_clusters="none")
    document = a_document(indicators=[loose, a_city_indicator()], targets=[a_target(cluster="_T")])
    assert places_of(document) == {
        ("/targets/0/org", "no-total-over-organisations"),
        ("/targets/0/cluster", "no-total-over-clusters"),
    }


def test_a_target_of_a_range_is_due_by_that_range():
    reporting = {"frequency": "R", "period": "2022-01-01/P4Y", "first": "2022-01-01"}
    indicators = [an_indicator(), a_city_indicator(covers="period", reporting=reporting)]
    fits = a_document(indicators=indicators, targets=[*with_city_target(by="2022-01-01/P4Y")["targets"]])
    assert not faults_of(fits)
    other = a_document(indicators=indicators, targets=[*with_city_target(by="2025")["targets"]])
    assert places_of(other) == {("/targets/0/by", "not-the-reported-period")}


# --- curves ---------------------------------------------------------------------------------------------------------


def curve(*points):
    return [{"period": period, "share": share} for period, share in points]


@pytest.mark.parametrize(
    ("points", "place"),
    [
        ([("2024", "0.5"), ("2023", "0.6")], ("/targets/0/curve/1", "curve-does-not-rise")),
        ([("2023", "0.5"), ("2024", "0.4")], ("/targets/0/curve/1", "curve-does-not-rise")),
        ([("2026", "0.5")], ("/targets/0/curve/0/period", "curve-outside-the-way")),
        ([("2021", "0.5")], ("/targets/0/curve/0/period", "curve-outside-the-way")),
        ([("2025", "0.9")], ("/targets/0/curve/0/share", "due-in-full")),
        ([("2024", "1.2")], ("/targets/0/curve/0/share", "share-out-of-range")),
        ([("20x4", "0.2")], ("/targets/0/curve/0/period", "invalid-period")),
    ],
)
def test_a_curve_that_is_no_path_is_refused(points, place):
    assert place in places_of(with_target(curve=curve(*points)))


def test_a_curve_of_milestones_that_rise_to_the_due_period_is_sound():
    assert not faults_of(with_target(curve=curve(("2023", "0.2"), ("2024", "0.2"), ("2025-Q2", "0.7"), ("2025", "1"))))


def test_the_milestones_of_a_yearly_target_rise_within_each_year():
    year = {"per": "year", "by": None}
    sound = curve(("2023-Q2", "0.45"), ("2023-Q3", "0.7"), ("2024-Q2", "0.4"))
    assert not faults_of(with_target(**year, curve=sound))
    falling = curve(("2023-Q2", "0.45"), ("2023-Q3", "0.4"))
    assert places_of(with_target(**year, curve=falling)) == {("/targets/0/curve/1", "curve-does-not-rise")}


# --- indicators -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"minimum": "2", "maximum": "1"}, ("/indicators/0/minimum", "minimum-over-maximum")),
        ({"minimum": "0.00001"}, ("/indicators/0/minimum", "too-many-decimals")),
        ({"unit": "%"}, ("/indicators/0/over_clusters", "shares-are-not-added")),
        ({"unit": "百分点"}, ("/indicators/0/over_organisations", "shares-are-not-added")),
        ({"kind": "ratio", "covers": "period"}, ("/indicators/0/over_organisations", "shares-are-not-added")),
        ({"kind": "stock"}, ("/indicators/0/covers", "no-year-to-date")),
        ({"clusters": []}, ("/indicators/0/over_clusters", "no-clusters-to-add")),
        ({"clusters": ["steel", "cotton"]}, ("/indicators/0/clusters/1", "unknown-reference")),
        ({"reporting": {"by": "nobody"}}, ("/indicators/0/reporting/by", "unknown-reference")),
        ({"reporting": {"by": "320300"}}, ("/indicators/0/reporting/by", "city-does-not-report")),
        ({"reporting": {"about": []}}, ("/indicators/0/reporting/about", "about-nobody")),
        ({"reporting": {"about": "city"}}, ("/indicators/0/reporting/by", "city-does-not-report")),
        ({"reporting": {"may_not_apply": ["gxj"]}}, ("/indicators/0/reporting/may_not_apply/0", "not-a-subject")),
        ({"reporting": {"frequency": "R"}}, ("/indicators/0/reporting/period", "range-and-period")),
        ({"reporting": {"period": "2025"}}, ("/indicators/0/reporting/period", "range-and-period")),
        ({"reporting": {"last": "2022-01-01"}}, ("/indicators/0/reporting/last", "ends-before-it-begins")),
        (
            {"january_february": "together", "reporting": {"frequency": "Q"}},
            ("/indicators/0/january_february", "only-months-are-joined"),
        ),
    ],
)
def test_an_indicator_that_cannot_be_reported_or_added_is_refused(changes, place):
    assert place in places_of(with_indicator(**changes))


def test_a_cluster_lead_needs_a_cluster():
    document = a_document(indicators=[an_indicator(), a_city_indicator(reporting={"by": "cluster-lead"})], targets=[])
    assert places_of(document) == {("/indicators/1/reporting/by", "no-cluster-to-lead")}


# --- light bands ----------------------------------------------------------------------------------------------------


def bands(*stretches):
    return a_document(
        plans=[a_plan(bands=[dict(zip(("verdict", "over", "up_to"), s, strict=True)) for s in stretches])]
    )


def test_the_stretch_that_a_gap_leaves_open_is_named():
    document = bands(("on_track", None, "0"), ("lagging", "0", "0.1"), ("off_track", "0.15", None))
    (fault,) = faults_of(document)
    assert (fault.pointer, fault.code) == ("/plans/0/bands/2", "bands-leave-a-gap")
    assert "(0.1, 0.15]" in fault.zh.problem


def test_the_stretch_that_is_covered_twice_is_named():
    document = bands(("on_track", None, "0.05"), ("lagging", "0", "0.1"), ("off_track", "0.1", None))
    (fault,) = faults_of(document)
    assert fault.code == "bands-overlap"
    assert "(0, 0.05]" in fault.zh.problem


def test_open_ends_are_gaps_too():
    found = faults_of(bands(("on_track", "-1", "0"), ("off_track", "0", "1")))
    assert [fault.zh.problem.split()[0] for fault in found] == ["(-∞,", "(1,"]
    assert {code for _, code in places_of(bands())} == {"bands-leave-a-gap"}


def test_further_behind_is_never_a_better_light():
    document = bands(("lagging", None, "0"), ("on_track", "0", "0.1"), ("off_track", "0.1", None))
    assert places_of(document) == {("/plans/0/bands/1/verdict", "bands-out-of-order")}


def test_an_empty_band_is_refused():
    document = bands(("on_track", None, "0"), ("lagging", "0.1", "0.1"), ("off_track", "0", None))
    assert places_of(document) == {("/plans/0/bands/1", "empty-band")}


cuts = st.lists(st.decimals(-1, 1, places=2), min_size=1, max_size=4, unique=True).map(sorted)


@given(cuts, st.randoms(use_true_random=False))
def test_bands_that_meet_at_their_cuts_are_sound_in_any_order(points, random):
    edges = [None, *map(str, points), None]
    verdicts = ["on_track", *["lagging"] * (len(points) - 1), "off_track"]
    made = list(zip(verdicts, edges, edges[1:], strict=False))
    random.shuffle(made)
    assert faults_of(bands(*made)) == []


@given(
    st.lists(
        st.tuples(st.none() | st.integers(-3, 3), st.none() | st.integers(-3, 3)).filter(
            lambda ends: ends[0] is None or ends[1] is None or ends[0] < ends[1]
        ),
        min_size=1,
        max_size=4,
    )
)
def test_bands_are_sound_exactly_when_every_share_has_one_light(stretches):
    document = bands(*[("lagging", *(None if end is None else str(end) for end in ends)) for ends in stretches])
    made = [Band(verdict="lagging", over=over, up_to=up_to) for over, up_to in stretches]
    # Between whole cuts every half is a witness, and so is every cut itself.
    shares = [Decimal(n) / 2 for n in range(-8, 9)]
    lights = [sum(holds(band, share) for band in made) for share in shares]
    assert (faults_of(document) == []) == (set(lights) == {1})


def holds(band, share):
    return (band.over is None or band.over < share) and (band.up_to is None or share <= band.up_to)
