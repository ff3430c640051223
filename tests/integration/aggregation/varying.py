"""Catalogues that differ in everything that decides how figures add up, and the figures that they can ask for.

Every choice is independent of the others, so that catalogues can change one thing at a time, there and back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, NamedTuple

from support.catalogue import (
    ADVANTAGE,
    CITY,
    CLUSTERS,
    COUNTIES_AND_ZONES,
    DEPARTMENT,
    DIGITAL,
    EMERGING,
    ENERGY,
    FIRMS,
    MACHINERY,
    PEI,
    SCALE,
    ZONE,
    a_catalogue,
    a_city_indicator,
    a_target,
    an_indicator,
    an_organisation,
    default_organisations,
)

from fourones_shared.catalogue.model import Catalogue

NEWCOMER = "320399"
TASK_FORCE = "task-force"
# Ways to add scale over organisations and over clusters.
ADDING = (("sum", "sum"), ("sum", "none"), ("mean", "mean"), ("mean", "sum"), ("maximum", "maximum"), ("none", "none"))
# What may be missing from a catalogue: its indicators, by what they are there for.
GROUPS = ("strong", "output", "people", "sales", "wage", "peak", "meetings", "firms")
TARGETS: Mapping[str, dict[str, Any]] = {
    # Scopes of one figure, which have a row for the target's sake.
    "of-one": {"org": PEI, "cluster": MACHINERY},
    "of-firms": {"indicator": FIRMS, "unit": "家", "org": CITY},
    "per-month": {"indicator": "meetings", "unit": "次", "value": "3", "by": None, "per": "month"},
    "per-quarter": {"indicator": "meetings", "unit": "次", "value": "10", "by": None, "per": "quarter", "weight": "3"},
    "per-year": {"indicator": "meetings", "unit": "次", "value": "40", "by": None, "per": "year"},
    "ceiling": {"indicator": "overruns", "unit": "次", "value": "4", "by": None, "per": "month", "comparator": "<="},
    "by-date": {"indicator": "workers", "unit": "人", "value": "100", "baseline": {"period": "2025", "value": "10"}},
}
IN_THE_PILLAR = {"per-month", "per-quarter", "per-year", "ceiling", "by-date"}


@dataclass(frozen=True)
class Choices:
    """What a catalogue is made of."""

    newcomer: bool = False
    pei_ends: bool = False
    digital_tier: str = EMERGING
    adding: tuple[str, str] = ADDING[0]
    zones: str = "beside"
    city_stands: str | None = None
    may_not_apply: bool = False
    january_february: str = "separate"
    wage: str = "weighted-mean"
    without: frozenset[str] = frozenset()
    targets: frozenset[str] = frozenset()
    growth_is_reported: bool = False
    threshold: str = "100"


CHANGES: Mapping[str, tuple[object, ...]] = {
    "newcomer": (True, False),
    "pei_ends": (True, False),
    "digital_tier": (ADVANTAGE, EMERGING),
    "adding": ADDING,
    "zones": ("inside", "beside"),
    "city_stands": ("counties", "department", None),
    "may_not_apply": (True, False),
    "january_february": ("together", "separate"),
    "wage": ("mean", "weighted-mean"),
    "without": (frozenset(), *(frozenset({group}) for group in GROUPS)),
    "targets": (frozenset(TARGETS), frozenset(), *(frozenset({target}) for target in TARGETS)),
    "growth_is_reported": (True, False),
    "threshold": ("50", "100"),
}


def changed(choices: Choices, change: str, value: object) -> Choices:
    """The choices with another value for one of `CHANGES`."""
    return replace(choices, **{change: value})  # type: ignore[arg-type]


def catalogue_of(choices: Choices) -> Catalogue:
    """The catalogue so chosen."""
    catalogue = a_catalogue()
    there = _groups(choices)
    return a_catalogue(
        organisations=_organisations(choices),
        clusters=[
            c.model_dump(mode="json") | ({"tier": choices.digital_tier} if c.id == DIGITAL else {})
            for c in catalogue.clusters
        ],
        pillars=[{"id": TASK_FORCE, "name": "专班", "source": "test"}],
        indicators=[i for group, indicators in there.items() if group not in choices.without for i in indicators],
        targets=[
            {"pillar": TASK_FORCE, "cluster": MACHINERY} | _a_target(name) if name in IN_THE_PILLAR else _a_target(name)
            for name in sorted(choices.targets)
            if _is_there(name, choices)
        ],
    )


def _a_target(name: str) -> dict[str, Any]:
    target = a_target(name, **TARGETS[name])
    return {field: value for field, value in target.items() if value is not None}


def _is_there(target: str, choices: Choices) -> bool:
    of = TARGETS[target].get("indicator", SCALE)
    group = {"meetings": "meetings", "overruns": "meetings", "workers": "wage", FIRMS: "firms"}
    return group.get(of) not in choices.without


def _organisations(choices: Choices) -> list[dict[str, Any]]:
    organisations = [o | ({"within": [PEI]} if o["id"] == ZONE else {}) for o in default_organisations()]
    if choices.pei_ends:
        organisations = [o | ({"valid_until": "2026-03-31"} if o["id"] == PEI else {}) for o in organisations]
    if choices.newcomer:
        organisations.append(an_organisation(NEWCOMER, valid_from="2026-03-01"))
    return organisations


def _groups(choices: Choices) -> dict[str, list[dict[str, Any]]]:
    over_organisations, over_clusters = choices.adding
    months: dict[str, Any] = {"january_february": choices.january_february, "zones": choices.zones}
    scale = an_indicator(
        minimum="0",
        over_organisations=over_organisations,
        over_clusters=over_clusters,
        reporting={"may_not_apply": [ZONE] if choices.may_not_apply else []}
        | ({"city": {"by": DEPARTMENT, "stands": choices.city_stands}} if choices.city_stands else {}),
        **months,
    )
    if over_organisations == "none":
        scale["reporting"].pop("city", None)
    return {
        "scale": [scale],
        "strong": [_strong(choices)] if over_organisations != "none" else [],
        "output": [
            _flow("output", **months),
            _flow("exports", **months),
            _computed("export-share", _ratio("exports", "output"), january_february=choices.january_february),
            _computed("export-share-of-quarter", _ratio("exports", "output"), frequency="Q"),
            _computed(
                "output-growth",
                {"kind": "growth", "of": "output", "over": "previous"},
                january_february=choices.january_february,
                first=date(2026, 2, 1),
            ),
        ],
        "people": [
            _flow("people", frequency="A", first=date(2023, 1, 1), kind="stock", unit="人", minimum="0"),
            _computed(
                "people-growth",
                {"kind": "growth", "of": "people", "over": "mean-annual", "since": "2023", "formula": "compound"},
                frequency="A",
                first=date(2024, 1, 1),
            ),
        ],
        "sales": [
            _flow("sales", frequency="Q", first=date(2025, 1, 1)),
            _sales_growth(reported=choices.growth_is_reported),
        ],
        "wage": _wage(choices),
        "peak": [_flow("peak", kind="stock", over_organisations="maximum", zones=choices.zones)],
        "meetings": [_meetings("meetings"), _meetings("overruns", direction="down")],
        "firms": [a_city_indicator()],
    }


def _flow(
    id: str,  # noqa: A002 - the catalogue's word
    *,
    frequency: str = "M",
    first: date = date(2026, 1, 1),
    **changes: Any,
) -> dict[str, Any]:
    """A quantity of counties and zones that is summed over them, without clusters."""
    fields = {"covers": "period", "measure": id, "clusters": (), "over_clusters": "none"} | changes
    return an_indicator(id, reporting={"frequency": frequency, "first": first}, **fields)


def _computed(
    id: str,  # noqa: A002 - the catalogue's word
    derived: dict[str, Any],
    *,
    frequency: str = "M",
    first: date = date(2026, 1, 1),
    **changes: Any,
) -> dict[str, Any]:
    """An indicator that nobody reports."""
    fields = {
        "unit": "%",
        "kind": "ratio",
        "covers": "period",
        "decimals": 2,
        "measure": id,
        "clusters": (),
        "over_organisations": "none",
        "over_clusters": "none",
        "derived": derived,
    }
    reporting = {"by": "computed", "frequency": frequency, "first": first}
    return an_indicator(id, reporting=reporting, **(fields | changes))


def _ratio(numerator: str, denominator: str) -> dict[str, Any]:
    return {"kind": "ratio", "numerator": numerator, "denominator": denominator}


def _sales_growth(*, reported: bool) -> dict[str, Any]:
    derived = {"kind": "growth", "of": "sales", "over": "year-before"}
    # What is reported may be about periods whose base nobody has reported.
    first = date(2025, 1, 1) if reported else date(2026, 1, 1)
    return _by_a_department(_computed("sales-growth", derived, frequency="Q", first=first), reported=reported)


def _by_a_department(indicator: dict[str, Any], *, reported: bool) -> dict[str, Any]:
    """A computed indicator that a department reports about the city, too."""
    about_the_city = {"about": "city", "by": DEPARTMENT} if reported else {}
    return indicator | {"reporting": indicator["reporting"] | about_the_city}


def _strong(choices: Choices) -> dict[str, Any]:
    """How many clusters have reached a scale."""
    strong = _computed(
        "strong-clusters",
        {"kind": "count-at-or-above", "of": [SCALE], "threshold": choices.threshold},
        january_february=choices.january_february,
        unit="个",
        decimals=0,
    )
    return _by_a_department(strong | {"kind": "stock"}, reported=True)


def _wage(choices: Choices) -> list[dict[str, Any]]:
    clusters: dict[str, Any] = {"clusters": (MACHINERY, ENERGY), "covers": "period", "zones": choices.zones}
    workers = an_indicator("workers", kind="stock", unit="人", measure="people", minimum="0", **clusters)
    workers["pillar"] = TASK_FORCE
    weighted: dict[str, Any] = {"weighted_by": "workers"} if choices.wage == "weighted-mean" else {}
    wage = an_indicator("wage", kind="stock", unit="元", measure="wage", **clusters, **weighted)
    growth = _computed(
        "wage-growth",
        {"kind": "growth", "of": "wage", "over": "previous"},
        first=date(2026, 2, 1),
        clusters=clusters["clusters"],
    )
    added = {"over_organisations": choices.wage, "over_clusters": choices.wage}
    return [workers, wage | added, _by_a_department(growth, reported=choices.growth_is_reported)]


def _meetings(id: str, **changes: Any) -> dict[str, Any]:  # noqa: A002 - the catalogue's word
    reporting = {"about": "city", "by": "cluster-lead", "may_not_apply": [CITY]}
    fields = {"unit": "次", "measure": "count", "covers": "period", "pillar": TASK_FORCE}
    fields |= {"over_organisations": "none", "over_clusters": "sum"} | changes
    return an_indicator(id, reporting=reporting, **fields)


class Reported(NamedTuple):
    """What somebody can report: an indicator of these clusters in these periods."""

    clusters: tuple[str, ...]
    periods: tuple[str, ...]


_MONTHS = ("2026-01", "2026-02", "2026-03", "2026-04", "2026-05", "2026-12")
_NO_CLUSTER = ("_T",)
OF_COUNTIES = {
    SCALE: Reported(CLUSTERS, _MONTHS),
    "output": Reported(_NO_CLUSTER, ("2026-01-01/P2M", *_MONTHS)),
    "exports": Reported(_NO_CLUSTER, ("2026-01-01/P2M", *_MONTHS)),
    "people": Reported(_NO_CLUSTER, ("2023", "2024", "2025", "2026")),
    "sales": Reported(_NO_CLUSTER, ("2025-Q1", "2025-Q2", "2026-Q1", "2026-Q2")),
    "workers": Reported((MACHINERY, ENERGY), _MONTHS),
    "wage": Reported((MACHINERY, ENERGY), _MONTHS),
    "peak": Reported(_NO_CLUSTER, _MONTHS),
}
OF_THE_CITY = {
    SCALE: Reported(CLUSTERS, _MONTHS),
    FIRMS: Reported(_NO_CLUSTER, ("2025", "2026")),
    "meetings": Reported(CLUSTERS, _MONTHS),
    "overruns": Reported(CLUSTERS, _MONTHS),
    "strong-clusters": Reported(_NO_CLUSTER, ("2026-01-01/P2M", *_MONTHS)),
    "sales-growth": Reported(_NO_CLUSTER, ("2025-Q1", "2026-Q1", "2026-Q2")),
    "wage-growth": Reported((MACHINERY, ENERGY), _MONTHS),
}
ORGANISATIONS = (*COUNTIES_AND_ZONES, NEWCOMER, CITY)


def reported_by(org: str) -> Mapping[str, Reported]:
    """All that figures about an organisation can be about, under one catalogue or another."""
    return OF_THE_CITY if org == CITY else OF_COUNTIES
