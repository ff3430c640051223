"""What is wrong with a catalogue: where, which rule, and how to mend it, in Chinese and in English."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from fourones_shared.errors import CatalogueRefused

Language = Literal["zh", "en"]


class Words(NamedTuple):
    """What is wrong, and what to do about it."""

    problem: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        pointer: where, as a JSON pointer; into the file when `file` is given, else into the whole document.
        code: which rule, for machines; stable.
        zh, en: what is wrong and what to do.
        file, line: the YAML file and line that it was written in.
    """

    pointer: str
    code: str
    zh: Words
    en: Words
    file: str | None = None
    line: int | None = None

    @property
    def detail(self) -> str:
        """What is wrong and how to mend it, for the clerk who reads it."""
        return self.describe("zh")

    def describe(self, language: Language) -> str:
        """`problem → remedy` in that language."""
        words = self.zh if language == "zh" else self.en
        return f"{words.problem} → {words.remedy}"

    def render(self, language: Language = "zh") -> str:
        """One line: `catalogue/targets/x.yaml:12: targets/3/unit: … → …`."""
        place = "" if self.file is None else f"{self.file}:{self.line or 1}: "
        return f"{place}{self.pointer.lstrip('/') or '.'}: {self.describe(language)}"

    def __str__(self) -> str:
        return self.render()


class CatalogueHasFaults(CatalogueRefused):
    """The refusal with its faults as values: `found`; `faults` are the same as lines of text."""

    def __init__(self, found: Sequence[Fault]) -> None:
        super().__init__([fault.render() for fault in found])
        self.found = tuple(found)


def escape(part: str | int) -> str:
    """One part of a JSON pointer (RFC 6901)."""
    return str(part).replace("~", "~0").replace("/", "~1")
