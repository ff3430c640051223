"""The codes that the submission service answers with, read from its source: none can be forgotten in a list."""

import ast
from collections.abc import Iterator
from pathlib import Path

import fourones_shared
import fourones_submission

SERVICE = Path(fourones_submission.__file__).parent
_SHARED_HTTP = Path(fourones_shared.__file__).parent / "http"
_SOURCES = {
    path: ast.parse(path.read_text(encoding="utf-8"))
    for folder in (SERVICE, _SHARED_HTTP)
    for path in sorted(folder.rglob("*.py"))
}


def _positions_of_codes() -> dict[str, set[int]]:
    """By the name of a class or function that takes a `code`: at which places of a call it stands."""
    found: dict[str, set[int]] = {}
    for node in (node for source in _SOURCES.values() for node in ast.walk(source)):
        taken: list[str] = []
        if isinstance(node, ast.ClassDef):
            made = [s for s in node.body if isinstance(s, ast.FunctionDef) and s.name == "__init__"]
            fields = [s.target.id for s in node.body if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)]
            taken = _arguments_of(made[0]) if made else fields
        elif isinstance(node, ast.FunctionDef):
            taken = _arguments_of(node)
        if "code" in taken and isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.setdefault(node.name, set()).add(taken.index("code"))
    return found


def _arguments_of(function: ast.FunctionDef) -> list[str]:
    names = [argument.arg for argument in function.args.args]
    return names[1:] if names[:1] in (["self"], ["cls"]) else names


def _texts(node: ast.expr, constants: dict[str, str]) -> Iterator[str]:
    """The texts that an expression can be: itself, a constant's, or either side of a choice."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.Name) and node.id in constants:
        yield constants[node.id]
    elif isinstance(node, ast.IfExp):
        yield from (*_texts(node.body, constants), *_texts(node.orelse, constants))


def _constants_of(source: ast.Module) -> dict[str, str]:
    return {
        target.id: statement.value.value
        for statement in source.body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }


def codes_in_calls(*below: Path) -> set[str]:
    """Every code that is given in a call in the files below these folders of the service, or in all files."""
    takers = _positions_of_codes()
    found: set[str] = set()
    for path, source in _SOURCES.items():
        if below and not any(path.is_relative_to(folder) for folder in below):
            continue
        constants = _constants_of(source)
        for node in (node for node in ast.walk(source) if isinstance(node, ast.Call)):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            codes = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
            codes += [node.args[place] for place in takers.get(name, ()) if place < len(node.args)]
            for code in codes:
                found.update(_texts(code, constants))
    return found
