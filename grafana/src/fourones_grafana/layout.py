"""Where the files are, in a checkout."""

from __future__ import annotations

from pathlib import Path

from fourones_grafana.errors import BoardsError

_ROOT = Path(__file__).resolve().parents[3]


def repository() -> Path:
    """The checkout that this package is installed from.

    Raises:
        BoardsError: the package was installed without its checkout.
    """
    if not (_ROOT / "grafana" / "provisioning").is_dir():
        raise BoardsError(
            "fourones-grafana works on the files of a checkout: install it with `uv pip install -e grafana`"
        )
    return _ROOT


def dashboards() -> Path:
    """The generated boards."""
    return repository() / "grafana" / "dashboards"


def provisioning() -> Path:
    """What Grafana reads at its start."""
    return repository() / "grafana" / "provisioning"


def sheet() -> Path:
    """The sheet of every panel."""
    return repository() / "docs" / "boards.md"
