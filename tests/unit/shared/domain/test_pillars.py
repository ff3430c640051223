from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.catalogue import CITY, DIGITAL, MACHINERY, PEI, a_catalogue, a_target, an_indicator
from unit.alerting.domain.builders import on

from fourones_shared.catalogue.model import Catalogue, Target
from fourones_shared.domain.periods import Frequency, Period
from fourones_shared.domain.pillars import (
    Known,
    PillarScore,
    PillarState,
    PillarTargets,
    latest_due,
    month_shown,
    needed,
    reported_between,
    score,
)
from fourones_shared.events.model import State

PILLAR = "task-force"
NONE_OWED = Known(None, 0, 0)
DECLARED = Known(None, 0, 1, declared=1)

Seen = Mapping[str, str | int | Known]


def a_count(id: str = "meetings", frequency: str = "W", **changes: Any) -> dict[str, Any]:  # noqa: A002
    """A count per period about the city and each cluster; due seven days after it."""
    reporting = {
        "about": "city",
        "by": "cluster-lead",
        "frequency": frequency,
        "first": date(2025, 1, 1),
        "due_days": 7,
        "may_not_apply": [CITY],
    }
    fields = {"covers": "period", "unit": "次", "measure": "count", "pillar": PILLAR, "over_organisations": "none"}
    return an_indicator(id, **(fields | changes | {"reporting": reporting | changes.get("reporting", {})}))


def a_promise(id: str = "weekly", **changes: Any) -> dict[str, Any]:  # noqa: A002
    """One a week, of one cluster."""
    fields: dict[str, Any] = {
        "indicator": "meetings",
        "pillar": PILLAR,
        "cluster": MACHINERY,
        "value": 1,
        "unit": "次",
        "per": "week",
        "by": None,
    }
    return a_target(id, **(fields | changes))


def scored(
    period: str, now: str, seen: Seen, *targets: dict[str, Any], indicator: dict[str, Any] | None = None
) -> PillarScore:
    """The score of the targets, all of one indicator; `seen` by reporting period."""
    catalogue = a_catalogue(indicators=[indicator or a_count()], targets=targets or (a_promise(),))

    def known(_: Target, part: Period) -> Known | None:
        what = seen.get(part.key)
        return what if what is None or isinstance(what, Known) else Known(Decimal(what), 1, 1)

    terms = PillarTargets(catalogue).of(MACHINERY, PILLAR)
    return score(terms, Period.parse(period), on(now), known)


def test_a_count_per_week_is_reached_by_due() -> None:
    found = scored("2026-03", "2026-05-01", {"2026-W10": 1, "2026-W11": 1, "2026-W12": 0, "2026-W13": 1})
    [part] = found.made_of
    assert (found.state, found.score, part.reached, part.due) == (PillarState.SCORED, Fraction(3, 4), 3, 4)
    assert (found.reported, found.expected, part.state) == (4, 4, State.REPORTED)


def test_a_week_belongs_to_the_month_of_its_thursday() -> None:
    # 2026-W14 runs from 30 March to 5 April.
    found = scored("2026-04", "2026-06-01", {"2026-W14": 1})
    assert [o.instance.period.key for o in found.made_of[0].outcomes] == [f"2026-W{n}" for n in range(14, 19)]
    assert found.score == Fraction(1, 5)


def test_three_meetings_in_one_week_are_none_in_the_next() -> None:
    found = scored("2026-03", "2026-05-01", {"2026-W10": 3, "2026-W11": 1, "2026-W12": 0, "2026-W13": 0})
    assert (found.score, found.made_of[0].reached) == (Fraction(1, 2), 2)


def test_only_what_is_due_counts_and_complete_figures_before_it_wait() -> None:
    seen = {"2026-W10": 1, "2026-W11": 0, "2026-W12": 1, "2026-W13": 1}
    # W11 ends on 15 March and is due by the end of the 22nd, W12 a week later.
    assert scored("2026-03", "2026-03-22", seen).score == 1
    assert scored("2026-03", "2026-03-23", seen).score == Fraction(1, 2)


def test_before_anything_is_due_there_is_no_score_and_none_is_missing() -> None:
    found = scored("2026-03", "2026-03-10", {})
    assert (found.state, found.score, found.expected) == (PillarState.NOT_YET_DUE, None, 0)
    assert found.made_of[0].state is State.NOT_YET_DUE


def test_silence_counts_as_nothing_reached_and_is_missed() -> None:
    found = scored("2026-03", "2026-05-01", {"2026-W10": 1, "2026-W11": 1, "2026-W12": 1})
    assert (found.score, found.reported, found.expected) == (Fraction(3, 4), 3, 4)
    assert found.missing == (("meetings", Period.parse("2026-W13")),)
    assert found.made_of[0].state is State.OVERDUE


def test_what_is_declared_missing_counts_as_nothing_and_is_told_from_what_is_overdue() -> None:
    found = scored("2026-03", "2026-05-01", {"2026-W10": 1, "2026-W11": 1, "2026-W12": 1, "2026-W13": DECLARED})
    assert (found.score, found.reported, found.expected) == (Fraction(3, 4), 3, 4)
    assert found.made_of[0].state is State.DECLARED_MISSING


def test_weeks_that_are_excused_are_left_out() -> None:
    seen: Seen = {"2026-W06": 1, "2026-W07": 1, "2026-W08": NONE_OWED, "2026-W09": 0}
    found = scored("2026-02", "2026-05-01", seen)
    assert (found.score, found.reported, found.expected) == (Fraction(2, 3), 3, 3)
    assert (found.made_of[0].reached, found.made_of[0].due) == (2, 3)


def test_a_period_wholly_excused_has_no_score() -> None:
    found = scored("2026-W08", "2026-05-01", {"2026-W08": NONE_OWED})
    assert (found.state, found.score, found.made_of[0].state) == (
        PillarState.NOT_APPLICABLE,
        None,
        State.NOT_APPLICABLE,
    )


def test_a_quarters_target_reported_by_month_is_the_sum_of_its_months_at_its_end() -> None:
    indicator, target = a_count(frequency="M"), a_promise(per="quarter", value=6)
    seen = {"2026-01": 1, "2026-02": 2}
    assert scored("2026-02", "2026-06-01", seen, target, indicator=indicator).state is PillarState.NOT_YET_DUE
    for period in ("2026-03", "2026-Q1"):
        found = scored(period, "2026-06-01", seen, target, indicator=indicator)
        assert (found.score, found.reported, found.expected) == (Fraction(1, 2), 2, 3)
        assert found.missing == (("meetings", Period.parse("2026-03")),)


def test_january_and_february_reported_together_are_part_of_their_quarter() -> None:
    indicator = a_count(frequency="M", january_february="together")
    target = a_promise(per="quarter", value=4)
    found = scored("2026-Q1", "2026-06-01", {"2026-01-01/P2M": 1, "2026-03": 2}, target, indicator=indicator)
    assert (found.score, found.reported, found.expected) == (Fraction(3, 4), 2, 2)


def test_a_yearly_target_is_held_against_its_curve_within_the_year() -> None:
    indicator = a_count(frequency="M", covers="year-to-date")
    curve = [{"period": "2026-Q1", "share": "0.1"}, {"period": "2026-Q2", "share": "0.4"}]
    target = a_promise(per="year", value=100, curve=curve)
    found = scored("2026-06", "2026-08-01", {"2026-06": 30}, target, indicator=indicator)
    assert (found.score, found.made_of[0].reached, found.made_of[0].due) == (Fraction(3, 4), 30, 40)
    # The half-year is where it stands at its end, not the mean of its months.
    assert scored("2026-S1", "2026-08-01", {"2026-06": 30}, target, indicator=indicator).score == Fraction(3, 4)


def a_level(**changes: Any) -> dict[str, Any]:
    return a_count("funds", "Q", kind="stock", **changes)


def by_date(**changes: Any) -> dict[str, Any]:
    """Ten by the end of 2026, in a plan that began with 2025."""
    return a_promise("by-date", indicator="funds", value=10, per=None, by="2026", **changes)


def test_without_a_curve_a_by_date_target_waits_for_its_due_date() -> None:
    seen = {f"2026-Q{n}": n for n in (1, 2, 3, 4)}
    early = scored("2026-Q3", "2026-11-01", seen, by_date(), indicator=a_level())
    assert (early.state, early.made_of[0].state) == (PillarState.NOT_YET_DUE, State.NOT_YET_DUE)
    for period in ("2026-12", "2026-Q4", "2026"):
        found = scored(period, "2027-02-01", seen, by_date(), indicator=a_level())
        assert (found.score, found.made_of[0].reached, found.made_of[0].due) == (Fraction(2, 5), 4, 10)


def test_a_declared_curve_without_baseline_runs_from_nothing_at_the_plans_start() -> None:
    target = by_date(curve=[{"period": "2025", "share": "0.5"}])
    assert scored("2025-Q4", "2026-02-01", {"2025-Q4": 4}, target, indicator=a_level()).score == Fraction(4, 5)


def test_a_baseline_is_where_the_way_begins() -> None:
    # Half of the two years from the end of 2024 lies behind: from 6 to 10, 8 is due by the end of 2025.
    target = by_date(baseline={"period": "2024", "value": "6"})
    seen = {"2025-Q4": "7"}
    assert scored("2025-12", "2026-02-01", seen, target, indicator=a_level()).score == Fraction(1, 2)


def test_who_goes_back_or_beyond_stays_between_0_and_1() -> None:
    target = by_date(baseline={"period": "2024", "value": "6"})
    for value, share in (("5", 0), ("9", 1)):
        assert scored("2025-12", "2026-02-01", {"2025-Q4": value}, target, indicator=a_level()).score == share


def test_lower_is_better_where_the_target_says_so() -> None:
    level = a_level(direction="down")
    target = by_date(comparator="<=", baseline={"period": "2024", "value": "18"})
    # From 18 to 10 in two years: 14 is due by the end of the first.
    assert scored("2025-12", "2026-02-01", {"2025-Q4": "16"}, target, indicator=level).score == Fraction(1, 2)


def test_a_ceiling_per_period_is_kept_or_the_value_is_held_against_it() -> None:
    count = a_count(direction="down")
    ceiling = a_promise(value=2, comparator="<=")
    seen = {"2026-W10": 0, "2026-W11": 2, "2026-W12": 4, "2026-W13": 8}
    found = scored("2026-03", "2026-05-01", seen, ceiling, indicator=count)
    assert found.score == (1 + 1 + Fraction(1, 2) + Fraction(1, 4)) / 4


def test_a_ceiling_of_nothing_is_broken_by_anything() -> None:
    none_at_all = a_promise(value=0, comparator="<=")
    seen = {"2026-W10": 0, "2026-W11": 1, "2026-W12": 0, "2026-W13": 0}
    assert scored("2026-03", "2026-05-01", seen, none_at_all, indicator=a_count(direction="down")).score == Fraction(
        3, 4
    )


def test_who_is_silent_does_not_help_to_keep_a_ceiling() -> None:
    count = a_count(direction="down", over_organisations="sum")
    ceiling = a_promise(value=10, comparator="<=")
    found = scored("2026-W10", "2026-05-01", {"2026-W10": Known(Decimal(5), 2, 4)}, ceiling, indicator=count)
    assert found.score == Fraction(1, 2)


def test_a_level_by_date_is_that_of_the_last_due_report_that_applies() -> None:
    target = by_date(baseline={"period": "2024", "value": "0"})
    seen: Seen = {"2025-Q1": "9", "2025-Q2": "1", "2025-Q3": NONE_OWED}
    found = scored("2025", "2025-11-01", seen, target, indicator=a_level())
    [outcome] = found.made_of[0].outcomes
    assert outcome.instance.period.key == "2025-Q2"


def test_weights_are_1_unless_given() -> None:
    seen = {"2026-W10": 1}
    targets = [a_promise(), a_promise("double", value=2, weight=3)]
    found = scored("2026-W10", "2026-05-01", seen, *targets)
    assert found.score == (1 + 3 * Fraction(1, 2)) / 4


def test_what_is_not_due_weighs_nothing() -> None:
    targets = [a_promise(), a_promise("monthly", per="month", value=4, weight=9)]
    found = scored("2026-W10", "2026-05-01", {"2026-W10": 1}, *targets)
    assert found.score == 1
    assert [part.attainment for part in found.made_of] == [1, None]


def test_a_pillar_whose_plan_is_over_has_no_target() -> None:
    found = scored("2028-03", "2028-05-01", {})
    assert (found.state, found.score, found.made_of) == (PillarState.NO_TARGET, None, ())


def test_the_last_week_that_begins_in_the_plans_time_but_belongs_to_the_next_year_is_no_part_of_it() -> None:
    # 2026-W01 begins on 29 December 2025; its Thursday is 1 January.
    plan = {"id": "plan", "name": "方案", "start": "2025-01-01", "end": "2025-12-31", "source": "test"}
    catalogue = a_catalogue(indicators=[a_count()], targets=[a_promise()], plans=[plan])
    [terms] = PillarTargets(catalogue).of(MACHINERY, PILLAR)
    parts = needed(terms, Period.parse("2025-01-01/P2Y"), on("2026-05-01"))
    assert max(parts).key == "2025-W52"


@pytest.mark.parametrize(
    "changes",
    [{"cluster": "_T"}, {"cluster": DIGITAL}, {"org": PEI}, {"synthetic": True}, {"pillar": None}],
    ids=str,
)
def test_targets_of_other_scopes_are_no_part_of_a_clusters_pillar(changes: dict[str, Any]) -> None:
    catalogue = a_catalogue(indicators=[a_count()], targets=[a_promise(**changes)])
    assert PillarTargets(catalogue).of(MACHINERY, PILLAR) == ()


def test_a_target_about_the_city_is_part_of_it_however_it_names_the_city() -> None:
    catalogue = a_catalogue(indicators=[a_count()], targets=[a_promise(), a_promise("city", org=CITY)])
    assert [t.target.id for t in PillarTargets(catalogue).of(MACHINERY, PILLAR)] == ["weekly", "city"]


def terms_of(catalogue: Catalogue) -> Any:
    return PillarTargets(catalogue).of(MACHINERY, PILLAR)


def test_the_latest_due_period_is_the_last_that_has_ended_with_something_due() -> None:
    terms = terms_of(a_catalogue(indicators=[a_count()], targets=[a_promise()]))
    # W09 ends on 1 March and belongs to February; nothing of March is due before the 16th.
    assert str(latest_due(terms, Frequency.MONTH, on("2026-03-20"))) == "2026-02"
    assert str(latest_due(terms, Frequency.MONTH, on("2026-04-01"))) == "2026-03"
    assert str(latest_due(terms, Frequency.YEAR, on("2026-04-01"))) == "2025"
    # The plan ends with 2027, and its last state stays.
    assert str(latest_due(terms, Frequency.QUARTER, on("2029-04-01"))) == "2027-Q4"
    assert latest_due(terms, Frequency.MONTH, on("2025-01-05")) is None


def test_what_falls_due_once_a_quarter_has_its_latest_month_at_the_quarters_end() -> None:
    count, target = a_count(frequency="Q"), a_promise(per="quarter")
    terms = terms_of(a_catalogue(indicators=[count], targets=[target]))
    assert str(latest_due(terms, Frequency.MONTH, on("2026-06-20"))) == "2026-03"


def test_the_month_shown_is_the_latest_that_has_ended_and_stays_when_the_plan_is_over() -> None:
    targets = PillarTargets(a_catalogue(indicators=[a_count()], targets=[a_promise()]))
    assert month_shown(targets, on("2026-04-15")).key == "2026-03"
    assert month_shown(targets, on("2029-04-15")).key == "2027-12"
    assert month_shown(PillarTargets(a_catalogue()), on("2029-04-15")).key == "2029-03"


def test_a_range_reported_once_is_found_by_its_end() -> None:
    once = a_count(frequency="R", reporting={"period": "2021-01-01/P5Y", "first": date(2021, 1, 1)})
    [indicator] = a_catalogue(indicators=[once]).indicators
    assert [p.key for p in reported_between(indicator, date(2025, 12, 1), date(2025, 12, 31))] == ["2021-01-01/P5Y"]
    assert reported_between(indicator, date(2025, 1, 1), date(2025, 6, 30)) == []
    assert reported_between(indicator, date(2025, 7, 1), date(2025, 6, 30)) == []


@given(
    values=st.lists(st.one_of(st.none(), st.integers(0, 5)), min_size=4, max_size=4),
    more=st.lists(st.integers(0, 5), min_size=4, max_size=4),
)
def test_a_score_lies_between_0_and_1_and_never_falls_when_more_is_reported(
    values: list[int | None], more: list[int]
) -> None:
    weeks = [f"2026-W{n}" for n in (10, 11, 12, 13)]
    before = scored("2026-03", "2026-05-01", {w: v for w, v in zip(weeks, values, strict=True) if v is not None})
    after = scored("2026-03", "2026-05-01", {w: (v or 0) + m for w, v, m in zip(weeks, values, more, strict=True)})
    assert before.score is not None
    assert after.score is not None
    assert 0 <= before.score <= after.score <= 1
