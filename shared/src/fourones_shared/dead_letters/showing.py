"""Dead letters in words for a terminal, and as JSON for scripts. A record may hold anything: none of it is trusted."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from fourones_shared.dead_letters.stored import Listed, Step, Stored
from fourones_shared.domain.clock import SHANGHAI
from fourones_shared.events.envelope import Headers

# More than anybody reads on a screen; `--value` gives all of it.
LONGEST_SHOWN = 20_000
HEX_COLUMNS = 16
MOST_CHANGES = 50
_MISSING = object()

Line = tuple[str, ...]
COLUMNS: Line = ("id", "state", "reason", "set aside", "topic", "key", "what")


def line_of(letter: Listed) -> Line:
    """A dead letter in the columns of the list; what it says last, since that is cut first."""
    what = letter.note if letter.note is not None else letter.detail
    return (
        str(letter.dead_letter_id),
        f"{letter.state}{'*' if letter.repaired else ''}",
        letter.reason,
        moment(letter.recorded_at),
        letter.topic,
        "-" if letter.key is None else _short(plain(letter.key.decode("utf-8", "replace")), 40),
        _short(plain(what).replace("\n", " "), 80),
    )


def document_of(letter: Listed) -> dict[str, Any]:
    """The same as JSON; a key that is no text is shown with replacement characters."""
    return {
        "id": letter.dead_letter_id,
        "state": letter.state.value,
        "group": letter.group,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "key": None if letter.key is None else letter.key.decode("utf-8", "replace"),
        "size": letter.size,
        "reason": letter.reason,
        "detail": letter.detail,
        "recorded_at": letter.recorded_at.isoformat(),
        "resolved_at": None if letter.resolved_at is None else letter.resolved_at.isoformat(),
        "repaired": letter.repaired,
        "note": letter.note,
    }


def document_in_full(letter: Stored, steps: Sequence[Step]) -> dict[str, Any]:
    """With contents and history; a value is text, or `{"base64": …}`."""
    return document_of(letter.listed) | {
        "headers": {name: _text_or_base64(value) for name, value in letter.headers},
        "value": _text_or_base64(letter.value),
        "original_headers": {name: _text_or_base64(value) for name, value in letter.original_headers},
        "original_value": _text_or_base64(letter.original),
        "steps": [
            {
                "action": step.action,
                "at": step.taken_at.isoformat(),
                "by": step.taken_by,
                "note": step.note,
                "size": step.size,
            }
            for step in steps
        ],
    }


def in_full(letter: Stored, steps: Sequence[Step]) -> Iterator[str]:
    """Everything about one, line by line."""
    listed = letter.listed
    yield f"dead letter  {listed.dead_letter_id}"
    yield f"state        {listed.state}{'' if listed.resolved_at is None else f' at {moment(listed.resolved_at)}'}"
    yield f"reason       {listed.reason}"
    yield f"detail       {plain(listed.detail)}"
    yield f"set aside    {moment(listed.recorded_at)} by {listed.group}"
    yield f"place        {listed.topic}, partition {listed.partition}, offset {listed.offset}"
    yield f"key          {'-' if listed.key is None else plain(listed.key.decode('utf-8', 'replace'))}"
    if listed.note is not None:
        yield f"note         {plain(listed.note)}"
    yield "headers" + (" (repaired)" if letter.headers != letter.original_headers else "")
    yield from _headers(letter.headers)
    yield f"value        {len(letter.value or b'')} bytes" + (
        ", repaired; `--value --original` gives the original" if letter.value != letter.original else ""
    )
    yield readable(letter.value)
    if steps:
        yield "what was done"
    for step in steps:
        size = "" if step.size is None else f" ({step.size} bytes)"
        note = "" if step.note is None else f": {plain(step.note)}"
        yield f"  {moment(step.taken_at)}  {step.action}{size} by {plain(step.taken_by)}{note}"


def readable(value: bytes | None) -> str:
    """A value as indented JSON, as text, or as hexadecimal bytes; cut where it is too long to be read."""
    if value is None:
        return "  (null)"
    try:
        shown = _indented(value.decode())
    except UnicodeDecodeError:
        shown = "\n".join(_hexadecimal(value[: LONGEST_SHOWN // 4]))
    cut = shown[:LONGEST_SHOWN]
    return plain(cut) + ("\n… cut; `--value` gives all of it" if len(cut) < len(shown) else "")


def changes(before: bytes | None, after: bytes) -> Iterator[str]:
    """What a repair changes, by JSON pointer; in bytes where either is no JSON."""
    try:
        old, new = json.loads(before or b""), json.loads(after)
    except (ValueError, RecursionError):
        yield f"the value: {len(before or b'')} bytes become {len(after)}"
        return
    found = 0
    for pointer, was, becomes in _differences(old, new):
        found += 1
        if found > MOST_CHANGES:
            yield "… and more"
            return
        yield f"{plain(pointer or '/')}: {_named(was)} becomes {_named(becomes)}"
    if not found:
        yield "nothing but the spelling"


def plain(words: str) -> str:
    """Without anything that a terminal would obey."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in words)


def moment(at: datetime) -> str:
    """On Shanghai's clock."""
    return at.astimezone(SHANGHAI).isoformat(timespec="seconds")


def _indented(words: str) -> str:
    try:
        # Python's own reader keeps integers of any length, which is what may be wrong with them.
        return json.dumps(json.loads(words), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return words


def _hexadecimal(value: bytes) -> Iterator[str]:
    for start in range(0, len(value), HEX_COLUMNS):
        row = value[start : start + HEX_COLUMNS]
        letters = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        yield f"  {start:08x}  {row.hex(' '):<{HEX_COLUMNS * 3}} {letters}"


def _headers(headers: Headers) -> Iterator[str]:
    for name, value in headers:
        shown = "(null)" if value is None else plain(value.decode("utf-8", "backslashreplace"))
        yield f"  {plain(name)}: {_short(shown, 200)}"


def _text_or_base64(value: bytes | None) -> object:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def _differences(before: object, after: object) -> Iterator[tuple[str, object, object]]:
    # Without recursion: how deep it nests is the record's choice.
    left: list[tuple[str, object, object]] = [("", before, after)]
    while left:
        pointer, was, becomes = left.pop()
        if isinstance(was, dict) and isinstance(becomes, dict):
            names = sorted(was.keys() | becomes.keys(), reverse=True)
            left += [(f"{pointer}/{n}", was.get(n, _MISSING), becomes.get(n, _MISSING)) for n in names]
        elif isinstance(was, list) and isinstance(becomes, list):
            places = range(max(len(was), len(becomes)) - 1, -1, -1)
            left += [(f"{pointer}/{n}", _at(was, n), _at(becomes, n)) for n in places]
        elif type(was) is not type(becomes) or was != becomes:
            yield pointer, was, becomes


def _at(items: list[object], place: int) -> object:
    return items[place] if place < len(items) else _MISSING


def _named(value: object) -> str:
    return "nothing" if value is _MISSING else _short(plain(json.dumps(value, ensure_ascii=False)), 80)


def _short(words: str, longest: int) -> str:
    return words if len(words) <= longest else words[: longest - 1] + "…"
