"""Images and a composed system, made once for all tests of this folder."""

import os
import secrets
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from containers.composed import ROOT, Composed, run
from support.system import SystemClient

# Its image cannot be had without a registry; what a test starts, the test removes.
os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")


@pytest.fixture(scope="session")
def images() -> None:
    """All images, built the way that needs no registry; what is built already takes seconds."""
    run([str(ROOT / "deploy" / "images" / "docker.sh"), "offline"])


@pytest.fixture(scope="session")
def composed(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    """The system from nothing to healthy."""
    state: Path = tmp_path_factory.mktemp("compose")
    made = Composed(f"fourones-test-{secrets.token_hex(4)}", state)
    try:
        made.up()
        yield made
    finally:
        made.down()


@pytest.fixture(scope="session")
def whole_system(composed: Composed) -> Composed:
    """What the end-to-end tests speak to: here, containers."""
    return composed


@pytest.fixture(scope="session")
def client(composed: Composed) -> Iterator[SystemClient]:
    """The three APIs by HTTP."""
    with closing(SystemClient(composed.endpoints)) as made:
        yield made
