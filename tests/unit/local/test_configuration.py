import configparser
import os
import shlex
from pathlib import Path

import pytest
import yaml

from fourones_local import monitoring
from fourones_local.accounts import reachable
from fourones_local.commands import shown
from fourones_local.files import tail, write_private_json
from fourones_local.kafka import KafkaNode, new_cluster_id
from fourones_local.layout import Repository, State
from fourones_local.ports import DEFAULT_PORTS
from fourones_local.seed import catalogue_fingerprint
from fourones_local.services import SERVICES, environment, program_names, service_program
from fourones_local.supervisor import Program, render


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path)


def a_program(**changes: object) -> Program:
    return Program(**{"name": "submission-worker", "command": ["worker"], **changes})  # type: ignore[arg-type]


def test_no_cluster_id_looks_like_an_option_of_a_command() -> None:
    ids = {new_cluster_id() for _ in range(2_000)}

    assert len(ids) == 2_000
    assert not [cluster_id for cluster_id in ids if cluster_id.startswith("-") or len(cluster_id) != 22]


def test_the_broker_listens_on_the_loopback_only_and_keeps_one_copy(tmp_path: Path) -> None:
    properties = _properties(KafkaNode(tmp_path, tmp_path, 19092, 19093).server_properties())

    assert properties["listeners"] == "PLAINTEXT://127.0.0.1:19092,CONTROLLER://127.0.0.1:19093"
    assert properties["advertised.listeners"] == "PLAINTEXT://127.0.0.1:19092"
    assert properties["auto.create.topics.enable"] == "false"
    assert properties["message.max.bytes"] == properties["replica.fetch.max.bytes"] == str(8 * 1024 * 1024)
    copies = [
        value for name, value in properties.items() if name.endswith((".replication.factor", ".isr", ".replicas"))
    ]
    assert set(copies) == {"1"}


def test_every_process_of_the_services_is_supervised_and_comes_back(state: State) -> None:
    names = program_names(SERVICES)
    configuration = _parse(render([service_program(name, {}) for name in names], state))

    for name in names:
        section = configuration[f"program:{name}"]
        service, kind = name.split("-")
        assert shlex.split(section["command"])[-2:] == [Repository.command(f"fourones-{service}"), kind]
        assert section["autorestart"] == "true"
        assert section["stopsignal"] == "TERM"
        assert section["stopasgroup"] == section["killasgroup"] == "true"


def test_a_minute_of_crashes_does_not_end_a_program_for_good(state: State) -> None:
    section = _parse(render([a_program()], state))["program:submission-worker"]

    # supervisord waits 1 s, 2 s, 3 s … between its attempts.
    attempts = int(section["startretries"])
    assert sum(range(1, attempts + 1)) > 60


def test_the_supervisor_is_spoken_to_by_its_owner_only(state: State) -> None:
    configuration = _parse(render([], state))

    assert configuration["unix_http_server"]["chmod"] == "0700"
    assert "inet_http_server" not in configuration


def test_awkward_values_reach_the_program_as_they_are(state: State) -> None:
    section = _parse(render([a_program(environment={"PASSWORD": 'a%b"c\\d,e=f'})], state))["program:submission-worker"]

    assert r'PASSWORD="a%%b\"c\\d,e=f"' in section["environment"]


def test_a_path_with_blanks_stays_one_argument(state: State) -> None:
    section = _parse(render([a_program(command=["/a b/worker", "--x"])], state))["program:submission-worker"]

    assert shlex.split(section["command"])[-2:] == ["/a b/worker", "--x"]


def test_every_setting_of_a_service_goes_by_the_environment() -> None:
    settings = environment("alerting-worker", database_url="postgresql+psycopg://x", kafka="k:1", ports=DEFAULT_PORTS)

    assert settings["FOURONES_DATABASE_URL"] == "postgresql+psycopg://x"
    assert settings["FOURONES_KAFKA_BOOTSTRAP"] == "k:1"
    assert settings["FOURONES_HOST"] == "127.0.0.1"
    assert settings["FOURONES_PORT"] == "8013"
    assert settings["FOURONES_TOPIC_PREFIX"] == ""
    assert settings["FOURONES_LOG_FORMAT"] == "json"


def test_the_control_socket_fits_however_deep_the_state_directory_is(tmp_path: Path) -> None:
    deep = State(tmp_path / ("d" * 60) / ("e" * 60))

    assert len(os.fsencode(deep.control_socket)) < 100
    assert deep.control_socket.parent.stat().st_mode & 0o077 == 0
    deep.control_socket.parent.rmdir()


def test_prometheus_scrapes_all_six_processes_and_listens_on_the_loopback(state: State) -> None:
    binaries = monitoring.Binaries("/usr/bin/prometheus", "/usr/bin/alertmanager")

    prometheus, alertmanager = monitoring.programs(binaries, Repository.here(), state, DEFAULT_PORTS)

    assert "--web.listen-address=127.0.0.1:9090" in prometheus.command
    assert {"--web.listen-address=127.0.0.1:9093", "--cluster.listen-address="} <= set(alertmanager.command)
    configuration = yaml.safe_load((state.monitoring / "prometheus.yml").read_text(encoding="utf-8"))
    scraped = {
        target
        for job in configuration["scrape_configs"]
        for group in job["static_configs"]
        for target in group["targets"]
    }
    assert scraped == {f"127.0.0.1:{port}" for port in (8001, 8002, 8003, 8011, 8012, 8013)}


def test_alertmanager_calls_the_alerting_service_with_a_token_that_only_its_owner_can_read(state: State) -> None:
    binaries = monitoring.Binaries("/usr/bin/prometheus", "/usr/bin/alertmanager")
    monitoring.programs(binaries, Repository.here(), state, DEFAULT_PORTS)

    token = monitoring.alertmanager_token(state)

    assert state.alertmanager_token.stat().st_mode & 0o777 == 0o600
    text = (state.monitoring / "alertmanager.yml").read_text(encoding="utf-8")
    assert token not in text
    for receiver in yaml.safe_load(text)["receivers"]:
        [call] = receiver["webhook_configs"]
        assert call["url"] == "http://127.0.0.1:8003/v1/alertmanager"
        assert call["http_config"]["authorization"]["credentials_file"] == str(state.alertmanager_token)
    assert monitoring.alertmanager_token(state) == token


def test_a_file_with_secrets_is_never_readable_by_others(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    before = os.umask(0)
    try:
        write_private_json(file, {"admin": "…"})
        write_private_json(file, {"admin": "another"})
    finally:
        os.umask(before)

    assert file.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["keys.json"]


def test_a_shown_command_has_no_key_in_it() -> None:
    assert shown(["fourones", "targets", "--key", "s3cret"]) == "fourones targets --key …"


def test_the_end_of_a_log_is_shown(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"line {number}\n" for number in range(30)), encoding="utf-8")

    assert tail(log, 2) == "line 28\nline 29"
    assert tail(tmp_path / "none") == "(no log was written)"


def test_another_catalogue_has_another_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text("a: 1", encoding="utf-8")
    before = catalogue_fingerprint(tmp_path)
    assert catalogue_fingerprint(tmp_path) == before

    (tmp_path / "plan.yaml").write_text("a: 2", encoding="utf-8")

    assert catalogue_fingerprint(tmp_path) != before


def test_a_closed_directory_keeps_another_user_out(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)

    assert reachable(closed / "data", None)
    assert not reachable(closed / "data", "nobody")
    assert reachable(Path("/usr/bin/env"), "nobody")


def _parse(text: str) -> configparser.RawConfigParser:
    # As supervisord reads it: no interpolation of its own, comments after a blank and a semicolon.
    parser = configparser.RawConfigParser(inline_comment_prefixes=(" ;",))
    parser.read_string(text)
    return parser


def _properties(text: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)
