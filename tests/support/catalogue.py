"""A small catalogue with defaults: three counties, a zone, a department, three clusters in two tiers, two indicators.

Every builder takes the fields that matter to the test and fills in the rest.
"""

from collections.abc import Iterable
from datetime import date
from typing import Any

from fourones_shared.catalogue.model import Catalogue

CITY = "320300"
PEI, XINYI, PIZHOU = "320322", "320381", "320382"
ZONE = "hi-tech-zone"
COUNTIES_AND_ZONES = (PEI, XINYI, PIZHOU, ZONE)
DEPARTMENT = "gxj"
# Two clusters of the advantage tier, one of the emerging.
MACHINERY, ENERGY, DIGITAL = "machinery", "new-energy", "digital"
CLUSTERS = (MACHINERY, ENERGY, DIGITAL)
ADVANTAGE, EMERGING = "advantage", "emerging"
SCALE, FIRMS = "cluster-scale", "city-firms"


def a_catalogue(
    *,
    indicators: Iterable[dict[str, Any]] | None = None,
    targets: Iterable[dict[str, Any]] = (),
    organisations: Iterable[dict[str, Any]] | None = None,
    **changes: Any,
) -> Catalogue:
    """A version of the catalogue."""
    fields: dict[str, Any] = {
        "sources": [{"id": "test", "title": "a test's own"}],
        "organisations": list(organisations) if organisations is not None else default_organisations(),
        "tiers": [{"id": tier, "name": tier, "source": "test"} for tier in (ADVANTAGE, EMERGING)],
        "clusters": [
            {"id": MACHINERY, "name": "工程机械", "tier": ADVANTAGE, "lead": DEPARTMENT, "source": "test"},
            {"id": ENERGY, "name": "新能源", "tier": ADVANTAGE, "lead": DEPARTMENT, "source": "test"},
            {"id": DIGITAL, "name": "数字经济", "tier": EMERGING, "lead": DEPARTMENT, "source": "test"},
        ],
        "plans": [{"id": "plan", "name": "方案", "start": "2025-01-01", "end": "2027-12-31", "source": "test"}],
        "indicators": list(indicators) if indicators is not None else [an_indicator(), a_city_indicator()],
        "targets": list(targets),
    }
    return Catalogue.model_validate(fields | changes)


def default_organisations() -> list[dict[str, Any]]:
    """The city, three counties, a zone, a department."""
    return [
        an_organisation(CITY, "city"),
        *(an_organisation(county, "county") for county in (PEI, XINYI, PIZHOU)),
        an_organisation(ZONE, "zone"),
        an_organisation(DEPARTMENT, "department"),
    ]


def an_organisation(id: str, kind: str = "county", **changes: Any) -> dict[str, Any]:  # noqa: A002
    """An organisation."""
    return {"id": id, "name": id, "kind": kind, "source": "test"} | changes


def an_indicator(id: str = SCALE, *, reporting: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:  # noqa: A002
    """Monthly, year to date, for every cluster, by every county and zone about itself; a sum over both."""
    return {
        "id": id,
        "name": id,
        "name_en": id,
        "unit": "亿元",
        "measure": "industry-scale",
        "kind": "flow",
        "covers": "year-to-date",
        "clusters": CLUSTERS,
        "over_organisations": "sum",
        "over_clusters": "sum",
        "reporting": {
            "about": "counties-and-zones",
            "by": "self",
            "frequency": "M",
            "first": date(2026, 1, 1),
            "due_days": 10,
        }
        | (reporting or {}),
        "source": "test",
    } | changes


def a_city_indicator(id: str = FIRMS, **changes: Any) -> dict[str, Any]:  # noqa: A002
    """Yearly, without clusters, by one department about the city."""
    return {
        "id": id,
        "name": id,
        "name_en": id,
        "unit": "家",
        "measure": "count",
        "kind": "stock",
        "reporting": {
            "about": "city",
            "by": DEPARTMENT,
            "frequency": "A",
            "first": date(2025, 1, 1),
            "due_days": 30,
        },
        "source": "test",
    } | changes


def a_target(id: str = "target", **changes: Any) -> dict[str, Any]:  # noqa: A002
    """A target of the city's scale by the end of 2026."""
    return {
        "id": id,
        "plan": "plan",
        "indicator": SCALE,
        "name": id,
        "value": "1000",
        "unit": "亿元",
        "by": "2026",
        "responsible": {"lead": DEPARTMENT},
        "source": "test",
    } | changes
