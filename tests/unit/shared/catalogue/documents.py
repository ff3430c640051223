"""Small catalogue documents with one thing changed."""

from pathlib import Path
from typing import Any

from fourones_shared.catalogue.faults import CatalogueHasFaults, Fault
from fourones_shared.catalogue.model import Catalogue
from fourones_shared.catalogue.parsing import parse_document

REPOSITORY = Path(__file__).parents[4]
REAL = REPOSITORY / "catalogue"

Entry = dict[str, Any]


def an_organisation(id: str = "320382", **changes: Any) -> Entry:  # noqa: A002 - the field's name
    return {"id": id, "name": id, "kind": "county", "source": "s"} | changes


def a_cluster(id: str = "steel", **changes: Any) -> Entry:  # noqa: A002
    return {"id": id, "name": id, "tier": "heavy", "lead": "gxj", "source": "s"} | changes


def a_plan(**changes: Any) -> Entry:
    tasks = [{"id": "grow", "name": "育企业"}]
    plan = {"id": "plan", "name": "方案", "start": "2022-10-01", "end": "2025-12-31", "tasks": tasks, "source": "s"}
    return plan | changes


def an_indicator(id: str = "scale", *, reporting: Entry | None = None, **changes: Any) -> Entry:  # noqa: A002
    duty = {"about": "counties-and-zones", "by": "self", "frequency": "M", "first": "2023-01-01", "due_days": 15}
    return {
        "id": id,
        "name": "产业规模",
        "name_en": "scale",
        "unit": "亿元",
        "measure": "industry-scale",
        "kind": "flow",
        "covers": "year-to-date",
        "clusters": ["steel", "textiles"],
        "over_organisations": "sum",
        "over_clusters": "sum",
        "reporting": duty | (reporting or {}),
        "source": "s",
    } | changes


def a_city_indicator(id: str = "projects", *, reporting: Entry | None = None, **changes: Any) -> Entry:  # noqa: A002
    duty = {"about": "city", "by": "gxj", "frequency": "Q"} | (reporting or {})
    return an_indicator(
        id,
        reporting=duty,
        **{
            "unit": "个",
            "measure": "count",
            "decimals": 0,
            "clusters": [],
            "over_organisations": "none",
            "over_clusters": "none",
        }
        | changes,
    )


def a_target(id: str = "steel-2025", **changes: Any) -> Entry:  # noqa: A002
    target = {
        "id": id,
        "plan": "plan",
        "indicator": "scale",
        "name": "规模",
        "cluster": "steel",
        "value": "1000",
        "unit": "亿元",
        "by": "2025",
        "responsible": {"lead": "gxj"},
        "source": "s",
    } | changes
    return {key: value for key, value in target.items() if value is not None}


def a_document(**sections: list[Entry]) -> dict[str, Any]:
    """A sound document; a section that is given replaces the whole one."""
    return {
        "sources": [{"id": "s", "title": "来源"}],
        "organisations": [
            an_organisation("320300", kind="city"),
            an_organisation("320382"),
            an_organisation("320381"),
            an_organisation("gxj", kind="department"),
            an_organisation("fgw", kind="department"),
        ],
        "tiers": [{"id": "heavy", "name": "重", "source": "s"}, {"id": "light", "name": "轻", "source": "s"}],
        "clusters": [a_cluster("steel"), a_cluster("textiles", tier="light")],
        "pillars": [{"id": "alliance", "name": "一个产业联盟", "source": "s"}],
        "plans": [a_plan()],
        "indicators": [an_indicator(), a_city_indicator()],
        "targets": [a_target()],
        "peers": [],
    } | sections


def a_catalogue(**sections: list[Entry]) -> Catalogue:
    return parse_document(a_document(**sections))


def faults_of(document: dict[str, Any]) -> list[Fault]:
    """All faults of a document; none when it is sound."""
    try:
        parse_document(document)
    except CatalogueHasFaults as error:
        return list(error.found)
    return []


def places_of(document: dict[str, Any]) -> set[tuple[str, str]]:
    """Where and which rules."""
    return {(fault.pointer, fault.code) for fault in faults_of(document)}
