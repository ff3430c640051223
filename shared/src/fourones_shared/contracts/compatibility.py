"""Whether a changed event schema leaves everybody who reads or has written the old one at work.

Two things must hold, since topics are kept for ever and readers are not updated together: an old reader takes new
events, and a new reader takes old ones. A field that may be absent can therefore be added, and nothing else may
change but words. What cannot be changed so gets a new type (`.v2`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]

# Words, and where definitions lie; none of them decides which documents are valid.
_ANNOTATIONS = frozenset({"title", "description", "examples", "$schema", "$id", "$defs", "deprecated", "$comment"})
_STRUCTURE = frozenset({"properties", "required", "items", "prefixItems", "anyOf", "oneOf", "allOf"})


def breaking_changes(old: Schema, new: Schema) -> list[str]:
    """What an old reader or a new one would stumble over, each as `place: what`.

    Args:
        old: a JSON Schema with its definitions under `$defs`.
        new: the one that is to replace it.
    """
    return list(_Comparison(old, new).differences())


def without_words(schema: Schema) -> Schema:
    """What decides which documents are valid; two schemas that agree in it say the same."""
    kept: Schema = {}
    for keyword, value in schema.items():
        if keyword in {"properties", "$defs"}:
            kept[keyword] = {name: without_words(part) for name, part in value.items()}
        elif keyword not in _ANNOTATIONS:
            kept[keyword] = _part_without_words(value)
    return kept


def _part_without_words(value: Any) -> Any:
    if isinstance(value, dict):
        return without_words(value)
    return [_part_without_words(part) for part in value] if isinstance(value, list) else value


class _Comparison:
    def __init__(self, old: Schema, new: Schema) -> None:
        self._old = old
        self._new = new
        self._compared: set[tuple[str, str]] = set()

    def differences(self) -> Iterator[str]:
        return self._schemas(self._old, self._new, "")

    def _schemas(self, old: Schema, new: Schema, place: str) -> Iterator[str]:
        both = (old.get("$ref", ""), new.get("$ref", ""))
        if any(both):
            # A type that contains itself is compared once.
            if both in self._compared:
                return
            self._compared.add(both)
        old, new = _resolved(old, self._old), _resolved(new, self._new)
        yield from self._values(old, new, place)
        yield from self._properties(old, new, place)
        yield from self._parts(old, new, place)

    def _values(self, old: Schema, new: Schema, place: str) -> Iterator[str]:
        where = place or "the document"
        for keyword in sorted((old.keys() | new.keys()) - _ANNOTATIONS - _STRUCTURE):
            before, after = _comparable(old.get(keyword)), _comparable(new.get(keyword))
            if keyword in old and keyword not in new:
                yield f"{where}: {keyword} {before!r} is gone"
            elif keyword not in old:
                yield f"{where}: {keyword} {after!r} is new"
            elif before != after:
                yield f"{where}: {keyword} changed from {before!r} to {after!r}"

    def _properties(self, old: Schema, new: Schema, place: str) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        was_required, is_required = set(old.get("required", ())), set(new.get("required", ()))
        for name in before:
            here = f"{place}.{name}" if place else name
            if name not in after:
                yield f"{here}: removed, but old readers look for it"
                continue
            if name in is_required - was_required:
                yield f"{here}: required now, but old events may lack it"
            if name in was_required - is_required:
                yield f"{here}: may be absent now, but old readers require it"
            yield from self._schemas(before[name], after[name], here)
        for name in after:
            if name not in before and name in is_required:
                yield f"{place}.{name}".lstrip(".") + ": new and required, but old events lack it"

    def _parts(self, old: Schema, new: Schema, place: str) -> Iterator[str]:
        if "items" in old and "items" in new:
            yield from self._schemas(old["items"], new["items"], f"{place}[]")
        elif ("items" in old) != ("items" in new):
            yield f"{place}[]: items are described on one side only"
        for keyword in ("anyOf", "oneOf", "allOf", "prefixItems"):
            before, after = old.get(keyword, []), new.get(keyword, [])
            if len(before) != len(after):
                yield f"{place}: {keyword} has {len(after)} alternatives instead of {len(before)}"
                continue
            for one, other in zip(before, after, strict=True):
                yield from self._schemas(one, other, place)


def _resolved(schema: Schema, document: Schema) -> Schema:
    while "$ref" in schema:
        name = str(schema["$ref"]).removeprefix("#/$defs/")
        # What stands beside a reference counts too.
        schema = document["$defs"][name] | {k: v for k, v in schema.items() if k != "$ref"}
    return schema


def _comparable(value: Any) -> Any:
    # The order of an enumeration says nothing.
    return sorted(value, key=repr) if isinstance(value, list) else value
