"""Episodes: from the judging that turned a target red to the one that found it green or yellow again.

What is told to departments and what is entered on the problem list goes by episodes, so that a fact is told once
however often it is judged. Grey ends none: silence never improves a light.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from fourones_alerting.domain.verdicts import Light, Verdict

_RED = sorted(verdict.value for verdict in Verdict if verdict.light is Light.RED)
_RECOVERED = sorted(verdict.value for verdict in Verdict if verdict.light in {Light.GREEN, Light.YELLOW})


def follow(connection: Connection, rows: Sequence[dict[str, Any]], now: datetime) -> None:
    """Begin and end the episodes of targets whose assessments have just been written.

    Args:
        connection: the transaction that writes them.
        rows: the assessments, with `target`, `verdict`, `period` and `changed_by`.
        now: the moment of judging.
    """
    red = [row for row in rows if row["verdict"] in _RED]
    recovered = [row for row in rows if row["verdict"] in _RECOVERED]
    if recovered:
        connection.execute(
            _END,
            {
                "targets": [row["target"] for row in recovered],
                "causes": [row["changed_by"] for row in recovered],
                "now": now,
            },
        )
    if red:
        connection.execute(
            _BEGIN,
            {"targets": [row["target"] for row in red], "periods": [row["period"] for row in red], "now": now},
        )


def end_removed(connection: Connection, targets: Sequence[str], now: datetime) -> None:
    """End the episodes of targets that the catalogue no longer has."""
    if targets:
        parameters = {"targets": list(targets), "causes": ["catalogue"] * len(targets), "now": now}
        connection.execute(_END, parameters)


_END = text(
    "UPDATE episode SET ended_at = :now, ended_by = found.cause"
    " FROM unnest(CAST(:targets AS text[]), CAST(:causes AS text[])) AS found (target, cause)"
    " WHERE episode.target = found.target AND ended_at IS NULL"
)
_BEGIN = text(
    "INSERT INTO episode (target, number, began_at, began_in)"
    " SELECT found.target, coalesce((SELECT max(number) FROM episode WHERE episode.target = found.target), 0) + 1,"
    " :now, found.period FROM unnest(CAST(:targets AS text[]), CAST(:periods AS text[])) AS found (target, period)"
    " WHERE NOT EXISTS (SELECT FROM episode WHERE episode.target = found.target AND ended_at IS NULL)"
)
