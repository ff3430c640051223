"""Where everything is: in the repository, and in the state directory of one stack."""

import hashlib
import os
import stat
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from fourones_local.errors import LocalStackError

# A Unix socket's path must fit into 108 bytes; supervisord adds a dot and its process id while it creates one.
_SOCKET_PATH_LIMIT = 90


@dataclass(frozen=True)
class Repository:
    """A checkout of the project.

    Attributes:
        root: its top folder.
    """

    root: Path

    @classmethod
    def here(cls) -> "Repository":
        """The checkout that this package is installed from.

        Raises:
            LocalStackError: the package was installed without its checkout (it needs the catalogue and the pom).
        """
        root = Path(__file__).resolve().parents[4]
        if not (root / "deploy" / "local" / "pom.xml").exists():
            raise LocalStackError(
                "fourones-local runs from a checkout: install it with `uv pip install -e deploy/local`"
            )
        return cls(root)

    @property
    def pom(self) -> Path:
        """Pins Kafka's jars."""
        return self.root / "deploy" / "local" / "pom.xml"

    @property
    def kafka_home(self) -> Path:
        """Holds Kafka's jars, for every stack of this checkout."""
        return self.root / ".local" / "kafka"

    @property
    def catalogue(self) -> Path:
        """The indicators, organisations, plans and targets."""
        return self.root / "catalogue"

    @property
    def reported(self) -> Path:
        """The real figures."""
        return self.catalogue / "reported"

    @property
    def prometheus_rules(self) -> Path:
        """Alerting and recording rules; may be missing."""
        return self.root / "deploy" / "prometheus" / "rules"

    @property
    def monitoring_templates(self) -> Path:
        """Configuration of Prometheus and Alertmanager for this machine."""
        return self.root / "deploy" / "local" / "prometheus"

    @staticmethod
    def command(name: str) -> str:
        """The path of a command that is installed beside the present Python."""
        return str(Path(sys.executable).parent / name)


@dataclass(frozen=True)
class State:
    """The files of one stack.

    Attributes:
        root: the state directory.
    """

    root: Path

    def create(self) -> None:
        """Creates the directories."""
        self.root.mkdir(parents=True, exist_ok=True)
        # PostgreSQL runs as another user when root starts the stack, and must pass through.
        self.root.chmod(self.root.stat().st_mode | stat.S_IXGRP | stat.S_IXOTH)
        self.logs.mkdir(exist_ok=True)

    @property
    def logs(self) -> Path:
        """One log per program."""
        return self.root / "log"

    @property
    def postgres(self) -> Path:
        """PostgreSQL's data."""
        return self.root / "postgres"

    @property
    def kafka(self) -> Path:
        """Kafka's configuration and log."""
        return self.root / "kafka-node"

    @property
    def monitoring(self) -> Path:
        """Prometheus' and Alertmanager's configuration and data."""
        return self.root / "monitoring"

    @property
    def alertmanager_token(self) -> Path:
        """What Alertmanager bears when it calls the alerting service."""
        return self.root / "alertmanager.token"

    @property
    def passwords(self) -> Path:
        """PostgreSQL's passwords by role."""
        return self.root / "postgres.json"

    @property
    def ports(self) -> Path:
        """The ports chosen at the first start."""
        return self.root / "ports.json"

    @property
    def keys(self) -> Path:
        """The demonstration keys."""
        return self.root / "keys.json"

    @property
    def seeded(self) -> Path:
        """What the keys were issued for."""
        return self.root / "seeded.json"

    @property
    def submitted(self) -> Path:
        """The journal of the real figures: what of them was accepted."""
        return self.root / "submitted.jsonl"

    @property
    def endpoints(self) -> Path:
        """Every address, and the keys."""
        return self.root / "endpoints.json"

    @property
    def supervisor_configuration(self) -> Path:
        """The rendered configuration of supervisord; holds passwords."""
        return self.root / "supervisord.conf"

    @property
    def control_socket(self) -> Path:
        """The socket of supervisord: here, unless the path is too long for a socket."""
        socket = self.root / "supervisor.sock"
        if len(os.fsencode(socket)) <= _SOCKET_PATH_LIMIT:
            return socket
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        directory = Path(tempfile.gettempdir()) / f"fourones-{os.getuid()}-{digest}"
        directory.mkdir(mode=0o700, exist_ok=True)
        if directory.is_symlink() or directory.stat().st_uid != os.getuid():
            raise LocalStackError(f"{directory} belongs to somebody else")
        return directory / "supervisor.sock"
