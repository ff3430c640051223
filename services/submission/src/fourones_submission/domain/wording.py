"""How faults quote what was sent and suggest what was meant."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Mapping
from decimal import Decimal

from fourones_shared.domain.numbers import format_decimal

# Enough to recognise one's own text by; a fault must not repeat a megabyte of it.
LONGEST_QUOTE = 60
SUGGESTIONS = 3
SUGGESTIONS_WORTH_LOOKING_FOR = 50

_LIST = "可用的编码见 GET /v1/catalogue"


def quoted(text: str) -> str:
    """The text in Chinese quotation marks, cut when long, with control characters made visible."""
    cut = text if len(text) <= LONGEST_QUOTE else text[:LONGEST_QUOTE] + "…"
    return "“" + "".join(c if c.isprintable() else ascii(c)[1:-1] for c in cut) + "”"


class Suggestions:
    """Finds what was meant by what was written.

    Args:
        names: Chinese names by id; a written name finds its id too.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._ids = {name: key for key, name in names.items()}
        self._told: dict[str, str] = {}

    def near(self, text: str) -> str:
        """A sentence that names the nearest known ids, or where to find them all."""
        wanted = unicodedata.normalize("NFKC", text[:LONGEST_QUOTE]).strip().lower()
        if wanted not in self._told:
            # Comparing takes milliseconds; a thousand different slips in one body are not worth seconds.
            if len(self._told) >= SUGGESTIONS_WORTH_LOOKING_FOR:
                return _LIST
            self._told[wanted] = self._look(wanted)
        return self._told[wanted]

    def _look(self, wanted: str) -> str:
        if wanted in self._ids:
            return f"应写编码 {quoted(self._ids[wanted])}"
        found = difflib.get_close_matches(wanted, self._names, SUGGESTIONS, 0.6)
        found += [self._ids[name] for name in difflib.get_close_matches(wanted, self._ids, SUGGESTIONS, 0.6)]
        if not found:
            return _LIST
        distinct = list(dict.fromkeys(found))[:SUGGESTIONS]
        return "是否应为 " + "、".join(f"{quoted(key)}({self._names[key]})" for key in distinct) + "?"


def unsafe(text: str) -> bool:
    """Whether the text holds what no database keeps: NUL, other control characters, half a surrogate pair."""
    return not text.isprintable() and any(_is_unsafe(c) for c in text)


def _is_unsafe(character: str) -> bool:
    return character not in "\n\r\t" and unicodedata.category(character) in {"Cc", "Cs"}


def amount(value: Decimal, unit: str) -> str:
    """A number with its unit, as a clerk writes it."""
    gap = "" if unit in {"%", "‰", ""} else " "
    return f"{format_decimal(value)}{gap}{unit}"
