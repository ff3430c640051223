"""Array literals: several times cheaper than lists adapted by the driver."""

from __future__ import annotations

from collections.abc import Iterable


def array(ids: Iterable[str]) -> str:
    """An array of ids and canonical periods, which hold no character that would need quoting."""
    return "{" + ",".join(ids) + "}"
