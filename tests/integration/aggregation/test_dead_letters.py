"""A submission that cannot be applied: it holds up nobody, its receipt says so, and an operator can mend it."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from alembic import command
from integration.aggregation.keeping import TODAY, Aggregation, a_figure, a_submission, counts, published
from integration.aggregation.serving import serving
from integration.aggregation.topics import TRACE, Kafka, wire_of
from sqlalchemy import text
from support.catalogue import PEI, XINYI, a_catalogue
from support.waiting import eventually

from fourones_aggregation import bootstrap
from fourones_local import loopback
from fourones_local.ports import free_port
from fourones_shared.database.engine import worker_engine
from fourones_shared.database.migrate import alembic_config, migrate
from fourones_shared.dead_letters.keeping import Keeper, Refused
from fourones_shared.domain.clock import FixedClock
from fourones_shared.errors import DeadLetter
from fourones_shared.events.envelope import Wire
from fourones_shared.events.model import FiguresApplied, FiguresSubmitted
from fourones_shared.settings import ServiceSettings


@pytest.fixture
def kafka(kafka_bootstrap: str, topic_prefix: str) -> Kafka:
    return Kafka(kafka_bootstrap, topic_prefix)


@pytest.fixture
def settings(migrated_url: str, kafka: Kafka) -> ServiceSettings:
    return ServiceSettings(database_url=migrated_url, kafka_bootstrap=kafka.bootstrap, topic_prefix=kafka.prefix)


@pytest.fixture
def database(empty: Aggregation) -> Aggregation:
    """The worker's database, to look into."""
    return empty


@pytest.fixture
def operator(settings: ServiceSettings) -> Operator:
    return Operator(settings)


@contextmanager
def a_worker(settings: ServiceSettings, **changes: Any) -> Iterator[str]:
    with serving(bootstrap.worker(settings.model_copy(update=changes), FixedClock(TODAY))) as address:
        yield address


class Operator:
    """Whoever types `fourones-aggregation deadletters …`."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.command = [sys.executable, "-m", "fourones_aggregation"]
        self.environment = os.environ | {
            "FOURONES_DATABASE_URL": settings.database_url,
            "FOURONES_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
            "FOURONES_TOPIC_PREFIX": settings.topic_prefix,
            "FOURONES_OPERATOR": "lin",
        }

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self.command, *map(str, arguments)],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def does(self, *arguments: object, ends_with: int = 0) -> str:
        """What it prints, both ways, when it ends as it should."""
        process = self.start("deadletters", *arguments)
        out, errors = process.communicate(timeout=120)
        assert process.returncode == ends_with, out + errors
        return out + errors

    def listed(self, *arguments: object) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = json.loads(self.does("list", "--json", *arguments))["items"]
        return items


def a_bad_one(**changes: Any) -> FiguresSubmitted:
    """Its period is none."""
    return a_submission(a_figure("7", period="2026-3"), **changes)


def receipts(kafka: Kafka) -> dict[str, list[FiguresApplied]]:
    """By submission, in the order in which they were said."""
    told: dict[str, list[FiguresApplied]] = {}
    for record in kafka.read(FiguresApplied.TOPIC):
        event = FiguresApplied.model_validate_json(record.value)
        told.setdefault(event.submission_id, []).append(event)
    return told


def outcomes(kafka: Kafka, submission: FiguresSubmitted) -> list[str]:
    return [receipt.outcome for receipt in receipts(kafka).get(submission.submission_id, [])]


def was_set_aside(database: Aggregation, settings: ServiceSettings, *submissions: FiguresSubmitted) -> list[int]:
    """As an older release has left them that stumbled over good submissions; their numbers."""
    prefix = settings.topic_prefix
    with database.engine.begin() as connection:
        for place, submission in enumerate(submissions):
            wire = wire_of(submission)
            refusal = DeadLetter("unexpected_error", "KeyError")
            topic = prefix + FiguresSubmitted.TOPIC
            letter = Refused(topic, 0, place, wire.key, wire.value, wire.headers, refusal)
            Keeper(prefix + "aggregation", 1_000).keep(connection, [letter])
    return [row.id for row in database.rows("SELECT dead_letter_id AS id FROM dead_letter ORDER BY 1")]


def letters(database: Aggregation) -> list[tuple[str, str]]:
    rows = database.rows("SELECT reason, state FROM dead_letter ORDER BY dead_letter_id")
    return [(row.reason, row.state) for row in rows]


def everything(database: Aggregation) -> list[Any]:
    tables = ("figure", "figure_revision", "rollup", "snapshot", "dead_letter", "dead_letter_step", "outbox")
    return [database.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables]  # noqa: S608


# -- setting aside ------------------------------------------------------------------------------------------------


def test_a_bad_submission_between_good_ones_holds_up_nobody_and_its_receipt_says_so(
    kafka: Kafka, database: Aggregation, settings: ServiceSettings
) -> None:
    good, bad, last = a_submission(a_figure("1")), a_bad_one(), a_submission(a_figure("2"))
    kafka.write(published(1, a_catalogue()), good, bad, last)
    with a_worker(settings) as address:
        eventually(lambda: outcomes(kafka, last) == ["applied"])
        eventually(lambda: outcomes(kafka, bad) == ["dead_lettered"])
        eventually(lambda: 'fourones_dead_letters_waiting{group="' in metrics(address))
        eventually(lambda: loopback.get(f"{address}/readyz").is_success)

    assert outcomes(kafka, good) == ["applied"]
    (receipt,) = receipts(kafka)[bad.submission_id]
    assert (receipt.org, receipt.sequence, receipt.applied) == (bad.org, bad.sequence, 0)
    assert receipt.reason is not None
    assert receipt.reason.startswith("bad_period: 报告期无法识别")
    told = {r.value: dict(r.headers)["traceparent"].decode() for r in kafka.read(FiguresApplied.TOPIC)}
    assert set(told.values()) == {TRACE}
    assert counts(database.rollup()) == (2, 1, 12)
    assert letters(database) == [("bad_period", "waiting")]
    database.verify()


def test_what_the_database_refuses_is_set_aside_with_its_receipt(
    kafka: Kafka, database: Aggregation, settings: ServiceSettings
) -> None:
    # Longer than an index takes, and nothing that would get short by compression.
    bad = a_submission(a_figure("1", indicator=secrets.token_hex(20_000)))
    good = a_submission(a_figure("2"))
    kafka.write(published(1, a_catalogue()), bad, good)
    with a_worker(settings):
        eventually(lambda: outcomes(kafka, good) == ["applied"])
        eventually(lambda: outcomes(kafka, bad) == ["dead_lettered"])

    assert letters(database) == [("refused_by_database", "waiting")]
    database.verify()


def test_a_submission_of_which_only_the_id_arrived_has_its_receipt(
    kafka: Kafka, database: Aggregation, settings: ServiceSettings
) -> None:
    cut, last = a_submission(a_figure("1")), a_submission(a_figure("2"))
    wire = wire_of(cut)
    kafka.write(
        published(1, a_catalogue()),
        Wire(wire.topic, wire.key, wire.value[:40], wire.headers),
        # Of these nobody can say whose they are.
        Wire(wire.topic, wire.key, b"\xff\x00", []),
        Wire(wire.topic, wire.key, b'{"submission_id": "nobody"}', []),
        Wire(wire.topic, wire.key, b'["' + cut.submission_id.encode() + b'"]', []),
        last,
    )
    with a_worker(settings):
        eventually(lambda: outcomes(kafka, last) == ["applied"])
        eventually(lambda: outcomes(kafka, cut) == ["dead_lettered"])

    (receipt,) = receipts(kafka)[cut.submission_id]
    assert receipt.org == cut.org
    assert receipts(kafka).keys() == {cut.submission_id, last.submission_id}
    assert [reason for reason, _ in letters(database)] == ["bad_data", *["not_an_event"] * 3]


def test_two_workers_set_every_bad_submission_aside_once(
    kafka: Kafka, database: Aggregation, settings: ServiceSettings
) -> None:
    kafka.write(published(1, a_catalogue()))
    bad = [a_bad_one(org=org) for org in (PEI, XINYI) for _ in range(4)]
    good = [a_submission(a_figure(str(n)), org=org) for n in range(1, 6) for org in (PEI, XINYI)]
    with a_worker(settings), a_worker(settings):
        for number, submission in enumerate(good):
            kafka.write(submission, *bad[number : number + 1])
        eventually(lambda: all(outcomes(kafka, submission) == ["applied"] for submission in good))
        eventually(lambda: all(outcomes(kafka, submission) == ["dead_lettered"] for submission in bad))

    assert letters(database) == [("bad_period", "waiting")] * len(bad)
    assert counts(database.rollup()) == (10, 2, 12)
    database.verify()


def test_a_worker_killed_while_it_sets_aside_does_it_once(
    kafka: Kafka, database: Aggregation, settings: ServiceSettings, operator: Operator
) -> None:
    bad = a_bad_one()
    kafka.write(published(1, a_catalogue()), bad)
    operator.environment["FOURONES_PORT"] = str(free_port())
    with database.engine.begin() as holder:
        holder.execute(
            text("INSERT INTO dead_letter_limit (consumer_group) VALUES (:group)"),
            {"group": settings.topic_prefix + "aggregation"},
        )
        process = operator.start("worker")
        try:
            eventually(lambda: waiting_for_a_lock(database))
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=30)
    assert letters(database) == []

    with a_worker(settings):
        eventually(lambda: outcomes(kafka, bad) == ["dead_lettered"])
    assert letters(database) == [("bad_period", "waiting")]


def test_at_the_limit_the_worker_waits_and_goes_on_when_an_operator_says_so(
    kafka: Kafka, database: Aggregation, settings: ServiceSettings, operator: Operator
) -> None:
    bad, last = [a_bad_one() for _ in range(5)], a_submission(a_figure("2"))
    kafka.write(published(1, a_catalogue()), *bad, last)
    with a_worker(settings, dead_letter_limit=3) as address:
        eventually(lambda: series(address, "fourones_dead_letter_limit_waiting_partitions") == 1)
        assert loopback.get(f"{address}/readyz").status_code == 503
        assert loopback.get(f"{address}/healthz").status_code == 200
        operator.environment["FOURONES_DEAD_LETTER_LIMIT"] = "3"
        assert "aggregation is at its limit, 3 within an hour: records wait since" in operator.does("list")
        assert receipts(kafka).keys().isdisjoint({last.submission_id, bad[3].submission_id})

        told = operator.does("allow", "aggregation", "--reason", "a test of the integrator's")
        assert told == f"{settings.topic_prefix}aggregation may set aside another 3 within an hour\n"
        eventually(lambda: outcomes(kafka, last) == ["applied"])
        eventually(lambda: loopback.get(f"{address}/readyz").is_success)

    assert letters(database) == [("bad_period", "waiting")] * 5
    assert "is at its limit" not in operator.does("list")


# -- resolving ----------------------------------------------------------------------------------------------------


def test_an_operator_repairs_a_submission_and_its_receipt_says_applied(
    kafka: Kafka, database: Aggregation, settings: ServiceSettings, operator: Operator, tmp_path: Path
) -> None:
    bad = a_bad_one()
    kafka.write(published(1, a_catalogue()), bad, a_submission(a_figure("5"), org=XINYI))
    file = tmp_path / "value.json"
    with a_worker(settings):
        eventually(lambda: outcomes(kafka, bad) == ["dead_lettered"])
        (letter,) = operator.listed("--containing", bad.submission_id)
        assert (letter["reason"], letter["state"], letter["key"]) == ("bad_period", "waiting", bad.org)
        number = letter["id"]
        shown = operator.does("show", number)
        assert "/figures/0/period" in shown
        assert '"period": "2026-3"' in shown

        file.write_text(operator.does("show", number, "--value"))
        assert operator.does("repair", number, "--value", file, "--reason", "as it is", ends_with=1).startswith(
            "bad_period"
        )
        file.write_text(file.read_text().replace('"2026-3"', '"2026-03"'))
        told = operator.does("repair", number, "--value", file, "--reason", "the month lacked its zero")
        assert told.splitlines() == [
            '/figures/0/period: "2026-3" becomes "2026-03"',
            f"{number} repaired",
            f"{number} replayed",
        ]
        eventually(lambda: outcomes(kafka, bad) == ["dead_lettered", "applied"])

    assert counts(database.rollup()) == (12, 2, 12)
    database.verify()
    before = everything(database)
    assert operator.does("replay", number) == f"{number} was replayed before\n"
    assert operator.does("discard", number, "--reason", "too late", ends_with=1).startswith(
        f"dead letter {number} was replayed"
    )
    assert everything(database) == before
    (letter,) = operator.listed("--state", "replayed")
    assert (letter["repaired"], letter["note"]) == (True, "the month lacked its zero")
    steps = json.loads(operator.does("show", number, "--json"))["steps"]
    assert [(step["action"], step["by"]) for step in steps] == [("repaired", "lin"), ("replayed", "lin")]
    original = orjson.loads(operator.does("show", number, "--value", "--original"))
    assert original["figures"][0]["period"] == "2026-3"


def test_a_late_replay_does_not_undo_what_came_after_it(
    aggregation: Aggregation, settings: ServiceSettings, operator: Operator
) -> None:
    old = a_submission(a_figure("1"))
    new, elsewhere = a_submission(a_figure("9")), a_submission(a_figure("3"), org=XINYI)
    aggregation.apply(new)
    numbers = was_set_aside(aggregation, settings, old, elsewhere)

    assert operator.does("replay", "--all").splitlines() == [
        *(f"{number} replayed" for number in numbers),
        "2 of 2 applied",
    ]

    told = {receipt.submission_id: receipt for receipt in aggregation.receipts()}
    assert (told[old.submission_id].applied, told[old.submission_id].superseded) == (0, 1)
    assert (told[elsewhere.submission_id].applied, told[elsewhere.submission_id].superseded) == (1, 0)
    assert counts(aggregation.rollup()) == (12, 2, 12)
    assert [row.value for row in aggregation.rows("SELECT value FROM figure_revision")] == [1]
    aggregation.verify()


def test_those_of_one_reason_are_replayed_together_and_what_still_fails_stays(
    aggregation: Aggregation, settings: ServiceSettings, operator: Operator
) -> None:
    good, bad, ahead = a_submission(a_figure("1")), a_bad_one(), a_submission(a_figure("2"), catalogue_version=9)
    first, second, third = was_set_aside(aggregation, settings, good, bad, ahead)

    assert operator.does("replay", "--all", "--reason", "bad_period") == "0 of 0 applied\n"
    told = operator.does("replay", "--all", "--reason", "unexpected_error", "--topic", "figures-submitted", ends_with=1)

    assert f"{first} replayed" in told
    assert f"{second} refused again: bad_period: /figures/0/period" in told
    assert f"{third} must wait" in told
    assert "1 of 3 applied" in told
    assert letters(aggregation) == [
        ("unexpected_error", "replayed"),
        ("bad_period", "waiting"),
        ("unexpected_error", "waiting"),
    ]
    assert [receipt.outcome for receipt in aggregation.receipts()] == ["applied", "dead_lettered"]
    aggregation.verify()


def test_what_is_discarded_keeps_its_row_and_its_receipt(
    aggregation: Aggregation, settings: ServiceSettings, operator: Operator
) -> None:
    (number,) = was_set_aside(aggregation, settings, a_submission(a_figure("1")))

    assert operator.does("discard", number, "--reason", "the county sent it twice") == f"{number} discarded\n"

    assert letters(aggregation) == [("unexpected_error", "discarded")]
    assert aggregation.receipts() == []
    assert operator.listed() == []
    (letter,) = operator.listed("--state", "all")
    assert (letter["note"], letter["resolved_at"] is None) == ("the county sent it twice", False)


def test_a_replay_killed_in_the_middle_leaves_nothing_behind(
    aggregation: Aggregation, settings: ServiceSettings, operator: Operator
) -> None:
    aggregation.apply(a_submission(a_figure("9")))
    (number,) = was_set_aside(aggregation, settings, a_submission(a_figure("1")))
    before = everything(aggregation)
    with aggregation.engine.begin() as holder:
        # The last lock that applying takes before it writes.
        holder.execute(text("SELECT FROM snapshot FOR UPDATE"))
        process = operator.start("deadletters", "replay", number)
        try:
            eventually(lambda: waiting_for_a_lock(aggregation))
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=30)
    eventually(lambda: not waiting_for_a_lock(aggregation))
    assert everything(aggregation) == before

    assert operator.does("replay", number) == f"{number} replayed\n"
    assert letters(aggregation) == [("unexpected_error", "replayed")]
    aggregation.verify()


def test_what_there_is_not_is_told(aggregation: Aggregation, operator: Operator) -> None:
    assert operator.does("show", "7", ends_with=1) == "there is no dead letter 7\n"
    assert operator.does("replay", "7", ends_with=1) == "there is no dead letter 7\n"
    assert "reads no topic rollups-changed" in operator.does("list", "--topic", "rollups-changed", ends_with=1)
    assert "has no consumer group alerting" in operator.does("allow", "alerting", "--reason", "x", ends_with=1)


def test_dead_letters_of_the_release_before_are_kept_with_their_group(database_url: str) -> None:
    command.upgrade(alembic_config("fourones_aggregation", database_url), "0001")
    engine = worker_engine(database_url, name="test", pool_size=1)
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO consumer_position VALUES ('aggregation', 'figures-submitted', 3, 42, 'c', 't')")
        )
        insert = (
            "INSERT INTO dead_letter (topic, partition, record_offset, headers, reason, detail, recorded_at)"
            " VALUES ('figures-submitted', 3, 41, '{}', 'bad_data', 'words', now())"
        )
        connection.execute(text(insert))
    migrate("fourones_aggregation", database_url)
    with engine.begin() as connection:
        # A worker of that release goes on while this one is rolled out.
        connection.execute(text(insert))
        rows = connection.execute(text("SELECT consumer_group, state FROM dead_letter ORDER BY dead_letter_id")).all()
    engine.dispose()
    assert [tuple(row) for row in rows] == [("aggregation", "waiting"), ("", "waiting")]


def metrics(address: str) -> str:
    return loopback.get(f"{address}/metrics").text


def series(address: str, name: str) -> float:
    return sum(float(line.rsplit(" ", 1)[1]) for line in metrics(address).splitlines() if line.startswith(f"{name}{{"))


def waiting_for_a_lock(database: Aggregation) -> bool:
    asked = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    return bool(database.rows(asked))
