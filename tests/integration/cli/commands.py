"""The command as people run it: a process of its own."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


def finished(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command, when it has ended."""
    return subprocess.run(
        _spelt(arguments), env=_environment(environment), capture_output=True, text=True, timeout=240, check=False
    )


@dataclass(frozen=True)
class Command:
    """The command with the address of a service, a file of keys, and a state folder."""

    url: str
    keys: Path
    state: Path

    def __call__(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return finished(*arguments, "--keys", self.keys, **self._settings)

    def started(self, *arguments: object) -> subprocess.Popen[bytes]:
        """The command, running; what it says goes into the file `said`."""
        self.state.mkdir(exist_ok=True)
        with self.said.open("ab") as said:
            return subprocess.Popen(
                _spelt((*arguments, "--keys", self.keys)),
                env=_environment(self._settings),
                stdout=said,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> Path:
        """What started commands have said."""
        return self.state / "said"

    @property
    def _settings(self) -> dict[str, str]:
        return {"FOURONES_URL": self.url, "XDG_STATE_HOME": str(self.state)}


def _spelt(arguments: tuple[object, ...]) -> list[str]:
    return [sys.executable, "-m", "fourones", *(str(argument) for argument in arguments)]


def _environment(given: dict[str, str]) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("FOURONES_")}
    return own | given
