"""Programs that only benchmarks need, in environments of their own: their dependencies are not the project's."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

from fourones_local.layout import Repository


@cache
def tool(name: str, *, of: str = "bench") -> str:
    """The path of a program of `requirements/<of>.txt`, whose environment is made on the first call."""
    root = Repository.here().root
    environment, locked = root / ".local" / of, root / "requirements" / f"{of}.txt"
    stamp = environment / "locked"
    if not stamp.exists() or stamp.read_bytes() != locked.read_bytes():
        uv = Path(sys.executable).parent / "uv"
        python = environment / "bin" / "python"
        if not python.exists():
            subprocess.run([uv, "venv", "-q", "--python", sys.executable, environment], check=True)
        subprocess.run([uv, "pip", "sync", "-q", "--require-hashes", "--python", python, locked], check=True)
        stamp.write_bytes(locked.read_bytes())
    return str(environment / "bin" / name)
