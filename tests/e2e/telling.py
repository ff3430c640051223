"""Alerting as it runs beside a real Prometheus and a real Alertmanager, each of which can be killed.

Rules and routes are the shipped ones with shorter holds.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml
from integration.alerting.post_office import Post, post_office
from integration.alerting.robots import HookSystem, Receiver, Robots, robots
from integration.alerting.service import Publisher
from prometheus_client.parser import text_string_to_metric_families
from support.waiting import eventually
from unit.alerting.builders import (
    COUNTY,
    DEPARTMENT,
    ENERGY,
    ENERGY_TARGET,
    OTHER_DEPARTMENT,
    ZONE,
    a_catalogue,
    a_rollup,
    a_target,
)

from fourones_alerting import bootstrap
from fourones_alerting.notifying.routing import Intervals, configuration
from fourones_local import loopback
from fourones_local.layout import Repository
from fourones_local.monitoring import find_binaries
from fourones_local.ports import free_port
from fourones_shared.catalogue.model import Catalogue
from fourones_shared.database.migrate import migrate
from fourones_shared.kafka.topics import ensure_topics
from fourones_shared.topics import all_topics

TOKEN = "end-to-end"  # noqa: S105 - of the tests
TOLD, ALSO_TOLD, NOT_CONCERNED = DEPARTMENT, OTHER_DEPARTMENT, COUNTY
NAME = "单位 GDP 能耗下降（较 2020 年）"
RED, RECOVERED = f"红灯：{NAME}", f"已转为绿灯：{NAME}"


def the_catalogue() -> Catalogue:
    """One target past its date, whatever the day: two departments answer for it as equals."""
    energy = a_target(
        ENERGY_TARGET,
        plan="hidz-14th-five-year",
        indicator=ENERGY,
        name=NAME,
        org=ZONE,
        value="14.5",
        unit="%",
        by="2025",
        baseline=None,
        responsible={"equal": [TOLD, ALSO_TOLD]},
    )
    return a_catalogue(targets=[energy])


@dataclass
class Program:
    """A process of the system; killed as the machine's memory or an operator would, and started again."""

    name: str
    command: list[str]
    ready: str
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=dict(os.environ) | self.environment,
                start_new_session=True,
            )

    def wait_ready(self) -> None:
        def answers() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, f"{self.name} has ended: {self.log()}"
            try:
                return loopback.get(self.ready).is_success
            except httpx.HTTPError:
                return False

        eventually(answers)

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(30)

    def end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    def log(self) -> str:
        return (self.folder / f"{self.name}.log").read_text(encoding="utf-8", errors="replace")[-4000:]


@dataclass
class System:
    """The four processes, the channels' receivers, and who publishes roll-ups to them."""

    api: Program
    worker: Program
    prometheus: Program
    alertmanager: Program
    publisher: Publisher
    key: str
    mail: Post
    groups: Mapping[str, Receiver]
    urls: Mapping[str, str]
    version: int = 0

    @property
    def hook(self) -> HookSystem:
        """The receiver of a department's that keeps a number once and remembers which came again."""
        hook = self.groups["hook"]
        assert isinstance(hook, HookSystem)
        return hook

    def publish(self, value: str) -> None:
        self.version += 1
        self.publisher.publish(a_rollup(value, indicator=ENERGY, period="2025", version=self.version))

    def turn_red(self) -> None:
        # Another value every time, so that each is news to whoever compares values.
        self.publish(f"10.{self.version + 1}")

    def recover(self) -> None:
        self.publish(f"15.{self.version + 1}")

    def verdict(self) -> str:
        return str(self._get(f"/v1/assessments/{ENERGY_TARGET}")["verdict"])

    def notices(self) -> list[dict[str, Any]]:
        return list(self._get("/v1/notices", limit=1000)["items"])

    def calls(self) -> float:
        return self._metric("api", "fourones_alertmanager_calls_total")

    def sweeps(self) -> float:
        return self._metric("worker", "fourones_notice_sweeps_total")

    def firing(self) -> list[str]:
        """The names of the alerts about the target that Prometheus has fire."""
        answer = loopback.get(f"{self.urls['prometheus']}/api/v1/alerts").json()
        return [
            alert["labels"]["alertname"]
            for alert in answer["data"]["alerts"]
            if alert["state"] == "firing" and alert["labels"].get("target") == ENERGY_TARGET
        ]

    def titles(self) -> dict[str, list[str]]:
        """What every receiver got, in order."""
        got = {name: [message.title for message in group.received] for name, group in self.groups.items()}
        return got | {"mail": [str(letter["Subject"]) for letter in self.mail.received]}

    def numbers(self) -> dict[str, list[int]]:
        return {name: [message.number for message in group.received] for name, group in self.groups.items()}

    def looked_twice(self) -> None:
        """Wait until the worker has looked at everything that was there, and at everything unasked."""
        before = self.sweeps()
        eventually(lambda: self.sweeps() >= before + 2)
        eventually(lambda: {item["state"] for item in self.notices()} <= {"sent", "dropped", "carried"})

    def _get(self, path: str, **query: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.key}"}
        answer = loopback.get(f"{self.urls['api']}{path}", params=query, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def _metric(self, process: str, name: str) -> float:
        text = loopback.get(f"{self.urls[process]}/metrics").text
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name
        )


@contextmanager
def a_system(kafka_bootstrap: str, database_url: str, prefix: str, folder: Path) -> Iterator[System]:
    """Everything started and ready, nothing reported yet."""
    ensure_topics(kafka_bootstrap, all_topics().values(), prefix=prefix)
    migrate(bootstrap.PACKAGE, database_url)
    names = ("api", "worker", "prometheus", "alertmanager")
    ports: dict[str, int] = {}
    for name in names:
        ports[name] = free_port(ports.values())
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    with ExitStack() as stack:
        mail = stack.enter_context(post_office())
        receivers = stack.enter_context(robots())
        groups, file = _channels(folder, receivers, mail)
        settings = {
            "FOURONES_DATABASE_URL": database_url,
            "FOURONES_KAFKA_BOOTSTRAP": kafka_bootstrap,
            "FOURONES_TOPIC_PREFIX": prefix,
            "FOURONES_CHANNELS_FILE": str(file),
        }
        programs = {name: _program(name, folder, ports, settings) for name in names}
        publisher = Publisher(kafka_bootstrap, prefix)
        stack.callback(publisher.close)
        publisher.publish_catalogue(the_catalogue())
        key = publisher.grant()
        for program in programs.values():
            stack.callback(program.end)
            program.start()
        for program in programs.values():
            program.wait_ready()
        yield System(
            api=programs["api"],
            worker=programs["worker"],
            prometheus=programs["prometheus"],
            alertmanager=programs["alertmanager"],
            publisher=publisher,
            key=key,
            mail=mail,
            groups=groups,
            urls=urls,
        )


def quicker(rules: str, **durations: str) -> str:
    """The rules about targets with other durations, such as `for="1s"`; everything else as it is shipped."""
    document = yaml.safe_load(rules)
    [targets] = [group for group in document["groups"] if group["name"] == "targets"]
    for rule in targets["rules"]:
        if rule["alert"].startswith("Target"):
            rule |= {name: wanted for name, wanted in durations.items() if name in rule}
    return yaml.safe_dump(document, allow_unicode=True, sort_keys=False)


def _channels(folder: Path, receivers: Robots, mail: Post) -> tuple[dict[str, Receiver], Path]:
    wecom, dingtalk, feishu = receivers.wecom(), receivers.dingtalk(), receivers.feishu()
    hook, others, operators = receivers.hook(), receivers.hook(), receivers.hook()
    document = {
        "smtp": {"host": mail.host, "port": mail.port, "security": "none", "sender": "fourones@example.cn"},
        "departments": {
            TOLD: {
                "channels": [
                    {"name": "mail", "kind": "email", "to": ["gxj@example.cn"]},
                    {"name": "wecom", "kind": "wecom", "url": wecom.url},
                    {"name": "hook", "kind": "webhook", "url": hook.url, "token": hook.token},
                ]
            },
            ALSO_TOLD: {
                "channels": [
                    {"name": "dingtalk", "kind": "dingtalk", "url": dingtalk.url, "secret": dingtalk.secret},
                    {"name": "feishu", "kind": "feishu", "url": feishu.url, "secret": feishu.secret},
                ]
            },
            NOT_CONCERNED: {
                "channels": [{"name": "hook", "kind": "webhook", "url": others.url, "token": others.token}]
            },
        },
        "operators": {
            "channels": [{"name": "hook", "kind": "webhook", "url": operators.url, "token": operators.token}]
        },
    }
    file = folder / "channels.yaml"
    file.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    groups: dict[str, Receiver] = {
        "wecom": wecom, "dingtalk": dingtalk, "feishu": feishu, "hook": hook,
        "not concerned": others, "operators": operators,
    }  # fmt: skip
    return groups, file


def _program(name: str, folder: Path, ports: Mapping[str, int], settings: Mapping[str, str]) -> Program:
    address = f"127.0.0.1:{ports[name]}"
    if name in {"api", "worker"}:
        own = {
            "FOURONES_PORT": str(ports[name]),
            "FOURONES_ALERTMANAGER_TOKEN": TOKEN,
            "FOURONES_NOTICE_SWEEP_S": "0.5",
            # What is told must come by Prometheus and Alertmanager, unless the test says otherwise.
            "FOURONES_TELL_UNASKED_AFTER_S": "600",
            "FOURONES_TELL_RECOVERED_AFTER_S": "600",
        }
        command = [str(Path(sys.executable).parent / "fourones-alerting"), name]
        return Program(name, command, f"http://{address}/readyz", folder, dict(settings) | own)
    binaries = find_binaries()
    assert binaries is not None, "prometheus and prometheus-alertmanager are not installed"
    if name == "prometheus":
        _write_prometheus(folder, ports)
        command = [
            binaries.prometheus,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'prometheus'}",
            f"--web.listen-address={address}",
            "--rules.alert.resend-delay=1s",
            "--rules.alert.for-grace-period=1s",
        ]
        return Program(name, command, f"http://{address}/-/ready", folder)
    _write_alertmanager(folder, ports)
    command = [
        binaries.alertmanager,
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
    ]
    return Program(name, command, f"http://{address}/-/ready", folder)


def _write_prometheus(folder: Path, ports: Mapping[str, int]) -> None:
    shipped = (Repository.here().prometheus_rules / "fourones.yml").read_text(encoding="utf-8")
    (folder / "rules.yml").write_text(quicker(shipped, **{"for": "1s", "keep_firing_for": "1s"}), encoding="utf-8")
    document = {
        "global": {"scrape_interval": "500ms", "scrape_timeout": "400ms", "evaluation_interval": "500ms"},
        "rule_files": [str(folder / "rules.yml")],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{ports['alertmanager']}"]}]}]},
        "scrape_configs": [
            {
                "job_name": "alerting",
                "static_configs": [
                    {"targets": [f"127.0.0.1:{ports[component]}"], "labels": {"component": component}}
                    for component in ("api", "worker")
                ],
            }
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(document), encoding="utf-8")


def _write_alertmanager(folder: Path, ports: Mapping[str, int]) -> None:
    token = folder / "token"
    token.write_text(TOKEN, encoding="utf-8")
    made = configuration(
        the_catalogue(),
        webhook=f"http://127.0.0.1:{ports['api']}/v1/alertmanager",
        token_file=str(token),
        intervals=Intervals(group_wait="200ms", group_interval="1s", repeat="2s"),
    )
    # What Prometheus no longer tells of is over sooner, too.
    made = re.sub(r"resolve_timeout: \S+", "resolve_timeout: 5s", made)
    (folder / "alertmanager.yml").write_text(made, encoding="utf-8")
