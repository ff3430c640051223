"""What is owed and how it stands: every duty once, in one order, from any place on."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.submission.builders import (
    BESIDE_THE_COUNTIES,
    CITY,
    COMPUTED,
    COUNTY,
    DEFAULT_INDICATORS,
    DEPARTMENT,
    NOW,
    OLD_COUNTY,
    OTHER_COUNTY,
    a_catalogue,
    an_indicator,
)

from fourones_shared.catalogue.duties import Duty, duties, expected_periods
from fourones_shared.catalogue.model import TOTAL
from fourones_shared.domain.periods import Period, shanghai_date
from fourones_shared.errors import InvalidPeriod
from fourones_shared.events.model import State, Status
from fourones_submission.domain.known import KnownFigure
from fourones_submission.domain.locking import Decision
from fourones_submission.domain.obligations import (
    Asked,
    Place,
    obligation,
    owed,
    parties,
    place_of,
    reports_for_others,
)
from fourones_submission.domain.terms import Terms

# The long series alone has a thousand months; one that starts later tells as much.
INDICATORS = [i for i in DEFAULT_INDICATORS if i["id"] != "long-series"] + [
    an_indicator(id="about-counties", reporting={"by": DEPARTMENT, "frequency": "S", "first": date(2025, 1, 1)}),
    an_indicator(id="by-leads", reporting={"by": "cluster-lead", "frequency": "A", "first": date(2025, 1, 1)}),
    BESIDE_THE_COUNTIES,
    COMPUTED,
]
TERMS = Terms(7, a_catalogue(*INDICATORS))
SCALE = "cluster-scale"
MACHINERY, DIGITAL = "construction-machinery", "digital-economy"


def listed(asked: Asked | None = None, now: datetime = NOW, after: Place | None = None) -> list[Duty]:
    return list(owed(TERMS, asked or Asked(), now, after))


def every_duty(now: datetime) -> Iterator[Duty]:
    """By the catalogue's own enumeration, which knows neither order nor filters."""
    for indicator in TERMS.catalogue.indicators:
        for period in expected_periods(indicator, shanghai_date(now)):
            yield from duties(TERMS.catalogue, indicator, period)


def newest_first(duty: Duty) -> tuple[int, int, str, str, str, str]:
    newest = -duty.period.start.toordinal(), -duty.period.end.toordinal()
    return *newest, duty.period.key, duty.indicator, duty.org, duty.cluster


organisations = st.sampled_from([None, CITY, COUNTY, OTHER_COUNTY, OLD_COUNTY, DEPARTMENT, "kjj"])
questions = st.builds(
    Asked,
    org=organisations,
    reporter=organisations,
    indicator=st.sampled_from([None, *TERMS.indicator]),
    cluster=st.sampled_from([None, TOTAL, MACHINERY, DIGITAL, "new-materials"]),
    party=organisations,
)
moments = st.timedeltas(timedelta(0), timedelta(days=1100)).map(lambda d: datetime(2023, 12, 1, tzinfo=UTC) + d)


@given(questions, moments)
def test_what_is_owed_is_every_duty_asked_for_once_and_the_newest_first(asked: Asked, now: datetime):
    def wanted(duty: Duty) -> bool:
        return (
            asked.org in {None, duty.org}
            and asked.reporter in {None, duty.reporter}
            and asked.indicator in {None, duty.indicator}
            and asked.cluster in {None, duty.cluster}
            and asked.party in {None, duty.org, duty.reporter}
        )

    assert listed(asked, now) == sorted(filter(wanted, every_duty(now)), key=newest_first)


@given(questions, moments, st.integers(0, 400))
def test_from_any_place_on_come_exactly_the_duties_behind_it(asked: Asked, now: datetime, cut: int):
    whole = listed(asked, now)
    first = whole[: cut + 1]
    if first:
        assert listed(asked, now, place_of(first[-1])) == whole[len(first) :]


def test_a_place_that_the_catalogue_has_removed_since_still_says_where_to_go_on():
    for org, first in (("320381a", COUNTY), ("320380", OTHER_COUNTY)):
        gone = Place("2026-02", SCALE, org, "x")
        assert place_of(listed(Asked(indicator=SCALE), after=gone)[0]) == ("2026-02", SCALE, first, MACHINERY)
    assert listed(after=Place("2026-03", "a-first", "", ""))[0].period.key == "2026-03"
    assert listed(after=Place("2026-03", "z-last", "", ""))[0].period.key != "2026-03"
    with pytest.raises(InvalidPeriod):
        listed(after=Place("x", SCALE, COUNTY, MACHINERY))


def test_a_period_is_owed_from_its_first_day_in_shanghai():
    opens = Period.parse("2026-04").starts_at
    keys = {d.period.key for d in listed(Asked(indicator=SCALE), opens - timedelta(microseconds=1))}
    assert "2026-04" not in keys
    assert listed(Asked(indicator=SCALE), opens)[0].period.key == "2026-04"


@pytest.mark.parametrize(
    ("written", "indicator", "key"),
    [
        ("2026-M02", SCALE, "2026-02"),
        ("2026-02-01/P1M", SCALE, "2026-02"),
        # The year to date of February is that of both months together; a quantity of the two is a range.
        ("2026-01-01/P2M", "sales", "2026-02"),
        ("2026-02", "sales", "2026-02"),
        ("2026-01-01/P2M", "projects", "2026-01-01/P2M"),
        ("2025-10-01/P3M", "base-stations", "2025-Q4"),
        ("2021-01-01/P60M", "five-year-investment", "2021-01-01/P5Y"),
    ],
)
def test_a_period_may_be_asked_for_in_any_spelling_that_means_it(written: str, indicator: str, key: str):
    found = listed(Asked(period=written, indicator=indicator))
    assert {d.period.key for d in found} == {key}
    assert found == listed(Asked(period=key, indicator=indicator))


@pytest.mark.parametrize("written", ["2026-04", "2030", "2026", "2026-01-01/P3M"])
def test_a_period_that_has_not_begun_or_is_nobodys_is_not_owed(written: str):
    assert listed(Asked(period=written, indicator=SCALE)) == []


def test_asking_for_a_year_is_not_asking_for_its_months():
    assert {d.indicator for d in listed(Asked(period="2025"))} == {"by-leads"}


def test_only_states_that_the_due_moment_allows_are_looked_through():
    due = [d for d in listed() if d.due_at <= NOW]
    assert listed(Asked(state=State.OVERDUE)) == due
    assert listed(Asked(state=State.NOT_YET_DUE)) == [d for d in listed() if d.due_at > NOW]
    assert listed(Asked(state=State.REPORTED)) == listed()


def test_a_page_of_many_organisations_looks_at_no_more_than_it_shows():
    many = [{"id": f"c{n:05d}", "name": "县", "kind": "county", "source": "s"} for n in range(2_000)]
    catalogue = a_catalogue(an_indicator())
    large = Terms(1, catalogue.model_validate(catalogue.model_dump() | {"organisations": many}))
    first = list(islice(owed(large, Asked(), NOW), 100))
    next_page = list(islice(owed(large, Asked(), NOW, place_of(first[-1])), 100))
    assert [d.org for d in next_page[::2]] == [f"c{n:05d}" for n in range(50, 100)]


def test_a_department_owes_its_figure_about_the_city_beside_the_counties_own():
    found = listed(Asked(indicator="exports", period="2026-01", cluster=MACHINERY))
    assert [(d.org, d.reporter) for d in found] == [(CITY, "kjj"), (OTHER_COUNTY, OTHER_COUNTY), (COUNTY, COUNTY)]
    assert listed(Asked(indicator="exports", period="2026-01", cluster=MACHINERY, reporter="kjj")) == found[:1]


def test_what_is_computed_is_owed_by_nobody():
    assert listed(Asked(indicator="exports-growth")) == []
    assert "computed" not in {d.reporter for d in listed()}


# How a duty stands.

DUTY = listed(Asked(indicator=SCALE, org=COUNTY, cluster=MACHINERY, period="2026-01"))[0]
JUST_BEFORE = DUTY.due_at - timedelta(microseconds=1)


def a_figure(status: Status = Status.NORMAL, since: datetime | None = None) -> KnownFigure:
    without_value = status in {Status.MISSING, Status.NOT_APPLICABLE}
    return KnownFigure(None if without_value else Decimal(5), status, 1, since)


def test_the_duty_is_due_ten_days_after_january():
    assert DUTY.due_at == datetime(2026, 2, 10, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    ("figure", "now", "state"),
    [
        (None, JUST_BEFORE, State.NOT_YET_DUE),
        (None, DUTY.due_at, State.OVERDUE),
        (a_figure(), JUST_BEFORE, State.REPORTED),
        (a_figure(Status.PROVISIONAL), DUTY.due_at, State.REPORTED),
        (a_figure(Status.ESTIMATED), DUTY.due_at, State.REPORTED),
        (a_figure(Status.FORECAST), DUTY.due_at, State.REPORTED),
        (KnownFigure(Decimal(0), Status.NORMAL, 1, None), DUTY.due_at, State.REPORTED),
        (a_figure(Status.MISSING), JUST_BEFORE, State.DECLARED_MISSING),
        (a_figure(Status.MISSING), DUTY.due_at, State.DECLARED_MISSING),
        # The catalogue does not let this one be not applicable any more.
        (a_figure(Status.NOT_APPLICABLE), DUTY.due_at, State.DECLARED_MISSING),
    ],
)
def test_the_five_states_are_told_apart(figure: KnownFigure | None, now: datetime, state: State):
    assert obligation(DUTY, TERMS, figure, None, now).state is state


def test_what_may_not_apply_leaves_the_duty_where_the_catalogue_allows_it():
    for org, state in ((COUNTY, State.NOT_APPLICABLE), (OTHER_COUNTY, State.DECLARED_MISSING)):
        (duty,) = listed(Asked(indicator="projects", org=org, period="2025-12"))
        assert obligation(duty, TERMS, a_figure(Status.NOT_APPLICABLE), None, NOW).state is state


@pytest.mark.parametrize(
    ("figure", "late"),
    [
        (a_figure(since=JUST_BEFORE), False),
        (a_figure(since=DUTY.due_at), True),
        (a_figure(since=DUTY.due_at + timedelta(days=40)), True),
        # What has not come is overdue or declared missing, not late; what nobody knows is not held against anyone.
        (None, False),
        (a_figure(Status.MISSING, since=DUTY.due_at), False),
        (a_figure(since=None), False),
    ],
)
def test_late_is_a_value_that_first_stood_after_the_due_moment(figure: KnownFigure | None, late: bool):
    assert obligation(DUTY, TERMS, figure, None, NOW).late is late


def test_late_is_not_locked_and_a_decision_locks_what_is_in_time():
    late = obligation(DUTY, TERMS, a_figure(since=DUTY.due_at), None, NOW)
    assert (late.late, late.locked) == (True, False)
    assert obligation(DUTY, TERMS, None, Decision(True, "核查"), JUST_BEFORE).locked


# Who is shown what.


def test_a_party_is_shown_the_duties_it_holds_and_those_about_it():
    seen = {(d.indicator, d.org, d.reporter) for d in listed(Asked(party=COUNTY))}
    assert {org for _, org, _ in seen} == {COUNTY}
    assert {reporter for _, _, reporter in seen} == {COUNTY, DEPARTMENT, "kjj"}
    assert {org for _, org, _ in {(d.indicator, d.org, d.reporter) for d in listed(Asked(party=DEPARTMENT))}} == {
        CITY,
        COUNTY,
        OTHER_COUNTY,
        OLD_COUNTY,
    }
    assert all(d.reporter == DEPARTMENT for d in listed(Asked(party=DEPARTMENT)))


@given(st.sampled_from([CITY, COUNTY, OTHER_COUNTY, OLD_COUNTY, DEPARTMENT, "kjj"]), moments)
def test_a_party_may_name_whom_its_duties_name(party: str, now: datetime):
    shown = listed(Asked(party=party), now)
    theirs = parties(TERMS, party)
    assert theirs.orgs >= {d.org for d in shown if d.reporter == party} | {party}
    assert theirs.reporters >= {d.reporter for d in shown if d.org == party} | {party}
    assert reports_for_others(TERMS, party) >= {d.indicator for d in shown if d.reporter == party != d.org}


def test_a_party_may_not_name_anybody_else():
    assert parties(TERMS, COUNTY).orgs == {COUNTY}
    assert parties(TERMS, COUNTY).reporters == {COUNTY, DEPARTMENT, "kjj"}
    assert parties(TERMS, DEPARTMENT).reporters == {DEPARTMENT}
    assert reports_for_others(TERMS, COUNTY) == set()
    assert reports_for_others(TERMS, "kjj") == {"weekly-meetings", "by-leads", "exports"}
    assert reports_for_others(TERMS, DEPARTMENT) == {
        "weekly-meetings",
        "by-leads",
        "base-stations",
        "about-counties",
    }
