from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourones_shared.domain.numbers import decimals_of, format_decimal, parse_decimal
from fourones_shared.errors import InvalidNumber

figures = st.decimals(-(10**17), 10**17, allow_nan=False, allow_infinity=False, places=10)


@given(figures)
def test_a_figure_reads_back_as_written(value: Decimal) -> None:
    assert parse_decimal(format_decimal(value)) == value


@given(figures)
def test_there_is_one_way_to_write_a_number(value: Decimal) -> None:
    assert format_decimal(value.normalize()) == format_decimal(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [("1E+3", "1000"), ("-0.0", "0"), ("1.500", "1.5"), ("100", "100"), ("0.00", "0"), ("-2.50", "-2.5")],
)
def test_numbers_are_written_without_exponent_or_trailing_zeros(value: str, text: str) -> None:
    assert format_decimal(Decimal(value)) == text


@pytest.mark.parametrize("text", ["", "1e3", "1,000", "NaN", "inf", " 1", "1\n", ".5", "5.", "１", "0x1", "--1"])
def test_anything_but_a_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(InvalidNumber):
        parse_decimal(text)


@pytest.mark.parametrize("text", ["1" * 19, "0." + "1" * 11])
def test_more_digits_than_are_kept_are_refused(text: str) -> None:
    with pytest.raises(InvalidNumber, match="digits"):
        parse_decimal(text)


def test_trailing_zeros_are_not_decimals() -> None:
    assert decimals_of(Decimal("1.500")) == 1
    assert decimals_of(Decimal(1000)) == 0
