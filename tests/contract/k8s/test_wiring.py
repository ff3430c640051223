"""What the manifests name exists: settings, commands, objects, ports, versions."""

import importlib
import importlib.util
import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import typer
import yaml
from contract.k8s.rendering import (
    K8S,
    OVERLAYS,
    Pods,
    environment,
    files,
    named,
    of_kind,
    of_ones_own,
    pod,
    pods,
    rendered,
)
from load.county_systems.options import OPTIONS
from pydantic import SecretStr

from fourones_aggregation.__main__ import app as aggregation_command
from fourones_alerting.__main__ import app as alerting_command
from fourones_alerting.settings import AlertingSettings
from fourones_local.layout import Repository
from fourones_shared.kafka.connection import SecurityProtocol
from fourones_shared.settings import ServiceSettings
from fourones_submission.__main__ import app as submission_command
from fourones_submission.settings import SubmissionSettings

SETTINGS = {"submission": SubmissionSettings, "aggregation": ServiceSettings, "alerting": AlertingSettings}
COMMANDS = {"submission": submission_command, "aggregation": aggregation_command, "alerting": alerting_command}
# Secrets that no manifest holds: who makes each of them.
MADE_ELSEWHERE = {
    "local": {
        "postgres": "passwords.py",
        "submission-postgres-app": "passwords.py",
        "aggregation-postgres-app": "passwords.py",
        "alerting-postgres-app": "passwords.py",
        "boards-postgres": "passwords.py",
        "alerting-alertmanager": "passwords.py",
    },
    "production": {
        "submission-postgres-app": "CloudNativePG",
        "aggregation-postgres-app": "CloudNativePG",
        "alerting-postgres-app": "CloudNativePG",
        "submission-postgres-ca": "CloudNativePG",
        "aggregation-postgres-ca": "CloudNativePG",
        "alerting-postgres-ca": "CloudNativePG",
        "submission-kafka": "Strimzi",
        "aggregation-kafka": "Strimzi",
        "alerting-kafka": "Strimzi",
        "topics-kafka": "Strimzi",
        "fourones-kafka-cluster-ca-cert": "Strimzi",
        "alerting-alertmanager": "whoever installs (docs/deployment.md)",
        "alerting-channels": "whoever installs (docs/deployment.md)",
    },
}
VERIFIED = "?sslmode=verify-full&sslrootcert=/run/certificates/postgres.crt"
OF_A_SERVICE = [
    pytest.param(overlay, p, id=f"{overlay}-{p}")
    for overlay in OVERLAYS
    for p in pods(overlay)
    if p.labels["app.kubernetes.io/name"] in SETTINGS
]
of_a_service = pytest.mark.parametrize(("overlay", "pods_of"), OF_A_SERVICE)


@of_a_service
def test_its_settings_are_ones_that_the_service_knows_and_takes(
    overlay: str, pods_of: Pods, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = SETTINGS[pods_of.labels["app.kubernetes.io/name"]]
    for container in pods_of.containers:
        variables = environment(overlay, container)
        fields = {name.removeprefix("FOURONES_").lower() for name in variables if name.startswith("FOURONES_")}
        # Settings of one service stand in all ConfigMaps that it takes; nobody else has them.
        assert fields <= kind.model_fields.keys() | {"secrets_dir"}, container["name"]
        for name in variables:
            assert name.startswith(("FOURONES_", "OTEL_", "POD_")), name
        secret_files = files(pods_of, container, "/run/secrets")
        for name in secret_files:
            assert name.removeprefix("fourones_") in kind.model_fields
            (tmp_path / name).write_text("a/secret", encoding="utf-8")
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("FOURONES_SECRETS_DIR", str(tmp_path))

        made = kind()
        assert (made.host, made.port) == ("0.0.0.0", 8080)  # noqa: S104 - inside a pod
        if "fourones_database_password" in secret_files:
            assert f"{pods_of.labels['app.kubernetes.io/name']}:a%2Fsecret@" in made.database_url
        for name in variables:
            monkeypatch.delenv(name)
        for file in tmp_path.iterdir():
            file.unlink()


@of_a_service
def test_its_command_is_one_that_the_service_has(overlay: str, pods_of: Pods) -> None:
    for container in pods_of.containers:
        name, image = pods_of.labels["app.kubernetes.io/name"], container["image"].split(":")[0]
        assert image.endswith(f"fourones/{name}")
        command = typer.main.get_command(COMMANDS[name])
        verb, *arguments = container["args"]
        # Parses the options, and does nothing.
        command.commands[verb].make_context(verb, arguments)  # type: ignore[attr-defined]


def test_the_load_is_given_options_that_its_scenario_has() -> None:
    load = pod("local-load", "load")
    variables = environment("local-load", load.containers[-1])
    known = {option.variable for option in OPTIONS}
    assert {name for name in variables if not name.startswith("LOCUST_")} <= known
    workers = {service["metadata"]["name"] for service in of_kind("local-load", "Service")}
    assert {urlsplit(url).hostname for url in variables["FOURONES_LOAD_WORKERS"].split(",")} <= workers


def test_the_load_s_thresholds_stand_where_they_are_looked_for() -> None:
    variables = environment("local-load", pod("local-load", "load").containers[-1])
    defaults = {option.variable: option.default for option in OPTIONS}
    for name in ("FOURONES_LOAD_P99_MS", "FOURONES_LOAD_LAG_S", "FOURONES_LOAD_ERRORS"):
        assert float(variables[name]) == defaults[name]


def test_an_overlay_of_one_s_own_names_all_images_and_changes_the_load(tmp_path: Path) -> None:
    text = (Repository.here().root / "docs" / "deployment.md").read_text(encoding="utf-8")
    [example] = [b for b in re.findall(r"^```yaml\n(.*?)^```$", text, re.DOTALL | re.MULTILINE) if "local-load" in b]
    overlay = of_ones_own(tmp_path, example)

    for p in pods(overlay):
        for container in p.containers:
            assert container["image"].startswith("registry.xz.example/"), f"{p}: {container['name']}"
    variables = environment(overlay, pod(overlay, "load").containers[-1])
    assert (variables["FOURONES_LOAD_RATE"], variables["FOURONES_LOAD_P99_MS"]) == ("50", "250")
    assert variables["FOURONES_LOAD_LAG_S"] == "10"


@pytest.mark.parametrize(("code", "written"), [(0, True), (1, True), (2, False)])
def test_the_load_ends_as_its_scenario_and_with_its_summary(code: int, written: bool, tmp_path: Path) -> None:
    locust = tmp_path / "locust"
    summary = f"printf '{{\\n}}\\n' >{tmp_path}/summary.json; " if written else ""
    locust.write_text(f"#!/bin/sh\necho calls; {summary}exit {code}\n", encoding="utf-8")
    locust.chmod(0o755)
    [container] = pod("local-load", "load").spec["containers"]
    assert environment("local-load", container)["FOURONES_LOAD_OUTPUT"] == "/run/load"
    script = container["args"][0].replace("/run/load", str(tmp_path))

    done = subprocess.run(
        [*container["command"], script],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout == ("calls\n{\n}\n" if written else "calls\n")


def test_in_production_clients_of_kafka_are_let_in_by_name_over_tls_and_databases_by_certificate() -> None:
    for p in pods("production"):
        service = p.labels["app.kubernetes.io/name"]
        for container in p.containers:
            variables = environment("production", container)
            assert (
                "sslmode=verify-full&sslrootcert=/run/certificates/postgres.crt" in variables["FOURONES_DATABASE_URL"]
            )
            speaks = p.labels.get("fourones/kafka") == "client" and container["name"] != "schema"
            assert ("FOURONES_KAFKA_BOOTSTRAP" in variables) is speaks
            if speaks:
                role = "topics" if p.labels["app.kubernetes.io/component"] == "topics" else service
                assert variables["FOURONES_KAFKA_USERNAME"] == f"{role}-kafka"
                assert variables["FOURONES_KAFKA_SECURITY_PROTOCOL"] == SecurityProtocol.SASL_SSL
                assert "fourones_kafka_password" in files(p, container, "/run/secrets")
                assert variables["FOURONES_KAFKA_CA_FILE"] == "/run/certificates/kafka.crt"
                assert "kafka.crt" in files(p, container, "/run/certificates")
            if p.labels.get("fourones/database") == "client":
                assert "fourones_database_password" in files(p, container, "/run/secrets")
                assert "postgres.crt" in files(p, container, "/run/certificates")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_that_is_named_is_there_or_made_by_somebody_named(overlay: str) -> None:
    present = {(m["kind"], m["metadata"]["name"]) for m in rendered(overlay)}
    elsewhere = MADE_ELSEWHERE["local" if overlay.startswith("local") else "production"]
    for p in pods(overlay):
        for kind, name, optional in _named_by(p):
            there = (kind, name) in present or (kind == "Secret" and name in elsewhere)
            assert there or optional, f"{p}: {kind} {name}"


def test_no_secret_is_in_the_manifests() -> None:
    for overlay in OVERLAYS:
        # Alertmanager's routes are a Secret since its operator wants them so; they hold a path instead of the token.
        assert {m["metadata"]["name"] for m in of_kind(overlay, "Secret")} <= {"alertmanager-routes"}
        for config_map in of_kind(overlay, "ConfigMap"):
            for name, value in config_map["data"].items():
                assert "password" not in name.lower() or value.endswith("main()\n")
                assert not re.search(r"://[^/@\s]+:[^/@\s]+@", value), name


def test_the_local_passwords_are_the_secrets_that_somebody_waits_for() -> None:
    spec = importlib.util.spec_from_file_location("passwords", K8S / "overlays" / "local" / "passwords.py")
    assert spec is not None
    assert spec.loader is not None
    passwords = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(passwords)

    assert passwords.WANTED.keys() == MADE_ELSEWHERE["local"].keys()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_services_lead_to_pods_and_to_ports_that_they_have(overlay: str) -> None:
    for service in of_kind(overlay, "Service"):
        selector = service["spec"]["selector"].items()
        behind = [p for p in pods(overlay) if p.kind != "Job" and selector <= p.labels.items()]
        assert len(behind) == 1, service["metadata"]["name"]
        ports = {port["name"] for port in behind[0].containers[-1]["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


def test_what_people_may_reach_is_what_the_apis_offer_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    within = {"/v1/alertmanager"}
    for rule in named("production", "Ingress", "fourones")["spec"]["rules"]:
        service = rule["host"].split(".")[0]
        reachable = {path["path"] for path in rule["http"]["paths"]}
        assert {p["backend"]["service"]["name"] for p in rule["http"]["paths"]} == {f"{service}-api"}
        offered = set(_offered(service, monkeypatch)) - within
        assert all(any(_covers(prefix, path) for prefix in reachable) for path in offered), offered
        assert all(any(_covers(prefix, path) for path in offered | {"/docs", "/openapi.json"}) for prefix in reachable)
        assert not any(_covers(prefix, path) for prefix in reachable for path in {*within, "/metrics", "/healthz"})


def test_the_version_is_the_project_s_everywhere() -> None:
    project = tomllib.loads((Repository.here().root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = project["version"]
    for overlay in OVERLAYS:
        for p in pods(overlay):
            for container in p.containers:
                if "fourones/" in container["image"]:
                    assert container["image"].split(":")[1] == version, p
            if p.kind == "Job" and p.labels["app.kubernetes.io/component"] in {"migrate", "topics"}:
                assert p.name.endswith("-" + version.replace(".", "-"))
    assert version.replace(".", "-") in pod("local", f"catalogue-{version.replace('.', '-')}").name


def test_kafka_runs_in_the_version_that_everything_was_tested_with() -> None:
    pom = Repository.here().pom.read_text(encoding="utf-8")
    version = pom.partition("<kafka.version>")[2].partition("<")[0]
    assert pod("local", "kafka").containers[0]["image"] == f"apache/kafka:{version}"


def test_one_server_of_postgresql_is_as_in_compose() -> None:
    compose = yaml.safe_load((Repository.here().root / "docker-compose.yml").read_text(encoding="utf-8"))
    theirs = compose["services"]["postgres"]
    public = theirs["image"].partition(":-")[2].rstrip("}")
    for name in ("postgres", "databases"):
        assert f"docker.io/library/{pod('local', name).containers[-1]['image']}" == public
    initdb = environment("local", pod("local", "postgres").containers[0])["POSTGRES_INITDB_ARGS"].split()
    assert set(theirs["environment"]["POSTGRES_INITDB_ARGS"].split()) <= set(initdb)


def test_what_is_generated_is_current() -> None:
    spec = importlib.util.spec_from_file_location("generate", K8S / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)

    assert generate.main(["--check"]) == 0


def test_every_board_is_there_and_its_data_sources_are() -> None:
    boards = Repository.here().root / "grafana" / "dashboards"
    found = {
        name: text
        for config_map in of_kind("complete", "ConfigMap")
        if config_map["metadata"].get("labels", {}).get("grafana_dashboard") == "1"
        for name, text in config_map["data"].items()
    }
    assert found == {file.name: file.read_text(encoding="utf-8") for file in boards.glob("*.json")}
    sources = yaml.safe_load(named("complete", "ConfigMap", "boards-datasources")["data"]["datasources.yaml"])
    provisioned = Repository.here().root / "grafana" / "provisioning" / "datasources" / "fourones.yml"
    local = yaml.safe_load(provisioned.read_text(encoding="utf-8"))["datasources"]
    assert {(s["uid"], s["type"]) for s in sources["datasources"]} == {(s["uid"], s["type"]) for s in local}


def test_rules_and_boards_find_the_labels_that_they_ask_for() -> None:
    monitor = named("production", "ServiceMonitor", "fourones")["spec"]
    assert monitor["jobLabel"] == "app.kubernetes.io/name"
    assert monitor["endpoints"][0]["relabelings"][0]["targetLabel"] == "component"
    labels = monitor["selector"]["matchLabels"].items()
    [among] = monitor["selector"]["matchExpressions"]
    scraped = [
        service["metadata"]["labels"]
        for service in of_kind("production", "Service")
        if labels <= service["metadata"]["labels"].items()
        and service["metadata"]["labels"].get(among["key"]) in among["values"]
    ]
    assert sorted((s["app.kubernetes.io/name"], s["app.kubernetes.io/component"]) for s in scraped) == [
        (service, role) for service in ("aggregation", "alerting", "submission") for role in ("api", "worker")
    ]


def test_alertmanager_finds_what_it_bears_where_its_routes_say() -> None:
    alertmanager = named("production", "Alertmanager", "fourones")["spec"]
    routes = yaml.safe_load((K8S / "components" / "monitoring" / "routes.yaml").read_text(encoding="utf-8"))
    [call] = {
        (
            receiver["webhook_configs"][0]["url"],
            receiver["webhook_configs"][0]["http_config"]["authorization"]["credentials_file"],
        )
        for receiver in routes["receivers"]
    }
    secret = alertmanager["secrets"][0]
    token = next(
        source["secret"]
        for source in pod("production", "alerting-api").spec["volumes"][0]["projected"]["sources"]
        if source["secret"]["name"] == secret
    )
    assert call == (
        "http://alerting-api/v1/alertmanager",
        f"/etc/alertmanager/secrets/{secret}/{token['items'][0]['key']}",
    )
    assert token["items"][0]["path"] == "fourones_alertmanager_token"


def _named_by(pods_of: Pods) -> Iterator[tuple[str, str, bool]]:
    if account := pods_of.spec.get("serviceAccountName"):
        yield "ServiceAccount", account, False
    for container in pods_of.containers:
        for source in container.get("envFrom", ()):
            yield "ConfigMap", source["configMapRef"]["name"], False
        for variable in container.get("env") or ():
            if reference := variable.get("valueFrom", {}).get("configMapKeyRef"):
                yield "ConfigMap", reference["name"], reference.get("optional", False)
    for volume in pods_of.spec["volumes"]:
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"], False
        if "secret" in volume:
            yield "Secret", volume["secret"]["secretName"], False
        for source in volume.get("projected", {}).get("sources", ()):
            yield "Secret", source["secret"]["name"], source["secret"].get("optional", False)


def _offered(service: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The paths of a service's OpenAPI document, without any database."""
    bootstrap: Any = importlib.import_module(f"fourones_{service}.bootstrap")
    settings = SETTINGS[service](database_url="postgresql+psycopg://nobody@127.0.0.1:9/x")
    made = bootstrap.api(settings, None) if service != "alerting" else bootstrap.api(settings, _no_clock())
    try:
        yield from made.app.openapi()["paths"]
    finally:
        made.close()


def _no_clock() -> Any:
    return importlib.import_module("fourones_shared.domain.clock").SystemClock()


def _covers(prefix: str, path: str) -> bool:
    return path == prefix or path.startswith(prefix + "/")


def test_secrets_are_hidden_where_settings_are_shown() -> None:
    made = ServiceSettings(
        database_url="postgresql://a@b/c",
        database_password=SecretStr("hidden"),
        kafka_security_protocol=SecurityProtocol.SASL_SSL,
        kafka_username="a",
        kafka_password=SecretStr("hidden"),
    )
    assert "hidden" not in repr(made) + str(made.described()) + repr(made.kafka)
