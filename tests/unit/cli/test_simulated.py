"""Simulated counties: plausible, synthetic wherever they show, the same for the same seed, and taken by the service."""

import json
import tracemalloc
from collections import defaultdict
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.cli.commands import run, write
from unit.shared.catalogue.documents import REAL

from fourones.simulated.catalogue import additions, joined, written
from fourones.simulated.files import json_of
from fourones.simulated.reports import last_ended, reports_of
from fourones.simulated.sdmx_csv import csv_of
from fourones.simulated.world import MARK, NOTE, PREFIX, Shares, World, year_to_date
from fourones_shared.access.keys import Principal
from fourones_shared.catalogue.duties import expected_periods
from fourones_shared.catalogue.files import load, read_folders
from fourones_shared.domain.clock import SHANGHAI
from fourones_shared.domain.periods import Period
from fourones_shared.events.model import Role
from fourones_submission.domain.checking import check
from fourones_submission.domain.terms import Terms
from fourones_submission.formats import json_format, sdmx_csv

TODAY = date(2026, 3, 10)
NOW = datetime.combine(TODAY, time(12), SHANGHAI).astimezone(UTC)
COUNTY = "sim-county-0001"
ALL = Shares(Decimal("0.5"), Decimal("0.3"), Decimal("0.2"))
NEVER = Shares(Decimal(0), Decimal(0), Decimal(0))


def a_world(**changes):
    fields: dict[str, Any] = {
        "seed": 1, "counties": 3, "indicators": 8, "years": 2, "last": Period.parse("2026-02"), "today": TODAY,
        "shares": ALL,
    } | changes  # fmt: skip
    return World(**fields)


def all_reports(world):
    return [report for county in world.county_ids for report in reports_of(world, county)]


def files_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# --- the catalogue --------------------------------------------------------------------------------------------------


def test_the_catalogue_stands_alone_and_beside_the_real_one():
    added = additions(a_world())
    alone = joined(None, added)
    assert (alone.city.id, len(alone.indicators), len(alone.targets)) == ("sim-city", 8, 8)
    real = load(REAL)
    both = joined(json.loads(real.document), added)
    assert both.city == real.city
    # Real indicators go on expecting the real counties, and only them.
    assert both.counties_and_zones == real.counties_and_zones
    assert set(real.indicators) < set(both.indicators)


def test_everything_in_it_says_what_it_is():
    for section, entries in additions(a_world()).items():
        for entry in entries:
            assert entry["id"].startswith(PREFIX)
            assert MARK in (entry.get("name") or entry["title"])
            assert section == "sources" or entry["synthetic"] is True


def test_an_earlier_simulation_is_replaced():
    first = joined(json.loads(load(REAL).document), additions(a_world(counties=9, indicators=20)))
    added = additions(a_world())
    assert joined(json.loads(first.document), added) == joined(json.loads(load(REAL).document), added)


def test_written_down_it_is_read_again(tmp_path):
    added = additions(a_world())
    (tmp_path / "sim.yaml").write_text(written(added))
    catalogue, faults = read_folders(REAL, tmp_path)
    assert faults == []
    assert catalogue == joined(json.loads(load(REAL).document), added)


# --- the figures ----------------------------------------------------------------------------------------------------


@settings(max_examples=15)
@given(
    seed=st.integers(0, 10**6),
    today=st.dates(date(2024, 1, 1), date(2035, 12, 31)),
    indicators=st.integers(1, 17),
    years=st.integers(1, 3),
    unfinished=st.booleans(),
)
def test_the_service_takes_every_report(seed, today, indicators, years, unfinished):
    last = last_ended(today).next() if unfinished else last_ended(today)
    world = a_world(seed=seed, counties=1, indicators=indicators, years=years, last=last, today=today)
    terms = Terms(1, joined(None, additions(world)))
    now = datetime.combine(today, time(12), SHANGHAI).astimezone(UTC)
    key = Principal("k", Role.REPORTER, COUNTY)
    for report in reports_of(world, COUNTY):
        checked = check(json_format.read(json_of(report)), terms, key, now)
        assert checked.faults == ()
        assert len(checked.figures) == len(report.submission.figures)


def test_as_csv_and_as_json_it_is_the_same_to_the_service():
    world = a_world()
    terms = Terms(1, joined(None, additions(world)))
    key = Principal("k", Role.REPORTER, COUNTY)
    for report in reports_of(world, COUNTY):
        as_json = check(json_format.read(json_of(report)), terms, key, NOW)
        as_csv = check(sdmx_csv.read(csv_of(report)), terms, key, NOW)
        assert as_csv.faults == ()
        assert as_csv == as_json


def test_every_figure_says_what_it_is():
    for report in all_reports(a_world()):
        assert report.submission.prepared_by == "模拟"
        for figure in report.submission.figures:
            assert figure.note is not None
            assert figure.note.startswith(NOTE)


def test_a_report_holds_everything_that_is_expected_of_its_month_and_nothing_twice():
    world = a_world(shares=NEVER)
    catalogue = joined(None, additions(world))
    expected = {
        (indicator.id, period.key)
        for indicator in catalogue.indicators
        for period in expected_periods(indicator, world.last.start)
    }
    sent = [(f.indicator, f.period) for r in reports_of(world, COUNTY) for f in r.submission.figures]
    assert len(sent) == len(set(sent))
    assert set(sent) == expected


def test_a_year_to_date_value_never_falls_within_its_year_whatever_was_put_right():
    series = defaultdict(list)
    for report in all_reports(a_world(years=4)):
        for figure in report.submission.figures:
            if figure.value is not None:
                series[report.county, figure.indicator, report.period.year, report.name[-3:-1] == "_r"].append(
                    (report.period, figure.value)
                )
    assert len(series) > 100
    for values in series.values():
        listed = [value for _, value in sorted(values)]
        assert listed == sorted(listed)
        assert listed[0] >= 0


def test_there_is_growth_and_every_month_has_its_part():
    world = a_world(counties=200, indicators=1)
    measured = world.measured[0]

    def total(period):
        return sum(year_to_date(world.seed, county, measured, Period.parse(period))[0] for county in world.county_ids)

    assert total("2025-12") > total("2024-12") > total("2023-12")
    december, spring = total("2025-12") - total("2025-11"), total("2025-04") - total("2025-03")
    assert december > spring


@pytest.mark.parametrize(("share", "name"), [("late", "late"), ("revised", "revised"), ("missing", "missing")])
def test_shares_are_about_what_was_asked_for(share, name):
    world = a_world(
        counties=20,
        shares=Shares(**{"revised": Decimal(0), "late": Decimal(0), "missing": Decimal(0)} | {share: Decimal("0.2")}),
    )
    reports = all_reports(world)
    firsts = [r for r in reports if r.sent >= r.period and "_r" not in r.name]
    figures = [figure for r in firsts for figure in r.submission.figures]
    found = {
        "late": sum(r.sent > r.period.next() for r in firsts) / len(firsts),
        "revised": sum(f.status == "P" for f in figures) / len(figures),
        "missing": sum(f.status == "O" and f.value is None for f in figures) / len(figures),
    }
    assert 0.12 < found[name] < 0.28
    assert all(value == 0 for other, value in found.items() if other != name)


def test_what_is_put_right_comes_later_and_is_final():
    reports = list(reports_of(a_world(), COUNTY))
    first = {r.period: {f.indicator: f for f in r.submission.figures} for r in reports if "_r" not in r.name}
    corrections = [r for r in reports if "_r" in r.name]
    assert corrections
    for correction in corrections:
        assert correction.sent > next(r.sent for r in reports if r.period == correction.period)
        for figure in correction.submission.figures:
            before = first[correction.period][figure.indicator]
            assert (before.status, figure.status) == ("P", "A")
            assert before.value != figure.value


def test_reports_go_out_in_the_order_of_their_names_and_nothing_is_sent_before_its_time():
    world = a_world()
    for county in world.county_ids:
        reports = list(reports_of(world, county))
        assert [r.name for r in reports] == sorted(r.name for r in reports)
        assert all(r.period < r.sent <= world.seen_from for r in reports)


def test_a_month_that_has_not_ended_is_provisional():
    world = a_world(last=Period.parse("2026-03"))
    (report,) = [r for r in reports_of(world, COUNTY) if r.period == world.last]
    assert {f.status for f in report.submission.figures} <= {"P", "O"}


def test_more_counties_indicators_years_and_months_only_add():
    def content(world):
        return {
            (report.name, figure.indicator): figure
            for report in all_reports(world)
            for figure in report.submission.figures
        }

    small = content(a_world())
    for larger in (
        a_world(counties=5),
        a_world(indicators=11),
        a_world(years=4),
        a_world(last=Period.parse("2026-04"), today=date(2026, 5, 2)),
    ):
        assert small.items() < content(larger).items()


def test_another_seed_gives_other_figures():
    assert [json_of(r) for r in all_reports(a_world())] == [json_of(r) for r in all_reports(a_world())]
    assert [json_of(r) for r in all_reports(a_world())] != [json_of(r) for r in all_reports(a_world(seed=2))]


def test_the_figures_of_a_seed_stay_what_they_were():
    """Files that were sent are told from new ones by their bytes: a release that changed them would send all again."""
    values = [year_to_date(1, COUNTY, measured, Period.parse("2025-12"))[0] for measured in a_world().measured]
    assert values == [156576, 197, 433977, 13289345, 25312, 120, 3169588, 760]


def test_nothing_is_kept_of_the_counties_that_are_done():
    def peak(counties):
        tracemalloc.start()
        for county in (world := a_world(counties=counties)).county_ids:
            for _ in reports_of(world, county):
                pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(100)
    assert peak(100) < 2 * peak(25)


# --- the command ----------------------------------------------------------------------------------------------------


def simulate(*arguments):
    return run("simulate", "--counties", "2", "--indicators", "3", "--today", "2026-03-10", *arguments)


def test_the_same_seed_writes_the_same_bytes(tmp_path):
    for folder in ("a", "b"):
        assert simulate("--out", tmp_path / folder, "--seed", "7").exit_code == 0
    assert simulate("--out", tmp_path / "c", "--seed", "8").exit_code == 0
    a, b, c = (files_of(tmp_path / folder) for folder in "abc")
    assert a == b != c
    assert len(a) > 4


@pytest.mark.parametrize("form", ["json", "csv"])
def test_what_is_written_is_sent_by_submit_and_by_a_later_run_only_what_is_new(service, tmp_path, form):
    out = tmp_path / "out"
    assert simulate("--out", out, "--format", form, "--until", "2025-11").exit_code == 0
    keys = write(tmp_path, {f"sim-county-000{n}": f"of-{n}" for n in (1, 2)}, "keys.json")
    sent = run("submit", out, "--keys", keys, "--url", service.url)
    assert sent.exit_code == 0, sent.stderr
    assert set(service.keys()) == {"of-1", "of-2"}
    before = len(service.remembered)
    assert simulate("--out", out, "--format", form, "--until", "2025-12").exit_code == 0
    again = run("submit", out, "--keys", keys, "--url", service.url)
    assert f"跳过 {before} 份" in again.stdout
    assert len(service.remembered) > before


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path):
    write(tmp_path / "full", "x", "notes.txt")
    assert simulate("--out", tmp_path / "full").exit_code == 2
    assert simulate("--out", tmp_path / "new").exit_code == 0
    assert simulate("--out", tmp_path / "new", "--seed", "2").exit_code == 2
    assert simulate("--out", tmp_path / "new").exit_code == 0


def test_it_is_applied_and_submitted_straight_away(service, tmp_path):
    run("catalogue", "apply", REAL, "--url", service.url, "--key", "admin")
    assert simulate("--apply", "--key", "admin", "--url", service.url).exit_code == 0
    assert service.version == 2
    assert {o["id"] for o in service.catalogue["organisations"]} >= {"320382", "sim-county-0002"}
    again = simulate("--apply", "--key", "admin", "--url", service.url)
    assert (again.exit_code, service.version) == (0, 2)
    keys = write(tmp_path, {f"sim-county-000{n}": f"of-{n}" for n in (1, 2)}, "keys.json")
    result = simulate("--submit", "--keys", keys, "--url", service.url)
    assert result.exit_code == 0, result.stderr
    assert f"已受理 {len(service.remembered)} 份" in result.stdout
    once = len(service.remembered)
    assert simulate("--submit", "--keys", keys, "--url", service.url).exit_code == 0
    assert len(service.remembered) == once


def test_a_county_without_a_key_is_found_before_anything_is_sent(service, tmp_path):
    keys = write(tmp_path, {"sim-county-0001": "k"}, "keys.json")
    result = simulate("--submit", "--keys", keys, "--url", service.url)
    assert result.exit_code == 2
    assert "sim-county-0002" in result.stderr
    assert service.requests == []


def test_the_catalogue_file_is_one_that_is_taken(tmp_path):
    result = simulate("--catalogue", tmp_path / "sim" / "c.yaml")
    assert result.exit_code == 0
    assert run("catalogue", "check", REAL, "--extra", tmp_path / "sim").exit_code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--out", "x", "--until", "2026-04"),
        ("--out", "x", "--until", "2026"),
        ("--out", "x", "--until", "soon"),
        ("--out", "x", "--counties", "0"),
        ("--out", "x", "--late", "1.5"),
        ("--submit",),
    ],
)
def test_what_cannot_be_made_is_a_misuse(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert simulate(*arguments).exit_code == 2
    assert list(tmp_path.iterdir()) == []
