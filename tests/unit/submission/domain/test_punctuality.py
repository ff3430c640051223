"""On-time rates: what fell due within a year, and what came of it."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

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
    OLD_COUNTY,
    OTHER_COUNTY,
    a_catalogue,
    an_indicator,
)

from fourones_shared.catalogue.duties import duties, expected_periods
from fourones_shared.domain.periods import shanghai_date
from fourones_submission.domain.punctuality import Came, Punctuality, fell_due, punctuality

CATALOGUE = a_catalogue(
    *DEFAULT_INDICATORS,
    an_indicator(id="about-counties", reporting={"by": DEPARTMENT, "frequency": "S", "first": date(2024, 1, 1)}),
    BESIDE_THE_COUNTIES,
    COMPUTED,
)
YEAR = timedelta(days=365)
moments = st.timedeltas(timedelta(0), timedelta(days=900)).map(lambda d: datetime(2024, 6, 1, tzinfo=UTC) + d)


@given(moments)
def test_exactly_the_duties_that_fell_due_within_a_year_are_counted_with_their_holders(now: datetime):
    since = now.replace(year=now.year - 1) if (now.month, now.day) != (2, 29) else now - YEAR - timedelta(days=1)
    expected: Counter[str] = Counter()
    for indicator in CATALOGUE.indicators:
        for period in expected_periods(indicator, shanghai_date(now)):
            expected.update(d.reporter for d in duties(CATALOGUE, indicator, period) if since < d.due_at <= now)
    counted = punctuality(list(fell_due(CATALOGUE, now)), {})
    assert {holder: p.due for holder, p in counted.items()} == expected
    assert all((p.on_time, p.late, p.missing) == (0, 0, p.due) for p in counted.values())


def test_a_duty_is_counted_from_its_due_moment_for_a_year():
    monthly = a_catalogue(an_indicator(clusters=(), reporting={"first": date(2025, 1, 1), "last": date(2025, 1, 31)}))
    due = datetime(2025, 2, 10, 16, tzinfo=UTC)

    def counted(now: datetime) -> bool:
        return any(True for _ in fell_due(monthly, now))

    assert not counted(due - timedelta(microseconds=1))
    assert counted(due)
    assert counted(due.replace(year=2026) - timedelta(microseconds=1))
    assert not counted(due.replace(year=2026))


def test_the_last_day_of_february_has_a_year_before_it():
    leap_day = datetime(2028, 2, 29, 12, tzinfo=UTC)
    assert punctuality(list(fell_due(CATALOGUE, leap_day)), {})[COUNTY].due > 0


def test_an_organisation_owes_only_for_the_periods_in_which_it_exists():
    fallen = [f for f in fell_due(CATALOGUE, datetime(2026, 3, 10, tzinfo=UTC)) if f.indicator.id == "projects"]
    months = {org: {period for f in fallen if org in f.orgs for period in f.due_at} for org in (COUNTY, OLD_COUNTY)}
    # Due from 10 March 2025 on; it was dissolved on 30 June.
    assert months[OLD_COUNTY] == {"2025-01-01/P2M", "2025-03", "2025-04", "2025-05", "2025-06"}
    assert months[COUNTY] >= {"2025-03", "2025-12"}


def test_the_figure_about_the_city_is_its_departments_duty():
    fallen = list(fell_due(a_catalogue(BESIDE_THE_COUNTIES, COMPUTED), datetime(2026, 3, 1, tzinfo=UTC)))
    assert {(f.orgs == (CITY,), frozenset(f.holders.values())) for f in fallen} == {
        (True, frozenset({"kjj"})),
        (False, frozenset({None})),
    }
    # Twelve months of two clusters.
    assert {holder: p.due for holder, p in punctuality(fallen, {}).items()} == {
        "kjj": 24,
        COUNTY: 24,
        OTHER_COUNTY: 24,
        OLD_COUNTY: 10,
    }


def test_what_came_is_counted_against_what_was_due():
    fallen = list(fell_due(a_catalogue(an_indicator()), datetime(2026, 3, 1, tzinfo=UTC)))
    nothing = punctuality(fallen, {})
    counted = punctuality(fallen, {COUNTY: Came(on_time=20, late=3, not_applicable=1), "stranger": Came(5, 5, 5)})
    # Twelve months of two clusters, one of them excused.
    assert counted[COUNTY] == Punctuality(due=23, on_time=20, late=3)
    assert (counted[COUNTY].missing, counted[COUNTY].on_time_ratio) == (0, 20 / 23)
    assert counted[OTHER_COUNTY] == nothing[OTHER_COUNTY] == Punctuality(due=24, on_time=0, late=0)
    assert set(counted) == set(nothing)


@pytest.mark.parametrize(
    ("punctual", "ratio"),
    [(Punctuality(0, 0, 0), None), (Punctuality(4, 3, 1), 0.75), (Punctuality(3, 0, 0), 0.0)],
)
def test_a_rate_is_of_what_was_due_and_none_of_nothing(punctual: Punctuality, ratio: float | None):
    assert punctual.on_time_ratio == ratio
