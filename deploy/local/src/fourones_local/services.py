"""The three services as programs: their command lines, and every setting by the environment."""

from collections.abc import Mapping

from fourones_local.layout import Repository
from fourones_local.ports import LOOPBACK
from fourones_local.supervisor import Program

SERVICES = ("submission", "aggregation", "alerting")
KINDS = ("api", "worker")

# The data servers stop last, so their priorities are below it.
_PRIORITY = {"worker": 200, "api": 300}


def program_names(services: tuple[str, ...]) -> list[str]:
    """The programs of these services."""
    return [f"{service}-{kind}" for service in services for kind in KINDS]


def service_of(program: str) -> str:
    """The service that a program belongs to."""
    return program.rsplit("-", 1)[0]


def environment(program: str, *, database_url: str, kafka: str, ports: Mapping[str, int]) -> dict[str, str]:
    """The settings of a program.

    Args:
        program: its name, such as `submission-worker`.
        database_url: of its service's database.
        kafka: the broker's address.
        ports: by program; a worker's is for health and metrics only.
    """
    return {
        "FOURONES_DATABASE_URL": database_url,
        "FOURONES_KAFKA_BOOTSTRAP": kafka,
        "FOURONES_HOST": LOOPBACK,
        "FOURONES_PORT": str(ports[program]),
        "FOURONES_TOPIC_PREFIX": "",
        "FOURONES_LOG_FORMAT": "json",
        # A log line must be in the file when the process is killed right after it.
        "PYTHONUNBUFFERED": "1",
    }


def service_program(program: str, settings: Mapping[str, str]) -> Program:
    """One process of a service."""
    service, kind = program.rsplit("-", 1)
    return Program(
        name=program,
        command=[Repository.command(f"fourones-{service}"), kind],
        environment=settings,
        priority=_PRIORITY[kind],
    )
