"""Writing the files of the state directory: private where they hold secrets, never half written."""

import json
import os
from pathlib import Path
from typing import Any

PRIVATE = 0o600


def write_private(file: Path, text: str) -> None:
    """Writes a file that only its owner can read; a reader sees the old text or the new one, nothing between."""
    draft = file.with_name(f".{file.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    draft.replace(file)


def write_private_json(file: Path, content: Any) -> None:
    """Writes JSON that only its owner can read."""
    write_private(file, json.dumps(content, ensure_ascii=False, indent=2) + "\n")


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file; empty when the file is not there."""
    if not file.exists():
        return {}
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def tail(file: Path, lines: int = 20) -> str:
    """The last lines of a log; a sentence when there is none."""
    if not file.exists():
        return "(no log was written)"
    # 64 KiB hold twenty lines of anything that logs one line per event.
    with file.open("rb") as stream:
        stream.seek(0, os.SEEK_END)
        stream.seek(max(0, stream.tell() - 65_536))
        text = stream.read().decode("utf-8", errors="replace")
    return "\n".join(text.splitlines()[-lines:]) or "(the log is empty)"
