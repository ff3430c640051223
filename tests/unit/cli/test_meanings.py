"""Every code that the submission service can answer with has an English text."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import fourones_shared
import fourones_submission
from fourones.meanings import FAULTS, meaning, refusal
from fourones_shared.catalogue.model import Doubt
from fourones_shared.http import problems

SERVICE = Path(fourones_submission.__file__).parent
SHARED_HTTP = Path(fourones_shared.__file__).parent / "http"
SOURCES = [ast.parse(path.read_text()) for folder in (SERVICE, SHARED_HTTP) for path in sorted(folder.rglob("*.py"))]


def positions_of_codes() -> dict[str, set[int]]:
    """By the name of a class or function that takes a `code`: at which places of a call it stands."""
    found: dict[str, set[int]] = {}
    for node in (node for source in SOURCES for node in ast.walk(source)):
        taken: list[str] = []
        if isinstance(node, ast.ClassDef):
            made = [s for s in node.body if isinstance(s, ast.FunctionDef) and s.name == "__init__"]
            fields = [s.target.id for s in node.body if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)]
            taken = arguments_of(made[0]) if made else fields
        elif isinstance(node, ast.FunctionDef):
            taken = arguments_of(node)
        if "code" in taken and isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.setdefault(node.name, set()).add(taken.index("code"))
    return found


def arguments_of(function: ast.FunctionDef) -> list[str]:
    names = [argument.arg for argument in function.args.args]
    return names[1:] if names[:1] in (["self"], ["cls"]) else names


def texts(node: ast.expr, constants: dict[str, str]) -> Iterator[str]:
    """The texts that an expression can be: itself, a constant's, or either side of a choice."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.Name) and node.id in constants:
        yield constants[node.id]
    elif isinstance(node, ast.IfExp):
        yield from (*texts(node.body, constants), *texts(node.orelse, constants))


def constants_of(source: ast.Module) -> dict[str, str]:
    return {
        target.id: statement.value.value
        for statement in source.body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }


def codes_in_calls() -> set[str]:
    takers = positions_of_codes()
    found: set[str] = set()
    for source in SOURCES:
        constants = constants_of(source)
        for node in (node for node in ast.walk(source) if isinstance(node, ast.Call)):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            codes = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
            codes += [node.args[place] for place in takers.get(name, ()) if place < len(node.args)]
            for code in codes:
                found.update(texts(code, constants))
    return found


CODES = codes_in_calls() | {doubt.value for doubt in Doubt} | set(problems._IN_CHINESE)


def test_the_scan_finds_codes_of_every_kind():
    assert {
        "period_locked",  # a fault's place
        "period_frequency",  # handed on by another class
        "value_decimals",  # by a method
        "idempotency_key_reused",  # by name
        "cell_formula",  # by an exception
        "unit_slip",
        "missing",
    } <= CODES
    assert len(CODES) > 60


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_has_an_english_text(code):
    assert code in FAULTS, f"say in cli/src/fourones/meanings.py what {code} means"
    assert FAULTS[code].isascii() or "×" in FAULTS[code]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 413, 415, 422, 428, 429])
def test_every_refusal_has_an_english_text(status):
    assert refusal(status)


def test_what_is_not_known_has_none():
    assert meaning("of_a_later_release") is None
    assert refusal(299) is None
