"""The guide for those who connect a system, followed to the letter: every command and program in it is run."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from fourones_local.kafka import find_java
from fourones_local.stack import Stack

pytestmark = pytest.mark.e2e

GUIDE = Path(__file__).parents[2] / "docs" / "integration"
_BLOCK = re.compile(r"^```(?P<language>\w+)(?: (?P<mark>\w+))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    language: str
    mark: str | None
    text: str


def blocks(name: str) -> list[Block]:
    found = _BLOCK.finditer((GUIDE / name).read_text(encoding="utf-8"))
    return [Block(match["language"], match["mark"], match["text"]) for match in found]


@pytest.fixture
def environment(whole_system: Stack) -> Mapping[str, str]:
    endpoints = whole_system.endpoints
    return os.environ | {"FOURONES_URL": endpoints["submission"], "FOURONES_KEY": endpoints["keys"]["320382"]}


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_every_example_of_the_guide_works_as_printed(name: str, environment: Mapping[str, str], tmp_path: Path) -> None:
    examples = [block for block in blocks(name) if block.mark == "run"]
    assert {block.language for block in examples} == {"sh", "python", "java"}
    for block in examples:
        done = subprocess.run(
            _command(block, tmp_path), cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, block.text + done.stdout + done.stderr
        # curl ends well whatever the service answers; a problem document says what it is.
        assert '"errors"' not in done.stdout, block.text + done.stdout
        assert "about:blank" not in done.stdout, block.text + done.stdout
    assert (tmp_path / "template.xlsx").read_bytes().startswith(b"PK")


def test_both_languages_of_the_guide_have_the_same_examples() -> None:
    english, chinese = ([b for b in blocks(name) if b.mark] for name in ("README.md", "README.zh-CN.md"))

    assert [b.text for b in english] == [b.text for b in chinese]


def _command(block: Block, directory: Path) -> list[str]:
    match block.language:
        case "sh":
            return [shutil.which("bash") or "bash", "-eu", "-o", "pipefail", "-c", block.text]
        case "python":
            return [shutil.which("python3") or "python3", "-I", "-c", block.text]
        case _:
            source = directory / "Report.java"
            source.write_text(block.text, encoding="utf-8")
            return [find_java(), "-Dfile.encoding=UTF-8", str(source)]
