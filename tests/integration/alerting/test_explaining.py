"""What a gap is made of, from the members of roll-ups on Kafka to the answer of the API."""

from __future__ import annotations

from decimal import Decimal

from integration.alerting.service import Service
from support.waiting import eventually
from unit.alerting.builders import (
    CITY,
    CLUSTER,
    COUNTY,
    OTHER_COUNTY,
    SCALE,
    SCALE_TARGET,
    a_catalogue,
    a_rollup,
    a_target,
    an_indicator,
)

from fourones_shared.catalogue.model import Catalogue
from fourones_shared.events.model import Coverage, Member, RollupChanged, State

REACHED, REACHED_TARGET = "clusters-reached", "clusters-reached-2026"


def of_counties(period: str, one: str, other: str, version: int = 1) -> RollupChanged:
    members = tuple(
        Member(org=org, cluster=CLUSTER, state=State.REPORTED, value=Decimal(value))
        for org, value in ((COUNTY, one), (OTHER_COUNTY, other))
    )
    total = str(Decimal(one) + Decimal(other))
    return a_rollup(total, indicator=SCALE, period=period, version=version, members=members)


def of_reached(count: str, version: int = 1) -> RollupChanged:
    return a_rollup(count, version=version).model_copy(
        update={"indicator": REACHED, "unit": "个", "coverage": Coverage(reported=1, expected=1), "members": ()}
    )


def with_history() -> Catalogue:
    """The small catalogue, its scale reported from 2025 on, and a count of the clusters that have reached 100."""
    document = a_catalogue().model_dump(mode="json")
    for indicator in document["indicators"]:
        if indicator["id"] == SCALE:
            indicator["reporting"]["first"] = "2025-01-01"
    count = an_indicator(
        REACHED, name="达标集群数", unit="个", derived={"kind": "count-at-or-above", "of": [SCALE], "threshold": "100"},
        reporting={"by": "computed"},
    )  # fmt: skip
    target = a_target(REACHED_TARGET, indicator=REACHED, name="达标集群数", value="1", unit="个")
    return Catalogue.model_validate(
        document | {"indicators": [*document["indicators"], count], "targets": [*document["targets"], target]}
    )


def test_the_counties_that_make_a_gap_are_told_with_their_parts(service: Service) -> None:
    service.publisher.publish_catalogue(with_history(), version=2)
    service.publisher.publish(of_counties("2025-04", "30", "10"), of_counties("2026-04", "10", "12"))
    with service.worker(), service.api() as reader:
        eventually(lambda: reader.assessment(SCALE_TARGET)["contributions"])
        answer = reader.assessment(SCALE_TARGET)
        made_of = answer["contributions"]
        assert (made_of["ground"], made_of["of"], made_of["missing"]) == ("last_year_shares", "org", [])
        assert [(part["code"], part["value"], part["before"]) for part in made_of["parts"]] == [
            (COUNTY, "10", "30"),
            (OTHER_COUNTY, "12", "10"),
        ]
        assert sum(Decimal(part["gap"]) for part in made_of["parts"]) == Decimal(answer["gap"])
        assert "差距主要来自：邳州市（差" in answer["explanation"]
        assert [basis["period"] for basis in answer["rests_on"]] == ["2026-04", "2025-04"]
        # Last year is corrected: the verdict stands, its explanation is revised.
        service.publisher.publish(of_counties("2025-04", "10", "30", version=2))
        eventually(lambda: reader.assessment(SCALE_TARGET)["contributions"]["parts"][0]["code"] == OTHER_COUNTY)
        assert reader.assessment(SCALE_TARGET)["changed_by"] == "revision"


def test_an_input_that_arrives_explains_a_derived_value_anew(service: Service) -> None:
    service.publisher.publish_catalogue(with_history(), version=2)
    service.publisher.publish(of_reached("0"))
    with service.worker(), service.api() as reader:
        eventually(lambda: reader.assessment(REACHED_TARGET)["verdict"] == "off_track")
        assert reader.assessment(REACHED_TARGET)["contributions"]["missing"] == [CLUSTER]
        service.publisher.publish(of_counties("2026-04", "30", "40"))
        eventually(lambda: reader.assessment(REACHED_TARGET)["contributions"]["parts"])
        answer = reader.assessment(REACHED_TARGET)
        assert [(part["code"], part["gap"]) for part in answer["contributions"]["parts"]] == [(CLUSTER, "30")]
        assert (answer["verdict"], answer["changed_by"]) == ("off_track", "new_data")
        assert f"{SCALE}|{CLUSTER}" in [basis["subject"] for basis in answer["rests_on"]]
        assert CITY not in answer["explanation"]
