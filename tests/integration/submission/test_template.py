"""The template, from its download to the acceptance of the filled file; with a real LibreOffice in between, too."""

import io
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import openpyxl
import pytest
from integration.submission.service import Service, a_service
from support.stack import NewDatabase
from unit.submission.builders import CITY, COUNTY, DEPARTMENT, OTHER_COUNTY
from unit.submission.formats.workbooks import column, filled_in, report_sheet, rows_of

from fourones_local.layout import Repository
from fourones_local.office import HOW_TO_INSTALL, find_office
from fourones_shared.catalogue.files import load
from fourones_shared.catalogue.model import Catalogue, OrganisationKind
from fourones_shared.domain.clock import FixedClock
from fourones_shared.domain.periods import Period
from fourones_shared.events.model import Role
from fourones_submission.domain.terms import Terms
from fourones_submission.formats.template_content import asked
from fourones_submission.formats.workbook_words import HEADERS, MEDIA_TYPE, SHEET, WITHDRAW

# Every form of period but half-years ends with a December, and is past its due date.
PERIOD, AFTER = "2025-12", datetime(2026, 3, 10, 4, tzinfo=UTC)


def template(service: Service, key: str, **query: str) -> httpx.Response:
    return service.get("/v1/template.xlsx", key=key, params={"period": "2026-02"} | query)


def posted(service: Service, body: bytes, key: str, **query: Any) -> httpx.Response:
    headers = {"Content-Type": MEDIA_TYPE}
    return service.request("POST", "/v1/submissions", key=key, content=body, headers=headers, params=query)


def listed(answer: httpx.Response, header: str) -> list[Any]:
    assert answer.status_code == 200, answer.text
    return column(report_sheet(openpyxl.load_workbook(io.BytesIO(answer.content))), header)


def problem(answer: httpx.Response) -> tuple[int, list[str]]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, [fault["code"] for fault in answer.json().get("errors", [])]


@pytest.fixture(scope="module")
def department(service: Service) -> str:
    return service.issue(Role.DEPARTMENT, DEPARTMENT)


def test_a_county_downloads_what_it_must_report(service: Service):
    answer = template(service, service.county)
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert f'filename="template-{COUNTY}-2026-02.xlsx"' in answer.headers["content-disposition"]
    assert answer.headers["cache-control"] == "private, no-store"
    assert listed(answer, "指标编码") == ["cluster-scale"] * 2 + ["projects", "sales"] + ["long-series"] * 2


def test_equivalent_spellings_of_a_period_ask_for_the_same(service: Service):
    assert listed(template(service, service.county, period="2026-M2"), "报告期") == listed(
        template(service, service.county), "报告期"
    )


def test_a_department_is_asked_about_the_city(service: Service, department: str):
    assert set(listed(template(service, department, period="2025-12"), "指标编码")) == {
        "base-stations",
        "weekly-meetings",
    }


def test_a_narrow_key_is_asked_only_for_what_it_may_report(service: Service):
    narrow = service.issue(Role.REPORTER, COUNTY, indicators=("cluster-scale",), clusters=("digital-economy",))
    assert listed(template(service, narrow), "集群编码") == ["digital-economy"]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.COORDINATOR, Role.ADMIN])
def test_offices_download_anybodys(service: Service, role: Role):
    key = service.issue(role)
    assert len(listed(template(service, key, org=COUNTY), "指标编码")) == 6
    assert set(listed(template(service, key, org=CITY), "报送单位")) == {"市工业和信息化局", "市科学技术局"}
    assert set(listed(template(service, key, org=CITY, reporter=DEPARTMENT), "报送单位")) == {"市工业和信息化局"}
    assert problem(template(service, key)) == (422, ["org_missing"])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"period": "2026-13"}, (422, ["period_invalid"])),
        ({"period": "2026-04"}, (422, ["period_in_future"])),
        ({"org": "320383"}, (422, ["org_unknown"])),
        ({"reporter": "nobody"}, (422, ["org_unknown"])),
        ({"reporter": OTHER_COUNTY}, (403, [])),
        ({"org": OTHER_COUNTY}, (404, [])),
        ({"period": "1949-12"}, (404, [])),
    ],
)
def test_what_cannot_be_asked_for_is_told(service: Service, query: dict[str, str], expected: tuple[int, list[str]]):
    assert problem(template(service, service.county, **query)) == expected


def test_a_filled_template_is_accepted_and_shown_in_the_next_one(service: Service):
    body = filled_in(
        template(service, service.county).content,
        {0: {"value": 120.75, "note": "含新厂"}, 1: {"status": "O 缺报"}, 2: {"value": "12"}},
        prepared_by="张三",
        approved_by="李四",
    )
    answer = posted(service, body, service.county)
    assert answer.status_code == 202, answer.text
    receipt = service.get(answer.headers["Location"], key=service.county).json()
    assert (receipt["figures"], receipt["prepared_by"], receipt["approved_by"]) == (3, "张三", "李四")
    following = template(service, service.county)
    assert listed(following, "已报数")[:3] == [120.75, "缺报", 12]
    assert listed(following, "数值") == [None] * 6
    assert listed(template(service, service.county, period="2026-03"), "上期数")[0] == 120.75
    withdrawn = posted(service, filled_in(following.content, {0: {"status": WITHDRAW}}), service.county)
    assert withdrawn.status_code == 202, withdrawn.text
    assert listed(template(service, service.county), "已报数")[:3] == [None, "缺报", 12]


def test_everything_that_is_wrong_is_told_by_its_cell(service: Service):
    first = template(service, service.county)
    (row, second, third, *_) = rows_of(report_sheet(openpyxl.load_workbook(io.BytesIO(first.content))))
    fill: dict[int, dict[str, Any]] = {
        0: {"value": "=SUM(G1:G9)"},
        1: {"value": 10_001, "status": "O 缺报"},
        2: {"value": 1.5, "unit": "万个", "status": "Z"},
    }
    answer = posted(service, filled_in(first.content, fill), service.county)
    assert answer.status_code == 422
    told = [(fault["code"], fault["sheet"], fault["cell"]) for fault in answer.json()["errors"]]
    assert sorted(told) == sorted(
        [
            ("cell_formula", SHEET, f"E{row}"),
            ("value_above_maximum", SHEET, f"E{second}"),
            ("status_with_value", SHEET, f"F{second}"),
            ("unit_wrong", SHEET, f"D{third}"),
            ("value_decimals", SHEET, f"E{third}"),
            ("status_unknown", SHEET, f"F{third}"),
        ]
    )
    assert not any("pointer" in fault or "line" in fault for fault in answer.json()["errors"])


def test_a_dry_run_stores_nothing(service: Service):
    before = service.count("submission")
    body = filled_in(template(service, service.county).content, {0: {"value": 1}})
    answer = posted(service, body, service.county, dry_run=True)
    assert (answer.status_code, answer.json()["figures"]) == (200, 1)
    assert service.count("submission") == before


def test_somebody_elses_template_is_forbidden_to_post(service: Service):
    body = filled_in(template(service, service.county).content, {0: {"value": 1}})
    assert problem(posted(service, body, service.issue(Role.REPORTER, OTHER_COUNTY))) == (403, ["org_not_yours"])


@pytest.mark.parametrize("body", [b"", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 9, b"a,b\n1,2\n"])
def test_what_is_no_workbook_is_told_with_the_remedy(service: Service, body: bytes):
    answer = posted(service, body, service.county)
    assert problem(answer) == (400, ["not_parseable"])
    assert not {"line", "column"} & set(answer.json()["errors"][0])


def test_the_same_file_is_kept_as_it_was_sent(service: Service):
    body = filled_in(template(service, service.county).content, {3: {"value": 7}})
    accepted = posted(service, body, service.county).json()
    (row,) = service.rows(
        "SELECT body, media_type FROM submission WHERE submission_id = :id", id=accepted["submission_id"]
    )
    assert (bytes(row.body), row.media_type) == (body, MEDIA_TYPE)


@dataclass(frozen=True)
class Filled:
    """A template that a script has filled in, and what it has filled in, by indicator, cluster and period."""

    body: bytes
    figures: Mapping[tuple[str, str, str], tuple[str | None, str]]


@pytest.fixture(scope="module")
def delivered() -> Catalogue:
    return load(Repository.here().catalogue)


@pytest.fixture(scope="module")
def demonstration(new_database: NewDatabase, delivered: Catalogue) -> Iterator[Service]:
    """The API with the delivered catalogue."""
    with new_database() as url, a_service(url, clock=FixedClock(AFTER)) as service:
        answer = service.put_catalogue(delivered, If_None_Match="*")
        assert answer.status_code == 201, answer.text
        yield service


def test_more_figures_than_one_submission_holds_are_told(demonstration: Service):
    answer = template(demonstration, demonstration.admin, org=CITY, period="2021-01-01/P5Y")
    assert problem(answer) == (422, ["figures_too_many"])


@pytest.mark.libreoffice
def test_every_demonstration_organisations_template_goes_through_libreoffice_and_is_accepted(
    demonstration: Service, delivered: Catalogue, tmp_path: Path
):
    owed = [
        (reporter, org)
        for reporter, orgs in Terms(1, delivered).reports_about.items()
        for org in orgs
        if _owes(delivered, reporter, org)
    ]
    assert {org for _, org in owed} == {o.id for o in (delivered.city, *delivered.counties_and_zones)}
    keys = {reporter: demonstration.issue(_role(delivered, reporter), reporter) for reporter in {r for r, _ in owed}}
    downloaded = {
        f"{reporter}-about-{org}": template(demonstration, keys[reporter], period=PERIOD, org=org).content
        for reporter, org in owed
    }
    opened = through_libreoffice(downloaded, tmp_path / "opened")
    filled = {name: fill(body) for name, body in opened.items()}
    saved = through_libreoffice({name: one.body for name, one in filled.items()}, tmp_path / "saved")
    for name, body in saved.items():
        answer = posted(demonstration, body, keys[name.partition("-about-")[0]])
        assert answer.status_code == 202, (name, answer.text)
        assert answer.json()["figures"] == len(filled[name].figures)
        assert stored(demonstration, answer.json()["sequence"]) == filled[name].figures


def _role(catalogue: Catalogue, reporter: str) -> Role:
    is_department = catalogue.organisation[reporter].kind is OrganisationKind.DEPARTMENT
    return Role.DEPARTMENT if is_department else Role.REPORTER


def _owes(catalogue: Catalogue, reporter: str, org: str) -> bool:
    return bool(asked(catalogue, Period.parse(PERIOD), AFTER, org=org, reporter=reporter, admits=lambda *_: True))


def fill(body: bytes) -> Filled:
    """Fill every row: mostly numbers that the indicator takes, here and there a declaration that there is none."""
    sheet = report_sheet(openpyxl.load_workbook(io.BytesIO(body)))
    indicators, clusters, periods = (column(sheet, HEADERS[field]) for field in ("indicator", "cluster", "period"))
    cells: dict[int, dict[str, Any]] = {}
    figures: dict[tuple[str, str, str], tuple[str | None, str]] = {}
    rules = {
        (row, at): rule
        for rule in sheet.data_validations.dataValidation
        for cells_of_rule in rule.sqref.ranges
        for row, at in cells_of_rule.cells
    }
    value_column = next(at for (_, at), rule in rules.items() if rule.type in {"decimal", "whole"})
    for index, row in enumerate(rows_of(sheet)):
        identity = str(indicators[index]), str(clusters[index] or "_T"), str(periods[index])
        if index % 7 == 6:
            cells[index] = {"status": "O 缺报", "note": f"第 {index} 行:尚无统计"}
            figures[identity] = None, "O"
            continue
        rule = rules[row, value_column]
        lowest, highest = Decimal(str(rule.formula1)), Decimal(str(rule.formula2))
        value = Decimal(index % 11) if rule.type == "whole" else Decimal(index % 97) + Decimal("0.1")
        value = min(max(value, lowest), highest)
        status = "P 初步数" if index % 5 == 4 else None
        cells[index] = {"value": float(value), "status": status}
        figures[identity] = format(value, "f"), "P" if status else "A"
    return Filled(filled_in(body, cells, prepared_by="张三", approved_by="李四"), figures)


def stored(service: Service, sequence: int) -> dict[tuple[str, str, str], tuple[str | None, str]]:
    """The figures that stand with this number."""
    rows = service.rows("SELECT indicator, period, figures FROM figure_current")
    return {
        (row.indicator, cluster, row.period): (None if value is None else format(Decimal(value), "f"), status)
        for row in rows
        for cluster, (value, status, number) in row.figures.items()
        if number == sequence
    }


def through_libreoffice(books: Mapping[str, bytes], folder: Path) -> dict[str, bytes]:
    """The workbooks as LibreOffice saves them after it has opened them; one start for all."""
    office = find_office()
    if office is None:
        pytest.fail(f"LibreOffice is needed: {HOW_TO_INSTALL}")
    sources, results = folder / "in", folder / "out"
    sources.mkdir(parents=True)
    for name, body in books.items():
        (sources / f"{name}.xlsx").write_bytes(body)
    _convert(office, folder / "profile", sorted(sources.iterdir()), results)
    found = {path.stem: path.read_bytes() for path in results.glob("*.xlsx")}
    assert set(found) == set(books)
    assert all(found[name] != body for name, body in books.items())
    return found


def _convert(office: str, profile: Path, files: Sequence[Path], results: Path) -> None:
    # A profile of its own: another LibreOffice of the same user would take the call over, or be waited for.
    command = [office, f"-env:UserInstallation={profile.as_uri()}", "--headless", "--norestore", "--nolockcheck"]
    command += ["--convert-to", "xlsx:Calc MS Excel 2007 XML", "--outdir", str(results), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
