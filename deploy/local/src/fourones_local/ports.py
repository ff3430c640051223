"""Which loopback ports the stack listens on, and how they stay the same from one start to the next."""

import json
import random
import socket
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from fourones_local.errors import RequirementMissing

LOOPBACK = "127.0.0.1"

DEFAULT_PORTS: Mapping[str, int] = {
    "submission-api": 8001,
    "aggregation-api": 8002,
    "alerting-api": 8003,
    "submission-worker": 8011,
    "aggregation-worker": 8012,
    "alerting-worker": 8013,
    # Not 5432 and 9092: a developer's machine often has a PostgreSQL or a Kafka of its own.
    "postgres": 15432,
    "kafka": 19092,
    "kafka-controller": 19093,
    "prometheus": 9090,
    "alertmanager": 9093,
}

# Below the range from which Linux takes the local ports of outgoing connections (32768 and up): a port out of
# that range can be taken by any client while its server restarts.
_FREE_RANGE = range(20_000, 32_768)
_ATTEMPTS = 1_000


def is_free(port: int) -> bool:
    """Whether nothing listens on the loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Connections in TIME_WAIT do not keep a server from listening, so they must not count as taken either.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port(taken: Iterable[int] = (), *, free: Callable[[int], bool] = is_free) -> int:
    """Finds a port that nothing listens on and that is not among `taken`.

    Raises:
        RequirementMissing: no free port was found.
    """
    excluded = {*taken, *DEFAULT_PORTS.values()}
    for _ in range(_ATTEMPTS):
        port = random.choice(_FREE_RANGE)  # noqa: S311 - spreads parallel test runs, protects nothing
        if port not in excluded and free(port):
            return port
    raise RequirementMissing(f"no free port between {_FREE_RANGE.start} and {_FREE_RANGE.stop - 1}")


def choose_ports(
    names: Iterable[str],
    remembered: Mapping[str, int] | None = None,
    *,
    free_ports: bool = False,
    free: Callable[[int], bool] = is_free,
) -> dict[str, int]:
    """Gives every name a port: the remembered one, else the default, else any that is free.

    Args:
        names: programs, as in `DEFAULT_PORTS`.
        remembered: the choice of an earlier start; kept where nothing else took the port meanwhile.
        free_ports: leave the defaults alone, for a stack beside another one.
        free: tells whether a port is free.

    Returns:
        Distinct ports by name.
    """
    remembered = remembered or {}
    chosen: dict[str, int] = {}
    for name in names:
        candidates = [remembered[name]] if name in remembered else []
        if not free_ports:
            candidates.append(DEFAULT_PORTS[name])
        usable = (port for port in candidates if port not in chosen.values() and free(port))
        port = next(usable, None)
        # A default that another name still waits for is left to it.
        chosen[name] = port if port is not None else free_port(chosen.values(), free=free)
    return chosen


def load_ports(file: Path) -> dict[str, int]:
    """The choice of an earlier start; empty when there was none."""
    if not file.exists():
        return {}
    return {str(name): int(port) for name, port in json.loads(file.read_text(encoding="utf-8")).items()}


def save_ports(file: Path, ports: Mapping[str, int]) -> None:
    """Remembers a choice for the next start."""
    file.write_text(json.dumps(dict(ports), indent=2) + "\n", encoding="utf-8")
