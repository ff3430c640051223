"""One Apache Kafka node (KRaft, broker and controller in one process) run from jars."""

import fcntl
import hashlib
import logging
import os
import shutil
import signal
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from fourones_local.errors import CommandFailed, RequirementMissing
from fourones_local.ports import LOOPBACK, is_free
from fourones_local.server import wait_until

# A submission of 5,000 figures is one event; 8 MiB hold it with room, and the topics' own limits are below.
MAX_MESSAGE_BYTES = 8 * 1024 * 1024

_SERVER_PROPERTIES = """\
process.roles=broker,controller
node.id=1
# A fixed voter, not a dynamic quorum: that one writes the controller's address into its log, and the port may change.
controller.quorum.voters=1@{host}:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={log_dir}

# One node: one copy of everything. In production Strimzi runs three with min.insync.replicas=2.
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1

# Topics are data (shared/topics); a misspelt name must fail instead of creating one.
auto.create.topics.enable=false
message.max.bytes={max_message}
replica.fetch.max.bytes={max_message}

# log.flush.* stay at their defaults (the operating system decides): an acknowledged record is in the page cache,
# which survives any death of the broker, SIGKILL too. Only the machine's own crash could lose it; in production
# the other replicas hold it then, and here the outbox and the receipts still do.

# A few clients on a few cores.
num.network.threads=2
num.io.threads=4
background.threads=2
num.recovery.threads.per.data.dir=2
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
share.coordinator.state.topic.num.partitions=1
log.segment.bytes=268435456
# 1 MiB of index covers a segment of 256 MiB twice; the default would map 10 MiB for every segment.
log.index.size.max.bytes=1048576
# The default takes 128 MiB of the heap for the cleaner alone.
log.cleaner.dedupe.buffer.size=16777216
# After SIGKILL the node is let back in only when its former session has ended: 4 s instead of 9.
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=1000
# The delay waits for more members of a new group; here they come together anyway.
group.initial.rebalance.delay.ms=0
"""

_LOG4J2 = """\
<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="ERROR" shutdownHook="disable">
  <Appenders>
    <Console name="stdout" target="SYSTEM_OUT">
      <PatternLayout pattern="%d{ISO8601} %-5p %c{1.} %m%n"/>
    </Console>
  </Appenders>
  <Loggers>
    <Root level="WARN"><AppenderRef ref="stdout"/></Root>
    <!-- Says when the broker has started and why it stops. -->
    <Logger name="kafka.server.KafkaRaftServer" level="INFO"/>
  </Loggers>
</Configuration>
"""


@dataclass(frozen=True)
class KafkaNode:
    """A Kafka node of its own, bound to the loopback.

    Attributes:
        home: holds `libs/`, the jars (see `fetch_jars`).
        data_dir: holds the rendered configuration and the log.
        port: of the listener for clients.
        controller_port: of the listener for the controller.
        heap_mb: size of the Java heap in MiB.
        jvm_options: further options, for example to start faster in tests.
    """

    home: Path
    data_dir: Path
    port: int
    controller_port: int
    heap_mb: int = 512
    jvm_options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    name = "kafka"
    user: str | None = None
    stop_signal = signal.SIGTERM

    @property
    def bootstrap(self) -> str:
        """The address for clients."""
        return f"{LOOPBACK}:{self.port}"

    def server_properties(self) -> str:
        """The text of `server.properties`."""
        return _SERVER_PROPERTIES.format(
            host=LOOPBACK,
            port=self.port,
            controller_port=self.controller_port,
            log_dir=self.data_dir / "log",
            max_message=MAX_MESSAGE_BYTES,
        )

    def prepare(self) -> None:
        """Renders the configuration and formats the storage once.

        Raises:
            CommandFailed: the storage could not be formatted.
        """
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._properties.write_text(self.server_properties(), encoding="utf-8")
        self._log4j2.write_text(_LOG4J2, encoding="utf-8")
        if not (self.data_dir / "log" / "meta.properties").exists():
            self._format()

    def command(self) -> Sequence[str]:
        """The command line of the broker."""
        return [*self._java(f"-Xms{self.heap_mb}m"), "kafka.Kafka", str(self._properties)]

    def wait_ready(self, timeout: float, alive: Callable[[], bool]) -> None:
        """Returns when the broker answers as a member of its cluster.

        Raises:
            NotReady: the time (seconds) was up, or the process ended.
        """
        # The client reports every refused connection of a broker that is still starting.
        chatter = logging.getLogger("kafka")
        before = chatter.level
        chatter.setLevel(logging.CRITICAL)
        try:
            wait_until(self._answers, timeout=timeout, alive=alive)
        finally:
            chatter.setLevel(before)

    @property
    def _properties(self) -> Path:
        return self.data_dir / "server.properties"

    @property
    def _log4j2(self) -> Path:
        return self.data_dir / "log4j2.xml"

    def _java(self, *options: str) -> list[str]:
        return [
            find_java(),
            f"-Xmx{self.heap_mb}m",
            *options,
            # The least memory and the fewest threads; pauses of a 512 MiB heap are some tens of milliseconds.
            "-XX:+UseSerialGC",
            # No hsperfdata files under /tmp and no remote JMX: metrics come from the services.
            "-XX:-UsePerfData",
            "-XX:+ExitOnOutOfMemoryError",
            "-Djava.awt.headless=true",
            "-Djava.net.preferIPv4Stack=true",
            f"-Dlog4j2.configurationFile={self._log4j2}",
            *self.jvm_options,
            "-cp",
            f"{self.home / 'libs'}/*",
        ]

    def _format(self) -> None:
        # A start that was killed while formatting leaves half a directory behind.
        shutil.rmtree(self.data_dir / "log", ignore_errors=True)
        command = [
            # Short-lived: compiling it thoroughly would take longer than running it.
            *self._java("-XX:TieredStopAtLevel=1"),
            "kafka.tools.StorageTool",
            "format",
            "--config",
            str(self._properties),
            "--cluster-id",
            new_cluster_id(),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)  # noqa: S603
        if done.returncode:
            raise CommandFailed("kafka.tools.StorageTool format", done.returncode, done.stdout + done.stderr)

    def _answers(self) -> bool:
        # Asked first: the client leaks a socket for every connection that is refused.
        if is_free(self.port):
            return False
        try:
            client = KafkaAdminClient(
                bootstrap_servers=self.bootstrap, bootstrap_timeout_ms=2_000, request_timeout_ms=2_000
            )
        except (KafkaError, OSError):
            return False
        try:
            return bool(client.describe_cluster()["brokers"])
        except (KafkaError, OSError):
            return False
        finally:
            client.close()


def fetch_jars(pom: Path, home: Path) -> bool:
    """Fetches what `pom` pins into `home/libs`, unless it is there already.

    Args:
        pom: names the jars and their versions.
        home: shared between runs; concurrent callers wait for one another.

    Returns:
        Whether anything had to be fetched.

    Raises:
        RequirementMissing: Maven is not installed.
        CommandFailed: the jars could not be fetched, or their checksums are wrong.
    """
    home.mkdir(parents=True, exist_ok=True)
    wanted = hashlib.sha256(pom.read_bytes()).hexdigest()
    stamp = home / "libs.stamp"
    with (home / "libs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
            return False
        draft = home / "libs.new"
        shutil.rmtree(draft, ignore_errors=True)
        _copy_dependencies(pom, draft)
        stamp.unlink(missing_ok=True)
        shutil.rmtree(home / "libs", ignore_errors=True)
        draft.rename(home / "libs")
        stamp.write_text(wanted, encoding="utf-8")
    return True


def new_cluster_id() -> str:
    """A cluster's id: 22 URL-safe characters; as Kafka itself does, none that begins with a dash.

    One id in 64 would, and `kafka-storage format` takes it for an option.
    """
    while (cluster_id := urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return cluster_id


def find_java() -> str:
    """The Java of JAVA_HOME, else of the path.

    Raises:
        RequirementMissing: there is none.
    """
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    if java is None:
        raise RequirementMissing("Java 17 or newer is needed (Debian: apt-get install openjdk-17-jdk-headless)")
    return java


def _copy_dependencies(pom: Path, target: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise RequirementMissing("Maven is needed to fetch Kafka's jars (Debian: apt-get install maven)")
    goal = "dependency:copy-dependencies"
    # -C: a jar whose checksum is wrong fails the build instead of being warned about.
    command = [maven, "-B", "-C", "-ntp", "-q", "-f", str(pom), goal]
    options = ["-DincludeScope=runtime", f"-DoutputDirectory={target}"]
    done = subprocess.run(  # noqa: S603
        [*command, *options], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        output = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise CommandFailed(f"mvn {goal}", done.returncode, output)
