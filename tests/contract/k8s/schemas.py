"""What an object is held against: Kubernetes' own schemas, or those of the operators (deploy/k8s/schemas)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import yaml
from contract.k8s.rendering import K8S, Manifest
from jsonschema import Draft202012Validator, ValidationError, validators

# The oldest that is promised, and the newest that the package knows.
VERSIONS = ("1.31", kubernetes_validate.latest_version())
_TYPES = ("string", "integer", "boolean")


def faults(manifest: Manifest) -> Iterator[str]:
    """What a server of either version would refuse, under strict field validation."""
    schema = _of_operators().get(f"{manifest['apiVersion']}/{manifest['kind']}")
    if schema is not None:
        for error in _Validator(schema).iter_errors(manifest):
            yield f"{error.json_path}: {error.message}"
        return
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(manifest, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"{version}: {'/'.join(map(str, error.path))}: {error.message}"
        except kubernetes_validate.SchemaNotFoundError as error:
            yield f"{version}: {error}"


@cache
def _of_operators() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for file in (K8S / "schemas").glob("*.json"):
        kind, group, version = file.stem.split("-")
        found[f"{group}/{version}/{kind}"] = json.loads(file.read_text(encoding="utf-8"))
    for name, spec in yaml.safe_load((K8S / "schemas" / "narrow.yaml").read_text(encoding="utf-8")).items():
        found[name] = {
            "type": "object",
            "properties": {"apiVersion": {}, "kind": {}, "metadata": {}, "spec": _narrow(spec)},
            "required": ["spec"],
            "additionalProperties": False,
        }
    return found


def _keys_differ(
    validator: Any,
    keys: list[str],
    items: Any,
    schema: Any,
) -> Iterator[ValidationError]:
    seen: set[tuple[Any, ...]] = set()
    for item in items:
        values = tuple(item.get(key) for key in keys)
        if values in seen:
            yield ValidationError(f"more than one item has {dict(zip(keys, values, strict=True))}")
        seen.add(values)


_Validator = validators.extend(Draft202012Validator, {"x-kubernetes-list-map-keys": _keys_differ})


def _narrow(node: Any) -> dict[str, Any]:
    if node == "any":
        return {}
    if node == "map":
        return {"type": "object", "additionalProperties": {"type": "string"}}
    if isinstance(node, list):
        return {"type": "array", "items": _narrow(node[0]), "minItems": 1}
    if isinstance(node, dict):
        properties = {name: _narrow(inner) for name, inner in node.items()}
        return {"type": "object", "properties": properties, "additionalProperties": False}
    assert node in _TYPES, node
    return {"type": node}
