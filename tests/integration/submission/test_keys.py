import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from integration.submission.service import Service, a_body, a_service, with_catalogue
from support.waiting import eventually
from typer.testing import CliRunner
from unit.submission.builders import COUNTY

from fourones_shared.access.keys import hash_key
from fourones_shared.events.envelope import data_of, unwrap
from fourones_shared.events.model import AccessGranted
from fourones_submission.__main__ import app


@pytest.fixture
def service(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setenv("FOURONES_DATABASE_URL", database_url)
    with a_service(database_url) as running:
        yield with_catalogue(running)


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


def test_a_revoked_key_is_refused_within_a_second(service: Service):
    key = issued("--role", "reporter", "--org", COUNTY)
    eventually(lambda: service.post(a_body(period="2025-12"), key=key["key"]).status_code == 202)
    run("revoke", key["key_id"])
    revoked = time.monotonic()
    eventually(lambda: service.post(a_body(period="2025-12"), key=key["key"]).status_code == 401, within_s=10)
    assert time.monotonic() - revoked < 1
    first, second = records_told(service, key["key_id"])
    assert (first.revoked_at, first.version, second.version) == (None, 1, 2)
    assert second.revoked_at is not None


def test_revoking_twice_changes_nothing(service: Service):
    key = issued("--role", "viewer")
    assert run("revoke", key["key_id"]) == run("revoke", key["key_id"])
    assert len(records_told(service, key["key_id"])) == 2


def test_an_unknown_key_cannot_be_revoked(service: Service):
    result = CliRunner().invoke(app, ["keys", "revoke", "nothing"])
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


def test_the_list_shows_records_and_no_secret(service: Service):
    key = issued("--role", "reporter", "--org", COUNTY, "--label", "邳州市统计系统")
    text = run("list")
    assert key["key_id"] in text
    assert "邳州市统计系统" in text
    assert key["key"] not in text
    assert hash_key(key["key"]) not in text + run("list", "--json")
