"""Whose part of a gap is how large: by last year's shares, else by one's own last value; inputs of derived values."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.alerting.domain.builders import NAMES, a_plan, a_target, an_indicator, on, partly_seen, seen

from fourones_alerting.domain.assessment import Assessment, assess
from fourones_alerting.domain.contributions import Contributions, Ground, Input
from fourones_alerting.domain.readings import Observation
from fourones_alerting.domain.verdicts import Light
from fourones_shared.catalogue.model import (
    Adding,
    Cadence,
    Comparator,
    CountAtOrAbove,
    Covers,
    Direction,
    Indicator,
    Kind,
    Ratio,
)

A, B, C = "320321", "320322", "320382"
OUTPUT = an_indicator(kind=Kind.FLOW, covers=Covers.YEAR_TO_DATE, unit="亿元", over_organisations=Adding.SUM)
YEARLY = a_target(per=Cadence.YEAR, value=Decimal(1200), unit="亿元", name="工业产值")


def of_parts(period: str, **values: str | int | None) -> Observation:
    """A sum of its parts, complete unless one of them is None; their names begin with a letter here."""
    own = {{"a": A, "b": B, "c": C}[name]: None if v is None else Decimal(v) for name, v in values.items()}
    known = [v for v in own.values() if v is not None]
    whole = sum(known, Decimal(0))
    if len(known) == len(own):
        return seen(period, str(whole), parts=own, reported=len(own), expected=len(own))
    return partly_seen(
        period, str(whole), str(whole), parts=own, reported=len(known), expected=len(own),
        missing=tuple(code for code, v in own.items() if v is None),
    )  # fmt: skip


def judged(*history: Observation, now: str, inputs: tuple[Input, ...] = (), **given: Any) -> Assessment:
    target, indicator = given.get("target", YEARLY), given.get("indicator", OUTPUT)
    return assess(target, a_plan(), indicator, history, on(now), names=NAMES, inputs=inputs)


def found(assessment: Assessment) -> Contributions:
    assert assessment.contributions is not None
    return assessment.contributions


def test_each_county_owes_its_share_of_the_year_before() -> None:
    # Due at the end of June: 1200 * 181 / 365; A had half of last June's total, B a third, C a sixth.
    assessment = judged(
        of_parts("2024-06", a=300, b=200, c=100), of_parts("2025-06", a=200, b=210, c=90), now="2025-07-20"
    )
    made_of = found(assessment)
    due = Fraction(1200 * 181, 365)
    assert (made_of.ground, made_of.of) == (Ground.LAST_YEAR_SHARES, "org")
    assert [(p.code, p.value, p.due) for p in made_of.parts] == [
        (A, 200, due / 2),
        (C, 90, due / 6),
        (B, 210, due / 3),
    ]
    assert [p.before for p in made_of.parts] == [300, 100, 200]
    assert sum(p.gap or 0 for p in made_of.parts) == due - 500
    assert sum(p.share or 0 for p in made_of.parts) == 1
    assert "按上年同期占比分解，差距主要来自：丰县（差97.53亿元，占102.6%）、邳州市（差9.18亿元，占9.7%）" in (
        assessment.explanation
    )
    assert "沛县（差" not in assessment.explanation


def test_what_was_compared_is_part_of_what_it_rests_on() -> None:
    assessment = judged(of_parts("2024-06", a=300, b=200), of_parts("2025-06", a=200, b=210), now="2025-07-20")
    assert [basis.period for basis in assessment.rests_on] == ["2025-06", "2024-06"]


def test_without_a_gap_there_is_nothing_to_divide() -> None:
    assessment = judged(of_parts("2024-06", a=300, b=200), of_parts("2025-06", a=400, b=410), now="2025-07-20")
    assert assessment.contributions is None
    assert assessment.rests_on[-1].period == "2025-06"


def test_whoever_is_missing_owes_a_share_and_is_named_without_a_gap() -> None:
    made_of = found(
        judged(of_parts("2024-06", a=300, b=200, c=100), of_parts("2025-06", a=20, b=21, c=None), now="2025-07-20")
    )
    assert made_of.missing == (C,)
    assert {p.code: p.gap is None for p in made_of.parts} == {A: False, B: False, C: True}
    assert [p.due for p in made_of.parts if p.code == C] == [Fraction(1200 * 181, 365) / 6]
    assert made_of.parts[-1].code == C


def test_no_shares_are_made_up_where_last_year_is_not_known_of_all() -> None:
    for last_year in (
        [],
        [of_parts("2024-06", a=300, b=200, c=None)],
        [of_parts("2024-06", a=300, b=-200, c=1)],
        [seen("2024-06", 600)],
    ):
        made_of = found(
            judged(
                *last_year,
                of_parts("2025-04", a=100, b=100, c=40),
                of_parts("2025-05", a=150, b=120, c=60),
                of_parts("2025-06", a=160, b=150, c=80),
                now="2025-07-20",
            )
        )
        # Single months: A 50 → 10, B 20 → 30, C 20 → 20.
        assert made_of.ground is Ground.OWN_LAST_VALUES
        assert [(p.code, p.value, p.before, p.gap, p.due) for p in made_of.parts] == [(A, 10, 50, 40, None)]


def test_without_shares_and_last_values_only_the_missing_are_named() -> None:
    assessment = judged(of_parts("2025-06", a=20, b=21, c=None), now="2025-07-20")
    assert found(assessment).parts == ()
    assert found(assessment).missing == (C,)
    assert "尚缺数据、未能分解的：邳州市" in assessment.explanation
    complete = judged(of_parts("2025-06", a=20, b=21), now="2025-07-20")
    assert complete.contributions is None


def test_january_and_february_together_are_no_measure_for_march() -> None:
    made = judged(of_parts("2025-01-01/P2M", a=60, b=60), of_parts("2025-03", a=80, b=70), now="2025-04-20")
    assert made.contributions is None


def test_months_that_add_up_to_the_year_so_far_are_added_for_each_county() -> None:
    monthly = an_indicator(kind=Kind.FLOW, unit="亿元", over_organisations=Adding.SUM)
    history = [of_parts(f"{year}-{month:02d}", a=30, b=10) for year in (2024,) for month in (1, 2, 3)]
    history += [of_parts("2025-01", a=10, b=20), of_parts("2025-02", a=10, b=20), of_parts("2025-03", a=10, b=20)]
    made_of = found(judged(*history, now="2025-04-20", indicator=monthly))
    assert [(p.code, p.value, p.before) for p in made_of.parts] == [(A, 30, 90), (B, 60, 30)]


def test_lower_is_better_turns_the_gap() -> None:
    stock = an_indicator(direction=Direction.DOWN, over_organisations=Adding.SUM)
    target = a_target(comparator=Comparator.AT_MOST, value=Decimal(100), by="2025", baseline=None)
    made_of = found(
        judged(
            of_parts("2024-12", a=100, b=100), of_parts("2025-12", a=30, b=90), now="2026-02-01",
            target=target, indicator=stock,
        )
    )  # fmt: skip
    assert [(p.code, p.gap) for p in made_of.parts] == [(B, 40), (A, -20)]


@pytest.mark.parametrize("adding", [Adding.MEAN, Adding.MAXIMUM, Adding.NONE])
def test_what_is_no_sum_has_no_parts(adding: Adding) -> None:
    indicator = an_indicator(kind=Kind.FLOW, covers=Covers.YEAR_TO_DATE, unit="亿元", over_organisations=adding)
    history = of_parts("2024-06", a=300, b=200), of_parts("2025-06", a=20, b=21)
    assert judged(*history, now="2025-07-20", indicator=indicator).contributions is None


@given(
    st.lists(st.integers(0, 500), min_size=3, max_size=3).filter(sum),
    st.lists(st.integers(0, 90), min_size=3, max_size=3),
)
def test_the_parts_make_up_the_gap(before: list[int], now: list[int]) -> None:
    names = ("a", "b", "c")
    assessment = judged(
        of_parts("2024-06", **dict(zip(names, before, strict=True))),
        of_parts("2025-06", **dict(zip(names, now, strict=True))),
        now="2025-07-20",
    )
    made_of = found(assessment)
    assert sum(p.gap or 0 for p in made_of.parts) == Fraction(1200 * 181, 365) - sum(now)
    gaps = [p.gap or 0 for p in made_of.parts]
    assert gaps == sorted(gaps, reverse=True)


# --- derived

COUNTED = an_indicator(
    "A", id="at-or-above", unit="个", derived=CountAtOrAbove(kind="count-at-or-above", of=("scale",), threshold=500)
)
SCALE = an_indicator(id="scale", name="规模", unit="亿元", clusters=("machinery", "energy", "materials"))


def an_input(indicator: Indicator, cluster: str, *history: Observation) -> Input:
    return Input(indicator, cluster, history)


def test_a_count_names_the_clusters_below_the_threshold_nearest_first() -> None:
    inputs = (
        an_input(SCALE, "machinery", seen("2024-11", 700), seen("2024-12", 800)),
        an_input(SCALE, "energy", seen("2024-12", 300)),
        an_input(SCALE, "materials", seen("2024-12", "480.5")),
        an_input(SCALE, "another", seen("2024-12")),
    )
    target = a_target(value=Decimal(3), unit="个", by="2024", baseline=None)
    assessment = judged(seen("2024", 1), now="2025-03-01", target=target, indicator=COUNTED, inputs=inputs)
    made_of = found(assessment)
    assert [(p.code, p.gap) for p in made_of.parts] == [("materials", Fraction("19.5")), ("energy", 200)]
    assert made_of.missing == ("another",)
    assert "未达标的集群中最接近的：materials（差19.5亿元）、energy（差200亿元）" in assessment.explanation
    assert {b.subject for b in assessment.rests_on} == {
        None,
        "scale|machinery",
        "scale|energy",
        "scale|materials",
        "scale|another",
    }


def test_inputs_are_remembered_without_a_gap_too_so_that_time_is_told_from_new_data() -> None:
    inputs = (an_input(SCALE, "machinery", seen("2024-12", 300)),)
    target = a_target(value=Decimal(1), unit="个", by="2025", baseline=None)
    early = judged(seen("2024", 0), now="2025-03-01", target=target, indicator=COUNTED, inputs=inputs)
    assert (early.light, early.contributions) == (Light.GREY, None)
    assert [b.subject for b in early.rests_on] == [None, "scale|machinery"]


def test_a_ratio_names_what_moved_it_and_nothing_is_left_over() -> None:
    share = an_indicator("A", kind=Kind.RATIO, unit="%", derived=Ratio(kind="ratio", numerator="n", denominator="d"))
    target = a_target(value=Decimal(50), unit="%", by="2024", baseline=None)
    inputs = (
        an_input(an_indicator("A", id="n", name="高技术产值"), "_T", seen("2023", 40), seen("2024", 42)),
        an_input(an_indicator("A", id="d", name="总产值"), "_T", seen("2023", 100), seen("2024", 120)),
    )
    assessment = judged(
        seen("2023", 40), seen("2024", 35), now="2025-03-01", target=target, indicator=share, inputs=inputs
    )
    made_of = found(assessment)
    assert [p.code for p in made_of.parts] == ["d", "n"]
    assert float(sum(p.gap or 0 for p in made_of.parts)) == pytest.approx(5)
    mean = (Fraction(35) - 40) / Fraction(math.log(35 / 40))
    assert float(made_of.parts[0].gap or 0) == pytest.approx(float(mean) * math.log(1.2))
    assert "与上年同期相比，“总产值”增长20%，“高技术产值”增长5%" in assessment.explanation
