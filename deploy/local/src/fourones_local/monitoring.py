"""Prometheus and Alertmanager, where the machine has them or root may install them."""

import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template

from fourones_local import commands
from fourones_local.debian import how_to_install, install_packages
from fourones_local.files import write_private
from fourones_local.layout import Repository, State
from fourones_local.ports import LOOPBACK
from fourones_local.services import SERVICES, program_names
from fourones_local.supervisor import Program

_PACKAGES = ("prometheus", "prometheus-alertmanager")
HOW_TO_INSTALL = how_to_install(*_PACKAGES)
PROGRAMS = ("prometheus", "alertmanager")

_PRIORITY = 900
_POLICY = Path("/usr/sbin/policy-rc.d")
# Names the two daemons and nothing else: should the installation be killed, a policy that is left behind
# keeps no other service of the machine from starting.
_POLICY_TEXT = """\
#!/bin/sh
# Keeps Debian from starting system-wide daemons that fourones-local runs itself; may be deleted.
case "$1" in
  prometheus | prometheus-alertmanager) exit 101 ;;
  *) exit 104 ;;
esac
"""


@dataclass(frozen=True)
class Binaries:
    """The programs on this machine."""

    prometheus: str
    alertmanager: str


def find_binaries() -> Binaries | None:
    """The two programs, if both are installed."""
    prometheus = shutil.which("prometheus")
    # Debian's package has its own name for it.
    alertmanager = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    return Binaries(prometheus, alertmanager) if prometheus and alertmanager else None


def install() -> Binaries | None:
    """Installs the programs from Debian without letting it start them; None when that failed."""
    with _daemons_kept_from_starting():
        install_packages(*_PACKAGES)
    return find_binaries()


def programs(binaries: Binaries, repository: Repository, state: State, ports: Mapping[str, int]) -> list[Program]:
    """Renders the configuration and describes the two programs."""
    state.monitoring.mkdir(exist_ok=True)
    template = (repository.monitoring_templates / "prometheus.yml").read_text(encoding="utf-8")
    rendered = Template(template).substitute(_names(repository, ports))
    (state.monitoring / "prometheus.yml").write_text(rendered, encoding="utf-8")
    alertmanager_token(state)
    routes = commands.run(
        [
            "fourones-alerting",
            "alertmanager-config",
            f"--catalogue={repository.catalogue}",
            f"--webhook=http://{LOOPBACK}:{ports['alerting-api']}/v1/alertmanager",
            f"--token-file={state.alertmanager_token}",
        ]
    )
    (state.monitoring / "alertmanager.yml").write_text(routes, encoding="utf-8")
    prometheus = [
        binaries.prometheus,
        f"--config.file={state.monitoring / 'prometheus.yml'}",
        f"--storage.tsdb.path={state.monitoring / 'prometheus-data'}",
        "--storage.tsdb.retention.time=15d",
        # The traces that histograms name.
        "--enable-feature=exemplar-storage",
        f"--web.listen-address={LOOPBACK}:{ports['prometheus']}",
        "--log.level=warn",
    ]
    alertmanager = [
        binaries.alertmanager,
        f"--config.file={state.monitoring / 'alertmanager.yml'}",
        f"--storage.path={state.monitoring / 'alertmanager-data'}",
        f"--web.listen-address={LOOPBACK}:{ports['alertmanager']}",
        # Alone: no gossip with other Alertmanagers, no further port.
        "--cluster.listen-address=",
        "--log.level=warn",
    ]
    return [
        Program("prometheus", prometheus, priority=_PRIORITY),
        Program("alertmanager", alertmanager, priority=_PRIORITY),
    ]


def alertmanager_token(state: State) -> str:
    """What Alertmanager bears when it calls the alerting service; made once."""
    if not state.alertmanager_token.exists():
        write_private(state.alertmanager_token, secrets.token_urlsafe(32))
    return state.alertmanager_token.read_text(encoding="utf-8")


def _names(repository: Repository, ports: Mapping[str, int]) -> dict[str, str]:
    names = [*program_names(SERVICES), "alertmanager"]
    targets = {name.replace("-", "_"): f"{LOOPBACK}:{ports[name]}" for name in names}
    return {**targets, "rules": f"{repository.prometheus_rules}/*.yml"}


@contextmanager
def _daemons_kept_from_starting() -> Iterator[None]:
    if _POLICY.exists():
        # The machine has a policy of its own, and who wrote it knows why.
        yield
        return
    _POLICY.write_text(_POLICY_TEXT, encoding="utf-8")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink(missing_ok=True)
