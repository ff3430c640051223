"""The system as the Compose file makes it, in a project of its own beside whatever else runs."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.waiting import eventually

from fourones_local.ports import free_port

ROOT = Path(__file__).parents[2]
SERVICES = ("submission", "aggregation", "alerting")
_PUBLISHED = ("SUBMISSION", "AGGREGATION", "ALERTING", "PROMETHEUS", "ALERTMANAGER", "MAIL", "GRAFANA")


class Failed(Exception):
    """A script of the deployment failed, with what it printed."""


class Composed:
    """What `make up OFFLINE=1` starts, with ports, volumes and secrets of its own.

    Args:
        project: the Compose project; containers, networks and volumes bear its name.
        state: a folder for secrets, keys and addresses.
        files: further Compose files.
        settings: variables of the Compose files.
    """

    def __init__(self, project: str, state: Path, *files: Path, settings: Mapping[str, str] | None = None) -> None:
        taken: list[int] = []
        for _ in _PUBLISHED:
            taken.append(free_port(taken))
        ports = {f"FOURONES_{name}_PORT": str(port) for name, port in zip(_PUBLISHED, taken, strict=True)}
        self.project = project
        self.state = state
        self.environment = ports | {
            "OFFLINE": "1",
            "COMPOSE_PROJECT_NAME": project,
            "COMPOSE_FILES": " ".join(map(str, files)),
            "FOURONES_STATE": str(state),
            **(settings or {}),
        }

    @property
    def endpoints(self) -> dict[str, Any]:
        """Every address and the keys, as `make up` leaves them."""
        found: dict[str, Any] = json.loads((self.state / "endpoints.json").read_text(encoding="utf-8"))
        return found

    def up(self) -> None:
        """Starts everything; returns when it is healthy."""
        self.script("up.sh")

    def down(self) -> None:
        """Removes containers, networks, volumes and secrets."""
        self.script("down.sh", DATA="delete")

    def script(self, name: str, *arguments: str, **environment: str) -> str:
        """Runs one of the scripts of deploy/compose.

        Raises:
            Failed: with its output.
        """
        return run([str(ROOT / "deploy" / "compose" / name), *arguments], self.environment | environment)

    def containers(self, service: str | None = None, *, running: bool = True) -> list[dict[str, Any]]:
        """What Docker knows of the containers: of one service, or of all; of those that run, or of all."""
        wanted = ["--filter", f"label=com.docker.compose.project={self.project}"]
        if service is not None:
            wanted += ["--filter", f"label=com.docker.compose.service={service}"]
        if not running:
            wanted.append("--all")
        ids = run(["docker", "ps", "--quiet", "--no-trunc", *wanted]).split()
        found: list[dict[str, Any]] = json.loads(run(["docker", "inspect", *ids])) if ids else []
        return found

    def kill(self, container: Mapping[str, Any]) -> None:
        """Ends the container's first process with SIGKILL, as the kernel does when memory runs out.

        Not `docker kill`: Docker takes that for the wish that it stays dead. Nothing inside may kill the first
        process either, so it is done from a container that sees the machine's processes.
        """
        pid = str(container["State"]["Pid"])
        command = ["docker", "run", "--rm", "--pid=host", "--user=0", "--cap-drop=ALL", "--cap-add=KILL"]
        # Without a rule of AppArmor of its own, it may not signal what another container runs.
        command += ["--network=none", "--security-opt=apparmor=unconfined", "--entrypoint=python3", image("tools")]
        run([*command, "-c", f"import os, signal; os.kill({pid}, signal.SIGKILL)"])

    def wait_healthy(self, service: str, *, than: str | None = None) -> None:
        """Returns when every container of a service is healthy, and none runs since `than`, where it is given."""

        def healthy() -> bool:
            found = self.containers(service)
            states = [container["State"] for container in found]
            assert states, f"{service} does not run"
            assert all(state["Health"]["Status"] == "healthy" for state in states), states
            return than not in {state["StartedAt"] for state in states}

        eventually(healthy, within_s=180)


def service_of(container: Mapping[str, Any]) -> str:
    """The Compose service that a container is of."""
    return str(container["Config"]["Labels"]["com.docker.compose.service"])


def image(name: str) -> str:
    """The tag of one of our images."""
    return f"fourones/{name}:{version()}"


def version() -> str:
    """The project's version."""
    lines = (ROOT / "shared" / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    return next(line.split('"')[1] for line in lines if line.startswith("version = "))


def run(command: list[str], environment: Mapping[str, str] | None = None) -> str:
    """What a command prints.

    Raises:
        Failed: it ended with an error; with what it printed.
    """
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        raise Failed(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout
