"""Slips of the unit: by which factor a value is off when it was given in another unit than the one asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

# A slip lands near its factor: for ten thousand, at 4,000 to 25,000 times what is usual. No two windows overlap.
BAND = Decimal("2.5")
# A hundredfold is found in growth rates too: it is a slip only where the past was steady, and known well enough.
SMALL = Decimal(1000)
FEWEST_FOR_A_SMALL_ONE = 3
STEADY = Decimal(5)

_PREFIXES = {"": Decimal(1), "千": Decimal(1000), "万": Decimal(10_000), "亿": Decimal(100_000_000)}
_WHOLE_OF_SHARES = {"%": Decimal(100), "百分点": Decimal(100), "‰": Decimal(1000)}
_FRACTIONS = frozenset({"1", "小数", "比", "比值", "系数"})
_CONVERTED_TWICE = {Decimal(10_000): "像是多乘了一次 1 万", Decimal("0.0001"): "像是多除了一次 1 万"}


@dataclass(frozen=True, slots=True)
class Slip:
    """A value given as `factor` times what was asked for.

    Attributes:
        how: how that comes about, Chinese.
    """

    factor: Decimal
    how: str

    def explains(self, ratio: Decimal) -> bool:
        """Whether a value so many times the usual one looks like this slip."""
        return self.factor / BAND <= ratio <= self.factor * BAND

    def is_credible(self, levels: Sequence[Decimal]) -> bool:
        """Whether a past of these levels, none of them 0, is steady enough to tell it from an ordinary change."""
        if _is_large(self.factor):
            return True
        sizes = [abs(level) for level in levels]
        return len(sizes) >= FEWEST_FOR_A_SMALL_ONE and max(sizes) <= STEADY * min(sizes)

    @property
    def times(self) -> str:
        """The factor in Chinese."""
        return f"{_spelt(self.factor)}倍" if self.factor > 1 else f"{_spelt(1 / self.factor)}分之一"


@lru_cache(maxsize=256)
def slips_of(unit: str) -> tuple[Slip, ...]:
    """The slips that a value in this unit can have."""
    whole = _WHOLE_OF_SHARES.get(unit)
    if whole is not None:
        return Slip(1 / whole, "像是按小数填报"), Slip(whole, f"像是多乘了一次 {whole}")
    if unit in _FRACTIONS:
        return Slip(Decimal(100), "像是按百分数填报"), Slip(Decimal("0.01"), "像是多除了一次 100")
    prefix = unit[:1] if unit[:1] in {"万", "亿"} or unit == "千元" else ""
    base = unit.removeprefix(prefix)
    found = {}
    for other, size in _PREFIXES.items():
        factor = _PREFIXES[prefix] / size
        # Thousands are a unit of money alone.
        if _is_large(factor) and (other != "千" or base == "元"):
            found[factor] = f"像是按{other}{base}填报"
    return tuple(Slip(factor, how) for factor, how in (_CONVERTED_TWICE | found).items())


def _is_large(factor: Decimal) -> bool:
    return factor >= SMALL or factor <= 1 / SMALL


def _spelt(factor: Decimal) -> str:
    for name in ("亿", "万"):
        if factor >= _PREFIXES[name]:
            return f"{factor / _PREFIXES[name]:f} {name}"
    return f"{factor:f} "
