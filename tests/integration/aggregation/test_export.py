"""The export: the same selection as the roll-ups, whole, for spreadsheets and for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from integration.aggregation.keeping import MARCH, Aggregation, a_figure, a_submission
from integration.aggregation.kinds import a_catalogue_of_kinds
from integration.aggregation.serving import Client, an_api
from support.catalogue import (
    CITY,
    DEPARTMENT,
    DIGITAL,
    ENERGY,
    FIRMS,
    MACHINERY,
    PEI,
    SCALE,
    XINYI,
    a_catalogue,
    a_city_indicator,
    an_indicator,
    default_organisations,
)

from fourones_local import loopback
from fourones_submission.formats.delimited import rows
from fourones_submission.formats.sdmx_csv import read

SDMX = "application/vnd.sdmx.data+csv"


@pytest.fixture
def client(aggregation: Aggregation) -> Iterator[Client]:
    with an_api(aggregation.url, clock=aggregation.clock) as running:
        yield running


def table(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    text = answer.content.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def export(client: Client, **query: str) -> list[dict[str, str]]:
    return table(client.get("/v1/export", **query))


def accepting(client: Client, accept: str, **query: str) -> httpx.Response:
    return loopback.get(
        f"{client.address}/v1/export",
        params=query,
        headers={"Accept": accept, "Authorization": client._http.headers["Authorization"]},
    )


def test_the_table_says_what_the_rollups_say(aggregation: Aggregation, client: Client) -> None:
    aggregation.apply(a_submission(a_figure("-12.50")), a_submission(a_figure("0.1", cluster=ENERGY), org=XINYI))
    answer = client.get("/v1/export", indicator=SCALE, period=MARCH)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="fourones-{SCALE}-{MARCH}-2.csv"'
    # Excel takes it for UTF-8.
    assert answer.content.startswith("\ufeff指标编码,指标,".encode())
    exported, items = table(answer), client.rollups(indicator=SCALE, period=MARCH, limit="1000")
    assert [(r["单位编码"], r["集群编码"], r["梯队编码"], r["报告期"]) for r in exported] == [
        (i["org"], i["cluster"], i["tier"], i["period"]) for i in items
    ]
    assert [(r["数值"], r["已报"], r["应报"], r["版本"]) for r in exported] == [
        (i["value"] or "", str(i["coverage"]["reported"]), str(i["coverage"]["expected"]), str(i["version"]))
        for i in items
    ]
    own = next(r for r in exported if (r["单位编码"], r["集群编码"]) == (PEI, MACHINERY))
    assert (own["数值"], own["计量单位"], own["状态"], own["集群"], own["缺报"]) == (
        "-12.5",
        "亿元",
        "正常",
        "工程机械",
        "",
    )
    city = next(r for r in exported if r["单位编码"] == r["集群编码"] == r["梯队编码"] == "_T")
    assert (city["数值"], city["单位"], city["缺报"]) == ("-12.4", "合计", "320322、320381、320382、hi-tech-zone")


def test_a_file_of_many_pages_holds_every_item_once_and_is_of_one_moment(
    empty: Aggregation, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty.put(a_catalogue_of_kinds())
    with an_api(empty.url, clock=empty.clock) as client:
        first = client.get("/v1/export", format="sdmx-csv")
        items: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = client.get("/v1/rollups", limit="1000", **cursor).json()
            items += page["items"]
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}
        assert len(items) > 2000
        exported = [(r["INDICATOR"], r["REF_AREA"], r["CLUSTER"], r["TIER"], r["TIME_PERIOD"]) for r in table(first)]
        assert exported == [(i["indicator"], i["org"], i["cluster"], i["tier"], i["period"]) for i in items]
        monkeypatch.setattr("fourones_aggregation.api.export.PAGE", 7)
        # Batches come while the file is being read.
        figures = iter(a_figure(str(n), cluster=ENERGY) for n in range(1, 1000))
        with client._http.stream("GET", "/v1/export", params={"format": "sdmx-csv"}) as streamed:
            received = b""
            for number, piece in enumerate(streamed.iter_raw()):
                received += piece
                if number % 20 == 0:
                    empty.apply(a_submission(next(figures)))
        assert received == first.content
        assert export(client, as_of=streamed.headers["fourones-as-of"]) == export(
            client, as_of=first.headers["fourones-as-of"]
        )


def test_stretches_and_the_value_beside_are_exported(empty: Aggregation) -> None:
    empty.put(a_catalogue_of_kinds())
    empty.apply(a_submission(a_figure("10", indicator="published")))
    empty.apply(a_submission(a_figure("10.5", indicator="published"), org=CITY, reported_by=DEPARTMENT))
    with an_api(empty.url, clock=empty.clock) as client:
        (row,) = export(client, indicator="published", period="2026-Q1", org="_T", cluster=MACHINERY)
    assert (row["数值"], row["截至"], row["另一口径"], row["另一口径数值"], row["差额"]) == (
        "10",
        MARCH,
        f"{CITY}报送数",
        "10.5",
        "0.5",
    )


FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff201")


@pytest.mark.parametrize("text", FORMULAS)
def test_no_text_is_a_formula_to_a_spreadsheet(aggregation: Aggregation, client: Client, text: str) -> None:
    organisations = [o | {"name": text} for o in default_organisations()]
    hostile = an_indicator(name=text, unit=text)
    aggregation.put(a_catalogue(indicators=[hostile, a_city_indicator()], organisations=organisations))
    aggregation.apply(a_submission(a_figure("-1"), catalogue_version=2))
    exported = export(client, indicator=SCALE, period=MARCH)
    numbers = {"数值", "已报", "应报", "版本", "另一口径数值", "差额"}
    starts = tuple(formula[0] for formula in FORMULAS)
    for row in exported:
        assert not [cell for name, cell in row.items() if name not in numbers and cell.startswith(starts)]
    assert {row["指标"] for row in exported} == {f"'{text}"}
    own = next(r for r in exported if (r["单位编码"], r["集群编码"]) == (PEI, MACHINERY))
    # A negative number stays a number.
    assert own["数值"] == "-1"
    # Codes and units of SDMX-CSV are not to be altered, so it is refused where they could do harm.
    refused = client.get("/v1/export", indicator=SCALE, format="sdmx-csv")
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "unit_like_a_formula")
    assert client.get("/v1/export", indicator=FIRMS, format="sdmx-csv").status_code == 200


def test_sdmx_csv_holds_codes_and_exact_numbers(aggregation: Aggregation, client: Client) -> None:
    aggregation.apply(a_submission(a_figure("12.50"), a_figure(None, cluster=ENERGY)))
    answer = client.get("/v1/export", period=MARCH, org=PEI, format="sdmx-csv")
    assert answer.headers["content-type"] == f"{SDMX}; version=2.0.0; charset=utf-8"
    # No byte order mark, which would be part of the first column's name.
    assert answer.text.startswith("STRUCTURE,STRUCTURE_ID,ACTION,INDICATOR,")
    found = {row["CLUSTER"]: row for row in table(answer)}
    assert {(row["STRUCTURE"], row["STRUCTURE_ID"], row["ACTION"]) for row in found.values()} == {
        ("dataflow", "FOURONES:ROLLUPS(1.0)", "I")
    }
    shown = {
        cluster: (row["OBS_VALUE"], row["OBS_STATUS"], row["UNIT_MEASURE"], row["REPORTED"], row["EXPECTED"])
        for cluster, row in found.items()
    }
    assert shown == {
        "_T": ("12.5", "A", "亿元", "1", "3"),
        MACHINERY: ("12.5", "A", "亿元", "1", "1"),
        ENERGY: ("", "O", "亿元", "0", "1"),
        DIGITAL: ("", "", "亿元", "0", "1"),
    }


def test_totals_are_written_as_figures_are_and_never_taken_for_them(aggregation: Aggregation, client: Client) -> None:
    aggregation.apply(a_submission(a_figure("12.50")))
    answer = client.get("/v1/export", period=MARCH, org=PEI, cluster=MACHINERY, format="sdmx-csv")
    # Posted as it is, it is refused for what it is.
    codes = {fault.code for fault in read(answer.content).faults}
    assert codes == {"structure_unknown", "field_unknown"}
    # As figures its rows are such as a county sends.
    header, *lines = rows(answer.text, ",")
    kept = [n for n, name in enumerate(header.cells) if name not in {"TIER", "REPORTED", "EXPECTED"}]
    figures = "\n".join(",".join(line.cells[n] for n in kept) for line in (header, *lines))
    draft = read(figures.replace("FOURONES:ROLLUPS(1.0)", "FOURONES:FIGURES(1.0)").encode())
    assert (draft.faults, draft.org) == ([], PEI)
    (figure,) = draft.figures or []
    assert (figure.indicator, figure.cluster, figure.period, figure.value, figure.status, figure.unit) == (
        SCALE,
        MACHINERY,
        MARCH,
        "12.5",
        "A",
        "亿元",
    )


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("*/*", "text/csv"),
        ("text/csv", "text/csv"),
        (f"{SDMX};version=2.0.0", SDMX),
        (f"text/csv;q=0.5, {SDMX}", SDMX),
        (f"{SDMX};q=0, text/*", "text/csv"),
    ],
)
def test_the_form_is_what_the_client_accepts(client: Client, accept: str, media: str) -> None:
    answer = accepting(client, accept, period=MARCH)
    assert answer.headers["content-type"].split(";")[0] == media
    assert answer.headers["vary"] == "Accept"
    assert accepting(client, accept, format="csv").headers["content-type"].startswith("text/csv")


def test_what_cannot_be_given_or_is_not_known_is_refused_before_the_first_line(client: Client) -> None:
    assert accepting(client, "application/json").status_code == 406
    assert client.get("/v1/export", format="xlsx").status_code == 422
    assert client.get("/v1/export", indicator="none").status_code == 422
    assert client.get("/v1/export", limit="5").json()["errors"][0]["code"] == "unknown_parameter"


def test_an_unchanged_file_is_not_sent_again(aggregation: Aggregation, client: Client) -> None:
    first = client.get("/v1/export", period=MARCH)
    again = client.get("/v1/export", tag=first.headers["etag"], period=MARCH)
    assert (again.status_code, again.content) == (304, b"")
    aggregation.apply(a_submission(a_figure("1")))
    assert client.get("/v1/export", tag=first.headers["etag"], period=MARCH).status_code == 200


def test_a_selection_of_nothing_is_a_header(client: Client) -> None:
    assert export(client, period="2027-01") == []
