"""The alerting rules, by Prometheus' own unit tests for rules."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from fourones_local.layout import Repository

PROMTOOL = shutil.which("promtool")
FOLDER = Repository.here().root / "deploy" / "prometheus"

# A skipped test fails the run in CI, where promtool is installed; here it may be missing.
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None and os.environ.get("CI") != "true", reason="promtool (Debian: apt-get install prometheus)"
)


def _promtool(*arguments: str | Path) -> None:
    assert PROMTOOL is not None, "promtool is not installed"
    done = subprocess.run([PROMTOOL, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_the_rules_are_written_as_prometheus_reads_them() -> None:
    _promtool("check", "rules", *sorted((FOLDER / "rules").glob("*.yml")))


@needs_promtool
def test_the_rules_alert_when_they_should_and_only_then() -> None:
    _promtool("test", "rules", *sorted((FOLDER / "tests").glob("*.yml")))
