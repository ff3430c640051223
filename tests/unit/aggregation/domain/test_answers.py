from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from support.catalogue import an_indicator

from fourones_aggregation.domain.answers import Earlier, carried, state_of, status_of, value_of, with_carried
from fourones_aggregation.domain.scopes import Rule
from fourones_shared.catalogue.model import Indicator
from fourones_shared.domain.periods import Period
from fourones_shared.events.model import State, Status

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def earlier(**values: str) -> list[Earlier]:
    found = [Earlier(Period.parse(key.replace("_", "-")[1:]), Decimal(value)) for key, value in values.items()]
    return sorted(found, reverse=True)


def year_to_date(**changes: object) -> Indicator:
    return Indicator.model_validate(an_indicator(**changes))  # type: ignore[arg-type]


def test_nobody_reported_is_no_value_and_zero_is_one() -> None:
    assert value_of(Rule.SUM, Decimal(0), 0) is None
    assert value_of(Rule.SUM, Decimal(0), 3) == 0


def test_a_mean_has_ten_decimals_rounded_half_to_even() -> None:
    assert value_of(Rule.MEAN, Decimal(1), 3) == Decimal("0.3333333333")
    assert value_of(Rule.MEAN, Decimal("0.00000000005"), 1) == Decimal(0)
    assert value_of(Rule.MEAN, Decimal("0.00000000015"), 1) == Decimal("0.0000000002")


def test_the_weakest_status_speaks_for_all() -> None:
    assert status_of(1, 1, 1) is Status.FORECAST
    assert status_of(1, 1, 0) is Status.ESTIMATED
    assert status_of(1, 0, 0) is Status.PROVISIONAL
    assert status_of(0, 0, 0) is Status.NORMAL


@pytest.mark.parametrize(
    ("value", "status", "may_not_apply", "due_in_days", "state"),
    [
        (Decimal(0), Status.NORMAL, False, -1, State.REPORTED),
        (None, None, False, 1, State.NOT_YET_DUE),
        (None, None, False, 0, State.OVERDUE),
        (None, Status.MISSING, False, 1, State.DECLARED_MISSING),
        (None, Status.NOT_APPLICABLE, True, -1, State.NOT_APPLICABLE),
        (None, Status.NOT_APPLICABLE, False, -1, State.DECLARED_MISSING),
    ],
)
def test_the_five_states_are_never_confused(
    value: Decimal | None, status: Status | None, may_not_apply: bool, due_in_days: int, state: State
) -> None:
    due = NOW + timedelta(days=due_in_days)
    assert state_of(value, status, may_not_apply=may_not_apply, due_at=due, now=NOW) is state


def test_a_year_to_date_value_is_carried_with_its_last_single_period() -> None:
    april = Period.parse("2026-04")
    assert carried(year_to_date(), april, earlier(_2026_03="30", _2026_02="18")) == 42
    assert carried(year_to_date(), april, earlier(_2026_03="30", _2026_01="8")) == 30
    assert carried(year_to_date(), Period.parse("2026-02"), earlier(_2026_01="10")) == 20
    assert carried(year_to_date(january_february="together"), april, earlier(_2026_02="18")) == 36


def test_a_year_to_date_value_is_not_carried_into_the_next_year() -> None:
    assert carried(year_to_date(), Period.parse("2026-01"), earlier(_2025_12="100", _2025_11="90")) is None


def test_other_values_are_carried_as_they_are() -> None:
    stock = year_to_date(kind="stock", covers="period")
    assert carried(stock, Period.parse("2026-01"), earlier(_2025_12="100", _2025_11="90")) == 100
    assert carried(stock, Period.parse("2026-01"), []) is None


def test_a_carried_mean_counts_those_put_in() -> None:
    assert with_carried(Rule.MEAN, Decimal(10), 1, [Decimal(20)]) == 15
    assert with_carried(Rule.SUM, Decimal(10), 1, [Decimal(20), Decimal(1)]) == 31
    assert with_carried(Rule.SUM, Decimal(10), 1, []) is None
