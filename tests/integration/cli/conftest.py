import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from integration.cli.commands import Command, finished
from integration.submission.service import Service, a_service
from support.stack import NewDatabase
from support.waiting import eventually

COUNTIES = 6
INDICATORS = 3


@pytest.fixture(scope="module")
def service(new_database: NewDatabase) -> Iterator[Service]:
    """An API with the synthetic catalogue, put in force by the command itself."""
    with new_database() as url, a_service(url) as running:
        done = finished(
            *("simulate", "--counties", COUNTIES, "--indicators", INDICATORS, "--years", "2", "--until", "2025-12"),
            *("--apply", "--url", running.url, "--key", running.admin),
        )
        assert done.returncode == 0, done.stderr
        yield running


@pytest.fixture(scope="module")
def keys(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key for each synthetic county, and the viewer's, as their operator issues them."""
    command = [sys.executable, "-m", "fourones_submission", "keys", "demo", "--json"]
    settings = os.environ | {"FOURONES_DATABASE_URL": service.database_url}
    issued = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=120, check=True).stdout
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    path.write_text(issued)
    viewer = json.loads(issued)["viewer"]
    eventually(lambda: service.get("/v1/submissions", key=viewer).status_code == 200)
    return path


@pytest.fixture
def fourones(service: Service, keys: Path, tmp_path: Path) -> Command:
    """The command with address, keys and a state folder of the test's own."""
    return Command(service.url, keys, tmp_path / "state")


@pytest.fixture
def simulated(tmp_path: Path) -> Callable[[int], Path]:
    """Makes a folder of reports that no other test has sent: each seed has figures of its own."""

    def made(seed: int) -> Path:
        folder = tmp_path / f"reports-{seed}"
        done = finished(
            *("simulate", "--counties", COUNTIES, "--indicators", INDICATORS, "--years", "2", "--until", "2025-12"),
            *("--seed", seed, "--out", folder),
        )
        assert done.returncode == 0, done.stderr
        return folder

    return made
