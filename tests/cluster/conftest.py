"""One node with everything of the overlay `local` in it, for all tests of this folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster.binaries import build
from cluster.installed import Installed
from cluster.node import Node, a_node
from containers.composed import ROOT, run


@pytest.fixture(scope="session")
def binaries() -> Path:
    """Kubernetes' programs; compiled when they are not there."""
    assert os.geteuid() == 0, "a node is made by root"
    assert shutil.which("go"), "missing on this machine: Go 1.24 or newer"
    folder = ROOT / ".local" / "cluster" / "bin"
    build(folder)
    return folder


@pytest.fixture(scope="session")
def node(binaries: Path) -> Iterator[Node]:
    """A cluster of one node, empty."""
    with a_node(binaries) as made:
        yield made


@pytest.fixture(scope="session")
def installed(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The overlay `local` as the guide says how to apply it, and everything available."""
    run([str(ROOT / "deploy" / "images" / "docker.sh"), "offline"])
    made = Installed(node, tmp_path_factory.mktemp("overlay"))
    made.apply()
    return made
