"""YAML in which every value still knows its line.

Everything but `null`, `true` and `false` is read as the text that was written: 14.5 never becomes a binary float,
2025 stays a period, 000 a source's id. The types make numbers and days of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fourones_shared.catalogue.faults import Fault, Words, escape

_PLAIN = {"null": None, "~": None, "": None, "true": True, "false": False}
# Deeper than any catalogue; an alias that contains itself stops here instead of never.
_MAX_DEPTH = 20


@dataclass(frozen=True, slots=True)
class LocatedFile:
    """A file's content, the line of every value by its JSON pointer, and what could not be read.

    Attributes:
        readable: False when the text is no YAML at all, so that nothing can be said about its content.
    """

    name: str
    content: Any
    lines: Mapping[str, int]
    faults: Sequence[Fault]
    readable: bool = True

    def line_of(self, pointer: str) -> int:
        """The line of the value, or of the nearest one around it."""
        while pointer and pointer not in self.lines:
            pointer = pointer.rpartition("/")[0]
        return self.lines.get(pointer, 1)


def read_located(path: Path, name: str) -> LocatedFile:
    """Read one YAML file; `name` is what faults call it."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return _unreadable(name, mark.line + 1 if mark else 1, error.problem or str(error))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        return _unreadable(name, 1, str(error))
    reader = _Reader(name)
    content = None if node is None else reader.read(node, "", 0)
    return LocatedFile(name, content, reader.lines, reader.faults)


def _unreadable(name: str, line: int, why: str) -> LocatedFile:
    fault = Fault(
        "",
        "not-yaml",
        zh=Words(f"不是有效的 YAML({why})", "改正该行的缩进、引号或冒号"),
        en=Words(f"not YAML ({why})", "mend the indentation, quotes or colons of that line"),
        file=name,
        line=line,
    )
    return LocatedFile(name, None, {"": line}, [fault], readable=False)


class _Reader:
    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[str, int] = {}
        self.faults: list[Fault] = []

    def read(self, node: yaml.Node, pointer: str, depth: int) -> Any:
        self.lines.setdefault(pointer, node.start_mark.line + 1)
        if depth > _MAX_DEPTH:
            self._fault(
                pointer,
                node,
                "too-deep",
                Words("嵌套过深,或别名引用了自身", "去掉循环的别名"),
                Words("nested too deeply, or an alias that contains itself", "remove the circular alias"),
            )
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, pointer, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(child, f"{pointer}/{i}", depth + 1) for i, child in enumerate(node.value)]
        text = str(node.value)
        plain = isinstance(node, yaml.ScalarNode) and node.style is None
        return _PLAIN.get(text, text) if plain else text

    def _mapping(self, node: yaml.MappingNode, pointer: str, depth: int) -> dict[str, Any]:
        content: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            place = f"{pointer}/{escape(key)}"
            if key in content:
                self._fault(
                    place,
                    key_node,
                    "duplicate-key",
                    Words(f"“{key}” 在第 {self.lines[place]} 行已经写过", "只保留一个"),
                    Words(f"`{key}` is already given on line {self.lines[place]}", "keep one of them"),
                )
                continue
            self.lines[place] = key_node.start_mark.line + 1
            content[key] = self.read(value_node, place, depth + 1)
        return content

    def _fault(self, pointer: str, node: yaml.Node, code: str, zh: Words, en: Words) -> None:
        line = node.start_mark.line + 1
        self.faults.append(Fault(pointer, code, zh, en, file=self.name, line=line))
