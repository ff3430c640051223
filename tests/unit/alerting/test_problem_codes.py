"""Every code that the problem list refuses with has an English text and a line in the guide to errors."""

import ast
from pathlib import Path

import pytest

import fourones_alerting
from fourones.meanings import FAULTS

SERVICE = Path(fourones_alerting.__file__).parent
FILES = (
    "api/bodies.py",
    "api/problem_list.py",
    "domain/problem_life.py",
    "domain/problem_rights.py",
    "domain/raising.py",
)
# At which place of a call the code stands.
TAKERS = {"Fault": 1, "NotAllowed": 0, "OutOfOrder": 0, "_fault": 1, "_no_such": 1}


def codes() -> set[str]:
    found: set[str] = set()
    for name in FILES:
        for node in ast.walk(ast.parse((SERVICE / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in TAKERS:
                place = TAKERS[node.func.id]
                given = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
                given += node.args[place : place + 1]
                found |= {g.value for g in given if isinstance(g, ast.Constant) and isinstance(g.value, str)}
    return found


def test_the_scan_finds_codes_of_every_file() -> None:
    assert {"not_parseable", "version_differs", "own_report", "highest_level", "due_in_past"} <= codes()


@pytest.mark.parametrize("code", sorted(codes()))
def test_the_code_is_explained(code: str) -> None:
    assert code in FAULTS, f"say in cli/src/fourones/meanings.py what {code} means"
