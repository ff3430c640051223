"""Writes assessments as series in Prometheus' text format.

Fifty thousand series must be scraped within a second, so each target's labels are put together once.
Source of the format: Prometheus documentation, "Exposition formats", text-based format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from fourones_alerting.domain.verdicts import Light, Verdict


@dataclass(frozen=True, slots=True)
class Shown:
    """What the series need of a target's assessment."""

    target: str
    plan: str
    indicator: str
    cluster: str
    pillar: str | None
    org: str
    period_type: str
    verdict: Verdict
    value: Decimal | None
    target_value: Decimal
    due_value: Decimal | None
    attainment: Decimal | None
    months_behind: Decimal | None
    reported: int
    expected: int
    overdue: int
    departments: tuple[str, ...]
    accepted_at: datetime | None
    traceparent: str | None = None


def exposition(assessments: Sequence[Shown]) -> bytes:
    """The domain series of these targets; a target that is not among them has none."""
    labelled = [(_labels(shown), shown) for shown in assessments]
    lines: list[str] = []
    for name, description, value_of in _GAUGES:
        lines += head(name, description)
        for labels, shown in labelled:
            value = value_of(shown)
            if value is not None:
                lines.append(f"{name}{{{labels}}} {float(value)!r}")
    lines += head("fourones_target_verdict", "The verdict of the target: one of the set is 1.")
    lines += _verdicts(labelled)
    lines += head("fourones_target_responsible", "Who answers for the target; rules and boards join it.")
    lines += _responsible(assessments)
    return ("\n".join(lines) + "\n").encode()


def head(name: str, description: str) -> tuple[str, str]:
    """The lines before the samples of a gauge."""
    return f"# HELP {name} {description}", f"# TYPE {name} gauge"


def label_values(**values: str) -> str:
    """Labels as they stand between the braces, in the order given."""
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in values.items())


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _off_track(shown: Shown) -> int | None:
    return None if shown.verdict.light is Light.GREY else int(shown.verdict.is_red)


_GAUGES: tuple[tuple[str, str, Callable[[Shown], Decimal | float | int | None]], ...] = (
    ("fourones_indicator_value", "Value by which the target is judged, in the indicator's unit.", lambda s: s.value),
    ("fourones_target_value", "Value promised, in the indicator's unit.", lambda s: s.target_value),
    (
        "fourones_target_due_value",
        "Value due on the plan curve at the end of the judged period, in the indicator's unit.",
        lambda s: s.due_value,
    ),
    (
        "fourones_target_attainment_ratio",
        "Share of the way from the baseline to the target; without a baseline the value by the target.",
        lambda s: s.attainment,
    ),
    (
        "fourones_target_months_behind",
        "Months behind the plan curve by earned schedule; 0 where not late.",
        lambda s: s.months_behind,
    ),
    (
        "fourones_target_off_track",
        "1 where the target is off track or deteriorating, 0 for another light, none while grey.",
        _off_track,
    ),
    (
        "fourones_rollup_coverage_ratio",
        "Reported by expected figures of the latest period that should be known.",
        lambda s: _share(s.reported, s.expected),
    ),
    ("fourones_reports_overdue", "Figures of the latest due period that have not come.", lambda s: s.overdue),
)


def _verdicts(labelled: Iterable[tuple[str, Shown]]) -> Iterator[str]:
    for labels, shown in labelled:
        for verdict in Verdict:
            value = "1.0" if verdict is shown.verdict else "0.0"
            yield f'fourones_target_verdict{{{labels},verdict="{verdict.value}"}} {value}'


def _responsible(assessments: Iterable[Shown]) -> Iterator[str]:
    for shown in assessments:
        target = _escaped(shown.target)
        for department in shown.departments:
            yield f'fourones_target_responsible{{target="{target}",department="{_escaped(department)}"}} 1.0'


def _labels(shown: Shown) -> str:
    return label_values(
        plan=shown.plan,
        target=shown.target,
        indicator=shown.indicator,
        cluster=shown.cluster,
        pillar=shown.pillar or "",
        org=shown.org,
        period_type=shown.period_type,
    )


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
