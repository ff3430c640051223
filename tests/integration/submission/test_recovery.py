"""A database restored from an older backup: what came since is found again, and nothing new loses against it."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from integration.submission.service import Service, a_body, a_service, running, settings, with_catalogue
from psycopg import sql
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from support.records import read_committed, write
from support.stack import NewDatabase
from support.waiting import eventually
from unit.submission.builders import COUNTY, DEFAULT_INDICATORS, NOW, OTHER_COUNTY, a_catalogue, an_indicator

from fourones_local import loopback
from fourones_local.postgres import PostgresServer
from fourones_local.process import ServerProcess
from fourones_shared.catalogue.model import Catalogue
from fourones_shared.domain.clock import FixedClock
from fourones_shared.events.envelope import data_of, unwrap, wrap
from fourones_shared.events.model import AccessGranted, CataloguePublished, FiguresApplied, FiguresSubmitted, Role
from fourones_shared.kafka.topics import ensure_topics
from fourones_shared.topics import all_topics
from fourones_submission import bootstrap
from fourones_submission.storage.keys import Grant
from fourones_submission.storage.numbering import RAISED_BY
from fourones_submission.storage.recovery import MEDIA_TYPE

SMALLER, STRICTER = a_catalogue(*DEFAULT_INDICATORS[:2]), a_catalogue(an_indicator(maximum="5000"))


@dataclass
class Installation:
    """The service on a database that backups are made of, and restored from, and on topics that stay."""

    url: str
    server: PostgresServer
    bootstrap: str
    prefix: str

    def configured(self) -> Any:
        return settings(self.url, kafka_bootstrap=self.bootstrap, topic_prefix=self.prefix)

    @contextmanager
    def api(self) -> Iterator[Service]:
        with a_service(self.url, clock=FixedClock(NOW)) as service:
            yield service

    @contextmanager
    def worker(self) -> Iterator[str]:
        """Until everything is published."""
        with running(bootstrap.worker(self.configured())) as url:
            yield url
            eventually(lambda: self.waiting() == 0)

    def publish(self) -> None:
        with self.worker():
            pass

    def waiting(self) -> int:
        return int(self.rows("SELECT count(*) FROM outbox WHERE set_aside IS NULL")[0][0])

    def rows(self, query: str, **values: Any) -> list[Any]:
        engine = create_engine(self.url)
        try:
            with engine.begin() as connection:
                return list(connection.execute(text(query), values))
        finally:
            engine.dispose()

    def copy(self, of: str, to: str) -> None:
        with self.server.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(to)))
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER tests").format(sql.Identifier(to), sql.Identifier(of))
            )

    @property
    def name(self) -> str:
        return str(make_url(self.url).database)

    def back_up(self) -> None:
        self.copy(self.name, f"{self.name}_backup")

    def restore(self) -> None:
        self.copy(f"{self.name}_backup", self.name)

    def submissions(self) -> list[FiguresSubmitted]:
        """As their topic has them, in the order of each organisation."""
        records = read_committed(self.bootstrap, self.prefix, FiguresSubmitted.TOPIC).records
        return [data_of(unwrap(record.value, record.headers), FiguresSubmitted) for record in records]

    def keys(self, key_id: str) -> list[AccessGranted]:
        records = read_committed(self.bootstrap, self.prefix, AccessGranted.TOPIC).records
        told = [data_of(unwrap(record.value, record.headers), AccessGranted) for record in records]
        return [one for one in told if one.key_id == key_id]

    def catalogues(self) -> dict[int, Catalogue]:
        """What everybody else makes of the topic: the first content of each version."""
        records = read_committed(self.bootstrap, self.prefix, CataloguePublished.TOPIC).records
        told = [data_of(unwrap(record.value, record.headers), CataloguePublished) for record in records]
        return {one.version: Catalogue.model_validate(one.catalogue) for one in reversed(told)}

    def command(self, *arguments: str) -> str:
        environment = {
            "FOURONES_DATABASE_URL": self.url,
            "FOURONES_KAFKA_BOOTSTRAP": self.bootstrap,
            "FOURONES_TOPIC_PREFIX": self.prefix,
        }
        done = subprocess.run(
            [sys.executable, "-m", "fourones_submission", *arguments],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def recover(self) -> dict[str, int]:
        return dict(json.loads(self.command("recover").splitlines()[-1]))


@pytest.fixture
def installation(
    new_database: NewDatabase,
    postgres_server: ServerProcess[PostgresServer],
    kafka_bootstrap: str,
    topic_prefix: str,
) -> Iterator[Installation]:
    ensure_topics(kafka_bootstrap, all_topics().values(), prefix=topic_prefix)
    with new_database() as url:
        made = Installation(url, postgres_server.server, kafka_bootstrap, topic_prefix)
        yield made
        with made.server.connect() as connection:
            backup = sql.Identifier(f"{made.name}_backup")
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(backup))


def post(service: Service, *values: str, **changes: Any) -> list[str]:
    """Revisions of one figure, or of another that is told; the ids of the submissions."""
    ids = []
    for value in values:
        answer = service.post(a_body(value=value, **changes))
        assert answer.status_code == 202, answer.text
        ids.append(str(answer.json()["submission_id"]))
    return ids


def standing(service: Service, org: str = COUNTY) -> dict[tuple[str, str, str], tuple[str | None, int]]:
    """An organisation's current figures as the service knows them: value and sequence."""
    query = "SELECT indicator, period, figures FROM figure_current WHERE figures <> '{}' AND org = :org"
    rows = service.rows(query, org=org)
    return {
        (row.indicator, row.period, cluster): (value, sequence)
        for row in rows
        for cluster, (value, _, sequence) in row.figures.items()
    }


def winners(submissions: Sequence[FiguresSubmitted]) -> dict[tuple[str, str, str], tuple[str | None, int]]:
    """What everybody else makes of the topic: of each figure the value with the highest sequence."""
    figures: dict[tuple[str, str, str], tuple[str | None, int]] = {}
    for submission in sorted(submissions, key=lambda one: one.sequence):
        for figure in submission.figures:
            key = (figure.indicator, figure.period, figure.cluster)
            figures[key] = (str(figure.value), submission.sequence)
            if figure.withdrawn:
                del figures[key]
    return figures


def test_a_correction_after_a_restore_wins_over_what_the_backup_did_not_have(installation: Installation):
    with installation.api() as service:
        with_catalogue(service)
        post(service, "1", "2")
        installation.publish()
    installation.back_up()
    with installation.api() as service:
        lost = post(service, "3", "4", "5", "6")
        installation.publish()
    installation.restore()
    with installation.api() as service:
        # Accepted before the worker is back, with numbers that the topic has seen; both in the order of acceptance.
        corrections = post(service, "7", "8")
        numbers = {str(row.submission_id): row.sequence for row in service.rows("SELECT * FROM submission")}
        highest = max(one.sequence for one in installation.submissions())
        assert all(numbers[one] <= highest for one in corrections)
        with installation.worker() as url:
            eventually(lambda: "fourones_submissions_unknown 4.0" in metrics(url))
            later = post(service, "9")
    told = installation.submissions()
    numbered = {one.submission_id: one.sequence for one in told}
    assert len(set(numbered.values())) == len(told) == 9
    assert [numbered[one] > highest + RAISED_BY for one in (*lost, *corrections, *later)] == [False] * 4 + [True] * 3
    assert [one.submission_id for one in sorted(told, key=lambda one: one.sequence)][-3:] == [*corrections, *later]
    [(value, _)] = winners(told).values()
    assert value == "9"


def test_the_receipts_and_figures_have_the_new_numbers_too(installation: Installation):
    with installation.api() as service:
        with_catalogue(service)
        post(service, "1")
        installation.publish()
    installation.back_up()
    with installation.api() as service:
        post(service, "2", "3")
        installation.publish()
    installation.restore()
    with installation.api() as service:
        (correction,) = post(service, "4")
        (other,) = post(service, "5", period="2026-01")
        installation.publish()
        receipts = {one["submission_id"]: one for one in service.get("/v1/submissions").json()["items"]}
        told = {one.submission_id: one.sequence for one in installation.submissions()}
        assert {one: receipts[one]["sequence"] for one in (correction, other)} == {
            one: told[one] for one in (correction, other)
        }
        assert standing(service) == winners(installation.submissions())


def test_counties_that_report_on_while_the_sequence_is_raised_keep_their_order(installation: Installation):
    with installation.api() as service:
        with_catalogue(service)
        installation.publish()
    installation.back_up()
    with installation.api() as service:
        lost = post(service, *map(str, range(60)))
        installation.publish()
    installation.restore()
    enough = threading.Event()
    with installation.api() as service:
        keys = {COUNTY: service.county, OTHER_COUNTY: service.issue(Role.REPORTER, OTHER_COUNTY)}

        def report(org: str) -> list[str]:
            accepted: list[str] = []
            while not enough.is_set():
                answer = service.post(a_body(value=str(len(accepted))), org=org, key=keys[org])
                if answer.status_code == 202:
                    accepted.append(answer.json()["submission_id"])
                else:
                    assert answer.status_code == 503, answer.text
            return accepted

        with ThreadPoolExecutor(2) as pool:
            reports = [pool.submit(report, org) for org in keys]
            eventually(lambda: service.count("submission") > 10)
            with installation.worker() as url:
                eventually(lambda: "fourones_submissions_unknown 60.0" in metrics(url))
                before = service.count("submission")
                eventually(lambda: service.count("submission") > before + 10)
                enough.set()
                accepted = {org: one.result(60) for org, one in zip(keys, reports, strict=True)}
        told = installation.submissions()
        assert len({one.sequence for one in told}) == len(told)
        highest_lost = max(one.sequence for one in told if one.submission_id in lost)
        for org, ids in accepted.items():
            own = sorted((one for one in told if one.org == org), key=lambda one: one.sequence)
            assert [one.submission_id for one in own][-len(ids) :] == ids
            # Also in the order of the topic, and above all that was lost.
            assert [one.submission_id for one in told if one.org == org][-len(ids) :] == ids
            assert own[-len(ids)].sequence > highest_lost
            assert standing(service, org) == winners([one for one in told if one.org == org])


def test_what_waited_when_the_backup_was_made_and_was_published_later_is_not_raised_above_its_corrections(
    installation: Installation,
):
    with installation.api() as service:
        with_catalogue(service)
        waiting = post(service, "1", "2")
    installation.back_up()
    with installation.api() as service:
        installation.publish()
        corrections = post(service, "3")
        installation.publish()
    installation.restore()
    with installation.api() as service:
        assert service.count("outbox WHERE topic = 'figures-submitted'") == 2
        later = post(service, "4", period="2026-01")
        installation.publish()
        receipt = service.get(f"/v1/submissions/{waiting[0]}").json()
        assert receipt["status"] == "published"
    told = installation.submissions()
    assert [one.submission_id for one in told] == [*waiting, *corrections, *later]
    assert winners(told)["cluster-scale", "2026-02", "construction-machinery"][0] == "3"


def test_an_ordinary_start_changes_no_number(installation: Installation):
    with installation.api() as service:
        with_catalogue(service)
        post(service, "1", "2")
        installation.publish()
        post(service, "3")
        installation.publish()
        post(service, "4")
        before = service.rows("SELECT submission_id, sequence FROM submission ORDER BY sequence")
        with installation.worker() as url:
            eventually(lambda: installation.waiting() == 0)
            assert "fourones_submissions_unknown 0.0" in metrics(url)
        assert service.rows("SELECT submission_id, sequence FROM submission ORDER BY sequence") == before
    assert [one.sequence for one in installation.submissions()] == [row.sequence for row in before]


def test_what_kafka_took_before_a_crash_is_not_sent_again(installation: Installation):
    with installation.api() as service:
        with_catalogue(service)
        sent = post(service, "1", "2")
        # As a relay leaves it that dies between Kafka's commit and its own: rows that are sent, and know nothing of it.
        kept = service.rows("SELECT * FROM outbox WHERE topic = 'figures-submitted'")
        installation.publish()
        for row in kept:
            values = row._asdict() | {"headers": json.dumps(row.headers)}
            installation.rows(
                "INSERT INTO outbox (topic, key, value, headers, reference, created_at) VALUES"
                " (:topic, :key, :value, CAST(:headers AS jsonb), :reference, :created_at) RETURNING 1",
                **values,
            )
        installation.rows("UPDATE submission SET published_at = NULL RETURNING 1")
        later = post(service, "3")
        installation.publish()
        assert {one["status"] for one in service.get("/v1/submissions").json()["items"]} == {"published"}
    assert [one.submission_id for one in installation.submissions()] == [*sent, *later]


def test_recover_puts_back_receipts_figures_and_outcomes(installation: Installation):
    with installation.api() as service:
        with_catalogue(service)
        post(service, "1")
        post(service, "10", period="2026-01")
        post(service, "20", period="2025-12")
        installation.publish()
    installation.back_up()
    with installation.api() as service:
        body = {
            "org": COUNTY,
            "prepared_by": "张三",
            "figures": [a_body(value="2"), a_body(period="2025-11", value="7")],
        }
        lost = service.request("POST", "/v1/submissions", key=service.county, json=body).json()
        service.post(a_body(period="2026-01", value=None, withdraw=True))
        (corrected,) = post(service, "30", period="2025-11")
        lost_receipt = service.get(f"/v1/submissions/{lost['submission_id']}").json()
        installation.publish()
    write(installation.bootstrap, installation.prefix, [applied(lost["submission_id"], lost["sequence"])])
    installation.restore()
    with installation.api() as service:
        # Since the restore one figure is corrected and one that the backup had is withdrawn; one waits in the outbox.
        post(service, "3")
        assert service.post(a_body(period="2025-12", value=None, withdraw=True)).status_code == 202
        assert service.get(f"/v1/submissions/{lost['submission_id']}").status_code == 404
        assert installation.recover() == {"receipts": 3, "figures": 3, "outcomes": 1}
        receipt = service.get(f"/v1/submissions/{lost['submission_id']}").json()
        same = {"org", "reported_by", "key_id", "prepared_by", "approved_by", "figures", "sequence", "received_at"}
        assert {name: receipt[name] for name in same} == {name: lost_receipt[name] for name in same}
        assert (receipt["status"], receipt["applied"], receipt["media_type"]) == ("applied", 2, MEDIA_TYPE)
        content = service.get(f"/v1/submissions/{lost['submission_id']}/content")
        assert FiguresSubmitted.model_validate_json(content.content).figures[1].period == "2025-11"
        assert service.get(f"/v1/submissions/{corrected}").json()["status"] == "published"
        with installation.worker():
            # Beside the worker, and a second time: nothing is missing any more.
            assert installation.recover() == {"receipts": 0, "figures": 0, "outcomes": 0}
        assert standing(service) == winners(installation.submissions())
        assert {key[1]: value for key, (value, _) in standing(service).items()} == {"2026-02": "3", "2025-11": "30"}
        # And what is accepted from here on goes on as ever.
        post(service, "31", period="2025-11")
        installation.publish()
        assert standing(service) == winners(installation.submissions())


def test_recover_fills_an_empty_database(installation: Installation):
    with installation.api() as service:
        with_catalogue(service)
        county = service.county
        sent = post(service, *(str(n) for n in range(1, 80)))
        other = service.issue(Role.REPORTER, OTHER_COUNTY)
        assert service.post(a_body(), org=OTHER_COUNTY, key=other).status_code == 202
        before = standing(service)
        installation.publish()
    with installation.server.connect() as connection:
        name = sql.Identifier(installation.name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER tests").format(name))
    with installation.api() as service:
        assert installation.recover() == {"receipts": 80, "figures": 80, "outcomes": 0}
        # The keys and the catalogue, too: the county reports on as if nothing had been.
        eventually(lambda: service.post(a_body(value="100"), key=county).status_code == 202)
        assert standing(service).keys() == before.keys()
        listed = service.get("/v1/submissions", params={"org": COUNTY, "limit": "1000"}).json()["items"]
        assert [one["submission_id"] for one in listed][:0:-1] == sent
        installation.publish()
    assert winners(installation.submissions())["cluster-scale", "2026-02", "construction-machinery"][0] == "100"


def test_keys_of_the_lost_time_are_known_again_and_the_revoked_ones_dead_again(installation: Installation):
    with installation.api() as service:
        with_catalogue(service)
        stolen = service.issue(Role.REPORTER, COUNTY)
        installation.publish()
    installation.back_up()
    with installation.api() as service:
        new = service.issue(Role.REPORTER, COUNTY)
        installation.command("keys", "revoke", stolen.split("_")[1])
        installation.publish()
    installation.restore()
    with installation.api() as service:
        eventually(lambda: service.get("/v1/submissions", key=stolen).status_code == 200)
        assert service.get("/v1/submissions", key=new).status_code == 401
        with installation.worker():
            eventually(lambda: service.get("/v1/submissions", key=stolen).status_code == 401)
            eventually(lambda: service.get("/v1/submissions", key=new).status_code == 200)


def test_a_key_revoked_after_a_restore_is_dead_for_everybody_whatever_its_record_was_meanwhile(
    installation: Installation,
):
    with installation.api() as service:
        with_catalogue(service)
        key_id = service.issue(Role.REPORTER, COUNTY).split("_")[1]
        installation.publish()
    installation.back_up()
    installation.command("keys", "expire", key_id, "--at", "2099-06-30")
    installation.publish()
    installation.restore()
    # The same version as the one that everybody has seen already: they would drop it.
    installation.command("keys", "revoke", key_id)
    installation.publish()
    told = installation.keys(key_id)
    assert [one.version for one in told] == [1, 2, 3]
    assert [one.revoked_at is not None for one in told] == [False, False, True]
    assert installation.rows("SELECT version, revoked_at FROM access_key WHERE key_id = :id", id=key_id) == [
        (3, told[-1].revoked_at)
    ]


def test_a_revocation_of_the_lost_time_outlives_a_decision_that_knew_nothing_of_it(installation: Installation):
    with bootstrap_operations(installation) as operations:
        key_id = operations.keys.issue(Grant(Role.REPORTER, COUNTY)).key_id
    installation.publish()
    installation.back_up()
    installation.command("keys", "revoke", key_id)
    installation.publish()
    installation.restore()
    installation.command("keys", "expire", key_id, "--at", "2099-06-30")
    installation.publish()
    told = installation.keys(key_id)
    assert [(one.version, one.revoked_at is not None) for one in told] == [(1, False), (2, True), (3, True)]
    assert told[-1].expires_at == datetime(2099, 6, 30, 16, tzinfo=UTC)


def test_a_record_that_waited_when_the_backup_was_made_does_not_undo_a_later_one(installation: Installation):
    with bootstrap_operations(installation) as operations:
        key_id = operations.keys.issue(Grant(Role.REPORTER, COUNTY)).key_id
        operations.keys.expire(key_id, datetime.now(UTC) + timedelta(days=1))
    installation.back_up()
    installation.publish()
    installation.command("keys", "revoke", key_id)
    installation.publish()
    installation.restore()
    installation.publish()
    newest = max(installation.keys(key_id), key=lambda one: one.version)
    assert (newest.version, newest.revoked_at is not None) == (3, True)
    assert installation.rows("SELECT version FROM access_key WHERE key_id = :id", id=key_id) == [(3,)]


def test_a_catalogue_of_the_lost_time_is_in_force_again(installation: Installation):
    with installation.api() as service:
        with_catalogue(service)
        installation.publish()
    installation.back_up()
    with installation.api() as service:
        assert service.put_catalogue(SMALLER, If_Match='"1"').status_code == 201
        installation.publish()
    installation.restore()
    with installation.api() as service, installation.worker():
        eventually(lambda: service.get("/v1/catalogue").headers.get("ETag") == '"2"')
        assert Catalogue.model_validate(service.get("/v1/catalogue").json()) == SMALLER
        assert service.put_catalogue(STRICTER, If_Match='"2"').json() == {"version": 3, "changed": True}
    assert installation.catalogues() == {1: a_catalogue(), 2: SMALLER, 3: STRICTER}


def test_a_catalogue_put_in_force_after_a_restore_stays_so_under_a_number_of_its_own(installation: Installation):
    with installation.api() as service:
        with_catalogue(service)
        installation.publish()
    installation.back_up()
    with installation.api() as service:
        assert service.put_catalogue(SMALLER, If_Match='"1"').status_code == 201
        installation.publish()
    installation.restore()
    with installation.api() as service:
        before = post(service, "1")
        assert service.put_catalogue(STRICTER, If_Match='"1"').json() == {"version": 2, "changed": True}
        since = post(service, "2")
        with installation.worker():
            eventually(lambda: service.get("/v1/catalogue").headers["ETag"] == '"3"')
            assert Catalogue.model_validate(service.get("/v1/catalogue").json()) == STRICTER
        versions = {one: service.get(f"/v1/submissions/{one}").json()["catalogue_version"] for one in before + since}
    assert installation.catalogues() == {1: a_catalogue(), 2: SMALLER, 3: STRICTER}
    told = {one.submission_id: one.catalogue_version for one in installation.submissions()}
    assert told == versions == dict(zip(before + since, (1, 3), strict=True))


def test_without_a_broker_recover_says_so_and_may_be_run_again(installation: Installation):
    with installation.api() as service:
        with_catalogue(service)
    environment = {"FOURONES_DATABASE_URL": installation.url, "FOURONES_KAFKA_BOOTSTRAP": "127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, "-m", "fourones_submission", "recover"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "run it again" in done.stdout


def bootstrap_operations(installation: Installation) -> Any:
    installation.command("migrate")
    return bootstrap.operations(settings(installation.url))


def applied(submission_id: str, sequence: int) -> Any:
    data = FiguresApplied(
        submission_id=submission_id, org=COUNTY, sequence=sequence, applied_at=NOW, applied=2, superseded=0, excluded=0
    )
    return wrap(data, event_id=f"applied:{submission_id}", source="/fourones/aggregation", time=NOW)


def metrics(url: str) -> str:
    return str(loopback.get(f"{url}/metrics").text)
