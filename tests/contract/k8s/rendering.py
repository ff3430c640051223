"""The manifests as the cluster gets them: rendered by kubectl, and what they say of pods, settings and networks."""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from fourones_local.layout import Repository

K8S = Repository.here().root / "deploy" / "k8s"
OVERLAYS = tuple(sorted(path.parent.name for path in (K8S / "overlays").glob("*/kustomization.yaml")))

Manifest = Mapping[str, Any]


@cache
def rendered(overlay: str) -> tuple[Manifest, ...]:
    """Every object of an overlay, by its name or by the path of one elsewhere."""
    kubectl = Path(sysconfig.get_path("scripts")) / "kubectl"
    done = subprocess.run(
        [str(kubectl), "kustomize", str(K8S / "overlays" / overlay)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    # What kustomize warns of – deprecated fields, labels that nothing selects – is a fault here.
    assert not done.stderr, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def of_ones_own(folder: Path, kustomization: str) -> str:
    """An overlay outside the repository, to be rendered; `fourones/` in its text is the repository."""
    repository = os.path.relpath(K8S.parents[1], folder)
    text = kustomization.replace("../fourones/", f"{repository}/")
    (folder / "kustomization.yaml").write_text(text, encoding="utf-8")
    return str(folder)


def named(overlay: str, kind: str, name: str) -> Manifest:
    """The one object of this kind and name."""
    [found] = [m for m in rendered(overlay) if (m["kind"], m["metadata"]["name"]) == (kind, name)]
    return found


def of_kind(overlay: str, *kinds: str) -> list[Manifest]:
    """All objects of these kinds."""
    return [m for m in rendered(overlay) if m["kind"] in kinds]


@dataclass(frozen=True)
class Pods:
    """What a Deployment, StatefulSet or Job makes pods of."""

    kind: str
    name: str
    labels: Mapping[str, str]
    spec: Mapping[str, Any]

    @property
    def containers(self) -> list[Mapping[str, Any]]:
        """All of them, those that run first at the front."""
        return [*self.spec.get("initContainers", ()), *self.spec["containers"]]

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


def pods(overlay: str) -> Iterator[Pods]:
    """Everything that runs of ours; what operators make of their resources is theirs."""
    for manifest in of_kind(overlay, "Deployment", "StatefulSet", "Job"):
        template = manifest["spec"]["template"]
        yield Pods(manifest["kind"], manifest["metadata"]["name"], template["metadata"]["labels"], template["spec"])


def pod(overlay: str, name: str) -> Pods:
    """The pods of one name."""
    [found] = [p for p in pods(overlay) if p.name == name]
    return found


def environment(overlay: str, container: Mapping[str, Any]) -> dict[str, str]:
    """The variables of a container as the kubelet would set them, without those that only the node knows."""
    variables: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        variables |= named(overlay, "ConfigMap", source["configMapRef"]["name"])["data"]
    for variable in container.get("env") or ():
        value = _value(overlay, variable)
        if value is not None:
            variables[variable["name"]] = value
    return variables


def _value(overlay: str, variable: Mapping[str, Any]) -> str | None:
    if "value" in variable:
        return str(variable["value"])
    reference = variable["valueFrom"].get("configMapKeyRef")
    if reference is None:
        return None
    found = [m for m in of_kind(overlay, "ConfigMap") if m["metadata"]["name"] == reference["name"]]
    if not found:
        assert reference.get("optional"), reference
        return None
    return str(found[0]["data"][reference["key"]])


def amount(quantity: str | int) -> float:
    """A quantity of Kubernetes as a number: cores, bytes."""
    number, unit = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(quantity)).groups()  # type: ignore[union-attr]
    return float(number) * {"": 1, "m": 1e-3, "Mi": 2**20, "Gi": 2**30}[unit]


def files(pods_of: Pods, container: Mapping[str, Any], folder: str) -> set[str]:
    """The names of the files that Secrets put into a folder of a container; optional ones are left out."""
    mounted = {mount["name"] for mount in container["volumeMounts"] if mount["mountPath"] == folder}
    return {
        item["path"]
        for volume in pods_of.spec["volumes"]
        if volume["name"] in mounted
        for source in volume["projected"]["sources"]
        if not source["secret"].get("optional")
        for item in source["secret"]["items"]
    }
