"""The guide lists every code that the submission service can answer with."""

import re
from pathlib import Path

from fourones.meanings import FAULTS, REFUSALS

GUIDE = (Path(__file__).parents[2] / "docs" / "integration" / "errors.md").read_text(encoding="utf-8")


def test_every_code_has_its_remedy() -> None:
    tables = set(re.findall(r"^\| `([a-z_]+)` \|", GUIDE, re.MULTILINE))
    of_types = set(re.findall(r"`([a-z_]+)`", GUIDE.rpartition("\n## ")[2])) - {"detail"}

    listed = tables | of_types

    assert listed == set(FAULTS)


def test_every_status_has_its_remedy() -> None:
    listed = {
        int(status) for cell in re.findall(r"^\| ([0-9, ]+) \|", GUIDE, re.MULTILINE) for status in cell.split(",")
    }

    assert listed >= set(REFUSALS)
