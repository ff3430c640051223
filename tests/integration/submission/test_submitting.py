import json
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import jsonschema
import openapi_spec_validator
import pytest
from integration.submission.service import Service, a_body
from unit.submission.builders import CITY, COUNTY, DEPARTMENT, OTHER_COUNTY

from fourones_shared.events.envelope import data_of, unwrap
from fourones_shared.events.model import FiguresSubmitted, Role


def event_of(service: Service, submission_id: str) -> FiguresSubmitted:
    (row,) = service.rows("SELECT * FROM outbox WHERE reference = :id", id=submission_id)
    assert row.topic == "figures-submitted"
    envelope = unwrap(bytes(row.value), [(name, value.encode()) for name, value in row.headers.items()])
    assert envelope.id == submission_id
    return data_of(envelope, FiguresSubmitted)


def faults(answer: Any) -> list[tuple[str, str]]:
    return [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]]


def a_long_series(length: int) -> list[dict[str, Any]]:
    months = [f"{year}-{month:02d}" for year in range(1950, 2026) for month in range(1, 13)]
    clusters = ("construction-machinery", "digital-economy")
    return [a_body(indicator="long-series", period=p, cluster=c) for p in months for c in clusters][:length]


def test_an_accepted_submission_is_answered_with_its_number_and_the_way_to_its_receipt(service: Service):
    answer = service.post(a_body())
    assert answer.status_code == 202
    body = answer.json()
    assert set(body) == {"submission_id", "org", "figures", "sequence", "received_at", "status", "warnings"}
    assert (body["org"], body["figures"], body["status"], body["warnings"]) == (COUNTY, 1, "accepted", [])
    receipt = service.get(answer.headers["Location"], key=service.county)
    assert receipt.status_code == 200
    assert receipt.json()["submission_id"] == body["submission_id"]
    assert receipt.json()["status"] == "accepted"


def test_the_event_is_in_the_outbox_when_the_answer_is_given(service: Service):
    body = service.post(
        a_body(value=0.1, unit="亿元", status="P", note="初步数"),
        a_body(cluster="digital-economy", period="2026-M01", value="0.20"),
    ).json()
    event = event_of(service, body["submission_id"])
    assert (event.org, event.reported_by, event.sequence) == (COUNTY, COUNTY, body["sequence"])
    assert event.catalogue_version == 1
    first, second = event.figures
    assert (first.value, first.status, first.note) == (Decimal("0.1"), "P", "初步数")
    assert (second.period, second.value, second.cluster) == ("2026-01", Decimal("0.20"), "digital-economy")


def test_the_event_carries_the_trace_of_the_request(service: Service):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    answer = service.post(a_body(), headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
    (row,) = service.rows("SELECT headers FROM outbox WHERE reference = :id", id=answer.json()["submission_id"])
    assert trace in row.headers["traceparent"]


@pytest.mark.parametrize("written", ["0.1", "0.3", "1.10", "1234.5678", "0"])
def test_a_json_number_is_kept_exactly(service: Service, written: str):
    figure = {"indicator": "sales", "period": "2025-12", "value": "@"}
    body = json.dumps({"org": COUNTY, "figures": [figure]}).replace('"@"', written).encode()
    answer = service.send(body)
    assert event_of(service, answer.json()["submission_id"]).figures[0].value == Decimal(written)


def test_a_json_number_is_refused_in_the_digits_it_was_written_with(service: Service):
    # A binary float would have read 0.1 and 9007199254740992.
    for written in ("0.1000000000000000055", "9007199254740993"):
        body = (
            b'{"org":"320382","figures":[{"indicator":"sales","period":"2025-12","value":' + written.encode() + b"}]}"
        )
        answer = service.send(body)
        assert answer.status_code == 422
        assert written in answer.json()["errors"][0]["detail"]


def test_a_number_with_an_exponent_is_refused(service: Service):
    for body in (b"1e5", b'"1e5"'):
        figure = b'{"indicator":"sales","period":"2025-12","value":' + body + b"}"
        answer = service.send(b'{"org":"320382","figures":[' + figure + b"]}")
        assert answer.status_code == 422
        assert faults(answer) == [("/figures/0/value", "value_not_decimal")]


def test_a_refused_submission_leaves_nothing_behind(service: Service):
    tables = ("submission", "outbox", "idempotency", "figure_current")
    before = [service.count(table) for table in tables]
    answer = service.post(
        a_body(indicator="cluster-scal"),
        a_body(period="2026", value="x", unit="万元"),
        a_body(cluster="digital-economy", period="2024-01"),
        headers={"Idempotency-Key": "refused"},
    )
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert faults(answer) == [
        ("/figures/0/indicator", "indicator_unknown"),
        ("/figures/1/period", "period_frequency"),
        ("/figures/1/unit", "unit_wrong"),
        ("/figures/1/value", "value_not_decimal"),
    ]
    assert [service.count(table) for table in tables] == before


def test_a_dry_run_tells_the_same_and_stores_nothing(service: Service):
    before = service.count("submission"), service.count("outbox")
    good = service.post(a_body(), params={"dry_run": "true"})
    assert (good.status_code, good.json()["figures"]) == (200, 1)
    bad = service.post(a_body(value="x"), params={"dry_run": "true"})
    assert (bad.status_code, faults(bad)) == (422, [("/figures/0/value", "value_not_decimal")])
    nothing = service.post(a_body(period="2024-03", value=None, withdraw=True), params={"dry_run": "true"})
    assert faults(nothing) == [("/figures/0/withdraw", "nothing_to_withdraw")]
    assert (service.count("submission"), service.count("outbox")) == before


def test_what_exists_can_be_withdrawn_once(service: Service):
    withdrawal = a_body(period="2024-05", value=None, withdraw=True)
    assert faults(service.post(withdrawal)) == [("/figures/0/withdraw", "nothing_to_withdraw")]
    assert service.post(a_body(period="2024-05")).status_code == 202
    answer = service.post(withdrawal, a_body(period="2024-05", cluster="digital-economy"))
    assert answer.status_code == 202
    assert [f.withdrawn for f in event_of(service, answer.json()["submission_id"]).figures] == [True, False]
    assert faults(service.post(withdrawal)) == [("/figures/0/withdraw", "nothing_to_withdraw")]
    assert service.post(a_body(period="2024-05", cluster="digital-economy", value=None, withdraw=True)).is_success
    assert service.post(a_body(period="2024-05")).status_code == 202
    assert service.post(withdrawal).status_code == 202


def test_one_county_cannot_report_for_another(service: Service):
    answer = service.post(a_body(), org=OTHER_COUNTY)
    assert answer.status_code == 403
    assert faults(answer) == [("/org", "org_not_yours")]


def test_figures_of_another_duty_holder_are_forbidden_by_pointer(service: Service):
    department = service.issue(Role.DEPARTMENT, DEPARTMENT)
    stations = {"indicator": "base-stations", "period": "2025-Q4", "value": "2450"}
    meeting = {"indicator": "weekly-meetings", "period": "2026-W08", "value": "1", "cluster": "digital-economy"}
    assert service.post(stations, org=CITY, key=department).status_code == 202
    answer = service.post(stations, meeting, org=CITY, key=department)
    assert (answer.status_code, faults(answer)) == (403, [("/figures/1", "not_duty_holder")])


@pytest.mark.parametrize("role", [Role.ADMIN, Role.COORDINATOR, Role.VIEWER])
def test_the_offices_keys_report_nothing(service: Service, role: Role):
    assert service.post(a_body(), key=service.issue(role)).status_code == 403


def test_a_request_without_a_valid_key_is_refused(service: Service):
    assert service.request("POST", "/v1/submissions", key=None, json={}).status_code == 401
    assert service.request("POST", "/v1/submissions", key="fo_abc_def", json={}).status_code == 401


def test_what_is_no_json_is_told_with_line_and_column(service: Service):
    answer = service.send(b'{"org": "320382",\n "figures": [}')
    assert answer.status_code == 400
    (fault,) = answer.json()["errors"]
    assert (fault["line"], fault["column"], fault["code"]) == (2, 14, "not_parseable")


def test_another_media_type_is_refused(service: Service):
    assert service.send(b"{}", Content_Type="text/plain").status_code == 415
    assert service.send(b"{}", Content_Type="application/json; charset=gb18030").status_code == 415
    assert service.send(b"{}", Content_Encoding="gzip").status_code == 415
    assert service.request("POST", "/v1/submissions", key=service.county, content=b"{}").status_code == 415


def test_a_body_over_the_limit_is_refused_whether_it_says_so_or_not(service: Service):
    large = b" " * (4 * 1024 * 1024 + 1)
    assert service.send(large).status_code == 413

    def chunks():
        for _ in range(5):
            yield b" " * 1024 * 1024

    headers = {"Content-Type": "application/json"}
    answer = service.request("POST", "/v1/submissions", key=service.county, content=chunks(), headers=headers)
    assert answer.status_code == 413


def test_an_event_that_kafka_would_not_take_is_refused_before_it_is_accepted(service: Service):
    before = service.count("submission")
    # Just below the limit of a body, so that what the event adds to each figure is too much.
    figures = [figure | {"note": "注" * 1000, "justification": "因" * 950} for figure in a_long_series(699)]
    body = json.dumps({"org": COUNTY, "figures": figures}, ensure_ascii=False, separators=(",", ":")).encode()
    assert 4_100_000 < len(body) <= 4 * 1024 * 1024
    answer = service.send(body)
    assert (answer.status_code, answer.json()["title"]) == (413, "Request Entity Too Large")
    assert service.count("submission") == before


def test_odd_characters_are_answered_and_do_not_break_the_answer(service: Service):
    body = b'{"org":"\\ud800","figures":[{"indicator":"\\u0000","\\udfff~/":1,"period":"2026-02","note":"\\u0000"}]}'
    answer = service.send(body)
    assert answer.status_code == 422
    assert ("/figures/0/note", "text_not_printable") in faults(answer)


def test_sequences_follow_the_order_of_the_commits_under_concurrent_posters(service: Service):
    org = service.issue(Role.REPORTER, OTHER_COUNTY)

    def post(number: int) -> int:
        answer = service.post(a_body(value=str(number)), org=OTHER_COUNTY, key=org)
        assert answer.status_code == 202, answer.text
        return int(answer.json()["sequence"])

    with ThreadPoolExecutor(16) as pool:
        numbers = list(pool.map(post, range(96)))
    assert len(set(numbers)) == 96
    rows = service.rows(
        "SELECT s.sequence FROM submission s JOIN outbox o ON o.reference = s.submission_id::text"
        " WHERE s.org = :org ORDER BY o.outbox_id",
        org=OTHER_COUNTY,
    )
    in_order = [row.sequence for row in rows]
    assert in_order == sorted(in_order)
    received = service.rows("SELECT received_at FROM submission WHERE org = :org ORDER BY sequence", org=OTHER_COUNTY)
    assert received == sorted(received)


def test_nothing_is_stored_when_the_transaction_fails_at_its_end(service: Service):
    with service.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE outbox ADD CONSTRAINT broken CHECK (reference IS NULL) NOT VALID")
    before = service.count("submission"), service.count("idempotency")
    try:
        answer = service.post(a_body(period="2024-09"), headers={"Idempotency-Key": "atomic"})
        assert answer.status_code == 500
        assert (service.count("submission"), service.count("idempotency")) == before
        assert not service.rows("SELECT 1 FROM figure_current WHERE period = '2024-09' AND figures <> '{}'")
    finally:
        with service.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE outbox DROP CONSTRAINT broken")
    assert service.post(a_body(period="2024-09"), headers={"Idempotency-Key": "atomic"}).status_code == 202


def test_a_large_submission_is_accepted_whole(service: Service):
    answer = service.post(*a_long_series(1800))
    assert answer.json()["figures"] == 1800
    assert len(event_of(service, answer.json()["submission_id"]).figures) == 1800
    withdrawn = [figure | {"value": None, "withdraw": True} for figure in a_long_series(1800)]
    assert service.post(*withdrawn).status_code == 202
    assert len(faults(service.post(*withdrawn))) == 1800


def metric(service: Service, line: str) -> float:
    text = service.request("GET", "/metrics", key=None).text
    return next((float(row.rpartition(" ")[2]) for row in text.splitlines() if row.startswith(line + " ")), 0.0)


def test_what_is_accepted_and_refused_is_counted(service: Service):
    accepted, refused = "fourones_figures_accepted_total", 'fourones_submission_faults_total{code="unit_wrong"}'
    before = metric(service, accepted), metric(service, refused)
    service.post(a_body(), a_body(cluster="digital-economy"))
    service.post(a_body(unit="万元"))
    assert (metric(service, accepted), metric(service, refused)) == (before[0] + 2, before[1] + 1)


def test_the_openapi_document_is_served_in_version_3_1(service: Service):
    document = service.request("GET", "/openapi.json", key=None).json()
    assert document["openapi"].startswith("3.1")
    openapi_spec_validator.validate(document)
    posted = document["paths"]["/v1/submissions"]["post"]
    assert {"202", "200", "400", "401", "403", "409", "413", "415", "422", "503"} <= set(posted["responses"])
    assert "Idempotency-Key" in {parameter["name"] for parameter in posted["parameters"]}


def test_the_examples_of_the_openapi_document_have_the_shape_it_says(service: Service):
    document = service.request("GET", "/openapi.json", key=None).json()
    content = document["paths"]["/v1/submissions"]["post"]["requestBody"]["content"]["application/json"]
    for example in content["examples"].values():
        jsonschema.validate(example["value"], content["schema"])
