"""Makes strict JSON schemas of custom resource definitions: `python from_crds.py CRD.yaml…` writes one file a version.

Like the API server under strict field validation, they refuse fields that the definition does not name. Descriptions
are left out, and of Kubernetes' own words all but the keys by which the items of a list differ. See README.md for where
the definitions come from.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parent
_WORDS = frozenset({"description", "title", "example", "externalDocs"})
# A list of objects that is a map: no two of them have the same values here.
LIST_KEYS = "x-kubernetes-list-map-keys"


def main(files: list[str]) -> None:
    """The command."""
    for file in files:
        for definition in yaml.safe_load_all(Path(file).read_text(encoding="utf-8")):
            spec = definition["spec"]
            for version in spec["versions"]:
                if not version["served"]:
                    continue
                schema = strict(version["schema"]["openAPIV3Schema"])
                schema["properties"] |= {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {}}
                name = f"{spec['names']['kind']}-{spec['group']}-{version['name']}.json"
                text = json.dumps(schema, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
                (FOLDER / name).write_text(text + "\n", encoding="utf-8")


def strict(schema: Any) -> Any:
    """The schema without words and without room for unknown fields."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties":
            made[key] = {name: strict(inner) for name, inner in value.items()}
        elif key == "x-kubernetes-int-or-string" and value:
            made["type"] = ["integer", "string"]
        elif key not in _WORDS and (key == LIST_KEYS or not key.startswith("x-")):
            made[key] = value if key in {"default", "enum", LIST_KEYS} else strict(value)
    if made.pop("nullable", False) and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    open_to_all = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if "properties" in made and not open_to_all:
        made["additionalProperties"] = False
    return made


if __name__ == "__main__":
    main(sys.argv[1:])
