"""What the system's processes say of themselves: what they have yet to do, and what they hold, over hours."""

from __future__ import annotations

import csv
import json
import re
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TextIO
from urllib.parse import quote, urlsplit, urlunsplit

import psutil

from load.county_systems.growing import MEASURES, Sample

_BACKLOGS = ("fourones_outbox_depth", "fourones_consumer_lag_records")
# The gauges are taken about once a second, and what leaves one worker appears at the next a moment later.
_QUIET_S = 2.0
_LOOK_EVERY_S = 0.25
_TIMEOUT_S = 5.0
_MIB = 1024 * 1024
_SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{.*\})? (\S+)", re.MULTILINE)
_PAUSE = threading.Event()
# Addresses here are given, never those that a proxy of this machine's surroundings is for.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class _Rows(Protocol):
    def writerow(self, row: Iterable[object], /) -> object: ...


class Backlog(Protocol):
    """Tells what the workers have yet to do."""

    def left(self) -> float:
        """Events to send and records to apply.

        Raises:
            OSError: somebody could not be asked.
        """


class OfWorkers:
    """Asks the workers themselves.

    Args:
        urls: of their metrics' servers; of a name with many addresses, such as a headless Service's, all are asked.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = urls

    def left(self) -> float:
        """Events to send and records to apply."""
        return sum(metrics(url, _BACKLOGS) for base in self._urls for url in each_address(base))


class OfPrometheus:
    """Asks Prometheus, which knows it as of the last scrape."""

    def __init__(self, url: str) -> None:
        query = " + ".join(f"(sum({name}) or vector(0))" for name in _BACKLOGS)
        self._url = f"{url.rstrip('/')}/api/v1/query?query={quote(query)}"

    def left(self) -> float:
        """Events to send and records to apply."""
        found = json.loads(_read(self._url))["data"]["result"]
        return float(found[0]["value"][1])


def settled_after(backlog: Backlog, *, since: float, at_most_s: float) -> float | None:
    """How long after `since` (of `time.monotonic`) there was nothing left to do, for good; None when there still is."""
    quiet_since: float | None = None
    while True:
        now = time.monotonic()
        try:
            left = backlog.left()
        except OSError:
            # Who cannot answer cannot say that it is done.
            left = 1.0
        if left:
            quiet_since = None
        elif quiet_since is None:
            quiet_since = now
        elif now - quiet_since >= _QUIET_S:
            return max(0.0, quiet_since - since)
        if quiet_since is None and now - since > at_most_s:
            return None
        _PAUSE.wait(_LOOK_EVERY_S)


def metrics(url: str, names: Iterable[str]) -> float:
    """The sum of a process's series of these names.

    Raises:
        OSError: it does not answer.
    """
    wanted = frozenset(names)
    text = _read(f"{url}/metrics").decode()
    return sum(float(value) for name, value in _SAMPLE.findall(text) if name in wanted)


def each_address(url: str) -> Iterator[str]:
    """The same address for every machine that its name stands for.

    Raises:
        OSError: the name is not known.
    """
    parts = urlsplit(url)
    port = parts.port or 80
    found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    for host in sorted({str(address[0]) for *_, address in found}):
        netloc = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        yield urlunsplit((parts.scheme, netloc, parts.path.rstrip("/"), "", ""))


def _read(url: str) -> bytes:
    with _DIRECT.open(url, timeout=_TIMEOUT_S) as answer:
        return bytes(answer.read())


class Sampler:
    """Writes down what every process holds, every so often.

    Args:
        services: addresses of their metrics by name.
        servers: process ids by name, of those on this machine that have no metrics of ours.
        every_s: how often.
        file: CSV.
    """

    def __init__(self, services: Mapping[str, str], servers: Mapping[str, int], *, every_s: float, file: Path) -> None:
        self._looks: list[tuple[str, Callable[[], dict[str, float]]]] = [
            *((name, _OfService(url)) for name, url in services.items()),
            *((name, _OfServer(pid)) for name, pid in servers.items()),
        ]
        self._every_s = every_s
        self._file = file
        self.samples: list[Sample] = []

    def follow(self, ended: Callable[[], bool]) -> None:
        """Go on until it is over."""
        began = time.monotonic()
        with self._file.open("w", encoding="utf-8", newline="") as file:
            rows = self._rows(file)
            while not ended():
                at = time.monotonic() - began
                for name, look in self._looks:
                    # One that is away has no values then.
                    with suppress(OSError, psutil.Error):
                        sample = Sample(round(at, 1), name, look())
                        self.samples.append(sample)
                        rows.writerow([sample.at_s, name, *(sample.values.get(measure, "") for measure in MEASURES)])
                file.flush()
                _PAUSE.wait(max(0.1, began + (int(at / self._every_s) + 1) * self._every_s - time.monotonic()))

    @staticmethod
    def _rows(file: TextIO) -> _Rows:
        rows = csv.writer(file)
        rows.writerow(["at_s", "process", *MEASURES])
        return rows


class _OfService:
    """By its own metrics."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __call__(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, value in _SAMPLE.findall(_read(f"{self._url}/metrics").decode()):
            measure = _MEASURE_OF.get(name)
            if measure is not None:
                found[measure] = found.get(measure, 0.0) + float(value)
        if "memory_mib" in found:
            found["memory_mib"] /= _MIB
        return found


_MEASURE_OF = {
    "process_resident_memory_bytes": "memory_mib",
    "process_open_fds": "open_files",
    "fourones_outbox_depth": "outbox",
    "fourones_consumer_lag_records": "lag",
}


class _OfServer:
    """By what the kernel says of it and its children."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)

    def __call__(self) -> dict[str, float]:
        children = self._process.children(recursive=True)
        memory = 0.0
        for process in (self._process, *children):
            # A backend may end meanwhile. Backends share their buffers: a page counts for each by its part.
            with suppress(psutil.Error):
                memory += process.memory_full_info().pss / _MIB
        # PostgreSQL has a process for every connection.
        return {"memory_mib": memory, "open_files": self._process.num_fds(), "children": len(children)}
