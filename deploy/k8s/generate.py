"""Writes what the manifests repeat of other parts of the project, or says that it is not current.

    python deploy/k8s/generate.py            write
    python deploy/k8s/generate.py --check    change nothing; fail with the files that are not current

A PrometheusRule and a Secret hold what kustomize cannot take from elsewhere: Prometheus' rules
(deploy/prometheus/rules) and Alertmanager's routes, which follow from the catalogue's departments.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from fourones_alerting.notifying.routing import configuration
from fourones_shared.catalogue.files import load

K8S = Path(__file__).resolve().parent
REPOSITORY = K8S.parents[1]
MONITORING = K8S / "components" / "monitoring"
# Where the operator mounts the Secret `alerting-alertmanager` (components/monitoring/alertmanager.yaml).
TOKEN_FILE = "/etc/alertmanager/secrets/alerting-alertmanager/token"  # noqa: S105 - a path
WEBHOOK = "http://alerting-api/v1/alertmanager"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; fail when a file is not current")
    check = parser.parse_args(arguments).check
    files = generated()
    stale = [path for path, text in files.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if check:
        for path in stale:
            sys.stderr.write(f"{path.relative_to(REPOSITORY)} is not current: run `make k8s-generate`\n")
        return 1 if stale else 0
    for path in stale:
        path.write_text(files[path], encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(REPOSITORY)}\n")
    return 0


def generated() -> Mapping[Path, str]:
    """Every generated file with its text."""
    return {MONITORING / "rules.yaml": rules(), MONITORING / "routes.yaml": routes()}


def rules() -> str:
    """All groups of Prometheus' rules as one PrometheusRule."""
    groups: list[Any] = []
    for file in sorted((REPOSITORY / "deploy" / "prometheus" / "rules").glob("*.yml")):
        groups += yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
    rule = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "fourones", "labels": {"app.kubernetes.io/part-of": "fourones"}},
        "spec": {"groups": groups},
    }
    return _written(rule, "deploy/prometheus/rules")


def routes() -> str:
    """Alertmanager's configuration for the departments of the catalogue."""
    catalogue = load(REPOSITORY / "catalogue")
    return f"{_HEADING.format('catalogue/')}{configuration(catalogue, webhook=WEBHOOK, token_file=TOKEN_FILE)}"


def _written(document: Mapping[str, Any], source: str) -> str:
    return _HEADING.format(source) + yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=120)


_HEADING = "# Generated from {} by deploy/k8s/generate.py; do not edit.\n"

if __name__ == "__main__":
    sys.exit(main())
