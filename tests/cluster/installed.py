"""The overlay `local` in a cluster, put under the load of the Job that the overlay `local-load` adds."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from cluster.node import Node
from containers.composed import SERVICES, image
from contract.k8s.rendering import of_ones_own
from support.waiting import eventually

NAMESPACE = "fourones"
ROLES = tuple(f"{service}-{role}" for service in SERVICES for role in ("api", "worker"))
# What the overlay names, and what `make images-offline` has made of it.
_STAND_INS = {
    "postgres": ("fourones/offline-postgres", "15"),
    "apache/kafka": ("fourones/offline-kafka", "4.3.1"),
}


class Installed:
    """Everything in its namespace.

    Args:
        node: the cluster.
        folder: for the overlay of one's own.
    """

    def __init__(self, node: Node, folder: Path) -> None:
        self.node = node
        self._folder = folder

    def apply(self) -> None:
        """As the guide says: images, `kubectl apply -k`, and a wait until everything is available."""
        ours = [image(name) for name in (*SERVICES, "tools")]
        self.node.bring(*ours, *(":".join(stand_in) for stand_in in _STAND_INS.values()))
        self.node.kubectl("apply", "-k", self._overlay("local"))
        self("wait", "--for=condition=Available", "deployment", "--all", "--timeout=15m")

    def __call__(self, *arguments: str, may_fail: bool = False) -> str:
        """kubectl in its namespace."""
        return self.node.kubectl("-n", NAMESPACE, *arguments, may_fail=may_fail)

    def pods(self, selector: str = "") -> list[Mapping[str, Any]]:
        """As the cluster describes them."""
        found: list[Mapping[str, Any]] = json.loads(self("get", "pods", "-o", "json", f"--selector={selector}"))[
            "items"
        ]
        return found

    def loaded(self, meanwhile: Callable[[], None], **settings: object) -> tuple[int, Mapping[str, Any]]:
        """Runs the load Job, and something beside it from the time at which the load has begun.

        Returns:
            The Job's exit code and its summary.
        """
        self("delete", "job", "load", "--ignore-not-found")
        self.node.kubectl("apply", "-k", self._overlay("local-load", **settings))
        eventually(lambda: self._load()["phase"] == "Running", within_s=300)
        eventually(lambda: "virtual counties" in self("logs", "job/load", "-c", "load", may_fail=True), within_s=300)
        meanwhile()
        eventually(lambda: self._load()["phase"] in {"Succeeded", "Failed"}, within_s=600)
        [container] = self._load()["containerStatuses"]
        log = self("logs", "job/load", "-c", "load")
        summary = re.search(r"^\{$.*^\}$", log, re.MULTILINE | re.DOTALL)
        assert summary is not None, log
        return container["state"]["terminated"]["exitCode"], json.loads(summary[0])

    def _load(self) -> Mapping[str, Any]:
        found = self.pods("app.kubernetes.io/name=load")
        assert found, "no pod of the load"
        status: Mapping[str, Any] = found[-1]["status"]
        return status

    def _overlay(self, name: str, **settings: object) -> str:
        images = [{"name": of, "newName": by, "newTag": tag} for of, (by, tag) in _STAND_INS.items()]
        document: dict[str, Any] = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": NAMESPACE,
            "resources": [f"../fourones/deploy/k8s/overlays/{name}"],
            "images": images,
        }
        if settings:
            literals = [f"FOURONES_LOAD_{key.upper()}={value}" for key, value in settings.items()]
            document["configMapGenerator"] = [{"name": "load", "behavior": "merge", "literals": literals}]
        return of_ones_own(self._folder, yaml.safe_dump(document))
