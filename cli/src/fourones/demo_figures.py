"""The synthetic figures: values that carry a target along, ahead of, behind or away from its way.

A story's values do not depend on chance; the seed decides how they spread over counties and how months differ. A
value depends only on its own indicator, place and period, so that another day of the year gives the same past.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

from fourones.demo_catalogue import (
    CONTRACTS,
    CONTRACTS_BY,
    ENTERPRISES,
    LARGEST,
    MISSING_COUNTY,
    OUTPUT,
    RESEARCHING,
    Demo,
    Story,
    yearly_output_target,
)
from fourones_shared.catalogue.duties import expected_periods
from fourones_shared.catalogue.model import Catalogue, Indicator, Method, Plan, Target
from fourones_shared.catalogue.reported import ReportedFigure, ReportedSubmission
from fourones_shared.domain.periods import Period
from fourones_shared.domain.ways import to_decimal, way_of

NOTE = "演示数据"
PREPARED_BY = "演示"
SILENT_QUARTERS = 2

# Shares of the way against the share due: ahead by 3 points; 5 behind, within the 10 of yellow; two fifths short;
# and more than twice as fast, which is through by the middle of the plan.
_AHEAD, _BEHIND = Fraction(3, 100), Fraction(5, 100)
_FALLING_SHORT, _RACING, _ARRIVED = Fraction(3, 5), Fraction(11, 5), Fraction(21, 20)
# R of required growth and q of the projection, inside the bands of DESIGN section 5.
_GROWTH = {"on_track": 1.1, "lagging": 0.75, "off_track": 0.3, "deteriorating": -0.5}
_PROJECTED = {"on_track": 1.0, "lagging": 0.5, "off_track": -0.2}
# Without a baseline there is no way: three fifths of the goal by now say nothing yet.
_UNASSESSED_SHARE = Fraction(3, 5)
# What a cluster puts out in a year as a share of its yearly target, by its place in the catalogue.
# What the department counts of the contracts beyond those that the counties do.
_BEYOND_THE_COUNTIES = Decimal("1.04")
_OUTPUT_SHARES = (Decimal("1.04"), Decimal("0.95"), Decimal("0.80"), Decimal("1.01"), Decimal("0.93"))


def county_submissions(catalogue: Catalogue, demo: Demo, today: date, seed: int) -> Iterator[ReportedSubmission]:
    """What counties and zones report: one submission per organisation and year."""
    counties = [organisation.id for organisation in catalogue.counties_and_zones]
    by_org: dict[str, dict[int, list[ReportedFigure]]] = {org: {} for org in counties}
    enterprises = list(_enterprises(catalogue, demo, counties, today, seed))
    for org, figure in (
        *_output(catalogue, counties, today, seed),
        *enterprises,
        *_researching(catalogue, enterprises, seed),
        *_largest(catalogue, counties, today, seed),
        *_contracts(catalogue, counties, today, seed),
    ):
        by_org[org].setdefault(Period.parse(figure.period).year, []).append(figure)
    for org, years in by_org.items():
        for year in sorted(years):
            yield _submission(org, org, years[year])


def department_submissions(catalogue: Catalogue, demo: Demo, today: date, seed: int) -> Iterator[ReportedSubmission]:
    """What departments report about the city: one submission per department."""
    by_department: dict[str, list[ReportedFigure]] = {}
    for story in demo.stories:
        target = catalogue.target[story.target]
        indicator = catalogue.indicator[target.indicator]
        if target.indicator != ENTERPRISES and story.verdict != "no_data":
            figures = [
                _figure(indicator, None, period, _value(catalogue, story, period))
                for period in ended_periods(indicator, today)
            ]
            by_department.setdefault(str(indicator.reporting.by), []).extend(figures)
    by_department.setdefault(CONTRACTS_BY, []).extend(_contracts_of_the_city(catalogue, today, seed))
    for department, figures in by_department.items():
        yield _submission(department, catalogue.city.id, figures)


def ended_periods(indicator: Indicator, today: date) -> list[Period]:
    """The periods that are over: no figure is made for one that is not."""
    return [period for period in expected_periods(indicator, today) if period.end < today]


def _value(catalogue: Catalogue, story: Story, period: Period) -> Decimal:
    """The value that tells the story at the end of the period."""
    target = catalogue.target[story.target]
    indicator, plan = catalogue.indicator[target.indicator], catalogue.plan[target.plan]
    if target.baseline is None:
        exact = Fraction(target.value) * _UNASSESSED_SHARE
    elif target.method is Method.PLAN_CURVE:
        exact = _on_the_way(story, target, indicator, plan, period)
    else:
        exact = _grown(story, target, period)
    return to_decimal(exact, indicator.decimals)


def _on_the_way(story: Story, target: Target, indicator: Indicator, plan: Plan, period: Period) -> Fraction:
    way = way_of(target, indicator, plan, period)
    if way is None:
        raise ValueError(f"{target.id} has no way to be on")
    due = way.curve.share_due(period.end)
    share = {
        "achieved": min(due * _RACING, _ARRIVED),
        "on_track": due + _AHEAD,
        "lagging": max(due - _BEHIND, due / 2),
        "off_track": due * _FALLING_SHORT,
    }.get(story.verdict, due + _AHEAD)
    return Fraction(way.base) + (Fraction(way.goal) - Fraction(way.base)) * share


def _grown(story: Story, target: Target, period: Period) -> Fraction:
    if target.baseline is None:
        raise ValueError(f"{target.id} has nothing to grow from")
    base, goal = float(target.baseline.value), float(target.value)
    begun = Period.parse(target.baseline.period)
    years = Period.parse(target.by or "").year - begun.year
    gone = period.year - begun.year
    if target.method is Method.REQUIRED_GROWTH:
        required = (goal / base) ** (1 / years) - 1
        return Fraction(base * (1 + _GROWTH[story.verdict] * required) ** gone)
    reached = base + _PROJECTED[story.verdict] * (goal - base)
    return Fraction(base * (reached / base) ** (gone / years))


def _enterprises(
    catalogue: Catalogue, demo: Demo, counties: Sequence[str], today: date, seed: int
) -> Iterator[tuple[str, ReportedFigure]]:
    indicator = catalogue.indicator[ENTERPRISES]
    periods = ended_periods(indicator, today)
    silent = set(periods[-SILENT_QUARTERS:])
    for story in demo.stories:
        target = catalogue.target[story.target]
        if target.indicator != ENTERPRISES:
            continue
        shares = _shares(counties, seed, target.cluster)
        for period in periods:
            total = _value(catalogue, story, period)
            for org, value in _spread(total, shares, indicator.decimals).items():
                if not (story.incomplete and org == MISSING_COUNTY and period in silent):
                    yield org, _figure(indicator, target.cluster, period, value)


def _output(
    catalogue: Catalogue, counties: Sequence[str], today: date, seed: int
) -> Iterator[tuple[str, ReportedFigure]]:
    indicator = catalogue.indicator[OUTPUT]
    for place, cluster in enumerate(catalogue.clusters):
        shares = _shares(counties, seed, cluster.id)
        month = yearly_output_target(place) * _OUTPUT_SHARES[place % len(_OUTPUT_SHARES)] / 12
        so_far: dict[str, Decimal] = {}
        for period in ended_periods(indicator, today):
            if period.start.month == 1:
                so_far = dict.fromkeys(counties, Decimal(0))
            # A month differs from the mean by up to 2 %, which the year evens out.
            chance = random.Random(f"{seed}:{cluster.id}:{period}").randint(-20, 20)  # noqa: S311 - no secret
            total = month * (1000 + chance) / 1000
            for org, value in _spread(total, shares, indicator.decimals).items():
                so_far[org] += value
                yield org, _figure(indicator, cluster.id, period, so_far[org])


def _researching(
    catalogue: Catalogue, enterprises: Sequence[tuple[str, ReportedFigure]], seed: int
) -> Iterator[tuple[str, ReportedFigure]]:
    """Between 10 and 50 %, by whoever has reported its enterprises."""
    indicator = catalogue.indicator[RESEARCHING]
    for org, weighing in enterprises:
        hundredths = _chance(seed, RESEARCHING, weighing.cluster, org, weighing.period).randint(1000, 5000)
        period = Period.parse(weighing.period)
        yield org, _figure(indicator, weighing.cluster, period, Decimal(hundredths).scaleb(-2))


def _largest(
    catalogue: Catalogue, counties: Sequence[str], today: date, seed: int
) -> Iterator[tuple[str, ReportedFigure]]:
    indicator = catalogue.indicator[LARGEST]
    for period in ended_periods(indicator, today):
        for org in counties:
            output = _chance(seed, LARGEST, org, period).randint(500, 9000)
            yield org, _figure(indicator, None, period, Decimal(output).scaleb(-2))


def _contracts(
    catalogue: Catalogue, counties: Sequence[str], today: date, seed: int
) -> Iterator[tuple[str, ReportedFigure]]:
    indicator = catalogue.indicator[CONTRACTS]
    shares = _shares(counties, seed, CONTRACTS)
    for period in ended_periods(indicator, today):
        for org, value in _spread(_contracted(seed, period), shares, indicator.decimals).items():
            yield org, _figure(indicator, None, period, value)


def _contracts_of_the_city(catalogue: Catalogue, today: date, seed: int) -> Iterator[ReportedFigure]:
    indicator = catalogue.indicator[CONTRACTS]
    for period in ended_periods(indicator, today):
        value = to_decimal(Fraction(_contracted(seed, period) * _BEYOND_THE_COUNTIES), indicator.decimals)
        yield _figure(indicator, None, period, value)


def _contracted(seed: int, period: Period) -> Decimal:
    """What the counties' contracts of a quarter come to, 亿元."""
    return Decimal(_chance(seed, CONTRACTS, period).randint(4000, 6000)).scaleb(-2)


def _chance(seed: int, *about: object) -> random.Random:
    return random.Random(":".join(map(str, (seed, *about))))  # noqa: S311 - no secret


def _shares(counties: Sequence[str], seed: int, cluster: str) -> dict[str, Fraction]:
    """Which part of a cluster lies in which county: nobody has none of it, somebody has much."""
    weights = {
        org: random.Random(f"{seed}:{cluster}:{org}").randint(2, 30)  # noqa: S311 - no secret
        for org in counties
    }
    total = sum(weights.values())
    return {org: Fraction(weight, total) for org, weight in weights.items()}


def _spread(total: Decimal, shares: dict[str, Fraction], decimals: int) -> dict[str, Decimal]:
    """The total over the counties by their shares, in whole smallest units that add up to it exactly."""
    unit = Decimal(1).scaleb(-decimals)
    units = int((total / unit).to_integral_value(ROUND_HALF_EVEN))
    whole = {org: int(units * share) for org, share in shares.items()}
    by_remainder = sorted(shares, key=lambda org: (whole[org] - units * shares[org], org))
    for org in by_remainder[: units - sum(whole.values())]:
        whole[org] += 1
    return {org: count * unit for org, count in whole.items()}


def _figure(indicator: Indicator, cluster: str | None, period: Period, value: Decimal) -> ReportedFigure:
    return ReportedFigure(
        indicator=indicator.id, cluster=cluster, period=period.key, value=value, unit=indicator.unit, note=NOTE
    )


def _submission(reporter: str, org: str, figures: Sequence[ReportedFigure]) -> ReportedSubmission:
    return ReportedSubmission(reporter=reporter, org=org, prepared_by=PREPARED_BY, figures=tuple(figures))
