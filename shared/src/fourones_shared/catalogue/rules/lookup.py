"""What several rules ask of a catalogue."""

from __future__ import annotations

from fourones_shared.catalogue.faults import Fault, Words
from fourones_shared.catalogue.model import About, Cadence, Catalogue, Indicator, OrganisationKind, Target
from fourones_shared.domain.periods import Frequency, Period
from fourones_shared.errors import InvalidPeriod

# From the finest to the coarsest: a target may not be finer than the reports it is judged by.
FINENESS = (Frequency.WEEK, Frequency.MONTH, Frequency.QUARTER, Frequency.HALF, Frequency.YEAR, Frequency.RANGE)
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


def subject_ids(catalogue: Catalogue, indicator: Indicator) -> tuple[str, ...]:
    """Whom the indicator is about, whenever."""
    about = indicator.reporting.about
    if about is About.COUNTIES_AND_ZONES:
        return tuple(o.id for o in catalogue.counties_and_zones)
    if about is About.CITY:
        return tuple(o.id for o in catalogue.organisations if o.kind is OrganisationKind.CITY)
    return tuple(str(o) for o in about)


def indicator_of(catalogue: Catalogue, target: Target) -> Indicator | None:
    """The target's indicator, or None where the reference is broken."""
    return catalogue.indicator.get(target.indicator)
