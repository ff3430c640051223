"""What several rules ask of a catalogue."""

from __future__ import annotations

from collections.abc import Iterator

from fourones_shared.catalogue.faults import Fault, Words
from fourones_shared.catalogue.model import (
    About,
    Adding,
    Cadence,
    Catalogue,
    Growth,
    Indicator,
    Kind,
    OrganisationKind,
    Ratio,
    Stands,
    Target,
)
from fourones_shared.domain.periods import Frequency, Period
from fourones_shared.errors import InvalidPeriod

# From the finest to the coarsest: a target may not be finer than the reports it is judged by.
FINENESS = (Frequency.WEEK, Frequency.MONTH, Frequency.QUARTER, Frequency.HALF, Frequency.YEAR, Frequency.RANGE)
# A percentage is no quantity, whatever its kind says; 百分点 is a difference of two.
SHARES = frozenset({"%", "‰", "百分点"})
CADENCE_FREQUENCY = {
    Cadence.WEEK: Frequency.WEEK,
    Cadence.MONTH: Frequency.MONTH,
    Cadence.QUARTER: Frequency.QUARTER,
    Cadence.YEAR: Frequency.YEAR,
}


def fault(pointer: str, code: str, *, zh: tuple[str, str], en: tuple[str, str]) -> Fault:
    """A fault out of (what is wrong, what to do) in both languages."""
    return Fault(pointer, code, Words(*zh), Words(*en))


def period_or_none(text: str | None) -> Period | None:
    """The period, or None where the text names none (which is a fault of its own)."""
    if text is None:
        return None
    try:
        return Period.parse(text)
    except InvalidPeriod:
        return None


def period_fault(pointer: str, text: str) -> Fault:
    """The fault of a text that names no period."""
    return fault(
        pointer,
        "invalid-period",
        zh=(f"“{text}” 不是报告期", "写成 2026、2026-Q1、2026-03、2026-W12 或 2021-01-01/P5Y"),
        en=(f"{text!r} is not a period", "write it like 2026, 2026-Q1, 2026-03, 2026-W12 or 2021-01-01/P5Y"),
    )


def finer(one: Frequency, other: Frequency) -> bool:
    """Whether periods of the one form are shorter than those of the other."""
    return FINENESS.index(one) < FINENESS.index(other)


def is_share(indicator: Indicator) -> bool:
    """Whether its values are no quantities: a relation of two, or a percentage, whatever its kind says."""
    return indicator.kind is Kind.RATIO or indicator.unit in SHARES


def subject_ids(catalogue: Catalogue, indicator: Indicator, *, with_city_figure: bool = True) -> tuple[str, ...]:
    """Whom the indicator is about, whenever; with the city where a department reports on it beside the counties."""
    about = indicator.reporting.about
    cities = tuple(o.id for o in catalogue.organisations if o.kind is OrganisationKind.CITY)
    beside = cities if with_city_figure and indicator.reporting.city is not None else ()
    if about is About.COUNTIES_AND_ZONES:
        return (*(o.id for o in catalogue.counties_and_zones), *beside)
    if about is About.CITY:
        return cities
    return (*(str(o) for o in about), *beside)


def in_total(catalogue: Catalogue, indicator: Indicator) -> tuple[str, ...]:
    """Whose figures make the value over organisations: the city's own where a department's stands for it."""
    city = indicator.reporting.city
    if city is not None and city.stands is Stands.DEPARTMENT:
        return tuple(o.id for o in catalogue.organisations if o.kind is OrganisationKind.CITY)
    return subject_ids(catalogue, indicator, with_city_figure=False)


def has_city_value(catalogue: Catalogue, indicator: Indicator) -> bool:
    """Whether it has a value over organisations, in a cluster where it has clusters."""
    return len(in_total(catalogue, indicator)) <= 1 or indicator.over_organisations is not Adding.NONE


def sums_over_time(indicator: Indicator) -> bool:
    """Whether values of several periods can be added, or taken from one another: no maximum of them can."""
    return not {indicator.over_organisations, indicator.over_clusters} & {Adding.MAXIMUM, Adding.WEIGHTED_MEAN}


def inputs_of(indicator: Indicator) -> Iterator[tuple[str, str]]:
    """Where a derived indicator names its inputs, below `derived`, and which: (`of/1`, id)."""
    match indicator.derived:
        case Ratio():
            fields: tuple[str, ...] = ("numerator", "denominator")
        case Growth():
            fields = ("of",)
        case _:
            fields = tuple(f"of/{j}" for j in range(len(indicator.inputs)))
    return zip(fields, indicator.inputs, strict=True)


def unlike_fields(one: Indicator, other: Indicator, *fields: str) -> list[str]:
    """Those of the fields (`reporting.frequency`) in which two indicators differ."""
    return [field for field in fields if _field(one, field) != _field(other, field)]


def indicator_of(catalogue: Catalogue, target: Target) -> Indicator | None:
    """The target's indicator, or None where the reference is broken."""
    return catalogue.indicator.get(target.indicator)


def _field(indicator: Indicator, path: str) -> object:
    value: object = indicator
    for name in path.split("."):
        value = getattr(value, name)
    return value
