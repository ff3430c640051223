"""The interval of a forecast: the drift method's, on rates where there are any."""

import math
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.alerting.domain.builders import a_target, a_year_to_date_indicator, judged, seen

from fourones_alerting.domain.forecasting import Z_80, interval
from fourones_alerting.domain.methods import Level, projected
from fourones_shared.catalogue.model import Baseline, Cadence, Method

DUE = date(2030, 12, 31)


def a_path(*values: str | int | Decimal, first: int = 2020) -> list[Level]:
    return [Level(date(first + year, 12, 31), Decimal(value)) for year, value in enumerate(values)]


def _as_published(values: list[float], ahead: int) -> float:
    """FPP3, section 5.5: the drift method's standard deviation `ahead` steps on, for steps of one length."""
    steps = [b - a for a, b in pairwise(values)]
    drift, count = mean(steps), len(values)
    sigma = math.sqrt(sum((step - drift) ** 2 for step in steps) / (count - 2))
    return sigma * math.sqrt(ahead * (1 + ahead / (count - 1)))


def test_it_is_the_published_one_on_logarithms() -> None:
    path = a_path(100, 112, 118, 131, 150)
    low, high = interval(path, DUE) or (Fraction(0), Fraction(0))
    forecast = float(projected(path[0], path[-1], DUE) or 0)
    months = [math.log(float(level.value)) for level in path]
    spread = Z_80 * _as_published(months, 6)
    assert float(low) == pytest.approx(forecast * math.exp(-spread))
    assert float(high) == pytest.approx(forecast * math.exp(spread))


def test_where_no_rate_exists_it_is_the_published_one_on_the_values() -> None:
    path = a_path(0, 10, 30, 35, 61)
    low, high = interval(path, DUE) or (Fraction(0), Fraction(0))
    spread = Z_80 * _as_published([float(level.value) for level in path], 6)
    assert float(low) == pytest.approx(61 + 61 / 4 * 6 - spread)
    assert float(high) == pytest.approx(61 + 61 / 4 * 6 + spread)


def test_steady_growth_is_a_sure_forecast() -> None:
    low, high = interval(a_path(100, 110, 121, "133.1"), DUE) or (Fraction(0), Fraction(1))
    assert float(high - low) < 1e-6


@pytest.mark.parametrize(
    "path",
    [
        a_path(100, 110, 121),
        a_path(100, 110, 121, 130, first=2027),
        a_path(100, -3, 121, 130),
        [*a_path(100, 110, 121), Level(date(2022, 12, 31), Decimal(7))],
    ],
    ids=["three values", "at the due date", "no rate in between", "no time between two"],
)
def test_there_is_none(path: list[Level]) -> None:
    assert interval(path, DUE) is None


def test_the_nothing_a_year_starts_from_is_no_observation() -> None:
    assert interval(a_path(0, 10, 20, 31), DUE, from_nothing=True) is None
    assert interval(a_path(0, 10, 20, 31, 40), DUE, from_nothing=True) is not None


amounts = st.decimals("0.1", "100000", places=2)


@given(st.lists(amounts, min_size=4, max_size=12), st.integers(0, 8))
def test_it_holds_the_forecast(values: list[Decimal], later: int) -> None:
    path = a_path(*values, first=2005)
    due = date(path[-1].day.year + later, 12, 31)
    bounds = interval(path, due)
    forecast = projected(path[0], path[-1], due)
    if bounds is not None and forecast is not None:
        assert bounds[0] <= forecast * (1 + Fraction(1, 10**9))
        assert forecast <= bounds[1] * (1 + Fraction(1, 10**9))


@given(st.lists(amounts, min_size=4, max_size=8), st.integers(1, 3))
def test_further_ahead_it_is_wider(values: list[Decimal], more: int) -> None:
    path = a_path(*values, first=2005)
    year = path[-1].day.year
    near, far = (interval(path, date(year + ahead, 12, 31)) for ahead in (1, 1 + more))
    if near is not None and far is not None:
        widths = [math.log(float(high / low)) for low, high in (near, far)]
        assert widths[0] <= widths[1] + 1e-9


# --- in an assessment


def test_a_year_that_runs_tells_where_it_may_end() -> None:
    target = a_target(per=Cadence.YEAR, value=Decimal(1200), unit="亿元")
    history = [seen(f"2025-{month:02d}", value) for month, value in enumerate((90, 210, 290, 420), start=1)]
    found = judged(*history, now="2025-05-20", target=target, indicator=a_year_to_date_indicator())
    assert found.forecast == 1260
    assert found.forecast_low is not None
    assert found.forecast_high is not None
    assert found.forecast is not None
    assert found.forecast_low < found.forecast < found.forecast_high
    assert "八成可能在" in found.explanation
    earlier = judged(*history[:3], now="2025-04-20", target=target, indicator=a_year_to_date_indicator())
    assert (earlier.forecast_low, earlier.forecast_high) == (None, None)
    assert "八成可能" not in earlier.explanation


def test_years_since_the_baseline_tell_how_sure_a_goal_by_date_is() -> None:
    target = a_target(
        value=Decimal(200), by="2025", baseline=Baseline(period="2022", value=Decimal(100)), method=Method.PROJECTION
    )
    history = [seen("2023-06", 110), seen("2023-12", 118), seen("2024-06", 126), seen("2024-12", 140)]
    found = judged(*history, now="2025-01-20", target=target)
    assert found.forecast_low is not None
    assert found.forecast_high is not None
    assert found.forecast_low < Decimal(str(found.forecast)) < found.forecast_high


def test_a_last_years_course_is_no_course_of_this_year() -> None:
    target = a_target(per=Cadence.YEAR, value=Decimal(1200), unit="亿元")
    history = [seen(f"2024-{month:02d}", 100 * month) for month in range(1, 13)]
    history += [seen("2025-01", 90), seen("2025-02", 200)]
    found = judged(*history, now="2025-03-20", target=target, indicator=a_year_to_date_indicator())
    assert (found.period, found.forecast_low) == ("2025-02", None)
