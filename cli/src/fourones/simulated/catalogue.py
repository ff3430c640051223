"""The synthetic catalogue: the counties, what they report, and a plan with a target for each indicator."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import yaml

from fourones.simulated.world import MARK, MILLE, PREFIX, Measured, World
from fourones_shared.catalogue.model import Catalogue
from fourones_shared.catalogue.parsing import parse_document

SOURCE, PLAN, OFFICE, CITY = PREFIX + "data", PREFIX + "plan", PREFIX + "office", PREFIX + "city"
DUE_DAYS = 15

# What a target asks for against what the counties typically make, in thousandths: some are met, some are missed.
_AMBITION = (960, 1000, 1040, 1090)

Document = dict[str, list[dict[str, Any]]]


def additions(world: World) -> Document:
    """What is added to a catalogue, by section."""
    years = range(world.first.year, world.last.year + 1)
    return {
        "sources": [{"id": SOURCE, "title": f"{MARK}数据(随机生成,非真实情况)"}],
        "organisations": [
            _organisation(OFFICE, f"{MARK}统计处", "Simulated statistics office", "department"),
            *(
                _organisation(county, f"{MARK}{number:04d}县", f"Simulated County {number:04d}", "county")
                for number, county in enumerate(world.county_ids, start=1)
            ),
        ],
        "plans": [
            {
                "id": PLAN,
                "name": f"{MARK}指标增长方案",
                "name_en": "Simulated plan",
                "start": world.first.isoformat(),
                # A year more than is reported, so that the plan is still running.
                "end": date(years[-1] + 1, 12, 31).isoformat(),
                "synthetic": True,
                "source": SOURCE,
            }
        ],
        "indicators": [_indicator(world, measured) for measured in world.measured],
        "targets": [_target(world, measured) for measured in world.measured],
    }


def joined(base: Mapping[str, Any] | None, added: Document) -> Catalogue:
    """A catalogue with the synthetic parts; those of an earlier simulation are replaced.

    Args:
        base: a catalogue's document; without one the synthetic counties get a synthetic city, to be sound alone.
        added: see `additions`.

    Raises:
        CatalogueHasFaults: the base is not sound.
    """
    document: Document = {
        section: [entry for entry in entries if not str(entry.get("id", "")).startswith(PREFIX)]
        for section, entries in (base or {}).items()
    }
    for section, entries in added.items():
        document[section] = document.get(section, []) + entries
    if not any(organisation.get("kind") == "city" for organisation in document["organisations"]):
        document["organisations"].append(_organisation(CITY, f"{MARK}市", "Simulated city", "city"))
    return parse_document(document)


def written(added: Document) -> str:
    """As YAML, for a folder that is given to `fourones catalogue` as `--extra`."""
    return "# Synthetic: made by `fourones simulate`.\n" + yaml.safe_dump(
        added, allow_unicode=True, sort_keys=False, default_flow_style=None, width=120
    )


def _organisation(name: str, title: str, title_en: str, kind: str) -> dict[str, Any]:
    return {"id": name, "name": title, "name_en": title_en, "kind": kind, "synthetic": True, "source": SOURCE}


def _indicator(world: World, measured: Measured) -> dict[str, Any]:
    kind = measured.kind
    return {
        "id": measured.id,
        "name": f"{MARK}{kind.name}{measured.place + 1:02d}",
        "name_en": f"Simulated {kind.name_en} {measured.place + 1:02d}",
        "unit": kind.unit,
        "measure": f"{PREFIX}measure-{measured.place + 1:02d}",
        "kind": "flow",
        "covers": "year-to-date",
        "decimals": kind.decimals,
        "minimum": "0",
        "over_organisations": "sum",
        "january_february": "together" if kind.together else "separate",
        "plan": PLAN,
        "reporting": {
            "about": list(world.county_ids),
            "by": "self",
            "frequency": "M",
            "first": world.first.isoformat(),
            "due_days": DUE_DAYS,
        },
        "synthetic": True,
        "source": SOURCE,
    }


def _target(world: World, measured: Measured) -> dict[str, Any]:
    kind = measured.kind
    typical = measured.typical_year(world.last.year) * world.counties
    asked = typical * _AMBITION[measured.place % len(_AMBITION)] // MILLE
    return {
        "id": f"{PREFIX}target-{measured.place + 1:02d}",
        "plan": PLAN,
        "indicator": measured.id,
        "name": f"{MARK}{kind.name}{measured.place + 1:02d}年度目标",
        # A round number, as targets are.
        "value": str(max(asked // 10**kind.decimals, 1)),
        "unit": kind.unit,
        "per": "year",
        "responsible": {"lead": OFFICE},
        "synthetic": True,
        "source": SOURCE,
    }
