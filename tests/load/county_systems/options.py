"""What can be asked of the scenario: options of the command line, each with a variable of the environment."""

from __future__ import annotations

import argparse
import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from load.county_systems.arrivals import PROFILES
from load.county_systems.places import ASKED, NotUsable, Places, from_endpoints, keys_from


@dataclass(frozen=True, slots=True)
class _Option:
    name: str
    help: str
    default: Any = None
    type: type = str
    choices: tuple[str, ...] | None = None

    @property
    def variable(self) -> str:
        return f"FOURONES_LOAD_{self.name.upper()}"


OPTIONS = (
    _Option("endpoints", "file with all addresses and keys, as local stacks write it; or give them one by one"),
    _Option("submission", "address of the submission API; --host when absent"),
    _Option("aggregation", "address of the aggregation API; --host when absent"),
    _Option("keys", "file with keys, as `fourones-submission keys demo --json` prints them"),
    _Option("workers", "addresses of the workers' metrics, with commas between; of a name all its addresses are asked"),
    _Option("prometheus", "its address, to ask for the lag where the workers cannot be reached"),
    _Option("ca_file", "PEM file of who signs the APIs' certificates"),
    _Option("may_post_invented_figures", "`yes`: the system under load holds no figures that anybody relies on"),
    _Option("wait_s", "seconds that the system has to become ready", 60.0, float),
    _Option("rate", "submissions a second, at the highest; what is read comes on top", 200.0, float),
    _Option("seconds", "how long county systems call", 600.0, float),
    _Option("warm_up", "seconds at the beginning whose latencies are left out", 10.0, float),
    _Option("course", "of the rate over time", "constant", choices=tuple(PROFILES)),
    _Option("counties", "virtual counties, which share the organisations", 2000, int),
    _Option("seed", "of everything that is drawn", 4101, int),
    _Option("p99_ms", "most that the 99th percentile of single figures' answers may be; 0: not judged", 100.0, float),
    _Option(
        "lag_s", "most seconds after the last answer until the workers have nothing left; 0: not judged", 10.0, float
    ),
    _Option("errors", "most answers that are not as intended", 0, int),
    _Option("compared", "figures and periods whose roll-ups are compared with what was posted", 50, int),
    _Option("sample_s", "seconds between two looks at what every process holds; 0: none", 0.0, float),
    _Option("growth", "most that it may grow an hour, as a share; 0: not judged", 0.0, float),
    _Option(
        "watch", "what else is to be looked at: NAME=URL of metrics, or NAME=PID on this machine, with commas between"
    ),
    _Option("output", "directory of summary.json, summary.md and samples.csv", "."),
)


def add_options(parser: Any) -> None:
    """Add them to locust's parser."""
    group = parser.add_argument_group("County systems at month-end")
    for option in OPTIONS:
        group.add_argument(
            f"--{option.name.replace('_', '-')}",
            dest=f"load_{option.name}",
            env_var=option.variable,
            default=option.default,
            type=option.type,
            choices=option.choices,
            help=option.help,
        )


@dataclass(frozen=True, slots=True)
class Options:
    """The options as they were given; locust's own beside them."""

    given: argparse.Namespace

    def __getattr__(self, name: str) -> Any:
        return getattr(self.given, f"load_{name}")

    def places(self) -> Places:
        """Where to ask.

        Raises:
            NotUsable: not enough was given.
        """
        tls = ssl.create_default_context(cafile=self.ca_file or None)
        base = from_endpoints(Path(self.endpoints)) if self.endpoints else None
        known = dict(base.apis) if base else {}
        for service in ASKED:
            address = getattr(self, service) or known.get(service) or self.given.host
            if not address:
                raise NotUsable(f"no address of the {service} API: give --endpoints, --{service} or --host")
            known[service] = address.rstrip("/")
        if base is None and not self.keys:
            raise NotUsable("no keys: give --endpoints or --keys")
        keys = keys_from(Path(self.keys)) if self.keys else base.keys if base else {}
        workers = self.workers.split(",") if self.workers else base.workers if base else ()
        prometheus = self.prometheus or (base.prometheus if base else None)
        return Places(known, [one.strip() for one in workers], prometheus, keys, tls)

    def require_consent(self) -> None:
        """See that nobody's record is spoilt by mistake.

        Raises:
            NotUsable: nobody has said that invented figures may be posted.
        """
        if self.may_post_invented_figures != "yes":
            raise NotUsable(
                "the figures of this scenario are invented, and a revision stays in the record for ever: give"
                " --may-post-invented-figures yes (FOURONES_LOAD_MAY_POST_INVENTED_FIGURES=yes) for a system that"
                " nobody relies on"
            )

    def watched(self) -> tuple[dict[str, str], dict[str, int]]:
        """The processes to be looked at: addresses and process ids by name."""
        services: dict[str, str] = {}
        servers: dict[str, int] = {"load generator": os.getpid()}
        for one in (self.watch or "").split(","):
            name, _, where = one.strip().partition("=")
            if where.isdigit():
                servers[name] = int(where)
            elif where:
                services[name] = where
        return services, servers
