"""Files as counties send them: the same service, rules and codes as for JSON."""

from collections.abc import Mapping
from decimal import Decimal

import httpx
import pytest
from integration.submission.service import Service, a_body
from pysdmx.io import read_sdmx
from unit.submission.builders import OTHER_COUNTY, a_catalogue
from unit.submission.formats.csv_files import STRUCTURE_ID, a_file, a_row, a_table

from fourones_shared.events.envelope import data_of, unwrap
from fourones_shared.events.model import FiguresSubmitted, FigureSubmitted, Role

SDMX_CSV = "application/vnd.sdmx.data+csv; version=2.0.0"
STRUCTURE = "application/vnd.sdmx.structure+json; version=2.0.0"


def post(service: Service, body: bytes, content_type: str = SDMX_CSV, **headers: str) -> httpx.Response:
    return service.send(body, Content_Type=content_type, **headers)


def figures_of(service: Service, answer: httpx.Response) -> tuple[FigureSubmitted, ...]:
    assert answer.status_code == 202, answer.text
    (row,) = service.rows("SELECT * FROM outbox WHERE reference = :id", id=answer.json()["submission_id"])
    envelope = unwrap(bytes(row.value), [(name, value.encode()) for name, value in row.headers.items()])
    return tuple(data_of(envelope, FiguresSubmitted).figures)


def faults(answer: httpx.Response) -> list[tuple[str, int | None, int | None]]:
    return [(fault["code"], fault.get("line"), fault.get("column")) for fault in answer.json()["errors"]]


def test_a_file_is_accepted_as_it_is_and_kept(service: Service):
    body = a_file(
        a_row(OBS_VALUE="0.10", OBS_STATUS="P", NOTE="第一行\n第二行", PREPARED_BY="张三"),
        a_row(CLUSTER="digital-economy", OBS_VALUE="", OBS_STATUS="O"),
    )
    answer = post(service, body)
    first, second = figures_of(service, answer)
    assert (first.value, first.status, first.note) == (Decimal("0.10"), "P", "第一行\n第二行")
    assert (second.value, second.status) == (None, "O")
    (kept,) = service.rows(
        "SELECT body, media_type, prepared_by FROM submission WHERE submission_id = CAST(:id AS uuid)",
        id=answer.json()["submission_id"],
    )
    assert (bytes(kept.body), kept.media_type, kept.prepared_by) == (body, "application/vnd.sdmx.data+csv", "张三")


def test_delete_withdraws_what_json_reported(service: Service):
    assert service.post(a_body(period="2024-06")).status_code == 202
    (figure,) = figures_of(service, post(service, a_file(a_row(ACTION="D", TIME_PERIOD="2024-06", OBS_VALUE=""))))
    assert figure.withdrawn
    again = post(service, a_file(a_row(ACTION="D", TIME_PERIOD="2024-M06", OBS_VALUE="-")))
    assert (again.status_code, faults(again)) == (422, [("nothing_to_withdraw", 2, 3)])


@pytest.mark.parametrize(
    "content_type", [SDMX_CSV, "application/vnd.sdmx.data+csv", "text/csv", "text/csv; charset=UTF-8"]
)
def test_the_media_types_of_a_file(service: Service, content_type: str):
    assert post(service, a_file(a_row()), content_type).status_code == 202


@pytest.mark.parametrize("content_type", ["text/csv", "text/csv; charset=gb2312", f"{SDMX_CSV}; charset=GBK"])
def test_a_file_of_chinese_windows_is_read(service: Service, content_type: str):
    body = a_table(a_row(NOTE="含高新区")).encode("gbk")
    (figure,) = figures_of(service, post(service, body, content_type))
    assert figure.note == "含高新区"


@pytest.mark.parametrize(
    "content_type",
    ["application/vnd.sdmx.data+csv; version=1.0.0", "text/csv; charset=big5", "application/vnd.ms-excel"],
)
def test_other_versions_and_encodings_are_refused_with_those_that_are_taken(service: Service, content_type: str):
    answer = post(service, a_file(a_row()), content_type)
    assert answer.status_code == 415
    assert SDMX_CSV in answer.headers["Accept"]
    assert "GB18030" in answer.json()["detail"]


def test_everything_wrong_is_told_by_line_and_column(service: Service):
    body = a_file(
        a_row(NOTE="两\n行"),
        a_row(INDICATOR="cluster-scal"),
        a_row(CLUSTER="digital-economy", OBS_VALUE="1,234.5", UNIT_MEASURE="万元"),
        a_row(TIME_PERIOD="2026-01", OBS_VALUE="-"),
    )
    answer = post(service, body)
    assert answer.status_code == 422
    assert faults(answer) == [
        ("indicator_unknown", 4, 4),
        ("unit_wrong", 5, 10),
        ("value_not_decimal", 5, 8),
        ("value_not_decimal", 6, 8),
    ]
    assert all("pointer" not in fault for fault in answer.json()["errors"])


def test_a_dry_run_of_a_file_stores_nothing(service: Service):
    before = service.count("submission")
    answer = service.request(
        "POST",
        "/v1/submissions",
        key=service.county,
        content=a_file(a_row()),
        params={"dry_run": "true"},
        headers={"Content-Type": SDMX_CSV},
    )
    assert (answer.status_code, answer.json()["figures"]) == (200, 1)
    assert service.count("submission") == before


def test_another_organisations_file_is_forbidden_at_its_cell(service: Service):
    answer = post(service, a_file(a_row(REF_AREA=OTHER_COUNTY)))
    assert (answer.status_code, faults(answer)) == (403, [("org_not_yours", 2, 5)])


def test_what_is_no_table_is_unreadable_at_its_place(service: Service):
    answer = post(service, a_table(a_row()).encode() + b'dataflow,"x')
    assert (answer.status_code, faults(answer)) == (400, [("not_parseable", 3, 2)])
    answer = post(service, b"PK\x03\x04....")
    assert (answer.status_code, faults(answer)) == (400, [("not_parseable", 1, 1)])


def test_the_same_file_with_the_same_key_is_accepted_once(service: Service):
    first = post(service, a_file(a_row()), Idempotency_Key="csv-once")
    second = post(service, a_file(a_row()), Idempotency_Key="csv-once")
    assert first.json() == second.json()


def test_five_thousand_rows_are_taken_and_one_more_is_told(service: Service):
    months = [f"{year}-{month:02d}" for year in range(1950, 2026) for month in range(1, 13)]
    clusters = ("construction-machinery", "digital-economy")
    rows: list[Mapping[str, str]] = [
        a_row(INDICATOR="long-series", CLUSTER=cluster, TIME_PERIOD=month) for month in months for cluster in clusters
    ]
    assert len(figures_of(service, post(service, a_file(*rows)))) == 1824
    answer = post(service, a_file(*rows, *rows, *rows))
    assert (answer.status_code, faults(answer)) == (422, [("figures_too_many", 5002, None)])


def test_the_structure_is_served_with_the_catalogue_in_force(service: Service):
    answer = service.get("/v1/structure", key=service.county)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, STRUCTURE)
    message = read_sdmx(answer.text, validate=True)
    structure = message.get_data_structure_definition(f"DataStructure={STRUCTURE_ID}")
    codes = {component.id: component.enumeration for component in structure.components if component.enumeration}
    assert [code.id for code in codes["INDICATOR"]] == [i.id for i in a_catalogue().indicators]


def test_an_unchanged_structure_is_not_sent_again(service: Service):
    etag = service.get("/v1/structure").headers["ETag"]
    assert service.get("/v1/structure").headers["ETag"] == etag
    for sent in (etag, f'"other", W/{etag}', "*"):
        answer = service.get("/v1/structure", headers={"If-None-Match": sent})
        assert (answer.status_code, answer.headers["ETag"], answer.content) == (304, etag, b"")
    assert service.get("/v1/structure", headers={"If-None-Match": '"other"'}).status_code == 200


def test_the_structure_asks_for_a_key_of_any_kind(service: Service):
    assert service.request("GET", "/v1/structure", key=None).status_code == 401
    assert service.get("/v1/structure", key=service.issue(Role.VIEWER)).status_code == 200
