from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.alerting.builders import COUNTY, DEPARTMENT, NOW, OTHER_DEPARTMENT
from unit.alerting.problem_builders import (
    ADMIN,
    GXJ,
    OFFICE,
    PIZHOU,
    VIEWER,
    a_problem,
    about_a_light,
    about_a_project,
    first_step,
)

from fourones_alerting.domain.problem_figures import tally
from fourones_alerting.domain.problem_life import OutOfOrder, after, following, step_of
from fourones_alerting.domain.problem_rights import NotAllowed, possible, require_right
from fourones_alerting.domain.problem_terms import Terms
from fourones_alerting.domain.problems import (
    CALLED,
    CLOCK,
    LIGHT,
    NOTICES,
    STATES,
    Action,
    Actor,
    Level,
    Problem,
    State,
)
from fourones_alerting.problems.chain import BEGINNING, hash_of

A, S, R, V, C = Action.ACKNOWLEDGE, Action.START, Action.REPORT, Action.VERIFY, Action.CLOSE
WHOLE_LIFE = (A, S, R, V, C)

# -- the life ---------------------------------------------------------------------------------------------------


def test_the_whole_life_in_order() -> None:
    problem = a_problem(Action.NOTIFY, *WHOLE_LIFE)

    assert problem.state is State.CLOSED
    assert problem.version == 7
    assert problem.reported_by == GXJ.key_id
    assert problem.closed_at == NOW


def test_it_can_be_acknowledged_before_anybody_was_notified() -> None:
    assert a_problem(A).state is State.ACKNOWLEDGED


@pytest.mark.parametrize(
    ("taken", "action"),
    [
        ((), S),
        ((), R),
        ((A,), R),
        ((A,), A),
        ((A, S), V),
        ((A, S, R), C),
        (WHOLE_LIFE, A),
        (WHOLE_LIFE, Action.ESCALATE),
    ],
)
def test_a_step_out_of_order_is_refused_with_what_is_possible(taken: tuple[Action, ...], action: Action) -> None:
    problem = a_problem(*taken)

    with pytest.raises(OutOfOrder) as refused:
        step_of(problem, action, GXJ, NOW)

    assert refused.value.possible == following(problem)
    assert refused.value.possible
    assert all(CALLED[step] in refused.value.detail for step in refused.value.possible)


@pytest.mark.parametrize("taken", [(A, S, R), (A, S, R, V), WHOLE_LIFE])
def test_what_was_reported_can_be_sent_back(taken: tuple[Action, ...]) -> None:
    problem = a_problem(*taken, Action.REOPEN)

    assert problem.state is State.IN_PROGRESS
    assert problem.reported_at is problem.closed_at is problem.reported_by is None


def test_a_county_passes_up_to_the_department_and_that_to_the_city_and_no_further() -> None:
    problem = a_problem(level=Level.COUNTY)
    assert problem.held_by == (COUNTY,)
    problem = after(problem, step_of(problem, Action.ESCALATE, PIZHOU, NOW))
    assert (problem.state, problem.level, problem.held_by) == (State.ESCALATED, Level.DEPARTMENT, (DEPARTMENT,))
    problem = after(problem, step_of(problem, Action.ESCALATE, GXJ, NOW))
    assert (problem.state, problem.level, problem.held_by) == (State.ESCALATED, Level.CITY, (DEPARTMENT,))
    with pytest.raises(OutOfOrder) as refused:
        step_of(problem, Action.ESCALATE, OFFICE, NOW)
    assert refused.value.code == "highest_level"
    assert refused.value.possible == (A,)


def test_a_countys_own_problem_goes_straight_to_the_city() -> None:
    problem = a_problem(Action.ESCALATE, level=Level.COUNTY, responsible=())

    assert problem.level is Level.CITY
    assert problem.held_by == (COUNTY,)


def test_a_recovered_light_changes_nothing_but_the_history() -> None:
    before = a_problem(A, S, about=about_a_light(), by=LIGHT, episode=1)
    recovered = after(before, step_of(before, Action.LIGHT_RECOVERED, LIGHT, NOW, details={"episode": 1}))

    assert before.light_is_red
    assert recovered == replace(before, version=before.version + 1, light_is_red=False)
    again = after(recovered, step_of(recovered, Action.LIGHT_RED, LIGHT, NOW, details={"episode": 2}))
    assert (again.state, again.episode, again.light_is_red) == (State.IN_PROGRESS, 2, True)


def test_every_state_and_action_has_a_chinese_name() -> None:
    assert STATES.keys() == set(State)
    assert CALLED.keys() == set(Action)


LIGHTS = {Action.LIGHT_RED, Action.LIGHT_RECOVERED, Action.TARGET_REMOVED}


@given(st.lists(st.sampled_from([a for a in Action if a is not Action.OPEN]), max_size=30))
def test_whatever_is_tried_no_problem_skips_a_step(tried: list[Action]) -> None:
    problems = [a_problem()]
    steps = [first_step()]
    for action in tried:
        details = {"episode": 1} if action in LIGHTS else None
        try:
            step = step_of(problems[-1], action, GXJ, NOW, details=details)
        except OutOfOrder:
            assert action not in following(problems[-1])
            continue
        steps.append(step)
        problems.append(after(problems[-1], step))

    for before, now in pairwise(problems):
        assert now.version == before.version + 1
        assert list(Level).index(now.level) >= list(Level).index(before.level)
        if now.state is State.CLOSED:
            assert before.state in {State.VERIFIED, State.CLOSED}
        if now.state is State.VERIFIED:
            assert before.state in {State.REPORTED_DONE, State.VERIFIED}
        assert (now.closed_at is not None) == (now.state is State.CLOSED)
    replayed: Problem | None = None
    for step in steps:
        replayed = after(replayed, step)
    assert replayed == problems[-1]


# -- the history ------------------------------------------------------------------------------------------------


def test_a_history_with_a_step_that_does_not_follow_is_refused() -> None:
    problem = a_problem(A)
    skipped = replace(step_of(problem, S, GXJ, NOW), state=State.VERIFIED)

    with pytest.raises(OutOfOrder):
        after(problem, skipped)
    with pytest.raises(OutOfOrder):
        after(problem, first_step())


def test_every_field_of_a_step_is_in_its_hash() -> None:
    step = step_of(a_problem(A), S, GXJ, NOW, note="已开工")
    others = [
        replace(step, problem=2),
        replace(step, action=Action.REPORT),
        replace(step, state=State.CLOSED),
        replace(step, level=Level.CITY),
        replace(step, due=date(2026, 6, 20)),
        replace(step, responsible=(OTHER_DEPARTMENT,)),
        replace(step, taken_at=NOW + timedelta(microseconds=1)),
        replace(step, by=OFFICE),
        replace(step, by=replace(GXJ, org=COUNTY)),
        replace(step, by=replace(GXJ, key_id="another")),
        replace(step, note="已完工"),
        replace(step, details={"episode": 1}),
    ]
    hashes = {hash_of(BEGINNING, 2, other) for other in [step, *others]}
    hashes |= {hash_of(BEGINNING, 3, step), hash_of("1" * 64, 2, step)}

    assert len(hashes) == len(others) + 3


# -- rights -----------------------------------------------------------------------------------------------------


def may(problem: Problem, action: Action, by: Actor) -> bool:
    try:
        require_right(problem, action, by)
    except NotAllowed:
        return False
    return True


OTHER = Actor("department", OTHER_DEPARTMENT, "key-of-kjj")
EVERYBODY = (GXJ, OTHER, PIZHOU, OFFICE, VIEWER, ADMIN)


@pytest.mark.parametrize(
    ("level", "action", "who"),
    [
        (Level.COUNTY, A, {PIZHOU}),
        (Level.COUNTY, S, {PIZHOU}),
        (Level.COUNTY, R, {PIZHOU}),
        (Level.COUNTY, Action.ESCALATE, {PIZHOU, OFFICE}),
        (Level.DEPARTMENT, A, {GXJ}),
        (Level.DEPARTMENT, S, {GXJ}),
        (Level.DEPARTMENT, R, {GXJ}),
        # Who has raised it may pass it up, too.
        (Level.DEPARTMENT, Action.ESCALATE, {GXJ, PIZHOU, OFFICE}),
        (Level.CITY, A, {OFFICE}),
        (Level.CITY, S, {GXJ, OFFICE}),
        (Level.CITY, R, {GXJ, OFFICE}),
        (Level.DEPARTMENT, V, {OFFICE}),
        (Level.DEPARTMENT, C, {OFFICE}),
        (Level.DEPARTMENT, Action.REOPEN, {OFFICE}),
    ],
)
def test_who_may(level: Level, action: Action, who: set[Actor]) -> None:
    problem = a_problem(level=level)

    assert {by for by in EVERYBODY if may(problem, action, by)} == who


def test_nobody_verifies_what_the_same_key_has_reported() -> None:
    problem = a_problem(Action.ESCALATE, A, S)
    problem = after(problem, step_of(problem, R, OFFICE, NOW))

    with pytest.raises(NotAllowed) as refused:
        require_right(problem, V, OFFICE)
    assert refused.value.code == "own_report"
    require_right(problem, V, replace(OFFICE, key_id="key-of-a-colleague"))


def test_what_is_possible_depends_on_who_asks() -> None:
    problem = a_problem(A, S, R)

    assert possible(problem, GXJ) == ()
    assert possible(problem, OFFICE) == (V, Action.REOPEN)
    assert possible(a_problem(), GXJ) == (A, Action.ESCALATE)


def test_the_refusal_says_who_holds_it() -> None:
    with pytest.raises(NotAllowed, match=DEPARTMENT):
        require_right(a_problem(), A, OTHER)


# -- deadlines --------------------------------------------------------------------------------------------------

# NOW is Wednesday, 20 May 2026: three working days later is Monday, the 25th.
MONDAY_ENDS = datetime(2026, 5, 25, 16, tzinfo=UTC)
TERMS = Terms(due_days=30, acknowledge_days=3)


def test_nobody_has_acknowledged_for_three_working_days() -> None:
    assert TERMS.passed_up_at(a_problem()) == MONDAY_ENDS
    assert TERMS.passed_up_at(a_problem(Action.NOTIFY)) == MONDAY_ENDS


def test_acknowledged_it_goes_when_its_due_date_has_passed() -> None:
    assert TERMS.passed_up_at(a_problem(A)) == datetime(2026, 6, 19, 16, tzinfo=UTC)
    assert TERMS.passed_up_at(a_problem(due=date(2026, 5, 21))) == datetime(2026, 5, 21, 16, tzinfo=UTC)


def test_past_due_it_does_not_fall_through_two_levels_at_once() -> None:
    county = a_problem(A, level=Level.COUNTY, due=date(2026, 5, 19), taken_at=NOW - timedelta(days=9))
    passed_up = after(county, step_of(county, Action.ESCALATE, CLOCK, NOW))

    assert TERMS.passed_up_at(passed_up) == MONDAY_ENDS
    acknowledged = after(passed_up, step_of(passed_up, A, GXJ, NOW))
    assert TERMS.passed_up_at(acknowledged) == MONDAY_ENDS


@pytest.mark.parametrize("problem", [a_problem(A, S, R), a_problem(*WHOLE_LIFE), a_problem(level=Level.CITY)])
def test_what_waits_for_the_office_goes_nowhere(problem: Problem) -> None:
    assert TERMS.passed_up_at(problem) is None


def test_the_due_date_is_days_in_shanghai() -> None:
    assert TERMS.due_from(datetime(2026, 5, 20, 16, tzinfo=UTC)) == date(2026, 6, 20)


def test_it_is_overdue_after_the_end_of_the_day_and_not_once_it_is_reported() -> None:
    due_ends = datetime(2026, 6, 19, 16, tzinfo=UTC)

    assert not a_problem(A).is_overdue(due_ends - timedelta(microseconds=1))
    assert a_problem(A).is_overdue(due_ends)
    assert not a_problem(A, S, R).is_overdue(due_ends)


def test_a_notice_notes_that_the_department_was_told() -> None:
    problem = a_problem()

    assert after(problem, step_of(problem, Action.NOTIFY, NOTICES, NOW)).state is State.NOTIFIED


# -- figures ----------------------------------------------------------------------------------------------------


def department(problem: Problem) -> tuple[str, ...]:
    return problem.responsible


def test_figures_count_what_was_closed_in_time_and_what_is_late() -> None:
    late_report = replace(a_problem(*WHOLE_LIFE), reported_at=datetime(2026, 6, 19, 16, tzinfo=UTC))
    problems = [a_problem(*WHOLE_LIFE), late_report, a_problem(A), a_problem(A, S, R)]
    [found] = tally(problems, department, NOW, datetime(2026, 7, 1, tzinfo=UTC))

    assert (found.org, found.opened, found.closed, found.closed_on_time) == (DEPARTMENT, 4, 2, 1)
    assert (found.open, found.overdue) == (2, 1)
    assert found.share_closed_on_time == Decimal("0.5")


def test_a_remedy_in_time_that_the_office_verifies_late_is_on_time() -> None:
    closed = replace(a_problem(*WHOLE_LIFE), closed_at=datetime(2026, 8, 1, tzinfo=UTC))

    [found] = tally([closed], department, None, datetime(2026, 9, 1, tzinfo=UTC))
    assert found.closed_on_time == 1


def test_what_was_closed_or_opened_before_the_stretch_does_not_count_in_it() -> None:
    [found] = tally([a_problem(*WHOLE_LIFE)], department, NOW + timedelta(days=1), NOW + timedelta(days=9))

    assert (found.opened, found.closed, found.open, found.share_closed_on_time) == (0, 0, 0, None)


def test_a_problem_counts_with_each_of_its_equals() -> None:
    problem = a_problem(responsible=(OTHER_DEPARTMENT, DEPARTMENT), about=about_a_project(org=None))

    found = tally([problem], department, None, NOW + timedelta(days=1))
    assert [(line.org, line.open) for line in found] == [(DEPARTMENT, 1), (OTHER_DEPARTMENT, 1)]
