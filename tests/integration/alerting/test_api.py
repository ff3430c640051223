"""`/v1/assessments`: filters, pages, faults, and who may read."""

from functools import partial

import pytest
from integration.alerting.service import Reader, Service
from support.waiting import eventually
from unit.alerting.builders import (
    CLUSTER,
    COUNTY,
    DEPARTMENT,
    ENERGY_TARGET,
    OTHER_DEPARTMENT,
    SCALE_TARGET,
    SMES_TARGET,
    ZONE,
    a_catalogue,
    a_rollup,
    a_target,
)

from fourones_shared.events.model import Role

FIELDS = {
    "target", "period", "verdict", "light", "method", "value", "due_value", "target_value", "attainment", "gap",
    "months_behind", "forecast", "forecast_low", "forecast_high", "contributions", "final", "provisional", "stale",
    "incomplete", "judged_at", "by_method",
    "disagreement", "departments", "changed_by", "explanation", "name", "plan", "indicator", "org", "cluster",
    "pillar", "unit", "comparator", "remark", "synthetic", "coverage",
}  # fmt: skip


def _targets(reader: Reader, **query: str) -> list[str]:
    answer = reader.get("/v1/assessments", **query)
    assert answer.status_code == 200, answer.text
    return [item["target"] for item in answer.json()["items"]]


def _may_read(reader: Reader, key: str) -> bool:
    return reader.get("/v1/assessments", key=key).status_code == 200


def _judged(service: Service) -> None:
    service.publisher.publish(a_rollup("20"))
    eventually(lambda: service.verdicts().get(SMES_TARGET) == "off_track")


def test_every_filter_narrows_the_list_and_pages_follow_one_another(service: Service) -> None:
    with service.worker(), service.api() as reader:
        _judged(service)
        everything = [ENERGY_TARGET, SCALE_TARGET, SMES_TARGET]
        eventually(lambda: _targets(reader) == everything)
        assert _targets(reader, plan="clusters-2026") == [SCALE_TARGET, SMES_TARGET]
        assert _targets(reader, verdict="off_track") == [SMES_TARGET]
        assert _targets(reader, verdict="no_data") == [ENERGY_TARGET, SCALE_TARGET]
        assert _targets(reader, department=OTHER_DEPARTMENT) == [SMES_TARGET]
        assert _targets(reader, department=DEPARTMENT) == [SCALE_TARGET, SMES_TARGET]
        assert _targets(reader, cluster=CLUSTER) == [SCALE_TARGET]
        assert _targets(reader, department=COUNTY) == []
        first = reader.get("/v1/assessments", limit=2).json()
        assert [item["target"] for item in first["items"]] == everything[:2]
        assert set(first["items"][0]) >= FIELDS
        second = reader.get("/v1/assessments", limit=2, cursor=first["next"]).json()
        assert ([item["target"] for item in second["items"]], second["next"]) == (everything[2:], None)


@pytest.mark.parametrize(
    ("query", "pointer", "remedy"),
    [
        ({"plan": "clusters-2062"}, "query:plan", "clusters-2026"),
        ({"verdict": "red"}, "query:verdict", "off_track"),
        ({"department": "nobody"}, "query:department", DEPARTMENT),
        ({"cluster": "nowhere"}, "query:cluster", CLUSTER),
        ({"limit": "0"}, "query:limit", "1"),
    ],
)
def test_a_filter_that_nothing_can_match_is_refused_with_what_to_write(
    service: Service, query: dict[str, str], pointer: str, remedy: str
) -> None:
    with service.worker(), service.api() as reader:
        eventually(lambda: reader.get("/v1/assessments").status_code == 200)
        answer = reader.get("/v1/assessments", **query)
        assert answer.status_code == 422
        assert answer.headers["content-type"].startswith("application/problem+json")
        [fault] = answer.json()["errors"]
        assert fault["pointer"] == pointer
        assert remedy in fault["detail"]


def test_all_faults_of_a_request_are_told_at_once(service: Service) -> None:
    with service.worker(), service.api() as reader:
        eventually(lambda: reader.get("/v1/assessments").status_code == 200)
        answer = reader.get("/v1/assessments", plan="x", verdict="y", cluster="z")
        assert [fault["pointer"] for fault in answer.json()["errors"]] == [
            "query:plan",
            "query:verdict",
            "query:cluster",
        ]


def test_an_unknown_target_is_404_and_without_a_key_nothing_is_told(service: Service) -> None:
    with service.worker(), service.api() as reader:
        eventually(lambda: reader.get("/v1/assessments").status_code == 200)
        assert reader.get("/v1/assessments/no-such-target").status_code == 404
        assert reader.get("/v1/assessments", key="fo_abc_def").status_code == 401


def test_reporters_and_departments_read_all_assessments(service: Service) -> None:
    keys = [service.publisher.grant(Role.REPORTER, COUNTY), service.publisher.grant(Role.DEPARTMENT, ZONE)]
    with service.worker(), service.api() as reader:
        for key in keys:
            eventually(partial(_may_read, reader, key))


def test_a_target_that_is_not_judged_yet_appears_as_no_data(service: Service) -> None:
    with service.worker():
        eventually(lambda: len(service.verdicts()) == 3)
    catalogue = a_catalogue(targets=[a_target(), a_target("another", name="另一个")])
    with service.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO catalogue_version VALUES (2, 'x', %(document)s, now(), 'test')",
            {"document": catalogue.document.decode()},
        )
        connection.exec_driver_sql("UPDATE catalogue_in_force SET version = 2")
    with service.api() as reader:
        eventually(lambda: _targets(reader) == ["another", SMES_TARGET])
        answer = reader.assessment("another")
        assert (answer["verdict"], answer["light"], answer["period"]) == ("no_data", "grey", None)
        assert (answer["judged_at"], answer["target_value"]) == (None, "120")
        assert _targets(reader, verdict="no_data") == ["another", SMES_TARGET]
        assert reader.series("fourones_target_verdict", target="another") == []
