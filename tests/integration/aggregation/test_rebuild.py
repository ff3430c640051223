"""`rebuild`: whatever has become of the figures, the log gives them back, and nothing else changes."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import orjson
import pytest
from integration.aggregation.keeping import (
    MARCH,
    TODAY,
    Aggregation,
    a_figure,
    a_submission,
    a_withdrawal,
    counts,
    published,
)
from integration.aggregation.kinds import OUTPUT, PEAK, STAFF, WAGE, a_catalogue_of_kinds
from integration.aggregation.operating import Installation, told
from integration.aggregation.serving import an_api
from integration.aggregation.topics import Kafka
from kafka import KafkaAdminClient, TopicPartition
from sqlalchemy import text
from support.catalogue import (
    CITY,
    CLUSTERS,
    COUNTIES_AND_ZONES,
    DIGITAL,
    ENERGY,
    FIRMS,
    MACHINERY,
    PEI,
    PIZHOU,
    SCALE,
    XINYI,
    a_catalogue,
    a_target,
    default_organisations,
)
from support.waiting import eventually

from fourones_aggregation.rebuilding import Rebuilt
from fourones_shared.dead_letters.resolving import DeadLetters, Fate
from fourones_shared.dead_letters.stored import Selection
from fourones_shared.errors import Rejected
from fourones_shared.events.model import Cause, FiguresSubmitted, FigureSubmitted, Status
from fourones_shared.kafka.outbox import partition_for
from fourones_shared.topics import all_topics

FIGURES = ("figure", "figure_revision")
HISTORY = {"indicator": SCALE, "org": PEI, "cluster": MACHINERY, "period": MARCH}


@pytest.fixture
def installation(kafka_bootstrap: str, topic_prefix: str, empty: Aggregation) -> Installation:
    return Installation(Kafka(kafka_bootstrap, topic_prefix), empty)


@pytest.fixture
def lived_in(installation: Installation) -> Installation:
    """Everything that can happen to a figure has happened, under two catalogues."""
    installation.work(published(1, a_catalogue()), *a_life())
    without_xinyi = [o for o in default_organisations() if o["id"] != XINYI]
    smaller = a_catalogue(organisations=without_xinyi, targets=[a_target(org=PEI, cluster=MACHINERY)])
    installation.work(published(2, smaller), a_submission(a_figure("60.5", cluster=ENERGY), catalogue_version=2))
    return installation


def a_life() -> list[FiguresSubmitted]:
    late = a_submission(a_figure("0.5"))
    twice = a_submission(a_figure("7", period="2026-02"), a_figure("8", cluster=ENERGY))
    return [
        a_submission(a_figure("1.2500"), a_figure("2", cluster=ENERGY, note='"so", it says: \\ 约 {NULL} \0')),
        late,
        a_submission(a_figure("10", status=Status.PROVISIONAL, justification="a new plant"), org=XINYI),
        a_submission(a_figure("3"), a_figure("4", cluster=DIGITAL)),
        late,
        twice,
        twice,
        a_submission(a_withdrawal(cluster=DIGITAL)),
        a_submission(a_figure(None, cluster=MACHINERY), a_figure(None, cluster=ENERGY, status=Status.NOT_APPLICABLE)),
        a_submission(a_figure("5"), a_figure("6", period="2026-12"), org=PIZHOU),
        a_submission(a_figure("9", indicator="nobody-knows-it"), a_figure("-9", period="2019-01"), org=PIZHOU),
        a_submission(a_figure("77", indicator=FIRMS, cluster="_T", period="2025"), org=CITY),
    ]


def nothing_but(**changed: int) -> Callable[[Rebuilt], bool]:
    """Whether a rebuild has changed so much of figures and revisions, and no more."""
    fields = {"added": 0, "removed": 0, "changed": 0, "kept_without_log": 0} | changed
    return lambda rebuilt: all(getattr(rebuilt, name) == number for name, number in fields.items())


# -- a healthy system ------------------------------------------------------------------------------------------------


def test_it_changes_nothing_of_a_healthy_system(lived_in: Installation) -> None:
    before = lived_in.kept()
    assert before["figure_revision"]
    rebuilt = lived_in.rebuild()
    assert nothing_but(rollups=0)(rebuilt), rebuilt
    assert rebuilt.replayed == sum(len(s.figures) for s in a_life()) + 1
    assert lived_in.kept() == before
    lived_in.verify()


def test_it_can_be_repeated_and_an_empty_log_is_one_too(installation: Installation) -> None:
    installation.write(published(1, a_catalogue()))
    with installation.workers():
        eventually(lambda: installation.database.rollup() is not None)
    before = installation.kept()
    for _ in range(2):
        assert installation.rebuild() == Rebuilt(0, 0, 0, 0, 0, 0)
    assert installation.kept() == before


def test_workers_go_on_after_it(lived_in: Installation) -> None:
    with lived_in.workers():
        lived_in.rebuild()
        lived_in.write(a_submission(a_figure("100", period="2026-01")), a_submission(a_figure("101")))
        lived_in.until_applied()
    lived_in.verify()
    assert counts(lived_in.database.rollup("2026-01", cluster=MACHINERY))[:2] == (100, 1)


# -- damage ----------------------------------------------------------------------------------------------------------

DAMAGE = {
    "a figure is gone": "DELETE FROM figure WHERE value = 5",
    "a revision is gone": "DELETE FROM figure_revision WHERE value = 1.25",
    "a figure has another value": "UPDATE figure SET value = 500 WHERE value = 5",
    "a figure has no value": "UPDATE figure SET value = NULL, status = 'O' WHERE value = 5",
    "a figure has another status": "UPDATE figure SET status = 'P' WHERE value = 5",
    "a figure is withdrawn": "UPDATE figure SET withdrawn = true WHERE value = 5",
    "a figure has another sequence": "UPDATE figure SET sequence = sequence + 1000000 WHERE value = 5",
    "a figure has another note": "UPDATE figure SET note = 'by hand' WHERE value = 5",
    "a figure is of another submission": "UPDATE figure SET submission_id = 'x', accepted_at = now() WHERE value = 5",
    "a figure is wrongly excluded": "UPDATE figure SET excluded = NOT excluded WHERE value = 5",
    "a revision has another value": "UPDATE figure_revision SET value = 500 WHERE value = 1.25",
    "a revision has moved": "UPDATE figure_revision SET sequence = -sequence WHERE value = 1.25",
    "a figure was added": (
        "INSERT INTO figure SELECT value, status, withdrawn, note, justification, 'x', reported_by, accepted_at,"
        " applied_at, snapshot, indicator_id, org_id, (SELECT cluster_id FROM cluster WHERE code = 'new-energy'),"
        " period_id, sequence, excluded FROM figure WHERE value = 5"
    ),
    "a revision was added": (
        "INSERT INTO figure_revision SELECT value, status, withdrawn, note, justification, 'x', reported_by,"
        " accepted_at, applied_at, snapshot, indicator_id, org_id, cluster_id, period_id, 1000000 FROM figure"
        " WHERE value = 5"
    ),
    "the current revision is kept twice": (
        "INSERT INTO figure_revision SELECT value, status, withdrawn, note, justification, submission_id, reported_by,"
        " accepted_at, applied_at, snapshot, indicator_id, org_id, cluster_id, period_id, sequence FROM figure"
        " WHERE value = 5"
    ),
    "an older revision stands": (
        "WITH old AS (DELETE FROM figure_revision WHERE value = 1.25 RETURNING *)"
        " UPDATE figure f SET value = old.value, sequence = old.sequence, status = old.status,"
        " submission_id = old.submission_id FROM old"
        " WHERE (f.indicator_id, f.org_id, f.cluster_id, f.period_id)"
        " = (old.indicator_id, old.org_id, old.cluster_id, old.period_id)"
    ),
}


def test_damaged_figures_are_put_right_with_their_time_and_no_roll_up_moves(lived_in: Installation) -> None:
    before = lived_in.kept()
    for what, damage in DAMAGE.items():
        lived_in.damage(damage)
        assert lived_in.kept() != before, what
        rebuilt = lived_in.rebuild()
        assert lived_in.kept() == before, what
        assert rebuilt.rollups == 0, what
    lived_in.verify()


def test_all_figures_and_all_of_the_past_come_back(lived_in: Installation) -> None:
    before = lived_in.kept()
    for table in FIGURES:
        lived_in.damage(f"DELETE FROM {table}")  # noqa: S608
        rebuilt = lived_in.rebuild()
        assert nothing_but(added=len(before[table]), rollups=0)(rebuilt), rebuilt
        # Of some submissions nothing was left: they are known from now on.
        assert contents(lived_in.kept()) == contents(before)
        assert but_figures(lived_in.kept()) == but_figures(before)
    lived_in.verify()


def but_figures(kept: dict[str, Any]) -> dict[str, Any]:
    return {table: rows for table, rows in kept.items() if table not in FIGURES}


def contents(kept: dict[str, Any]) -> list[list[dict[str, Any]]]:
    def content(row: Any) -> dict[str, Any]:
        return {k: v for k, v in row._asdict().items() if k not in {"snapshot", "applied_at"}}

    return [sorted((content(row) for row in kept[table]), key=str) for table in FIGURES]


def test_what_followed_from_the_damage_gets_new_versions_and_nothing_else_does(lived_in: Installation) -> None:
    before = lived_in.kept()
    lived_in.damage("UPDATE figure SET value = 500 WHERE value = 5")
    # Whoever recomputes now believes it: the next rebuild of a roll-up, of any reason.
    with lived_in.database.engine.begin() as connection:
        connection.execute(text("SELECT FROM catalogue_in_force FOR UPDATE"))
        lived_in.database.switch.again(connection, Cause.REVISION)
    wrong = versions(lived_in)
    moved = {rollup for rollup, version in wrong.items() if version != versions_of(before)[rollup]}
    assert moved

    rebuilt = lived_in.rebuild()
    assert nothing_but(changed=1, rollups=len(moved))(rebuilt), rebuilt
    right = versions(lived_in)
    assert {rollup for rollup, version in right.items() if version != wrong[rollup]} == moved
    assert lived_in.kept()["figure"] == before["figure"]
    pending = {row.rollup_id for row in lived_in.database.rows("SELECT rollup_id FROM rollup_pending")}
    assert moved <= pending
    # What was known when stays: the versions that were there are there.
    assert set(map(str, before["rollup_version"])) <= set(map(str, lived_in.kept()["rollup_version"]))
    lived_in.verify()


def test_computed_values_stay_and_are_put_right(installation: Installation) -> None:
    kinds = [OUTPUT, "sales", STAFF, PEAK, WAGE]
    installation.work(
        published(1, a_catalogue_of_kinds()),
        *(
            a_submission(
                *(a_figure(str(n + len(kind)), indicator=kind, period=p) for kind in kinds for p in (MARCH, "2025-03")),
                org=org,
            )
            for n, org in enumerate(COUNTIES_AND_ZONES)
        ),
    )
    before = installation.kept()
    assert {"X", "W", "D"} <= {row.rule for row in before["rollup"] if row.computed is not None}
    assert nothing_but(rollups=0)(installation.rebuild())
    assert installation.kept() == before

    installation.damage(
        "UPDATE rollup SET computed = computed + 1 WHERE rule = 'X' AND computed IS NOT NULL",
        "UPDATE rollup SET computed = NULL WHERE rule IN ('W', 'D')",
    )
    wrong = [row for row in installation.kept()["rollup"] if row not in before["rollup"]]
    assert installation.rebuild().rollups == len(wrong)
    right = {row.rollup_id: row for row in installation.kept()["rollup"]}
    assert {i: row.computed for i, row in right.items()} == {r.rollup_id: r.computed for r in before["rollup"]}
    installation.verify()


def test_answers_as_of_a_moment_are_the_same_after_it(lived_in: Installation) -> None:
    tokens = [f"aggregation:{row.number}" for row in lived_in.database.rows("SELECT number FROM snapshot_taken")]
    with an_api(lived_in.database.url) as client:

        def answers() -> list[list[str]]:
            asked = [
                (client.get("/v1/rollups", as_of=t), client.get("/v1/figures/history", as_of=t, **HISTORY))
                for t in tokens
            ]
            assert {answer.status_code for both in asked for answer in both} == {200}
            return [[answer.text for answer in both] for both in asked]

        before = answers()
        values = {str([item["value"] for item in orjson.loads(rollups)["items"]]) for rollups, _ in before}
        assert len(values) > 1
        lived_in.damage(DAMAGE["a figure has another value"], "DELETE FROM figure_revision WHERE value = 1.25")
        with lived_in.database.engine.begin() as connection:
            connection.execute(text("SELECT FROM catalogue_in_force FOR UPDATE"))
            lived_in.database.switch.again(connection, Cause.REVISION)
        lived_in.rebuild()
        assert answers() == before


def versions(installation: Installation) -> dict[int, int]:
    return versions_of(installation.kept())


def versions_of(kept: dict[str, Any]) -> dict[int, int]:
    return {row.rollup_id: row.version for row in kept["rollup"]}


def test_duties_and_roll_ups_are_recomputed_too(lived_in: Installation) -> None:
    before = lived_in.kept()
    lived_in.damage(
        "UPDATE rollup SET total = total + 1 WHERE org_id = 0 AND tier_id = 0 AND cluster_id = 0 AND reported > 0",
        "DELETE FROM duty WHERE ctid IN (SELECT ctid FROM duty WHERE indicator_id = 1 LIMIT 1)",
    )
    assert nothing_but()(lived_in.rebuild())
    after = lived_in.kept()
    assert [row[:9] for row in after["duty"]] == [row[:9] for row in before["duty"]]
    assert [(r.rollup_id, r.total, r.expected) for r in after["rollup"]] == [
        (r.rollup_id, r.total, r.expected) for r in before["rollup"]
    ]
    lived_in.verify()


def test_a_submission_of_which_nothing_is_left_is_known_from_now_on(installation: Installation) -> None:
    lost, other = a_submission(a_figure("1"), a_figure("2", cluster=ENERGY)), a_submission(a_figure("3"), org=XINYI)
    installation.work(published(1, a_catalogue()), lost, other)
    was = {row.value: row for row in installation.kept()["figure"]}
    installation.clock.advance(installation.clock.now() - TODAY)
    installation.damage("DELETE FROM figure WHERE value = 1")
    installation.rebuild()
    # Its other figure tells when it was applied.
    assert {row.value: row for row in installation.kept()["figure"]} == was

    installation.damage("DELETE FROM figure WHERE value IN (1, 2)")
    assert nothing_but(added=2)(installation.rebuild())
    now = {row.value: row for row in installation.kept()["figure"]}
    assert now[3] == was[3]
    assert now[1].snapshot == now[2].snapshot > was[1].snapshot
    installation.verify()


# -- a running system ------------------------------------------------------------------------------------------------


def test_figures_keep_arriving_at_two_workers_meanwhile(installation: Installation) -> None:
    installation.write(published(1, a_catalogue()))
    stop = threading.Event()
    written: list[FiguresSubmitted] = []

    def report() -> None:
        value = 0
        while not stop.is_set():
            value += 1
            submissions = [a_submission(*everywhere(value), org=org) for org in COUNTIES_AND_ZONES]
            installation.write(*submissions)
            written.extend(submissions)

    def everywhere(value: int) -> list[FigureSubmitted]:
        return [a_figure(str(value), cluster=c, period=p) for c in CLUSTERS for p in (MARCH, "2026-02")]

    reporting = threading.Thread(target=report)
    with installation.workers(2):
        reporting.start()
        try:
            for _ in range(3):
                seen = installation.position()
                eventually(lambda seen=seen: installation.position() > seen + 20)  # type: ignore[misc]
                installation.damage("DELETE FROM figure WHERE cluster_id = (SELECT min(cluster_id) FROM figure)")
                # What arrives meanwhile may put this right first, but never what was deleted of the past.
                installation.rebuild()
                installation.damage("DELETE FROM figure_revision WHERE sequence % 2 = 0")
                assert installation.rebuild().added > 0
        finally:
            stop.set()
            reporting.join()
        installation.until_applied()

    installation.verify()
    last = written[-1].figures[0].value
    assert last is not None
    assert counts(installation.database.rollup()) == (last * 12, 12, 12)
    distinct = {(s.sequence, f.indicator, f.cluster, f.period) for s in written for f in s.figures}
    assert sum(len(installation.kept()[table]) for table in FIGURES) == len(distinct)


@pytest.mark.parametrize("held", ["SELECT FROM catalogue_in_force FOR SHARE", "SELECT FROM snapshot FOR UPDATE"])
def test_a_kill_in_the_middle_leaves_everything_as_it_was(lived_in: Installation, held: str) -> None:
    """Held before anything is put right, and in the middle of it."""
    whole = lived_in.kept()
    lived_in.damage(DAMAGE["a figure has another value"], DAMAGE["a revision is gone"])
    before = lived_in.kept()
    with lived_in.database.engine.begin() as holder:
        holder.execute(text(held))
        process = lived_in.start("rebuild")
        try:
            eventually(lambda: waits_for_a_lock(lived_in))
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=30)
    eventually(lambda: not at_work(lived_in))
    assert lived_in.kept() == before

    lived_in.work(a_submission(a_figure("12", period="2026-01")))
    assert lived_in.rebuild().added == 1
    assert set(map(str, whole["figure_revision"])) <= set(map(str, lived_in.kept()["figure_revision"]))
    lived_in.verify()


def waits_for_a_lock(installation: Installation) -> bool:
    return bool(
        installation.database.rows(
            "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            " AND application_name = 'fourones-aggregation-command'"
        )
    )


def at_work(installation: Installation) -> bool:
    return bool(
        installation.database.rows(
            "SELECT FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'fourones-aggregation-command'"
        )
    )


def test_two_rebuilds_do_not_run_at_once(lived_in: Installation) -> None:
    with lived_in.database.engine.begin() as holder:
        holder.execute(text("SELECT FROM catalogue_in_force FOR SHARE"))
        first = lived_in.start("rebuild")
        try:
            eventually(lambda: waits_for_a_lock(lived_in))
            assert "another rebuild is at work; wait for it" in lived_in.command("rebuild", ends_with=1)
        finally:
            holder.rollback()
            out, errors = first.communicate(timeout=60)
    assert first.returncode == 0, out + errors


def test_the_command_tells_how_far_it_is_and_what_it_has_done(lived_in: Installation) -> None:
    lived_in.damage(DAMAGE["a figure has another value"])
    lines = lived_in.command("rebuild")
    read = told(lines, "reading the log")
    assert read[-1]["offsets"] == read[-1]["of"]
    assert read[-1]["figures"] > 0
    assert told(lines, "no batch runs: putting right what differs")
    outcome = orjson.loads(lines[-1])
    assert (outcome["changed"], outcome["added"], outcome["removed"]) == (1, 0, 0)


# -- dead letters ----------------------------------------------------------------------------------------------------


def test_records_that_were_set_aside_count_as_far_as_operators_have_replayed_them(installation: Installation) -> None:
    waiting, discarded, repaired = a_bad_one("1"), a_bad_one("2", XINYI), a_bad_one("3", PIZHOU)
    repaired_only = a_bad_one("4")
    installation.work(published(1, a_catalogue()), waiting, discarded, repaired, repaired_only)
    with installation.dead_letters() as letters:
        letters.discard(number_of(letters, discarded), by="lin", why="a test")
        letters.repair(number_of(letters, repaired_only), value=mended(repaired_only), by="lin", why="its zero")
        repair(letters, repaired)

    before = installation.kept()
    assert sorted(row.value for row in before["figure"]) == [3, 3]
    assert nothing_but(rollups=0)(installation.rebuild())
    assert installation.kept() == before
    installation.verify()

    installation.damage("DELETE FROM figure")
    assert nothing_but(added=2)(installation.rebuild())
    assert contents(installation.kept()) == contents(before)
    installation.verify()


def test_what_a_replay_has_applied_counts_also_when_its_record_is_set_aside_again(installation: Installation) -> None:
    """The group was reset, and read the record once more."""
    bad = a_bad_one("3")
    installation.work(published(1, a_catalogue()), bad)
    with installation.dead_letters() as letters:
        repair(letters, bad)
    installation.damage("DELETE FROM consumer_position WHERE topic LIKE '%figures-submitted'")
    installation.work()
    assert [row.state for row in installation.database.rows("SELECT state FROM dead_letter")] == ["waiting"]

    before = installation.kept()
    assert [row.value for row in before["figure"]] == [3, 3]
    assert nothing_but(rollups=0)(installation.rebuild())
    assert installation.kept() == before
    installation.verify()


def a_bad_one(value: str, org: str = PEI) -> FiguresSubmitted:
    """The month of its first figure lacks a zero."""
    return a_submission(a_figure(value, period="2026-3"), a_figure(value, cluster=ENERGY), org=org)


def mended(submission: FiguresSubmitted) -> bytes:
    return submission.model_dump_json().replace('"2026-3"', '"2026-03"').encode()


def number_of(letters: DeadLetters, submission: FiguresSubmitted) -> int:
    (number,) = letters.numbers(Selection(containing=submission.submission_id.encode()))
    return number


def repair(letters: DeadLetters, submission: FiguresSubmitted) -> None:
    number = number_of(letters, submission)
    letters.repair(number, value=mended(submission), by="lin", why="its zero")
    assert letters.replay(number, by="lin").fate is Fate.REPLAYED


# -- when it must not ------------------------------------------------------------------------------------------------


def test_without_a_catalogue_there_is_nothing_to_rebuild(installation: Installation) -> None:
    with pytest.raises(Rejected, match="no catalogue is in force"):
        installation.rebuild()


def test_a_topic_that_was_recreated_says_nothing_about_these_figures(lived_in: Installation) -> None:
    lived_in.damage("UPDATE consumer_position SET topic_id = 'another' WHERE topic LIKE '%figures-submitted'")
    before = lived_in.kept()
    with pytest.raises(Rejected, match="is not the topic that"):
        lived_in.rebuild()
    assert lived_in.kept() == before


def test_a_topic_that_has_lost_its_end_is_not_believed(lived_in: Installation) -> None:
    lived_in.damage("UPDATE consumer_position SET next_offset = next_offset + 5 WHERE next_offset > 0")
    before = lived_in.kept()
    with pytest.raises(Rejected, match="the topic has lost records"):
        lived_in.rebuild()
    assert lived_in.kept() == before


def test_a_record_that_was_applied_and_cannot_be_read_stops_it(installation: Installation) -> None:
    installation.work(published(1, a_catalogue()), a_submission(a_figure("3", period="2026-3")))
    installation.damage("DELETE FROM dead_letter")
    with pytest.raises(Rejected, match=r"@0 was applied and cannot be read by this release: bad_period"):
        installation.rebuild()


def test_where_the_log_has_lost_its_beginning_it_says_so_and_removes_nothing(installation: Installation) -> None:
    lost = a_submission(a_figure("1"), a_figure("2", cluster=ENERGY))
    kept = a_submission(a_figure("3"), a_figure("4", cluster=DIGITAL))
    installation.work(published(1, a_catalogue()), lost, kept, a_submission(a_figure("5"), org=XINYI))
    forget_before(installation, PEI, 1)
    before = installation.kept()
    with pytest.raises(Rejected, match=r"begins at 1\): what was reported there can only be kept"):
        installation.rebuild()
    assert installation.kept() == before

    installation.damage(
        "UPDATE figure SET value = 40 WHERE value = 4",
        "DELETE FROM figure WHERE value = 5",
    )
    rebuilt = installation.rebuild(partial=True)
    assert nothing_but(added=1, changed=1, kept_without_log=2)(rebuilt), rebuilt
    assert contents(installation.kept()) == contents(before)
    installation.database.verify()
    findings = installation.verify_log()
    assert [difference.kept for difference in findings.first] == ["begins at offset 1"]
    assert findings.number == 1


def forget_before(installation: Installation, org: str, offset: int) -> None:
    topic = all_topics()[FiguresSubmitted.TOPIC]
    partition = TopicPartition(topic.physical(installation.kafka.prefix), partition_for(org.encode(), topic.partitions))
    with closing(KafkaAdminClient(bootstrap_servers=installation.kafka.bootstrap)) as admin:
        admin.delete_records({partition: offset})


def test_figures_that_a_group_reads_again_stay_meanwhile(lived_in: Installation) -> None:
    before = lived_in.kept()
    lived_in.damage("DELETE FROM consumer_position WHERE topic LIKE '%figures-submitted'")
    assert nothing_but(rollups=0)(lived_in.rebuild())
    assert lived_in.kept() == before
    lived_in.verify()
    with lived_in.workers():
        lived_in.until_applied()
    lived_in.verify()
