"""`verify` tells each kind of damage, and nothing of a system that is well."""

from __future__ import annotations

import threading

import pytest
from integration.aggregation.keeping import (
    MARCH,
    TODAY,
    Aggregation,
    a_figure,
    a_submission,
    a_withdrawal,
    published,
)
from integration.aggregation.operating import Installation, told
from integration.aggregation.topics import Kafka
from prometheus_client import REGISTRY
from support.catalogue import CLUSTERS, COUNTIES_AND_ZONES, ENERGY, XINYI, a_catalogue, a_target
from support.waiting import eventually

from fourones_aggregation.verification import Findings, Scope, VerificationGauge, keep
from fourones_aggregation.verifying import verify, verify_figures
from fourones_local import loopback


@pytest.fixture
def installation(kafka_bootstrap: str, topic_prefix: str, empty: Aggregation) -> Installation:
    return Installation(Kafka(kafka_bootstrap, topic_prefix), empty)


# -- what is kept against the figures --------------------------------------------------------------------------------

HISTORY = {
    "a revision that is newer than its figure": (
        "UPDATE figure_revision SET sequence = 1000000",
        "revision cluster-scale 320322 machinery 2026-03 1000000: not older than the figure's",
    ),
    "a revision without its figure": (
        "DELETE FROM figure WHERE value = 6",
        "revision cluster-scale 320322 machinery 2026-03 {old}: kept without a figure",
    ),
    "a roll-up without its newest version": (
        (
            "DELETE FROM rollup_version v USING rollup r WHERE v.rollup_id = r.rollup_id AND v.snapshot = r.snapshot"
            " AND r.org_id = 0 AND r.cluster_id = 0 AND r.tier_id = 0 AND r.reported > 0"
        ),
        "newest version of roll-up cluster-scale _T _T _T 2026-03: version",
    ),
    "a version that says something else than the roll-up": (
        (
            "UPDATE rollup_version v SET reported = v.reported + 1 FROM rollup r WHERE v.rollup_id = r.rollup_id"
            " AND v.snapshot = r.snapshot AND r.org_id = 0 AND r.cluster_id = 0 AND r.tier_id = 0 AND r.reported > 0"
        ),
        "newest version of roll-up cluster-scale _T _T _T 2026-03: version",
    ),
    "a version that falls": (
        (
            "UPDATE rollup_version SET version = 1000 WHERE (rollup_id, snapshot) IN"
            " (SELECT v.rollup_id, min(v.snapshot) FROM rollup_version v JOIN rollup r USING (rollup_id)"
            " WHERE r.org_id = 0 AND r.cluster_id = 0 AND r.tier_id = 0 AND r.reported > 0 GROUP BY 1)"
        ),
        "should be above 1000",
    ),
    "a past duty that reaches into the present": (
        "UPDATE duty_past SET until = until + 1000",
        "past duty cluster-scale",
    ),
    "snapshots whose time falls": (
        (
            "UPDATE snapshot_taken SET taken_at = taken_at + interval '1 day' WHERE number = (SELECT min(number) + 1"
            " FROM snapshot_taken)"
        ),
        "snapshot 2: taken at",
    ),
    "a figure of a snapshot that was never taken": (
        "UPDATE figure SET snapshot = 1000000",
        "newest snapshot of figure: 1000000",
    ),
    "a figure that the catalogue admits, excluded": (
        "UPDATE figure SET excluded = true WHERE value = 6",
        "excluded of cluster-scale 320322 machinery 2026-03: True, should be False",
    ),
    "a duty that is gone": (
        (
            "DELETE FROM duty WHERE (indicator_id, org_id, cluster_id, period_id)"
            " IN (SELECT indicator_id, org_id, cluster_id, period_id FROM figure WHERE value = 6)"
        ),
        "duty cluster-scale 320322 machinery 2026-03: None",
    ),
}


@pytest.mark.parametrize(("damage", "said"), HISTORY.values(), ids=[name.replace(" ", "-") for name in HISTORY])
def test_damage_to_what_is_kept_is_told(aggregation: Aggregation, damage: str, said: str) -> None:
    old, new = a_submission(a_figure("5")), a_submission(a_figure("6"))
    aggregation.apply(old)
    aggregation.apply(new)
    aggregation.apply(a_submission(a_figure("7"), org=XINYI))
    # A duty with other terms: what it was is kept.
    monthly = a_catalogue(targets=[a_target()]).model_dump(mode="json")
    monthly["indicators"][0]["reporting"]["may_not_apply"] = [XINYI]
    aggregation.put(type(a_catalogue()).model_validate(monthly))
    aggregation.verify()
    with aggregation.engine.begin() as connection:
        assert connection.exec_driver_sql(damage).rowcount > 0
    found = [str(difference) for difference in verify(aggregation.engine)]
    assert any(said.format(old=old.sequence) in difference for difference in found), found


def test_all_differences_are_counted_and_the_first_are_told(aggregation: Aggregation) -> None:
    aggregation.apply(*(a_submission(*(a_figure("5", cluster=c) for c in CLUSTERS), org=o) for o in COUNTIES_AND_ZONES))
    with aggregation.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE figure SET excluded = true")
    done: list[tuple[int, int]] = []
    findings = verify_figures(aggregation.engine, at_most=3, progress=lambda *how_far: done.append(how_far))
    assert (len(findings.first), findings.number) == (3, len(verify(aggregation.engine)))
    assert findings.number >= 12
    assert findings.snapshot == aggregation.rows("SELECT number FROM snapshot")[0].number
    assert done[-1] == (2, 2)


# -- the figures against the log -------------------------------------------------------------------------------------

KEY = "cluster-scale 320322 machinery 2026-03"
LOG = {
    "a figure is missing": ("DELETE FROM figure WHERE value = 6", f"figure {KEY}: missing, should be sequence "),
    "a figure is surplus": (
        "UPDATE figure SET cluster_id = (SELECT cluster_id FROM cluster WHERE code = 'digital') WHERE value = 6",
        (
            "figure cluster-scale 320322 digital 2026-03: sequence {new}, value 6, status A, withdrawn False,"
            " should be not there: the log has none"
        ),
    ),
    "a figure has another value": (
        "UPDATE figure SET value = 60 WHERE value = 6",
        f"figure {KEY}: value 60, should be value 6",
    ),
    "a figure has another status": (
        "UPDATE figure SET status = 'P' WHERE value = 6",
        f"figure {KEY}: status P, should be status A",
    ),
    "a figure has another sequence": (
        "UPDATE figure SET sequence = sequence + 1000 WHERE value = 6",
        f"figure {KEY}: sequence ",
    ),
    "a figure is withdrawn": (
        "UPDATE figure SET withdrawn = true WHERE value = 6",
        f"figure {KEY}: withdrawn True, should be withdrawn False",
    ),
    "a revision is missing": (
        "DELETE FROM figure_revision",
        f"revision {KEY} {{old}}: missing, should be sequence {{old}}, value 5, status A, withdrawn False",
    ),
    "a revision is surplus": (
        "UPDATE figure_revision SET sequence = 0",
        f"revision {KEY} 0: sequence 0, value 5, status A, withdrawn False, should be not there: the log has none",
    ),
    "a revision has another value": (
        "UPDATE figure_revision SET value = 50, note = 'x'",
        f"revision {KEY} {{old}}: value 50, note x, should be value 5, note None",
    ),
}


def test_what_differs_from_the_log_is_told(installation: Installation) -> None:
    old, new = a_submission(a_figure("5")), a_submission(a_figure("6"))
    installation.work(published(1, a_catalogue()), old, new, a_submission(a_figure("7"), org=XINYI))
    for what, (damage, said) in LOG.items():
        with installation.damaged(damage):
            findings = installation.verify_log()
            expected = said.format(old=old.sequence, new=new.sequence)
            assert any(str(difference).startswith(expected) for difference in findings.first), (what, findings.first)
            assert findings.number == len(findings.first)
        assert installation.verify_log().number == 0


def test_nothing_is_told_while_figures_flow(installation: Installation) -> None:
    installation.write(published(1, a_catalogue()))
    stop = threading.Event()

    def report() -> None:
        value = 0
        while not stop.is_set():
            value += 1
            for org in COUNTIES_AND_ZONES:
                figures = [a_figure(str(value)), a_withdrawal(cluster=ENERGY, period=MARCH)]
                installation.write(a_submission(*figures, org=org))

    reporting = threading.Thread(target=report)
    with installation.workers(2):
        reporting.start()
        try:
            for _ in range(5):
                seen = installation.position()
                eventually(lambda seen=seen: installation.position() > seen)  # type: ignore[misc]
                installation.verify()
        finally:
            stop.set()
            reporting.join()
        installation.until_applied()
    installation.verify()


# -- the commands and their metric -----------------------------------------------------------------------------------


def test_the_command_prints_the_first_counts_all_and_the_workers_show_the_number(installation: Installation) -> None:
    installation.work(
        published(1, a_catalogue()),
        *(a_submission(a_figure("5"), a_figure("6", cluster=ENERGY), org=org) for org in COUNTIES_AND_ZONES),
    )
    lines = installation.command("verify", "--log")
    assert told(lines, "verified")[-1]["differences"] == 0
    assert told(lines, "reading the log")[-1]["figures"] == 8
    installation.damage("DELETE FROM figure WHERE value = 6")
    lines = installation.command("verify", "--log", "--show", "1", ends_with=1)
    printed = [line for line in lines if not line.startswith("{")]
    assert printed[0].startswith("figure cluster-scale 320322 new-energy 2026-03: missing, should be sequence ")
    assert printed[1:] == ["… and 3 more"]
    assert told(lines, "verified")[-1]["differences"] == 4
    installation.command("verify", ends_with=1)

    kept = installation.database.rows("SELECT * FROM verification ORDER BY verification_id")
    assert [(row.scope, row.differences > 0) for row in kept] == [("log", False), ("log", True), ("figures", True)]
    with installation.workers() as (address,):
        eventually(lambda: series(address, 'fourones_verification_differences{scope="log"}') == 4)
        assert series(address, 'fourones_verification_differences{scope="figures"}') == kept[2].differences
        timestamp = series(address, 'fourones_verification_timestamp_seconds{scope="log"}')
    assert timestamp == pytest.approx(kept[1].verified_at.timestamp())


def test_the_newest_verification_of_each_scope_is_shown(aggregation: Aggregation) -> None:
    gauge = VerificationGauge(aggregation.engine)
    gauge.look()
    for number in (3, 0):
        with aggregation.engine.begin() as connection:
            keep(connection, Scope.LOG, Findings(1, number), verified_at=TODAY, seconds=0.5)
        gauge.look()
        assert REGISTRY.get_sample_value("fourones_verification_differences", {"scope": "log"}) == number


def series(address: str, name: str) -> float | None:
    for line in loopback.get(f"{address}/metrics").text.splitlines():
        if line.startswith(name):
            return float(line.rpartition(" ")[2])
    return None


def test_a_broker_that_is_away_is_told_in_a_line(installation: Installation) -> None:
    installation.kafka.bootstrap = "127.0.0.1:1"
    for command in (["verify", "--log"], ["rebuild"]):
        lines = installation.command(*command, ends_with=1)
        assert told(lines, "the broker is away: run it again, nothing has changed"), lines
        assert not any("Traceback" in line for line in lines)
