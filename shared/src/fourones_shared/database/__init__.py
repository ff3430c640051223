"""PostgreSQL: engines, the columns every service's tables share, and migrations."""

from typing import Final

BOARDS_ROLE: Final = "fourones_boards"
"""Reads the boards' views, and nothing else; whoever makes the databases makes it, and `migrate` grants."""
