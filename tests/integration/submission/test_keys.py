import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from integration.aggregation.serving import serving
from integration.submission.service import Service, a_body, a_service, another, running, settings, with_catalogue
from support.stack import NewDatabase
from support.waiting import eventually
from typer.testing import CliRunner
from unit.submission.builders import COUNTY

from fourones_aggregation import bootstrap as aggregation
from fourones_shared.access.keys import hash_key
from fourones_shared.database.migrate import migrate
from fourones_shared.events.envelope import data_of, unwrap
from fourones_shared.events.model import AccessGranted
from fourones_shared.kafka.topics import ensure_topics
from fourones_shared.settings import ServiceSettings
from fourones_shared.topics import all_topics
from fourones_submission import bootstrap
from fourones_submission.__main__ import app


@pytest.fixture
def service(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setenv("FOURONES_DATABASE_URL", database_url)
    with a_service(database_url) as running:
        yield with_catalogue(running)


@pytest.fixture
def second(service: Service) -> Iterator[Service]:
    """Another instance of the API on the same database."""
    with another(service) as instance:
        yield instance


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["keys", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def records_told(service: Service, key_id: str) -> list[AccessGranted]:
    rows = service.rows("SELECT * FROM outbox WHERE topic = 'access-granted' ORDER BY outbox_id")
    told = [
        data_of(unwrap(bytes(r.value), [(k, v.encode()) for k, v in r.headers.items()]), AccessGranted) for r in rows
    ]
    return [record for record in told if record.key_id == key_id]


def issued(*arguments: str) -> dict[str, Any]:
    return dict(json.loads(run("issue", *arguments, "--json")))


def test_a_key_is_printed_once_and_only_its_hash_is_kept(service: Service):
    key = issued("--role", "reporter", "--org", COUNTY, "--indicators", "cluster-scale", "--expires", "30")
    assert set(key) == {"key_id", "key"}
    (row,) = service.rows("SELECT * FROM access_key WHERE key_id = :id", id=key["key_id"])
    assert row.key_hash == hash_key(key["key"])
    secret = key["key"].rpartition("_")[2]
    for table in ("access_key", "outbox"):
        assert not service.rows(f"SELECT 1 FROM {table} t WHERE t::text LIKE '%' || :secret || '%'", secret=secret)  # noqa: S608
    (record,) = records_told(service, key["key_id"])
    assert (record.org, record.indicators, record.key_hash) == (COUNTY, ("cluster-scale",), row.key_hash)
    assert record.expires_at is not None


def statuses(key: str, *instances: Service) -> set[int]:
    return {instance.get("/v1/submissions", key=key).status_code for instance in instances}


def listed(key_id: str) -> dict[str, Any]:
    (record,) = (record for record in json.loads(run("list", "--json")) if record["key_id"] == key_id)
    return dict(record)


def test_a_revoked_key_is_refused_by_every_instance_within_a_second(service: Service, second: Service):
    key = issued("--role", "reporter", "--org", COUNTY)
    eventually(lambda: statuses(key["key"], service, second) == {200})
    run("revoke", key["key_id"])
    revoked = time.monotonic()
    eventually(lambda: statuses(key["key"], service, second) == {401}, within_s=10)
    assert time.monotonic() - revoked < 1
    assert service.post(a_body(period="2025-12"), key=key["key"]).status_code == 401
    first, last = records_told(service, key["key_id"])
    assert (first.revoked_at, first.version, last.version) == (None, 1, 2)
    assert last.revoked_at is not None


def test_a_rotated_key_and_its_successor_are_both_valid_until_the_overlap_ends(service: Service, second: Service):
    scope = ("--indicators", "cluster-scale", "--clusters", "construction-machinery", "--label", "邳州市统计系统")
    old = issued("--role", "reporter", "--org", COUNTY, *scope, "--expires", "90")
    rotated = json.loads(run("rotate", old["key_id"], "--overlap", "2", "--json"))
    assert rotated["replaces"] == old["key_id"]
    eventually(lambda: statuses(rotated["key"], service, second) == {200})
    assert statuses(old["key"], service, second) == {200}

    before, after = listed(old["key_id"]), listed(rotated["key_id"])
    grant = ("role", "org", "indicators", "clusters", "label")
    assert [before[name] for name in grant] == [after[name] for name in grant]
    left = datetime.fromisoformat(before["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=1) < left <= timedelta(hours=2)
    # As long as the one before was issued for.
    assert datetime.fromisoformat(after["expires_at"]) - datetime.fromisoformat(after["issued_at"]) == timedelta(90)

    # Without an overlap the old one ends at once.
    last = json.loads(run("rotate", rotated["key_id"], "--overlap", "0", "--expires", "7", "--json"))
    eventually(lambda: statuses(rotated["key"], service, second) == {401})
    eventually(lambda: statuses(last["key"], service, second) == {200})
    assert listed(rotated["key_id"])["state"] == "expired"
    assert [one.version for one in records_told(service, rotated["key_id"])] == [1, 2]


def test_a_key_that_expires_is_refused_and_stays_so(service: Service, second: Service):
    key = issued("--role", "viewer")
    eventually(lambda: statuses(key["key"], service, second) == {200})
    run("expire", key["key_id"], "--at", "2099-06-30")
    assert listed(key["key_id"]) | {"state": "expires", "expires_at": "2099-06-30T16:00:00Z"} == listed(key["key_id"])
    run("expire", key["key_id"], "--at", datetime.now(UTC).isoformat())
    eventually(lambda: statuses(key["key"], service, second) == {401})
    for command in (("expire", key["key_id"], "--at", "2099-06-30"), ("rotate", key["key_id"])):
        result = CliRunner().invoke(app, ["keys", *command])
        assert result.exit_code == 1
        assert "has expired" in result.stderr
        assert "keys issue" in result.stderr
    assert statuses(key["key"], service, second) == {401}


@pytest.mark.parametrize("at", ["tomorrow", "2099-06-30T12:00:00", "2099-02-30"])
def test_a_key_expires_at_a_moment_that_is_one(service: Service, at: str):
    key = issued("--role", "viewer")
    assert CliRunner().invoke(app, ["keys", "expire", key["key_id"], "--at", at]).exit_code == 2
    assert listed(key["key_id"])["state"] == "active"


def test_every_service_knows_of_keys_and_their_end_by_its_own_copy(
    service: Service, new_database: NewDatabase, kafka_bootstrap: str, topic_prefix: str
):
    ensure_topics(kafka_bootstrap, all_topics().values(), prefix=topic_prefix)
    broker: dict[str, Any] = {"kafka_bootstrap": kafka_bootstrap, "topic_prefix": topic_prefix}
    with new_database() as url:
        migrate("fourones_aggregation", url)
        configured = ServiceSettings(database_url=url, **broker)
        with (
            running(bootstrap.worker(settings(service.database_url, **broker))),
            serving(aggregation.worker(configured)),
            serving(aggregation.api(configured)) as address,
        ):
            elsewhere = Service.__new__(Service)
            elsewhere.url = address

            def status(key: str) -> int:
                return elsewhere.request("GET", "/v1/rollups", key=key).status_code

            old = issued("--role", "viewer")
            eventually(lambda: status(old["key"]) == 200)
            new = json.loads(run("rotate", old["key_id"], "--json"))
            eventually(lambda: status(new["key"]) == 200)
            assert status(old["key"]) == 200
            run("expire", old["key_id"], "--at", datetime.now(UTC).isoformat())
            run("revoke", new["key_id"])
            eventually(lambda: (status(old["key"]), status(new["key"])) == (401, 401))


def test_revoking_twice_changes_nothing(service: Service):
    key = issued("--role", "viewer")
    assert run("revoke", key["key_id"]) == run("revoke", key["key_id"])
    assert len(records_told(service, key["key_id"])) == 2


@pytest.mark.parametrize("command", [("revoke",), ("rotate",), ("expire", "--at", "2099-06-30")])
def test_an_unknown_key_cannot_be_ended_or_replaced(service: Service, command: tuple[str, ...]):
    result = CliRunner().invoke(app, ["keys", *command, "nothing"])
    assert result.exit_code == 1
    assert "nothing" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--role", "reporter"),
        ("--role", "viewer", "--org", COUNTY),
        ("--role", "reporter", "--org", "nobody"),
        ("--role", "reporter", "--org", COUNTY, "--indicators", "nothing"),
        ("--role", "reporter", "--org", COUNTY, "--clusters", "nothing"),
        ("--role", "reporter", "--org", COUNTY, "--expires", "0"),
    ],
)
def test_a_key_that_could_never_be_used_is_not_issued(service: Service, arguments: tuple[str, ...]):
    before = service.count("access_key")
    assert CliRunner().invoke(app, ["keys", "issue", *arguments]).exit_code == 2
    assert service.count("access_key") == before


def test_the_demonstration_has_a_key_per_role_and_organisation(service: Service):
    keys = json.loads(run("demo", "--json"))
    assert set(keys) == {"admin", "coordinator", "viewer", "320382", "320381", "320399", "gxj", "kjj"}
    eventually(lambda: service.get("/v1/submissions", key=keys["gxj"]).status_code == 200)
    listed = json.loads(run("list", "--json"))
    roles = {record["org"]: record["role"] for record in listed if record["label"] == "demo" and record["org"]}
    assert (roles["320382"], roles["gxj"]) == ("reporter", "department")


def test_the_list_shows_records_with_their_state_and_no_secret(service: Service):
    key = issued("--role", "reporter", "--org", COUNTY, "--label", "邳州市统计系统", "--clusters", "digital-economy")
    for state, command in (
        ("active", ()),
        ("expires", ("expire", key["key_id"], "--at", "2099-06-30")),
        ("expired", ("expire", key["key_id"], "--at", "2020-06-30T12:00:00+08:00")),
        ("revoked", ("revoke", key["key_id"])),
    ):
        if command:
            run(*command)
        text = run("list")
        header, *lines = text.splitlines()
        (line,) = (line for line in lines if key["key_id"] in line)
        assert line[header.index("state") :].split()[0] == state
        assert line[header.index("scope") :].split() == ["digital-economy", "邳州市统计系统"]
        assert listed(key["key_id"])["state"] == state
        assert key["key"] not in text
        assert hash_key(key["key"]) not in text + run("list", "--json")
