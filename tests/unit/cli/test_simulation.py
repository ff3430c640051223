"""The demonstration: synthetic wherever it shows, sound, repeatable, and with every verdict and light in it."""

from collections import defaultdict
from datetime import date, datetime, time
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.shared.catalogue.documents import REAL

from fourones.demo_figures import _spread
from fourones.simulation import simulate, without_demo
from fourones_alerting.domain.assessment import assess
from fourones_alerting.domain.readings import Observation
from fourones_alerting.domain.verdicts import Light, Verdict
from fourones_shared.catalogue.duties import due_at, expected_periods, is_expected, reporter_of
from fourones_shared.catalogue.files import load
from fourones_shared.catalogue.model import Growth, Ratio
from fourones_shared.domain.clock import SHANGHAI
from fourones_shared.domain.numbers import decimals_of
from fourones_shared.domain.periods import Period
from fourones_shared.events.model import Status

real = load(REAL)
DAYS = [
    date(2026, 1, 1),
    date(2026, 1, 20),
    date(2026, 4, 15),
    date(2026, 11, 21),
    date(2027, 12, 31),
    date(2028, 2, 29),
]


def figures_of(simulation):
    found: dict[tuple[str, str, str], dict[str, Decimal]] = defaultdict(dict)
    for submission in simulation.submissions:
        for figure in submission.figures:
            found[figure.indicator, figure.cluster or "_T", figure.period][submission.org] = figure.value
    return found


def judged(simulation, today):
    """Every synthetic target, judged by the alerting service's rules from what is posted."""
    catalogue, figures = simulation.catalogue, figures_of(simulation)
    now = datetime.combine(today, time(9), SHANGHAI)
    for target in catalogue.targets:
        if target.synthetic:
            indicator = catalogue.indicator[target.indicator]
            history = observations(indicator, target, figures, today)
            yield assess(target, catalogue.plan[target.plan], indicator, history, now)


def observations(indicator, target, figures, today):
    expected = 13 if indicator.reporting.about == "counties-and-zones" else 1
    last: dict[str, Decimal] = {}
    for period in expected_periods(indicator, today):
        values = figures.get((indicator.id, target.cluster, period.key), {})
        last |= values
        complete = len(values) == expected
        yield Observation(
            period,
            sum(values.values(), Decimal(0)) if values else None,
            complete=complete,
            reported=len(values),
            expected=expected,
            carried_value=None if complete or not last else sum(last.values(), Decimal(0)),
            status=Status.NORMAL,
            due_at=due_at(indicator, period),
            version=1,
        )


@pytest.mark.parametrize("today", DAYS, ids=str)
def test_every_verdict_and_every_light_occurs(today):
    assessments = list(judged(simulate(real, today), today))
    assert {a.verdict for a in assessments} == set(Verdict)
    assert {a.light for a in assessments} == set(Light)


@pytest.mark.parametrize("today", DAYS, ids=str)
def test_every_by_date_target_shows_what_it_is_made_to_show(today):
    simulation = simulate(real, today)
    found = {a.target: a.verdict for a in judged(simulation, today) if a.target in simulation.expected}
    assert found == simulation.expected


@settings(max_examples=8)
@given(st.dates(date(2024, 1, 1), date(2035, 12, 31)), st.integers(0, 10**6))
def test_stories_hold_on_any_day_and_with_any_seed(today, seed):
    simulation = simulate(real, today, seed)
    found = {a.target: a.verdict for a in judged(simulation, today) if a.target in simulation.expected}
    assert found == simulation.expected


def test_one_county_is_missing_somewhere_and_that_is_told():
    today = date(2026, 11, 21)
    (incomplete,) = [a for a in judged(simulate(real, today), today) if a.incomplete]
    assert (incomplete.verdict, incomplete.reported, incomplete.expected) == (Verdict.NO_DATA, 12, 13)


def test_everything_synthetic_says_so():
    simulation = simulate(real, date(2026, 11, 21))
    catalogue = simulation.catalogue
    for section in (catalogue.plans, catalogue.indicators, catalogue.targets):
        for entry in section:
            assert entry.synthetic == entry.id.startswith("demo-") == entry.name.startswith("【演示】")
    for submission in simulation.submissions:
        assert submission.prepared_by == "演示"
        assert {figure.note for figure in submission.figures} == {"演示数据"}
        assert all(figure.indicator.startswith("demo-") for figure in submission.figures)


def test_the_real_catalogue_stays_as_it_is_and_an_earlier_demonstration_is_replaced():
    first = simulate(real, date(2025, 6, 30)).catalogue
    second = simulate(first, date(2026, 11, 21)).catalogue
    assert second == simulate(real, date(2026, 11, 21)).catalogue
    assert without_demo(second) == real.model_dump(mode="json")


def test_plans_reach_from_three_years_before_today_to_beyond_it_and_one_has_ended():
    today = date(2026, 11, 21)
    plans = {p.id: p for p in simulate(real, today).catalogue.plans if p.synthetic}
    assert {str(p.start) for p in plans.values()} == {"2023-01-01"}
    assert plans["demo-growth"].end > today > plans["demo-closed"].end


def test_the_same_day_and_seed_give_the_same_and_another_seed_other_figures():
    today = date(2026, 11, 21)
    assert simulate(real, today, 3) == simulate(real, today, 3)
    assert simulate(real, today, 3).submissions != simulate(real, today, 4).submissions


def test_a_later_day_of_the_year_only_adds_figures_to_the_same_past():
    before = figures_of(simulate(real, date(2026, 5, 1)))
    after = figures_of(simulate(real, date(2026, 9, 1)))
    for key, values in before.items():
        # Of the incomplete cluster other quarters are silent by then.
        assert values.items() <= after[key].items() or "high" in key[1] or key[1] == "quality-steel", key
    assert len(after) > len(before)


def test_figures_keep_the_rules_of_the_catalogue_and_go_out_in_small_submissions():
    today = date(2026, 11, 21)
    simulation = simulate(real, today)
    catalogue = simulation.catalogue
    for submission in simulation.submissions:
        assert 0 < len(submission.figures) <= 5000
        keys = [(f.indicator, f.cluster, f.period) for f in submission.figures]
        assert len(set(keys)) == len(keys)
        for figure in submission.figures:
            indicator, period = catalogue.indicator[figure.indicator], Period.parse(figure.period)
            assert is_expected(indicator, period)
            assert period.end < today
            assert figure.value is not None
            assert decimals_of(figure.value) <= indicator.decimals
            assert figure.value >= 0
            assert figure.unit == indicator.unit
            assert submission.reporter == reporter_of(catalogue, indicator, submission.org, figure.cluster or "_T")


def test_every_way_of_adding_and_of_computing_is_shown_with_figures():
    today = date(2026, 11, 21)
    simulation = simulate(real, today)
    synthetic = {i.id: i for i in simulation.catalogue.indicators if i.synthetic}
    reported = {indicator for indicator, _, _ in figures_of(simulation)}
    computed = {name for name, indicator in synthetic.items() if indicator.is_computed}
    # The talents are the story of a department that reports nothing.
    assert reported == synthetic.keys() - computed - {"demo-introduced-talents"}
    assert {type(synthetic[name].derived) for name in computed} == {Ratio, Growth}
    for name in computed:
        assert reported >= set(synthetic[name].inputs)
    assert {i.over_organisations for i in synthetic.values()} == {"sum", "weighted-mean", "maximum", "none"}


def test_where_a_department_reports_beside_the_counties_the_two_differ():
    found = figures_of(simulate(real, date(2026, 11, 21)))
    quarters = {key: values for key, values in found.items() if key[0] == "demo-technology-contracts"}
    assert len(quarters) == 15
    for values in quarters.values():
        of_the_city = values.pop("320300")
        assert len(values) == 13
        assert 0 < of_the_city - sum(values.values()) < of_the_city / 20


def test_year_to_date_values_only_rise_within_a_year():
    rising = defaultdict(list)
    for (indicator, cluster, period), values in figures_of(simulate(real, date(2026, 11, 21))).items():
        if indicator == "demo-cluster-output":
            for org, value in values.items():
                rising[org, cluster, period[:4]].append((period, value))
    assert len(rising) == 13 * 10 * 4
    for series in rising.values():
        values = [value for _, value in sorted(series)]
        assert values == sorted(values)


@given(
    st.decimals(0, 10**6, places=2),
    st.dictionaries(st.text(min_size=1, max_size=4), st.fractions(0, 1), min_size=1, max_size=13),
)
def test_a_total_is_spread_without_losing_or_adding_anything(total, weights):
    whole = sum(weights.values()) or 1
    shares = {org: weight / whole for org, weight in weights.items()}
    if sum(shares.values()) == 1:
        assert sum(_spread(total, shares, 2).values()) == total
