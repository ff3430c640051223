"""What holds whatever the figures are."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from random import Random

from hypothesis import assume, given
from hypothesis import strategies as st
from unit.alerting.domain.builders import (
    a_plan,
    a_target,
    a_year_to_date_indicator,
    an_indicator,
    on,
    partly_seen,
    seen,
)

from fourones_alerting.domain.assessment import Assessment, assess
from fourones_alerting.domain.methods import band_verdict
from fourones_alerting.domain.readings import Observation
from fourones_alerting.domain.verdicts import Verdict
from fourones_shared.catalogue.model import (
    Band,
    BandVerdict,
    Baseline,
    Cadence,
    Catalogue,
    Comparator,
    Direction,
    Indicator,
    Method,
    Milestone,
    Plan,
    Target,
)
from fourones_shared.catalogue.rules.plans import bands_cover_the_line

RANK = [Verdict.DETERIORATING, Verdict.OFF_TRACK, Verdict.LAGGING, Verdict.ON_TRACK, Verdict.ACHIEVED]
MONTHS = [f"2025-{month:02d}" for month in range(1, 13)]
shares = st.decimals("-0.3", "0.6", places=3)


@st.composite
def band_sets(draw: st.DrawFn) -> tuple[Band, ...]:
    """Bands that cover the line: better lights first, between distinct edges."""
    edges = sorted(draw(st.sets(shares, min_size=1, max_size=2)))
    verdicts = [*list(BandVerdict)[: len(edges)], BandVerdict.OFF_TRACK]
    bounds = [None, *edges, None]
    return tuple(Band(verdict=v, over=bounds[i], up_to=bounds[i + 1]) for i, v in enumerate(verdicts))


@st.composite
def curves(draw: st.DrawFn) -> tuple[Milestone, ...]:
    months = sorted(draw(st.sets(st.integers(1, 11), max_size=3)))
    steps = sorted(draw(st.lists(st.decimals(0, 1, places=2), min_size=len(months), max_size=len(months))))
    return tuple(Milestone(period=MONTHS[m - 1], share=share) for m, share in zip(months, steps, strict=True))


def _refused(bands: tuple[Band, ...]) -> bool:
    return bool(list(bands_cover_the_line(Catalogue(plans=(a_plan(bands=bands),)))))


@given(band_sets(), st.fractions(-1, 1))
def test_bands_that_the_catalogue_accepts_give_every_share_one_light(bands: tuple[Band, ...], behind: Fraction) -> None:
    assert not _refused(bands)
    holding = [b for b in bands if (b.over is None or b.over < behind) and (b.up_to is None or behind <= b.up_to)]
    assert len(holding) == 1
    assert band_verdict(bands, behind).value == holding[0].verdict.value


@given(band_sets(), st.data())
def test_a_band_taken_away_or_moved_is_a_gap_or_an_overlap_and_refused(
    bands: tuple[Band, ...], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(bands) - 1))
    assert _refused(bands[:place] + bands[place + 1 :])
    moved = data.draw(st.decimals("0.001", "0.2", places=3)) * data.draw(st.sampled_from([-1, 1]))
    one = bands[place]
    changed = one.model_copy(
        update={"over": one.over + moved} if one.over is not None else {"up_to": (one.up_to or Decimal(0)) + moved}
    )
    assert _refused((*bands[:place], changed, *bands[place + 1 :]))


def test_nought_to_ten_points_behind_undefined_is_refused_in_these_words() -> None:
    bands = (
        Band(verdict=BandVerdict.ON_TRACK, up_to=Decimal(0)),
        Band(verdict=BandVerdict.OFF_TRACK, over=Decimal("0.10")),
    )
    [fault] = bands_cover_the_line(Catalogue(plans=(a_plan(bands=bands),)))
    assert fault.code == "bands-leave-a-gap"
    assert "落后 0 至 10 个百分点未定义" in fault.zh.problem
    assert "0 to 10 points behind is undefined" in fault.en.problem


@st.composite
def cases_by_curve(draw: st.DrawFn) -> tuple[Target, Indicator]:
    """A target by date or per year, either direction, along any curve."""
    sense, curve = draw(st.sampled_from([1, -1])), draw(curves())
    comparator = Comparator.AT_LEAST if sense > 0 else Comparator.AT_MOST
    direction = Direction.UP if sense > 0 else Direction.DOWN
    if draw(st.booleans()):
        target = a_target(per=Cadence.YEAR, curve=curve, comparator=comparator)
        return target, a_year_to_date_indicator(direction=direction)
    base = Baseline(period="2024", value=Decimal(0 if sense > 0 else 200))
    return a_target(curve=curve, baseline=base, comparator=comparator), an_indicator(direction=direction)


@given(band_sets(), cases_by_curve(), st.sampled_from(MONTHS), st.integers(-40, 160), st.integers(0, 60))
def test_a_better_value_never_worsens_the_verdict_by_the_curve(
    bands: tuple[Band, ...], case: tuple[Target, Indicator], month: str, value: int, more: int
) -> None:
    target, indicator = case
    sense = 1 if target.comparator is Comparator.AT_LEAST else -1
    plan = a_plan(bands=bands)
    worse, better = (
        assess(target, plan, indicator, [seen(month, v)], on("2026-01-20")) for v in (value, value + sense * more)
    )
    assert RANK.index(worse.verdict) <= RANK.index(better.verdict)
    assert (worse.gap or 0) >= (better.gap or 0)
    assert (worse.months_behind or 0) >= (better.months_behind or 0)


@st.composite
def histories(draw: st.DrawFn) -> list[Observation]:
    """Up to a year, each month in up to three versions: silent, partly or wholly reported."""
    found = []
    for period in MONTHS[: draw(st.integers(1, 12))]:
        for version in range(1, draw(st.integers(1, 3)) + 1):
            value = draw(st.one_of(st.none(), st.integers(0, 130)))
            if value is not None and draw(st.booleans()):
                carried = draw(st.one_of(st.none(), st.integers(value, 140)))
                found.append(partly_seen(period, value, carried, version=version))
            else:
                found.append(seen(period, value, version=version))
    return found


TARGETS = [
    a_target(),
    a_target(baseline=None),
    a_target(per=Cadence.YEAR),
    a_target(baseline=Baseline(period="2024", value=Decimal(20)), method=Method.PROJECTION),
    a_target(baseline=Baseline(period="2024", value=Decimal(20)), method=Method.REQUIRED_GROWTH),
]
targets = st.sampled_from(TARGETS)
moments = st.dates(on("2025-01-01").date(), on("2026-12-31").date()).map(str)


def _assessed(target: Target, history: list[Observation], now: str, **given_: Indicator | Plan) -> Assessment:
    indicator, plan = given_.get("indicator", an_indicator()), given_.get("plan", a_plan())
    assert isinstance(indicator, Indicator)
    assert isinstance(plan, Plan)
    return assess(target, plan, indicator, history, on(now))


@given(histories(), moments, targets, st.randoms(use_true_random=False))
def test_any_order_with_any_repetition_ends_in_the_same_assessment(
    history: list[Observation], now: str, target: Target, random: Random
) -> None:
    shuffled = history + random.sample(history, k=len(history) // 2)
    random.shuffle(shuffled)
    newest = {o.period: o for o in sorted(history, key=lambda o: o.version)}
    in_order = _assessed(target, list(newest.values()), now)
    assert _assessed(target, shuffled, now) == in_order


@given(histories(), moments, targets, st.decimals("0.01", "1000", places=2))
def test_another_unit_gives_the_same_verdicts(
    history: list[Observation], now: str, target: Target, factor: Decimal
) -> None:
    assume(factor > 0)
    # From a zero, growth is counted from a thousandth of the unit: there, and only there, the unit matters.
    assume(all(o.value != 0 and o.carried_value != 0 for o in history))
    scaled = target.model_copy(
        update={
            "value": target.value * factor,
            "baseline": target.baseline
            and Baseline(period=target.baseline.period, value=target.baseline.value * factor),
        }
    )
    larger = [
        replace(
            o,
            value=None if o.value is None else o.value * factor,
            carried_value=None if o.carried_value is None else o.carried_value * factor,
        )
        for o in history
    ]
    one, other = _assessed(target, history, now), _assessed(scaled, larger, now)
    from_zero = target.baseline is not None and target.baseline.value == 0
    assert one.verdict is other.verdict
    assert (one.period, one.stale, one.final, one.months_behind) == (
        other.period, other.stale, other.final, other.months_behind
    )  # fmt: skip
    for method in Method:
        if not (method is Method.REQUIRED_GROWTH and from_zero):
            assert one.by_method[method].verdict is other.by_method[method].verdict
