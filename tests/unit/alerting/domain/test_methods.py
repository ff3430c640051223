from collections.abc import Callable
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fourones_alerting.domain.methods import (
    Level,
    MethodResult,
    band_verdict,
    limit_factor,
    plan_curve,
    projected,
    projection,
    required_growth,
)
from fourones_alerting.domain.verdicts import Verdict
from fourones_shared.catalogue.model import DEFAULT_BANDS, Band, BandVerdict
from fourones_shared.domain.curves import PlanCurve
from fourones_shared.domain.ways import Way
from fourones_shared.errors import CatalogueRefused

RANK = [Verdict.OFF_TRACK, Verdict.LAGGING, Verdict.ON_TRACK, Verdict.ACHIEVED]
values = st.decimals(-(10**6), 10**6, allow_nan=False, allow_infinity=False, places=2)
positive = st.decimals("0.01", 10**6, allow_nan=False, allow_infinity=False, places=2)
senses = st.sampled_from([1, -1])
GROWTH: tuple[Callable[[Level, Level, Level, int], MethodResult], ...] = (required_growth, projection)


def at(year: int, value: str | int | Decimal) -> Level:
    return Level(date(year, 12, 31), Decimal(value))


@pytest.mark.parametrize(
    ("base", "current", "target", "ratio", "verdict"),
    [
        pytest.param(at(2015, "14.5"), at(2023, "10.2"), at(2030, "7.25"), "0.9526", "on_track", id="poverty"),
        pytest.param(at(2015, "14.5"), at(2023, "10.4"), at(2030, "7.25"), "0.9011", "lagging", id="poverty-less"),
        pytest.param(at(2015, "3.98"), at(2024, "3.46"), at(2030, "1.99"), "0.3418", "off_track", id="energy"),
        pytest.param(
            at(2015, "4.6"), at(2023, "5.53"), at(2030, "0.92"), "-0.2289", "deteriorating", id="tuberculosis"
        ),
    ],
)
def test_the_published_cases_come_out_as_published(
    base: Level, current: Level, target: Level, ratio: str, verdict: str
) -> None:
    result = required_growth(base, current, target, -1)
    assert result.verdict == verdict
    assert result.ratio is not None
    assert round(result.ratio, 4) == Decimal(ratio)


def test_maternal_mortality_is_achieved_while_worsening() -> None:
    result = required_growth(at(2015, "7.05"), at(2023, "12.58"), at(2030, 70), -1)
    assert result.verdict is Verdict.ACHIEVED
    assert result.ratio is not None
    assert result.ratio < 0


def test_a_zero_target_counts_as_a_thousandth() -> None:
    zero = required_growth(at(2015, 50), at(2023, 20), at(2030, 0), -1)
    assert zero == required_growth(at(2015, 50), at(2023, 20), at(2030, "0.001"), -1)
    assert zero.verdict is Verdict.OFF_TRACK


def test_a_zero_base_counts_as_a_thousandth() -> None:
    zero = required_growth(at(2015, 0), at(2023, 5), at(2030, 10), 1)
    assert zero == required_growth(at(2015, "0.001"), at(2023, 5), at(2030, 10), 1)
    assert zero.verdict is Verdict.ON_TRACK


@pytest.mark.parametrize(("base", "current", "target"), [(-5, 5, 10), (5, -5, 10), (-5, -4, 10), (0, -1, -3)])
def test_values_of_mixed_sign_cannot_be_assessed(base: int, current: int, target: int) -> None:
    result = required_growth(at(2015, base), at(2023, current), at(2030, target), 1 if target > 0 else -1)
    assert result.verdict is Verdict.NOT_ASSESSABLE
    assert result.ratio is None


def test_among_negative_values_shrinking_in_size_is_rising() -> None:
    rising = required_growth(at(2015, -10), at(2023, -5), at(2030, -2), 1)
    falling = required_growth(at(2015, -10), at(2023, -12), at(2030, -2), 1)
    assert rising.verdict in {Verdict.ON_TRACK, Verdict.LAGGING}
    assert falling.verdict is Verdict.DETERIORATING


def test_without_movement_progress_is_limited() -> None:
    result = required_growth(at(2015, 10), at(2023, 10), at(2030, 20), 1)
    assert (result.verdict, result.ratio) == (Verdict.OFF_TRACK, Decimal(0))


def test_who_was_at_the_target_and_fell_below_deteriorates() -> None:
    result = required_growth(at(2015, 10), at(2023, 9), at(2030, 10), 1)
    assert (result.verdict, result.ratio) == (Verdict.DETERIORATING, None)


def test_no_time_has_no_growth() -> None:
    assert required_growth(at(2023, 5), at(2023, 6), at(2030, 10), 1).verdict is Verdict.NOT_ASSESSABLE
    assert required_growth(at(2015, 5), at(2023, 6), at(2015, 10), 1).verdict is Verdict.NOT_ASSESSABLE


@pytest.mark.parametrize(
    ("growth", "verdict"),
    [
        ("1.016", "on_track"),
        ("1.006", "lagging"),
        ("1.004", "off_track"),
        ("1", "off_track"),
        ("0.999", "deteriorating"),
    ],
)
def test_without_a_target_growth_itself_is_graded(growth: str, verdict: str) -> None:
    assert required_growth(at(2022, 100), at(2023, Decimal(100) * Decimal(growth)), None, 1).verdict == verdict


def test_near_a_natural_limit_less_growth_is_asked() -> None:
    assert required_growth(at(2022, 95), at(2023, "95.4"), None, 1).verdict is Verdict.OFF_TRACK
    assert required_growth(at(2022, 95), at(2023, "95.4"), None, 1, limit=Decimal(100)).verdict is Verdict.ON_TRACK


def test_who_holds_the_limit_is_on_track() -> None:
    assert required_growth(at(2022, 100), at(2023, 100), None, 1, limit=Decimal(100)).verdict is Verdict.ON_TRACK


@pytest.mark.parametrize(
    ("base", "limit", "factor"),
    [(0, 100, 1.0), (100, 100, 0.0), (50, 100, 1 - 0.5**4.44), (150, 100, 1 - 0.5**4.44), (200, 100, 1.0), (5, 0, 1.0)],
)
def test_the_limit_factor_follows_its_three_pieces(base: int, limit: int, factor: float) -> None:
    assert limit_factor(Decimal(base), Decimal(limit)) == pytest.approx(factor)


@given(positive, positive, positive, senses, st.decimals("0.01", 1000, places=2))
def test_a_change_of_unit_changes_no_verdict(
    base: Decimal, current: Decimal, target: Decimal, sense: int, scale: Decimal
) -> None:
    def levels(factor: Decimal) -> tuple[Level, Level, Level]:
        return at(2015, base * factor), at(2020, current * factor), at(2030, target * factor)

    one, scaled = levels(Decimal(1)), levels(scale)
    assert required_growth(*one, sense) == required_growth(*scaled, sense)
    assert projection(*one, sense) == projection(*scaled, sense)


@given(positive, positive, positive, senses)
def test_a_mirrored_scale_changes_no_verdict(base: Decimal, current: Decimal, target: Decimal, sense: int) -> None:
    plain = required_growth(at(2015, base), at(2020, current), at(2030, target), sense)
    assert plain == required_growth(at(2015, -base), at(2020, -current), at(2030, -target), -sense)


def test_projection_carries_growth_on_to_the_due_date() -> None:
    assert projected(at(2020, 100), at(2022, 121), date(2024, 12, 31)) == pytest.approx(Fraction(14641, 100))
    result = projection(at(2020, 100), at(2022, 121), at(2024, 150), 1)
    assert result.verdict is Verdict.LAGGING
    assert result.ratio is not None
    assert round(result.ratio, 4) == Decimal("0.9282")


@pytest.mark.parametrize(
    ("current", "verdict"), [(122, "on_track"), (110, "lagging"), (102, "off_track"), (90, "off_track")]
)
def test_projection_grades_the_share_of_the_way_that_will_be_reached(current: int, verdict: str) -> None:
    assert projection(at(2020, 100), at(2022, current), at(2024, 150), 1).verdict == verdict


def test_from_nothing_the_yearly_amount_goes_on() -> None:
    assert projected(at(2024, 0), at(2025, 5), date(2027, 12, 31)) == 15
    assert projected(at(2024, -5), at(2025, 5), date(2026, 12, 31)) == 15


def test_a_ceiling_that_is_broken_cannot_be_projected() -> None:
    assert projection(at(2020, 50), at(2022, 120), at(2024, 100), -1).verdict is Verdict.NOT_ASSESSABLE


def test_growth_beyond_all_numbers_forecasts_nothing() -> None:
    start = Level(date(2025, 1, 1), Decimal(1))
    assert projected(start, Level(date(2025, 1, 2), Decimal(10**9)), date(2099, 12, 31)) is None


@given(values, values, st.tuples(values, values), senses, st.dates(date(2020, 1, 1), date(2030, 12, 31)))
def test_a_better_value_never_worsens_the_verdict_of_the_curve(
    base: Decimal, goal: Decimal, two: tuple[Decimal, Decimal], sense: int, day: date
) -> None:
    way = Way(base, goal, PlanCurve(date(2021, 12, 31), date(2025, 12, 31)), sense)
    worse, better = sorted(two, key=lambda v: sense * v)
    verdicts = [plan_curve(way, v, day, DEFAULT_BANDS, met=sense * (v - goal) >= 0).verdict for v in (worse, better)]
    assert RANK.index(verdicts[0]) <= RANK.index(verdicts[1])


@given(positive, positive, positive, positive, senses)
def test_a_better_value_never_worsens_the_verdict_of_growth(
    base: Decimal, goal: Decimal, one: Decimal, other: Decimal, sense: int
) -> None:
    assume(base != goal)
    worse, better = sorted((one, other), key=lambda v: sense * v)
    ranks = [Verdict.DETERIORATING, *RANK]
    for method in GROWTH:
        verdicts = [method(at(2015, base), at(2020, v), at(2030, goal), sense).verdict for v in (worse, better)]
        if Verdict.NOT_ASSESSABLE not in verdicts:
            assert ranks.index(verdicts[0]) <= ranks.index(verdicts[1])


@given(st.fractions(-10, 10))
def test_the_default_bands_cover_the_line(behind: Fraction) -> None:
    assert band_verdict(DEFAULT_BANDS, behind) in RANK


@pytest.mark.parametrize(
    ("behind", "verdict"),
    [("-0.01", "on_track"), ("0", "on_track"), ("0.0001", "lagging"), ("0.10", "lagging"), ("0.1001", "off_track")],
)
def test_ten_points_behind_is_still_yellow(behind: str, verdict: str) -> None:
    assert band_verdict(DEFAULT_BANDS, Fraction(behind)) == verdict


def test_bands_with_a_gap_are_found_out() -> None:
    with pytest.raises(CatalogueRefused, match="close the gap"):
        band_verdict((Band(verdict=BandVerdict.ON_TRACK, up_to=Decimal(0)),), Fraction(1))
