"""Where the scenario asks, and with which keys."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from load.county_systems.connections import Connection, Unreachable
from load.county_systems.duties import Duty, duties_of

ASKED = ("submission", "aggregation")
_SERVICES = (*ASKED, "alerting")
_PAGE = 1000
_LOOK_EVERY_S = 1.0
_PAUSE = threading.Event()


class NotUsable(Exception):
    """The scenario cannot run with what it was given."""


@dataclass(frozen=True)
class Places:
    """A system under load.

    Attributes:
        apis: base addresses by service.
        workers: addresses of the workers' metrics; of a name with many addresses all are asked.
        prometheus: its address, where the workers cannot be reached.
        keys: API keys by role and organisation.
        tls: how certificates are checked.
    """

    apis: Mapping[str, str]
    workers: Sequence[str]
    prometheus: str | None
    keys: Mapping[str, str]
    tls: ssl.SSLContext | None = None

    def connection(self, service: str) -> Connection:
        """A new one to a service's API."""
        return Connection(self.apis[service], tls=self.tls)

    def bearer(self, key: str) -> dict[str, str]:
        """The header of a role's or organisation's key."""
        return {"Authorization": f"Bearer {self.keys[key]}"}

    def pages(self, service: str, path: str, *, key: str, **query: str) -> Iterator[dict[str, Any]]:
        """All items of a list."""
        connection = self.connection(service)
        try:
            asked = query | {"limit": str(_PAGE)}
            while True:
                page = connection.get(f"{path}?{urlencode(asked)}", self.bearer(key))
                yield from page["items"]
                if page["next"] is None:
                    return
                asked["cursor"] = page["next"]
        finally:
            connection.close()


def from_endpoints(file: Path) -> Places:
    """The addresses and keys that a local stack or Compose has written down (`endpoints.json`)."""
    found = json.loads(file.read_text(encoding="utf-8"))
    return Places(
        apis={service: found[service] for service in ASKED},
        workers=[found[f"{service}_worker"] for service in _SERVICES if found.get(f"{service}_worker")],
        prometheus=found.get("prometheus"),
        keys=found["keys"],
    )


def keys_from(file: Path) -> dict[str, str]:
    """Keys as `fourones-submission keys demo --json` prints them, or those of an `endpoints.json`."""
    found = json.loads(file.read_text(encoding="utf-8"))
    return dict(found.get("keys", found))


def wait_for_answers(places: Places, *, at_most_s: float) -> None:
    """Return when every key is let in by the APIs that it will be used with: keys reach them by events.

    Raises:
        Unreachable: one is not in time, with the last answer.
    """
    deadline = time.monotonic() + at_most_s
    for service, path in (("submission", "/v1/catalogue"), ("aggregation", "/v1/rollups?limit=1")):
        connection = places.connection(service)
        for key in places.keys:
            while True:
                try:
                    connection.get(path, places.bearer(key))
                except Unreachable:
                    if time.monotonic() > deadline:
                        raise
                    _PAUSE.wait(_LOOK_EVERY_S)
                else:
                    break
        connection.close()


def duties_by_organisation(places: Places) -> tuple[dict[str, list[Duty]], dict[str, Any]]:
    """What every county and zone that there is a key for has to report; and the catalogue.

    Raises:
        NotUsable: nobody has anything to report.
    """
    connection = places.connection("submission")
    catalogue = connection.get("/v1/catalogue", places.bearer("viewer" if "viewer" in places.keys else "admin"))
    connection.close()
    reporting = [
        organisation["id"]
        for organisation in catalogue["organisations"]
        if organisation["kind"] in {"county", "zone"} and organisation["id"] in places.keys
    ]
    duties = {
        org: duties_of(org, places.pages("submission", "/v1/obligations", key=org, reporter=org, org=org), catalogue)
        for org in reporting
    }
    found = {org: owed for org, owed in duties.items() if owed}
    if not found:
        raise NotUsable("no county or zone of the catalogue has both a key here and figures to report")
    return found, catalogue
