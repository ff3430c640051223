"""The whole system on one machine: what starts when, and how it ends.

1. Kafka's jars, unless they are there.
2. The data of PostgreSQL and Kafka, unless they are there.
3. supervisord, then PostgreSQL and Kafka; both must serve before anything else.
4. Databases and roles, the services' migrations, the topics.
5. The services; they answer before they are ready, since readiness needs a catalogue.
6. The administrator's key, the catalogue; now every service must become ready.
7. The demonstration keys, the real figures, the table of targets.
"""

import os
import shutil
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from fourones_local import commands, loopback, monitoring
from fourones_local.debian import can_install
from fourones_local.errors import LocalStackError, NotReady, NotRunning
from fourones_local.files import read_json, write_private_json
from fourones_local.kafka import KafkaNode, fetch_jars
from fourones_local.layout import Repository, State
from fourones_local.ports import LOOPBACK, choose_ports, load_ports, save_ports
from fourones_local.postgres import PostgresServer
from fourones_local.progress import Progress
from fourones_local.seed import Seed
from fourones_local.server import Server, wait_until
from fourones_local.services import SERVICES, environment, program_names, service_of, service_program
from fourones_local.settling import wait_settled
from fourones_local.supervisor import Program, Supervisor

# A first start on two busy cores: the broker takes 3 s alone, a service about as long.
_START_SECONDS = 120.0
# The demonstration's eight thousand figures are judged within seconds; a slow machine gets minutes.
_SETTLE_SECONDS = 300.0

_POSTGRES_PRIORITY = 10
_KAFKA_PRIORITY = 20


class Stack:
    """Everything that runs, with its addresses.

    Args:
        state_dir: keeps the data; a second start there finds the first one's.
        services: which services to run; none for only PostgreSQL and Kafka.
        free_ports: choose free ports instead of the default ones.
        with_monitoring: run Prometheus and Alertmanager where they can be had.
        seed: apply the catalogue, issue keys and post the real figures.
        tied: end with the present process, however that ends.
        console: shows progress; silent without one.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        services: Sequence[str] = SERVICES,
        free_ports: bool = False,
        with_monitoring: bool = True,
        seed: bool = True,
        tied: bool = False,
        console: Console | None = None,
    ) -> None:
        self.state = State(state_dir.resolve())
        self.repository = Repository.here()
        self.services = tuple(services)
        self.supervisor = Supervisor(self.state)
        self._free_ports = free_ports
        self._with_monitoring = with_monitoring and bool(services)
        self._seed = seed and bool(services)
        self._tied = tied
        self._progress = Progress(console or Console(quiet=True))
        self._monitoring: list[Program] = []

    @property
    def running(self) -> bool:
        """Whether a stack runs in this state directory."""
        return self.supervisor.running()

    @property
    def endpoints(self) -> dict[str, Any]:
        """Every address and the demonstration keys, as in `endpoints.json`."""
        # Who started the stack knows what it could start; anybody else reads it.
        return read_json(self.state.endpoints) or self._addresses()

    @property
    def keys(self) -> dict[str, str]:
        """The demonstration keys by role and organisation."""
        return read_json(self.state.keys)

    def url(self, program: str) -> str:
        """The address of a program that speaks HTTP."""
        return f"http://{LOOPBACK}:{self.ports[program]}"

    def database_url(self, service: str) -> str:
        """The SQLAlchemy URL of a service's database."""
        return self.postgres.url(service)

    def settings(self, program: str) -> dict[str, str]:
        """The environment that a service's program gets; good for its operators' command too."""
        settings = environment(
            program,
            database_url=self.database_url(service_of(program)),
            kafka=self.kafka.bootstrap,
            ports=self.ports,
        )
        return settings | self._telling() if service_of(program) == "alerting" else settings

    @cached_property
    def ports(self) -> dict[str, int]:
        """The ports by program: those in use when the stack runs, else those that it will use."""
        remembered = load_ports(self.state.ports)
        names = ["postgres", "kafka", "kafka-controller", *program_names(self.services)]
        if self._with_monitoring:
            names += monitoring.PROGRAMS
        if self.running:
            return remembered
        return choose_ports(names, remembered, free_ports=self._free_ports)

    @cached_property
    def postgres(self) -> PostgresServer:
        """The database server."""
        return PostgresServer(self.state.postgres, self.ports["postgres"], self.state.passwords)

    @cached_property
    def kafka(self) -> KafkaNode:
        """The broker."""
        return KafkaNode(
            home=self.repository.kafka_home,
            data_dir=self.state.kafka,
            port=self.ports["kafka"],
            controller_port=self.ports["kafka-controller"],
        )

    def start(self) -> None:
        """Starts everything and returns when it is ready.

        What was started is stopped again when the start fails or is interrupted.

        Raises:
            LocalStackError: with the program or command that failed, and the end of its log.
        """
        if self.running:
            raise LocalStackError(f"a stack is already running in {self.state.root}")
        self.state.create()
        # A killed stack leaves it; it says that the keys are there.
        self.state.endpoints.unlink(missing_ok=True)
        # What a killed supervisord left behind would hold the ports that are chosen now.
        self.supervisor.shutdown()
        save_ports(self.state.ports, self.ports)
        self._prepare()
        try:
            self._start_servers()
            self._start_services()
            self._fill()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stops everything in order; does nothing when nothing runs."""
        if self.running:
            with self._progress.step("Services stop, then Kafka, then PostgreSQL"):
                # Together, since supervisord by itself would stop one after the other.
                for program in program_names(self.services):
                    if self._knows(program):
                        self.supervisor.stop_program(program, wait=False)
                self.supervisor.shutdown()
        else:
            self.supervisor.shutdown()
        self.state.endpoints.unlink(missing_ok=True)

    def kill(self, program: str) -> int:
        """Ends a program with SIGKILL; it is started again at once.

        Returns:
            The process id it had.
        """
        return self.supervisor.kill(program)

    def stop_program(self, program: str) -> None:
        """Stops one program cleanly and keeps it stopped."""
        self.supervisor.stop_program(program)

    def start_program(self, program: str) -> None:
        """Starts a program that was stopped."""
        self.supervisor.start_program(program)

    def wait_ready(self, timeout: float = _START_SECONDS) -> None:
        """Returns when both servers serve and every service is ready.

        Raises:
            ProgramFailed: one of them is not within `timeout` seconds.
        """
        for server in (self.postgres, self.kafka):
            self.supervisor.wait_ready(server.name, server.wait_ready, timeout)
        for program in program_names(self.services):
            self._wait_http(program, "/readyz", timeout)

    def seeding(self) -> Seed:
        """The steps that fill the running stack."""
        return Seed(
            repository=self.repository,
            state=self.state,
            submission_url=self.url("submission-api"),
            alerting_url=self.url("alerting-api"),
            operator_settings=self.settings("submission-api"),
        )

    def demonstrate(self) -> None:
        """Adds the synthetic plans to the running stack and shows the table of targets again.

        Waits for the keys of a stack that another process is still starting.

        Raises:
            NotRunning: nothing runs, or what is starting has no keys yet.
        """
        if not self.running:
            raise NotRunning(f"no stack is running in {self.state.root}")
        if not self.state.endpoints.exists():
            with self._progress.step("The stack has its keys"):
                self._wait_for_keys()
        seed = self.seeding()
        with self._progress.step("Synthetic plans and their simulated figures"):
            said = seed.simulate()
        self._progress.text(said)
        self._settle()
        with self._progress.step("Statistics of the databases are current"):
            for service in self.services:
                self.postgres.analyse(service)
        self._show_targets(seed)

    def _wait_for_keys(self) -> None:
        try:
            wait_until(self.state.endpoints.exists, timeout=_START_SECONDS, alive=lambda: self.running)
        except NotReady as error:
            raise NotRunning(
                f"the stack in {self.state.root} has no keys yet: see what its start says, then try again"
            ) from error

    def clean(self, *, jars: bool = False) -> None:
        """Deletes all data of the stack, and on request Kafka's jars too.

        Raises:
            LocalStackError: the stack is running.
        """
        if self.running:
            raise LocalStackError("the stack is running; stop it first")
        self.supervisor.shutdown()
        self.postgres.remove()
        if not self.state.root.exists():
            return
        for entry in self.state.root.iterdir():
            if entry == self.repository.kafka_home and not jars:
                # A download of this checkout, not data of this stack.
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def _telling(self) -> dict[str, str]:
        """What the alerting service needs in order to tell people; whom, is the caller's to say."""
        settings = {
            "FOURONES_ALERTMANAGER_TOKEN": monitoring.alertmanager_token(self.state),
            "FOURONES_LINK_BASE": f"{self.url('alerting-api')}/v1/assessments/",
        }
        if channels := os.environ.get("FOURONES_CHANNELS_FILE"):
            settings["FOURONES_CHANNELS_FILE"] = str(Path(channels).resolve())
        return settings

    def _prepare(self) -> None:
        with self._progress.step("Kafka's jars are there"):
            fetch_jars(self.repository.pom, self.repository.kafka_home)
        with self._progress.step("Data of PostgreSQL and Kafka are there"):
            self.postgres.prepare()
            self.kafka.prepare()
        if self._with_monitoring:
            self._monitoring = self._prepare_monitoring()

    def _prepare_monitoring(self) -> list[Program]:
        binaries = monitoring.find_binaries()
        if binaries is None and can_install():
            with self._progress.step("Prometheus and Alertmanager are installed"):
                binaries = monitoring.install()
        if binaries is None:
            self._progress.note(f"Without Prometheus and Alertmanager; to have them: {monitoring.HOW_TO_INSTALL}")
            return []
        return monitoring.programs(binaries, self.repository, self.state, self.ports)

    def _start_servers(self) -> None:
        self.supervisor.start(self._programs(), tied=self._tied)
        servers: list[Server] = [self.postgres, self.kafka]
        for server in servers:
            self.supervisor.start_program(server.name)
        for server in servers:
            with self._progress.step(f"{server.name} serves on {LOOPBACK}:{self.ports[server.name]}"):
                self.supervisor.wait_ready(server.name, server.wait_ready, _START_SECONDS)
        with self._progress.step("Databases and roles are there"):
            self.postgres.provision()

    def _start_services(self) -> None:
        for service in self.services:
            with self._progress.step(f"Tables of {service} are current"):
                commands.run([f"fourones-{service}", "migrate"], self.settings(f"{service}-api"))
        if self.services:
            with self._progress.step("Topics are there"):
                commands.run(["fourones-submission", "topics"], self.settings("submission-api"))
        programs = [*program_names(self.services), *(program.name for program in self._monitoring)]
        for program in programs:
            self.supervisor.start_program(program)
        for program in program_names(self.services):
            with self._progress.step(f"{program} answers on {self.url(program)}"):
                self._wait_http(program, "/healthz", _START_SECONDS)

    def _fill(self) -> None:
        if not self._seed:
            self._write_endpoints()
            return
        seed = self.seeding()
        with self._progress.step("The catalogue is in force"):
            seed.ensure_admin_key()
            seed.apply_catalogue()
        with self._progress.step("Every service is ready"):
            self.wait_ready()
        with self._progress.step("Demonstration keys are issued"):
            seed.ensure_demonstration_keys()
        self._write_endpoints()
        with self._progress.step("The real figures are posted and rolled up"):
            said = seed.submit_reported()
        self._progress.text(said)
        self._settle()
        self._show_targets(seed)
        self._show_addresses()

    def _settle(self) -> None:
        with self._progress.step("Every target is judged"):
            wait_settled([self.url(f"{service}-worker") for service in self.services], timeout=_SETTLE_SECONDS)

    def _write_endpoints(self) -> None:
        write_private_json(self.state.endpoints, self._addresses())

    def _addresses(self) -> dict[str, Any]:
        content: dict[str, Any] = {service: self.url(f"{service}-api") for service in self.services}
        # The workers' addresses have health and metrics only.
        content |= {f"{service}_worker": self.url(f"{service}-worker") for service in self.services}
        for name in monitoring.PROGRAMS:
            has_it = any(program.name == name for program in self._monitoring)
            content[name] = self.url(name) if has_it else None
        content["kafka"] = self.kafka.bootstrap
        content["postgresql"] = f"{LOOPBACK}:{self.ports['postgres']}"
        content["keys"] = self.keys
        return content

    def _show_targets(self, seed: Seed) -> None:
        self._progress.text(seed.targets())

    def _show_addresses(self) -> None:
        for name, address in self.endpoints.items():
            if name != "keys" and address is not None:
                self._progress.text(f"{name:<20} {address}")
        self._progress.text(f"{'keys':<20} {self.state.keys}")
        self._progress.text(
            "Try:\n"
            f'  curl -H "Authorization: Bearer {self.keys["viewer"]}" '
            f"{self.url('alerting-api')}/v1/assessments?verdict=off_track"
        )

    def _programs(self) -> list[Program]:
        return [
            Program.of_server(self.postgres, _POSTGRES_PRIORITY),
            Program.of_server(self.kafka, _KAFKA_PRIORITY),
            *(service_program(name, self.settings(name)) for name in program_names(self.services)),
            *self._monitoring,
        ]

    def _knows(self, program: str) -> bool:
        return any(info["name"] == program for info in self.supervisor.all_info())

    def _wait_http(self, program: str, path: str, timeout: float) -> None:
        url = self.url(program) + path

        def answers() -> bool:
            try:
                return loopback.get(url, timeout=5.0).is_success
            except httpx.HTTPError:
                return False

        def wait(seconds: float, alive: Callable[[], bool]) -> None:
            wait_until(answers, timeout=seconds, alive=alive)

        self.supervisor.wait_ready(program, wait, timeout)
