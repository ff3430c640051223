"""What each process costs: seconds of CPU and megabytes of memory, as the kernel counts them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from fourones_local.postgres import PostgresServer
from fourones_local.stack import Stack

_MIB = 1024 * 1024
LOAD = "load generator"
# A backend's title is "postgres: user database host(port) activity".
_BACKEND = re.compile(r"postgres: \S+ (\S+) \S+\(\d+\)")


@dataclass(frozen=True)
class Usage:
    """Seconds of CPU, by process since its start; of PostgreSQL by the database that a backend works for."""

    cpu_s: Mapping[str, float]

    def since(self, earlier: Usage) -> dict[str, float]:
        """What was spent in between."""
        return {name: seconds - earlier.cpu_s.get(name, 0.0) for name, seconds in self.cpu_s.items()}


def usage(stack: Stack) -> Usage:
    """What every process of the stack, and this one, has spent so far."""
    spent = {LOAD: _spent(psutil.Process())}
    for info in stack.supervisor.all_info():
        if info["pid"]:
            process = psutil.Process(int(info["pid"]))
            if info["name"] == "postgres":
                spent |= _of_postgres(process)
            else:
                spent[str(info["name"])] = _spent(process)
    return Usage(spent)


def memory_mib(stack: Stack) -> dict[str, float]:
    """Memory of each process of the stack that is its own alone (private), or would be missed without it (PSS)."""
    found: dict[str, float] = {}
    for info in stack.supervisor.all_info():
        if info["pid"]:
            process = psutil.Process(int(info["pid"]))
            every = [process, *process.children(recursive=True)]
            # Backends share their buffers: a page counts for each of those who share it by its part.
            found[str(info["name"])] = sum(p.memory_full_info().pss for p in every) / _MIB
    return found


def spent_by_postgres(server: PostgresServer) -> float:
    """Seconds of CPU of a server and all of its backends, those that have ended among them."""
    postmaster = server.postmaster()
    return 0.0 if postmaster is None else sum(_of_postgres(postmaster).values())


def _of_postgres(postmaster: psutil.Process) -> dict[str, float]:
    times = postmaster.cpu_times()
    # With those of its children that have ended, autovacuum's workers first of all.
    spent = {"postgres (others)": times.user + times.system + times.children_user + times.children_system}
    for child in postmaster.children(recursive=True):
        try:
            match = _BACKEND.match(" ".join(child.cmdline()))
            seconds = _spent(child)
        except psutil.NoSuchProcess:
            continue
        name = f"postgres ({match[1]})" if match else "postgres (others)"
        spent[name] = spent.get(name, 0.0) + seconds
    return spent


def _spent(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def cores() -> int:
    """How many processors there are to share."""
    return len(os.sched_getaffinity(0))
