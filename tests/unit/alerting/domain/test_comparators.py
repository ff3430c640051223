from decimal import Decimal

import pytest

from fourones_alerting.domain.comparators import meets
from fourones_alerting.domain.verdicts import Light, Verdict
from fourones_shared.catalogue.model import Comparator


@pytest.mark.parametrize(
    ("comparator", "below", "equal", "above"),
    [
        (Comparator.AT_LEAST, False, True, True),
        (Comparator.MORE_THAN, False, False, True),
        (Comparator.AT_MOST, True, True, False),
        (Comparator.LESS_THAN, True, False, False),
        (Comparator.ABOUT, True, True, True),
    ],
)
def test_a_value_just_below_at_and_above_the_goal(
    comparator: Comparator, below: bool, equal: bool, above: bool
) -> None:
    goal = Decimal("14.5")
    found = [meets(v, comparator, goal) for v in (goal - Decimal("0.0001"), goal, goal + Decimal("0.0001"))]
    assert found == [below, equal, above]


def test_about_forty_begins_at_thirty_six() -> None:
    assert meets(Decimal(36), Comparator.ABOUT, Decimal(40))
    assert not meets(Decimal("35.99"), Comparator.ABOUT, Decimal(40))


def test_about_a_value_that_should_fall_ends_ten_percent_above_it() -> None:
    assert meets(Decimal(44), Comparator.ABOUT, Decimal(40), sense=-1)
    assert not meets(Decimal("44.01"), Comparator.ABOUT, Decimal(40), sense=-1)


def test_about_a_negative_value_allows_a_tenth_of_its_size() -> None:
    assert meets(Decimal(-11), Comparator.ABOUT, Decimal(-10))
    assert not meets(Decimal("-11.01"), Comparator.ABOUT, Decimal(-10))


def test_every_verdict_has_its_light() -> None:
    assert {v.value: v.light for v in Verdict} == {
        "achieved": Light.GREEN,
        "on_track": Light.GREEN,
        "lagging": Light.YELLOW,
        "off_track": Light.RED,
        "deteriorating": Light.RED,
        "no_data": Light.GREY,
        "not_assessable": Light.GREY,
    }
