"""Warnings and justifications over HTTP, judged by what the database holds."""

from collections.abc import Iterator
from typing import Any

import pytest
from integration.submission.service import Service, a_body, a_service
from support.stack import NewDatabase
from unit.submission.builders import COUNTY, NOW, a_catalogue, an_indicator

from fourones_shared.catalogue.model import Catalogue
from fourones_shared.domain.clock import FixedClock
from fourones_shared.events.model import Role

ZONE = "xz-hidz"
STRICT, INSIDE, TOTAL, MONTHS = "strict-scale", "inside-scale", "output", "output-of-the-month"


def the_catalogue() -> Catalogue:
    """The default indicator, one whose doubts must be justified, one with zones inside, a total with its months."""
    plain = {"maximum": None, "clusters": ()}
    document = a_catalogue(
        an_indicator(maximum=None),
        an_indicator(id=STRICT, plausibility={"justify": ["unit_slip", "year_to_date_falls"]}, **plain),
        an_indicator(id=INSIDE, zones="inside", **plain),
        an_indicator(id=TOTAL, plausibility={"months": MONTHS}, **plain),
        an_indicator(id=MONTHS, covers="period", **plain),
    ).model_dump(mode="json")
    document["organisations"].append(
        {"id": ZONE, "name": "徐州高新区", "kind": "zone", "within": [COUNTY], "source": "004"}
    )
    return Catalogue.model_validate(document)


@pytest.fixture(scope="module")
def service(new_database: NewDatabase) -> Iterator[Service]:
    with new_database() as url, a_service(url, clock=FixedClock(NOW)) as running:
        answer = running.put_catalogue(the_catalogue(), If_None_Match="*")
        assert answer.status_code == 201, answer.text
        yield running


def strictly(period: str, value: str, **changes: Any) -> dict[str, Any]:
    return {"indicator": STRICT, "period": period, "value": value} | changes


def warnings(answer: Any) -> list[tuple[str, str]]:
    assert answer.is_success, answer.text
    return [(warning["pointer"], warning["code"]) for warning in answer.json()["warnings"]]


def test_a_doubtful_figure_is_accepted_and_its_receipt_keeps_the_warning(service: Service):
    assert warnings(service.post(a_body(period="2025-11", value="110"))) == []
    answer = service.post(a_body(period="2025-11", value="111"), a_body(period="2025-12", value="1200000"))
    assert answer.status_code == 202
    assert warnings(answer) == [("/figures/1/value", "unit_slip")]
    assert "是否应为 120 亿元?" in answer.json()["warnings"][0]["detail"]
    receipt = service.get(answer.headers["Location"], key=service.county).json()
    assert receipt["warnings"] == answer.json()["warnings"]
    metrics = service.request("GET", "/metrics", key=None).text
    assert 'code="unit_slip"' in metrics


def test_a_dry_run_tells_the_warnings_and_stores_nothing(service: Service):
    assert warnings(service.post(a_body(period="2025-05", value="50"))) == []
    doubtful = a_body(period="2025-06", value="40")
    for _ in range(2):
        answer = service.post(doubtful, params={"dry_run": "true"})
        assert (answer.status_code, warnings(answer)) == (200, [("/figures/0/value", "year_to_date_falls")])
    assert warnings(service.post(doubtful)) == [("/figures/0/value", "year_to_date_falls")]
    # It stands now; the same once more brings nothing new.
    assert warnings(service.post(doubtful)) == []


def test_where_the_catalogue_says_so_a_doubt_must_be_answered(service: Service):
    assert warnings(service.post(strictly("2025-01", "10"))) == []
    before = service.count("submission")
    refused = service.post(strictly("2025-02", "20"), strictly("2025-03", "300000"))
    assert refused.status_code == 422
    (fault,) = refused.json()["errors"]
    assert (fault["pointer"], fault["code"]) == ("/figures/1/justification", "justification_required")
    assert "是否应为 30 亿元?" in fault["detail"]
    dry = service.post(strictly("2025-03", "300000"), params={"dry_run": "true"})
    assert dry.status_code == 422
    assert service.count("submission") == before
    answered = service.post(strictly("2025-02", "20"), strictly("2025-03", "300000", justification="并入一家央企"))
    assert answered.status_code == 202
    assert warnings(answered) == [("/figures/1/value", "unit_slip")]


def test_a_repetition_is_answered_as_before_without_a_new_doubt(service: Service):
    service.post(a_body(cluster="digital-economy", period="2025-07", value="70"))
    fallen, key = a_body(cluster="digital-economy", period="2025-08", value="60"), {"Idempotency-Key": "august"}
    first, second = service.post(fallen, headers=key), service.post(fallen, headers=key)
    assert warnings(first) == [("/figures/0/value", "year_to_date_falls")]
    assert first.json() == second.json()


def test_a_figure_that_was_withdrawn_is_no_past(service: Service):
    service.post(strictly("2024-05", "90"))
    assert service.post(strictly("2024-06", "60")).status_code == 422
    withdrawal = strictly("2024-05", "90") | {"value": None, "withdraw": True}
    assert service.post(withdrawal).status_code == 202
    assert warnings(service.post(strictly("2024-06", "60"))) == []


def test_a_zone_is_held_against_its_district_and_the_district_against_its_zone(service: Service):
    zone = service.issue(Role.REPORTER, ZONE)

    def inside(value: str) -> dict[str, Any]:
        return {"indicator": INSIDE, "period": "2026-01", "value": value}

    assert warnings(service.post(inside("20"), org=ZONE, key=zone)) == []
    assert warnings(service.post(inside("50"))) == []
    beyond = service.post(inside("60"), org=ZONE, key=zone)
    assert warnings(beyond) == [("/figures/0/value", "zone_beyond_district")]
    assert "邳州市" in beyond.json()["warnings"][0]["detail"]
    assert warnings(service.post(inside("55"))) == [("/figures/0/value", "zone_beyond_district")]
    assert warnings(service.post(inside("65"))) == []


def test_a_total_and_its_months_may_come_together_or_apart(service: Service):
    def months(*values: str) -> list[dict[str, Any]]:
        return [{"indicator": MONTHS, "period": f"2025-{m:02d}", "value": v} for m, v in enumerate(values, 1)]

    total = {"indicator": TOTAL, "period": "2025-03", "value": "40"}
    together = service.post(total, *months("10", "10", "10"))
    assert warnings(together) == [("/figures/0/value", "year_to_date_contradicts")]
    corrected = service.post(months("10", "10", "20")[2])
    assert warnings(corrected) == []
    assert warnings(service.post(total | {"value": "41"})) == [("/figures/0/value", "year_to_date_contradicts")]
