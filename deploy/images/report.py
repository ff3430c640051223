"""Prints what docs/deployment.md says of the images: sizes, and start times and memory of the running containers.

Start time is from the moment at which Docker starts a container to the log line with which its program says that it
serves. Memory is what Docker shows, without the page cache that the kernel would give back.
"""

import json
import re
import subprocess
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

_SERVES = re.compile(
    r"Application startup complete"  # our services
    r"|database system is ready to accept connections"
    r"|Kafka Server started"
    r"|Server is ready to receive web requests"  # Prometheus
    r"|Listening on|HTTP Server Listen"  # Alertmanager, Grafana
)


def main() -> None:
    """Print both tables in Markdown."""
    _table(("image", "size"), _sizes())
    print()  # noqa: T201 - a report
    _table(("container", "serves after", "memory", "limit"), _containers())


def _sizes() -> Iterable[Sequence[str]]:
    for line in sorted(_docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}} {{.Size}}").splitlines()):
        name, size = line.split()
        if "fourones/" in name:
            yield name, size


def _containers() -> Iterable[Sequence[str]]:
    names = _docker("ps", "--filter", "label=com.docker.compose.project", "--format", "{{.Names}}").split()
    if not names:
        return
    used = {
        row["Name"]: row["MemUsage"].split(" / ")
        for row in map(json.loads, _docker("stats", "--no-stream", "--format", "{{json .}}", *names).splitlines())
    }
    for container in sorted(json.loads(_docker("inspect", *names)), key=lambda found: str(found["Name"])):
        name = container["Name"].removeprefix("/")
        yield name, _start_time(name, container["State"]), *used[name]


def _start_time(name: str, state: dict[str, Any]) -> str:
    started = _moment(state["StartedAt"])
    log = subprocess.run(  # noqa: S603
        ["docker", "logs", "--timestamps", "--since", state["StartedAt"], name],  # noqa: S607
        capture_output=True,
        text=True,
        check=True,
    )
    served = [_moment(line.split()[0]) for line in (log.stdout + log.stderr).splitlines() if _SERVES.search(line)]
    # The last: while PostgreSQL makes its cluster, a server of its own comes and goes.
    return f"{(max(served) - started).total_seconds():.1f} s" if served else "–"


def _moment(text: str) -> datetime:
    # Docker gives nanoseconds, Python takes microseconds.
    return datetime.fromisoformat(re.sub(r"\.(\d{6})\d*Z$", r".\1+00:00", text))


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    for row in (titles, ["---"] * len(titles), *rows):
        print(f"| {' | '.join(row)} |")  # noqa: T201 - a report


def _docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout  # noqa: S603, S607


if __name__ == "__main__":
    main()
