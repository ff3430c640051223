"""The Compose file: from nothing to healthy, closed as it says, and back after a kill."""

import uuid
from pathlib import Path

import httpx
import pytest
from containers.composed import SERVICES, Composed, service_of
from e2e.test_figure_to_light import (
    system,  # noqa: F401 - the fixture of the test below
    test_a_figure_that_completes_a_period_moves_value_and_light_in_the_metrics,  # noqa: F401 - run here, too
)
from support.system import SystemClient
from support.waiting import eventually

from fourones_local import loopback

ALWAYS = {
    "postgres": 1,
    "kafka": 1,
    "prometheus": 1,
    "alertmanager": 1,
    "submission-api": 1,
    "submission-worker": 1,
    "aggregation-api": 1,
    "aggregation-worker": 2,
    "alerting-api": 1,
    "alerting-worker": 1,
}


def test_everything_is_healthy_and_every_step_has_ended_well(composed: Composed) -> None:
    running = composed.containers()
    services = [service_of(container) for container in running]
    assert {service: services.count(service) for service in set(services)} == ALWAYS
    for container in running:
        assert container["State"]["Health"]["Status"] == "healthy", container["Name"]
        assert container["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    steps = [container for container in composed.containers(running=False) if service_of(container) not in ALWAYS]
    assert len(steps) == 10
    assert {service_of(step): step["State"]["ExitCode"] for step in steps if step["State"]["ExitCode"]} == {}


def test_every_container_is_without_rights_and_within_limits(composed: Composed) -> None:
    for container in composed.containers(running=False):
        name, host = container["Name"], container["HostConfig"]
        assert container["Config"]["User"].split(":")[0] not in {"", "0", "root"}, name
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert not host["CapAdd"], name
        assert host["SecurityOpt"] == ["no-new-privileges:true"], name
        assert not host["Privileged"], name
        assert 0 < host["Memory"] <= 2**30, name
        assert host["NanoCpus"] > 0, name
        assert host["PidsLimit"] > 0, name
        assert host["LogConfig"]["Config"]["max-size"], name


def test_only_the_loopback_is_listened_on_and_no_server_is_published(composed: Composed) -> None:
    published = {
        service_of(container): [binding["HostIp"] for bindings in ports.values() for binding in bindings or ()]
        for container in composed.containers()
        if any((ports := container["NetworkSettings"]["Ports"]).values())
    }
    assert published.keys() == {"submission-api", "aggregation-api", "alerting-api", "prometheus", "alertmanager"}
    assert {address for addresses in published.values() for address in addresses} == {"127.0.0.1"}


def test_no_secret_is_in_an_environment_or_a_command(composed: Composed) -> None:
    secrets = {file.read_text(encoding="utf-8") for file in (composed.state / "secrets").iterdir()}
    secrets |= set(composed.endpoints["keys"].values())
    assert len(secrets) > 20
    for container in composed.containers(running=False):
        shown = f"{container['Config']['Env']} {container['Config']['Cmd']} {container['Config']['Entrypoint']}"
        assert [secret for secret in secrets if secret in shown] == [], container["Name"]


def test_no_secret_can_be_read_by_others(composed: Composed) -> None:
    closed = [composed.state, composed.state / "secrets", composed.state / "keys.json"]
    closed.append(composed.state / "endpoints.json")
    assert [oct(path.stat().st_mode & 0o077) for path in closed] == ["0o0"] * 4


def test_prometheus_sees_every_process_by_its_role(composed: Composed) -> None:
    def scraped() -> dict[tuple[str, str], int]:
        query = loopback.get(
            f"{composed.endpoints['prometheus']}/api/v1/query",
            params={"query": "sum by (job, component) (up)"},
        )
        found = query.json()["data"]["result"]
        return {(item["metric"]["job"], item["metric"]["component"]): int(item["value"][1]) for item in found}

    expected = {(service, role): 1 for service in SERVICES for role in ("api", "worker")}
    expected["aggregation", "worker"] = 2
    eventually(lambda: scraped() == expected)


@pytest.mark.parametrize("service", ["aggregation-worker"])
def test_a_killed_container_comes_back_and_no_figure_is_lost_or_counted_twice(
    composed: Composed, client: SystemClient, service: str
) -> None:
    kill_while_figures_come(composed, client, service)


@pytest.mark.thorough
@pytest.mark.parametrize("service", [service for service in ALWAYS if service != "aggregation-worker"])
def test_so_does_every_other(composed: Composed, client: SystemClient, service: str) -> None:
    kill_while_figures_come(composed, client, service)


def kill_while_figures_come(composed: Composed, client: SystemClient, service: str) -> None:
    # A month of its own, so that the total is what this test has posted.
    period = f"2023-{1 + list(ALWAYS).index(service):02}"
    posted = [post(client, "320302", period, value) for value in ("1", "2")]
    [victim, *_] = composed.containers(service)
    composed.kill(victim)
    posted += [post(client, org, period, "4") for org in ("320303", "320305")]

    composed.wait_healthy(service, than=victim["State"]["StartedAt"])
    after = next(found for found in composed.containers(service) if found["Id"] == victim["Id"])
    assert after["RestartCount"] > victim["RestartCount"]
    eventually(lambda: all(client.get("submission", path)["status"] == "applied" for path in posted), within_s=120)
    # 2 + 4 + 4: the first organisation's second value has replaced its first.
    eventually(lambda: total(client, period) == ("10", 3))


def post(client: SystemClient, org: str, period: str, value: str) -> str:
    """Posts one figure until it is accepted, as a county's system does; returns where its receipt is."""
    figure = {"indicator": "cluster-scale", "cluster": "new-materials", "period": period, "value": value}
    key = uuid.uuid4().hex

    def accepted() -> str | None:
        try:
            answer = client.post(org, {"org": org, "figures": [figure]}, idempotency_key=key)
        except httpx.TransportError:
            return None
        # Killed between storing and answering, it says by 409 that the first attempt is still being taken in.
        assert answer.status_code in {202, 409, 503}, answer.text
        return answer.headers["Location"] if answer.status_code == 202 else None

    return eventually(accepted, within_s=120)


def total(client: SystemClient, period: str) -> tuple[str | None, int]:
    """The cluster's value over all organisations, and how many have reported."""
    item = client.rollup(indicator="cluster-scale", org="_T", cluster="new-materials", period=period)
    return item["value"], item["coverage"]["reported"]


@pytest.mark.thorough
def test_a_second_up_changes_nothing_and_a_rotated_password_comes_into_force(
    composed: Composed, client: SystemClient
) -> None:
    before, keys = {c["Id"] for c in composed.containers()}, composed.endpoints["keys"]
    composed.up()
    assert {container["Id"] for container in composed.containers()} == before
    assert composed.endpoints["keys"] == keys

    file: Path = composed.state / "secrets" / "submission_password"
    old = file.read_text(encoding="utf-8")
    composed.script("secrets.sh", "rotate", "submission")
    composed.up()
    composed.script("roll.sh", "submission-api", "submission-worker")
    assert file.read_text(encoding="utf-8") != old
    post(client, "320302", "2023-12", "1")
    eventually(lambda: total(client, "2023-12") == ("1", 1))
