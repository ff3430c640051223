"""Which of its parts make the gap of a target: counties or clusters of a sum, inputs of a derived value.

A part of a sum owes the share that it had of the same period a year before; what it lacks of that is its part of the
gap. Where the year before is not known of every part, nobody's share is made up: then only who has fallen most
against its own last value is named. Exact, except for the effects on a ratio, which take logarithms.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING

from fourones_alerting.domain.readings import Basis, Observation, Reading
from fourones_shared.catalogue.model import TOTAL, Adding, CountAtOrAbove, Covers, Indicator, Kind, Ratio
from fourones_shared.domain.periods import Frequency, Period

if TYPE_CHECKING:
    from fourones_alerting.domain.judging import Case, Judgement

# As many as a roll-up names members of.
MOST_PARTS = 50


class Ground(StrEnum):
    """By what the parts are told apart."""

    LAST_YEAR_SHARES = "last_year_shares"
    OWN_LAST_VALUES = "own_last_values"
    BELOW_THRESHOLD = "below_threshold"
    CHANGE_OF_INPUTS = "change_of_inputs"


@dataclass(frozen=True, slots=True)
class Contribution:
    """One part. Values in the unit of the target's indicator, for inputs in their own.

    Attributes:
        code: an organisation, a cluster, or for a ratio an indicator.
        value: its own; None where it has not reported.
        due: what it owes of the due value; for a cluster that is counted the threshold.
        gap: what it lacks, in the desired direction; negative where it is ahead. For the input of a ratio how much it
            has moved the ratio against the desired direction since a year before.
        share: of the whole gap.
        before: what it is held against: its value a year before, or its last one.
    """

    code: str
    value: Fraction | None
    due: Fraction | None = None
    gap: Fraction | None = None
    share: Fraction | None = None
    before: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Contributions:
    """What the gap is made of, the largest part first; `missing` are the parts whose value is not known.

    Attributes:
        of: what the codes are: organisations, clusters or indicators.
        compared: observations of the year before, or of the period before, that it follows from.
    """

    ground: Ground
    of: str
    parts: tuple[Contribution, ...]
    missing: tuple[str, ...] = ()
    compared: tuple[Basis, ...] = ()


@dataclass(frozen=True, slots=True)
class Input:
    """The history of one of the roll-ups that a derived value is computed from."""

    indicator: Indicator
    cluster: str
    history: tuple[Observation, ...]
    compares: bool = False
    """Whether the year before is looked at too, as for the inputs of a ratio."""

    def at(self, period: Period) -> Observation | None:
        """What is known of it at the end of a period; None where its own periods do not tell."""
        same = [o for o in self.history if o.period == period]
        tells = self.indicator.kind is not Kind.FLOW or self.indicator.covers is Covers.YEAR_TO_DATE
        ending = [o for o in self.history if tells and o.period.end == period.end]
        return max(same or ending, key=lambda o: o.version, default=None)


def contributions(
    case: Case, reading: Reading, judgement: Judgement, history: Iterable[Observation], inputs: Sequence[Input]
) -> Contributions | None:
    """The parts of a gap; None without a gap, or where nothing is known to divide it by.

    Args:
        case: what is judged.
        reading: the reading that decided.
        judgement: what it means.
        history: all observations of the target's roll-up, those before the plan's time too.
        inputs: of a derived indicator.
    """
    if judgement.gap <= 0:
        return None
    match case.indicator.derived:
        case Ratio():
            return _of_ratio(case, reading, inputs)
        case CountAtOrAbove(threshold=threshold):
            return _of_count(reading, inputs, threshold)
        case None:
            return _of_sum(case, reading, judgement, history)
    return None


def bases_of_inputs(reading: Reading, inputs: Sequence[Input]) -> tuple[Basis, ...]:
    """What is known of the inputs of a derived value, silent ones too: by it gaps are explained, if there is one."""
    found = []
    for one in inputs:
        periods = [reading.period, reading.period.year_before()] if one.compares else [reading.period]
        seen = [one.at(period) for period in periods]
        found += [replace(o.basis, subject=f"{one.indicator.id}|{one.cluster}") for o in seen if o is not None]
    return tuple(found)


def parts_of(org: str, cluster: str, indicator: Indicator) -> str | None:
    """What the members of a roll-up are told apart by: organisations, clusters, or None where they are not summed."""
    adding = {indicator.over_organisations} if org == TOTAL else set()
    if cluster == TOTAL and indicator.clusters:
        adding.add(indicator.over_clusters)
    if adding != {Adding.SUM}:
        return None
    return "org" if org == TOTAL else "cluster"


def _of_sum(case: Case, reading: Reading, judgement: Judgement, history: Iterable[Observation]) -> Contributions | None:
    of = parts_of(case.target.org, case.target.cluster, case.indicator)
    if of is None:
        return None
    newest: dict[str, Observation] = {}
    for seen in sorted(history, key=lambda o: o.version):
        newest[seen.period.key] = seen
    periods = [newest[basis.period] for basis in reading.rests_on if basis.period in newest]
    values = _summed(periods)
    if values is None or len(values) < 2:
        return None
    line = Fraction(case.target.value) if judgement.due_value is None else judgement.due_value
    years_before = [newest.get(seen.period.year_before().key) for seen in periods]
    shares = _shares(years_before, values)
    missing = tuple(code for code, value in values.items() if value is None)
    if shares is None:
        return _by_own_last(case, of, newest, reading, missing)
    parts = []
    for code, value in values.items():
        due = line * shares[code]
        gap = None if value is None else case.sense * (due - value)
        share = None if gap is None else gap / judgement.gap
        before = sum((_value(seen, code) for seen in years_before if seen is not None), Fraction(0))
        parts.append(Contribution(code, value, due, gap, share, before))
    compared = tuple(seen.basis for seen in years_before if seen is not None)
    return Contributions(Ground.LAST_YEAR_SHARES, of, _largest_first(parts), missing, compared)


def _summed(periods: Sequence[Observation]) -> dict[str, Fraction | None] | None:
    """Each part's own value over these periods; None for one that lacks any of them."""
    if not periods or not all(seen.parts for seen in periods):
        return None
    codes = dict.fromkeys(code for seen in periods for code in seen.parts)
    found: dict[str, Fraction | None] = {}
    for code in codes:
        own = [seen.parts.get(code) for seen in periods]
        known = [Fraction(value) for value in own if value is not None]
        found[code] = sum(known, Fraction(0)) if len(known) == len(own) else None
    return found


def _shares(
    years_before: Sequence[Observation | None], values: Mapping[str, Fraction | None]
) -> dict[str, Fraction] | None:
    if not all(seen is not None and seen.complete and seen.parts for seen in years_before):
        return None
    before = _summed([seen for seen in years_before if seen is not None]) or {}
    own = {code: before.get(code) or Fraction(0) for code in values}
    whole = sum(own.values(), Fraction(0))
    if whole <= 0 or min(own.values()) < 0:
        return None
    return {code: value / whole for code, value in own.items()}


def _value(seen: Observation, code: str) -> Fraction:
    return Fraction(seen.parts.get(code) or Decimal(0))


def _by_own_last(
    case: Case, of: str, newest: Mapping[str, Observation], reading: Reading, missing: tuple[str, ...]
) -> Contributions | None:
    in_order = sorted(newest.values(), key=lambda o: o.period)
    place = next(i for i, seen in enumerate(in_order) if seen.period == reading.period)
    now, last = _amounts(case, in_order, place), _amounts(case, in_order, place - 1)
    falls = []
    for code, amount in now.items():
        fall = case.sense * (last[code] - amount) if code in last else Fraction(0)
        if fall > 0:
            falls.append(Contribution(code, amount, gap=fall, before=last[code]))
    if not falls and not missing:
        return None
    compared = tuple(seen.basis for seen in in_order[max(0, place - 2) : place]) if falls else ()
    return Contributions(Ground.OWN_LAST_VALUES, of, _largest_first(falls), missing, compared)


def _amounts(case: Case, in_order: Sequence[Observation], place: int) -> dict[str, Fraction]:
    """What each part reports for one period alone; nothing where that is not known, or not one month or quarter."""
    if place < 0:
        return {}
    seen = in_order[place]
    if case.indicator.kind is Kind.FLOW and seen.period.frequency is Frequency.RANGE:
        # January and February together are no measure for March.
        return {}
    own = {code: Fraction(value) for code, value in seen.parts.items() if value is not None}
    if case.indicator.covers is Covers.PERIOD or seen.period.start == date(seen.period.start.year, 1, 1):
        return own
    before = in_order[place - 1] if place else None
    if before is None or before.period.end != seen.period.start - timedelta(days=1):
        return {}
    earlier = {code: value for code, value in before.parts.items() if value is not None}
    return {code: value - Fraction(earlier[code]) for code, value in own.items() if code in earlier}


def _of_count(reading: Reading, inputs: Sequence[Input], threshold: Decimal) -> Contributions | None:
    parts, missing = [], []
    for one in inputs:
        seen = one.at(reading.period)
        if seen is None or seen.value is None:
            missing.append(one.cluster)
            continue
        if seen.value < threshold:
            lacking = Fraction(threshold) - Fraction(seen.value)
            parts.append(Contribution(one.cluster, Fraction(seen.value), Fraction(threshold), lacking))
    if not parts and not missing:
        return None
    # Whoever lacks least would close the gap first.
    nearest = tuple(sorted(parts, key=lambda part: (part.gap or 0, part.code)))[:MOST_PARTS]
    return Contributions(Ground.BELOW_THRESHOLD, "cluster", nearest, tuple(missing))


def _of_ratio(case: Case, reading: Reading, inputs: Sequence[Input]) -> Contributions | None:
    """Each input's effect on the ratio since a year before.

    Source: B. W. Ang, "The LMDI approach to decomposition analysis", Energy Policy 33 (2005): of R = N / D the change
    is L(R1, R0)·ln(N1/N0) - L(R1, R0)·ln(D1/D0), with the logarithmic mean L; nothing is left over.
    """
    found = [(one, one.at(reading.period), one.at(reading.period.year_before())) for one in inputs]
    values = [(one, now, before) for one, now, before in found if now and before and now.value and before.value]
    if len(values) != 2 or any((now.value or 0) <= 0 or (before.value or 0) <= 0 for _, now, before in values):
        missing = tuple(one.indicator.id for one, now, _ in found if now is None or now.value is None)
        return Contributions(Ground.CHANGE_OF_INPUTS, "indicator", (), missing) if missing else None
    moved = [math.log(Fraction(now.value or 1) / Fraction(before.value or 1)) for _, now, before in values]
    ratios = [
        float(Fraction(values[0][i].value or 1) / Fraction(values[1][i].value or 1))  # type: ignore[union-attr]
        for i in (1, 2)
    ]
    change = moved[0] - moved[1]
    mean = (ratios[0] - ratios[1]) / change if change else ratios[0]
    # The ratio as it is reported may be in per cent, or in another unit of its inputs.
    scale = 1.0 if reading.value is None else float(reading.value) / ratios[0]
    parts = []
    for sign, (one, now, before), move in zip((1, -1), values, moved, strict=True):
        effect = Fraction(-case.sense * sign * mean * move * scale)
        parts.append(
            Contribution(one.indicator.id, Fraction(now.value or 0), gap=effect, before=Fraction(before.value or 0))
        )
    return Contributions(Ground.CHANGE_OF_INPUTS, "indicator", _largest_first(parts))


def _largest_first(parts: Iterable[Contribution]) -> tuple[Contribution, ...]:
    return tuple(sorted(parts, key=lambda part: (part.gap is None, -(part.gap or Fraction(0)), part.code))[:MOST_PARTS])
