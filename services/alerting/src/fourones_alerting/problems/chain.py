"""The hashes that chain every step to all before it.

Whoever alters, removes or inserts a step must alter the hash of every later one; the last hash, noted elsewhere (every
event on `problems-changed` bears one), tells even of that.
"""

from __future__ import annotations

import hashlib
from datetime import UTC
from typing import Any

import orjson

from fourones_alerting.domain.problems import Action, Actor, Level, State, Step

BEGINNING = "0" * 64
"""The hash before the first step."""


def hash_of(before: str, number: int, step: Step) -> str:
    """SHA-256 of the hash before and of the step as canonical JSON, hexadecimal."""
    document = orjson.dumps({"number": number} | columns_of(step), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(before.encode() + b"\n" + document).hexdigest()


def columns_of(step: Step) -> dict[str, Any]:
    """A step as the columns of `problem_step`: texts, numbers and lists only."""
    return {
        "problem_id": step.problem,
        "action": step.action.value,
        "state": step.state.value,
        "level": step.level.value,
        "due": step.due.isoformat(),
        "responsible": list(step.responsible),
        "taken_at": step.taken_at.astimezone(UTC).isoformat(timespec="microseconds"),
        "role": step.by.role,
        "org": step.by.org,
        "key_id": step.by.key_id,
        "note": step.note,
        "details": None if step.details is None else dict(step.details),
    }


def step_from(row: Any) -> Step:
    """A step from a row of `problem_step`."""
    return Step(
        problem=row.problem_id,
        action=Action(row.action),
        state=State(row.state),
        level=Level(row.level),
        due=row.due,
        responsible=tuple(row.responsible),
        taken_at=row.taken_at.astimezone(UTC),
        by=Actor(row.role, row.org, row.key_id),
        note=row.note,
        details=row.details,
    )
