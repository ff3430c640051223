"""Running the command in this process, and writing what it reads."""

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from fourones.__main__ import app

FIGURE = {"indicator": "cluster-scale", "cluster": "new-materials", "period": "2025-11", "value": "1.5"}
BODY: dict[str, Any] = {"org": "320382", "figures": [FIGURE]}


def run(*arguments: object, env: dict[str, str] | None = None, typed_in: bytes | None = None) -> Result:
    """The command with these arguments."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env=env, input=typed_in)


def write(folder: Path, body: Any, name: str = "body.json") -> Path:
    """A file with that text, or the JSON of that content."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(body if isinstance(body, str) else json.dumps(body, ensure_ascii=False))
    return path
