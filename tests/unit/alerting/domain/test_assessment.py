"""Scenarios of DESIGN.md, section 5: when a target is judged, and what the light then says."""

from dataclasses import replace
from decimal import Decimal
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from unit.alerting.domain.builders import (
    a_plan,
    a_target,
    a_year_to_date_indicator,
    an_indicator,
    judged,
    on,
    partly_seen,
    seen,
)

from fourones_alerting.domain.assessment import Assessment
from fourones_alerting.domain.readings import Observation
from fourones_alerting.domain.verdicts import Light, Verdict
from fourones_shared.catalogue.model import (
    Band,
    BandVerdict,
    Baseline,
    Cadence,
    Comparator,
    Direction,
    Kind,
    Method,
    Milestone,
    Target,
)
from fourones_shared.events.model import Status

WITHOUT_BASELINE = a_target(baseline=None)
SCALE = a_target(name="工程机械集群规模", unit="亿元", value=Decimal(3000), baseline=None)


def of(assessment: Assessment) -> tuple[str, str, str]:
    return assessment.verdict.value, assessment.light.value, assessment.period


# --- the city's own cases


def test_the_energy_cut_reported_for_2024_stands_while_2025_is_overdue() -> None:
    target = a_target(name="单位GDP能耗累计下降率", value=Decimal("14.5"), unit="%", baseline=None, org="xz-hidz")
    indicator = an_indicator("A", kind=Kind.RATIO, unit="%")
    found = judged(seen("2024", 18), seen("2025"), now="2026-04-15", target=target, indicator=indicator)
    assert of(found) == ("achieved", "green", "2024")
    assert found.stale
    assert not found.final
    assert not found.incomplete
    assert "2025年逾期未报，沿用2024年的结论" in found.explanation
    assert "徐州高新区" in found.explanation


def test_four_of_six_clusters_in_2025_miss_the_tier_goal_for_good_and_the_remark_says_what_was_counted() -> None:
    remark = "002号来源按规模计数字经济，与目标口径不同"
    target = a_target(name="千亿级集群数", value=Decimal(6), unit="个", baseline=None, remark=remark)
    found = judged(seen("2025", 4), now="2026-01-20", target=target, indicator=an_indicator("A", unit="个"))
    assert of(found) == ("off_track", "red", "2025")
    assert found.final
    assert found.gap == 2
    assert found.due_value == found.target_value == 6
    assert "还差2个" in found.explanation
    assert "最终结论" in found.explanation
    assert remark in found.explanation


def test_a_target_without_any_figure_is_grey_before_and_after_its_due_date() -> None:
    for now in ("2024-03-01", "2025-12-31", "2026-01-20", "2030-01-01"):
        found = judged(seen("2024"), seen("2025"), now=now, target=WITHOUT_BASELINE, indicator=an_indicator("A"))
        assert (found.verdict, found.light) == (Verdict.NO_DATA, Light.GREY)
        assert not found.final
        assert found.value is found.gap is found.attainment is None


def test_nothing_opened_yet_is_no_data_at_the_due_period() -> None:
    assert of(judged(now="2024-01-01")) == ("no_data", "grey", "2025")
    yearly = a_target(per=Cadence.YEAR)
    assert judged(now="2024-01-01", target=yearly).period == "2023"


def test_a_year_to_date_scale_is_judged_month_by_month_up_to_its_year() -> None:
    indicator = a_year_to_date_indicator()
    november = judged(seen("2025-11", 2750), now="2025-12-05", target=SCALE, indicator=indicator)
    assert of(november) == ("not_assessable", "grey", "2025-11")
    assert november.attainment == Decimal("0.916667")
    assert "2025年1—11月完成2750亿元" in november.explanation
    december = judged(
        seen("2025-11", 2750),
        seen("2025-12", 2990),
        seen("2026-01", 250),
        now="2026-02-20",
        target=SCALE,
        indicator=indicator,
    )
    assert of(december) == ("off_track", "red", "2025-12")
    assert december.final


def test_a_scale_reached_before_the_year_is_over_is_reached() -> None:
    found = judged(seen("2025-11", 3001), now="2025-12-05", target=SCALE, indicator=a_year_to_date_indicator())
    assert of(found) == ("achieved", "green", "2025-11")
    assert not found.final


def test_a_new_year_that_starts_from_nothing_does_not_take_back_what_the_last_one_reached() -> None:
    found = judged(
        seen("2024-12", 3100),
        seen("2025-01", 230),
        now="2025-02-15",
        target=SCALE,
        indicator=a_year_to_date_indicator(),
    )
    assert of(found) == ("achieved", "green", "2024-12")
    assert found.stale
    assert "累计数不能与全年目标直接比较" in found.explanation


def test_a_part_of_a_year_corrected_below_the_goal_takes_the_achievement_back() -> None:
    found = judged(
        seen("2025-10", 3001),
        seen("2025-11", 2999),
        now="2025-12-15",
        target=SCALE,
        indicator=a_year_to_date_indicator(),
    )
    assert of(found) == ("not_assessable", "grey", "2025-11")


def test_a_part_of_a_year_is_not_held_against_the_baseline_of_a_whole_one() -> None:
    target = replace_target(SCALE, baseline=Baseline(period="2022", value=Decimal(2100)))
    history = [seen("2024-12", 2710), seen("2025-06", 1500)]
    found = judged(*history, now="2025-07-20", target=target, indicator=a_year_to_date_indicator())
    assert of(found) == ("on_track", "green", "2024-12")
    assert found.stale


def replace_target(target: Target, **changes: object) -> Target:
    return target.model_copy(update=changes)


# --- half-reported and silent periods


def test_a_half_reported_month_turns_no_light_before_it_is_due() -> None:
    found = judged(seen("2025-05", 42), partly_seen("2025-06", 5, 40), now="2025-07-05")
    assert of(found) == ("on_track", "green", "2025-05")
    assert not found.stale


def test_a_complete_month_is_judged_before_it_is_due() -> None:
    assert of(judged(seen("2025-05", 42), seen("2025-06", 45), now="2025-07-01")) == ("lagging", "yellow", "2025-06")


def test_an_overdue_incomplete_month_is_red_only_if_the_missing_could_not_mend_it() -> None:
    red = judged(seen("2025-05", 42), partly_seen("2025-06", 25, 30), now="2025-07-15")
    assert of(red) == ("off_track", "red", "2025-06")
    assert red.incomplete
    assert not red.final
    assert red.value == 30
    assert red.inputs["reported_value"] == "25"
    assert "未报：丰县、沛县" in red.explanation
    grey = judged(seen("2025-05", 42), partly_seen("2025-06", 25, 45), now="2025-07-15")
    assert of(grey) == ("no_data", "grey", "2025-06")
    assert grey.incomplete
    assert (grey.reported, grey.expected) == (11, 13)
    assert grey.missing == ("320321", "320322")


def test_an_incomplete_month_whose_missing_reporters_never_reported_is_not_red_by_itself() -> None:
    found = judged(partly_seen("2025-06", 5, None), now="2025-07-15")
    assert of(found) == ("no_data", "grey", "2025-06")
    assert found.incomplete


def test_silence_after_red_stays_red() -> None:
    found = judged(seen("2025-05", 10), seen("2025-06"), seen("2025-07"), now="2025-08-15")
    assert of(found) == ("off_track", "red", "2025-05")
    assert found.stale


def test_silence_after_green_or_yellow_is_grey() -> None:
    for value in (42, 36):
        found = judged(seen("2025-05", value), seen("2025-06"), now="2025-07-15")
        assert of(found) == ("no_data", "grey", "2025-06")


def test_silence_after_an_incomplete_red_month_stays_red() -> None:
    found = judged(seen("2025-04", 40), partly_seen("2025-05", 5, 9), seen("2025-06"), now="2025-07-15")
    assert of(found) == ("off_track", "red", "2025-05")


def test_silence_after_a_month_that_might_have_been_green_is_grey_though_an_older_one_was_red() -> None:
    found = judged(seen("2025-04", 5), partly_seen("2025-05", 30, 50), seen("2025-06"), now="2025-07-15")
    assert of(found) == ("no_data", "grey", "2025-06")


def test_silence_at_the_due_date_does_not_pay() -> None:
    history = [seen("2025-11", 40), seen("2025-12")]
    before, after = (judged(*history, now=now) for now in ("2025-12-20", "2026-02-01"))
    assert before.verdict is after.verdict is Verdict.OFF_TRACK
    assert not after.final


def test_a_period_that_nobody_owes_is_passed_over() -> None:
    holiday = seen("2025-06", None, status=Status.NOT_APPLICABLE, expected=0)
    assert of(judged(seen("2025-05", 42), holiday, now="2025-08-01")) == ("on_track", "green", "2025-05")
    assert judged(holiday, now="2025-08-01").verdict is Verdict.NOT_ASSESSABLE


def test_declared_missing_is_silence() -> None:
    declared = seen("2025-06", None, status=Status.MISSING)
    assert judged(seen("2025-05", 42), declared, now="2025-07-15").verdict is Verdict.NO_DATA


# --- achieved, and taken back


def test_an_achieved_target_stays_so_until_a_later_figure_says_otherwise() -> None:
    silent = judged(seen("2025-05", 101), seen("2025-06"), now="2025-07-15")
    assert (of(silent), silent.stale) == (("achieved", "green", "2025-05"), True)
    unsure = judged(seen("2025-05", 101), partly_seen("2025-06", 60, 98), now="2025-07-15")
    assert (of(unsure), unsure.incomplete) == (("achieved", "green", "2025-05"), True)
    otherwise = judged(seen("2025-05", 101), seen("2025-06", 45), now="2025-07-15")
    assert of(otherwise) == ("lagging", "yellow", "2025-06")
    worse = judged(seen("2025-05", 101), partly_seen("2025-06", 20, 25), now="2025-07-15")
    assert of(worse) == ("off_track", "red", "2025-06")


def test_what_was_reached_after_the_due_date_came_too_late() -> None:
    found = judged(seen("2025-12", 99), seen("2026-01", 120), now="2026-03-01")
    assert of(found) == ("off_track", "red", "2025-12")
    assert found.final


def test_what_was_reported_before_the_plan_began_does_not_count() -> None:
    assert judged(seen("2022-12", 150), now="2025-06-01", target=WITHOUT_BASELINE).verdict is Verdict.NO_DATA


def test_at_the_due_date_a_target_is_achieved_for_good() -> None:
    found = judged(seen("2025-12", 100), now="2026-01-02")
    assert of(found) == ("achieved", "green", "2025-12")
    assert found.final
    assert found.months_behind == 0


def test_before_the_due_date_has_passed_nothing_is_final() -> None:
    early = judged(seen("2025-12", 95), now="2025-12-20")
    assert early.verdict is Verdict.LAGGING
    assert not early.final


def test_about_is_met_by_nine_tenths() -> None:
    target = a_target(comparator=Comparator.ABOUT)
    assert judged(seen("2025-12", 90), now="2026-01-20", target=target).verdict is Verdict.ACHIEVED
    assert judged(seen("2025-12", 89), now="2026-01-20", target=target).verdict is Verdict.OFF_TRACK


# --- the curve


def test_a_laggard_learns_by_how_much_and_how_many_months() -> None:
    target = a_target(
        curve=(Milestone(period="2025-Q2", share=Decimal("0.45")), Milestone(period="2025-Q3", share=Decimal("0.7")))
    )
    found = judged(seen("2025-09", 45), now="2025-10-05", target=target)
    assert found.verdict is Verdict.OFF_TRACK
    assert (found.due_value, found.gap, found.attainment) == (70, 25, Decimal("0.45"))
    assert found.months_behind == 3
    assert found.forecast == 60
    assert "距序时进度还差25家，落后约3个月，照此趋势到期约为60家" in found.explanation


def test_the_plans_own_bands_decide_the_light() -> None:
    strict = (
        Band(verdict=BandVerdict.ON_TRACK, up_to=Decimal(0)),
        Band(verdict=BandVerdict.OFF_TRACK, over=Decimal(0)),
    )
    assert judged(seen("2025-06", 45), now="2025-07-20").verdict is Verdict.LAGGING
    assert judged(seen("2025-06", 45), now="2025-07-20", plan=a_plan(bands=strict)).verdict is Verdict.OFF_TRACK


def test_a_falling_value_is_ahead_when_it_is_lower() -> None:
    target = a_target(
        value=Decimal(10), comparator=Comparator.AT_MOST, baseline=Baseline(period="2024", value=Decimal(20))
    )
    indicator = an_indicator(direction=Direction.DOWN)
    ahead = judged(seen("2025-06", 14), now="2025-07-20", target=target, indicator=indicator)
    assert ahead.verdict is Verdict.ON_TRACK
    assert ahead.gap is not None
    assert ahead.gap < 0
    assert ahead.months_behind == 0
    behind = judged(seen("2025-06", 19), now="2025-07-20", target=target, indicator=indicator)
    assert behind.verdict is Verdict.OFF_TRACK
    assert behind.attainment == Decimal("0.1")


def test_without_a_baseline_a_target_is_not_judged_before_its_due_date() -> None:
    found = judged(seen("2025-06", 50), now="2025-07-20", target=WITHOUT_BASELINE)
    assert of(found) == ("not_assessable", "grey", "2025-06")
    assert (found.attainment, found.gap, found.due_value, found.forecast) == (Decimal("0.5"), 50, None, None)


def test_a_target_with_a_fault_is_grey_and_says_which() -> None:
    found = judged(
        seen("2025-06", 50), now="2025-07-20", target=a_target(baseline=Baseline(period="2026", value=Decimal(1)))
    )
    assert found.verdict is Verdict.NOT_ASSESSABLE
    assert "目标设定有误" in found.explanation


# --- every year, every month, every week


def test_a_yearly_target_starts_again_every_year() -> None:
    target = a_target(value=Decimal(12), per=Cadence.YEAR)
    indicator = an_indicator(kind=Kind.FLOW)
    months = [seen(f"2024-{m:02d}", 1) for m in range(1, 13)] + [seen("2025-01", 0)]
    assert of(judged(*months[:6], now="2024-07-01", target=target, indicator=indicator)) == (
        "on_track",
        "green",
        "2024-06",
    )
    whole = judged(*months[:12], now="2025-01-05", target=target, indicator=indicator)
    assert (of(whole), whole.value, whole.final) == (("achieved", "green", "2024-12"), 12, True)
    new = judged(*months, now="2025-02-05", target=target, indicator=indicator)
    assert (of(new), new.value) == (("lagging", "yellow", "2025-01"), 0)


def test_an_unmet_year_is_off_track_for_good() -> None:
    target = a_target(value=Decimal(12), per=Cadence.YEAR)
    indicator = an_indicator(kind=Kind.FLOW)
    months = [seen(f"2024-{m:02d}", 1) for m in range(1, 12)] + [seen("2024-12", 0)]
    found = judged(*months, now="2025-01-05", target=target, indicator=indicator)
    assert (of(found), found.final, found.gap) == (("off_track", "red", "2024-12"), True, 1)


def test_a_sum_with_a_hole_in_it_is_incomplete() -> None:
    target = a_target(value=Decimal(12), per=Cadence.YEAR)
    indicator = an_indicator(kind=Kind.FLOW)
    history = [seen("2024-01", 1), seen("2024-02"), seen("2024-03", 1)]
    found = judged(*history, now="2024-04-15", target=target, indicator=indicator)
    assert of(found) == ("no_data", "grey", "2024-03")
    carried = [seen("2024-01", 1), seen("2024-02", None, carried_value=Decimal(0)), seen("2024-03", 0)]
    assert judged(*carried, now="2024-04-15", target=target, indicator=indicator).verdict is Verdict.OFF_TRACK


def test_a_yearly_ceiling_is_kept_only_when_the_year_is_over() -> None:
    target = a_target(value=Decimal(100), per=Cadence.YEAR, comparator=Comparator.AT_MOST)
    indicator = a_year_to_date_indicator(direction=Direction.DOWN)
    half = judged(seen("2024-06", 40), now="2024-07-05", target=target, indicator=indicator)
    assert of(half) == ("on_track", "green", "2024-06")
    assert (
        judged(seen("2024-06", 70), now="2024-07-05", target=target, indicator=indicator).verdict is Verdict.OFF_TRACK
    )
    assert judged(seen("2024-12", 90), now="2025-01-05", target=target, indicator=indicator).verdict is Verdict.ACHIEVED


def test_weekly_meetings_are_judged_week_by_week_with_count_and_gaps() -> None:
    target = a_target(name="工作调度会", value=Decimal(1), unit="次", per=Cadence.WEEK)
    indicator = an_indicator("W", kind=Kind.FLOW, unit="次")
    held = [seen(f"2025-W{w:02d}", 1) for w in (1, 2, 3)]
    holiday = seen("2025-W05", None, status=Status.NOT_APPLICABLE, expected=0)
    found = judged(
        *held,
        seen("2025-W04", 0),
        holiday,
        seen("2025-W06"),
        seen("2025-W07", 1),
        now="2025-02-20",
        target=target,
        indicator=indicator,
    )
    assert of(found) == ("achieved", "green", "2025-W07")
    assert "当年应评6周，达标4周，最长连续2周未达标" in found.explanation
    missed = judged(*held, seen("2025-W04", 0), now="2025-02-01", target=target, indicator=indicator)
    assert (of(missed), missed.final) == (("off_track", "red", "2025-W04"), True)
    silent = judged(*held, seen("2025-W04"), now="2025-02-20", target=target, indicator=indicator)
    assert of(silent) == ("no_data", "grey", "2025-W04")


def test_weekly_meetings_make_a_monthly_count() -> None:
    target = a_target(value=Decimal(4), unit="次", per=Cadence.MONTH)
    indicator = an_indicator("W", kind=Kind.FLOW)
    weeks = [seen(f"2025-W{w:02d}", 1) for w in range(6, 10)]
    found = judged(*weeks, now="2025-03-20", target=target, indicator=indicator)
    assert (found.verdict, found.value, found.period) == (Verdict.ACHIEVED, 4, "2025-W09")


def test_a_year_to_date_value_per_quarter_is_refused() -> None:
    found = judged(
        seen("2025-03", 1), now="2025-05-01", target=a_target(per=Cadence.QUARTER), indicator=a_year_to_date_indicator()
    )
    assert found.verdict is Verdict.NOT_ASSESSABLE
    assert "judge it per year" in found.explanation


# --- methods beside one another


def test_the_headline_method_decides_and_a_disagreement_is_flagged() -> None:
    base = Baseline(period="2015", value=Decimal("14.5"))
    plan = a_plan(start="2015-01-01", end="2030-12-31")
    given_ = {"value": Decimal("7.25"), "by": "2030", "comparator": Comparator.AT_MOST, "baseline": base}
    indicator = an_indicator("A", direction=Direction.DOWN)
    found = judged(
        seen("2023", "10.4"),
        now="2024-03-01",
        plan=plan,
        indicator=indicator,
        target=a_target(method=Method.REQUIRED_GROWTH, **given_),
    )
    assert found.verdict is Verdict.LAGGING
    assert found.by_method[Method.PLAN_CURVE].verdict is Verdict.ON_TRACK
    assert found.by_method[Method.PROJECTION].verdict is Verdict.LAGGING
    assert round(found.by_method[Method.REQUIRED_GROWTH].ratio or 0, 4) == Decimal("0.9011")
    assert found.disagreement
    by_curve = judged(seen("2023", "10.4"), now="2024-03-01", plan=plan, indicator=indicator, target=a_target(**given_))
    assert by_curve.verdict is Verdict.ON_TRACK
    assert by_curve.by_method == found.by_method


def test_a_missing_base_year_takes_the_next_available() -> None:
    target = a_target(method=Method.REQUIRED_GROWTH, baseline=None, value=Decimal(200))
    found = judged(
        seen("2023"), seen("2024", 100), seen("2025", 150), now="2025-12-20", target=target, indicator=an_indicator("A")
    )
    assert found.verdict is Verdict.OFF_TRACK
    assert found.inputs["base_day"] == "2024-12-31"


def test_grey_methods_disagree_with_nobody() -> None:
    found = judged(seen("2025-06", 50), now="2025-07-20", target=WITHOUT_BASELINE)
    assert not found.disagreement


# --- what a verdict rests on


def test_a_soft_figure_makes_a_provisional_verdict() -> None:
    for status, word in ((Status.PROVISIONAL, "暂定数"), (Status.ESTIMATED, "估计数"), (Status.FORECAST, "预计数")):
        found = judged(seen("2025-06", 50, status=status), now="2025-07-20")
        assert found.provisional
        assert word in found.explanation
    assert not judged(seen("2025-06", 50), now="2025-07-20").provisional


def test_an_assessment_names_the_versions_it_rests_on() -> None:
    found = judged(seen("2025-05", 5, version=7), seen("2025-06", version=3), now="2025-07-20")
    assert [(b.period, b.version) for b in found.rests_on] == [("2025-05", 7), ("2025-06", 3)]


def test_of_two_versions_of_a_period_the_newer_counts() -> None:
    found = judged(seen("2025-06", 60, version=2), seen("2025-06", 5, version=1), now="2025-07-20")
    assert found.verdict is Verdict.ON_TRACK


def test_a_figures_note_is_told() -> None:
    assert (
        "报送说明：媒体口径“超过”"
        in judged(seen("2025-06", 60, notes=("媒体口径“超过”。",)), now="2025-07-20").explanation
    )


def test_more_missing_than_there_is_room_for_are_counted() -> None:
    many = tuple(f"m{i}" for i in range(12))
    found = judged(partly_seen("2025-06", 5, 6, missing=many, reported=1), now="2025-07-20")
    assert "等12家" in found.explanation


def test_synthetic_targets_say_so() -> None:
    assert "演示数据" in judged(seen("2025-06", 60), now="2025-07-20", target=a_target(synthetic=True)).explanation


# --- properties

MONTHS = [f"2025-{m:02d}" for m in range(1, 13)]


@st.composite
def histories(draw: st.DrawFn) -> list[Observation]:
    history = []
    for period in MONTHS[: draw(st.integers(0, 12))]:
        value = draw(st.one_of(st.none(), st.integers(0, 130)))
        observation = seen(period, value, version=draw(st.integers(1, 5)))
        if value is not None and draw(st.booleans()):
            observation = partly_seen(period, value, draw(st.one_of(st.none(), st.integers(value, 140))))
        history.append(observation)
    return history


moments = st.dates(on("2025-01-01").date(), on("2026-12-31").date()).map(str)
targets = st.sampled_from(
    [a_target(), WITHOUT_BASELINE, a_target(per=Cadence.YEAR), a_target(method=Method.PROJECTION)]
)


@given(histories(), moments, targets, st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(
    history: list[Observation], now: str, target: Target, random: Random
) -> None:
    shuffled = list(history)
    random.shuffle(shuffled)
    assert judged(*history, now=now, target=target) == judged(*shuffled, now=now, target=target)


@given(histories(), moments, targets)
def test_without_a_value_there_is_never_a_colour(history: list[Observation], now: str, target: Target) -> None:
    silent = [replace(o, value=None, complete=False, reported=0, carried_value=None) for o in history]
    assert judged(*silent, now=now, target=target).light is Light.GREY


@given(histories(), moments, targets)
def test_silence_never_improves_a_light(history: list[Observation], now: str, target: Target) -> None:
    found = judged(*history, now=now, target=target)
    if history:
        silenced = [*history[:-1], replace(history[-1], value=None, complete=False, reported=0, carried_value=None)]
        before = judged(*history[:-1], now=now, target=target)
        after = judged(*silenced, now=now, target=target)
        assert after.light in {before.light, Light.GREY}
        assert not (before.light is Light.RED and after.light is not Light.RED)
    assert found.light is found.verdict.light


@given(histories(), moments, st.integers(0, 60))
def test_a_better_latest_value_never_worsens_the_verdict(history: list[Observation], now: str, more: int) -> None:
    order = [Verdict.OFF_TRACK, Verdict.LAGGING, Verdict.ON_TRACK, Verdict.ACHIEVED]
    complete = [o for o in history if o.complete]
    if complete:
        last = complete[-1]
        better = [*complete[:-1], replace(last, value=(last.value or Decimal(0)) + more)]
        verdicts = [judged(*h, now=now).verdict for h in (complete, better)]
        assert order.index(verdicts[0]) <= order.index(verdicts[1])


@given(histories(), moments, targets)
def test_every_assessment_explains_itself_in_whole_sentences(
    history: list[Observation], now: str, target: Target
) -> None:
    text = judged(*history, now=now, target=target).explanation
    assert text.startswith("【")
    assert text.endswith("。")
    assert "。。" not in text
    assert "None" not in text
