"""The load scenario at its smallest, on a stack of its own: that it runs and finds what it should, not how fast."""

import csv
import json
import os
from collections import Counter

import psutil
import pytest
from load.county_systems.mix import Kind
from load.month_end import run
from load.system import running_system

from fourones_local.stack import Stack

# Only one threshold is about time, and it cannot be met: what it does to the run is seen without a second one.
OPTIONS = {"rate": 10, "seconds": 8, "counties": 30, "warm_up": 0, "sample_s": 1, "p99_ms": 0.001, "lag_s": 0}


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    output = tmp_path_factory.mktemp("load")
    with running_system(kind=Stack) as system:
        system.put_ours_in_force()
        before = transactions(system)
        programs = [f"{service}-{role}" for service in system.stack.services for role in ("api", "worker")]
        gives_way = {name: psutil.Process(system.stack.supervisor.pid(name)).nice() > os.nice(0) for name in programs}
        ended = run(system, output, OPTIONS)
        after = transactions(system)
    return output, ended, gives_way, {service: after[service] - before[service] for service in after}


def transactions(system):
    found = {}
    for service in system.stack.services:
        with system.psycopg(service) as connection:
            row = connection.execute(
                "SELECT xact_commit, xact_rollback FROM pg_stat_database WHERE datname = current_database()"
            ).fetchone()
        found[service] = Counter(dict(zip(("committed", "rolled back"), row, strict=True)))
    return found


def test_workers_give_way_to_those_who_answer(night):
    _, _, gives_way, _ = night
    assert {name for name, does in gives_way.items() if does} == {name for name in gives_way if "worker" in name}
    assert len(gives_way) == 6


def test_county_systems_find_every_submission_applied_and_every_total_right(night):
    output, *_ = night
    summary = json.loads((output / "summary.json").read_text(encoding="utf-8"))
    assert (summary["unintended"], summary["not applied"], summary["differences"]) == ([], [], []), summary
    assert summary["organisations"] == 13
    assert summary["submissions accepted"] > 20
    assert summary["figures compared"] > 0
    assert summary["totals compared"] > 0
    assert {Kind.SINGLE.value, Kind.REVISION.value, Kind.BATCH.value} <= summary["by kind"].keys()
    assert sum(kind["calls"] for kind in summary["by kind"].values()) == summary["calls"]
    # What locust has written beside it.
    assert "<html" in (output / "report.html").read_text(encoding="utf-8")[:1000]
    assert Kind.SINGLE.value.removeprefix("POST ") in (output / "stats_stats.csv").read_text(encoding="utf-8")


def test_a_threshold_that_is_missed_ends_the_run_with_1(night):
    output, ended, *_ = night
    thresholds = json.loads((output / "summary.json").read_text(encoding="utf-8"))["thresholds"]
    assert [one["name"] for one in thresholds if one["missed"]] == [thresholds[0]["name"]]
    assert ended == 1


def test_what_every_process_holds_is_written_down(night):
    output, *_ = night
    with (output / "samples.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    services = {
        f"{service}-{role}" for service in ("submission", "aggregation", "alerting") for role in ("api", "worker")
    }
    assert services | {"postgres", "kafka", "load generator"} <= {row["process"] for row in rows}
    assert all(float(row["memory_mib"]) > 0 and float(row["open_files"]) > 0 for row in rows)
    assert all(row["lag"] for row in rows if row["process"].endswith("-worker"))


def test_keys_are_not_left_behind(night):
    output, *_ = night
    assert not list(output.rglob("endpoints.json"))


def test_reads_end_with_a_commit_at_which_the_driver_keeps_its_prepared_statements(night):
    *_, ended = night
    for service, counted in ended.items():
        assert counted["committed"] > 100, service
        # A refusal that is found halfway is rolled back.
        assert counted["rolled back"] < counted["committed"] / 50, (service, counted)
