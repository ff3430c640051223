"""A small catalogue and the roll-ups that it makes, with defaults: a test names only what it is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from fourones_shared.catalogue.duties import due_at
from fourones_shared.catalogue.model import Catalogue
from fourones_shared.domain.periods import Period
from fourones_shared.events.model import Cause, Coverage, Member, RollupChanged, State, Status

CITY, COUNTY, OTHER_COUNTY, ZONE = "320300", "320382", "320381", "xz-hidz"
DEPARTMENT, OTHER_DEPARTMENT = "gxj", "kjj"
SMES, ENERGY, SCALE = "technology-smes", "hidz-energy-cut", "cluster-scale"
SMES_TARGET, ENERGY_TARGET, SCALE_TARGET = "technology-smes-2026", "hidz-energy-cut-2025", "machinery-scale-2026"
CLUSTER = "construction-machinery"

# The afternoon of 20 May 2026 in Shanghai: April is due since the 10th, May is running.
NOW = datetime(2026, 5, 20, 7, tzinfo=UTC)


def an_organisation(key: str, name: str, kind: str) -> dict[str, Any]:
    return {"id": key, "name": name, "kind": kind, "source": "004"}


def an_indicator(key: str = SMES, **changes: Any) -> dict[str, Any]:
    """Monthly, from January 2026, a stock that a department reports about the city; due ten days after the month."""
    reporting = {"about": "city", "by": OTHER_DEPARTMENT, "frequency": "M", "first": "2026-01-01", "due_days": 10}
    return {
        "id": key,
        "name": "科技型中小企业数",
        "name_en": "technology SMEs",
        "unit": "家",
        "measure": "count",
        "kind": "stock",
        "reporting": reporting | changes.pop("reporting", {}),
        "source": "000",
    } | changes


def a_target(key: str = SMES_TARGET, **changes: Any) -> dict[str, Any]:
    """From 0 at the end of 2025 to 120 at the end of 2026, in a straight line: ten a month."""
    return {
        "id": key,
        "plan": "clusters-2026",
        "indicator": SMES,
        "name": "科技型中小企业入库数",
        "value": "120",
        "unit": "家",
        "by": "2026",
        "baseline": {"period": "2025", "value": "0"},
        "responsible": {"equal": [OTHER_DEPARTMENT, DEPARTMENT]},
        "source": "000",
    } | changes


def a_catalogue(**changes: Any) -> Catalogue:
    """Three targets: a city-wide count, a cluster's scale over two counties, and the zone's cut of energy use."""
    return Catalogue.model_validate(
        {
            "organisations": [
                an_organisation(CITY, "徐州市", "city"),
                an_organisation(COUNTY, "邳州市", "county"),
                an_organisation(OTHER_COUNTY, "新沂市", "county"),
                an_organisation(ZONE, "徐州高新区", "department"),
                an_organisation(DEPARTMENT, "市工业和信息化局", "department"),
                an_organisation(OTHER_DEPARTMENT, "市科学技术局", "department"),
            ],
            "tiers": [{"id": "advantage", "name": "优势", "source": "004"}],
            "clusters": [{"id": CLUSTER, "name": "工程机械", "tier": "advantage", "lead": DEPARTMENT, "source": "004"}],
            "plans": [
                {
                    "id": "clusters-2026",
                    "name": "集群方案",
                    "start": "2026-01-01",
                    "end": "2026-12-31",
                    "source": "004",
                },
                {
                    "id": "hidz-14th-five-year",
                    "name": "高新区十四五",
                    "start": "2021-01-01",
                    "end": "2025-12-31",
                    "source": "003",
                },
            ],
            "indicators": [
                an_indicator(),
                an_indicator(
                    SCALE,
                    name="产业规模",
                    unit="亿元",
                    measure="industry-scale",
                    kind="flow",
                    covers="year-to-date",
                    clusters=[CLUSTER],
                    over_organisations="sum",
                    reporting={"about": "counties-and-zones", "by": "self"},
                ),
                an_indicator(
                    ENERGY,
                    name="单位 GDP 能耗下降",
                    unit="%",
                    measure="cut-since-2020",
                    kind="ratio",
                    reporting={"about": [ZONE], "by": ZONE, "frequency": "A", "first": "2021-01-01", "due_days": 60},
                ),
            ],
            "targets": [
                a_target(),
                a_target(
                    SCALE_TARGET,
                    indicator=SCALE,
                    name="工程机械产业规模",
                    cluster=CLUSTER,
                    unit="亿元",
                    responsible={"lead": DEPARTMENT},
                ),
                a_target(
                    ENERGY_TARGET,
                    plan="hidz-14th-five-year",
                    indicator=ENERGY,
                    name="单位 GDP 能耗下降(较 2020 年)",
                    org=ZONE,
                    value="14.5",
                    unit="%",
                    by="2025",
                    baseline=None,
                    responsible={"lead": ZONE},
                    remark="数值为累计降幅，越大越好",
                ),
            ],
        }
        | changes
    )


def a_rollup(
    value: str | None = "40",
    *,
    indicator: str = SMES,
    period: str = "2026-04",
    version: int = 1,
    reported: int | None = None,
    **changes: Any,
) -> RollupChanged:
    """A version of the roll-up that one of the catalogue's targets names; complete when it has a value."""
    place = {
        SMES: ("_T", "_T", (CITY,)),
        SCALE: ("_T", CLUSTER, (COUNTY, OTHER_COUNTY)),
        ENERGY: (ZONE, "_T", (ZONE,)),
    }[indicator]
    org, cluster, owed_by = place
    count = (len(owed_by) if value is not None else 0) if reported is None else reported
    recorded = changes.get("recorded_at", NOW - timedelta(seconds=1))
    catalogue = a_catalogue()
    given: dict[str, Any] = {
        "indicator": indicator,
        "org": org,
        "cluster": cluster,
        "tier": "_T",
        "period": period,
        "version": version,
        "value": None if value is None else Decimal(value),
        "unit": catalogue.indicator[indicator].unit,
        "status": Status.NORMAL,
        "coverage": Coverage(reported=count, expected=len(owed_by), missing=owed_by[count:]),
        "due_at": due_at(catalogue.indicator[indicator], Period.parse(period)),
        "members": tuple(
            Member(org=who, cluster=cluster, state=State.REPORTED if place < count else State.OVERDUE)
            for place, who in enumerate(owed_by)
        ),
        "members_total": len(owed_by),
        "cause": Cause.NEW_DATA,
        "catalogue_version": 1,
        "snapshot": version,
        "recorded_at": recorded,
        "accepted_at": recorded if value is not None else None,
    }
    return RollupChanged(**(given | changes))
