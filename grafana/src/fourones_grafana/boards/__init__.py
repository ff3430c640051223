"""The six boards."""

from __future__ import annotations

from collections.abc import Iterator

from fourones_grafana.board import Board
from fourones_grafana.boards import cluster, county, department, overview, quality, system

# Of the local stack; a city sets its own with `fourones-grafana generate --explanations`.
EXPLANATIONS = "http://127.0.0.1:8003/v1/assessments/"


def boards(explanations: str = EXPLANATIONS) -> Iterator[Board]:
    """All boards, the first of them home.

    Args:
        explanations: the address under which the alerting service explains a target; its id is appended.
    """
    yield overview.board(explanations)
    yield cluster.board(explanations)
    yield county.board()
    yield department.board(explanations)
    yield quality.board()
    yield system.board()
